//! How much one client may subscribe to, and how long a name may be. All of these are options of ours.

use crate::support::{both_protocols_with, differs_from_oracle};

const OURS: &str = "these options are ours";

#[test]
fn subscriptions_of_a_client() {
    if differs_from_oracle(OURS) {
        return;
    }
    let refused = "-ERR max number of subscriptions per client reached (max-subscriptions-per-client 3)\r\n";
    both_protocols_with(&["--max-subscriptions-per-client", "3"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("SUBSCRIBE", "a", 1);
        client.subscribe("PSUBSCRIBE", "b*", 2);
        client.subscribe("SSUBSCRIBE", "c", 1);
        for command in ["SUBSCRIBE d", "PSUBSCRIBE d", "SSUBSCRIBE d"] {
            client.call(command, refused);
        }
        // What is there already is no more.
        client.subscribe("SUBSCRIBE", "a", 2);
        client.subscribe("PSUBSCRIBE", "b*", 2);
        client.subscribe("SSUBSCRIBE", "c", 1);
        let mut publisher = server.client();
        publisher.call("PUBLISH d x", ":0\r\n");
        publisher.call("SPUBLISH d x", ":0\r\n");
        // And a place that was given up can be taken again.
        client.command("SUNSUBSCRIBE c");
        client.expect_confirmation("sunsubscribe", "c", 0);
        client.subscribe("SUBSCRIBE", "d", 3);
        publisher.call("PUBLISH d x", ":1\r\n");
        client.expect_message("d", "x");
        // It is each client's own.
        let mut other = server.speaking(protocol);
        other.subscribe("SUBSCRIBE", "a", 1);
    });
}

#[test]
fn patterns_of_a_client() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--max-patterns-per-client", "2"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("PSUBSCRIBE", "a*", 1);
        client.subscribe("PSUBSCRIBE", "b*", 2);
        client.call(
            "PSUBSCRIBE c*",
            "-ERR max number of patterns per client reached (max-patterns-per-client 2)\r\n",
        );
        client.subscribe("PSUBSCRIBE", "a*", 2);
        client.subscribe("SUBSCRIBE", "c", 3);
        client.command("PUNSUBSCRIBE a*");
        client.expect_confirmation("punsubscribe", "a*", 2);
        client.subscribe("PSUBSCRIBE", "c*", 3);
    });
}

#[test]
fn lengths_of_names() {
    if differs_from_oracle(OURS) {
        return;
    }
    let refused = "-ERR channel name is longer than 10 bytes (max-channel-length)\r\n";
    let refused_pattern = "-ERR pattern is longer than 10 bytes (max-pattern-length)\r\n";
    let flags = ["--max-channel-length", "10", "--max-pattern-length", "10"];
    both_protocols_with(&flags, |server, protocol| {
        let mut client = server.speaking(protocol);
        for command in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
            let refused = if command == "PSUBSCRIBE" { refused_pattern } else { refused };
            client.call(&format!("{command} 12345678901"), refused);
            client.subscribe(command, "1234567890", if command == "PSUBSCRIBE" { 2 } else { 1 });
        }
        let mut publisher = server.client();
        for command in ["PUBLISH 12345678901 x", "SPUBLISH 12345678901 x", "MPUBLISH x a 12345678901"] {
            publisher.call(command, refused);
        }
        publisher.call("PUBLISH 1234567890 x", ":2\r\n");
        publisher.call("SPUBLISH 1234567890 x", ":1\r\n");
        client.expect_message("1234567890", "x");
        client.expect_pmessage("1234567890", "1234567890", "x");
        client.expect_smessage("1234567890", "x");
    });
}

#[test]
fn an_error_leaves_the_connection_as_it_was() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(&["--max-subscriptions-per-client", "1"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("SUBSCRIBE", "a", 1);
        client.command("SUBSCRIBE b");
        assert!(matches!(client.value(), crate::support::Value::Error(_)));
        client.expect_nothing_more();
        server.client().call("PUBSUB CHANNELS", "*1\r\n$1\r\na\r\n");
    });
}
