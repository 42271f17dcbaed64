//! How many members and sessions there may be, and how much one reply may say. All of it can be changed while the server runs.

use super::{OURS, call, listed, meta, text};
use crate::support::{Client, Value, both_protocols, both_protocols_with, differs_from_oracle, eventually};

#[track_caller]
fn set(client: &mut Client, option: &str, value: &str) {
    client.call(&format!("CONFIG SET {option} {value}"), "+OK\r\n");
}

#[test]
fn members() {
    if differs_from_oracle(OURS) {
        return;
    }
    for (option, error, full, other) in [
        (
            "presence-topic-members-max",
            "presence topic has 2 members (presence-topic-members-max)",
            "PRESENCE.TRACK a carl SESSION t",
            "PRESENCE.TRACK b carl SESSION s",
        ),
        (
            "presence-key-members-max",
            "presence key has 2 members in the topic (presence-key-members-max)",
            "PRESENCE.TRACK a ann SESSION t",
            "PRESENCE.TRACK b ann SESSION s",
        ),
        (
            "presence-session-members-max",
            "presence session has 2 members (presence-session-members-max)",
            "PRESENCE.TRACK b carl SESSION s",
            "PRESENCE.TRACK a carl SESSION t",
        ),
        (
            "presence-members-max",
            "presence has 2 members (presence-members-max)",
            "PRESENCE.TRACK b carl SESSION t",
            "PRESENCE.TRACK a ann ID 1 SESSION s",
        ),
    ] {
        both_protocols_with(&[&format!("--{option}"), "2"], |server, protocol| {
            let mut client = server.speaking(protocol);
            text(&mut client, &["PRESENCE.TRACK", "a", "ann", "ID", "1", "SESSION", "s"]);
            text(&mut client, &["PRESENCE.TRACK", "a", "ann", "ID", "2", "SESSION", "s"]);
            client.call(full, format!("-ERR {error}\r\n"));
            // Who is there may change, and where there is room others come.
            text(&mut client, &["PRESENCE.TRACK", "a", "ann", r#"{"a":1}"#, "ID", "1", "SESSION", "s"]);
            text(&mut client, &other.split(' ').collect::<Vec<_>>());
            client.call("PRESENCE.UNTRACK a ann ID 2 SESSION s", ":1\r\n");
            // That somebody was here is remembered for a moment, for others' sake, and counts as a member.
            eventually("there is room again", || {
                client.command(full);
                matches!(client.value(), Value::Bulk(_))
            });
            set(&mut client, option, "100");
            text(&mut client, &["PRESENCE.TRACK", "a", "ann", "ID", "3", "SESSION", "s"]);
            text(&mut client, &["PRESENCE.TRACK", "a", "ann", "ID", "3", "SESSION", "t"]);
        });
    }
}

#[test]
fn sessions() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--presence-sessions-max", "1"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.TOUCH s", ":0\r\n");
        let error = "-ERR presence has 1 sessions (presence-sessions-max)\r\n";
        client.call("PRESENCE.TOUCH t", error);
        client.call("PRESENCE.TRACK a ann SESSION t", error);
        // Connections are no sessions of this kind.
        text(&mut client, &["PRESENCE.TRACK", "a", "ann"]);
        client.call("PRESENCE.TOUCH s", ":1\r\n");
        set(&mut client, "presence-sessions-max", "2");
        client.call("PRESENCE.TOUCH t", ":0\r\n");
    });
}

#[test]
fn sessions_opened_by_subscribing() {
    if differs_from_oracle(OURS) {
        return;
    }
    const CHANNEL: &str = "__presence_session__";
    both_protocols_with(&["--presence-sessions-max", "2"], |server, protocol| {
        let error = "-ERR presence has 2 sessions (presence-sessions-max)\r\n";
        let mut first = server.speaking(protocol);
        first.call("PRESENCE.TOUCH leased", ":0\r\n");
        // The whole command, even what is no session's channel or one that is there.
        first.call(&format!("SUBSCRIBE news {CHANNEL}:leased {CHANNEL}:s {CHANNEL}:t"), error);
        assert_eq!(server.client().ask("PUBSUB NUMSUB news").elements()[1].integer(), 0);
        // The same name twice is one session, and one that is there is none more.
        first.command(&format!("SUBSCRIBE {CHANNEL}:s {CHANNEL}:leased {CHANNEL}:s"));
        let told = |client: &mut Client, session: &str, count: usize, members: &str| {
            let channel = format!("{CHANNEL}:{session}");
            client.expect_confirmation("subscribe", &channel, count);
            if !members.is_empty() {
                client.expect_message(&channel, members);
            }
        };
        told(&mut first, "s", 1, r#"{"event":"attached","members":0,"resumed":false}"#);
        told(&mut first, "leased", 2, r#"{"event":"attached","members":0,"resumed":true}"#);
        told(&mut first, "s", 2, "");
        let mut other = server.speaking(protocol);
        other.call(&format!("SUBSCRIBE {CHANNEL}:t"), error);
        other.subscribe("SUBSCRIBE", &format!("{CHANNEL}:s"), 1);
        other.expect_message(&format!("{CHANNEL}:s"), r#"{"event":"attached","members":0,"resumed":false}"#);
        // Patterns and other channels open none.
        let mut listener = server.speaking(protocol);
        listener.subscribe("PSUBSCRIBE", &format!("{CHANNEL}:*"), 1);
        listener.subscribe("SUBSCRIBE", "news", 2);
        set(&mut server.client(), "presence-sessions-max", "3");
        other.subscribe("SUBSCRIBE", &format!("{CHANNEL}:t"), 2);
    });
}

#[test]
fn lengths() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (option, kind) in
            [("topic", "topic"), ("key", "key"), ("session", "session"), ("id", "id"), ("meta", "meta")]
        {
            set(&mut client, &format!("presence-{option}-max-bytes"), "9");
            let long = |name: &str| if name == kind { "1234567890" } else { "1" }.to_owned();
            let meta = if kind == "meta" { r#"{"a":1234}"# } else { "{}" };
            let command = format!(
                "PRESENCE.TRACK {} {} {meta} SESSION {} ID {}",
                long("topic"),
                long("key"),
                long("session"),
                long("id")
            );
            client.call(&command, format!("-ERR presence {kind} is longer than 9 bytes\r\n"));
            set(&mut client, &format!("presence-{option}-max-bytes"), "10");
            text(&mut client, &command.split(' ').collect::<Vec<_>>());
        }
    });
}

#[test]
fn lists() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut shown = Vec::new();
        for key in ["ann", "bob", "carl"] {
            let reference = text(&mut client, &["PRESENCE.TRACK", "lobby", key]);
            shown.push((key, meta(&reference, "")));
        }
        let metas: Vec<[&str; 1]> = shown.iter().map(|(_, meta)| [meta.as_str()]).collect();
        let all: Vec<(&str, &[&str])> =
            shown.iter().zip(&metas).map(|((key, _), metas)| (*key, &metas[..])).collect();
        set(&mut client, "presence-list-max", "3");
        client.call("PRESENCE.LIST lobby", listed(protocol, &all));
        set(&mut client, "presence-list-max", "2");
        let error =
            "-TOOLARGE presence topic has more than 2 keys (presence-list-max): use PRESENCE.SCAN\r\n";
        client.call("PRESENCE.LIST lobby", error);
        client.call("PRESENCE.LIST lobby JSON", error);
        let some = client.ask("PRESENCE.SCAN lobby 0 COUNT 10");
        assert_eq!(some.elements()[1].elements().len(), 4, "no more than LIST would show");
        let next = some.elements()[0].text();
        call(
            &mut client,
            &["PRESENCE.SCAN", "lobby", &next],
            &format!("*2\r\n$1\r\n0\r\n{}", listed(protocol, &all[2..])),
        );
        set(&mut client, "presence-list-max", "10000");
        set(&mut client, "presence-list-max-bytes", "1kb");
        let filler = format!(r#"{{"a":"{}"}}"#, "x".repeat(500));
        for number in 0..3 {
            text(
                &mut client,
                &["PRESENCE.TRACK", &format!("{}{number}", "room".repeat(100)), "dora", &filler],
            );
            text(&mut client, &["PRESENCE.TRACK", "lobby", "dora", &filler, "ID", &number.to_string()]);
        }
        let error = |instead: &str| {
            format!(
                "-TOOLARGE presence list is longer than 1024 bytes (presence-list-max-bytes){instead}\r\n"
            )
        };
        client.call("PRESENCE.LIST lobby", error(": use PRESENCE.SCAN"));
        client.call("PRESENCE.LIST lobby JSON", error(": use PRESENCE.SCAN"));
        client.call("PRESENCE.GET lobby dora", error(": use PRESENCE.SCAN"));
        client.call("PRESENCE.WHERE dora", error(""));
        let reply = client.ask("PRESENCE.SCAN lobby 0 MATCH dora");
        assert_eq!(reply.elements()[1].elements()[1].elements().len(), 3, "a key is shown in one piece");
        // The connection is as it was.
        client.call("PRESENCE.WHERE ann", "*1\r\n$5\r\nlobby\r\n");
    });
}
