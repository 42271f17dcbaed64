//! What a connection is told about itself and may change: protocol, user, name; and how it ends.

// HELLO: its map, its options, all its errors.
mod hello;

// AUTH, requirepass, and what may be done before.
mod auth;

// PING, ECHO, SELECT, QUIT, RESET.
mod basics;

// CLIENT ID, SETNAME, GETNAME, SETINFO, INFO, LIST, REPLY.
mod client;

// CLIENT KILL.
mod kill;

// CLIENT PAUSE, UNPAUSE, UNBLOCK.
mod pause;

// CLIENT TRACKING and other settings that are only kept: CACHING, NO-EVICT, NO-TOUCH, CAPA.
mod tracking;

// INFO.
mod info;

// DEBUG.
mod debug;
