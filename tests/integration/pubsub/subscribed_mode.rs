//! What a client with subscriptions may do: in RESP2 little else than subscribe, in RESP3 everything.

use crate::support::{Protocol, Server, both_protocols, differs_from_oracle};

fn refusal(name: &str) -> String {
    format!(
        "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context\r\n"
    )
}

/// Commands as sent, and the name in the refusal.
const REFUSED: &[(&str, &str)] = &[
    ("PUBLISH a b", "publish"),
    ("SPUBLISH a b", "spublish"),
    ("PUBSUB CHANNELS", "pubsub|channels"),
    ("PUBSUB NUMSUB a", "pubsub|numsub"),
    ("CLIENT LIST", "client|list"),
    ("CLIENT ID", "client|id"),
    ("client SetName x", "client|setname"),
    ("HELLO 3", "hello"),
    ("HELLO", "hello"),
    ("MULTI", "multi"),
    ("DISCARD", "discard"),
    ("WATCH k", "watch"),
    ("SELECT 0", "select"),
    ("ECHO x", "echo"),
    ("INFO", "info"),
    ("AUTH x", "auth"),
];

#[test]
fn a_resp2_client_with_subscriptions_may_not_do_anything_else() {
    for kind in ["subscribe", "psubscribe", "ssubscribe"] {
        let server = Server::start();
        let mut client = server.client();
        client.subscribe(kind, "a", 1);
        for (line, name) in REFUSED {
            client.call(line, refusal(name));
        }
        // A refused EXEC also says that there will be no transaction, even where there was none.
        let reason = refusal("exec").replace("-ERR ", "");
        client.call("EXEC", format!("-EXECABORT Transaction discarded because of: {reason}"));
        client.expect_nothing_more();
    }
}

#[test]
fn mpublish_is_refused_as_well() {
    if differs_from_oracle("MPUBLISH is ours") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("subscribe", "a", 1);
    client.call("MPUBLISH m a", refusal("mpublish"));
}

#[test]
fn what_is_wrong_for_another_reason_says_that_reason() {
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("subscribe", "a", 1);
    client.call("NOSUCH a", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' \r\n");
    client.call("PUBLISH a", "-ERR wrong number of arguments for 'publish' command\r\n");
    client.call("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
    client.call("SUBSCRIBE", "-ERR wrong number of arguments for 'subscribe' command\r\n");
}

#[test]
fn the_mode_ends_with_the_last_subscription_of_any_kind() {
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("subscribe", "a", 1);
    client.subscribe("psubscribe", "p*", 2);
    client.subscribe("ssubscribe", "s", 1);
    client.command("UNSUBSCRIBE a");
    client.expect_confirmation("unsubscribe", "a", 1);
    client.call("ECHO x", refusal("echo"));
    client.command("PUNSUBSCRIBE p*");
    client.expect_confirmation("punsubscribe", "p*", 0);
    client.call("ECHO x", refusal("echo"));
    client.command("SUNSUBSCRIBE s");
    client.expect_confirmation("sunsubscribe", "s", 0);
    client.call("ECHO x", "$1\r\nx\r\n");
}

#[test]
fn the_mode_begins_and_ends_in_the_middle_of_a_pipeline() {
    let server = Server::start();
    let mut client = server.client();
    client.send("SUBSCRIBE a\r\nECHO x\r\nUNSUBSCRIBE a\r\nECHO y\r\n");
    client.expect_confirmation("subscribe", "a", 1);
    client.expect(refusal("echo"));
    client.expect_confirmation("unsubscribe", "a", 0);
    client.expect("$1\r\ny\r\n");
}

#[test]
fn ping_answers_as_an_array_in_the_mode() {
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("ssubscribe", "a", 1);
    client.call("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    client.call("PING hi", "*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
    client.call("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    client.command("SUNSUBSCRIBE");
    client.expect_confirmation("sunsubscribe", "a", 0);
    client.call("PING", "+PONG\r\n");
    client.call("PING hi", "$2\r\nhi\r\n");
}

#[test]
fn quit_is_allowed() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.call("QUIT", "+OK\r\n");
        client.expect_closed();
    });
}

#[test]
fn reset_ends_all_subscriptions_without_a_word() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("subscribe", "a", 1);
        client.subscribe("psubscribe", "a*", 2);
        client.subscribe("ssubscribe", "a", 1);
        client.call("RESET", "+RESET\r\n");
        // RESP2 from here on, whatever it was.
        client.protocol = Protocol::Resp2;
        client.call("PING", "+PONG\r\n");
        let mut publisher = server.client();
        publisher.call("PUBLISH a hello", ":0\r\n");
        publisher.call("SPUBLISH a hello", ":0\r\n");
        client.command("UNSUBSCRIBE");
        client.expect("*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
        client.subscribe("subscribe", "b", 1);
    });
}

#[test]
fn a_resp3_client_with_subscriptions_may_do_everything() {
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("subscribe", "a", 1);
    client.subscribe("psubscribe", "p*", 2);
    client.subscribe("ssubscribe", "s", 1);
    client.call("PING", "+PONG\r\n");
    client.call("PING hi", "$2\r\nhi\r\n");
    client.call("ECHO x", "$1\r\nx\r\n");
    client.call("SELECT 1", "+OK\r\n");
    client.call("PUBLISH nobody x", ":0\r\n");
    client.call("CLIENT SETNAME me", "+OK\r\n");
    client.call("PUBSUB CHANNELS", "*1\r\n$1\r\na\r\n");
    client.call("MULTI", "+OK\r\n");
    client.call("DISCARD", "+OK\r\n");
}

#[test]
fn hello_2_puts_a_subscribed_resp3_client_into_the_mode() {
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("subscribe", "a", 1);
    client.command("HELLO 2");
    client.protocol = Protocol::Resp2;
    client.expect("*14\r\n$6\r\nserver\r\n");
    for _ in 1..14 {
        client.value();
    }
    client.call("ECHO x", refusal("echo"));
    client.call("HELLO 3", refusal("hello"));
    client.call("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    server.client().call("PUBLISH a hello", ":1\r\n");
    client.expect_message("a", "hello");
}

#[test]
fn hello_3_changes_the_frames_of_later_confirmations() {
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("subscribe", "a", 1);
    client.command("UNSUBSCRIBE a");
    client.expect_confirmation("unsubscribe", "a", 0);
    let mut client = client.speak(Protocol::Resp3);
    client.subscribe("subscribe", "a", 1);
    client.command("HELLO 3");
    assert_eq!(client.value().field("proto").integer(), 3);
    server.client().call("PUBLISH a hello", ":1\r\n");
    client.expect_message("a", "hello");
}
