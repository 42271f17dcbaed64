//! TOUCH and END: sessions without a connection.

use super::{OURS, listed, text};
use crate::support::{Client, Value, both_protocols, both_protocols_with, differs_from_oracle, eventually};

#[test]
fn a_lease_is_opened_and_renewed() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.TOUCH s", ":0\r\n");
        client.call("PRESENCE.TOUCH s TTL 60000", ":1\r\n");
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "SESSION", "s"]);
        // From any connection.
        server.speaking(protocol).call("PRESENCE.TOUCH s GRACE 0 TTL 86400000", ":1\r\n");
        // Who tracks opens the session, with its grace running; but nobody knows what else it had.
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "SESSION", "t"]);
        client.call("PRESENCE.TOUCH t", ":0\r\n");
        client.call("PRESENCE.TOUCH t", ":1\r\n");
    });
}

#[test]
fn who_ends_a_session_ends_all_of_it() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.END nobody", ":0\r\n");
        let tracks: String = (0..2000)
            .map(|number| format!("PRESENCE.TRACK room-{} {number} SESSION s\r\n", number % 7))
            .collect();
        client.send(tracks);
        (0..2000).for_each(|_| assert_eq!(client.value().text().len(), 32));
        text(&mut client, &["PRESENCE.TRACK", "room-0", "ann", "SESSION", "t"]);
        client.call("PRESENCE.END s", ":2000\r\n");
        client.call("PRESENCE.COUNT room-0 room-1", "*2\r\n*2\r\n:1\r\n:1\r\n*2\r\n:0\r\n:0\r\n");
        client.call("PRESENCE.LIST room-6", listed(protocol, &[]));
        client.call("PRESENCE.END s", ":0\r\n");
        // It can be opened again.
        client.call("PRESENCE.TOUCH s", ":0\r\n");
        text(&mut client, &["PRESENCE.TRACK", "room-1", "ann", "SESSION", "s"]);
        client.call("PRESENCE.COUNT room-1", "*1\r\n*2\r\n:1\r\n:1\r\n");
    });
}

/// Waits until nobody is there.
#[track_caller]
fn expect_nobody(client: &mut Client, topic: &str) {
    eventually("the members leave", || {
        let reply = client.ask(&format!("PRESENCE.COUNT {topic}"));
        reply.elements()[0].elements()[1] == Value::Integer(0)
    });
}

#[test]
fn when_a_lease_and_its_grace_are_over_the_members_leave() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PRESENCE.TOUCH s TTL 60000", ":0\r\n");
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "SESSION", "s"]);
        client.call("PRESENCE.TOUCH s TTL 1 GRACE 0", ":1\r\n");
        expect_nobody(&mut client, "lobby");
        client.call("PRESENCE.TOUCH s", ":0\r\n");
        client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:0\r\n:0\r\n");
    });
}

#[test]
fn the_grace_can_be_changed_while_the_server_runs() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--presence-grace", "1d"], |server, protocol| {
        let mut client = server.speaking(protocol);
        text(&mut client, &["PRESENCE.TRACK", "old", "ann", "SESSION", "s"]);
        client.call("CONFIG SET presence-grace 1", "+OK\r\n");
        text(&mut client, &["PRESENCE.TRACK", "new", "ann", "SESSION", "t"]);
        expect_nobody(&mut client, "new");
        // A member of a connection needs no session.
        text(&mut client, &["PRESENCE.TRACK", "new", "ann"]);
        client.call("PRESENCE.COUNT new", "*1\r\n*2\r\n:1\r\n:1\r\n");
    });
}
