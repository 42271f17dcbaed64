//! MULTI and EXEC, mostly around publishing and subscribing: clients wrap their pipelines in them.

use crate::support::{
    Protocol, Server, Value, both_protocols, both_protocols_with, differs_from_oracle, eventually,
    while_publishing,
};

const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

#[test]
fn commands_wait_for_exec() {
    both_protocols(|server, protocol| {
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("PUBLISH a 1", "+QUEUED\r\n");
        client.call("ECHO x", "+QUEUED\r\n");
        client.call("PUBLISH nobody 2", "+QUEUED\r\n");
        listener.expect_nothing_more();
        client.call("EXEC", "*3\r\n:1\r\n$1\r\nx\r\n:0\r\n");
        listener.expect_message("a", "1");
        listener.expect_nothing_more();
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn an_empty_transaction() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("EXEC", "*0\r\n");
    });
}

#[test]
fn discard_forgets_what_was_queued() {
    both_protocols(|server, protocol| {
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("PUBLISH a 1", "+QUEUED\r\n");
        client.call("DISCARD", "+OK\r\n");
        client.call("EXEC", "-ERR EXEC without MULTI\r\n");
        listener.expect_nothing_more();
    });
}

#[test]
fn exec_discard_and_watch_out_of_place() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("EXEC", "-ERR EXEC without MULTI\r\n");
        client.call("DISCARD", "-ERR DISCARD without MULTI\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("MULTI", "-ERR MULTI calls can not be nested\r\n");
        client.call("WATCH k", "-ERR WATCH inside MULTI is not allowed\r\n");
        // Neither spoils the transaction.
        client.call("PING", "+QUEUED\r\n");
        client.call("EXEC", "*1\r\n+PONG\r\n");
    });
}

#[test]
fn watch_and_unwatch_answer_ok() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("WATCH a b", "+OK\r\n");
        client.call("UNWATCH", "+OK\r\n");
        client.call("WATCH a", "+OK\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("UNWATCH", "+QUEUED\r\n");
        client.call("EXEC", "*1\r\n+OK\r\n");
        client.call("WATCH", "-ERR wrong number of arguments for 'watch' command\r\n");
        client.call("UNWATCH x", "-ERR wrong number of arguments for 'unwatch' command\r\n");
    });
}

#[test]
fn what_cannot_be_queued_aborts_the_transaction() {
    both_protocols(|server, protocol| {
        let cases = [
            ("nosuch x", "-ERR unknown command 'nosuch', with args beginning with: 'x' \r\n"),
            ("PUBLISH a", "-ERR wrong number of arguments for 'publish' command\r\n"),
            ("PUBSUB NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try PUBSUB HELP.\r\n"),
            ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command\r\n"),
        ];
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        for (line, error) in cases {
            let mut client = server.speaking(protocol);
            client.call("MULTI", "+OK\r\n");
            client.call("PUBLISH a 1", "+QUEUED\r\n");
            client.call(line, error);
            client.call("PUBLISH a 2", "+QUEUED\r\n");
            client.call("EXEC", ABORTED);
            client.call("EXEC", "-ERR EXEC without MULTI\r\n");
        }
        listener.expect_nothing_more();
    });
}

#[test]
fn discard_forgets_the_errors_too() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("PUBLISH", "-ERR wrong number of arguments for 'publish' command\r\n");
        client.call("DISCARD", "+OK\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("PING", "+QUEUED\r\n");
        client.call("EXEC", "*1\r\n+PONG\r\n");
    });
}

#[test]
fn an_error_while_executing_is_an_element_of_the_reply() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("MULTI\r\nSELECT 99\r\nPING a b\r\nPING\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n-ERR DB index is out of range\r\n");
        client.expect("-ERR wrong number of arguments for 'ping' command\r\n+PONG\r\n");
    });
}

#[test]
fn quit_and_reset_are_not_queued() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("RESET", "+RESET\r\n");
        client.call("EXEC", "-ERR EXEC without MULTI\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("QUIT", "+OK\r\n");
        client.expect_closed();
    });
}

#[test]
fn subscribing_in_a_transaction_confirms_inside_the_reply() {
    both_protocols(|server, protocol| {
        let push = protocol.push();
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        client.call("SUBSCRIBE a", "+QUEUED\r\n");
        client.call("PSUBSCRIBE a*", "+QUEUED\r\n");
        client.call("UNSUBSCRIBE a", "+QUEUED\r\n");
        client.call(
            "EXEC",
            format!(
                "*3\r\n{push}3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n\
                 {push}3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:2\r\n\
                 {push}3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"
            ),
        );
        server.client().call("PUBLISH a x", ":1\r\n");
        client.expect_pmessage("a*", "a", "x");
    });
}

#[test]
fn the_header_counts_commands_and_not_confirmations() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("MULTI\r\nSUBSCRIBE a b\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n*1\r\n");
        client.expect_confirmation("subscribe", "a", 1);
        client.expect_confirmation("subscribe", "b", 2);
        client.expect_nothing_more();
    });
}

#[test]
fn subscribed_mode_does_not_reach_into_a_running_transaction() {
    let server = Server::start();
    let mut client = server.client();
    client.send("MULTI\r\nSUBSCRIBE a\r\nPING\r\nECHO x\r\nEXEC\r\nECHO y\r\n");
    client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
    client.expect_confirmation("subscribe", "a", 1);
    client.expect("*2\r\n$4\r\npong\r\n$0\r\n\r\n$1\r\nx\r\n-ERR Can't execute 'echo'");
}

#[test]
fn ssubscribe_is_refused_in_a_transaction() {
    both_protocols(|server, protocol| {
        let push = protocol.push();
        let mut client = server.speaking(protocol);
        client.send("MULTI\r\nSSUBSCRIBE a\r\nPING\r\nSUNSUBSCRIBE a\r\nEXEC\r\n");
        client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
        client.expect("-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n+PONG\r\n");
        client.expect(format!("{push}3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"));
        server.client().call("SPUBLISH a x", ":0\r\n");
    });
}

#[test]
fn who_publishes_to_itself_in_a_transaction_gets_the_whole_reply_first() {
    if differs_from_oracle("7.0 sends the messages in the middle of the reply") {
        return;
    }
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("SUBSCRIBE", "a", 1);
    client.send("MULTI\r\nPING abc\r\nPUBLISH a bar\r\nPUBLISH a vaz\r\nMPUBLISH m a b\r\nPING def\r\nEXEC\r\nPING\r\n");
    client.expect("+OK\r\n");
    client.expect("+QUEUED\r\n".repeat(5));
    client.expect("*5\r\n$3\r\nabc\r\n:1\r\n:1\r\n*2\r\n:1\r\n:0\r\n$3\r\ndef\r\n");
    client.expect_message("a", "bar");
    client.expect_message("a", "vaz");
    client.expect_message("a", "m");
    client.expect("+PONG\r\n");
}

#[test]
fn unsubscribing_in_a_transaction_does_not_take_back_what_was_published_before_it() {
    if differs_from_oracle("7.0 sends the messages in the middle of the reply") {
        return;
    }
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("SUBSCRIBE", "a", 1);
    client
        .send("MULTI\r\nPING abc\r\nPUBLISH a bar\r\nUNSUBSCRIBE a\r\nPUBLISH a no\r\nPING def\r\nEXEC\r\n");
    client.expect("+OK\r\n");
    client.expect("+QUEUED\r\n".repeat(5));
    client
        .expect("*5\r\n$3\r\nabc\r\n:1\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n:0\r\n$3\r\ndef\r\n");
    client.expect_message("a", "bar");
    client.expect_nothing_more();
}

#[test]
fn a_resp2_client_can_publish_to_itself_in_a_transaction_that_subscribes() {
    if differs_from_oracle("7.0 sends the messages in the middle of the reply") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.send("MULTI\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nPING y\r\nEXEC\r\n");
    client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n");
    client.expect_confirmation("subscribe", "a", 1);
    client.expect(":1\r\n*2\r\n$4\r\npong\r\n$1\r\ny\r\n");
    client.expect_message("a", "x");
    client.expect_nothing_more();
}

#[test]
fn messages_come_between_the_commands_that_are_being_queued() {
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("SUBSCRIBE", "a", 1);
    client.call("MULTI", "+OK\r\n");
    let mut publisher = server.client();
    publisher.call("PUBLISH a 1", ":1\r\n");
    client.expect_message("a", "1");
    client.call("PING", "+QUEUED\r\n");
    publisher.call("PUBLISH a 2", ":1\r\n");
    client.call("EXEC", [message("2"), "*1\r\n+PONG\r\n".to_owned()].concat());
}

fn message(payload: &str) -> String {
    format!(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n${}\r\n{payload}\r\n", payload.len())
}

#[test]
fn messages_of_others_never_fall_into_the_reply_of_exec() {
    both_protocols(|server, protocol| {
        while_publishing(server, 2, &"PUBLISH a x\r\n".repeat(20), || {
            let message = Value::Bulk(b"message".to_vec());
            let mut client = server.speaking(protocol);
            for _ in 0..200 {
                // From the first command of the transaction on, messages may come at any moment.
                client.send(
                    "MULTI\r\nSUBSCRIBE a\r\nPING 1\r\nECHO 2\r\nECHO 3\r\nPSUBSCRIBE a*\r\nECHO 4\r\nEXEC\r\n",
                );
                client.expect("+OK\r\n");
                client.expect("+QUEUED\r\n".repeat(6));
                client.expect("*6\r\n");
                client.expect_confirmation("subscribe", "a", 1);
                client.expect(match protocol {
                    Protocol::Resp2 => "*2\r\n$4\r\npong\r\n$1\r\n1\r\n",
                    Protocol::Resp3 => "$1\r\n1\r\n",
                });
                client.expect("$1\r\n2\r\n$1\r\n3\r\n");
                client.expect_confirmation("psubscribe", "a*", 2);
                client.expect("$1\r\n4\r\n");
                assert_eq!(client.value().elements()[0], message);
                client.command("UNSUBSCRIBE");
                while client.value().elements()[0].text() != "unsubscribe" {}
                client.command("PUNSUBSCRIBE");
                while client.value().elements()[0].text() != "punsubscribe" {}
                client.expect_nothing_more();
            }
        });
    });
}

#[test]
fn the_queue_is_limited() {
    if differs_from_oracle("max-multi-commands is ours") {
        return;
    }
    both_protocols_with(&["--max-multi-commands", "3"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        for _ in 0..3 {
            client.call("PING", "+QUEUED\r\n");
        }
        let refused = "-ERR transaction queue is longer than 3 commands (max-multi-commands)\r\n";
        client.call("PING", refused);
        client.call("PING", refused);
        client.call("EXEC", ABORTED);
        client.call("MULTI", "+OK\r\n");
        for _ in 0..3 {
            client.call("PING", "+QUEUED\r\n");
        }
        client.call("EXEC", "*3\r\n+PONG\r\n+PONG\r\n+PONG\r\n");
    });
}

#[test]
fn a_long_transaction() {
    both_protocols(|server, protocol| {
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.send(format!("MULTI\r\n{}EXEC\r\n", "PUBLISH a x\r\n".repeat(1000)));
        client.expect("+OK\r\n");
        client.expect("+QUEUED\r\n".repeat(1000));
        client.expect(format!("*1000\r\n{}", ":1\r\n".repeat(1000)));
        for _ in 0..1000 {
            listener.expect_message("a", "x");
        }
    });
}

#[test]
fn arity() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call(
            "EXEC x",
            "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n",
        );
        for command in ["multi", "discard"] {
            client.call(
                &format!("{command} x"),
                format!("-ERR wrong number of arguments for '{command}' command\r\n"),
            );
        }
    });
}

#[test]
fn a_spoiled_transaction_takes_nothing() {
    if differs_from_oracle("Redis keeps what it will not execute") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT SETNAME spoiler", "+OK\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call(&format!("ECHO {}", "x".repeat(10_000)), "+QUEUED\r\n");
        let mut other = server.client();
        let mut queued_bytes = || {
            let list = other.ask("CLIENT LIST").text();
            let line = list.lines().find(|line| line.contains(" name=spoiler ")).expect("it is there");
            let (_, rest) = line.split_once(" multi-mem=").expect("multi-mem");
            rest.split(' ').next().unwrap().parse::<u64>().unwrap()
        };
        assert!(queued_bytes() > 10_000);
        client.call("ECHO", "-ERR wrong number of arguments for 'echo' command\r\n");
        assert_eq!(queued_bytes(), 0);
    });
}

#[test]
fn what_is_queued_takes_its_place_until_it_has_run() {
    if differs_from_oracle("Redis sleeps as a whole") {
        return;
    }
    both_protocols_with(&["--enable-debug-command", "yes"], |server, protocol| {
        let mut client = server.speaking(protocol);
        client.send(format!("MULTI\r\nECHO {}\r\nDEBUG SLEEP 3600\r\nEXEC\r\n", "x".repeat(10_000)));
        let mut other = server.client();
        eventually("EXEC is under way, and shown with what it holds", || {
            let list = other.ask("CLIENT LIST").text();
            list.lines().any(|line| {
                let bytes = line.split_once(" multi-mem=").and_then(|(_, rest)| rest.split(' ').next());
                line.contains(" cmd=exec ") && bytes.is_some_and(|bytes| bytes.len() >= 5)
            })
        });
    });
}
