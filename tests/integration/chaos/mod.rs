//! Several processes as one cluster, and what is done to them: killed, stopped, restarted, cut off, slowed down, while hundreds
//! of clients publish and subscribe. Every message has an id, and afterwards the whole history is judged: nothing twice,
//! nothing corrupted, all in order, and lost only what a fault excuses, which the counters must know of.
//!
//! Longer runs, by environment variables:
//! - `HEREABOUTS_CHAOS_SECONDS`: how long the steady load without a fault goes on; 2 by default.
//! - `HEREABOUTS_CHAOS_TRIALS`: how often somebody subscribes and somebody else publishes; 100 by default.
//!
//! The partition of network namespaces needs to be root; where that is not allowed it is skipped, and says so, also in CI. That
//! `nft` is there CI sees to.
//!
//! Start with `instances.rs` (the processes), `load.rs` (the clients), `history.rs` and `verdict.rs` (what must be true).

// The processes.
mod instances;

// The links and datagrams between them.
mod proxy;

// Networks of their own for them.
mod namespaces;

// The clients.
mod load;

// What has happened, and what is wrong with it.
mod history;
mod verdict;

// Nothing is done to the instances, or all in good order.
mod healthy;

// SIGKILL.
mod crashes;

// SIGSTOP.
mod pauses;

// What lies between them misbehaves.
mod links;

// Nothing goes through at all between some.
mod partitions;

// Who is present, meanwhile.
mod members;

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Runs the clients and the proxies of all tests: there are hundreds of connections, and the machine may be small.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    })
}
