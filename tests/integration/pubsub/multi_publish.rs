//! MPUBLISH message channel [channel ...]: one message to many channels.

use crate::support::{both_protocols, differs_from_oracle};

const OURS: &str = "MPUBLISH is ours";

#[test]
fn answers_the_receivers_of_each_channel_in_argument_order() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut first = server.speaking(protocol);
        first.subscribe("subscribe", "a", 1);
        let mut second = server.speaking(protocol);
        second.subscribe("subscribe", "a", 1);
        second.subscribe("psubscribe", "b*", 2);
        let mut publisher = server.speaking(protocol);
        publisher.call("MPUBLISH hello b nobody a", "*3\r\n:1\r\n:0\r\n:2\r\n");
        publisher.call("MPUBLISH hello nobody", "*1\r\n:0\r\n");
        first.expect_message("a", "hello");
        first.expect_nothing_more();
        second.expect_pmessage("b*", "b", "hello");
        second.expect_message("a", "hello");
        second.expect_nothing_more();
    });
}

#[test]
fn each_subscriber_gets_its_copies_in_argument_order() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let channels: Vec<String> = (0..50).map(|index| format!("channel-{}", index * 7 % 50)).collect();
        let mut client = server.speaking(protocol);
        for (index, channel) in channels.iter().rev().enumerate() {
            client.subscribe("subscribe", channel, index + 1);
        }
        let mut publisher = server.speaking(protocol);
        publisher.call(
            &format!("MPUBLISH hello {}", channels.join(" ")),
            format!("*50\r\n{}", ":1\r\n".repeat(50)),
        );
        for channel in &channels {
            client.expect_message(channel, "hello");
        }
        client.expect_nothing_more();
    });
}

#[test]
fn a_channel_named_twice_gets_the_message_twice() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        server.client().call("MPUBLISH hello a a", "*2\r\n:1\r\n:1\r\n");
        client.expect_message("a", "hello");
        client.expect_message("a", "hello");
        client.expect_nothing_more();
    });
}

#[test]
fn wrong_numbers_of_arguments() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["MPUBLISH", "MPUBLISH message"] {
            client.call(line, "-ERR wrong number of arguments for 'mpublish' command\r\n");
        }
    });
}
