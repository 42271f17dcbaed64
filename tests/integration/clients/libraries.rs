//! redis-py, ioredis and node-redis: connect, subscribe, publish, patterns, shard channels, unsubscribe, reconnect after
//! CLIENT KILL, pipelines. What exactly is in the scripts.

use std::process::Command;

use super::environment::{node_modules, python, run_script, scripts};
use crate::support::Server;

#[track_caller]
fn with_python(script: &str, protocol: &str) {
    let Some(python) = python() else { return };
    let server = Server::start();
    let port = server.port.to_string();
    run_script(Command::new(python).arg(scripts().join(script)).args([&port, protocol]));
}

#[track_caller]
fn with_node(script: &str, protocol: &str) {
    let Some(modules) = node_modules() else { return };
    let server = Server::start();
    let port = server.port.to_string();
    run_script(
        Command::new("node").env("NODE_PATH", modules).arg(scripts().join(script)).args([&port, protocol]),
    );
}

#[test]
fn redis_py_as_it_comes() {
    with_python("redis_py.py", "default");
}

#[test]
fn redis_py_with_resp2() {
    with_python("redis_py.py", "2");
}

#[test]
fn redis_py_with_resp3() {
    with_python("redis_py.py", "3");
}

#[test]
fn ioredis_as_it_comes() {
    with_node("ioredis.cjs", "default");
}

#[test]
fn ioredis_with_resp2() {
    with_node("ioredis.cjs", "2");
}

#[test]
fn ioredis_with_resp3() {
    with_node("ioredis.cjs", "3");
}

#[test]
fn node_redis_as_it_comes() {
    with_node("node_redis.cjs", "default");
}

#[test]
fn node_redis_with_resp2() {
    with_node("node_redis.cjs", "2");
}

#[test]
fn node_redis_with_resp3() {
    with_node("node_redis.cjs", "3");
}
