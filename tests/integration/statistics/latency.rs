//! LATENCY: what took too long, and how the times of each command are distributed.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{
    Client, Server, Value, both_protocols, both_protocols_with, differs_from_oracle, eventually,
};

/// Makes a command take milliseconds: to look for a long pattern at each place of a long name takes millions of steps.
/// Whoever is returned has the name.
fn make_slow(server: &Server, client: &mut Client) -> Client {
    let mut subscriber = server.client();
    subscriber.subscribe("SUBSCRIBE", &"a".repeat(4096), 1);
    let pattern = format!("*{}b", "a".repeat(1000));
    eventually("a command takes too long", || {
        client.call(&format!("PUBSUB CHANNELS {pattern}"), "*0\r\n");
        !client.ask("LATENCY HISTORY command").elements().is_empty()
    });
    subscriber
}

#[test]
fn what_takes_too_long_is_kept() {
    both_protocols_with(&["--latency-monitor-threshold", "1"], |server, protocol| {
        let mut client = server.speaking(protocol);
        let _subscriber = make_slow(server, &mut client);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let history = client.ask("LATENCY HISTORY command");
        let sample = history.elements().last().unwrap().elements();
        assert!((now - 60..=now).contains(&sample[0].integer()) && sample[1].integer() >= 1, "{sample:?}");
        let latest = client.ask("LATENCY LATEST");
        let event = latest.elements().iter().find(|event| event.elements()[0].text() == "command").unwrap();
        let event = event.elements();
        assert_eq!((event.len(), event[1].integer()), (4, sample[0].integer()));
        assert!(event[3].integer() >= event[2].integer(), "the longest ever: {event:?}");
        let graph = client.ask("LATENCY GRAPH command").text();
        let first = format!("ms (all time high {} ms)", event[3].integer());
        assert!(
            graph.starts_with("command - high ") && graph.lines().next().unwrap().ends_with(&first),
            "{graph}"
        );
        assert_eq!(graph.lines().nth(1).unwrap(), "-".repeat(80));
        assert!(client.ask("LATENCY DOCTOR").text().contains("command"));
        if !differs_from_oracle("it has no event for turns") {
            let mut asker = server.client();
            eventually("the turn counts, too", || {
                !asker.ask("LATENCY HISTORY event-loop").elements().is_empty()
            });
        }
        client.call("LATENCY RESET nosuch command", ":1\r\n");
        client.call("LATENCY HISTORY command", "*0\r\n");
    });
}

#[test]
fn reset_forgets_all_and_says_how_many() {
    let server = Server::start_with(&["--latency-monitor-threshold", "1"]);
    let mut client = server.client();
    let _subscriber = make_slow(&server, &mut client);
    let events = client.ask("LATENCY LATEST").elements().len() as i64;
    assert!(client.ask("LATENCY RESET").integer() >= events);
    client.ask("LATENCY RESET command fast-command event-loop");
    client.call("LATENCY HISTORY command", "*0\r\n");
}

#[test]
fn without_a_threshold_nothing_is_kept() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (line, reply) in [
            ("LATENCY LATEST", "*0\r\n"),
            ("LATENCY HISTORY command", "*0\r\n"),
            ("LATENCY HISTORY nosuch", "*0\r\n"),
            ("LATENCY RESET", ":0\r\n"),
            ("LATENCY RESET a b", ":0\r\n"),
        ] {
            client.call(line, reply);
        }
        assert!(client.ask("LATENCY DOCTOR").text().contains("latency-monitor-threshold"));
    });
}

#[test]
fn what_is_wrong_is_told() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let arity = |name: &str| format!("-ERR wrong number of arguments for '{name}' command\r\n");
        let cases = [
            ("LATENCY", arity("latency")),
            ("LATENCY LATEST x", arity("latency|latest")),
            ("LATENCY HISTORY", arity("latency|history")),
            ("LATENCY HISTORY a b", arity("latency|history")),
            ("LATENCY GRAPH", arity("latency|graph")),
            ("LATENCY DOCTOR x", arity("latency|doctor")),
            ("LATENCY HELP x", arity("latency|help")),
            ("LATENCY Foo", "-ERR unknown subcommand 'Foo'. Try LATENCY HELP.\r\n".into()),
            ("LATENCY GRAPH a", "-ERR No samples available for event 'a'\r\n".into()),
        ];
        for (line, reply) in cases {
            client.call(line, reply);
        }
        assert_eq!(client.ask("LATENCY HELP").elements().len(), 17);
    });
}

#[test]
fn a_histogram_counts_the_calls_up_to_each_time() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        (0..1000).for_each(|_| client.call("PING", "+PONG\r\n"));
        let reply = client.ask("LATENCY HISTOGRAM ping");
        let ping = reply.field("ping");
        assert_eq!(ping.field("calls"), &Value::Integer(1000));
        let steps = ping.field("histogram_usec").elements();
        let numbers: Vec<(i64, i64)> =
            steps.chunks(2).map(|pair| (pair[0].integer(), pair[1].integer())).collect();
        assert!(!numbers.is_empty());
        // 1, 2, 4... 16, 33, 66: the ends of Redis's ranges.
        let limits: Vec<i64> = (0..40)
            .map(|doublings| 1024_i64 << doublings)
            .map(|limit| (limit + limit / 128 - 1) / 1000)
            .collect();
        assert!(numbers.iter().all(|(time, _)| limits.contains(time)), "{numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{numbers:?}");
        assert_eq!(numbers.last().unwrap().1, 1000);
    });
}

#[test]
fn a_histogram_is_asked_for_by_names() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["PING", "CLIENT ID", "CLIENT GETNAME", "SELECT 99"] {
            client.ask(line);
        }
        let mut names = |line: &str| -> Vec<String> {
            let reply = client.ask(line);
            let mut names: Vec<String> = reply.elements().chunks(2).map(|pair| pair[0].text()).collect();
            names.sort();
            names
        };
        assert_eq!(names("LATENCY HISTOGRAM PING"), ["ping"]);
        assert_eq!(names("LATENCY HISTOGRAM client"), ["client|getname", "client|id"]);
        assert_eq!(names("LATENCY HISTOGRAM client|id nosuch publish"), ["client|id"]);
        assert!(
            names("LATENCY HISTOGRAM").contains(&"select".to_owned()),
            "one that failed has taken time, too"
        );
        assert_eq!(names("LATENCY HISTOGRAM nosuch"), [""; 0]);
    });
}
