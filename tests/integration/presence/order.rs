//! What comes before what, of the messages of a topic and of the replies of the same client, and whom they reach.

use super::text;
use crate::support::{
    Client, Protocol, Server, Value, both_protocols, both_protocols_with, differs_from_oracle, eventually,
    message,
};

const LOBBY: &str = "__presence__:lobby";

/// Tracks a member; returns its ref.
#[track_caller]
fn track(client: &mut Client, topic: &str, key: &str) -> String {
    text(client, &["PRESENCE.TRACK", topic, key])
}

/// What a message of a topic's channel says.
fn event(event: &str, topic: &str, seq: u64, payload: &str) -> String {
    format!(r#"{{"event":"presence_{event}","topic":"{topic}","seq":{seq},"payload":{payload}}}"#)
}

fn member(key: &str, reference: &str) -> String {
    format!(r#""{key}":{{"metas":[{{"phx_ref":"{reference}"}}]}}"#)
}

fn joins(members: &str) -> String {
    format!(r#"{{"joins":{{{members}}},"leaves":{{}}}}"#)
}

/// Reads a message of the channel and returns its payload.
#[track_caller]
fn payload(client: &mut Client, channel: &str) -> String {
    let message = client.value();
    let parts = message.elements();
    assert_eq!(parts[1].text(), channel, "{message:?}");
    parts[2].text()
}

/// The number behind `"seq":`.
#[track_caller]
fn seq(payload: &str) -> u64 {
    let number = payload.split_once(r#""seq":"#).expect("a seq").1;
    number.split(|character: char| !character.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Watches the lobby, reads the state, and returns its seq.
#[track_caller]
fn watch(client: &mut Client) -> u64 {
    client.subscribe("SUBSCRIBE", LOBBY, 1);
    let state = payload(client, LOBBY);
    assert!(state.contains("presence_state"), "{state}");
    seq(&state)
}

#[test]
fn subscribing_again_confirms_and_says_nothing_else() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut watcher = server.speaking(protocol);
        let began = watch(&mut watcher);
        watcher.subscribe("SUBSCRIBE", LOBBY, 1);
        watcher.expect_nothing_more();
        let mut application = server.client();
        let reference = track(&mut application, "lobby", "a");
        let diff = event("diff", "lobby", began + 1, &joins(&member("a", &reference)));
        watcher.expect_message(LOBBY, &diff);
        watcher.expect_nothing_more();
    });
}

#[test]
fn the_confirmation_of_unsubscribe_is_the_last_word() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(&["--presence-event-interval", "0"], |server, protocol| {
        let mut application = server.client();
        let mut watcher = server.speaking(protocol);
        for ends in ["UNSUBSCRIBE", "UNSUBSCRIBE __presence__:lobby"] {
            watcher.send("SUBSCRIBE __presence__:lobby\r\n");
            let tracks: String =
                (0..500).map(|number| format!("PRESENCE.TRACK lobby {number}\r\n")).collect();
            application.send(tracks);
            watcher.send(format!("{ends}\r\n"));
            watcher.expect_confirmation("subscribe", LOBBY, 1);
            let mut expected: Option<u64> = None;
            loop {
                let next = watcher.value();
                let parts = next.elements();
                if parts[0].text() == "unsubscribe" {
                    assert_eq!(parts[2].integer(), 0);
                    break;
                }
                let seq = seq(&parts[2].text());
                assert!(expected.is_none_or(|expected| seq == expected), "{seq} is not {expected:?}");
                expected = Some(seq + 1);
            }
            (0..500).for_each(|_| drop(application.value()));
            application.call("PRESENCE.UNTRACKALL", ":500\r\n");
            watcher.expect_nothing_more();
        }
    });
}

#[test]
fn inside_a_transaction_nothing_comes_before_its_whole_reply() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send(format!("MULTI\r\nSUBSCRIBE {LOBBY}\r\n"));
        let echoes = 5000;
        client.send("ECHO x\r\n".repeat(echoes));
        client.send("PRESENCE.TRACK lobby a\r\nEXEC\r\n");
        client.expect(format!("+OK\r\n{}*{}\r\n", "+QUEUED\r\n".repeat(echoes + 2), echoes + 2));
        client.expect_confirmation("subscribe", LOBBY, 1);
        client.expect("$1\r\nx\r\n".repeat(echoes));
        let reference = client.value().text();
        let first = payload(&mut client, LOBBY);
        if first.contains("presence_state") && !first.contains(&reference) {
            let diff = payload(&mut client, LOBBY);
            assert_eq!(diff, event("diff", "lobby", seq(&first) + 1, &joins(&member("a", &reference))));
        } else {
            assert!(first.contains(&reference), "{first}");
        }
        client.expect_nothing_more();
    });
}

#[test]
fn who_tracks_and_watches_has_the_reply_first() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    let server = Server::start_with(&["--presence-event-interval", "0"]);
    let mut client = server.speaking(Protocol::Resp3);
    let began = watch(&mut client);
    for number in 1..=200 {
        let key = number.to_string();
        let reference = track(&mut client, "lobby", &key);
        let diff = event("diff", "lobby", began + number, &joins(&member(&key, &reference)));
        client.expect_message(LOBBY, &diff);
    }
    client.expect_nothing_more();
}

#[test]
fn patterns_that_begin_alike_hear_what_changes_and_no_others_do() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        for (count, pattern) in ["*", "__presence__:*", "_*", "__presence_session__:*"].iter().enumerate() {
            listener.subscribe("PSUBSCRIBE", pattern, count + 1);
        }
        listener.subscribe("SSUBSCRIBE", LOBBY, 1);
        let mut application = server.client();
        let reference = track(&mut application, "lobby", "a");
        let heard = listener.value();
        let parts: Vec<String> = heard.elements().iter().map(|part| part.text()).collect();
        assert_eq!(parts[..3], ["pmessage", "__presence__:*", LOBBY]);
        assert_eq!(parts[3], event("diff", "lobby", seq(&parts[3]), &joins(&member("a", &reference))));
        listener.expect_nothing_more();
    });
}

#[test]
fn many_topics_of_one_watcher() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let count = 2000;
        let mut watcher = server.speaking(protocol);
        let subscribes: String =
            (0..count).map(|number| format!("SUBSCRIBE __presence__:{number}\r\n")).collect();
        watcher.send(subscribes);
        let (mut confirmed, mut states) = (0, 0);
        while confirmed < count || states < count {
            let next = watcher.value();
            if next.elements()[0].text() == "subscribe" { confirmed += 1 } else { states += 1 }
        }
        let mut application = server.client();
        let tracks: String = (0..count).map(|number| format!("PRESENCE.TRACK {number} a\r\n")).collect();
        application.send(tracks);
        let mut topics: Vec<String> = (0..count).map(|_| watcher.value().elements()[1].text()).collect();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), count);
        watcher.expect_nothing_more();
        // What is left of it is given up in turns; the server goes on.
        drop(watcher);
        eventually("nobody is subscribed", || {
            server.client().ask("PUBSUB CHANNELS __presence__:*").elements().is_empty()
        });
        (0..count).for_each(|_| drop(application.value()));
        application.call("PING", "+PONG\r\n");
    });
}

#[test]
fn the_frames_are_those_of_messages() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut watcher = server.speaking(protocol);
        watcher.command(&format!("SUBSCRIBE {LOBBY}"));
        watcher.expect_confirmation("subscribe", LOBBY, 1);
        let state = payload(&mut watcher, LOBBY);
        let state = event("state", "lobby", seq(&state), "{}");
        // Again, byte for byte, and large enough to be sent by reference.
        let mut other = server.speaking(protocol);
        other.command(&format!("SUBSCRIBE {LOBBY}"));
        other.expect_confirmation("subscribe", LOBBY, 1);
        other.expect(message(protocol, &["message", LOBBY, &state]));
        let mut application = server.client();
        let filler = "x".repeat(4000);
        for key in ["a", "b", "c"] {
            text(&mut application, &["PRESENCE.TRACK", "lobby", key, &format!(r#"{{"m":"{filler}"}}"#)]);
        }
        // Who came before that would be given the state that there is, and then what has changed.
        while !payload(&mut watcher, LOBBY).contains(r#""c":"#) {}
        let mut large = server.speaking(protocol);
        large.command(&format!("SUBSCRIBE {LOBBY}"));
        large.expect_confirmation("subscribe", LOBBY, 1);
        let state = payload(&mut large, LOBBY);
        assert!(state.len() > 12_000);
        let mut same = server.speaking(protocol);
        same.command(&format!("SUBSCRIBE {LOBBY}"));
        same.expect_confirmation("subscribe", LOBBY, 1);
        same.expect(message(protocol, &["message", LOBBY, &state]));
    });
}

#[test]
fn a_pattern_that_is_not_read_loses_what_changes_and_its_client_is_not_cut_off() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    let flags = ["--presence-event-interval", "0", "--presence-watcher-backlog", "64kb"];
    let limit = ["--client-output-buffer-limit", "pubsub 128kb 0 0"];
    both_protocols_with(&[&flags[..], &limit].concat(), |server, protocol| {
        let mut slow = Client::connect_slow(server.address(), "slow").speak(protocol);
        slow.subscribe("PSUBSCRIBE", "__presence__:*", 1);
        let mut application = server.client();
        let filler = "x".repeat(3000);
        let mut number = 0;
        let mut track = |application: &mut Client| {
            number += 1;
            let meta = format!(r#"{{"number":{number},"text":"{filler}"}}"#);
            text(application, &["PRESENCE.TRACK", "lobby", "a", &meta])
        };
        while server.info("presence_diffs_lost") == "0" {
            track(&mut application);
        }
        // When it has read what there is, what comes then reaches it again.
        slow.command("PING");
        let mut heard = Vec::new();
        loop {
            match slow.value() {
                Value::Simple(_) => break,
                message if message.elements().len() == 2 => break,
                message => heard.push(message.elements()[3].text()),
            }
        }
        let last = track(&mut application);
        while !heard.last().is_some_and(|heard| heard.contains(&format!(r#""phx_ref":"{last}""#))) {
            heard.push(slow.value().elements()[3].text());
        }
        let seqs: Vec<u64> = heard.iter().map(|heard| seq(heard)).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        assert!(seqs.windows(2).any(|pair| pair[1] > pair[0] + 1), "a gap: {seqs:?}");
        assert_eq!(server.info("client_output_buffer_limit_disconnections"), "0");
    });
}
