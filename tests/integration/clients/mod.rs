//! Real clients: what they make of our bytes. `tests/clients/` has scripts that use the libraries as applications do, run
//! once for each protocol that a library speaks and once as it connects by default, and lists of the libraries' own tests.
//!
//! The libraries are installed under `target/clients/` on first use. Where that is impossible (no interpreter, no
//! network) the tests are skipped with a line that cannot be overlooked; with `CI=true` that is a failure.

mod environment;
mod script;

// redis-cli with arguments and from a pipe: subscriptions, commands, mass insertion.
mod redis_cli;

// redis-cli at a terminal: help and hints.
mod redis_cli_help;

// redis-cli at a terminal: prompt, subscribed mode, Ctrl-C, broken connections.
mod terminal;

// redis-benchmark.
mod redis_benchmark;

// redis-py, ioredis, node-redis, redis-rs, fred.
mod libraries;

// The classes that redis-py, ioredis and node-redis have for Redis Cluster.
mod cluster;

// The tests that redis-py and redis-rs come with.
mod their_tests;

// Frameworks: Socket.IO, python-socketio, Django Channels, GraphQL subscriptions, NestJS.
mod frameworks;

// Presence: the libraries, phoenix.js, and applications that are killed.
mod presence;

// The programs in README.md, as pasted.
mod readme;

// redis-cli and redis-py over TLS.
mod tls;
