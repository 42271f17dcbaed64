//! The classes that libraries have for Redis Cluster, on one instance and on three that look like one (`cluster-enabled yes`): they
//! find them, take their slots, and channels and shard channels of all slots work. What exactly is in the scripts.

use std::process::Command;

use super::environment::{node_modules, python};
use super::script::{node, python_script, run_script_against};
use crate::instances::Instances;
use crate::support::{Protocol, Server, both_protocols_with, differs_from_oracle, installed};

const ENABLED: &[&str] = &["--cluster-enabled", "yes"];
const OURS: &str = "a Redis Cluster has to be given its slots first";

#[track_caller]
fn run(command: Option<Command>, protocol: &str) {
    if !differs_from_oracle(OURS)
        && let Some(mut command) = command
    {
        run_script_against(Server::start_with(ENABLED), &mut command, protocol);
    }
}

/// The same with three instances, of which the script is given one.
#[track_caller]
fn run_over_three(command: Option<Command>) {
    if !differs_from_oracle(OURS)
        && let Some(mut command) = command
    {
        let mut instances = Instances::start_with(3, ENABLED);
        run_script_against(instances.take(1), &mut command, "default");
    }
}

#[track_caller]
fn redis_py(protocol: &str) {
    run(python_script(python(), "python/redis_cluster.py", &[]), protocol);
}

/// `library` is a name in `package.json`.
#[track_caller]
fn library(library: &str, protocol: &str) {
    run(node(node_modules(), "node/cluster.cjs", &[library]), protocol);
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
fn ioredis_5_as_it_comes() {
    library("ioredis5", "default");
}

#[test]
fn ioredis_6_as_it_comes() {
    library("ioredis6", "default");
}

#[test]
fn ioredis_6_with_resp2() {
    library("ioredis6", "2");
}

#[test]
fn node_redis_5_as_it_comes() {
    library("redis5", "default");
}

#[test]
fn node_redis_6_as_it_comes() {
    library("redis6", "default");
}

#[test]
fn redis_py_8_over_three_instances() {
    run_over_three(python_script(python(), "python/redis_cluster.py", &[]));
}

#[test]
fn ioredis_6_over_three_instances() {
    run_over_three(node(node_modules(), "node/cluster.cjs", &["ioredis6"]));
}

#[test]
fn node_redis_6_over_three_instances() {
    run_over_three(node(node_modules(), "node/cluster.cjs", &["redis6"]));
}

#[test]
fn redis_cli_follows_no_redirection() {
    if differs_from_oracle(OURS) || !installed("redis-cli") {
        return;
    }
    both_protocols_with(ENABLED, |server, protocol| {
        let mut command = Command::new("redis-cli");
        command.args(["-c", "-p", &server.port.to_string()]);
        if protocol == Protocol::Resp3 {
            command.arg("-3");
        }
        let output = command.args(["spublish", "room", "hello"]).output().expect("run redis-cli");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    });
}
