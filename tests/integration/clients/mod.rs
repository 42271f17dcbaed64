//! Real clients: what they make of our bytes. Each library has a script in `tests/clients/`, run once for each protocol
//! that the library speaks and once as it connects by default.
//!
//! The libraries are installed under `target/clients/` on first use. Where that is impossible (no interpreter, no
//! network) the tests are skipped with a line that cannot be overlooked; with `CI=true` that is a failure.

mod environment;

// redis-cli: interactive subscriptions, commands from a pipe, mass insertion.
mod redis_cli;

// redis-cli on a terminal: help and hints.
mod redis_cli_help;

// redis-py, ioredis, node-redis.
mod libraries;

// Frameworks: Socket.IO, python-socketio, Django Channels, GraphQL subscriptions, NestJS.
mod frameworks;

// redis-cli and redis-py over TLS.
mod tls;
