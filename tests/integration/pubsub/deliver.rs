//! What a published message looks like, who gets it, and the number that the publisher is told.

use crate::support::{Protocol, both_protocols};

#[test]
fn the_bytes_of_a_message() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "news", 1);
        client.subscribe("psubscribe", "ne*", 2);
        client.subscribe("ssubscribe", "news", 1);
        let mut publisher = server.client();
        publisher.call("PUBLISH news hello", ":2\r\n");
        publisher.call("SPUBLISH news hello", ":1\r\n");
        client.expect(match protocol {
            Protocol::Resp2 => concat!(
                "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
                "*4\r\n$8\r\npmessage\r\n$3\r\nne*\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
                "*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
            ),
            Protocol::Resp3 => concat!(
                ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
                ">4\r\n$8\r\npmessage\r\n$3\r\nne*\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
                ">3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n",
            ),
        });
        client.expect_nothing_more();
    });
}

#[test]
fn publishing_to_nobody_answers_zero() {
    both_protocols(|server, protocol| {
        let mut publisher = server.speaking(protocol);
        publisher.call("PUBLISH a hello", ":0\r\n");
        publisher.call("SPUBLISH a hello", ":0\r\n");
    });
}

#[test]
fn all_subscribers_of_a_channel_get_the_message_and_are_counted() {
    both_protocols(|server, protocol| {
        let mut clients: Vec<_> = (0..10).map(|_| server.speaking(protocol)).collect();
        for client in &mut clients {
            client.subscribe("subscribe", "a", 1);
        }
        let mut other = server.speaking(protocol);
        other.subscribe("subscribe", "b", 1);
        server.client().call("PUBLISH a hello", ":10\r\n");
        for client in &mut clients {
            client.expect_message("a", "hello");
            client.expect_nothing_more();
        }
        other.expect_nothing_more();
    });
}

#[test]
fn a_message_of_one_protocol_reaches_subscribers_of_the_other() {
    both_protocols(|server, protocol| {
        let mut old = server.speaking(Protocol::Resp2);
        let mut new = server.speaking(Protocol::Resp3);
        old.subscribe("subscribe", "a", 1);
        new.subscribe("subscribe", "a", 1);
        server.speaking(protocol).call("PUBLISH a hello", ":2\r\n");
        old.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
        new.expect(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
    });
}

#[test]
fn subscribing_twice_delivers_once() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for _ in 0..2 {
            client.subscribe("subscribe", "a", 1);
            client.subscribe("ssubscribe", "a", 1);
        }
        let mut publisher = server.client();
        publisher.call("PUBLISH a hello", ":1\r\n");
        publisher.call("SPUBLISH a hello", ":1\r\n");
        client.expect_message("a", "hello");
        client.expect_smessage("a", "hello");
        client.expect_nothing_more();
    });
}

#[test]
fn the_message_comes_before_the_pmessages_and_each_is_counted() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        // Patterns first: the order of delivery is not that of subscribing.
        client.subscribe("psubscribe", "a*", 1);
        client.subscribe("psubscribe", "*b", 2);
        client.subscribe("psubscribe", "c*", 3);
        client.subscribe("subscribe", "ab", 4);
        server.client().call("PUBLISH ab hello", ":3\r\n");
        client.expect_message("ab", "hello");
        let patterns = [client.value(), client.value()];
        let mut matched: Vec<_> = patterns.iter().map(|frame| frame.elements()[1].text()).collect();
        matched.sort();
        assert_eq!(matched, ["*b", "a*"]);
        client.expect_nothing_more();
    });
}

#[test]
fn spublish_reaches_neither_patterns_nor_channels() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("psubscribe", "*", 1);
        client.subscribe("subscribe", "a", 2);
        let mut publisher = server.client();
        publisher.call("SPUBLISH a hello", ":0\r\n");
        client.expect_nothing_more();
    });
}

#[test]
fn payloads_and_channels_are_any_bytes() {
    both_protocols(|server, protocol| {
        let all: Vec<u8> = (0..=255).collect();
        let awkward: [&[u8]; 6] = [b"", b"\r\n", b"\0\0", b"+OK\r\n$-1\r\n", b"\xc3\x28", &all];
        let push = protocol.push();
        let mut publisher = server.client();
        for channel in awkward {
            let mut client = server.speaking(protocol);
            client.command_of(&[b"SUBSCRIBE", channel]);
            client.value();
            for payload in awkward {
                publisher.command_of(&[b"PUBLISH", channel, payload]);
                publisher.expect(":1\r\n");
                client.expect(format!("{push}3\r\n$7\r\nmessage\r\n${}\r\n", channel.len()));
                client.expect(channel);
                client.expect(format!("\r\n${}\r\n", payload.len()));
                client.expect(payload);
                client.expect("\r\n");
            }
            client.command("UNSUBSCRIBE");
            client.value();
        }
    });
}

#[test]
fn large_payloads_arrive_whole() {
    both_protocols(|server, protocol| {
        let push = protocol.push();
        let mut publisher = server.client();
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "a", 2);
        // Around the sizes at which buffers are read or written in another way.
        for size in [1, 1023, 4096, 16383, 16384, 16385, 32767, 32768, 65536, 1 << 20, 5_000_000] {
            let payload: Vec<u8> = (0..size).map(|index: usize| (index % 251) as u8).collect();
            publisher.command_of(&[b"PUBLISH", b"a", &payload]);
            publisher.expect(":2\r\n");
            client.expect(format!("{push}3\r\n$7\r\nmessage\r\n$1\r\na\r\n${size}\r\n"));
            client.expect(&payload);
            client.expect(format!("\r\n{push}4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n${size}\r\n"));
            client.expect(&payload);
            client.expect("\r\n");
        }
    });
}

#[test]
fn after_unsubscribing_nothing_is_delivered() {
    both_protocols(|server, protocol| {
        let mut publisher = server.client();
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "a*", 2);
        client.subscribe("ssubscribe", "a", 1);
        for (command, name, left) in
            [("unsubscribe", "a", 1), ("punsubscribe", "a*", 0), ("sunsubscribe", "a", 0)]
        {
            client.command(&format!("{command} {name}"));
            client.expect_confirmation(command, name, left);
        }
        publisher.call("PUBLISH a hello", ":0\r\n");
        publisher.call("SPUBLISH a hello", ":0\r\n");
        client.expect_nothing_more();
    });
}

#[test]
fn the_database_does_not_separate_channels() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("SELECT 5", "+OK\r\n");
        client.subscribe("subscribe", "a", 1);
        server.client().call("PUBLISH a hello", ":1\r\n");
        client.expect_message("a", "hello");
    });
}

#[test]
fn wrong_numbers_of_arguments() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["PUBLISH", "PUBLISH a", "PUBLISH a b c"] {
            client.call(line, "-ERR wrong number of arguments for 'publish' command\r\n");
        }
        for line in ["SPUBLISH", "SPUBLISH a", "SPUBLISH a b c"] {
            client.call(line, "-ERR wrong number of arguments for 'spublish' command\r\n");
        }
    });
}
