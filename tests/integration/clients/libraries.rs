//! Each library in each protocol that it speaks, and once as it connects by default: connect, subscribe, publish,
//! patterns, shard channels, unsubscribe, CLIENT KILL, a restart of the server, pipelines, MULTI. What exactly is in the
//! scripts.

use std::process::Command;

use super::environment::{node_modules, python, rust_scripts};
use super::script::{run_node, run_python, run_script};

#[track_caller]
fn redis_py(protocol: &str) {
    run_python(python(), "python/redis_py.py", &[], protocol);
}

/// `library` is a name in `package.json`.
#[track_caller]
fn node(library: &str, protocol: &str) {
    run_node(node_modules(), "node/checks.cjs", &[library], protocol);
}

/// `program` is in `tests/clients/rust/src/bin/`.
#[track_caller]
fn rust(program: &str, protocol: &str) {
    let Some(built) = rust_scripts() else { return };
    run_script(&mut Command::new(built.join(program)), protocol);
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
fn ioredis_6_as_it_comes() {
    node("ioredis6", "default");
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
fn node_redis_5_as_it_comes() {
    node("redis5", "default");
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
fn node_redis_6_with_resp3() {
    node("redis6", "3");
}

#[test]
fn redis_rs_1_as_it_comes() {
    rust("redis_rs", "default");
}

#[test]
fn redis_rs_1_with_resp2() {
    rust("redis_rs", "2");
}

#[test]
fn redis_rs_1_with_resp3() {
    rust("redis_rs", "3");
}

#[test]
fn fred_10_as_it_comes() {
    rust("fred_client", "default");
}

#[test]
fn fred_10_with_resp2() {
    rust("fred_client", "2");
}

#[test]
fn fred_10_with_resp3() {
    rust("fred_client", "3");
}
