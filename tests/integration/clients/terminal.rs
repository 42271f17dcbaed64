//! redis-cli at a pseudo-terminal: prompt, hints, subscribed mode, Ctrl-C, what it does when its connection breaks. The
//! script needs a library of Python's.

use std::process::Command;

use super::environment::{python, scripts};
use super::script::run_script;
use crate::support::installed;

#[track_caller]
fn redis_cli(protocol: &str) {
    if !installed("redis-cli") {
        return;
    }
    let Some(python) = python() else { return };
    run_script(Command::new(python).arg(scripts().join("python/redis_cli.py")), protocol);
}

#[test]
fn with_resp2() {
    redis_cli("2");
}

#[test]
fn with_resp3() {
    redis_cli("3");
}
