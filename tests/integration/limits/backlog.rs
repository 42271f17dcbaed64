//! What piles up on the way in and on the way out when a client does not read, or never ends its request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Client, Server, differs_from_oracle, eventually};

const MEGABYTE: usize = 1024 * 1024;

/// Writes requests in the background and counts those that the kernel took whole.
struct Flood {
    sent: Arc<AtomicUsize>,
    thread: thread::JoinHandle<bool>,
}

impl Flood {
    fn start(client: &Client, request: Vec<u8>, count: usize) -> Flood {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let mut writer = client.writer();
        let thread = thread::spawn(move || {
            (0..count).all(|_| {
                let taken = writer.write_all(&request).is_ok();
                counter.fetch_add(1, Ordering::Relaxed);
                taken
            })
        });
        Flood { sent, thread }
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until nothing more is taken. On a machine so slow that this is a misjudgement, the test proves less than it
    /// could but does not fail.
    fn wait_until_stuck(&self) {
        wait_until_stuck(&[self]);
    }
}

fn wait_until_stuck(floods: &[&Flood]) {
    let mut last = usize::MAX;
    while !floods.iter().all(|flood| flood.thread.is_finished()) {
        thread::sleep(Duration::from_millis(500));
        let now = floods.iter().map(|flood| flood.sent()).sum();
        if now == last {
            break;
        }
        last = now;
    }
}

#[test]
fn a_client_that_does_not_read_its_replies_is_not_read_from() {
    if differs_from_oracle("client-reply-backlog is ours") {
        return;
    }
    const COUNT: usize = 150;
    let server = Server::start_with(&["--client-reply-backlog", "2mb"]);
    let mut client = Client::connect_slow(server.address(), "greedy");
    let before = server.resident();
    let argument = "x".repeat(MEGABYTE);
    let request = format!("*2\r\n$4\r\nECHO\r\n${MEGABYTE}\r\n{argument}\r\n").into_bytes();
    let flood = Flood::start(&client, request, COUNT);
    flood.wait_until_stuck();
    assert!(flood.sent() < COUNT, "all {COUNT} MB were taken from a client that reads nothing");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 50 * MEGABYTE, "{grown} bytes are held for one client");
    // Others are served meanwhile.
    server.client().call("PING", "+PONG\r\n");
    // When it reads at last, nothing is missing.
    let reply = format!("${MEGABYTE}\r\n{argument}\r\n");
    for _ in 0..COUNT {
        client.expect(&reply);
    }
    assert!(flood.thread.join().unwrap(), "all requests could be sent");
    client.expect_nothing_more();
}

#[test]
fn many_small_replies_are_bounded_as_well() {
    if differs_from_oracle("client-reply-backlog is ours") {
        return;
    }
    // Each of these requests has a reply four times as long.
    const COUNT: usize = 10;
    const REPEAT: usize = 40_000;
    let server = Server::start_with(&["--client-reply-backlog", "1mb"]);
    let mut client = Client::connect_slow(server.address(), "greedy");
    let before = server.resident();
    let flood = Flood::start(&client, b"PUBSUB NOSUCH\n".repeat(REPEAT), COUNT);
    flood.wait_until_stuck();
    assert!(flood.sent() < COUNT, "all was taken from a client that reads nothing");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 50 * MEGABYTE, "{grown} bytes are held for one client");
    let replies = b"-ERR unknown subcommand 'NOSUCH'. Try PUBSUB HELP.\r\n".repeat(REPEAT);
    for _ in 0..COUNT {
        client.expect(&replies);
    }
    assert!(flood.thread.join().unwrap(), "all requests could be sent");
}

#[test]
fn before_authentication_hardly_anything_waits() {
    if differs_from_oracle("it has no such limit") {
        return;
    }
    let server = Server::start_with(&["--requirepass", "secret"]);
    server.client().call("PING", "-NOAUTH Authentication required.\r\n");
    let before = server.resident();
    let mut floods = Vec::new();
    for _ in 0..20 {
        let client = Client::connect_stranger(server.address());
        let flood = Flood::start(&client, b"PING\n".repeat(10_000), 50);
        floods.push((client, flood));
    }
    wait_until_stuck(&floods.iter().map(|(_, flood)| flood).collect::<Vec<_>>());
    for (_, flood) in &floods {
        assert!(flood.sent() < 50, "everything was taken from a stranger who reads nothing");
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 30 * MEGABYTE, "{grown} bytes are held for 20 strangers");
    // One who reads gets all replies, password or not.
    let (mut client, flood) = floods.pop().unwrap();
    drop(floods);
    let replies = b"-NOAUTH Authentication required.\r\n".repeat(10_000);
    for _ in 0..50 {
        client.expect(&replies);
    }
    assert!(flood.thread.join().unwrap(), "all requests could be sent");
    client.call("AUTH secret", "+OK\r\n");
}

#[test]
fn who_takes_nothing_of_its_output_is_closed_in_the_end() {
    if differs_from_oracle("client-write-timeout is ours") {
        return;
    }
    let server =
        Server::start_with(&["--client-write-timeout", "1s", "--client-output-buffer-limit", "pubsub 0 0 0"]);
    let mut other = server.client();
    let mut idle = server.client();
    idle.subscribe("SUBSCRIBE", "quiet", 1);
    let mut subscriber = Client::connect_slow(server.address(), "subscriber");
    subscriber.subscribe("SUBSCRIBE", "a", 1);
    let payload = "x".repeat(MEGABYTE);
    for _ in 0..10 {
        other.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    }
    let asker = Client::connect_slow(server.address(), "asker");
    let flood = Flood::start(&asker, format!("ECHO {}\r\n", "x".repeat(50_000)).into_bytes(), 1000);
    eventually("both are closed", || {
        let list = other.ask("CLIENT LIST").text();
        !list.contains("name=subscriber ") && !list.contains("name=asker ")
    });
    assert_eq!(server.info("client_write_timeout_disconnections"), "2");
    other.call("PUBSUB NUMSUB a", "*2\r\n$1\r\na\r\n:0\r\n");
    // One with nothing to take is not meant.
    other.call("PUBLISH quiet x", ":1\r\n");
    idle.expect_message("quiet", "x");
    drop(asker);
    let _ = flood.thread.join();
}

const ARGUMENTS: &str = "7.0 counts only what it has not yet cut into arguments";

#[test]
fn a_request_that_does_not_end_is_closed_at_the_query_limit() {
    if differs_from_oracle(ARGUMENTS) {
        return;
    }
    let server = Server::start_with(&["--client-query-buffer-limit", "2mb"]);
    let mut other = server.client();
    other.call("PING", "+PONG\r\n");
    let client = server.client();
    // Many arguments, each of them small.
    let mut start = b"*1000000\r\n$4\r\nECHO\r\n".to_vec();
    start.extend_from_slice(
        &b"$100\r\n".iter().chain(&[b'x'; 100]).chain(b"\r\n").copied().collect::<Vec<u8>>(),
    );
    let argument = start[start.len() - 108..].to_vec();
    let mut writer = client.writer();
    writer.write_all(&start).unwrap();
    let flood = Flood::start(&client, argument.repeat(1000), 200);
    eventually("it is closed", || flood.thread.is_finished());
    assert!(!flood.thread.join().unwrap(), "20 MB of one request were taken");
    other.call("PING", "+PONG\r\n");
    assert_eq!(server.info("client_query_buffer_limit_disconnections"), "1");
}

#[test]
fn a_queued_transaction_counts_as_a_request_that_does_not_end() {
    if differs_from_oracle(ARGUMENTS) {
        return;
    }
    let server = Server::start_with(&["--client-query-buffer-limit", "2mb"]);
    let client = server.client();
    let mut writer = client.writer();
    writer.write_all(b"MULTI\r\n").unwrap();
    let request = format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{}\r\n", "x".repeat(100_000)).into_bytes();
    let flood = Flood::start(&client, request, 500);
    eventually("it is closed", || flood.thread.is_finished());
    assert!(!flood.thread.join().unwrap(), "50 MB of one transaction were taken");
}

#[test]
fn a_request_as_large_as_is_allowed_passes() {
    let server = Server::start_with(&["--proto-max-bulk-len", "1mb"]);
    let mut client = server.client();
    let argument = "x".repeat(MEGABYTE);
    client.command(&format!("ECHO {argument}"));
    client.expect(format!("${MEGABYTE}\r\n{argument}\r\n"));
    client.send(format!("*2\r\n$4\r\nECHO\r\n${}\r\n", MEGABYTE + 1));
    client.expect("-ERR Protocol error: invalid bulk length\r\n");
    client.expect_closed();
}
