//! PUBSUB SUBSCRIBERS, SHARDSUBSCRIBERS and STATS.

use crate::support::{
    Client, Protocol, Server, Value, both_protocols, both_protocols_with, differs_from_oracle,
};

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A map as the protocol frames it, of encoded values.
fn map(protocol: Protocol, pairs: &[(&str, String)]) -> String {
    let header = match protocol {
        Protocol::Resp2 => format!("*{}\r\n", pairs.len() * 2),
        Protocol::Resp3 => format!("%{}\r\n", pairs.len()),
    };
    header + &pairs.iter().map(|(key, value)| bulk(key) + value).collect::<String>()
}

#[test]
fn subscribers_are_told_with_what_they_call_themselves() {
    if differs_from_oracle("ours") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut asker = server.speaking(protocol);
        asker.call("PUBSUB SUBSCRIBERS a", "*0\r\n");
        let mut subscriber = server.speaking(protocol);
        let id = subscriber.ask("CLIENT ID").integer();
        let address = subscriber.address();
        subscriber.call("CLIENT SETNAME worker", "+OK\r\n");
        subscriber.call("CLIENT SETINFO LIB-NAME mylib", "+OK\r\n");
        subscriber.call("CLIENT SETINFO LIB-VER 1.2", "+OK\r\n");
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        // Neither a pattern nor a shard channel of the name counts.
        let mut others = [server.speaking(protocol), server.speaking(protocol)];
        others[0].subscribe("PSUBSCRIBE", "a", 1);
        others[1].subscribe("SSUBSCRIBE", "a", 1);
        let one = |id: i64, address: &str, [name, library, version]: [&str; 3]| {
            let pairs = [
                ("id", format!(":{id}\r\n")),
                ("addr", bulk(address)),
                ("name", bulk(name)),
                ("lib-name", bulk(library)),
                ("lib-ver", bulk(version)),
            ];
            format!("*1\r\n{}", map(protocol, &pairs))
        };
        asker.call("PUBSUB SUBSCRIBERS a", one(id, &address, ["worker", "mylib", "1.2"]));
        let (shard_id, shard_address) = {
            let list = asker.ask("CLIENT LIST TYPE pubsub").text();
            let line = list.lines().find(|line| line.contains(" ssub=1 ")).unwrap();
            let field = |name| line.split(' ').find_map(|field| field.strip_prefix(name)).unwrap().to_owned();
            (field("id=").parse().unwrap(), field("addr="))
        };
        asker.call("PUBSUB SHARDSUBSCRIBERS a", one(shard_id, &shard_address, ["", "", ""]));
        subscriber.command("UNSUBSCRIBE a");
        subscriber.expect_confirmation("unsubscribe", "a", 0);
        asker.call("PUBSUB SUBSCRIBERS a", "*0\r\n");
        for name in ["subscribers", "shardsubscribers"] {
            for rest in ["", " a b"] {
                let line = format!("PUBSUB {}{rest}", name.to_uppercase());
                let error = format!("-ERR wrong number of arguments for 'pubsub|{name}' command\r\n");
                asker.call(&line, error);
            }
        }
    });
}

#[test]
fn many_subscribers_are_told_each_once() {
    if differs_from_oracle("ours") {
        return;
    }
    let server = Server::start();
    let mut subscribers: Vec<_> = (0..700).map(|_| server.client()).collect();
    let mut ids: Vec<i64> = Vec::new();
    for subscriber in &mut subscribers {
        ids.push(subscriber.ask("CLIENT ID").integer());
        subscriber.subscribe("SUBSCRIBE", "a", 1);
    }
    let told = server.client().ask("PUBSUB SUBSCRIBERS a");
    let mut told: Vec<i64> = told.elements().iter().map(|one| one.field("id").integer()).collect();
    told.sort_unstable();
    assert_eq!(told, ids);
}

/// Name, messages, bytes and subscribers of each channel that is told.
fn stats(client: &mut Client, line: &str) -> Vec<(String, i64, i64, i64)> {
    let reply = client.ask(line);
    let told = |one: &Value| {
        let number = |name| one.field(name).integer();
        assert_eq!(number("uncounted"), 0);
        (one.field("channel").text(), number("messages"), number("bytes"), number("subscribers"))
    };
    reply.elements().iter().map(told).collect()
}

#[test]
fn stats_have_their_types() {
    if differs_from_oracle("ours") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PUBSUB STATS", "*0\r\n");
        client.call("SPUBLISH a xyz", ":0\r\n");
        let pairs = [
            ("channel", bulk("a")),
            ("kind", bulk("shardchannel")),
            ("messages", ":1\r\n".to_owned()),
            ("bytes", ":3\r\n".to_owned()),
            ("subscribers", ":0\r\n".to_owned()),
            ("uncounted", ":0\r\n".to_owned()),
        ];
        client.call("PUBSUB STATS", format!("*1\r\n{}", map(protocol, &pairs)));
        for line in ["PUBSUB STATS COUNT", "PUBSUB STATS 5", "PUBSUB STATS COUNT 5 x", "PUBSUB STATS FOO 5"] {
            client.call(line, "-ERR syntax error\r\n");
        }
        client.call("PUBSUB STATS COUNT x", "-ERR value is not an integer or out of range\r\n");
        client.call("PUBSUB STATS COUNT -1", "-ERR COUNT should be greater than or equal to 0\r\n");
        client.call("PUBSUB STATS COUNT 0", "*0\r\n");
    });
}

#[test]
fn the_busiest_channels_come_first() {
    if differs_from_oracle("ours") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "busy", 1);
        let mut client = server.speaking(protocol);
        // Delivered together, one by one, inside EXEC, by reference, in one command.
        client.send("PUBLISH busy 12345\r\n".repeat(50));
        client.expect(":1\r\n".repeat(50));
        client.send("MULTI\r\nPUBLISH busy 1\r\nPUBLISH b 1\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:0\r\n");
        client.call(&format!("PUBLISH large {}", "x".repeat(100_000)), ":0\r\n");
        client.call("MPUBLISH xx a b", "*2\r\n:0\r\n:0\r\n");
        // Only what is published counts.
        client.call("PUBLISH a", "-ERR wrong number of arguments for 'publish' command\r\n");
        let all = [
            ("busy".to_owned(), 51, 251, 1),
            ("b".to_owned(), 2, 3, 0),
            ("a".to_owned(), 1, 2, 0),
            ("large".to_owned(), 1, 100_000, 0),
        ];
        assert_eq!(stats(&mut client, "PUBSUB STATS"), all);
        assert_eq!(stats(&mut client, "pubsub stats count 2"), all[..2]);
        client.call("CONFIG RESETSTAT", "+OK\r\n");
        client.call("PUBSUB STATS", "*0\r\n");
        client.send("PUBLISH b x\r\nPUBLISH b x\r\nPUBLISH a x\r\n");
        client.expect(":0\r\n".repeat(3));
        let all = [("b".to_owned(), 2, 2, 0), ("a".to_owned(), 1, 1, 0)];
        assert_eq!(stats(&mut client, "PUBSUB STATS"), all);
        // Ten, if nothing else is asked for; the subscriber's channel is unknown to nobody.
        for number in 0..20 {
            client.call(&format!("PUBLISH room:{number:02} x"), ":0\r\n");
        }
        assert_eq!(stats(&mut client, "PUBSUB STATS").len(), 10);
        assert_eq!(stats(&mut client, "PUBSUB STATS COUNT 1000").len(), 22);
    });
}

#[test]
fn a_busy_channel_is_found_among_very_many() {
    if differs_from_oracle("ours") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    for turn in 0..10 {
        let quiet: String = (0..2000).map(|number| format!("PUBLISH quiet:{turn}:{number} x\r\n")).collect();
        client.send(quiet + &"PUBLISH busy x\r\n".repeat(200));
        client.expect(":0\r\n".repeat(2200));
    }
    let reply = client.ask("PUBSUB STATS COUNT 1");
    let first = &reply.elements()[0];
    assert_eq!(first.field("channel").text(), "busy");
    let (counted, uncounted) = (first.field("messages").integer(), first.field("uncounted").integer());
    assert!(counted <= 2000 && 2000 <= counted + uncounted, "{counted} {uncounted}");
    assert!(client.ask("PUBSUB STATS COUNT 1000000").elements().len() <= 4096);
}

#[test]
fn counting_can_be_turned_off() {
    if differs_from_oracle("ours") {
        return;
    }
    both_protocols_with(&["--pubsub-stats-channels", "0"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PUBLISH a x", ":0\r\n");
        client.call("PUBSUB STATS", "*0\r\n");
    });
}
