//! Presence with each library, in each protocol that it speaks and once as it connects by default: replies, connections that
//! are killed, a restart of the server, applications that are killed; and phoenix.js, which applies what a subscription brings.
//! What exactly is in the scripts.

use super::environment::{frameworks_modules, node_modules, python};
use super::script::{run_node, run_python};
use crate::support::differs_from_oracle;

const OURS: &str = "Redis does not know who is present";

#[track_caller]
fn redis_py(protocol: &str) {
    if !differs_from_oracle(OURS) {
        run_python(python(), "python/presence.py", &[], protocol);
    }
}

/// `library` is a name in `package.json`.
#[track_caller]
fn node(library: &str, protocol: &str) {
    if !differs_from_oracle(OURS) {
        run_node(node_modules(), "node/presence.cjs", &[library], protocol);
    }
}

#[track_caller]
fn phoenix(protocol: &str) {
    if !differs_from_oracle(OURS) {
        run_node(frameworks_modules(), "frameworks/phoenix.cjs", &[], protocol);
    }
}

#[test]
fn redis_py_8_as_it_comes() {
    redis_py("default");
}

#[test]
fn redis_py_8_with_resp2() {
    redis_py("2");
}

#[test]
fn redis_py_8_with_resp3() {
    redis_py("3");
}

#[test]
fn ioredis_5_as_it_comes() {
    // RESP2, and it speaks nothing else.
    node("ioredis5", "default");
}

#[test]
fn ioredis_6_with_resp2() {
    node("ioredis6", "2");
}

#[test]
fn ioredis_6_with_resp3() {
    node("ioredis6", "3");
}

#[test]
fn node_redis_4_as_it_comes() {
    // RESP2, and it speaks nothing else.
    node("redis4", "default");
}

#[test]
fn node_redis_5_with_resp2() {
    node("redis5", "2");
}

#[test]
fn node_redis_5_with_resp3() {
    node("redis5", "3");
}

#[test]
fn node_redis_6_as_it_comes() {
    node("redis6", "default");
}

#[test]
fn node_redis_6_with_resp2() {
    node("redis6", "2");
}

#[test]
fn phoenix_js_with_resp2() {
    phoenix("2");
}

#[test]
fn phoenix_js_with_resp3() {
    phoenix("3");
}
