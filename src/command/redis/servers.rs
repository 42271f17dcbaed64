//! Redis's commands about connections, scripts, clusters and the server that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key, numkeys};
use crate::command::spec::{Group, Row};

const fn connection(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Connection, name, arity, flags, keys)
}

const fn scripting(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Scripting, name, arity, flags, keys)
}

const fn cluster(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Cluster, name, arity, flags, keys)
}

const fn server(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Server, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    connection("client|caching", 3, "noscript loading stale", &[]),
    connection("client|getredir", 2, "noscript loading stale", &[]),
    connection("client|no-evict", 3, "admin noscript loading stale", &[]),
    connection("client|no-touch", 3, "noscript loading stale", &[]),
    connection("client|pause", -3, "admin noscript loading stale", &[]),
    connection("client|tracking", -3, "noscript loading stale", &[]),
    connection("client|trackinginfo", 2, "noscript loading stale", &[]),
    connection("client|unblock", -3, "admin noscript loading stale", &[]),
    connection("client|unpause", 2, "admin noscript loading stale", &[]),
    scripting("eval", -3, "noscript stale skip_monitor no_mandatory_keys", &[numkeys(2, "RW access update")]),
    scripting(
        "eval_ro",
        -3,
        "readonly noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RO access")],
    ),
    scripting(
        "evalsha",
        -3,
        "noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RW access update")],
    ),
    scripting(
        "evalsha_ro",
        -3,
        "readonly noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RO access")],
    ),
    scripting(
        "fcall",
        -3,
        "noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RW access update")],
    ),
    scripting(
        "fcall_ro",
        -3,
        "readonly noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RO access")],
    ),
    scripting("function", -2, "", &[]).in_categories(""),
    scripting("function|delete", 3, "write noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|dump", 2, "noscript", &[]),
    scripting("function|flush", -2, "write noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|help", 2, "loading stale", &[]),
    scripting("function|kill", 2, "noscript allow_busy", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    scripting("function|list", -2, "noscript", &[]).with_tips(&["nondeterministic_output_order"]),
    scripting("function|load", -3, "write denyoom noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|restore", -3, "write denyoom noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|stats", 2, "noscript allow_busy", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    scripting("script", -2, "", &[]).in_categories(""),
    scripting("script|debug", 3, "noscript", &[]),
    scripting("script|exists", -3, "noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:agg_logical_and"]),
    scripting("script|flush", -2, "noscript", &[])
        .with_tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    scripting("script|help", 2, "loading stale", &[]),
    scripting("script|kill", 2, "noscript allow_busy", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    scripting("script|load", 3, "noscript stale", &[])
        .with_tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    cluster("asking", 1, "fast", &[]).in_categories("connection"),
    cluster("cluster", -2, "", &[]),
    cluster("cluster|addslots", -3, "admin stale no_async_loading", &[]),
    cluster("cluster|addslotsrange", -4, "admin stale no_async_loading", &[]),
    cluster("cluster|bumpepoch", 2, "admin stale no_async_loading", &[])
        .with_tips(&["nondeterministic_output"]),
    cluster("cluster|count-failure-reports", 3, "admin stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|countkeysinslot", 3, "stale", &[]),
    cluster("cluster|delslots", -3, "admin stale no_async_loading", &[]),
    cluster("cluster|delslotsrange", -4, "admin stale no_async_loading", &[]),
    cluster("cluster|failover", -2, "admin stale no_async_loading", &[]),
    cluster("cluster|flushslots", 2, "admin stale no_async_loading", &[]),
    cluster("cluster|forget", 3, "admin stale no_async_loading", &[]),
    cluster("cluster|getkeysinslot", 4, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|help", 2, "loading stale", &[]),
    cluster("cluster|info", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|keyslot", 3, "stale", &[]),
    cluster("cluster|links", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|meet", -4, "admin stale no_async_loading", &[]),
    cluster("cluster|myid", 2, "stale", &[]),
    cluster("cluster|myshardid", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|nodes", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|replicas", 3, "admin stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|replicate", 3, "admin stale no_async_loading", &[]),
    cluster("cluster|reset", -2, "admin noscript stale", &[]),
    cluster("cluster|saveconfig", 2, "admin stale no_async_loading", &[]),
    cluster("cluster|set-config-epoch", 3, "admin stale no_async_loading", &[]),
    cluster("cluster|setslot", -4, "admin stale no_async_loading", &[]),
    cluster("cluster|shards", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|slaves", 3, "admin stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("cluster|slots", 2, "stale", &[]).with_tips(&["nondeterministic_output"]),
    cluster("readonly", 1, "loading stale fast", &[]).in_categories("connection"),
    cluster("readwrite", 1, "loading stale fast", &[]).in_categories("connection"),
    server("acl", -2, "", &[]),
    server("acl|cat", -2, "noscript loading stale", &[]),
    server("acl|deluser", -3, "admin noscript loading stale", &[]),
    server("acl|dryrun", -4, "admin noscript loading stale", &[]),
    server("acl|genpass", -2, "noscript loading stale", &[]),
    server("acl|getuser", 3, "admin noscript loading stale", &[]),
    server("acl|help", 2, "loading stale", &[]),
    server("acl|list", 2, "admin noscript loading stale", &[]),
    server("acl|load", 2, "admin noscript loading stale", &[]),
    server("acl|log", -2, "admin noscript loading stale", &[]),
    server("acl|save", 2, "admin noscript loading stale", &[]),
    server("acl|setuser", -3, "admin noscript loading stale", &[]),
    server("acl|users", 2, "admin noscript loading stale", &[]),
    server("acl|whoami", 2, "noscript loading stale", &[]),
    server("bgrewriteaof", 1, "admin noscript no_async_loading", &[]),
    server("bgsave", -1, "admin noscript no_async_loading", &[]),
    server("config", -2, "", &[]),
    server("config|get", -3, "admin noscript loading stale", &[]),
    server("config|help", 2, "loading stale", &[]),
    server("config|resetstat", 2, "admin noscript loading stale", &[]),
    server("config|rewrite", 2, "admin noscript loading stale", &[]),
    server("config|set", -4, "admin noscript loading stale", &[])
        .with_tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    server("dbsize", 1, "readonly fast", &[])
        .in_categories("keyspace")
        .with_tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    server("failover", -1, "admin noscript stale", &[]),
    server("flushall", -1, "write", &[])
        .in_categories("dangerous keyspace")
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    server("flushdb", -1, "write", &[])
        .in_categories("dangerous keyspace")
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    server("lastsave", 1, "loading stale fast", &[])
        .in_categories("admin dangerous")
        .with_tips(&["nondeterministic_output"]),
    server("latency", -2, "", &[]),
    server("latency|doctor", 2, "admin noscript loading stale", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    server("latency|graph", 3, "admin noscript loading stale", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    server("latency|help", 2, "loading stale", &[]),
    server("latency|histogram", -2, "admin noscript loading stale", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    server("latency|history", 3, "admin noscript loading stale", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    server("latency|latest", 2, "admin noscript loading stale", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    server("latency|reset", -2, "admin noscript loading stale", &[])
        .with_tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    server("lolwut", -1, "readonly fast", &[]),
    server("memory", -2, "", &[]),
    server("memory|doctor", 2, "", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    server("memory|help", 2, "loading stale", &[]),
    server("memory|malloc-stats", 2, "", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    server("memory|purge", 2, "", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    server("memory|stats", 2, "", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    server("memory|usage", -3, "readonly", &[key(2, "RO")]),
    server("module", -2, "", &[]),
    server("module|help", 2, "loading stale", &[]),
    server("module|list", 2, "admin noscript", &[]).with_tips(&["nondeterministic_output_order"]),
    server("module|load", -3, "admin noscript no_async_loading", &[]),
    server("module|loadex", -3, "admin noscript no_async_loading", &[]),
    server("module|unload", 3, "admin noscript no_async_loading", &[]),
    server("monitor", 1, "admin noscript loading stale", &[]),
    server("psync", -3, "admin noscript no_async_loading no_multi", &[]),
    server("replconf", -1, "admin noscript loading stale allow_busy", &[]),
    server("replicaof", 3, "admin noscript stale no_async_loading", &[]),
    server("restore-asking", -4, "write denyoom asking", &[key(1, "OW update")])
        .in_categories("dangerous keyspace"),
    server("role", 1, "noscript loading stale fast", &[]).in_categories("admin dangerous"),
    server("save", 1, "admin noscript no_async_loading no_multi", &[]),
    server("slaveof", 3, "admin noscript stale no_async_loading", &[]),
    server("slowlog", -2, "", &[]),
    server("slowlog|get", -2, "admin loading stale", &[])
        .with_tips(&["request_policy:all_nodes", "nondeterministic_output"]),
    server("slowlog|help", 2, "loading stale", &[]),
    server("slowlog|len", 2, "admin loading stale", &[]).with_tips(&[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ]),
    server("slowlog|reset", 2, "admin loading stale", &[])
        .with_tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    server("swapdb", 3, "write fast", &[]).in_categories("dangerous keyspace"),
    server("sync", 1, "admin noscript no_async_loading no_multi", &[]),
    server("time", 1, "loading stale fast", &[]).with_tips(&["nondeterministic_output"]),
];
