//! What comes before what: on one connection, and between publishers, subscribers and those who leave.

use std::thread;

use crate::support::{Protocol, Value, both_protocols, differs_from_oracle, encode, while_publishing};

#[test]
fn who_publishes_to_itself_gets_the_reply_first() {
    if differs_from_oracle("7.0 sends the message before the reply") {
        return;
    }
    // A RESP2 client with subscriptions cannot publish.
    both_protocols(|server, _| {
        let mut client = server.speaking(Protocol::Resp3);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "a*", 2);
        client.subscribe("ssubscribe", "a", 1);
        client.call("PUBLISH a hello", ":2\r\n");
        client.expect_message("a", "hello");
        client.expect_pmessage("a*", "a", "hello");
        client.call("SPUBLISH a hello", ":1\r\n");
        client.expect_smessage("a", "hello");
        client.call("MPUBLISH hello a b a", "*3\r\n:2\r\n:0\r\n:2\r\n");
        for _ in 0..2 {
            client.expect_message("a", "hello");
            client.expect_pmessage("a*", "a", "hello");
        }
        client.expect_nothing_more();
    });
}

#[test]
fn who_publishes_to_itself_in_a_pipeline_gets_each_message_after_its_reply() {
    if differs_from_oracle("7.0 sends the message before the reply") {
        return;
    }
    both_protocols(|server, _| {
        let mut client = server.speaking(Protocol::Resp3);
        client.subscribe("subscribe", "a", 1);
        client.send("PUBLISH a 1\r\nPING\r\nPUBLISH a 2\r\nUNSUBSCRIBE a\r\nPUBLISH a 3\r\n");
        client.expect(":1\r\n");
        client.expect_message("a", "1");
        client.expect("+PONG\r\n:1\r\n");
        client.expect_message("a", "2");
        client.expect_confirmation("unsubscribe", "a", 0);
        client.expect(":0\r\n");
    });
}

#[test]
fn the_confirmation_comes_before_the_first_message() {
    both_protocols(|server, protocol| {
        while_publishing(server, 1, "PUBLISH busy x\r\n", || {
            for _ in 0..100 {
                let mut client = server.speaking(protocol);
                client.subscribe("SUBSCRIBE", "busy", 1);
                client.expect_message("busy", "x");
            }
        });
    });
}

#[test]
fn the_confirmation_of_unsubscribing_is_the_last_word() {
    both_protocols(|server, protocol| {
        while_publishing(server, 2, &"PUBLISH busy x\r\n".repeat(50), || {
            // Both ways that a message can take.
            let mut client = server.speaking(protocol);
            for _ in 0..100 {
                for (subscribe, unsubscribe, name) in
                    [("SUBSCRIBE", "unsubscribe", "busy"), ("PSUBSCRIBE", "punsubscribe", "bu*")]
                {
                    client.subscribe(subscribe, name, 1);
                    client.value();
                    client.command(&format!("{unsubscribe} {name}"));
                    while client.value().elements()[0].text() != unsubscribe {}
                    client.expect_nothing_more();
                }
            }
        });
    });
}

#[test]
fn one_publisher_is_heard_in_its_order_over_all_channels() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for channel in 0..10 {
            client.subscribe("subscribe", &format!("channel-{channel}"), channel + 1);
        }
        client.subscribe("psubscribe", "other-*", 11);
        let mut publisher = server.client();
        let mut writer = publisher.writer();
        thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..20_000 {
                    let kind = if number % 3 == 0 { "other" } else { "channel" };
                    let line = format!("PUBLISH {kind}-{} {number}\r\n", number % 10);
                    std::io::Write::write_all(&mut writer, line.as_bytes()).unwrap();
                }
            });
            scope.spawn(move || publisher.expect(":1\r\n".repeat(20_000)));
            for number in 0..20_000 {
                let frame = client.value();
                assert_eq!(frame.elements().last().unwrap().text(), number.to_string());
            }
        });
    });
}

#[test]
fn a_channel_and_its_patterns_take_turns() {
    // Many publishes in one piece: delivering those that follow each other together must not show.
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("PSUBSCRIBE", "a*", 1);
        client.subscribe("SUBSCRIBE", "a", 2);
        client.subscribe("SUBSCRIBE", "ab", 3);
        let mut only_pattern = server.speaking(protocol);
        only_pattern.subscribe("PSUBSCRIBE", "a*", 1);
        let mut publisher = server.client();
        let channels = ["a", "a", "ab", "a", "ab", "ab", "ab", "a", "a", "a"];
        let requests: String =
            (0..1000).map(|number| format!("PUBLISH {} {number}\r\n", channels[number % 10])).collect();
        publisher.send(requests);
        publisher.expect(":3\r\n".repeat(1000));
        for number in 0..1000 {
            let (channel, payload) = (channels[number % 10], number.to_string());
            client.expect_message(channel, &payload);
            client.expect_pmessage("a*", channel, &payload);
            only_pattern.expect_pmessage("a*", channel, &payload);
        }
    });
}

#[test]
fn all_subscribers_of_a_channel_see_one_order() {
    const EACH: usize = 3000;
    both_protocols(|server, protocol| {
        let mut clients: Vec<_> = (0..8).map(|_| server.speaking(protocol)).collect();
        for client in &mut clients {
            client.subscribe("subscribe", "a", 1);
        }
        thread::scope(|scope| {
            for publisher in ["x", "y"] {
                scope.spawn(move || {
                    let mut client = server.client();
                    for number in 0..EACH {
                        client.call(&format!("PUBLISH a {publisher}{number}"), ":8\r\n");
                    }
                });
            }
        });
        let mut seen: Option<Vec<Value>> = None;
        for client in &mut clients {
            let order: Vec<Value> = (0..2 * EACH).map(|_| client.value().elements()[2].clone()).collect();
            client.expect_nothing_more();
            match &seen {
                None => seen = Some(order),
                Some(first) => {
                    let parted = first.iter().zip(&order).position(|(left, right)| left != right);
                    assert_eq!(parted, None, "two subscribers see different orders from this message on");
                }
            }
        }
        // The order is one in which each publisher's own messages are in order.
        for publisher in ["x", "y"] {
            let seen = seen.as_ref().unwrap().iter().map(Value::text);
            let own: Vec<_> = seen.filter(|text| text.starts_with(publisher)).collect();
            let sent: Vec<_> = (0..EACH).map(|number| format!("{publisher}{number}")).collect();
            assert_eq!(own, sent);
        }
    });
}

#[test]
fn an_answer_never_overtakes_its_question() {
    both_protocols(|server, protocol| {
        let mut observer = server.speaking(protocol);
        observer.subscribe("subscribe", "talk", 1);
        let mut answerer = server.client();
        answerer.subscribe("subscribe", "talk", 1);
        let mut asker = server.client();
        let mut replier = server.client();
        for number in 0..1000 {
            asker.command(&format!("PUBLISH talk q{number}"));
            answerer.expect_message("talk", &format!("q{number}"));
            replier.call(&format!("PUBLISH talk a{number}"), ":2\r\n");
            answerer.expect_message("talk", &format!("a{number}"));
            asker.expect(":2\r\n");
        }
        for number in 0..1000 {
            observer.expect_message("talk", &format!("q{number}"));
            observer.expect_message("talk", &format!("a{number}"));
        }
    });
}

#[test]
fn small_and_large_messages_keep_their_order() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.client();
        let payloads = [1, 5000, 2, 4096, 4095, 3, 20_000, 4].map(|bytes| "x".repeat(bytes));
        let mut pipeline: Vec<u8> =
            payloads.iter().flat_map(|payload| encode(["PUBLISH", "a", payload])).collect();
        pipeline.extend(encode(["PUBLISH", "b", "y"]));
        publisher.send(pipeline);
        publisher.expect(":1\r\n".repeat(payloads.len()) + ":0\r\n");
        payloads.iter().for_each(|payload| subscriber.expect_message("a", payload));
        let calls = server.client().ask("INFO commandstats").text();
        if !differs_from_oracle("it has no statistics of its own of this server's") {
            assert!(calls.contains("cmdstat_publish:calls=9,"), "{calls}");
        }
    });
}
