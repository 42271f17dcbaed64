//! Work that is too much for one turn, a publish to thousands or a SUBSCRIBE of thousands, is done in parts. Nobody may
//! notice: not in the order of messages, not in that of replies, not when somebody leaves in the middle.

use std::thread;

use crate::support::{
    Client, Protocol, Server, both_protocols, differs_from_oracle, encode, raise_descriptor_limit,
    while_publishing,
};

/// More than is done in one turn, where the system allows that many sockets.
fn crowd_size() -> usize {
    (raise_descriptor_limit() / 3).min(2500)
}

/// Subscribers of `a`.
fn crowd(server: &Server) -> Vec<Client> {
    let mut clients: Vec<_> = (0..crowd_size()).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("SUBSCRIBE a\r\n");
    }
    for client in &mut clients {
        client.expect_confirmation("subscribe", "a", 1);
    }
    clients
}

#[test]
fn one_publishers_order_holds_between_a_crowded_channel_and_others() {
    both_protocols(|server, protocol| {
        // One who comes before the crowd and one who comes after it.
        let mut early = server.speaking(protocol);
        let crowd = crowd(server);
        let mut late = server.speaking(protocol);
        for client in [&mut early, &mut late] {
            let already = 1;
            client.subscribe("SUBSCRIBE", "a", already);
            client.subscribe("SUBSCRIBE", "b", already + 1);
            client.subscribe("PSUBSCRIBE", "c*", already + 2);
            client.subscribe("SSUBSCRIBE", "d", 1);
        }
        let mut publisher = server.client();
        let receivers = crowd.len() + 2;
        for _ in 0..20 {
            publisher
                .send("PUBLISH a 1\r\nPUBLISH b 2\r\nPUBLISH a 3\r\nPUBLISH c 4\r\nSPUBLISH d 5\r\nPING\r\n");
            publisher.expect(format!(":{receivers}\r\n:2\r\n:{receivers}\r\n:2\r\n:2\r\n+PONG\r\n"));
        }
        for client in [&mut early, &mut late] {
            for _ in 0..20 {
                client.expect_message("a", "1");
                client.expect_message("b", "2");
                client.expect_message("a", "3");
                client.expect_pmessage("c*", "c", "4");
                client.expect_smessage("d", "5");
            }
            client.expect_nothing_more();
        }
    });
}

#[test]
fn a_crowd_sees_one_order_of_two_publishers() {
    const EACH: usize = 30;
    let server = Server::start();
    let mut crowd = crowd(&server);
    thread::scope(|scope| {
        for publisher in ["x", "y"] {
            let (server, receivers) = (&server, crowd.len());
            scope.spawn(move || {
                let mut client = server.client();
                let requests: String =
                    (0..EACH).map(|number| format!("PUBLISH a {publisher}{number}\r\n")).collect();
                client.send(requests);
                client.expect(format!(":{receivers}\r\n").repeat(EACH));
            });
        }
    });
    let seen: Vec<String> = (0..2 * EACH).map(|_| crowd[0].value().elements()[2].text()).collect();
    for client in &mut crowd[1..] {
        for payload in &seen {
            client.expect_message("a", payload);
        }
        client.expect_nothing_more();
    }
}

#[test]
fn an_answer_does_not_overtake_its_question_in_a_crowd() {
    let server = Server::start();
    let mut answerer = server.client();
    answerer.subscribe("SUBSCRIBE", "a", 1);
    let mut crowd = crowd(&server);
    let mut observer = server.client();
    observer.subscribe("SUBSCRIBE", "a", 1);
    let receivers = crowd.len() + 2;
    let mut asker = server.client();
    let mut replier = server.client();
    for number in 0..50 {
        asker.command(&format!("PUBLISH a q{number}"));
        answerer.expect_message("a", &format!("q{number}"));
        // The question may still be on its way to the last ones.
        replier.call(&format!("PUBLISH a r{number}"), format!(":{receivers}\r\n"));
        answerer.expect_message("a", &format!("r{number}"));
        asker.expect(format!(":{receivers}\r\n"));
    }
    for client in crowd.iter_mut().rev().take(100).chain([&mut observer]) {
        for number in 0..50 {
            client.expect_message("a", &format!("q{number}"));
            client.expect_message("a", &format!("r{number}"));
        }
    }
}

#[test]
fn a_publisher_that_leaves_at_once_is_heard_by_all() {
    let server = Server::start();
    let mut crowd = crowd(&server);
    for number in 0..10 {
        let mut publisher = server.client();
        publisher.send(format!("PUBLISH a {number}\r\nQUIT\r\n"));
        drop(publisher);
    }
    // Each of them comes once, to all in the same order.
    let seen: Vec<String> = (0..10).map(|_| crowd[0].value().elements()[2].text()).collect();
    for number in 0..10 {
        assert!(seen.contains(&number.to_string()), "{seen:?}");
    }
    for client in &mut crowd[1..] {
        for payload in &seen {
            client.expect_message("a", payload);
        }
        client.expect_nothing_more();
    }
}

#[test]
fn who_is_in_the_crowd_it_publishes_to_gets_the_reply_first() {
    if differs_from_oracle("7.0 sends the message before the reply") {
        return;
    }
    let server = Server::start();
    let mut early = server.speaking(Protocol::Resp3);
    early.subscribe("SUBSCRIBE", "a", 1);
    let crowd = crowd(&server);
    let mut late = server.speaking(Protocol::Resp3);
    late.subscribe("SUBSCRIBE", "a", 1);
    let receivers = crowd.len() + 2;
    let mut both = [early, late];
    for (client, other) in [(0, 1), (1, 0)] {
        let [client, other] = both.get_disjoint_mut([client, other]).unwrap();
        client.send(
            "PUBLISH a 1\r\nPING\r\nMULTI\r\nPING x\r\nPUBLISH a 2\r\nPING y\r\nEXEC\r\nMPUBLISH 3 a b a\r\n",
        );
        client.expect(format!(":{receivers}\r\n"));
        client.expect_message("a", "1");
        client.expect("+PONG\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
        client.expect(format!("*3\r\n$1\r\nx\r\n:{receivers}\r\n$1\r\ny\r\n"));
        client.expect_message("a", "2");
        client.expect(format!("*3\r\n:{receivers}\r\n:0\r\n:{receivers}\r\n"));
        client.expect_message("a", "3");
        client.expect_message("a", "3");
        client.expect_nothing_more();
        for payload in ["1", "2", "3", "3"] {
            other.expect_message("a", payload);
        }
    }
}

#[test]
fn a_script_that_publishes_to_a_crowd_replies_once() {
    both_protocols(|server, protocol| {
        let crowd = crowd(server);
        let mut late = server.speaking(protocol);
        late.subscribe("SUBSCRIBE", "a", 1);
        late.subscribe("SUBSCRIBE", "b", 2);
        let mut publisher = server.speaking(protocol);
        let script = "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend";
        let request = encode(["EVAL", script, "0", "x", "a", "b", "a"]);
        publisher.send([&request[..], b"PING\r\nMULTI\r\n", &request, b"PING\r\nEXEC\r\n"].concat());
        let null = protocol.null();
        publisher.expect(format!("{null}+PONG\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n{null}+PONG\r\n"));
        for mut client in crowd {
            (0..4).for_each(|_| client.expect_message("a", "x"));
            client.expect_nothing_more();
        }
        for channel in ["a", "b", "a", "a", "b", "a"] {
            late.expect_message(channel, "x");
        }
        late.expect_nothing_more();
    });
}

/// `first-0 first-1 ...`
fn names(first: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{first}-{index}")).collect()
}

const MANY: usize = 10_000;

#[test]
fn what_follows_a_long_subscribe_is_answered_after_it() {
    both_protocols(|server, protocol| {
        for (subscribe, unsubscribe) in
            [("subscribe", "unsubscribe"), ("psubscribe", "punsubscribe"), ("ssubscribe", "sunsubscribe")]
        {
            let names = names("channel", MANY);
            let mut client = server.speaking(protocol);
            let mut writer = client.writer();
            let joined = names.join(" ");
            let requests = [
                format!("{subscribe} {joined}\r\nPING 1\r\n"),
                format!("{unsubscribe} {joined}\r\nPING 2\r\n"),
                format!("{subscribe} {joined}\r\n{unsubscribe}\r\nPING 3\r\n"),
            ];
            // As arrays: a line may not be that long.
            let encoded: Vec<u8> = requests
                .iter()
                .flat_map(|lines| lines.lines())
                .flat_map(|line| crate::support::encode(line.split(' ')))
                .collect();
            let sending = thread::spawn(move || writer.write_all(&encoded).unwrap());
            for (index, name) in names.iter().enumerate() {
                client.expect_confirmation(subscribe, name, index + 1);
            }
            client.expect(pong(protocol, "1"));
            for (index, name) in names.iter().enumerate() {
                client.expect_confirmation(unsubscribe, name, MANY - 1 - index);
            }
            client.expect("$1\r\n2\r\n");
            for (index, name) in names.iter().enumerate() {
                client.expect_confirmation(subscribe, name, index + 1);
            }
            for left in (0..MANY as i64).rev() {
                let frame = client.value();
                assert_eq!(
                    (frame.elements()[0].text().as_str(), frame.elements()[2].integer()),
                    (unsubscribe, left)
                );
            }
            client.expect("$1\r\n3\r\n");
            sending.join().unwrap();
        }
    });
}

/// The reply of PING with an argument, to a client with subscriptions.
fn pong(protocol: Protocol, argument: &str) -> String {
    match protocol {
        Protocol::Resp2 => format!("*2\r\n$4\r\npong\r\n${}\r\n{argument}\r\n", argument.len()),
        Protocol::Resp3 => format!("${}\r\n{argument}\r\n", argument.len()),
    }
}

#[test]
fn a_long_subscribe_in_a_transaction_stays_in_its_reply() {
    both_protocols(|server, protocol| {
        let names = names("busy", MANY);
        let first = &names[0];
        while_publishing(server, 1, &format!("PUBLISH {first} x\r\n"), || {
            let mut client = server.speaking(protocol);
            client.send("MULTI\r\nPING before\r\n");
            client.command(&format!("SUBSCRIBE {}", names.join(" ")));
            client.send("ECHO after\r\nEXEC\r\n");
            client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$6\r\nbefore\r\n");
            for (index, name) in names.iter().enumerate() {
                client.expect_confirmation("subscribe", name, index + 1);
            }
            client.expect("$5\r\nafter\r\n");
            client.expect_message(first, "x");
        });
    });
}

#[test]
fn who_closes_in_the_middle_of_a_long_subscribe_leaves_nothing_behind() {
    let server = Server::start();
    for command in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        let names = names("channel", MANY);
        for _ in 0..5 {
            let mut client = server.client();
            client.command(&format!("{command} {}", names.join(" ")));
            client.command(command);
        }
    }
    let mut asker = server.client();
    crate::support::eventually("nothing is subscribed", || {
        asker.ask("PUBSUB CHANNELS").elements().is_empty()
            && asker.ask("PUBSUB SHARDCHANNELS").elements().is_empty()
            && asker.ask("PUBSUB NUMPAT").integer() == 0
            && asker.ask("CLIENT LIST").text().lines().count() == 1
    });
}

#[test]
fn one_message_to_many_channels() {
    if differs_from_oracle("MPUBLISH is ours") {
        return;
    }
    both_protocols(|server, protocol| {
        let names = names("channel", MANY);
        let mut client = server.speaking(protocol);
        client.command(&format!("SUBSCRIBE {}", names.join(" ")));
        for (index, name) in names.iter().enumerate() {
            client.expect_confirmation("subscribe", name, index + 1);
        }
        let mut publisher = server.client();
        publisher.command(&format!("MPUBLISH x {}", names.join(" ")));
        publisher.send("PING\r\n");
        publisher.expect(format!("*{MANY}\r\n{}+PONG\r\n", ":1\r\n".repeat(MANY)));
        for name in &names {
            client.expect_message(name, "x");
        }
        client.expect_nothing_more();
    });
}
