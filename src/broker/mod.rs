//! Everything that clients share, behind locks.
//!
//! Owns one of each state machine, all locks but an outbox's own, and is the only place where one machine's output
//! becomes another's input. Synchronous; never waits for I/O, never reads a clock. Start with
//! [`Subscriptions::publish`].
//!
//! Lock order: peers (see there), presence (the machine, a shard of topics, a shard of places), interest, a shard of channels, then patterns,
//! then an outbox. The list of clients, that of monitors, the pause, the configuration, the notices, the request to stop, the
//! cleanup queue, what is rare of a client, and what statistics have (errors, gauges, the slow log, the latency monitor) are
//! taken alone. No lock is held for longer than one budget, but for the one that lets one client at a time change the
//! configuration; and wakers are called when all are free.

pub mod clients;
pub mod command_stats;
pub mod configuration;
pub mod error_stats;
pub mod eviction;
pub mod gauges;
pub mod interest;
pub mod latency;
pub mod monitors;
pub mod notices;
pub mod pause;
pub mod peers;
pub mod presence;
pub mod roster;
pub mod session;
pub mod slow_log;
pub mod stats;
pub mod subscriptions;

mod cleanup;

use std::time::Duration;

use crate::config::Config;
use crate::crdt::NodeId;
use crate::map::HashKeys;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::time::Now;

use cleanup::Cleanup;
use clients::Clients;
use configuration::{Configuration, Host};
use gauges::{Gauges, Round};
use latency::LatencyMonitor;
use monitors::Monitors;
use notices::Notices;
use pause::Pause;
use slow_log::SlowLog;
use stats::{Counter, Stats};
use subscriptions::Subscriptions;

/// What identifies this process, drawn once at start, and what can be asked about it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Reads the monotonic clock: the time that has passed since the process started.
    pub monotonic: fn() -> Duration,
    /// Reads the memory that the process has resident, in bytes.
    pub resident_bytes: fn() -> u64,
    /// Reads the processor time that the process has used.
    pub processor_time: fn() -> ProcessorTime,
    /// What the allocator has to tell about itself.
    pub allocator_report: fn() -> String,
    /// The allocator's name and version. (INFO `mem_allocator`.)
    pub allocator: String,
    /// The operating system, its version and the processor. (INFO `os`.)
    pub system: String,
    /// The machine's memory in bytes.
    pub system_bytes: u64,
    /// By which other instances know it.
    pub node: NodeId,
    /// A random number that tells this start from all others.
    pub life: u64,
    /// Forty hexadecimal digits, different at every start. (Redis INFO `run_id`.)
    pub run_id: String,
    /// Process id.
    pub process_id: u32,
    /// The program's file.
    pub executable: String,
    /// The configuration file, empty if there is none.
    pub config_file: String,
    /// Rows of the command table, of which statistics are kept.
    pub command_rows: usize,
}

/// How a client wants the server to stop. (SHUTDOWN.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// When clients have what is queued for them.
    Graceful,
    /// Without waiting for them.
    Now,
}

/// Processor time, in the system and by the program itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTime {
    /// Of all threads.
    pub process: SystemAndUser,
    /// Of child processes that have ended.
    pub children: SystemAndUser,
    /// Of the thread that started the others.
    pub main_thread: SystemAndUser,
}

/// Processor time of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemAndUser {
    /// In the system.
    pub system: Duration,
    /// By itself.
    pub user: Duration,
}

/// The event of the latency monitor for turns that take too long.
const LONG_TURN: &str = "event-loop";

/// The state of this instance.
pub struct Broker {
    /// Who this is.
    pub identity: Identity,
    /// When it started.
    pub started: Now,
    /// Channels, patterns and their receivers.
    pub subscriptions: Subscriptions,
    /// What other instances want.
    pub interest: interest::Interest,
    /// The other instances.
    pub peers: peers::Peers,
    /// Who is present in which topic.
    pub presence: presence::Presence,
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
    /// What is measured now and then.
    pub gauges: Gauges,
    /// The memory when it started, in bytes.
    pub startup_bytes: u64,
    /// Commands that took long.
    pub slow_log: SlowLog,
    /// What took too long, by kind of event.
    pub latency: LatencyMonitor,
    peak_bytes: AtomicU64,
    cleanup: Cleanup,
    stop_request: Mutex<Option<StopRequest>>,
}

impl Broker {
    /// A broker without clients.
    pub fn new(config: Config, host: Box<dyn Host>, identity: Identity, keys: HashKeys, now: Now) -> Self {
        let counted = config.pubsub_stats_channels;
        let startup_bytes = (identity.resident_bytes)();
        let subscriptions = Subscriptions::counting(keys, counted);
        // What looks like a Redis Cluster has counts that its clients add up.
        let subscriptions = if config.face.enabled { subscriptions.with_own_counts() } else { subscriptions };
        let presence = presence::Presence::new(&config, &identity, keys, now);
        Broker {
            stats: Stats::new(identity.command_rows),
            gauges: Gauges::default(),
            startup_bytes,
            slow_log: SlowLog::default(),
            latency: LatencyMonitor::default(),
            peak_bytes: AtomicU64::new(startup_bytes),
            interest: interest::Interest::new(presence.owner(), keys, now),
            peers: peers::Peers::default(),
            presence,
            identity,
            started: now,
            subscriptions,
            clients: Clients::default(),
            monitors: Monitors::default(),
            pause: Pause::default(),
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

    /// Forgets a client that is gone, wherever it is known but in the subscriptions, which [`Broker::leave`] ends.
    pub fn forget(&self, client: &clients::Client) {
        self.monitors.remove(client);
        self.pause.forget(client);
        self.clients.remove(client.id);
    }

    /// The memory that the process has resident now, and the most that was seen, in bytes.
    pub fn memory(&self) -> (u64, u64) {
        let resident = (self.identity.resident_bytes)();
        let before = self.peak_bytes.fetch_max(resident, Ordering::Relaxed);
        (resident, resident.max(before))
    }

    /// Measures what is measured now and then. `round`: what a look at every client has found, if one has ended.
    pub fn sample(&self, now: Now, round: Option<Round>) {
        self.memory();
        self.gauges.sample(&self.stats, now.monotonic);
        round.into_iter().for_each(|round| self.gauges.note_round(round, now.monotonic));
    }

    /// Notes how long a turn took that began at this time, of the client with this id or, with 0, of the flush task.
    pub fn note_turn(&self, id: u64, begin: Now, time: Duration) {
        self.stats.note_turn(id, time);
        // The least that the monitor can be asked for.
        if time >= Duration::from_millis(1) {
            let threshold = self.config().latency_monitor_threshold;
            self.note_latency(LONG_TURN, begin, time, threshold);
        }
    }

    /// Notes an event for the latency monitor, if it took so many milliseconds; 0 for never.
    pub fn note_latency(&self, event: &'static str, now: Now, time: Duration, threshold_ms: u64) {
        let milliseconds = time.as_millis() as u64;
        if threshold_ms > 0 && milliseconds >= threshold_ms {
            self.latency.add(event, now.unix_seconds(), milliseconds);
        }
    }

    /// Sets to zero what Redis's CONFIG RESETSTAT does: not the peak of memory, the slow log or the latency monitor.
    pub fn reset_stats(&self) {
        self.stats.reset();
        self.gauges.reset_rates();
        self.subscriptions.reset_busiest();
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
