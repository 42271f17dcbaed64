//! Many subscribers of one channel, many subscriptions of one client. What is asserted is that everything arrives and that
//! others are served meanwhile, not how fast.

use std::time::{Duration, Instant};

use crate::support::{
    Protocol, Server, both_protocols, differs_from_oracle, eventually, raise_descriptor_limit,
};

/// More than one budget of a fan-out, where the system allows that many sockets.
fn many_subscribers() -> usize {
    (raise_descriptor_limit() / 2).min(3000)
}

const SUBSCRIPTIONS: usize = 100_000;

#[test]
fn three_thousand_subscribers_of_one_channel() {
    let subscribers = many_subscribers();
    let server = Server::start();
    let mut clients: Vec<_> = (0..subscribers)
        .map(|index| server.speaking(if index % 2 == 0 { Protocol::Resp2 } else { Protocol::Resp3 }))
        .collect();
    for client in &mut clients {
        client.send("SUBSCRIBE a\r\n");
    }
    for client in &mut clients {
        client.expect_confirmation("subscribe", "a", 1);
    }
    let mut publisher = server.client();
    publisher.call("PUBSUB NUMSUB a", format!("*2\r\n$1\r\na\r\n:{subscribers}\r\n"));
    publisher.send("PUBLISH a 0\r\nPUBLISH a 1\r\nPUBLISH a 2\r\n");
    publisher.expect(format!(":{subscribers}\r\n").repeat(3));
    for client in &mut clients {
        for number in 0..3 {
            client.expect_message("a", &number.to_string());
        }
        client.expect_nothing_more();
    }
}

#[test]
fn subscribers_that_come_and_go_during_a_fan_out_disturb_nobody() {
    let count = many_subscribers() / 2;
    let server = Server::start();
    let mut steady: Vec<_> = (0..count).map(|_| server.client()).collect();
    for client in &mut steady {
        client.send("SUBSCRIBE a\r\n");
    }
    for client in &mut steady {
        client.expect_confirmation("subscribe", "a", 1);
    }
    std::thread::scope(|scope| {
        let server = &server;
        let publisher = scope.spawn(move || {
            let mut publisher = server.client();
            for number in 0..100 {
                let receivers = publisher.ask(&format!("PUBLISH a {number}")).integer();
                assert!((count as i64..count as i64 + 200).contains(&receivers), "{receivers} receivers");
            }
        });
        while !publisher.is_finished() {
            let mut passing: Vec<_> = (0..20).map(|_| server.client()).collect();
            for client in &mut passing {
                client.subscribe("SUBSCRIBE", "a", 1);
            }
            // Half say goodbye, half just close.
            for client in passing.iter_mut().step_by(2) {
                client.command("UNSUBSCRIBE a");
                while client.value().elements()[0].text() != "unsubscribe" {}
                client.expect_nothing_more();
            }
        }
    });
    for client in &mut steady {
        for number in 0..100 {
            client.expect_message("a", &number.to_string());
        }
        client.expect_nothing_more();
    }
}

#[test]
fn a_hundred_thousand_subscriptions_of_one_client() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        subscribe_to_many(&mut client, "SUBSCRIBE");
        let mut publisher = server.client();
        publisher.call("PUBLISH channel-0 x", ":1\r\n");
        publisher.call(&format!("PUBLISH channel-{} x", SUBSCRIPTIONS - 1), ":1\r\n");
        client.expect_message("channel-0", "x");
        client.expect_message(&format!("channel-{}", SUBSCRIPTIONS - 1), "x");
        client.command("UNSUBSCRIBE");
        for left in (0..SUBSCRIPTIONS as i64).rev() {
            assert_eq!(client.value().elements()[2].integer(), left);
        }
        client.expect_nothing_more();
        publisher.call("PUBSUB CHANNELS", "*0\r\n");
    });
}

#[test]
fn closing_a_client_with_a_hundred_thousand_subscriptions_stalls_nobody() {
    if differs_from_oracle("Redis does this in one go") {
        return;
    }
    let server = Server::start_with(&["--max-patterns-per-client", "100000"]);
    for command in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        let mut client = server.client();
        subscribe_to_many(&mut client, command);
        let mut other = server.client();
        other.call("PING", "+PONG\r\n");
        drop(client);
        let mut longest = Duration::ZERO;
        let mut pings = 0;
        let gone = || match command {
            "SUBSCRIBE" => server.info("pubsub_channels") == "0",
            "PSUBSCRIBE" => server.info("pubsub_patterns") == "0",
            _ => server.info("pubsubshard_channels") == "0",
        };
        eventually("all subscriptions of a closed client are gone", || {
            for _ in 0..10 {
                let before = Instant::now();
                other.call("PING", "+PONG\r\n");
                longest = longest.max(before.elapsed());
                pings += 1;
            }
            gone()
        });
        // Far above what it takes on a quiet machine; a test on a shared one can prove no more.
        assert!(longest < Duration::from_secs(1), "one of {pings} PINGs took {longest:?}");
    }
}

#[test]
fn after_a_reset_none_of_many_subscriptions_is_left() {
    let server = Server::start();
    let mut client = server.client();
    subscribe_to_many(&mut client, "SUBSCRIBE");
    client.call("RESET", "+RESET\r\n");
    server.client().call("PUBSUB CHANNELS", "*0\r\n");
    client.subscribe("SUBSCRIBE", "channel-1", 1);
    server.client().call("PUBLISH channel-1 x", ":1\r\n");
    client.expect_message("channel-1", "x");
    client.expect_nothing_more();
}

/// Subscribes to `channel-0`, `channel-1`, ... and reads all confirmations.
fn subscribe_to_many(client: &mut crate::support::Client, command: &str) {
    let mut writer = client.writer();
    let line = command.to_owned();
    let sending = std::thread::spawn(move || {
        for first in (0..SUBSCRIPTIONS).step_by(500) {
            let names: Vec<_> = (first..first + 500).map(|index| format!("channel-{index}")).collect();
            writer.write_all(format!("{line} {}\r\n", names.join(" ")).as_bytes()).unwrap();
        }
    });
    let kind = command.to_lowercase();
    for index in 0..SUBSCRIPTIONS {
        client.expect_confirmation(&kind, &format!("channel-{index}"), index + 1);
    }
    sending.join().unwrap();
}
