//! redis-cli at a pseudo-terminal: prompt, hints, subscribed mode, Ctrl-C, what it does when its connection breaks. The
//! script needs a library of Python's.

use super::environment::python;
use super::script::run_python;
use crate::support::installed;

#[track_caller]
fn redis_cli(protocol: &str) {
    if installed("redis-cli") {
        run_python(python(), "python/redis_cli.py", &[], protocol);
    }
}

#[test]
fn with_resp2() {
    redis_cli("2");
}

#[test]
fn with_resp3() {
    redis_cli("3");
}
