//! Redis's commands about keys as such that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key, key_after, unknown};
use crate::command::spec::{Group, Row};

const fn generic(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Generic, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    generic("copy", -3, "write denyoom", &[key(1, "RO access"), key(2, "OW update")]),
    generic("del", -2, "write", &[key(1, "RM delete").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    generic("dump", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    generic("exists", -2, "readonly fast", &[key(1, "RO").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    generic("expire", -3, "write fast", &[key(1, "RW update")]),
    generic("expireat", -3, "write fast", &[key(1, "RW update")]),
    generic("expiretime", 2, "readonly fast", &[key(1, "RO access")]),
    generic("keys", 2, "readonly", &[])
        .in_categories("dangerous keyspace")
        .with_tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    generic(
        "migrate",
        -6,
        "write",
        &[key(3, "RW access delete"), key_after("KEYS", -2, "RW access delete incomplete").through(-1, 1)],
    )
    .in_categories("dangerous keyspace")
    .with_tips(&["nondeterministic_output"]),
    generic("move", 3, "write fast", &[key(1, "RW access update")]),
    generic("object", -2, "", &[]).in_categories(""),
    generic("object|encoding", 3, "readonly", &[key(2, "RO")]).with_tips(&["nondeterministic_output"]),
    generic("object|freq", 3, "readonly", &[key(2, "RO")]).with_tips(&["nondeterministic_output"]),
    generic("object|help", 2, "loading stale", &[]),
    generic("object|idletime", 3, "readonly", &[key(2, "RO")]).with_tips(&["nondeterministic_output"]),
    generic("object|refcount", 3, "readonly", &[key(2, "RO")]).with_tips(&["nondeterministic_output"]),
    generic("persist", 2, "write fast", &[key(1, "RW update")]),
    generic("pexpire", -3, "write fast", &[key(1, "RW update")]),
    generic("pexpireat", -3, "write fast", &[key(1, "RW update")]),
    generic("pexpiretime", 2, "readonly fast", &[key(1, "RO access")]),
    generic("pttl", 2, "readonly fast", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    generic("randomkey", 1, "readonly", &[])
        .with_tips(&["request_policy:all_shards", "nondeterministic_output"]),
    generic("rename", 3, "write", &[key(1, "RW access delete"), key(2, "OW update")]),
    generic("renamenx", 3, "write fast", &[key(1, "RW access delete"), key(2, "OW insert")]),
    generic("restore", -4, "write denyoom", &[key(1, "OW update")]).in_categories("dangerous keyspace"),
    generic("scan", -2, "readonly", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ]),
    generic("sort", -2, "write denyoom", &[key(1, "RO access"), unknown("RO access"), unknown("OW update")])
        .in_categories("dangerous list set sortedset"),
    generic("sort_ro", -2, "readonly", &[key(1, "RO access"), unknown("RO access")])
        .in_categories("dangerous list set sortedset"),
    generic("touch", -2, "readonly fast", &[key(1, "RO").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    generic("ttl", 2, "readonly fast", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    generic("type", 2, "readonly fast", &[key(1, "RO")]),
    generic("unlink", -2, "write fast", &[key(1, "RM delete").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    generic("wait", 3, "noscript", &[])
        .in_categories("connection")
        .with_tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    generic("waitaof", 4, "blocking", &[])
        .in_categories("connection")
        .with_tips(&["request_policy:all_shards", "response_policy:agg_min"]),
];
