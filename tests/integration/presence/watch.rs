//! What a client is told of a topic whose channel it is subscribed to: its state, then what changes, and nothing behind the end
//! of the subscription.

use super::text;
use crate::support::{
    Client, Protocol, Server, both_protocols, both_protocols_with, differs_from_oracle, eventually, message,
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

fn leaves(key: &str, reference: &str, reason: &str) -> String {
    let member = member(key, reference);
    let member = member.strip_suffix('}').unwrap();
    format!(r#"{{"joins":{{}},"leaves":{{{member},"reasons":{{"{reference}":"{reason}"}}}}}}}}"#)
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
fn the_confirmation_then_the_state_then_what_changes() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut application = server.client();
        let first = track(&mut application, "lobby", "a");
        let mut watcher = server.speaking(protocol);
        watcher.subscribe("SUBSCRIBE", LOBBY, 1);
        let state = payload(&mut watcher, LOBBY);
        let began = seq(&state);
        assert_eq!(state, event("state", "lobby", began, &format!("{{{}}}", member("a", &first))));
        let second = track(&mut application, "lobby", "b");
        let diff = event("diff", "lobby", began + 1, &joins(&member("b", &second)));
        watcher.expect_message(LOBBY, &diff);
        application.call("PRESENCE.UNTRACK lobby a", ":1\r\n");
        let diff = event("diff", "lobby", began + 2, &leaves("a", &first, "untrack"));
        watcher.expect_message(LOBBY, &diff);
        drop(application);
        let diff = event("diff", "lobby", began + 3, &leaves("b", &second, "closed"));
        watcher.expect_message(LOBBY, &diff);
        watcher.expect_nothing_more();
    });
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
            let tracks: String = (0..500).map(|number| format!("PRESENCE.TRACK lobby {number}\r\n")).collect();
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
        let pings = 5000;
        client.send("PING\r\n".repeat(pings));
        client.send("PRESENCE.TRACK lobby a\r\nEXEC\r\n");
        client.expect(format!("+OK\r\n{}*{}\r\n", "+QUEUED\r\n".repeat(pings + 2), pings + 2));
        client.expect_confirmation("subscribe", LOBBY, 1);
        client.expect("+PONG\r\n".repeat(pings));
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
        let subscribes: String = (0..count).map(|number| format!("SUBSCRIBE __presence__:{number}\r\n")).collect();
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
fn who_does_not_read_is_not_cut_off_and_gets_the_state_as_it_is_then() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    let flags = ["--presence-event-interval", "0", "--presence-watcher-backlog", "64kb"];
    let limit = ["--client-output-buffer-limit", "pubsub 256kb 0 0"];
    both_protocols_with(&[&flags[..], &limit].concat(), |server, protocol| {
        let mut slow = Client::connect_slow(server.address(), "slow").speak(protocol);
        watch(&mut slow);
        let mut application = server.client();
        let meta = format!(r#"{{"text":"{}"}}"#, "x".repeat(3000));
        let rounds = 500;
        let mut last = String::new();
        for round in 0..rounds {
            let key = (round % 5).to_string();
            let meta = meta.replacen('x', &round.to_string(), 1);
            last = text(&mut application, &["PRESENCE.TRACK", "lobby", &key, &meta]);
        }
        // More than a megabyte was said; now it reads.
        let mut states = 0;
        loop {
            let heard = payload(&mut slow, LOBBY);
            states += usize::from(heard.contains("presence_state"));
            if heard.contains(&last) && !heard.contains(&format!(r#""phx_ref_prev":"{last}""#)) {
                break;
            }
        }
        assert!(states > 0, "what it missed is made up for");
        slow.expect_nothing_more();
        assert_eq!(server.info("client_output_buffer_limit_disconnections"), "0");
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
