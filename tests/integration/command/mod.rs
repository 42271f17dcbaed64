//! COMMAND and its subcommands: what clients and redis-cli learn from them. What Redis says of each of its commands is
//! compared with redis-server in `oracle`.

// COMMAND, COMMAND INFO: the ten elements.
mod info;

// COMMAND COUNT, COMMAND LIST and its filters.
mod list;

// COMMAND DOCS, COMMAND HELP.
mod docs;

// COMMAND GETKEYS, COMMAND GETKEYSANDFLAGS.
mod keys;

// Commands of Redis that are not served: what is answered, and what an operator is told.
mod unserved;
