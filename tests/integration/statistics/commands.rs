//! INFO commandstats, errorstats and latencystats: each command's counts and times.

use std::collections::HashMap;

use super::{fields, numbers};
use crate::support::{Client, Server, Value, both_protocols, differs_from_oracle, encode, eventually};

/// What is known of a command: calls, rejected and failed ones.
#[track_caller]
fn counts(client: &mut Client, command: &str) -> Option<(u64, u64, u64)> {
    let told = fields(client, "commandstats");
    let numbers = numbers(told.get(&format!("cmdstat_{command}"))?);
    let number = |name: &str| numbers[name] as u64;
    Some((number("calls"), number("rejected_calls"), number("failed_calls")))
}

#[test]
fn a_command_is_called_or_rejected_and_fails_or_not() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in
            ["ECHO a", "ECHO", "ECHO a b", "SELECT 1", "SELECT 99", "SELECT x", "CLIENT", "CLIENT NOSUCH"]
        {
            client.ask(line);
        }
        assert_eq!(counts(&mut client, "echo"), Some((1, 2, 0)));
        assert_eq!(counts(&mut client, "select"), Some((3, 0, 2)));
        assert_eq!(counts(&mut client, "client"), Some((0, 1, 0)));
        assert_eq!(counts(&mut client, "client|id"), None);
        client.ask("CLIENT ID");
        assert_eq!(counts(&mut client, "client|id"), Some((1, 0, 0)));
    });
}

#[test]
fn what_a_transaction_runs_counts_by_itself() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["MULTI", "ECHO a", "SELECT 99", "PUBLISH a x", "EXEC"] {
            client.ask(line);
        }
        assert_eq!(counts(&mut client, "exec"), Some((1, 0, 0)), "it succeeds, whatever is in it");
        assert_eq!(counts(&mut client, "echo"), Some((1, 0, 0)));
        assert_eq!(counts(&mut client, "select"), Some((1, 0, 1)));
        assert_eq!(counts(&mut client, "publish"), Some((1, 0, 0)));
        for line in ["MULTI", "ECHO", "ECHO a", "EXEC"] {
            client.ask(line);
        }
        assert_eq!(counts(&mut client, "exec"), Some((2, 0, 1)), "it was aborted");
        assert_eq!(counts(&mut client, "echo"), Some((1, 1, 0)), "one was refused, one did not run");
    });
}

#[test]
fn publishes_that_are_gathered_are_counted_each() {
    let server = Server::start();
    let mut subscriber = server.client();
    subscriber.subscribe("SUBSCRIBE", "a", 1);
    let mut client = server.client();
    client.send(encode(["PUBLISH", "a", "x"]).repeat(1000));
    client.expect(":1\r\n".repeat(1000));
    assert_eq!(counts(&mut client, "publish"), Some((1000, 0, 0)));
    let told = fields(&mut client, "everything");
    let numbers = numbers(&told["cmdstat_publish"]);
    assert!((numbers["usec"] / 1000.0 - numbers["usec_per_call"]).abs() < 0.02, "{numbers:?}");
    if differs_from_oracle("it does not count messages") {
        return;
    }
    assert!(numbers["usec"] > 0.0, "{numbers:?}");
    assert_eq!(told["pubsub_messages_published"], "1000");
    assert_eq!(told["pubsub_messages_delivered"], "1000");
}

#[test]
fn what_goes_on_in_other_turns_is_counted_once() {
    let server = Server::start_with(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"]);
    let mut client = server.client();
    // More names and clients than one turn handles.
    let names: Vec<String> = (0..5000).map(|number| format!("channel-{number}")).collect();
    client.send(encode(["SUBSCRIBE"].into_iter().chain(names.iter().map(String::as_str))));
    (0..5000).for_each(|_| assert!(matches!(client.value(), Value::Array(_))));
    let mut asker = server.client();
    eventually("it is counted", || counts(&mut asker, "subscribe") == Some((1, 0, 0)));
    let entries = asker.ask("SLOWLOG GET -1");
    let logged =
        entries.elements().iter().filter(|entry| entry.elements()[3].elements()[0].text() == "SUBSCRIBE");
    let logged: Vec<_> = logged.map(|entry| entry.elements()[3].elements().len()).collect();
    assert_eq!(logged, [32]);
}

#[test]
fn a_fan_out_of_several_turns_is_counted() {
    if differs_from_oracle("it does not count messages") {
        return;
    }
    const RECEIVERS: usize = 3000;
    let server = Server::start();
    let mut subscriber = server.client();
    // One client with so many patterns that match stands for many receivers.
    for number in 0..RECEIVERS {
        subscriber.subscribe(
            "PSUBSCRIBE",
            &format!("a{}", "*".repeat(number % 1000 + 1) + &"?".repeat(number / 1000)),
            number + 1,
        );
    }
    let mut publisher = server.client();
    publisher.command("PUBLISH aaaaaaaa x");
    drop(publisher);
    let mut asker = server.client();
    eventually("all are counted", || {
        fields(&mut asker, "stats")["pubsub_messages_delivered"] == RECEIVERS.to_string()
    });
}

#[test]
fn errors_are_counted_by_their_first_word() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    for line in ["PING", "PING", "NOSUCH", "AUTH wrong", "HELLO 9", "AUTH secret", "EXEC"] {
        client.ask(line);
    }
    let mut broken = server.client();
    broken.send("*x\r\n");
    broken.read_to_end();
    let told = fields(&mut client, "errorstats");
    let expected = [("ERR", 3), ("NOAUTH", 2), ("NOPROTO", 1), ("WRONGPASS", 1)];
    let expected: HashMap<String, String> = expected
        .iter()
        .map(|(word, count)| (format!("errorstat_{word}"), format!("count={count}")))
        .collect();
    assert_eq!(told, expected);
    assert_eq!(fields(&mut client, "stats")["total_error_replies"], "7");
}

#[test]
fn times_are_shown_as_percentiles() {
    let server = Server::start_with(&["--latency-tracking-info-percentiles", "0 50.5 100"]);
    let mut client = server.client();
    (0..100).for_each(|_| client.call("PING", "+PONG\r\n"));
    let told = fields(&mut client, "latencystats");
    let numbers = numbers(&told["latency_percentiles_usec_ping"]);
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    assert!(numbers["p0"] <= numbers["p50.5"] && numbers["p50.5"] <= numbers["p100"], "{numbers:?}");
    assert!(numbers["p100"] > 0.0, "{numbers:?}");
}

#[test]
fn times_need_not_be_kept() {
    let server = Server::start_with(&["--latency-tracking", "no"]);
    let mut client = server.client();
    client.call("PING", "+PONG\r\n");
    assert_eq!(client.ask("INFO latencystats").text(), "# Latencystats\r\n");
    assert_eq!(counts(&mut client, "ping"), Some((1, 0, 0)));
    client.call("LATENCY HISTOGRAM ping", "*0\r\n");
}

#[test]
fn they_are_not_among_what_is_shown_without_being_asked_for() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PING", "+PONG\r\n");
        for (line, shown) in
            [("INFO", false), ("INFO default", false), ("INFO all", true), ("INFO EVERYTHING", true)]
        {
            let text = client.ask(line).text();
            assert_eq!(text.contains("# Commandstats\r\ncmdstat_"), shown, "{line}");
            assert_eq!(text.contains("# Latencystats\r\nlatency_percentiles_usec_"), shown, "{line}");
            assert!(text.contains("# Errorstats\r\n") && text.contains("# Modules\r\n"), "{line}");
        }
    });
}

#[test]
fn commands_that_look_at_much_are_few_to_a_turn() {
    if differs_from_oracle("Redis serves a client for as long as it has sent something") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut observer = server.client();
        let mut turns =
            || fields(&mut observer, "stats")["eventloop_cycles"].parse::<u64>().expect("a number");
        let pattern = format!("COMMAND LIST FILTERBY PATTERN *[{}", "z".repeat(1000));
        let lines =
            ["LATENCY HISTOGRAM nosuch", "MEMORY DOCTOR", "CONFIG SET timeout 0", "INFO nosuch", &pattern];
        for line in lines {
            let mut client = server.speaking(protocol);
            let before = turns();
            client.send(format!("{line}\r\n").repeat(100));
            (0..100).for_each(|_| drop(client.value()));
            let taken = turns() - before;
            assert!(taken >= 6, "{line}: {taken}");
        }
    });
}

#[test]
fn a_command_with_very_many_arguments_takes_turns() {
    both_protocols(|server, protocol| {
        let count = 20_000;
        let many = |name: &[&str]| encode(name.iter().copied().chain(std::iter::repeat_n("x", count)));
        let mut client = server.speaking(protocol);
        client.send(many(&["SCRIPT", "EXISTS"]));
        client.expect(format!("*{count}\r\n{}", ":0\r\n".repeat(count)));
        client.send(many(&["PUBSUB", "NUMSUB"]));
        client.expect(format!("*{}\r\n{}", 2 * count, "$1\r\nx\r\n:0\r\n".repeat(count)));
    });
}
