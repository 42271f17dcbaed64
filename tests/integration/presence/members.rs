//! TRACK, UPDATE, UNTRACK and UNTRACKALL.

use super::{OURS, call, listed, meta, text};
use crate::support::{Protocol, Server, Value, both_protocols, differs_from_oracle};

#[test]
fn who_is_tracked_is_listed_at_once() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let reference = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", r#" {"a": 1} "#]);
        assert_eq!(reference.len(), 32);
        let ann = meta(&reference, r#""a": 1"#);
        call(&mut client, &["PRESENCE.LIST", "lobby"], &listed(protocol, &[("ann", &[&ann])]));
        let reference = text(&mut client, &["presence.track", "lobby", "bob"]);
        let bob = meta(&reference, "");
        let both = listed(protocol, &[("ann", &[&ann]), ("bob", &[&bob])]);
        call(&mut client, &["PRESENCE.LIST", "lobby"], &both);
        // Others see the same.
        call(&mut server.speaking(protocol), &["PRESENCE.LIST", "lobby"], &both);
    });
}

#[test]
fn to_track_again_changes_what_differs() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let first = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", r#"{"a":1,"b":2}"#]);
        let same = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", r#"{"b": 2, "a": 1}"#]);
        assert_eq!(same, first);
        let shown = meta(&first, r#""a":1,"b":2"#);
        call(&mut client, &["PRESENCE.GET", "lobby", "ann"], &format!("*1\r\n{}", super::bulk(&shown)));
        let other = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", r#"{"a":2}"#]);
        assert_ne!(other, first);
        let shown = format!(r#"{{"phx_ref":"{other}","phx_ref_prev":"{first}","a":2}}"#);
        call(&mut client, &["PRESENCE.GET", "lobby", "ann"], &format!("*1\r\n{}", super::bulk(&shown)));
        // Without a meta it is an empty one.
        let empty = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann"]);
        let shown = format!(r#"{{"phx_ref":"{empty}","phx_ref_prev":"{other}"}}"#);
        call(&mut client, &["PRESENCE.GET", "lobby", "ann"], &format!("*1\r\n{}", super::bulk(&shown)));
    });
}

#[test]
fn a_key_has_the_members_of_each_session_and_id() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut references = Vec::new();
        for options in [&[][..], &["ID", "1"], &["SESSION", "s"], &["id", "1", "session", "s"]] {
            references.push(text(&mut client, &[&["PRESENCE.TRACK", "lobby", "ann"], options].concat()));
        }
        let mut other = server.speaking(protocol);
        references.push(text(&mut other, &["PRESENCE.TRACK", "lobby", "ann"]));
        let metas: Vec<String> = references.iter().map(|reference| meta(reference, "")).collect();
        let metas: Vec<&str> = metas.iter().map(String::as_str).collect();
        call(&mut client, &["PRESENCE.LIST", "lobby"], &listed(protocol, &[("ann", &metas)]));
        client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:1\r\n:5\r\n");
        // An empty id is none.
        assert_eq!(text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "ID", ""]), references[0]);
    });
}

#[test]
fn only_new_ones() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let refused = "-ALREADYTRACKED presence member is already tracked\r\n";
        let first = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "NX"]);
        client.call("PRESENCE.TRACK lobby ann nx", refused);
        client.call(r#"PRESENCE.TRACK lobby ann {"a":1} NX"#, refused);
        let shown = super::bulk(&meta(&first, ""));
        client.call("PRESENCE.GET lobby ann", format!("*1\r\n{shown}"));
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "NX", "SESSION", "s"]);
    });
}

#[test]
fn updates_replace_and_patch() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let not_tracked = "-NOTTRACKED presence member is not tracked\r\n";
        client.call("PRESENCE.UPDATE lobby ann {}", not_tracked);
        let first = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", r#"{"a":1,"b":2}"#]);
        client.call("PRESENCE.UPDATE lobby ann {} SESSION s", not_tracked);
        client.call("PRESENCE.UPDATE lobby ann {} ID x", not_tracked);
        let second = text(&mut client, &["PRESENCE.UPDATE", "lobby", "ann", r#"{"a":null,"c":3}"#, "MERGE"]);
        let shown = client.ask("PRESENCE.GET lobby ann").elements()[0].text();
        let head = format!(r#"{{"phx_ref":"{second}","phx_ref_prev":"{first}","#);
        assert_eq!(shown, format!(r#"{head}"b":2,"c":3}}"#));
        let same =
            text(&mut client, &["PRESENCE.UPDATE", "lobby", "ann", r#"{"c":3}"#, "MERGE", "REF", &second]);
        assert_eq!(same, second);
        let third = text(&mut client, &["PRESENCE.UPDATE", "lobby", "ann", r#"{"c":4}"#]);
        let shown = client.ask("PRESENCE.GET lobby ann").elements()[0].text();
        assert_eq!(shown, format!(r#"{{"phx_ref":"{third}","phx_ref_prev":"{second}","c":4}}"#));
    });
}

#[test]
fn who_is_untracked_is_gone_at_once() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann"]);
        let reference = text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "ID", "1"]);
        client.call("PRESENCE.UNTRACK lobby bob", ":0\r\n");
        client.call("PRESENCE.UNTRACK lobby ann SESSION s", ":0\r\n");
        client.call("PRESENCE.UNTRACK lobby ann", ":1\r\n");
        client.call("PRESENCE.UNTRACK lobby ann", ":0\r\n");
        // The key's other meta stays.
        let shown = super::bulk(&meta(&reference, ""));
        client.call("PRESENCE.GET lobby ann", format!("*1\r\n{shown}"));
        client.call(&format!("PRESENCE.UNTRACK lobby ann REF {reference} ID 1"), ":1\r\n");
        client.call("PRESENCE.LIST lobby", listed(protocol, &[]));
        client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:0\r\n:0\r\n");
    });
}

#[test]
fn all_of_a_connection_or_of_a_session() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut other = server.speaking(protocol);
        for topic in ["a", "b"] {
            for key in ["ann", "bob"] {
                text(&mut client, &["PRESENCE.TRACK", topic, key]);
                text(&mut client, &["PRESENCE.TRACK", topic, key, "SESSION", "s"]);
                text(&mut other, &["PRESENCE.TRACK", topic, key]);
            }
        }
        client.call("PRESENCE.UNTRACKALL TOPIC a", ":2\r\n");
        client.call("PRESENCE.COUNT a b", "*2\r\n*2\r\n:2\r\n:4\r\n*2\r\n:2\r\n:6\r\n");
        client.call("PRESENCE.UNTRACKALL", ":2\r\n");
        client.call("PRESENCE.UNTRACKALL", ":0\r\n");
        other.call("PRESENCE.UNTRACKALL topic b session s", ":2\r\n");
        other.call("PRESENCE.UNTRACKALL SESSION s", ":2\r\n");
        other.call("PRESENCE.UNTRACKALL SESSION nobody", ":0\r\n");
        client.call("PRESENCE.COUNT a b", "*2\r\n*2\r\n:2\r\n:2\r\n*2\r\n:2\r\n:2\r\n");
        other.call("PRESENCE.UNTRACKALL", ":4\r\n");
    });
}

#[test]
fn in_transactions_and_pipelines() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        for command in [
            "PRESENCE.TRACK lobby ann",
            "PRESENCE.UPDATE lobby bob {}",
            "PRESENCE.COUNT lobby",
            "PRESENCE.TRACK",
        ] {
            client.command(command);
        }
        client.expect("+QUEUED\r\n".repeat(3));
        client.expect("-ERR wrong number of arguments for 'presence.track' command\r\n");
        client.call("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
        client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:0\r\n:0\r\n");
        for command in [
            "MULTI",
            "PRESENCE.UPDATE lobby ann {}",
            "PRESENCE.TRACK lobby ann",
            "PRESENCE.UNTRACKALL",
            "PRESENCE.COUNT lobby",
            "EXEC",
        ] {
            client.command(command);
        }
        client.expect(format!("+OK\r\n{}", "+QUEUED\r\n".repeat(4)));
        client.expect("*4\r\n-NOTTRACKED presence member is not tracked\r\n$32\r\n");
        client.read_line();
        client.expect(":1\r\n*1\r\n*2\r\n:0\r\n:0\r\n");
        let tracks: String = (0..1000).map(|number| format!("PRESENCE.TRACK lobby {number}\r\n")).collect();
        client.send(tracks + "PRESENCE.COUNT lobby\r\n");
        (0..1000).for_each(|_| assert_eq!(client.value().text().len(), 32));
        client.expect("*1\r\n*2\r\n:1000\r\n:1000\r\n");
        // More than one step has to do.
        client.call("PRESENCE.UNTRACKALL", ":1000\r\n");
    });
}

#[test]
fn the_reply_comes_before_what_it_makes_others_hear() {
    if differs_from_oracle(OURS) {
        return;
    }
    // Each change is told at once.
    let server = Server::start_with(&["--presence-event-interval", "0"]);
    for (command, name) in [("PSUBSCRIBE", "__presence__:*"), ("SUBSCRIBE", "__presence__:lobby")] {
        let mut client = server.speaking(Protocol::Resp3);
        client.subscribe(command, name, 1);
        if command == "SUBSCRIBE" {
            // The state.
            client.value();
        }
        for _ in 0..100 {
            text(&mut client, &["PRESENCE.TRACK", "lobby", "ann"]);
            assert!(matches!(client.value(), Value::Push(_)));
            client.call("PRESENCE.UNTRACK lobby ann", ":1\r\n");
            assert!(matches!(client.value(), Value::Push(_)));
        }
        client.expect_nothing_more();
    }
}

#[test]
fn a_pause_of_writes_is_one_of_these_too() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        server.client().call("CLIENT PAUSE 60000 WRITE", "+OK\r\n");
        client.command("PRESENCE.TRACK lobby ann");
        server.client().call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:0\r\n:0\r\n");
        server.client().call("CLIENT UNPAUSE", "+OK\r\n");
        assert_eq!(client.value().text().len(), 32);
        client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:1\r\n:1\r\n");
    });
}
