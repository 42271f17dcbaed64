//! The configuration as resolved values: what every other part reads.
//!
//! Owns the struct and its defaults. Must not know who reads it. The way from text to it: `launch` puts `flags` (the
//! command line; `redis_server` when started by that name) over `parse` (files), which look up each name in `options`
//! (the table), whose rows write the fields by a `format`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub mod options;

mod cluster;
mod cluster_format;
mod flags;
mod format;
mod launch;
mod parse;
mod redis;
mod redis_format;
mod redis_server;
mod rewrite;
mod row;
mod tls;

pub use cluster::{Cluster, SubscribeAck};
pub use launch::{Launch, Stop, load};
pub use options::face::Face;
pub use parse::{Notice, read_file};
pub use redis_server::{build_id, version_line};
pub use rewrite::rewrite;
pub use tls::{ClientCertificates, Tls};

/// The version of Redis whose behaviour this is. Clients decide by it what they may send.
pub const REDIS_VERSION: &str = "7.2.4";

/// A limit on the output queued for one client: closed at `hard_bytes`, or when at or above `soft_bytes`
/// without a break for longer than `soft_duration`. Zero bytes mean no limit. (Redis
/// `client-output-buffer-limit`.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which the client is closed at once; 0 for none.
    pub hard_bytes: u64,
    /// Bytes above which the client may stay only for `soft_duration`; 0 for none.
    pub soft_bytes: u64,
    /// How long the client may stay above `soft_bytes`.
    pub soft_duration: Duration,
}

/// Output limits by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Clients without subscriptions.
    pub normal: OutputLimit,
    /// Clients with at least one subscription.
    pub pubsub: OutputLimit,
    /// Kept for Redis's `replica` class, which has no clients here.
    pub replica: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        let limit = |hard_bytes, soft_bytes, seconds| OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_duration: Duration::from_secs(seconds),
        };
        OutputLimits {
            normal: limit(0, 0, 0),
            pubsub: limit(32 * MIB, 8 * MIB, 60),
            replica: limit(256 * MIB, 64 * MIB, 60),
        }
    }
}

/// `maxmemory-clients`: bytes, or a part of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMemory {
    /// So many bytes; 0 for no limit.
    Bytes(u64),
    /// So many hundredths of `maxmemory`.
    Percent(u8),
}

/// `enable-debug-command` and `enable-protected-configs`, `no | local | yes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nobody.
    No,
    /// Connections from the loopback interface or a Unix socket.
    Local,
    /// Everybody.
    Yes,
}

impl Permission {
    /// Whether a client has it.
    pub fn includes(self, is_local: bool) -> bool {
        match self {
            Permission::No => false,
            Permission::Local => is_local,
            Permission::Yes => true,
        }
    }
}

/// `loglevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
    Nothing,
}

/// `log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines as Redis writes them.
    Text,
    /// A JSON object a line.
    Json,
}

/// Every option, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses to listen on; a `-` before one makes its absence no error. (Redis `bind`.)
    pub bind: Vec<String>,
    /// TCP port; `None` when off (`port 0`), `Some(0)` for a free one (`port auto`).
    pub port: Option<u16>,
    /// Path of the Unix socket.
    pub unixsocket: Option<PathBuf>,
    /// Mode of the Unix socket, octal; 0 leaves it to the umask.
    pub unixsocketperm: u32,
    /// Listen backlog, connections.
    pub tcp_backlog: u32,
    /// TCP keepalive period; zero for off.
    pub tcp_keepalive: Duration,
    /// Clients without subscriptions are closed after this long without a request; zero for never.
    pub timeout: Duration,
    /// Clients at once.
    pub maxclients: usize,
    /// Memory of all clients together.
    pub maxmemory_clients: ClientMemory,
    /// Refuse strangers from other machines while there is no password.
    pub protected_mode: bool,
    /// Password of the default user; empty for none.
    pub requirepass: Vec<u8>,
    /// Number of databases that SELECT accepts.
    pub databases: u32,
    /// Output limits.
    pub client_output_buffer_limit: OutputLimits,
    /// Bytes of unread replies at which a client's further requests wait until it reads.
    pub client_reply_backlog: usize,
    /// How long a client may have output waiting without taking a byte of it; zero for ever.
    pub client_write_timeout: Duration,
    /// Bytes of one client's unfinished request and queued MULTI commands.
    pub client_query_buffer_limit: usize,
    /// Bytes of one argument.
    pub proto_max_bulk_len: usize,
    /// Subscriptions of one client: channels, shard channels and patterns together.
    pub max_subscriptions_per_client: usize,
    /// Patterns of one client.
    pub max_patterns_per_client: usize,
    /// Bytes of a channel's name.
    pub max_channel_length: usize,
    /// Bytes of a pattern.
    pub max_pattern_length: usize,
    /// Channels whose messages are counted, of each kind.
    pub pubsub_stats_channels: usize,
    /// Bytes of a topic's name.
    pub presence_topic_max_bytes: usize,
    /// Bytes of a member's key.
    pub presence_key_max_bytes: usize,
    /// Bytes of a session's name.
    pub presence_session_max_bytes: usize,
    /// Bytes of a member's id.
    pub presence_id_max_bytes: usize,
    /// Bytes of a meta.
    pub presence_meta_max_bytes: usize,
    /// Members of one topic.
    pub presence_topic_members_max: usize,
    /// Members of one key in a topic.
    pub presence_key_members_max: usize,
    /// Members of one session, or of one connection.
    pub presence_session_members_max: usize,
    /// Members of all topics.
    pub presence_members_max: usize,
    /// Named sessions.
    pub presence_sessions_max: usize,
    /// Keys that one reply lists.
    pub presence_list_max: usize,
    /// Bytes of a reply that lists something.
    pub presence_list_max_bytes: usize,
    /// How long the members of a session stay that nobody is attached to.
    pub presence_grace: Duration,
    /// How long the members of an instance stay that is down.
    pub presence_down_grace: Duration,
    /// Changes of a topic go out together that come so soon after others; zero for each at once.
    pub presence_event_interval: Duration,
    /// Bytes of changes that a watcher may leave unread before it gets the state instead.
    pub presence_watcher_backlog: usize,
    /// Keep an index of the topics in which a key is present.
    pub presence_key_index: bool,
    /// Commands queued by one MULTI.
    pub max_multi_commands: usize,
    /// How long to flush what is queued when stopping.
    pub shutdown_timeout: Duration,
    /// Worker threads; 0 for one per core.
    pub worker_threads: usize,
    /// Who may call DEBUG.
    pub enable_debug_command: Permission,
    /// Who may change protected options.
    pub enable_protected_configs: Permission,
    /// Commands that take more microseconds are in the slow log; negative for none.
    pub slowlog_log_slower_than: i64,
    /// Entries of the slow log.
    pub slowlog_max_len: usize,
    /// Milliseconds from which on the latency monitor keeps an event; 0 for none.
    pub latency_monitor_threshold: u64,
    /// Keep the distribution of each command's times.
    pub latency_tracking: bool,
    /// Percentiles that INFO shows, in millionths of a percent.
    pub latency_tracking_info_percentiles: Vec<u32>,
    /// Lowest level that is logged.
    pub loglevel: LogLevel,
    /// Path of the log, empty for standard output.
    pub logfile: String,
    /// How a line of the log is written.
    pub log_format: LogFormat,
    /// Lines go to syslog as well.
    pub syslog_enabled: bool,
    /// By which name syslog knows the lines.
    pub syslog_ident: String,
    /// Number of the syslog facility, as in RFC 3164.
    pub syslog_facility: u8,
    /// Working directory, from which relative paths are seen.
    pub dir: String,
    /// File that holds the process id while the server runs.
    pub pidfile: Option<PathBuf>,
    /// TLS.
    pub tls: Tls,
    /// Other instances.
    pub cluster: Cluster,
    /// How clients see a cluster.
    pub face: Face,
    /// What was set of Redis's options that have no meaning here, by name: CONFIG GET shows it again.
    pub ignored: BTreeMap<&'static str, Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bind: ["*", "-::*"].map(String::from).to_vec(),
            port: Some(6379),
            unixsocket: None,
            unixsocketperm: 0,
            tcp_backlog: 511,
            tcp_keepalive: Duration::from_secs(300),
            timeout: Duration::ZERO,
            maxclients: 10_000,
            maxmemory_clients: ClientMemory::Bytes(0),
            protected_mode: true,
            requirepass: Vec::new(),
            databases: 16,
            client_output_buffer_limit: OutputLimits::default(),
            client_reply_backlog: 16 * 1024 * 1024,
            client_write_timeout: Duration::from_secs(300),
            client_query_buffer_limit: 1024 * 1024 * 1024,
            proto_max_bulk_len: 512 * 1024 * 1024,
            max_subscriptions_per_client: 1_000_000,
            max_patterns_per_client: 10_000,
            max_channel_length: 4 * 1024,
            max_pattern_length: 1024,
            pubsub_stats_channels: 4096,
            presence_topic_max_bytes: 512,
            presence_key_max_bytes: 256,
            presence_session_max_bytes: 256,
            presence_id_max_bytes: 256,
            presence_meta_max_bytes: 4 * 1024,
            presence_topic_members_max: 100_000,
            presence_key_members_max: 10_000,
            presence_session_members_max: 250_000,
            presence_members_max: 1_000_000,
            presence_sessions_max: 100_000,
            presence_list_max: 10_000,
            presence_list_max_bytes: 16 * 1024 * 1024,
            presence_grace: Duration::from_secs(10),
            presence_down_grace: Duration::from_secs(5),
            presence_event_interval: Duration::from_millis(50),
            presence_watcher_backlog: 1024 * 1024,
            presence_key_index: true,
            max_multi_commands: 100_000,
            shutdown_timeout: Duration::from_secs(10),
            worker_threads: 0,
            enable_debug_command: Permission::No,
            enable_protected_configs: Permission::No,
            slowlog_log_slower_than: 10_000,
            slowlog_max_len: 128,
            latency_monitor_threshold: 0,
            latency_tracking: true,
            latency_tracking_info_percentiles: vec![50_000_000, 99_000_000, 99_900_000],
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            log_format: LogFormat::Text,
            syslog_enabled: false,
            syslog_ident: "redis".to_owned(),
            syslog_facility: 16,
            dir: ".".to_owned(),
            pidfile: None,
            tls: Tls::default(),
            cluster: Cluster::default(),
            face: Face::default(),
            ignored: BTreeMap::new(),
        }
    }
}

/// With less, nobody could even say that it is too little. (Redis.)
const CLIENT_MEMORY_MIN: u64 = 128 * 1024;

impl Config {
    /// Bytes that all clients together may take, if there is a limit. Of a `maxmemory` that is not set no part is one,
    /// as in Redis.
    pub fn client_memory_limit(&self) -> Option<u64> {
        let bytes = match self.maxmemory_clients {
            ClientMemory::Bytes(bytes) => bytes,
            ClientMemory::Percent(percent) => {
                let maxmemory =
                    self.ignored.get("maxmemory").and_then(|text| format::memory(text)).unwrap_or(0);
                maxmemory / 100 * u64::from(percent) + maxmemory % 100 * u64::from(percent) / 100
            }
        };
        (bytes > 0).then(|| bytes.max(CLIENT_MEMORY_MIN))
    }
}
