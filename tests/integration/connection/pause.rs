//! CLIENT PAUSE and UNPAUSE: what waits, what does not, and in which order it goes on.

use crate::support::{Client, Protocol, Server, Value, both_protocols, differs_from_oracle, eventually};

/// Longer than any test takes: only CLIENT UNPAUSE ends it.
const FOR_EVER: &str = "3600000";

fn flags(asker: &mut Client, id: i64) -> String {
    let list = asker.ask(&format!("CLIENT LIST ID {id}")).text();
    let flags = list.split(' ').find_map(|field| field.strip_prefix("flags="));
    flags.unwrap_or_default().to_owned()
}

fn id(client: &mut Client) -> i64 {
    client.ask("CLIENT ID").integer()
}

/// Sends a command and waits until it is postponed.
fn postpone(asker: &mut Client, client: &mut Client, id: i64, line: &str) {
    client.command(line);
    eventually("it is postponed", || flags(asker, id).contains('b'));
}

#[test]
fn publishes_wait_and_go_on_in_order() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.speaking(protocol);
        let publisher_id = id(&mut publisher);
        let mut operator = server.speaking(protocol);
        operator.call(&format!("CLIENT PAUSE {FOR_EVER} WRITE"), "+OK\r\n");
        // What comes behind a postponed command waits with it, even if it changes nothing.
        publisher.send("PING 1\r\nPUBLISH a x\r\nPING 2\r\nPUBLISH a y\r\nSPUBLISH a z\r\n");
        publisher.expect("$1\r\n1\r\n");
        eventually("it is postponed", || flags(&mut operator, publisher_id) == "b");
        let list = operator.ask("CLIENT LIST").text();
        assert!(list.contains("cmd=publish"), "{list}");
        assert!(operator.ask("INFO clients").text().contains("blocked_clients:1\r\n"));
        // Others go on, and so do subscribers.
        operator.call("PING", "+PONG\r\n");
        subscriber.expect_nothing_more();
        operator.call("CLIENT UNPAUSE", "+OK\r\n");
        publisher.expect(":1\r\n$1\r\n2\r\n:1\r\n:0\r\n");
        subscriber.expect_message("a", "x");
        subscriber.expect_message("a", "y");
        assert_eq!(flags(&mut operator, publisher_id), "N");
        assert!(operator.ask("INFO clients").text().contains("blocked_clients:0\r\n"));
    });
}

#[test]
fn what_publishes_in_the_end_waits_too() {
    both_protocols(|server, protocol| {
        let mut operator = server.speaking(protocol);
        let mut queueing = server.speaking(protocol);
        let queueing_id = id(&mut queueing);
        let mut executing = server.speaking(protocol);
        let executing_id = id(&mut executing);
        executing.call("MULTI", "+OK\r\n");
        executing.call("PUBLISH a x", "+QUEUED\r\n");
        operator.call(&format!("CLIENT PAUSE {FOR_EVER} write"), "+OK\r\n");
        // An EXEC of nothing that publishes does not wait.
        let mut harmless = server.speaking(protocol);
        harmless.send("MULTI\r\nPING\r\nEXEC\r\n");
        harmless.expect("+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
        queueing.call("MULTI", "+OK\r\n");
        postpone(&mut operator, &mut queueing, queueing_id, "PUBLISH a x");
        assert_eq!(flags(&mut operator, queueing_id), "xb");
        postpone(&mut operator, &mut executing, executing_id, "EXEC");
        // What is wrong is refused at once.
        harmless.call("PUBLISH a", "-ERR wrong number of arguments for 'publish' command\r\n");
        operator.call("CLIENT UNPAUSE", "+OK\r\n");
        queueing.expect("+QUEUED\r\n");
        executing.expect("*1\r\n:0\r\n");
    });
}

#[test]
fn a_pause_of_all_ends_by_its_time_only() {
    both_protocols(|server, protocol| {
        let mut operator = server.speaking(protocol);
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut clients: Vec<_> = (0..3).map(|_| server.speaking(protocol)).collect();
        // That the second one does not take the first one back is seen by PING, which a pause of writes lets pass.
        operator.send("CLIENT PAUSE 1000 ALL\r\nCLIENT PAUSE 1 WRITE\r\nCLIENT UNPAUSE\r\n");
        operator.expect("+OK\r\n");
        for client in &mut clients {
            client.command("PING");
        }
        subscriber.command("UNSUBSCRIBE a");
        for client in &mut clients {
            client.expect("+PONG\r\n");
        }
        subscriber.expect_confirmation("unsubscribe", "a", 0);
        operator.expect("+OK\r\n+OK\r\n");
    });
}

#[test]
fn a_later_end_and_a_wider_pause_stay() {
    both_protocols(|server, protocol| {
        let mut operator = server.speaking(protocol);
        let mut publisher = server.speaking(protocol);
        let publisher_id = id(&mut publisher);
        operator.call(&format!("CLIENT PAUSE {FOR_EVER} WRITE"), "+OK\r\n");
        operator.call("CLIENT PAUSE 1 WRITE", "+OK\r\n");
        postpone(&mut operator, &mut publisher, publisher_id, "PUBLISH a x");
        operator.call("CLIENT UNPAUSE", "+OK\r\n");
        publisher.expect(":0\r\n");
        // Nobody waits: the pause is over when the next command comes.
        operator.call("CLIENT PAUSE 1 WRITE", "+OK\r\n");
        publisher.call("PUBLISH a x", ":0\r\n");
        operator.call("CLIENT PAUSE 0", "+OK\r\n");
        operator.call("PING", "+PONG\r\n");
    });
}

#[test]
fn messages_that_were_accepted_still_arrive() {
    let server = Server::start();
    let mut operator = server.client();
    // More than one turn's fan-out.
    let mut subscribers: Vec<_> = (0..1500).map(|_| server.client()).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("SUBSCRIBE", "a", 1);
    }
    operator.send(format!("PUBLISH a x\r\nCLIENT PAUSE {FOR_EVER} WRITE\r\n"));
    for subscriber in &mut subscribers {
        subscriber.expect_message("a", "x");
    }
    operator.expect(":1500\r\n+OK\r\n");
}

#[test]
fn who_leaves_while_waiting_is_forgotten() {
    both_protocols(|server, protocol| {
        let mut operator = server.speaking(protocol);
        operator.call(&format!("CLIENT PAUSE {FOR_EVER} WRITE"), "+OK\r\n");
        let mut ids = Vec::new();
        for number in 0..20 {
            let mut client = server.speaking(protocol);
            let client_id = id(&mut client);
            ids.push(client_id);
            if number % 2 == 0 {
                client.subscribe("SSUBSCRIBE", "s", 1);
                client.send("SUNSUBSCRIBE s\r\n");
                client.expect_confirmation("sunsubscribe", "s", 0);
            }
            postpone(&mut operator, &mut client, client_id, "PUBLISH a x");
            if number % 3 == 0 {
                operator.call(&format!("CLIENT KILL ID {client_id}"), ":1\r\n");
                client.expect_closed();
            }
        }
        for id in ids {
            eventually("it is gone", || flags(&mut operator, id).is_empty());
        }
        assert!(operator.ask("INFO clients").text().contains("blocked_clients:0\r\n"));
        operator.call("CLIENT UNPAUSE", "+OK\r\n");
        operator.call("PUBLISH a x", ":0\r\n");
    });
}

#[test]
fn many_go_on_each_in_its_own_order() {
    let server = Server::start();
    let mut subscriber = server.client();
    subscriber.subscribe("SUBSCRIBE", "a", 1);
    let mut operator = server.client();
    operator.call(&format!("CLIENT PAUSE {FOR_EVER} WRITE"), "+OK\r\n");
    let mut publishers: Vec<_> = (0..300).map(|_| server.client()).collect();
    for (number, publisher) in publishers.iter_mut().enumerate() {
        publisher.send((0..5).map(|turn| format!("PUBLISH a {number}.{turn}\r\n")).collect::<String>());
    }
    eventually("all are postponed", || {
        operator.ask("INFO clients").text().contains("blocked_clients:300\r\n")
    });
    operator.call("CLIENT UNPAUSE", "+OK\r\n");
    for publisher in &mut publishers {
        publisher.expect(":1\r\n".repeat(5));
    }
    let mut next = vec![0; publishers.len()];
    for _ in 0..1500 {
        let payload = subscriber.value().elements()[2].text();
        let (number, turn) = payload.split_once('.').unwrap();
        let next = &mut next[number.parse::<usize>().unwrap()];
        assert_eq!(turn, next.to_string(), "of {number}");
        *next += 1;
    }
}

#[test]
fn errors() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (line, error) in [
            ("CLIENT PAUSE", "wrong number of arguments for 'client|pause' command"),
            ("CLIENT PAUSE x", "timeout is not an integer or out of range"),
            ("CLIENT PAUSE 99999999999999999999", "timeout is not an integer or out of range"),
            ("CLIENT PAUSE -1", "timeout is negative"),
            ("CLIENT PAUSE 10 FOO", "CLIENT PAUSE mode must be WRITE or ALL"),
            (
                "CLIENT PAUSE 1 WRITE x",
                "unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
            ),
            ("CLIENT UNPAUSE x", "wrong number of arguments for 'client|unpause' command"),
            ("CLIENT UNBLOCK", "wrong number of arguments for 'client|unblock' command"),
            ("CLIENT UNBLOCK x", "value is not an integer or out of range"),
            ("CLIENT UNBLOCK 1 FOO", "CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
            (
                "CLIENT UNBLOCK 1 TIMEOUT x",
                "unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
            ),
        ] {
            client.call(line, format!("-ERR {error}\r\n"));
        }
        for line in ["CLIENT UNBLOCK -1", "CLIENT UNBLOCK 99 TIMEOUT", "client unblock 99 error"] {
            client.call(line, ":0\r\n");
        }
        client.call("CLIENT UNPAUSE", "+OK\r\n");
        if !differs_from_oracle("7.0 takes it and computes a time that is past") {
            client.call("CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range\r\n");
        }
    });
}

#[test]
fn a_postponed_client_is_not_unblocked() {
    if differs_from_oracle("7.0.15 crashes") {
        return;
    }
    let server = Server::start();
    let mut operator = server.client();
    let mut publisher = server.speaking(Protocol::Resp3);
    let publisher_id = id(&mut publisher);
    operator.call(&format!("CLIENT PAUSE {FOR_EVER} WRITE"), "+OK\r\n");
    postpone(&mut operator, &mut publisher, publisher_id, "PUBLISH a x");
    operator.call(&format!("CLIENT UNBLOCK {publisher_id}"), ":0\r\n");
    operator.call("CLIENT UNPAUSE", "+OK\r\n");
    assert_eq!(publisher.value(), Value::Integer(0));
}
