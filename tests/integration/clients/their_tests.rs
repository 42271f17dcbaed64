//! The pub/sub tests that redis-py and redis-rs come with, against our server. `tests/clients/` lists them by
//! name: one that is new or gone fails, and one that is skipped says why.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::{
    RUST_TESTS, as_redis_server, cargo, output, python, redis_py_source, rust_crate, scripts,
};
use super::script::run_python;

#[track_caller]
fn redis_py(protocol: &str) {
    let Some(source) = redis_py_source() else { return };
    let source = source.to_str().expect("text");
    run_python(python(), "python/redis_py_tests.py", &[source], protocol);
}

/// They start a server for each test: whatever is called `redis-server`.
#[track_caller]
fn redis_rs(protocol: &str) {
    let Some(home) = rust_crate() else { return };
    let mut listed = listed(protocol);
    let mut complaints = Vec::new();
    for file in RUST_TESTS {
        let expected = listed.remove(file).expect("the file is in the list");
        for found in found(&home, file) {
            if !expected.contains_key(&found) {
                complaints.push(format!("not in the list: {file} {found}"));
            }
        }
        let results = results(&home, file, protocol, &expected);
        for (test, skipped) in &expected {
            let result = results.get(test).map_or("not in the package", String::as_str);
            if skipped.is_none() && result != "ok" {
                complaints.push(format!("{file} {test}: {result}"));
            }
        }
    }
    assert!(complaints.is_empty() && listed.is_empty(), "{complaints:#?}, and not built: {listed:?}");
}

/// The tests of each file, with the reason when one is skipped in this protocol.
fn listed(protocol: &str) -> BTreeMap<String, BTreeMap<String, Option<String>>> {
    let list = std::fs::read_to_string(scripts().join("rust/redis_rs_tests.txt")).expect("the list");
    let mut listed = BTreeMap::<_, BTreeMap<_, _>>::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (line, in_resp3) = line.split_once(" skipped with RESP3: ").map_or((line, None), split_off);
        let (test, always) = line.split_once(" skipped: ").map_or((line, None), split_off);
        let reason = always.or(in_resp3.filter(|_| protocol == "3"));
        let (file, test) = test.split_once(' ').expect("file and test");
        let twice = listed.entry(file.to_owned()).or_default().insert(test.to_owned(), reason);
        assert!(twice.is_none(), "{test} stands twice in the list");
    }
    listed
}

fn split_off<'a>((test, reason): (&'a str, &str)) -> (&'a str, Option<String>) {
    (test, Some(reason.to_owned()))
}

/// The tests of a file whose names say that they are about pub/sub.
fn found(home: &Path, file: &str) -> Vec<String> {
    let mut command = cargo(home);
    command.args(["test", "--quiet", "--locked", "--test", file, "--", "--list", "--format", "terse"]);
    let list = output(command.args(["pub_sub", "pubsub", "subscri", "push"])).expect("the tests of redis-rs");
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// What became of each test that is not skipped.
fn results(
    home: &Path,
    file: &str,
    protocol: &str,
    tests: &BTreeMap<String, Option<String>>,
) -> BTreeMap<String, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = cargo(home);
    command
        .env("PATH", format!("{}:{path}", as_redis_server().display()))
        .env("PROTOCOL", format!("RESP{protocol}"))
        // One at a time: a panic in one would be found in another.
        .args(["test", "--locked", "--no-fail-fast", "--test", file, "--", "--test-threads", "1", "--exact"])
        .args(tests.iter().filter(|(_, skipped)| skipped.is_none()).map(|(test, _)| test));
    let printed = command.output().expect("start cargo");
    let text = String::from_utf8_lossy(&printed.stdout);
    println!("{text}{}", String::from_utf8_lossy(&printed.stderr));
    let result = |line: &str| {
        let (test, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((test.to_owned(), result.to_owned()))
    };
    text.lines().filter_map(result).collect()
}

#[test]
fn redis_py_with_resp2() {
    redis_py("2");
}

#[test]
fn redis_py_with_resp3() {
    redis_py("3");
}

#[test]
fn redis_rs_with_resp2() {
    redis_rs("2");
}

#[test]
fn redis_rs_with_resp3() {
    redis_rs("3");
}
