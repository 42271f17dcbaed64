//! Frameworks whose application servers talk to each other over one broker: two servers each, with clients of both where
//! there are clients. What exactly is in the scripts of `tests/clients/frameworks/`.

use super::environment::{frameworks_modules, frameworks_python, nestjs_modules};
use super::script::{run_node, run_python};

#[track_caller]
fn socket_io(adapter: &str, library: &str, protocol: &str) {
    run_node(frameworks_modules(), "frameworks/socket_io.cjs", &[adapter, library], protocol);
}

#[track_caller]
fn python(script: &str, protocol: &str) {
    run_python(frameworks_python(), script, &[], protocol);
}

#[track_caller]
fn graphql_subscriptions(connections: &str, protocol: &str) {
    run_node(frameworks_modules(), "frameworks/graphql_subscriptions.cjs", &[connections], protocol);
}

#[track_caller]
fn nestjs(protocol: &str) {
    run_node(nestjs_modules(), "frameworks/nestjs/nestjs.cjs", &[], protocol);
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
    python("frameworks/python_socketio.py", "default");
}

#[test]
fn python_socketio_with_resp2() {
    python("frameworks/python_socketio.py", "2");
}

#[test]
fn django_channels_as_they_come() {
    python("frameworks/django_channels.py", "default");
}

#[test]
fn django_channels_with_resp2() {
    python("frameworks/django_channels.py", "2");
}

#[test]
fn graphql_subscriptions_with_connections_of_their_own() {
    graphql_subscriptions("own", "default");
}

#[test]
fn graphql_subscriptions_with_ioredis_as_it_comes() {
    graphql_subscriptions("given", "default");
}

#[test]
fn graphql_subscriptions_with_ioredis_and_resp2() {
    graphql_subscriptions("given", "2");
}

#[test]
fn nestjs_as_it_comes() {
    nestjs("default");
}

#[test]
fn nestjs_with_resp2() {
    nestjs("2");
}
