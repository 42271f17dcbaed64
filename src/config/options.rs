//! The option table: every option by name, with all that is known of it except its value.
//!
//! Owns the rows that are served, but for those of presence, of what clients see of a cluster, of what is measured, of clusters (`cluster.rs`), and of TLS (`tls.rs`); those that Redis knows and that have no meaning here
//! are in `redis.rs`. Files, flags, CONFIG and the documentation read this table and repeat nothing of it. Must not know where a value came
//! from.

use super::format::{
    Bytes, Format, Integer, LimitsByClass, Memory, MemoryOrPercent, Milliseconds, Named, Octal, Path, Port,
    Seconds, Text, Words, YesNo,
};
use super::{LogFormat, LogLevel, Permission, cluster, redis, tls};

pub(super) use super::row::refusal;
pub use super::row::{Accessors, Change, Fate, Row};

/// The row of an option, by its name or its alias, in any case.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    let is_name = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
    all().find(|row| is_name(row.name) || row.alias.is_some_and(is_name))
}

/// Every row: first what is served, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let served = SERVED.iter().chain(presence::SERVED).chain(cluster::SERVED).chain(face::SERVED);
    served.chain(measured::SERVED).chain(tls::SERVED).chain(redis::UNSERVED)
}

/// Every name and every older name, each with its row.
pub fn names() -> impl Iterator<Item = (&'static str, &'static Row)> {
    all().flat_map(|row| [Some(row.name), row.alias].into_iter().flatten().map(move |name| (name, row)))
}

/// The accessors of a field in a format; the compiler sees to it that they fit.
macro_rules! field {
    ($field:ident, $format:expr) => {
        Accessors {
            get: |config| $format.write(&config.$field),
            set: |config, values| $format.read(&mut config.$field, values),
        }
    };
}

pub(super) mod face;
mod measured;
mod presence;

const MIB: usize = 1024 * 1024;
const LOG_LEVELS: Named<LogLevel> = Named(&[
    ("debug", LogLevel::Debug),
    ("verbose", LogLevel::Verbose),
    ("notice", LogLevel::Notice),
    ("warning", LogLevel::Warning),
    ("nothing", LogLevel::Nothing),
]);
const LOG_FORMATS: Named<LogFormat> = Named(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
/// By their numbers in RFC 3164.
const FACILITIES: Named<u8> = Named(&[
    ("user", 1),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
]);
const PERMISSIONS: Named<Permission> =
    Named(&[("no", Permission::No), ("yes", Permission::Yes), ("local", Permission::Local)]);
const ADDRESSES: Words = Words { most: 16, too_many: "Too many bind addresses specified." };
/// Redis's `INT_MAX`.
const INT_MAX: u32 = i32::MAX.unsigned_abs();

static SERVED: &[Row] = &[
    Row::served(
        "bind",
        "address...",
        "* -::*",
        field!(bind, ADDRESSES),
        "Addresses to listen on, 16 at most; one with a - before it may be missing on this machine. All by default: \
         protected-mode guards what is open to strangers.",
    )
    .several(),
    Row::served(
        "port",
        "number|auto",
        "6379",
        field!(port, Port),
        "TCP port; 0 for none, auto for a free one, which is logged. 6379 is where clients look.",
    ),
    Row::served(
        "unixsocket",
        "path",
        "",
        field!(unixsocket, Path),
        "Unix socket to listen on; none by default, as in Redis.",
    )
    .immutable(),
    Row::served(
        "unixsocketperm",
        "mode",
        "0",
        field!(unixsocketperm, Octal { most: 0o777 }),
        "Octal mode of the Unix socket; 0 leaves it to the umask, as Redis does.",
    )
    .immutable(),
    Row::served(
        "tcp-backlog",
        "connections",
        "511",
        field!(tcp_backlog, Integer { least: 0, most: INT_MAX }),
        "Connections that may wait to be accepted: enough for all clients to come back at once after a restart, as far as the kernel's net.core.somaxconn allows.",
    )
    .immutable(),
    Row::served(
        "tcp-keepalive",
        "seconds",
        "300",
        field!(tcp_keepalive, Seconds),
        "After how long without traffic the kernel asks whether the other side is alive; 0 for never. Clients that \
         vanished without a word are gone within two of these periods.",
    ),
    Row::served(
        "timeout",
        "seconds",
        "0",
        field!(timeout, Seconds),
        "Clients without subscriptions are closed after this long without a request; 0 for never, as pools keep idle \
         connections.",
    ),
    Row::served(
        "maxclients",
        "number",
        "10000",
        field!(maxclients, Integer { least: 1, most: u32::MAX as usize }),
        "Clients at once. Each needs a file descriptor: more need a higher limit of the system as well.",
    ),
    Row::served(
        "maxmemory-clients",
        "bytes|percent%",
        "0",
        field!(maxmemory_clients, MemoryOrPercent),
        "Memory of all clients together: buffers, queued commands, subscriptions. Above it those that take most are \
         closed, but not who has said CLIENT NO-EVICT. A percentage is one of maxmemory, which has no other meaning here. \
         0 for no limit, as in Redis, since each client is bounded by the limits below.",
    ),
    Row::served(
        "databases",
        "number",
        "16",
        field!(databases, Integer { least: 1, most: INT_MAX }),
        "Numbers that SELECT takes, as many as clients expect of Redis. Channels are the same in all of them.",
    )
    .immutable(),
    Row::served(
        "protected-mode",
        "yes|no",
        "yes",
        field!(protected_mode, YesNo),
        "While there is no password, only clients on this machine are let in.",
    ),
    Row::served(
        "requirepass",
        "password",
        "",
        field!(requirepass, Bytes),
        "Password of the default user; empty for none, and then protected-mode keeps strangers out.",
    ),
    Row::served(
        "enable-debug-command",
        "no|yes|local",
        "no",
        field!(enable_debug_command, PERMISSIONS),
        "Who may call DEBUG: nobody, everybody, or clients on this machine. It can stop the server on purpose.",
    )
    .immutable(),
    Row::served(
        "enable-protected-configs",
        "no|yes|local",
        "no",
        field!(enable_protected_configs, PERMISSIONS),
        "Who may change dir and dbfilename by CONFIG SET: nobody, everybody, or clients on this machine. Paths are seen \
         from dir.",
    )
    .immutable(),
    Row::served(
        "client-output-buffer-limit",
        "class hard soft seconds...",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        field!(client_output_buffer_limit, LimitsByClass),
        "A client of the class (normal, pubsub: with subscriptions) is closed when its unread output reaches hard \
         bytes, or stays at soft bytes for longer than these seconds; 0 for no limit. A subscriber that cannot keep \
         up would otherwise take all the memory; clients that get what they ask for are held back by \
         client-reply-backlog instead. A client in MONITOR mode is normal; without a limit there, that of pubsub is its \
         own. A class that is not named keeps its limits.",
    )
    .several(),
    Row::served(
        "client-reply-backlog",
        "bytes",
        "16777216",
        field!(client_reply_backlog, Memory { least: 4096, most: usize::MAX }),
        "Unread replies at which a client's further requests wait until it reads: room for a large pipeline, not for \
         a client that never reads.",
    ),
    Row::served(
        "client-write-timeout",
        "milliseconds",
        "300000",
        field!(client_write_timeout, Milliseconds),
        "A client that has output waiting and takes no byte of it for this long is closed; 0 for never. As long as \
         the keepalive, so that a machine that sleeps briefly is spared.",
    ),
    Row::served(
        "client-query-buffer-limit",
        "bytes",
        "1073741824",
        field!(client_query_buffer_limit, Memory { least: MIB, most: i64::MAX as usize }),
        "Bytes of one client's unfinished request and its queued MULTI commands. Memory is taken only for what has \
         arrived.",
    ),
    Row::served(
        "proto-max-bulk-len",
        "bytes",
        "536870912",
        field!(proto_max_bulk_len, Memory { least: MIB, most: i64::MAX as usize }),
        "Bytes of one argument, thus of a message. Redis's limit, so that no message fails that Redis takes.",
    ),
    Row::served(
        "max-multi-commands",
        "number",
        "100000",
        field!(max_multi_commands, Integer { least: 1, most: u32::MAX as usize }),
        "Commands that one MULTI may queue: more than pipelines have, and a bound to what one client can cost.",
    ),
    Row::served(
        "max-subscriptions-per-client",
        "number",
        "1000000",
        field!(max_subscriptions_per_client, Integer { least: 0, most: u32::MAX as usize }),
        "Channels, shard channels and patterns of one client together: more than a backplane with a channel per user \
         needs, and a bound to what one client can cost.",
    ),
    Row::served(
        "max-patterns-per-client",
        "number",
        "10000",
        field!(max_patterns_per_client, Integer { least: 0, most: u32::MAX as usize }),
        "Patterns of one client. A publish looks at every pattern whose beginning fits.",
    ),
    Row::served(
        "max-channel-length",
        "bytes",
        "4096",
        field!(max_channel_length, Memory { least: 1, most: 512 * MIB }),
        "Bytes of a channel's name, to subscribe or to publish. A name is kept as long as somebody is subscribed; and \
         its length times that of a pattern bounds the time of matching them, during which the channel waits.",
    ),
    Row::served(
        "max-pattern-length",
        "bytes",
        "1024",
        field!(max_pattern_length, Memory { least: 1, most: 512 * MIB }),
        "Bytes of a pattern. See max-channel-length: at the defaults the worst pair takes a few milliseconds.",
    ),
    Row::served(
        "pubsub-stats-channels",
        "number",
        "4096",
        field!(pubsub_stats_channels, Integer { least: 0, most: 1024 * 1024 }),
        "Channels, and as many shard channels, whose messages PUBSUB STATS counts: those that are published to most. \
         They are spread over 256 groups by their names' hashes, and of n places in a group a channel that has more than \
         1/n of the group's messages surely has one. A place takes 70 bytes and a name; 0 for none.",
    )
    .immutable(),
    Row::served(
        "shutdown-timeout",
        "seconds",
        "10",
        field!(shutdown_timeout, Seconds),
        "How long to go on sending what is queued when stopping. Service managers wait longer than the default.",
    ),
    Row::served(
        "worker-threads",
        "number",
        "0",
        field!(worker_threads, Integer { least: 0, most: 1024 }),
        "Threads that serve connections; 0 for one per core.",
    )
    .immutable(),
    Row::served(
        "loglevel",
        "debug|verbose|notice|warning|nothing",
        "notice",
        field!(loglevel, LOG_LEVELS),
        "The least important events that are logged: notice tells of starts, stops and what an operator should see, \
         verbose of each connection.",
    ),
    Row::served(
        "logfile",
        "path",
        "",
        field!(logfile, Text),
        "File to log to, opened again on SIGHUP; empty for standard output, which is what service managers read.",
    )
    .immutable(),
    Row::served(
        "log-format",
        "text|json",
        "text",
        field!(log_format, LOG_FORMATS),
        "How a line of the log is written, in logfile or to standard output: as Redis writes it, or as a JSON object \
         with timestamp (RFC 3339, UTC), level, message and what else the event has.",
    )
    .immutable(),
    Row::served(
        "syslog-enabled",
        "yes|no",
        "no",
        field!(syslog_enabled, YesNo),
        "Lines go to syslog (/dev/log) as well. While nobody takes them there they are counted, not waited for.",
    )
    .immutable(),
    Row::served(
        "syslog-ident",
        "name",
        "redis",
        field!(syslog_ident, Text),
        "By which name syslog knows the lines. Redis's default, so that its filters go on to work.",
    )
    .immutable(),
    Row::served(
        "syslog-facility",
        "user|local0|...|local7",
        "local0",
        field!(syslog_facility, FACILITIES),
        "By which facility syslog knows the lines. Redis's default.",
    )
    .immutable(),
    Row::served(
        "dir",
        "path",
        ".",
        field!(dir, Text),
        "Working directory: relative paths of logfile, unixsocket and pidfile are seen from there. If it cannot be \
         entered the server stays where it was started, and says so.",
    )
    .protected(),
    Row::served(
        "pidfile",
        "path",
        "",
        field!(pidfile, Path),
        "File that holds the process id while the server runs; none by default, as service managers need none.",
    )
    .immutable(),
];

#[cfg(test)]
mod tests;
