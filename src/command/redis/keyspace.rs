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
    generic("dump", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    generic("expire", -3, "write fast", &[key(1, "RW update")]),
    generic("expireat", -3, "write fast", &[key(1, "RW update")]),
    generic("expiretime", 2, "readonly fast", &[key(1, "RO access")]),
    generic(
        "migrate",
        -6,
        "write",
        &[key(3, "RW access delete"), key_after("KEYS", -2, "RW access delete incomplete").through(-1, 1)],
    )
    .in_categories("dangerous keyspace")
    .with_tips(&["nondeterministic_output"]),
    generic("move", 3, "write fast", &[key(1, "RW access update")]),
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
    generic("sort", -2, "write denyoom", &[key(1, "RO access"), unknown("RO access"), unknown("OW update")])
        .in_categories("dangerous list set sortedset"),
    generic("sort_ro", -2, "readonly", &[key(1, "RO access"), unknown("RO access")])
        .in_categories("dangerous list set sortedset"),
    generic("touch", -2, "readonly fast", &[key(1, "RO").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    generic("ttl", 2, "readonly fast", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
];
