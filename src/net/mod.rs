//! Sockets, tasks, timers and signals: the only code that is asynchronous or reads a clock.
//!
//! Owns the shells around the state machines, each a loop of "what happens next?" and a synchronous "do it". A shell
//! that grows logic is a mistake: the logic belongs to its machine. Start with [`server`].

mod client;
mod cluster;
mod doors;
mod flush;
pub mod gossip;
mod host;
mod listen;
pub mod logging;
pub mod measure;
mod output;
mod pause;
pub mod peer;
mod presence;
pub mod process;
pub mod server;
mod tick;
mod tls;
mod transport;
mod turns;

use tokio::sync::Notify;

pub use server::Server;

use crate::broker::Broker;
use cluster::Cluster;
use doors::Doors;
use tls::Tls;
use transport::Clock;
use turns::Turns;

/// What all tasks of a server share.
struct Shared {
    broker: Broker,
    clock: Clock,
    /// Where clients come in.
    doors: Doors,
    /// How they are encrypted, where they are.
    tls: Tls,
    /// Clients that have more to fetch.
    turns: Turns,
    /// There is work for the flush task.
    flush: Notify,
    /// There is work for the presence task.
    presence: Notify,
    /// Other instances.
    cluster: Cluster,
    /// A client has begun to wait for the end of a pause.
    postponed: Notify,
    /// A connection has ended.
    gone: Notify,
    /// A client wants the server to stop.
    stop: Notify,
}

impl Shared {
    /// Wakes the tasks of presence and of the cluster if somebody has left them something to do.
    fn note_work(&self) {
        if self.broker.presence.take_work() {
            self.presence.notify_one();
        }
        if self.broker.interest.take_work() {
            self.cluster.work.notify_one();
        }
    }
}
