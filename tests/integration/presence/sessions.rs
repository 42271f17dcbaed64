//! TOUCH and END: sessions without a connection.

use super::{OURS, listed, text};
use crate::support::{both_protocols, differs_from_oracle};

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
        // Who tracks opens the session, with its grace running.
        text(&mut client, &["PRESENCE.TRACK", "lobby", "ann", "SESSION", "t"]);
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
