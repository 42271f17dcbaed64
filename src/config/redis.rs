//! Options of Redis 7.2 that have no meaning here, so that its configuration files load and CONFIG answers for them.
//!
//! Owns their names, Redis's syntax and defaults, and for each the reason why it is not served. Must not know how
//! rows are used.

use super::format::{Bytes, Integer, Master, Memory, OneOf, YesNo};
use super::options::Row;
use super::redis_format::{
    Custom, backlog_size, file_name, host_name, hz, keyspace_events, oom_scores, process_title, save,
    shutdown_flags,
};

const INT_MAX: i64 = i32::MAX as i64;
const INT: Integer<i64> = Integer { least: 0, most: INT_MAX };
const LONG: Integer<i64> = Integer { least: 0, most: i64::MAX };
const SIGNED: Integer<i64> = Integer { least: i32::MIN as i64, most: INT_MAX };
const PORT: Integer<i64> = Integer { least: 0, most: 65535 };
/// Redis keeps most sizes in a signed number.
const MEMORY: Memory<u64> = Memory { least: 0, most: i64::MAX.unsigned_abs() };
const LARGE_MEMORY: Memory<u64> = Memory { least: 0, most: u64::MAX };

const STORAGE: &str = "Nothing is stored on disk.";
const KEYS: &str = "There are no keys.";
const REPLICAS: &str = "There are no replicas.";
const CLUSTER: &str = "Instances find each other in their own way, not in that of Redis Cluster.";
const SCRIPTS: &str = "There are no scripts that could run for long.";
const SUPERVISION: &str = "The server runs in the foreground; a service manager takes care of it.";
const READINESS: &str =
    "Whoever sets NOTIFY_SOCKET, as systemd does, is told when the server is ready and when it stops.";
const RUNTIME: &str = "Threads and memory are managed differently: see worker-threads.";
const OUTGOING: &str = "There are no outgoing connections of Redis's kind.";
const USERS: &str = "There are no ACL users besides the default one: see requirepass.";
const PROTECTED: &str = "There is nothing that it would protect.";
const DIFFIE_HELLMAN: &str = "Keys are agreed upon by elliptic curves only, which need no parameters.";

/// Directives of Redis's files that CONFIG does not know and that Redis itself skips.
pub(super) const SKIPPED: [&str; 3] =
    ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Directives of Redis's files that CONFIG does not know and that must not be passed over in silence, with the reason.
pub(super) const REFUSED: [(&str, &str); 4] = [
    ("user", USERS),
    ("rename-command", "Commands keep their names and cannot be switched off."),
    ("loadmodule", "There are no modules."),
    ("sentinel", "There is no Sentinel."),
];

/// Rows of the option table.
pub(super) static UNSERVED: &[Row] = &[
    Row::ignored("appendonly", &YesNo, "no", STORAGE),
    Row::ignored("appendfilename", &Bytes, "appendonly.aof", STORAGE).immutable(),
    Row::ignored("appenddirname", &Bytes, "appendonlydir", STORAGE).immutable(),
    Row::ignored("appendfsync", &OneOf(&["everysec", "always", "no"]), "everysec", STORAGE),
    Row::ignored("no-appendfsync-on-rewrite", &YesNo, "no", STORAGE),
    Row::ignored("auto-aof-rewrite-percentage", &INT, "100", STORAGE),
    Row::ignored("auto-aof-rewrite-min-size", &MEMORY, "67108864", STORAGE),
    Row::ignored("aof-load-truncated", &YesNo, "yes", STORAGE),
    Row::ignored("aof-use-rdb-preamble", &YesNo, "yes", STORAGE),
    Row::ignored("aof-timestamp-enabled", &YesNo, "no", STORAGE),
    Row::ignored("aof-disable-auto-gc", &YesNo, "no", STORAGE),
    Row::ignored("aof-rewrite-incremental-fsync", &YesNo, "yes", STORAGE),
    Row::ignored("save", &Custom(save), "3600 1 300 100 60 10000", STORAGE).accumulating(),
    Row::ignored("dbfilename", &Custom(file_name), "dump.rdb", STORAGE).protected(),
    Row::ignored("stop-writes-on-bgsave-error", &YesNo, "yes", STORAGE),
    Row::ignored("rdbcompression", &YesNo, "yes", STORAGE),
    Row::ignored("rdbchecksum", &YesNo, "yes", STORAGE).immutable(),
    Row::ignored("rdb-del-sync-files", &YesNo, "no", STORAGE),
    Row::ignored("rdb-save-incremental-fsync", &YesNo, "yes", STORAGE),
    Row::ignored("sanitize-dump-payload", &OneOf(&["no", "yes", "clients"]), "no", STORAGE),
    Row::ignored("notify-keyspace-events", &Custom(keyspace_events), "", KEYS),
    Row::ignored("hash-max-listpack-entries", &LONG, "512", KEYS).alias("hash-max-ziplist-entries"),
    Row::ignored("hash-max-listpack-value", &MEMORY, "64", KEYS).alias("hash-max-ziplist-value"),
    Row::ignored("list-max-listpack-size", &SIGNED, "-2", KEYS).alias("list-max-ziplist-size"),
    Row::ignored("list-compress-depth", &INT, "0", KEYS),
    Row::ignored("set-max-intset-entries", &LONG, "512", KEYS),
    Row::ignored("set-max-listpack-entries", &LONG, "128", KEYS),
    Row::ignored("set-max-listpack-value", &LONG, "64", KEYS),
    Row::ignored("zset-max-listpack-entries", &LONG, "128", KEYS).alias("zset-max-ziplist-entries"),
    Row::ignored("zset-max-listpack-value", &MEMORY, "64", KEYS).alias("zset-max-ziplist-value"),
    Row::ignored("hll-sparse-max-bytes", &MEMORY, "3000", KEYS),
    Row::ignored("stream-node-max-bytes", &MEMORY, "4096", KEYS),
    Row::ignored("stream-node-max-entries", &LONG, "100", KEYS),
    Row::ignored("activerehashing", &YesNo, "yes", KEYS),
    Row::ignored("active-expire-effort", &Integer { least: 1, most: 10 }, "1", KEYS),
    Row::ignored("lazyfree-lazy-eviction", &YesNo, "no", KEYS),
    Row::ignored("lazyfree-lazy-expire", &YesNo, "no", KEYS),
    Row::ignored("lazyfree-lazy-server-del", &YesNo, "no", KEYS),
    Row::ignored("lazyfree-lazy-user-del", &YesNo, "no", KEYS),
    Row::ignored("lazyfree-lazy-user-flush", &YesNo, "no", KEYS),
    Row::ignored("tracking-table-max-keys", &LONG, "1000000", KEYS),
    Row::ignored("maxmemory", &LARGE_MEMORY, "0", KEYS),
    Row::ignored(
        "maxmemory-policy",
        &OneOf(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
        "noeviction",
        KEYS,
    ),
    Row::ignored("maxmemory-samples", &Integer { least: 1, most: INT_MAX }, "5", KEYS),
    Row::ignored("maxmemory-eviction-tenacity", &Integer { least: 0, most: 100 }, "10", KEYS),
    Row::ignored("lfu-log-factor", &INT, "10", KEYS),
    Row::ignored("lfu-decay-time", &INT, "1", KEYS),
    Row::ignored("replicaof", &Master, "", REPLICAS)
        .alias("slaveof")
        .several()
        .immutable()
        .missed("This server follows no master: what is published there does not arrive here."),
    Row::ignored("masterauth", &Bytes, "", REPLICAS),
    Row::ignored("masteruser", &Bytes, "", REPLICAS),
    Row::ignored("replica-serve-stale-data", &YesNo, "yes", REPLICAS).alias("slave-serve-stale-data"),
    Row::ignored("replica-read-only", &YesNo, "yes", REPLICAS).alias("slave-read-only"),
    Row::ignored("replica-ignore-disk-write-errors", &YesNo, "no", REPLICAS),
    Row::ignored("replica-ignore-maxmemory", &YesNo, "yes", REPLICAS).alias("slave-ignore-maxmemory"),
    Row::ignored("replica-lazy-flush", &YesNo, "no", REPLICAS).alias("slave-lazy-flush"),
    Row::ignored("replica-priority", &INT, "100", REPLICAS).alias("slave-priority"),
    Row::ignored("replica-announced", &YesNo, "yes", REPLICAS),
    Row::ignored("replica-announce-ip", &Bytes, "", REPLICAS).alias("slave-announce-ip"),
    Row::ignored("replica-announce-port", &PORT, "0", REPLICAS).alias("slave-announce-port"),
    Row::ignored("repl-diskless-sync", &YesNo, "yes", REPLICAS),
    Row::ignored("repl-diskless-sync-delay", &INT, "5", REPLICAS),
    Row::ignored("repl-diskless-sync-max-replicas", &INT, "0", REPLICAS),
    Row::ignored("repl-diskless-load", &OneOf(&["disabled", "on-empty-db", "swapdb"]), "disabled", REPLICAS),
    Row::ignored("repl-ping-replica-period", &Integer { least: 1, most: INT_MAX }, "10", REPLICAS)
        .alias("repl-ping-slave-period"),
    Row::ignored("repl-timeout", &Integer { least: 1, most: INT_MAX }, "60", REPLICAS),
    Row::ignored("repl-disable-tcp-nodelay", &YesNo, "no", REPLICAS),
    Row::ignored("repl-backlog-size", &Custom(backlog_size), "1048576", REPLICAS),
    Row::ignored("repl-backlog-ttl", &LONG, "3600", REPLICAS),
    Row::ignored("min-replicas-to-write", &INT, "0", REPLICAS).alias("min-slaves-to-write"),
    Row::ignored("min-replicas-max-lag", &INT, "10", REPLICAS).alias("min-slaves-max-lag"),
    Row::ignored(
        "propagation-error-behavior",
        &OneOf(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
        REPLICAS,
    ),
    Row::ignored("cluster-config-file", &Bytes, "nodes.conf", CLUSTER).immutable(),
    Row::ignored("cluster-node-timeout", &LONG, "15000", CLUSTER),
    Row::ignored("cluster-announce-hostname", &Custom(host_name), "", CLUSTER),
    Row::ignored("cluster-announce-human-nodename", &Bytes, "", CLUSTER),
    Row::ignored(
        "cluster-preferred-endpoint-type",
        &OneOf(&["ip", "hostname", "unknown-endpoint"]),
        "ip",
        CLUSTER,
    ),
    Row::ignored("cluster-replica-validity-factor", &INT, "10", CLUSTER)
        .alias("cluster-slave-validity-factor"),
    Row::ignored("cluster-replica-no-failover", &YesNo, "no", CLUSTER).alias("cluster-slave-no-failover"),
    Row::ignored("cluster-migration-barrier", &INT, "1", CLUSTER),
    Row::ignored("cluster-allow-replica-migration", &YesNo, "yes", CLUSTER),
    Row::ignored("cluster-require-full-coverage", &YesNo, "yes", CLUSTER),
    Row::ignored("cluster-allow-reads-when-down", &YesNo, "no", CLUSTER),
    Row::ignored("cluster-allow-pubsubshard-when-down", &YesNo, "yes", CLUSTER),
    Row::ignored("cluster-link-sendbuf-limit", &LARGE_MEMORY, "0", CLUSTER),
    Row::ignored("busy-reply-threshold", &LONG, "5000", SCRIPTS).alias("lua-time-limit"),
    Row::ignored("daemonize", &YesNo, "no", SUPERVISION)
        .immutable()
        .missed("The server stays in the foreground: start it by a service manager, or with & behind it."),
    Row::ignored("supervised", &OneOf(&["upstart", "systemd", "auto", "no"]), "no", READINESS).immutable(),
    Row::ignored("set-proc-title", &YesNo, "yes", SUPERVISION).immutable(),
    Row::ignored(
        "proc-title-template",
        &Custom(process_title),
        "{title} {listen-addr} {server-mode}",
        SUPERVISION,
    ),
    Row::ignored("always-show-logo", &YesNo, "no", SUPERVISION).immutable(),
    Row::ignored("shutdown-on-sigint", &Custom(shutdown_flags), "default", SUPERVISION).several(),
    Row::ignored("shutdown-on-sigterm", &Custom(shutdown_flags), "default", SUPERVISION).several(),
    Row::ignored("crash-log-enabled", &YesNo, "yes", SUPERVISION),
    Row::ignored("crash-memcheck-enabled", &YesNo, "yes", SUPERVISION),
    Row::ignored("oom-score-adj", &OneOf(&["no", "yes", "relative", "absolute"]), "no", SUPERVISION),
    Row::ignored("oom-score-adj-values", &Custom(oom_scores), "0 200 800", SUPERVISION).several(),
    Row::ignored("io-threads", &Integer { least: 1, most: 128 }, "1", RUNTIME).immutable(),
    Row::ignored("io-threads-do-reads", &YesNo, "no", RUNTIME).immutable(),
    Row::ignored("server-cpulist", &Bytes, "", RUNTIME).alias("server_cpulist").immutable(),
    Row::ignored("bio-cpulist", &Bytes, "", RUNTIME).alias("bio_cpulist").immutable(),
    Row::ignored("aof-rewrite-cpulist", &Bytes, "", RUNTIME).alias("aof_rewrite_cpulist").immutable(),
    Row::ignored("bgsave-cpulist", &Bytes, "", RUNTIME).alias("bgsave_cpulist").immutable(),
    Row::ignored("hz", &Custom(hz), "10", RUNTIME),
    Row::ignored("dynamic-hz", &YesNo, "yes", RUNTIME),
    Row::ignored("jemalloc-bg-thread", &YesNo, "yes", RUNTIME),
    Row::ignored("disable-thp", &YesNo, "yes", RUNTIME).immutable(),
    Row::ignored("activedefrag", &YesNo, "no", RUNTIME),
    Row::ignored("active-defrag-ignore-bytes", &Memory { least: 1, ..MEMORY }, "104857600", RUNTIME),
    Row::ignored("active-defrag-threshold-lower", &Integer { least: 0, most: 1000 }, "10", RUNTIME),
    Row::ignored("active-defrag-threshold-upper", &Integer { least: 0, most: 1000 }, "100", RUNTIME),
    Row::ignored("active-defrag-cycle-min", &Integer { least: 1, most: 99 }, "1", RUNTIME),
    Row::ignored("active-defrag-cycle-max", &Integer { least: 1, most: 99 }, "25", RUNTIME),
    Row::ignored("active-defrag-max-scan-fields", &Integer { least: 1, most: i64::MAX }, "1000", RUNTIME),
    Row::ignored("ignore-warnings", &Bytes, "", RUNTIME),
    Row::ignored("locale-collate", &Bytes, "", RUNTIME),
    Row::ignored("bind-source-addr", &Bytes, "", OUTGOING),
    Row::ignored("socket-mark-id", &Integer { least: 0, most: u32::MAX as i64 }, "0", OUTGOING).immutable(),
    Row::refused("aclfile", &Bytes, "", USERS).immutable(),
    Row::ignored("acl-pubsub-default", &OneOf(&["allchannels", "resetchannels"]), "resetchannels", USERS),
    Row::ignored("acllog-max-len", &LONG, "128", USERS),
    Row::ignored("enable-module-command", &OneOf(&["no", "yes", "local"]), "no", PROTECTED).immutable(),
    Row::ignored("tls-cluster", &YesNo, "no", CLUSTER)
        .missed("Links between instances prove cluster-secret and are not encrypted: give them a network of their own."),
    Row::ignored("tls-replication", &YesNo, "no", REPLICAS),
    Row::ignored("tls-client-cert-file", &Bytes, "", OUTGOING),
    Row::ignored("tls-client-key-file", &Bytes, "", OUTGOING),
    Row::ignored("tls-client-key-file-pass", &Bytes, "", OUTGOING),
    Row::ignored("tls-dh-params-file", &Bytes, "", DIFFIE_HELLMAN),
];
