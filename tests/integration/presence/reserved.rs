//! The channels `__presence__:` and `__presence_session__:`, on which only the server speaks.

use crate::support::{Client, Protocol, Server, both_protocols, differs_from_oracle, encode};

const BROADCAST: &str = "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend";
const RESERVED: [&str; 4] =
    ["__presence__:lobby", "__presence__:", "__presence_session__:1", "__presence_session__:"];

/// Somebody who would hear whatever is published there: but for the state of a topic, which is told to who subscribes to
/// its channel, by other kinds of subscriptions.
#[track_caller]
fn listener(server: &Server, protocol: Protocol) -> Client {
    let mut listener = server.speaking(protocol);
    for (count, pattern) in ["*", "__presence__:*", "__presence_session__:*", "_*"].iter().enumerate() {
        listener.subscribe("PSUBSCRIBE", pattern, count + 1);
    }
    for (count, channel) in RESERVED.iter().enumerate() {
        listener.subscribe("SSUBSCRIBE", channel, count + 1);
    }
    listener
}

#[test]
fn nobody_publishes_there() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut listener = listener(server, protocol);
        let mut client = server.speaking(protocol);
        for channel in RESERVED {
            let refused = format!("-ERR channel '{channel}' is reserved\r\n");
            client.call(&format!("PUBLISH {channel} x"), &refused);
            client.call(&format!("SPUBLISH {channel} x"), &refused);
            client.call(&format!("MPUBLISH x free {channel}"), &refused);
            client.send(encode(["EVAL", BROADCAST, "0", "x", "free", channel]));
            client.expect(&refused);
            client.call("MULTI", "+OK\r\n");
            for command in ["PUBLISH free x", &format!("PUBLISH {channel} x"), "PING"] {
                client.call(command, "+QUEUED\r\n");
            }
            client.call("EXEC", format!("*3\r\n:1\r\n{refused}+PONG\r\n"));
            // Nothing of what was refused came first: "free" is from the transaction.
            listener.expect_pmessage("*", "free", "x");
            listener.expect_nothing_more();
        }
    });
}

#[test]
fn a_burst_of_publishes_is_refused_one_by_one() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut listener = listener(server, protocol);
        let mut client = server.speaking(protocol);
        client.send(
            "PUBLISH free 1\r\nPUBLISH __presence__:a 2\r\nPUBLISH __presence__:a 3\r\nPUBLISH free 4\r\nPUBLISH free 5\r\n",
        );
        let refused = "-ERR channel '__presence__:a' is reserved\r\n";
        client.expect(format!(":1\r\n{refused}{refused}:1\r\n:1\r\n"));
        for payload in ["1", "4", "5"] {
            listener.expect_pmessage("*", "free", payload);
        }
        listener.expect_nothing_more();
    });
}

#[test]
fn names_that_only_look_like_it_are_anybodys() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for channel in
            ["__presence__", "__presence_session__", "__presence_:x", "x__presence__:y", "__PRESENCE__:x"]
        {
            client.call(&format!("PUBLISH {channel} x"), ":0\r\n");
        }
    });
}

#[test]
fn a_long_name_is_told_by_its_beginning_or_too_long() {
    if differs_from_oracle(super::OURS) {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    let name = format!("__presence__:{}", "x".repeat(500));
    client.call(&format!("PUBLISH {name} x"), format!("-ERR channel '{}' is reserved\r\n", &name[..128]));
    let name = format!("__presence__:{}", "x".repeat(5000));
    let sent = format!("PUBLISH {name} x");
    client.call(&sent, "-ERR channel name is longer than 4096 bytes (max-channel-length)\r\n");
    client.send(encode(["PUBLISH", "__presence__:a\r\nb", "x"]));
    client.expect("-ERR channel '__presence__:a  b' is reserved\r\n");
}
