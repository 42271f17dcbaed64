//! client-output-buffer-limit: a subscriber that does not read is closed, and nobody else notices.

use std::time::Duration;

use crate::support::{Client, Protocol, Server, differs_from_oracle, eventually};

/// More than the kernel holds for a connection, and the limit on top.
const ENOUGH: usize = 40 * 1024 * 1024;

const PAYLOAD: usize = 50_000;

/// Publishes numbered messages to `a` until this many receivers are left, and returns how many.
#[track_caller]
fn publish_until(publisher: &mut Client, receivers: i64) -> usize {
    let padding = "x".repeat(PAYLOAD - 8);
    for number in 0..ENOUGH / PAYLOAD {
        if publisher.ask(&format!("PUBLISH a {number:08}{padding}")).integer() == receivers {
            return number;
        }
    }
    panic!("the slow subscriber was not closed");
}

/// Reads messages of `publish_until` to the end: whole frames with numbers that follow each other. Returns how many.
#[track_caller]
fn read_whole_messages_to_the_end(client: &mut Client) -> usize {
    let rest = client.read_to_end();
    let push = client.protocol.push();
    let header = format!("{push}3\r\n$7\r\nmessage\r\n$1\r\na\r\n${PAYLOAD}\r\n");
    let length = header.len() + PAYLOAD + 2;
    for (number, frame) in rest.chunks(length).enumerate() {
        assert_eq!(frame.len(), length, "the last frame, of number {number}, is cut");
        assert!(frame.starts_with(format!("{header}{number:08}xx").as_bytes()), "frame {number} is wrong");
        assert!(frame.ends_with(b"x\r\n"), "frame {number} is wrong");
    }
    rest.len() / length
}

#[test]
fn at_the_hard_limit_a_subscriber_is_closed() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
        let mut slow = Client::connect_slow(server.address(), "slowpoke").speak(protocol);
        slow.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.client();
        let published = publish_until(&mut publisher, 0);
        // Not before the limit, whatever the kernel had taken until then.
        assert!((published + 1) * (PAYLOAD + 34) > 1024 * 1024, "closed after {published} messages");
        eventually("it is gone", || publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 0);
        if !differs_from_oracle("it closes in the middle of a frame, and does not count") {
            assert_eq!(server.info("client_output_buffer_limit_disconnections"), "1");
            let received = read_whole_messages_to_the_end(&mut slow);
            assert!(received <= published + 1, "{received} received of {published}");
        }
    }
}

#[test]
fn it_is_logged_once_with_name_and_address() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut slow = Client::connect_slow(server.address(), "slowpoke");
    let address = slow.address();
    slow.subscribe("SUBSCRIBE", "a", 1);
    slow.subscribe("PSUBSCRIBE", "a*", 2);
    let mut publisher = server.client();
    publish_until(&mut publisher, 0);
    publisher.call("PUBLISH a x", ":0\r\n");
    server.wait_for_log(|line| line.contains("slowpoke") && line.contains(&address));
    // What was logged for a later one comes after all that could be logged for this one.
    let mut second = Client::connect_slow(server.address(), "straggler");
    second.subscribe("SUBSCRIBE", "a", 1);
    publish_until(&mut publisher, 0);
    server.wait_for_log(|line| line.contains("straggler"));
    let count = server.log().iter().filter(|line| line.contains("slowpoke")).count();
    assert_eq!(count, 1, "{:#?}", server.log());
}

#[test]
fn fast_subscribers_notice_nothing_of_a_slow_one() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut slow = Client::connect_slow(server.address(), "slowpoke");
    slow.subscribe("SUBSCRIBE", "a", 1);
    let mut fast: Vec<_> = (0..5).map(|_| server.client()).collect();
    for client in &mut fast {
        client.subscribe("SUBSCRIBE", "a", 1);
    }
    let mut publisher = server.client();
    let padding = "x".repeat(PAYLOAD);
    let mut slow_is_gone = false;
    // A round trip for each message: those who read never have more than one waiting for them.
    for number in 0..ENOUGH / PAYLOAD {
        let payload = format!("{number}-{padding}");
        match publisher.ask(&format!("PUBLISH a {payload}")).integer() {
            6 => assert!(!slow_is_gone, "who was closed is not counted again"),
            5 => slow_is_gone = true,
            receivers => panic!("{receivers} receivers"),
        }
        for client in &mut fast {
            client.expect_message("a", &payload);
        }
        if slow_is_gone && number % 10 == 0 {
            break;
        }
    }
    assert!(slow_is_gone, "the slow subscriber was not closed");
    for client in &mut fast {
        client.expect_nothing_more();
    }
}

#[test]
fn one_message_above_the_limit_closes_even_who_reads() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut client = server.client();
    client.subscribe("SUBSCRIBE", "a", 1);
    let large = "x".repeat(2 * 1024 * 1024);
    // Whether the publisher is told 0 or 1 is left open: the message was for one and reached nobody.
    let mut publisher = server.client();
    publisher.ask(&format!("PUBLISH a {large}"));
    client.expect_closed();
    publisher.call("PUBLISH a x", ":0\r\n");
}

#[test]
fn at_the_soft_limit_a_subscriber_is_closed_after_its_time() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 0 1mb 1"]);
    let mut above = Client::connect_slow(server.address(), "above");
    above.subscribe("SUBSCRIBE", "a", 1);
    let mut below = Client::connect_slow(server.address(), "below");
    below.subscribe("SUBSCRIBE", "b", 1);
    let mut publisher = server.client();
    let payload = "x".repeat(PAYLOAD);
    // As much for the kernel as it takes and the limit several times.
    for _ in 0..10 * 1024 * 1024 / PAYLOAD {
        publisher.ask(&format!("PUBLISH a {payload}"));
    }
    for _ in 0..10 {
        publisher.call(&format!("PUBLISH b {payload}"), ":1\r\n");
    }
    // No more is published: time alone closes it.
    eventually("who was above the limit is closed", || {
        publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 0
    });
    publisher.call("PUBSUB NUMSUB b", "*2\r\n$1\r\nb\r\n:1\r\n");
    for _ in 0..10 {
        below.expect_message("b", &payload);
    }
    below.expect_nothing_more();
    if !differs_from_oracle("it closes in the middle of a frame, and does not count") {
        assert_eq!(server.info("client_output_buffer_limit_disconnections"), "1");
    }
}

#[test]
fn who_reads_in_time_is_not_closed_at_the_soft_limit() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 0 1mb 2"]);
    let mut behind = Client::connect_slow(server.address(), "behind");
    behind.subscribe("SUBSCRIBE", "a", 1);
    let mut stuck = Client::connect_slow(server.address(), "stuck");
    stuck.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    let padding = "x".repeat(PAYLOAD);
    let rounds = 10 * 1024 * 1024 / PAYLOAD;
    for number in 0..rounds {
        publisher.ask(&format!("PUBLISH a {number}-{padding}"));
    }
    // Both are far above the limit; one catches up.
    for number in 0..rounds {
        behind.expect_message("a", &format!("{number}-{padding}"));
    }
    eventually("who does not read is closed", || {
        publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 1
    });
    publisher.call("PUBLISH a end", ":1\r\n");
    behind.expect_message("a", "end");
}

#[test]
fn clients_without_subscriptions_have_a_limit_of_their_own() {
    let server = Server::start_with(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut subscriber = Client::connect_slow(server.address(), "subscriber");
    subscriber.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    let payload = "x".repeat(PAYLOAD);
    for _ in 0..8 * 1024 * 1024 / PAYLOAD {
        publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    }
    let mut normal = Client::connect_slow(server.address(), "normal");
    let request = format!("ECHO {payload}\r\n");
    let mut writer = normal.writer();
    let sending = std::thread::spawn(move || {
        // Ends with an error when the server closes.
        (0..ENOUGH / PAYLOAD).all(|_| writer.write_all(request.as_bytes()).is_ok())
    });
    eventually("who does not read its replies is closed", || {
        !publisher.ask("CLIENT LIST").text().contains("name=normal ")
    });
    let _ = normal.peek(Duration::ZERO);
    drop(normal);
    let _ = sending.join();
    publisher.call("PUBSUB NUMSUB a", "*2\r\n$1\r\na\r\n:1\r\n");
}

#[test]
fn the_memory_of_a_closed_client_serves_the_next() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 64mb 0 0"]);
    let mut publisher = server.client();
    publisher.call("PING", "+PONG\r\n");
    let before = server.resident();
    for _ in 0..10 {
        let mut slow = Client::connect_slow(server.address(), "slowpoke");
        slow.subscribe("SUBSCRIBE", "a", 1);
        let payload = "x".repeat(PAYLOAD);
        for _ in 0..ENOUGH / PAYLOAD {
            publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
        }
        drop(slow);
        eventually("it is gone", || publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 0);
    }
    // An allocator may keep what one client had, twice as much as was queued, but not ten times 40 MB.
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 200 * 1024 * 1024, "{grown} bytes more are resident");
}
