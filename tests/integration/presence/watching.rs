//! SUBSCRIBE to a topic: its state, then what changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{OURS, meta, text};
use crate::support::{
    Client, Server, both_protocols, both_protocols_with, differs_from_oracle, encode, eventually,
};

const LOBBY: &str = "__presence__:lobby";

fn state(seq: u64, payload: &str) -> String {
    format!(r#"{{"event":"presence_state","topic":"lobby","seq":{seq},"payload":{{{payload}}}}}"#)
}

fn diff(seq: u64, joins: &str, leaves: &str) -> String {
    let payload = format!(r#"{{"joins":{{{joins}}},"leaves":{{{leaves}}}}}"#);
    format!(r#"{{"event":"presence_diff","topic":"lobby","seq":{seq},"payload":{payload}}}"#)
}

/// A key with one member.
fn key(key: &str, meta: &str) -> String {
    format!(r#""{key}":{{"metas":[{meta}]}}"#)
}

/// A key with one member that has left.
fn left(key: &str, meta: &str, reference: &str, reason: &str) -> String {
    format!(r#""{key}":{{"metas":[{meta}],"reasons":{{"{reference}":"{reason}"}}}}"#)
}

#[track_caller]
fn track(client: &mut Client, key: &str, meta: &str) -> String {
    text(client, &["PRESENCE.TRACK", "lobby", key, meta])
}

/// The next message of a channel, as JSON.
#[track_caller]
fn message(client: &mut Client, channel: &str) -> Value {
    let message = client.value();
    let [kind, from, payload] = message.elements() else { panic!("no message: {message:?}") };
    assert_eq!((kind.text().as_str(), from.text().as_str()), ("message", channel));
    serde_json::from_str(&payload.text()).unwrap()
}

/// Keys that are present for a watcher who has read so far.
#[derive(Default)]
struct View {
    seq: u64,
    keys: BTreeSet<String>,
    is_partial: bool,
    /// Why somebody has left.
    reasons: BTreeSet<String>,
}

impl View {
    /// Reads one message; returns whether it ended a state.
    #[track_caller]
    fn read(&mut self, client: &mut Client) -> bool {
        let message = message(client, LOBBY);
        let seq = message["seq"].as_u64().unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        if message["event"] == "presence_state" {
            if !self.is_partial || self.seq != seq {
                self.keys.clear();
            }
            (self.seq, self.is_partial) = (seq, message["more"] == true);
            keys(&message["payload"]).into_iter().for_each(|key| assert!(self.keys.insert(key)));
            return !self.is_partial;
        }
        assert_eq!((seq, self.is_partial), (self.seq + 1, false));
        self.seq = seq;
        let payload = &message["payload"];
        keys(&payload["joins"]).into_iter().for_each(|key| assert!(self.keys.insert(key)));
        for (key, left) in payload["leaves"].as_object().unwrap() {
            assert!(self.keys.remove(key));
            let reasons = left["reasons"].as_object().unwrap().values();
            self.reasons.extend(reasons.map(|reason| reason.as_str().unwrap().to_owned()));
        }
        false
    }
}

#[test]
fn a_state_and_then_each_change() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        watcher.subscribe("SUBSCRIBE", LOBBY, 1);
        watcher.expect_message(LOBBY, &state(0, ""));
        let one = track(&mut client, "u1", r#"{"a": 1}"#);
        watcher.expect_message(LOBBY, &diff(1, &key("u1", &meta(&one, r#""a": 1"#)), ""));
        // The same once more tells nobody.
        assert_eq!(track(&mut client, "u1", r#"{ "a":1 }"#), one);
        let two = track(&mut client, "u1", "{}");
        let updated = format!(r#"{{"phx_ref":"{two}","phx_ref_prev":"{one}"}}"#);
        let before = left("u1", &meta(&one, r#""a": 1"#), &one, "update");
        watcher.expect_message(LOBBY, &diff(2, &key("u1", &updated), &before));
        let mut late = server.speaking(protocol);
        late.subscribe("SUBSCRIBE", LOBBY, 1);
        late.expect_message(LOBBY, &state(2, &key("u1", &updated)));
        client.call("PRESENCE.UNTRACK lobby u1", ":1\r\n");
        for watcher in [&mut watcher, &mut late] {
            watcher.expect_message(LOBBY, &diff(3, "", &left("u1", &updated, &two, "untrack")));
            watcher.expect_nothing_more();
        }
    });
}

#[test]
fn what_comes_and_goes_between_two_messages_is_not_told() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--presence-event-interval", "500"], |server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        watcher.subscribe("SUBSCRIBE", LOBBY, 1);
        watcher.expect_message(LOBBY, &state(0, ""));
        let one = track(&mut client, "u1", "{}");
        // In one transaction: no message can go out between.
        let commands = [
            "PRESENCE.TRACK lobby u2 {}",
            "PRESENCE.UNTRACK lobby u2",
            r#"PRESENCE.TRACK lobby u1 {"a":1}"#,
            "PRESENCE.UNTRACK lobby u1",
            "PRESENCE.TRACK lobby u3 {}",
        ];
        watcher.expect_message(LOBBY, &diff(1, &key("u1", &meta(&one, "")), ""));
        client.call("MULTI", "+OK\r\n");
        commands.iter().for_each(|command| client.call(command, "+QUEUED\r\n"));
        client.command("EXEC");
        let replies = client.value();
        let three = replies.elements()[4].text();
        let leaves = left("u1", &meta(&one, ""), &one, "untrack");
        watcher.expect_message(LOBBY, &diff(2, &key("u3", &meta(&three, "")), &leaves));
        eventually("the rest is counted", || server.info("presence_changes_coalesced") == "3");
    });
}

#[test]
fn unsubscribing_is_the_last_word() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        let mut witness = server.speaking(protocol);
        witness.subscribe("SUBSCRIBE", LOBBY, 1);
        witness.expect_message(LOBBY, &state(0, ""));
        for round in 0..20_u64 {
            watcher.command(&format!("SUBSCRIBE {LOBBY}"));
            watcher.command(&format!("UNSUBSCRIBE {LOBBY}"));
            watcher.command("PING");
            let reference = track(&mut client, &round.to_string(), "{}");
            let joins = key(&round.to_string(), &meta(&reference, ""));
            witness.expect_message(LOBBY, &diff(round + 1, &joins, ""));
            watcher.expect_confirmation("subscribe", LOBBY, 1);
            // A state may have been on its way.
            let mut next = watcher.value();
            if next.elements()[0].text() == "message" {
                next = watcher.value();
            }
            assert_eq!(next.elements()[0].text(), "unsubscribe");
            watcher.expect("+PONG\r\n");
        }
        watcher.expect_nothing_more();
    });
}

#[test]
fn a_large_state_comes_in_parts_and_once_for_all() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.TOUCH s TTL 86400000", ":0\r\n");
        fill(&mut client, 3_000);
        let mut watchers: Vec<Client> = (0..50).map(|_| server.speaking(protocol)).collect();
        watchers.iter_mut().for_each(|watcher| watcher.command(&format!("SUBSCRIBE {LOBBY}")));
        for watcher in &mut watchers {
            watcher.expect_confirmation("subscribe", LOBBY, 1);
            let (mut view, mut parts) = (View::default(), 1);
            while !view.read(watcher) {
                parts += 1;
            }
            assert!(parts > 3, "{parts}");
            assert_eq!(view.keys.len(), 3_000);
        }
        assert_eq!(server.info("presence_states_sent"), "1");
        assert_eq!(server.info("presence_states_delivered"), "50");
    });
}

fn fill(client: &mut Client, members: usize) {
    let text = "x".repeat(40);
    let tracks = (0..members).map(|number| {
        let (number, meta) = (number.to_string(), format!(r#"{{"text":"{text}"}}"#));
        encode(["PRESENCE.TRACK", "lobby", number.as_str(), meta.as_str(), "SESSION", "s"])
    });
    client.send(tracks.collect::<Vec<_>>().concat());
    (0..members).for_each(|_| assert_eq!(client.value().text().len(), 32));
}

#[test]
fn who_does_not_read_gets_a_state_instead_and_is_not_cut_off() {
    if differs_from_oracle(OURS) {
        return;
    }
    let limits =
        ["--presence-watcher-backlog", "100kb", "--client-output-buffer-limit", "pubsub 200kb 100kb 1"];
    let flags = [&limits[..], &["--presence-event-interval", "1"]].concat();
    let server = Server::start_with(&flags);
    let mut slow = Client::connect_slow(server.address(), "slow");
    slow.subscribe("SUBSCRIBE", LOBBY, 1);
    let mut view = View::default();
    assert!(view.read(&mut slow));
    let (mut quick, mut client) = (server.client(), server.client());
    quick.subscribe("SUBSCRIBE", LOBBY, 1);
    let mut quick_view = View::default();
    assert!(quick_view.read(&mut quick));
    let mut round = 0;
    eventually("it has missed something", || {
        round += 1;
        let meta = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
        let tracks = (0..100).map(|number: usize| {
            let key = format!("{}", round * 1_000 + number);
            encode(["PRESENCE.TRACK", "lobby", key.as_str(), meta.as_str()])
        });
        client.send(tracks.collect::<Vec<_>>().concat());
        (0..100).for_each(|_| assert_eq!(client.value().text().len(), 32));
        while quick_view.keys.len() < 100 {
            quick_view.read(&mut quick);
        }
        client.call("PRESENCE.UNTRACKALL", ":100\r\n");
        while !quick_view.keys.is_empty() {
            quick_view.read(&mut quick);
        }
        // Several times what sockets hold.
        round == 40
    });
    let last = text(&mut client, &["PRESENCE.TRACK", "lobby", "last"]);
    assert_eq!(last.len(), 32);
    while !view.keys.contains("last") || view.keys.len() > 1 {
        view.read(&mut slow);
    }
    assert_ne!(server.info("presence_states_resent"), "0");
    assert_eq!(server.info("client_output_buffer_limit_disconnections"), "0");
}

#[test]
fn a_lost_session_leaves_in_few_messages() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--presence-grace", "10"], |server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        let mut holder = server.speaking(protocol);
        holder.subscribe("SUBSCRIBE", "__presence_session__:s", 1);
        holder.value();
        fill(&mut client, 1_000);
        watcher.subscribe("SUBSCRIBE", LOBBY, 1);
        let mut view = View::default();
        while !view.read(&mut watcher) {}
        assert_eq!((view.keys.len(), view.reasons.len()), (1_000, 0));
        let first = view.seq;
        drop(holder);
        while !view.keys.is_empty() {
            view.read(&mut watcher);
        }
        assert!(view.seq - first <= 50, "{} messages", view.seq - first);
        assert_eq!(view.reasons, ["lost".to_owned()].into());
        watcher.expect_nothing_more();
    });
}

#[test]
fn patterns_get_changes_and_no_state() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        track(&mut client, "u0", "{}");
        watcher.subscribe("PSUBSCRIBE", "__presence__:l*", 1);
        let one = track(&mut client, "u1", "{}");
        let joined = diff(1, &key("u1", &meta(&one, "")), "");
        watcher.expect_pmessage("__presence__:l*", LOBBY, &joined);
        // Both ways, both.
        watcher.subscribe("SUBSCRIBE", LOBBY, 2);
        let seen = message(&mut watcher, LOBBY);
        assert_eq!((&seen["event"], &seen["seq"]), (&json!("presence_state"), &json!(1)));
        client.call("PRESENCE.UNTRACK lobby u1", ":1\r\n");
        let leaves = diff(2, "", &left("u1", &meta(&one, ""), &one, "untrack"));
        let both = [watcher.value(), watcher.value()].map(|message| {
            let parts = message.elements();
            assert_eq!(parts.last().unwrap().text(), leaves);
            parts[0].text()
        });
        assert_eq!(BTreeSet::from(both), ["message".to_owned(), "pmessage".to_owned()].into());
    });
}

#[test]
fn one_client_watches_many_topics() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let (mut watcher, mut client) = (server.speaking(protocol), server.speaking(protocol));
        let channel = |number: usize| format!("__presence__:{number}");
        for number in 0..300 {
            watcher.subscribe_to_topic(&channel(number), number + 1);
        }
        for number in (0..300).rev() {
            text(&mut client, &["PRESENCE.TRACK", &number.to_string(), "ann"]);
        }
        let mut topics = BTreeSet::new();
        while topics.len() < 300 {
            let message = watcher.value();
            let payload: Value = serde_json::from_str(&message.elements()[2].text()).unwrap();
            assert_eq!(
                message.elements()[1].text(),
                format!("__presence__:{}", payload["topic"].as_str().unwrap())
            );
            assert_eq!((&payload["event"], &payload["seq"]), (&json!("presence_diff"), &json!(1)));
            assert!(topics.insert(payload["topic"].to_string()));
        }
        watcher.expect_nothing_more();
    });
}

impl Client {
    /// Subscribes to the channel of a topic in which nobody is, and reads its state.
    #[track_caller]
    fn subscribe_to_topic(&mut self, channel: &str, count: usize) {
        self.subscribe("SUBSCRIBE", channel, count);
        let state = message(self, channel);
        assert_eq!((&state["event"], &state["payload"]), (&json!("presence_state"), &json!({})));
    }
}
