//! Everything that clients share, behind locks.
//!
//! Owns one of each state machine, all locks but an outbox's own, and is the only place where one machine's output
//! becomes another's input. Synchronous; never waits for I/O, never reads a clock. Start with
//! [`Subscriptions::publish`].
//!
//! Lock order: a shard of channels, then patterns, then an outbox. The list of clients, that of monitors, the pause, the
//! configuration, the notices, the request to stop and the cleanup queue are taken alone. No lock is held for longer than
//! one budget, but for the one that lets one client at a time change the configuration; and wakers are called when all
//! are free.

pub mod clients;
pub mod configuration;
pub mod eviction;
pub mod monitors;
pub mod notices;
pub mod pause;
pub mod session;
pub mod stats;
pub mod subscriptions;

mod cleanup;

use std::time::Duration;

use crate::config::Config;
use crate::map::HashKeys;
use crate::sync::Mutex;
use crate::time::Now;

use cleanup::Cleanup;
use clients::Clients;
use configuration::{Configuration, Host};
use monitors::Monitors;
use notices::Notices;
use pause::Pause;
use stats::{Counter, Stats};
use subscriptions::Subscriptions;

/// What identifies this process, drawn once at start.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Reads the memory that the process has resident, in bytes.
    pub resident_bytes: fn() -> u64,
    /// Reads the processor time that the process has used: in the system, and by itself.
    pub processor_time: fn() -> (Duration, Duration),
    /// Forty hexadecimal digits, different at every start. (Redis INFO `run_id`.)
    pub run_id: String,
    /// Process id.
    pub process_id: u32,
    /// The program's file.
    pub executable: String,
    /// The configuration file, empty if there is none.
    pub config_file: String,
}

/// How a client wants the server to stop. (SHUTDOWN.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// When clients have what is queued for them.
    Graceful,
    /// Without waiting for them.
    Now,
}

/// The state of this instance.
pub struct Broker {
    /// Who this is.
    pub identity: Identity,
    /// When it started.
    pub started: Now,
    /// Channels, patterns and their receivers.
    pub subscriptions: Subscriptions,
    /// Everyone connected.
    pub clients: Clients,
    /// Who is shown what the others do.
    pub monitors: Monitors,
    /// What waits until a pause is over.
    pub pause: Pause,
    /// What has happened so far.
    pub stats: Stats,
    /// What has been logged once.
    pub notices: Notices,
    configuration: Configuration,
    cleanup: Cleanup,
    stop_request: Mutex<Option<StopRequest>>,
}

impl Broker {
    /// A broker without clients.
    pub fn new(config: Config, host: Box<dyn Host>, identity: Identity, keys: HashKeys, now: Now) -> Self {
        let counted = config.pubsub_stats_channels;
        Broker {
            identity,
            started: now,
            subscriptions: Subscriptions::counting(keys, counted),
            clients: Clients::default(),
            monitors: Monitors::default(),
            pause: Pause::default(),
            stats: Stats::default(),
            configuration: Configuration::new(config, host),
            notices: Notices::new(keys),
            cleanup: Cleanup::default(),
            stop_request: Mutex::new(None),
        }
    }

    /// Notes that a client wants the server to stop, which is for whoever runs it to do. (SHUTDOWN.)
    pub fn request_stop(&self, request: StopRequest) {
        *self.stop_request.lock() = Some(request);
    }

    /// Whether, and how, a client wants the server to stop.
    pub fn stop_requested(&self) -> Option<StopRequest> {
        *self.stop_request.lock()
    }

    /// Begins to count anew. (CONFIG RESETSTAT.)
    pub fn reset_stats(&self) {
        self.stats.reset();
        self.subscriptions.reset_busiest();
    }

    /// Forgets a client that is gone, wherever it is known but in the subscriptions, which [`Broker::leave`] ends.
    pub fn forget(&self, client: &clients::Client) {
        self.monitors.remove(client);
        self.pause.forget(client);
        self.clients.remove(client.id);
    }

    /// Ends every connection as soon as it has its output. Returns the wakers to call.
    pub fn stop(&self) -> Vec<std::task::Waker> {
        let clients = self.clients.after(0, usize::MAX);
        clients
            .iter()
            .filter_map(|client| client.outbox.close(crate::outbox::CloseReason::Shutdown))
            .collect()
    }

    /// Ends a client whose unfinished request, or transaction, is larger than it may be: counted and logged.
    pub fn close_for_query(&self, session: &mut session::Session) {
        session.closing = true;
        self.stats.add(session.id(), Counter::QueryLimitDisconnections, 1);
        tracing::warn!(
            "Closing client that reached max query buffer length: id={} addr={} name={}; see client-query-buffer-limit",
            session.id(),
            session.client.address,
            session.client.name(),
        );
    }

    /// Reports clients that were closed because they did not keep up: counted, and logged once each.
    pub fn report_overflows(&self, ids: &mut Vec<u64>) {
        for id in ids.drain(..) {
            self.stats.add(id, Counter::OutputLimitDisconnections, 1);
            let Some(client) = self.clients.find(id) else { continue };
            tracing::warn!(
                "Client id={id} addr={} name={} scheduled to be closed ASAP for overcoming of output buffer limits. \
                 It does not read fast enough what is sent to it; see client-output-buffer-limit",
                client.address,
                client.name(),
            );
        }
    }
}
