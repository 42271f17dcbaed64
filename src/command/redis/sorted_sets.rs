//! Redis's commands on sorted sets that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key, numkeys};
use crate::command::spec::{Group, Row};

const fn sorted_set(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::SortedSet, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    sorted_set("bzmpop", -5, "write blocking", &[numkeys(2, "RW access delete")]),
    sorted_set("bzpopmax", -3, "write noscript blocking fast", &[key(1, "RW access delete").through(-2, 1)]),
    sorted_set("bzpopmin", -3, "write noscript blocking fast", &[key(1, "RW access delete").through(-2, 1)]),
    sorted_set("zadd", -4, "write denyoom fast", &[key(1, "RW update")]),
    sorted_set("zcard", 2, "readonly fast", &[key(1, "RO")]),
    sorted_set("zcount", 4, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zdiff", -3, "readonly", &[numkeys(1, "RO access")]),
    sorted_set("zdiffstore", -4, "write denyoom", &[key(1, "OW update"), numkeys(2, "RO access")]),
    sorted_set("zincrby", 4, "write denyoom fast", &[key(1, "RW access update")]),
    sorted_set("zinter", -3, "readonly", &[numkeys(1, "RO access")]),
    sorted_set("zintercard", -3, "readonly", &[numkeys(1, "RO access")]),
    sorted_set("zinterstore", -4, "write denyoom", &[key(1, "OW update"), numkeys(2, "RO access")]),
    sorted_set("zlexcount", 4, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zmpop", -4, "write", &[numkeys(1, "RW access delete")]),
    sorted_set("zmscore", -3, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zpopmax", -2, "write fast", &[key(1, "RW access delete")]),
    sorted_set("zpopmin", -2, "write fast", &[key(1, "RW access delete")]),
    sorted_set("zrandmember", -2, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    sorted_set("zrange", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrangebylex", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrangebyscore", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrangestore", -5, "write denyoom", &[key(1, "OW update"), key(2, "RO access")]),
    sorted_set("zrank", 3, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zrem", -3, "write fast", &[key(1, "RW delete")]),
    sorted_set("zremrangebylex", 4, "write", &[key(1, "RW delete")]),
    sorted_set("zremrangebyrank", 4, "write", &[key(1, "RW delete")]),
    sorted_set("zremrangebyscore", 4, "write", &[key(1, "RW delete")]),
    sorted_set("zrevrange", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrevrangebylex", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrevrangebyscore", -4, "readonly", &[key(1, "RO access")]),
    sorted_set("zrevrank", 3, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zscan", -3, "readonly", &[key(1, "RO access")]).with_tips(&["nondeterministic_output"]),
    sorted_set("zscore", 3, "readonly fast", &[key(1, "RO access")]),
    sorted_set("zunion", -3, "readonly", &[numkeys(1, "RO access")]),
    sorted_set("zunionstore", -4, "write denyoom", &[key(1, "OW update"), numkeys(2, "RO access")]),
];
