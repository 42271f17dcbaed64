//! redis-benchmark: the second client that anybody tries.

use std::process::{Command, Output};

use crate::support::{Server, installed};

#[track_caller]
fn benchmark(server: &Server, arguments: &[&str]) -> Output {
    let port = server.port.to_string();
    let output = Command::new("redis-benchmark")
        .args(["-p", &port])
        .args(arguments)
        .output()
        .expect("start redis-benchmark");
    // It warns when it cannot ask for the configuration.
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output
}

/// The figures of `-q`: a line for each test, `PING_INLINE: 71428.57 requests per second, p50=0.351 msec`, which
/// overwrites others of how far it got.
#[track_caller]
fn assert_figures(output: &Output, tests: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    let last_words: Vec<&str> =
        text.lines().filter_map(|line| line.rsplit('\r').find(|words| !words.trim().is_empty())).collect();
    assert_eq!(last_words.len(), tests.len(), "{text}");
    for (words, test) in last_words.iter().zip(tests) {
        let figure = words.strip_prefix(test).and_then(|rest| rest.strip_prefix(": ")).expect(words);
        let rate: f64 = figure.split(' ').next().expect("a rate").parse().expect("a number");
        assert!(rate > 0.0 && figure.contains("requests per second"), "{words}");
    }
}

#[test]
fn ping() {
    if !installed("redis-benchmark") {
        return;
    }
    let server = Server::start();
    let output = benchmark(&server, &["-q", "-n", "1000", "-t", "ping"]);
    assert_figures(&output, &["PING_INLINE", "PING_MBULK"]);
    assert_figures(&benchmark(&server, &["-q", "-n", "1000", "-t", "ping_mbulk"]), &["PING_MBULK"]);
}

#[test]
fn publish() {
    if !installed("redis-benchmark") {
        return;
    }
    let server = Server::start();
    let mut listener = server.client();
    listener.subscribe("SUBSCRIBE", "a", 1);
    assert_figures(&benchmark(&server, &["-q", "-n", "1000", "PUBLISH", "a", "b"]), &["PUBLISH a b"]);
    for _ in 0..1000 {
        listener.expect_message("a", "b");
    }
    assert_figures(
        &benchmark(&server, &["-q", "-n", "1000", "-P", "16", "PUBLISH", "a", "b"]),
        &["PUBLISH a b"],
    );
}

#[test]
fn the_whole_report() {
    if !installed("redis-benchmark") {
        return;
    }
    let server = Server::start();
    let output = benchmark(&server, &["-3", "-n", "1000", "PUBLISH", "a", "b"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1000 requests completed in") && text.contains("throughput summary:"), "{text}");
}
