//! The integration tests: a server process of its own for each test, and bytes on its sockets. Where a new test goes:
//! by what a client would notice, not by the source file that is at fault.
//!
//! `HEREABOUTS_TEST_TRIALS=100000` has `instances::confirm` try so often whether a confirmed subscription receives.

// The lints that allow this in tests know only functions marked as tests, not what these call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::too_many_lines)]

// How the tests start servers and talk to them; nothing here asserts what the server does.
mod support;

// What whole brokers in this process need.
#[path = "../support/brokers.rs"]
mod surroundings;

// Framing: how bytes become requests, what is refused and with which text, before and after authentication.
mod protocol;

// Subscribing, publishing, asking who listens: replies, order, subscribed mode, large numbers.
mod pubsub;

// One connection: HELLO, AUTH, RESET, its name, what CLIENT and INFO tell, how it is ended.
mod connection;

// PRESENCE: who is in which topic.
mod presence;

// CONFIG: options that are asked for, changed while the server runs, and written into its file.
mod config;

// COMMAND: what is served, and what is known of Redis's commands.
mod command;

// MULTI, EXEC, and what stands between them.
mod transactions;

// Scripts, that is the one of Laravel, and functions, that is none.
mod scripts;

// The commands about keys that are answered although there are none.
mod keyspace;

// What a server that is no part of a Redis Cluster answers to CLUSTER.
mod cluster;

// Several processes that are one broker.
mod instances;

// What tools ask a server: its role, its time, whether all is saved.
mod server;

// MONITOR.
mod monitor;

// What the server tells about itself: INFO's numbers, the slow log, the latency monitor, memory.
mod statistics;

// What one client may take from the others, and what happens when it takes more.
mod limits;

// Encrypted connections.
mod tls;

// Clients that mean harm: what they cost the server.
mod hostile;

// The process: where it listens, how it stops, what it survives.
mod lifecycle;

// Several processes as one cluster, and what is done to them.
mod chaos;

// Real clients and what they make of our bytes.
mod clients;

// Whatever can be drawn at random and compared with redis-server, reply by reply.
mod oracle;

// README.md: what its blocks print, and whether its tables are complete.
mod readme;
