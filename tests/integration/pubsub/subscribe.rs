//! Confirmations of subscribing and unsubscribing: one frame for each argument, and the counts in them.

use crate::support::{Protocol, both_protocols};

/// The three kinds: command, its counterpart, and the name of the counterpart's frame.
const KINDS: [(&str, &str); 3] =
    [("subscribe", "unsubscribe"), ("psubscribe", "punsubscribe"), ("ssubscribe", "sunsubscribe")];

#[test]
fn the_bytes_of_a_confirmation() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call(
            "SUBSCRIBE news",
            match protocol {
                Protocol::Resp2 => "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n",
                Protocol::Resp3 => ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n",
            },
        );
    });
}

#[test]
fn one_confirmation_for_each_argument_in_order() {
    both_protocols(|server, protocol| {
        for (subscribe, unsubscribe) in KINDS {
            let mut client = server.speaking(protocol);
            client.command(&format!("{subscribe} c a b"));
            client.expect_confirmation(subscribe, "c", 1);
            client.expect_confirmation(subscribe, "a", 2);
            client.expect_confirmation(subscribe, "b", 3);
            client.command(&format!("{unsubscribe} a c b"));
            client.expect_confirmation(unsubscribe, "a", 2);
            client.expect_confirmation(unsubscribe, "c", 1);
            client.expect_confirmation(unsubscribe, "b", 0);
            client.expect_nothing_more();
        }
    });
}

#[test]
fn the_case_of_the_command_does_not_show_in_the_confirmation() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.command("SuBsCrIbE News");
        client.expect_confirmation("subscribe", "News", 1);
        client.command("PUNSUBSCRIBE News");
        client.expect_confirmation("punsubscribe", "News", 1);
    });
}

#[test]
fn subscribing_again_confirms_again_and_counts_once() {
    both_protocols(|server, protocol| {
        for (subscribe, unsubscribe) in KINDS {
            let mut client = server.speaking(protocol);
            client.subscribe(subscribe, "a", 1);
            client.subscribe(subscribe, "a", 1);
            client.command(&format!("{subscribe} a b a b"));
            client.expect_confirmation(subscribe, "a", 1);
            client.expect_confirmation(subscribe, "b", 2);
            client.expect_confirmation(subscribe, "a", 2);
            client.expect_confirmation(subscribe, "b", 2);
            client.command(&format!("{unsubscribe} a a"));
            client.expect_confirmation(unsubscribe, "a", 1);
            client.expect_confirmation(unsubscribe, "a", 1);
        }
    });
}

#[test]
fn channels_and_patterns_are_counted_together_and_shard_channels_apart() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "x*", 2);
        client.subscribe("ssubscribe", "sh", 1);
        client.subscribe("ssubscribe", "sh2", 2);
        client.subscribe("subscribe", "b", 3);
        client.command("UNSUBSCRIBE a");
        client.expect_confirmation("unsubscribe", "a", 2);
        client.command("SUNSUBSCRIBE sh");
        client.expect_confirmation("sunsubscribe", "sh", 1);
        client.command("PUNSUBSCRIBE x*");
        client.expect_confirmation("punsubscribe", "x*", 1);
    });
}

#[test]
fn unsubscribing_from_what_was_never_subscribed_is_confirmed() {
    both_protocols(|server, protocol| {
        for (_, unsubscribe) in KINDS {
            let mut client = server.speaking(protocol);
            client.command(&format!("{unsubscribe} x y"));
            client.expect_confirmation(unsubscribe, "x", 0);
            client.expect_confirmation(unsubscribe, "y", 0);
            client.call("PING", "+PONG\r\n");
        }
    });
}

#[test]
fn unsubscribing_without_arguments_and_without_subscriptions_confirms_null() {
    both_protocols(|server, protocol| {
        let (push, null) = (protocol.push(), protocol.null());
        let mut client = server.speaking(protocol);
        client.call("UNSUBSCRIBE", format!("{push}3\r\n$11\r\nunsubscribe\r\n{null}:0\r\n"));
        client.call("PUNSUBSCRIBE", format!("{push}3\r\n$12\r\npunsubscribe\r\n{null}:0\r\n"));
        client.call("SUNSUBSCRIBE", format!("{push}3\r\n$12\r\nsunsubscribe\r\n{null}:0\r\n"));
    });
}

#[test]
fn unsubscribing_without_arguments_counts_the_other_kinds_that_remain() {
    both_protocols(|server, protocol| {
        let (push, null) = (protocol.push(), protocol.null());
        let mut client = server.speaking(protocol);
        client.subscribe("psubscribe", "x*", 1);
        client.subscribe("psubscribe", "y*", 2);
        client.subscribe("ssubscribe", "sh", 1);
        client.call("UNSUBSCRIBE", format!("{push}3\r\n$11\r\nunsubscribe\r\n{null}:2\r\n"));
        client.command("SUNSUBSCRIBE");
        client.expect_confirmation("sunsubscribe", "sh", 0);
        client.call("SUNSUBSCRIBE", format!("{push}3\r\n$12\r\nsunsubscribe\r\n{null}:0\r\n"));
    });
}

#[test]
fn unsubscribing_without_arguments_confirms_each_channel_with_falling_counts() {
    both_protocols(|server, protocol| {
        for (subscribe, unsubscribe) in KINDS {
            let mut client = server.speaking(protocol);
            for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
                client.subscribe(subscribe, name, index + 1);
            }
            client.command(unsubscribe);
            let mut names = Vec::new();
            for count in (0..4).rev() {
                let frame = client.value();
                let [kind, name, left] = frame.elements() else { panic!("three elements: {frame:?}") };
                assert_eq!(kind.text(), unsubscribe);
                assert_eq!(left.integer(), count);
                names.push(name.text());
            }
            names.sort();
            assert_eq!(names, ["a", "b", "c", "d"]);
            client.expect_nothing_more();
        }
    });
}

#[test]
fn subscribing_to_nothing_is_an_error() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for command in ["subscribe", "psubscribe", "ssubscribe"] {
            client.call(
                &command.to_uppercase(),
                format!("-ERR wrong number of arguments for '{command}' command\r\n"),
            );
        }
    });
}

#[test]
fn names_are_any_bytes() {
    both_protocols(|server, protocol| {
        let push = protocol.push();
        for (subscribe, unsubscribe) in KINDS {
            for name in [&b""[..], b"\r\n", b"\0", b"$4\r\nnews\r\n", b"\xff\xfe", b" "] {
                let mut client = server.speaking(protocol);
                for (command, count) in [(subscribe, 1), (unsubscribe, 0)] {
                    client.command_of(&[command.as_bytes(), name]);
                    client.expect(format!(
                        "{push}3\r\n${}\r\n{command}\r\n${}\r\n",
                        command.len(),
                        name.len()
                    ));
                    client.expect(name);
                    client.expect(format!("\r\n:{count}\r\n"));
                }
            }
        }
    });
}

#[test]
fn the_namespaces_of_channels_and_shard_channels_do_not_meet() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("ssubscribe", "a", 1);
        client.command("UNSUBSCRIBE a");
        client.expect_confirmation("unsubscribe", "a", 0);
        client.subscribe("subscribe", "a", 1);
        client.command("SUNSUBSCRIBE a");
        client.expect_confirmation("sunsubscribe", "a", 0);
        let mut publisher = server.client();
        publisher.call("SPUBLISH a gone", ":0\r\n");
        publisher.call("PUBLISH a here", ":1\r\n");
        client.expect_message("a", "here");
    });
}

#[test]
fn a_closed_client_is_no_longer_subscribed() {
    both_protocols(|server, protocol| {
        let mut publisher = server.client();
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "a*", 2);
        client.subscribe("ssubscribe", "a", 1);
        publisher.call("PUBLISH a 1", ":2\r\n");
        drop(client);
        crate::support::eventually("a closed client is forgotten", || {
            publisher.ask("PUBLISH a 2").integer() + publisher.ask("SPUBLISH a 2").integer() == 0
        });
        publisher.call("PUBSUB CHANNELS", "*0\r\n");
        publisher.call("PUBSUB SHARDCHANNELS", "*0\r\n");
        publisher.call("PUBSUB NUMPAT", ":0\r\n");
    });
}
