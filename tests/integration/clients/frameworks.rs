//! Frameworks whose application servers talk to each other over one broker: two servers each, with clients of both where
//! there are clients. What exactly is in the scripts of `tests/clients/frameworks/`.

use std::path::PathBuf;
use std::process::Command;

use super::environment::{frameworks_modules, frameworks_python, nestjs_modules, scripts};
use super::script::run_script;

/// Runs a script; `words` are its first arguments, the others are the port and the protocol.
#[track_caller]
fn run(mut interpreter: Command, script: &str, words: &[&str], protocol: &str) {
    interpreter.arg(scripts().join("frameworks").join(script)).args(words);
    run_script(&mut interpreter, protocol);
}

#[track_caller]
fn node(modules: Option<PathBuf>, script: &str, words: &[&str], protocol: &str) {
    let Some(modules) = modules else { return };
    let mut interpreter = Command::new("node");
    interpreter.env("NODE_PATH", modules);
    run(interpreter, script, words, protocol);
}

#[track_caller]
fn socket_io(adapter: &str, library: &str, protocol: &str) {
    node(frameworks_modules(), "socket_io.cjs", &[adapter, library], protocol);
}

#[track_caller]
fn python(script: &str, protocol: &str) {
    let Some(python) = frameworks_python() else { return };
    let mut interpreter = Command::new(python);
    // Nothing is to be left beside the scripts.
    interpreter.env("PYTHONDONTWRITEBYTECODE", "1");
    run(interpreter, script, &[], protocol);
}

#[test]
fn socket_io_with_ioredis_as_it_comes() {
    socket_io("classic", "ioredis", "default");
}

#[test]
fn socket_io_with_ioredis_and_resp2() {
    socket_io("classic", "ioredis", "2");
}

#[test]
fn socket_io_with_node_redis_as_it_comes() {
    socket_io("classic", "node-redis", "default");
}

#[test]
fn socket_io_with_node_redis_and_resp2() {
    socket_io("classic", "node-redis", "2");
}

#[test]
fn sharded_socket_io_with_ioredis_as_it_comes() {
    socket_io("sharded", "ioredis", "default");
}

#[test]
fn sharded_socket_io_with_ioredis_and_resp2() {
    socket_io("sharded", "ioredis", "2");
}

#[test]
fn sharded_socket_io_with_node_redis_as_it_comes() {
    socket_io("sharded", "node-redis", "default");
}

#[test]
fn sharded_socket_io_with_node_redis_and_resp2() {
    socket_io("sharded", "node-redis", "2");
}

#[test]
fn python_socketio_as_it_comes() {
    python("python_socketio.py", "default");
}

#[test]
fn python_socketio_with_resp2() {
    python("python_socketio.py", "2");
}

#[test]
fn django_channels_as_they_come() {
    python("django_channels.py", "default");
}

#[test]
fn django_channels_with_resp2() {
    python("django_channels.py", "2");
}

#[test]
fn graphql_subscriptions_with_connections_of_their_own() {
    node(frameworks_modules(), "graphql_subscriptions.cjs", &["own"], "default");
}

#[test]
fn graphql_subscriptions_with_ioredis_as_it_comes() {
    node(frameworks_modules(), "graphql_subscriptions.cjs", &["given"], "default");
}

#[test]
fn graphql_subscriptions_with_ioredis_and_resp2() {
    node(frameworks_modules(), "graphql_subscriptions.cjs", &["given"], "2");
}

#[test]
fn nestjs_as_it_comes() {
    node(nestjs_modules(), "nestjs/nestjs.cjs", &[], "default");
}

#[test]
fn nestjs_with_resp2() {
    node(nestjs_modules(), "nestjs/nestjs.cjs", &[], "2");
}
