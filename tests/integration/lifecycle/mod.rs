//! A process that starts, listens, survives and stops.

// The command line, by the program's own name and by that of redis-server; the files and directories that it names.
mod start;

// The log: its forms, where it goes, what is in it.
mod log;

// What systemd is told.
mod service;

// TCP addresses, the Unix socket, and what is said when one cannot be had.
mod listen;

// SIGTERM, SIGINT and SHUTDOWN.
mod stop;

// What goes wrong inside and must stay there: panics, no descriptors left.
mod survive;
