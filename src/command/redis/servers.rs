//! Redis's commands about connections, scripts, clusters and the server that are not served.
//!
//! Owns the facts: name, arity, flags, keys, and where the group does not say them the ACL categories.

use super::known;
use crate::command::keys::{KeySpec, key, numkeys};
use crate::command::spec::{Group, Row};

const fn scripting(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Scripting, name, arity, flags, keys)
}

const fn server(name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    known(Group::Server, name, arity, flags, keys)
}

pub(super) static ROWS: &[Row] = &[
    scripting(
        "eval_ro",
        -3,
        "readonly noscript stale skip_monitor no_mandatory_keys",
        &[numkeys(2, "RO access")],
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
    scripting("function|delete", 3, "write noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|dump", 2, "noscript", &[]),
    scripting("function|kill", 2, "noscript allow_busy", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    scripting("function|load", -3, "write denyoom noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|restore", -3, "write denyoom noscript", &[])
        .with_tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    scripting("function|stats", 2, "noscript allow_busy", &[]).with_tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    scripting("script|debug", 3, "noscript", &[]),
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
    server("failover", -1, "admin noscript stale", &[]),
    server("module", -2, "", &[]),
    server("module|help", 2, "loading stale", &[]),
    server("module|list", 2, "admin noscript", &[]).with_tips(&["nondeterministic_output_order"]),
    server("module|load", -3, "admin noscript no_async_loading", &[]),
    server("module|loadex", -3, "admin noscript no_async_loading", &[]),
    server("module|unload", 3, "admin noscript no_async_loading", &[]),
    server("psync", -3, "admin noscript no_async_loading no_multi", &[]),
    server("replconf", -1, "admin noscript loading stale allow_busy", &[]),
    server("restore-asking", -4, "write denyoom asking", &[key(1, "OW update")])
        .in_categories("dangerous keyspace"),
    server("swapdb", 3, "write fast", &[]).in_categories("dangerous keyspace"),
    server("sync", 1, "admin noscript no_async_loading no_multi", &[]),
];
