//! What members live as long as: the connection that tracked them, or a session whose channel somebody is subscribed to.

use crate::support::{
    Client, Protocol, Server, both_protocols, both_protocols_with, differs_from_oracle, eventually, message,
};

const SESSION: &str = "__presence_session__:s";
/// Nothing is given up while a test runs.
const PATIENT: &[&str] = &["--presence-grace", "1h"];

/// Tracks one more member, of a session if one is named.
#[track_caller]
fn track(client: &mut Client, key: &str, session: Option<&str>) {
    let session = session.map_or(String::new(), |session| format!(" SESSION {session}"));
    let reference = client.ask(&format!("PRESENCE.TRACK lobby {key}{session}"));
    assert!(!reference.text().is_empty());
}

#[track_caller]
fn members(server: &Server) -> i64 {
    server.client().ask("PRESENCE.COUNT lobby").elements()[0].elements()[1].integer()
}

fn notice(members: usize, resumed: bool) -> String {
    format!(r#"{{"event":"attached","members":{members},"resumed":{resumed}}}"#)
}

/// Subscribes to the channel of the session and reads how it stands.
#[track_caller]
fn attach(client: &mut Client, members: usize, resumed: bool) {
    client.subscribe("SUBSCRIBE", SESSION, 1);
    client.expect_message(SESSION, &notice(members, resumed));
}

#[test]
fn members_without_a_session_leave_with_their_connection() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let ways: [fn(&Server, Client); 4] = [
            |_, client| drop(client),
            |_, mut client| {
                client.call("QUIT", "+OK\r\n");
                client.expect_closed();
            },
            |server, mut client| {
                let address = client.address();
                server.client().call(&format!("CLIENT KILL {address}"), "+OK\r\n");
                client.read_to_end();
            },
            |_, mut client| {
                client.send("*1\r\n$x\r\n");
                client.read_to_end();
            },
        ];
        let mut stays = server.speaking(protocol);
        track(&mut stays, "stays", None);
        for way in ways {
            let mut client = server.speaking(protocol);
            for key in ["a", "b", "stays"] {
                track(&mut client, key, None);
            }
            assert_eq!(members(server), 4);
            way(server, client);
            eventually("members leave", || members(server) == 1);
        }
    });
}

#[test]
fn a_reset_ends_them_at_once_and_the_connection_may_track_again() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for number in 0..1000 {
            client.command(&format!("PRESENCE.TRACK lobby {number}"));
        }
        client.command("PRESENCE.TRACK lobby s SESSION s");
        client.command("RESET");
        client.command("PRESENCE.COUNT lobby");
        client.command("PRESENCE.TRACK lobby again");
        client.command("PRESENCE.COUNT lobby");
        for _ in 0..1001 {
            client.value();
        }
        client.expect("+RESET\r\n*1\r\n*2\r\n:1\r\n:1\r\n");
        client.value();
        client.expect("*1\r\n*2\r\n:2\r\n:2\r\n");
        drop(client);
        eventually("the member leaves", || members(server) == 1);
    });
}

#[test]
fn a_session_that_is_let_go_in_any_other_way_than_by_name_may_come_back() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(PATIENT, |server, protocol| {
        let mut application = server.client();
        let mut first = server.speaking(protocol);
        attach(&mut first, 0, false);
        track(&mut application, "a", Some("s"));
        track(&mut application, "b", Some("s"));
        let ways: [fn(&Server, Client); 5] = [
            |_, client| drop(client),
            |_, mut client| {
                client.call("QUIT", "+OK\r\n");
                client.expect_closed();
            },
            |_, mut client| client.call("RESET", "+RESET\r\n"),
            |_, mut client| {
                client.command("UNSUBSCRIBE");
                client.expect_confirmation("unsubscribe", SESSION, 0);
            },
            |server, mut client| {
                server.client().call("CLIENT KILL TYPE pubsub", ":1\r\n");
                client.read_to_end();
            },
        ];
        let mut client = first;
        for way in ways {
            way(server, client);
            client = server.speaking(protocol);
            attach(&mut client, 2, true);
            client.expect_nothing_more();
        }
    });
}

#[test]
fn who_unsubscribes_by_name_ends_a_session_that_nobody_else_holds() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(PATIENT, |server, protocol| {
        let mut application = server.client();
        let (mut first, mut second) = (server.speaking(protocol), server.speaking(protocol));
        attach(&mut first, 0, false);
        track(&mut application, "a", Some("s"));
        attach(&mut second, 1, true);
        for client in [&mut first, &mut second] {
            assert_eq!(members(server), 1);
            client.command(&format!("UNSUBSCRIBE {SESSION}"));
            client.expect_confirmation("unsubscribe", SESSION, 0);
            // Not subscribed any more: this ends nothing.
            client.command(&format!("UNSUBSCRIBE {SESSION}"));
            client.expect_confirmation("unsubscribe", SESSION, 0);
        }
        assert_eq!(members(server), 0);
        attach(&mut first, 0, false);
        first.expect_nothing_more();
    });
}

#[test]
fn who_is_told_that_it_has_unsubscribed_by_name_finds_no_members() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    const MEMBERS: usize = 5000;
    both_protocols_with(PATIENT, |server, protocol| {
        let mut client = server.speaking(protocol);
        // Who is subscribed begins none in RESP2.
        for in_transaction in [false, protocol == Protocol::Resp3] {
            let tracks = (0..MEMBERS).map(|key| format!("PRESENCE.TRACK lobby {key} SESSION s\r\n"));
            client.send(tracks.collect::<String>());
            (0..MEMBERS).for_each(|_| drop(client.value()));
            attach(&mut client, MEMBERS, false);
            let leave = format!("UNSUBSCRIBE other {SESSION} another\r\nPRESENCE.LIST lobby\r\n");
            if in_transaction {
                client.send(format!("MULTI\r\n{leave}EXEC\r\n"));
                client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
            } else {
                client.send(leave);
            }
            client.expect_confirmation("unsubscribe", "other", 1);
            client.expect_confirmation("unsubscribe", SESSION, 0);
            client.expect_confirmation("unsubscribe", "another", 0);
            client.expect(super::listed(protocol, &[]));
        }
    });
}

#[test]
fn a_session_that_does_not_come_back_in_time_is_lost_and_the_application_hears_of_it() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(&["--presence-grace", "1ms"], |server, protocol| {
        let mut client = server.speaking(protocol);
        attach(&mut client, 0, false);
        let mut application = server.client();
        track(&mut application, "a", Some("s"));
        drop(client);
        eventually("the member leaves", || members(server) == 0);
        let mut client = server.speaking(protocol);
        attach(&mut client, 0, false);
        client.expect_nothing_more();
    });
}

#[test]
fn subscribing_again_confirms_again_and_says_nothing_new() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        attach(&mut client, 0, false);
        client.subscribe("SUBSCRIBE", SESSION, 1);
        client.command(&format!("SUBSCRIBE {SESSION} {SESSION} other"));
        client.expect_confirmation("subscribe", SESSION, 1);
        client.expect_confirmation("subscribe", SESSION, 1);
        client.expect_confirmation("subscribe", "other", 2);
        client.expect_nothing_more();
    });
}

#[test]
fn other_kinds_of_subscriptions_hold_no_session() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(&["--presence-grace", "1ms"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("SSUBSCRIBE", SESSION, 1);
        client.subscribe("PSUBSCRIBE", SESSION, 1);
        let mut application = server.client();
        track(&mut application, "a", Some("s"));
        eventually("the member leaves", || members(server) == 0);
        client.expect_nothing_more();
        // Nor do they let one go.
        attach_beside(&mut client);
        track(&mut application, "a", Some("s"));
        client.command(&format!("SUNSUBSCRIBE {SESSION}"));
        client.expect_confirmation("sunsubscribe", SESSION, 0);
        client.command(&format!("PUNSUBSCRIBE {SESSION}"));
        client.expect_confirmation("punsubscribe", SESSION, 1);
        assert_eq!(members(server), 1);
    });
}

#[track_caller]
fn attach_beside(client: &mut Client) {
    client.subscribe("SUBSCRIBE", SESSION, 2);
    client.expect_message(SESSION, &notice(0, false));
}

#[test]
fn inside_a_transaction_the_answer_comes_behind_its_whole_reply() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(PATIENT, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.send(format!("MULTI\r\nSUBSCRIBE {SESSION}\r\nPRESENCE.COUNT lobby\r\nEXEC\r\n"));
        client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n");
        client.expect_confirmation("subscribe", SESSION, 1);
        client.expect("*1\r\n*2\r\n:0\r\n:0\r\n");
        client.expect_message(SESSION, &notice(0, false));
        client.expect_nothing_more();
        // Unsubscribed before the end of it: the answer was given nevertheless, and ends the transaction's messages.
        client.send("UNSUBSCRIBE\r\n");
        client.expect_confirmation("unsubscribe", SESSION, 0);
        client.expect_nothing_more();
    });
}

#[test]
fn names_that_no_session_or_topic_has_are_refused_with_the_whole_command() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let long = "x".repeat(600);
        for (channel, error) in [
            ("__presence__:", "presence topic is empty"),
            ("__presence_session__:", "presence session is empty"),
            (&format!("__presence__:{long}"), "presence topic is longer than 512 bytes"),
            (&format!("__presence_session__:{long}"), "presence session is longer than 256 bytes"),
        ] {
            client.call(&format!("SUBSCRIBE a {channel} b"), format!("-ERR {error}\r\n"));
            client.call(&format!("SSUBSCRIBE {channel}"), confirmation(protocol, "ssubscribe", channel, 1));
            client
                .call(&format!("SUNSUBSCRIBE {channel}"), confirmation(protocol, "sunsubscribe", channel, 0));
        }
        client.command_of(&[b"SUBSCRIBE", b"__presence__:\xff"]);
        client.expect("-ERR presence topic is not valid UTF-8\r\n");
        client.expect_nothing_more();
    });
}

fn confirmation(protocol: Protocol, kind: &str, name: &str, count: usize) -> String {
    format!("{}:{count}\r\n", message(protocol, &[kind, name, ""]).strip_suffix("$0\r\n\r\n").unwrap())
}

#[test]
fn many_sessions_are_let_go_by_one_connection() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols_with(&["--presence-grace", "1ms"], |server, protocol| {
        let mut client = server.speaking(protocol);
        let mut application = server.client();
        let count = 3000;
        let subscribes = (0..count).map(|number| format!("SUBSCRIBE __presence_session__:{number}\r\n"));
        client.send(subscribes.collect::<String>());
        for number in 0..count {
            let channel = format!("__presence_session__:{number}");
            client.expect_confirmation("subscribe", &channel, number + 1);
            let notice = client.value();
            assert!(notice.elements()[2].text().contains("attached"), "{notice:?}");
        }
        let tracks = (0..count).map(|number| format!("PRESENCE.TRACK lobby {number} SESSION {number}\r\n"));
        application.send(tracks.collect::<String>());
        (0..count).for_each(|_| drop(application.value()));
        assert_eq!(members(server), count as i64);
        drop(client);
        eventually("all leave", || members(server) == 0);
    });
}
