//! Redis's commands on lists, sets, hashes, geographic indexes and streams that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key, key_after, numkeys};
use crate::command::spec::{Group, Row};

const fn list(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::List, name, arity, flags, keys)
}

const fn set(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Set, name, arity, flags, keys)
}

const fn hash(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Hash, name, arity, flags, keys)
}

const fn geo(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Geo, name, arity, flags, keys)
}

const fn stream(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Stream, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    list("blmove", 6, "write denyoom noscript blocking", &[key(1, "RW access delete"), key(2, "RW insert")]),
    list("blmpop", -5, "write blocking", &[numkeys(2, "RW access delete")]),
    list("blpop", -3, "write noscript blocking", &[key(1, "RW access delete").through(-2, 1)]),
    list("brpop", -3, "write noscript blocking", &[key(1, "RW access delete").through(-2, 1)]),
    list(
        "brpoplpush",
        4,
        "write denyoom noscript blocking",
        &[key(1, "RW access delete"), key(2, "RW insert")],
    ),
    list("lindex", 3, "readonly", &[key(1, "RO access")]),
    list("linsert", 5, "write denyoom", &[key(1, "RW insert")]),
    list("llen", 2, "readonly fast", &[key(1, "RO")]),
    list("lmove", 5, "write denyoom", &[key(1, "RW access delete"), key(2, "RW insert")]),
    list("lmpop", -4, "write", &[numkeys(1, "RW access delete")]),
    list("lpop", -2, "write fast", &[key(1, "RW access delete")]),
    list("lpos", -3, "readonly", &[key(1, "RO access")]),
    list("lpush", -3, "write denyoom fast", &[key(1, "RW insert")]),
    list("lpushx", -3, "write denyoom fast", &[key(1, "RW insert")]),
    list("lrange", 4, "readonly", &[key(1, "RO access")]),
    list("lrem", 4, "write", &[key(1, "RW delete")]),
    list("lset", 4, "write denyoom", &[key(1, "RW update")]),
    list("ltrim", 4, "write", &[key(1, "RW delete")]),
    list("rpop", -2, "write fast", &[key(1, "RW access delete")]),
    list("rpoplpush", 3, "write denyoom", &[key(1, "RW access delete"), key(2, "RW insert")]),
    list("rpush", -3, "write denyoom fast", &[key(1, "RW insert")]),
    list("rpushx", -3, "write denyoom fast", &[key(1, "RW insert")]),
    set("sadd", -3, "write denyoom fast", &[key(1, "RW insert")]),
    set("scard", 2, "readonly fast", &[key(1, "RO")]),
    set("sdiff", -2, "readonly", &[key(1, "RO access").through(-1, 1)])
        .with_tips(&["nondeterministic_output_order"]),
    set("sdiffstore", -3, "write denyoom", &[key(1, "OW update"), key(2, "RO access").through(-1, 1)]),
    set("sinter", -2, "readonly", &[key(1, "RO access").through(-1, 1)])
        .with_tips(&["nondeterministic_output_order"]),
    set("sintercard", -3, "readonly", &[numkeys(1, "RO access")]),
    set("sinterstore", -3, "write denyoom", &[key(1, "RW update"), key(2, "RO access").through(-1, 1)]),
    set("sismember", 3, "readonly fast", &[key(1, "RO")]),
    set("smembers", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output_order"]),
    set("smismember", -3, "readonly fast", &[key(1, "RO access")]),
    set("smove", 4, "write fast", &[key(1, "RW access delete"), key(2, "RW insert")]),
    set("spop", -2, "write fast", &[key(1, "RW access delete")]).with_tips(&["nondeterministic_output"]),
    set("srandmember", -2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    set("srem", -3, "write fast", &[key(1, "RW delete")]),
    set("sscan", -3, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    set("sunion", -2, "readonly", &[key(1, "RO access").through(-1, 1)])
        .with_tips(&["nondeterministic_output_order"]),
    set("sunionstore", -3, "write denyoom", &[key(1, "OW update"), key(2, "RO access").through(-1, 1)]),
    hash("hdel", -3, "write fast", &[key(1, "RW delete")]),
    hash("hexists", 3, "readonly fast", &[key(1, "RO")]),
    hash("hget", 3, "readonly fast", &[key(1, "RO access")]),
    hash("hgetall", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output_order"]),
    hash("hincrby", 4, "write denyoom fast", &[key(1, "RW access update")]),
    hash("hincrbyfloat", 4, "write denyoom fast", &[key(1, "RW access update")]),
    hash("hkeys", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output_order"]),
    hash("hlen", 2, "readonly fast", &[key(1, "RO")]),
    hash("hmget", -3, "readonly fast", &[key(1, "RO access")]),
    hash("hmset", -4, "write denyoom fast", &[key(1, "RW update")]),
    hash("hrandfield", -2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    hash("hscan", -3, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    hash("hset", -4, "write denyoom fast", &[key(1, "RW update")]),
    hash("hsetnx", 4, "write denyoom fast", &[key(1, "RW insert")]),
    hash("hstrlen", 3, "readonly fast", &[key(1, "RO")]),
    hash("hvals", 2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output_order"]),
    geo("geoadd", -5, "write denyoom", &[key(1, "RW update")]),
    geo("geodist", -4, "readonly", &[key(1, "RO access")]),
    geo("geohash", -2, "readonly", &[key(1, "RO access")]),
    geo("geopos", -2, "readonly", &[key(1, "RO access")]),
    geo(
        "georadius",
        -6,
        "write denyoom",
        &[key(1, "RO access"), key_after("STORE", 6, "OW update"), key_after("STOREDIST", 6, "OW update")],
    ),
    geo("georadius_ro", -6, "readonly", &[key(1, "RO access")]),
    geo(
        "georadiusbymember",
        -5,
        "write denyoom",
        &[key(1, "RO access"), key_after("STORE", 5, "OW update"), key_after("STOREDIST", 5, "OW update")],
    ),
    geo("georadiusbymember_ro", -5, "readonly", &[key(1, "RO access")]),
    geo("geosearch", -7, "readonly", &[key(1, "RO access")]),
    geo("geosearchstore", -8, "write denyoom", &[key(1, "OW update"), key(2, "RO access")]),
    stream("xack", -4, "write fast", &[key(1, "RW update")]),
    stream("xadd", -5, "write denyoom fast", &[key(1, "RW update")]).with_tips(&["nondeterministic_output"]),
    stream("xautoclaim", -6, "write fast", &[key(1, "RW delete")]).with_tips(&["nondeterministic_output"]),
    stream("xclaim", -6, "write fast", &[key(1, "RW update")]).with_tips(&["nondeterministic_output"]),
    stream("xdel", -3, "write fast", &[key(1, "RW delete")]),
    stream("xgroup", -2, "", &[]).in_categories(""),
    stream("xgroup|create", -5, "write denyoom", &[key(2, "RW insert")]),
    stream("xgroup|createconsumer", 5, "write denyoom", &[key(2, "RW insert")]),
    stream("xgroup|delconsumer", 5, "write", &[key(2, "RW delete")]),
    stream("xgroup|destroy", 4, "write", &[key(2, "RW delete")]),
    stream("xgroup|help", 2, "loading stale", &[]),
    stream("xgroup|setid", -5, "write", &[key(2, "RW update")]),
    stream("xinfo", -2, "", &[]).in_categories(""),
    stream("xinfo|consumers", 4, "readonly", &[key(2, "RO access")]).with_tips(&["nondeterministic_output"]),
    stream("xinfo|groups", 3, "readonly", &[key(2, "RO access")]),
    stream("xinfo|help", 2, "loading stale", &[]),
    stream("xinfo|stream", -3, "readonly", &[key(2, "RO access")]),
    stream("xlen", 2, "readonly fast", &[key(1, "RO")]),
    stream("xpending", -3, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    stream("xread", -4, "readonly blocking", &[key_after("STREAMS", 1, "RO access").first_half()]),
    stream("xreadgroup", -7, "write blocking", &[key_after("STREAMS", 4, "RO access").first_half()]),
    stream("xrevrange", -4, "readonly", &[key(1, "RO access")]),
    stream("xsetid", -3, "write denyoom fast", &[key(1, "RW update")]),
    stream("xtrim", -4, "write", &[key(1, "RW delete")]).with_tips(&["nondeterministic_output"]),
];
