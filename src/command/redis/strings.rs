//! Redis's commands on strings, bitmaps and HyperLogLogs that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key};
use crate::command::spec::{Group, Row};

const fn string(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::String, name, arity, flags, keys)
}

const fn bitmap(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Bitmap, name, arity, flags, keys)
}

const fn hyperloglog(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Hyperloglog, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    string("append", 3, "write denyoom fast", &[key(1, "RW insert")]),
    string("decr", 2, "write denyoom fast", &[key(1, "RW access update")]),
    string("decrby", 3, "write denyoom fast", &[key(1, "RW access update")]),
    string("getdel", 2, "write fast", &[key(1, "RW access delete")]),
    string("getex", -2, "write fast", &[key(1, "RW access update")]),
    string("getrange", 4, "readonly", &[key(1, "RO access")]),
    string("getset", 3, "write denyoom fast", &[key(1, "RW access update")]),
    string("incr", 2, "write denyoom fast", &[key(1, "RW access update")]),
    string("incrby", 3, "write denyoom fast", &[key(1, "RW access update")]),
    string("incrbyfloat", 3, "write denyoom fast", &[key(1, "RW access update")]),
    string("lcs", -3, "readonly", &[key(1, "RO access").through(1, 1)]),
    string("mget", -2, "readonly fast", &[key(1, "RO access").through(-1, 1)])
        .with_tips(&["request_policy:multi_shard"]),
    string("mset", -3, "write denyoom", &[key(1, "OW update").through(-1, 2)])
        .with_tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    string("msetnx", -3, "write denyoom", &[key(1, "OW insert").through(-1, 2)])
        .with_tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    string("psetex", 4, "write denyoom", &[key(1, "OW update")]),
    string("set", -3, "write denyoom", &[key(1, "RW access update variable_flags")]),
    string("setex", 4, "write denyoom", &[key(1, "OW update")]),
    string("setnx", 3, "write denyoom fast", &[key(1, "OW insert")]),
    string("setrange", 4, "write denyoom", &[key(1, "RW update")]),
    string("strlen", 2, "readonly fast", &[key(1, "RO")]),
    string("substr", 4, "readonly", &[key(1, "RO access")]),
    bitmap("bitcount", -2, "readonly", &[key(1, "RO access")]),
    bitmap("bitfield", -2, "write denyoom", &[key(1, "RW access update variable_flags")]),
    bitmap("bitfield_ro", -2, "readonly fast", &[key(1, "RO access")]),
    bitmap("bitop", -4, "write denyoom", &[key(2, "OW update"), key(3, "RO access").through(-1, 1)]),
    bitmap("bitpos", -3, "readonly", &[key(1, "RO access")]),
    bitmap("getbit", 3, "readonly fast", &[key(1, "RO access")]),
    bitmap("setbit", 4, "write denyoom", &[key(1, "RW access update")]),
    hyperloglog("pfadd", -2, "write denyoom fast", &[key(1, "RW insert")]),
    hyperloglog("pfcount", -2, "readonly", &[key(1, "RW access").through(-1, 1)]),
    hyperloglog("pfdebug", 3, "write denyoom admin", &[key(2, "RW access")]),
    hyperloglog(
        "pfmerge",
        -2,
        "write denyoom",
        &[key(1, "RW access insert"), key(2, "RO access").through(-1, 1)],
    ),
    hyperloglog("pfselftest", 1, "admin", &[]),
];
