//! MEMORY: there are no keys, but the numbers of the process.

use super::fields;
use crate::support::{Client, Value, both_protocols, differs_from_oracle, eventually};

#[test]
fn a_key_that_is_not_there_takes_nothing() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["MEMORY USAGE a", "MEMORY USAGE a SAMPLES 5", "MEMORY USAGE a samples 0 SAMPLES 1"] {
            client.call(line, protocol.null());
        }
        client.call("MEMORY PURGE", "+OK\r\n");
    });
}

#[test]
fn what_is_wrong_is_told() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let arity = |name: &str| format!("-ERR wrong number of arguments for '{name}' command\r\n");
        let syntax = || "-ERR syntax error\r\n".to_owned();
        let cases = [
            ("MEMORY", arity("memory")),
            ("MEMORY USAGE", arity("memory|usage")),
            ("MEMORY DOCTOR x", arity("memory|doctor")),
            ("MEMORY STATS x", arity("memory|stats")),
            ("MEMORY PURGE x", arity("memory|purge")),
            ("MEMORY MALLOC-STATS x", arity("memory|malloc-stats")),
            ("MEMORY HELP x", arity("memory|help")),
            ("MEMORY Foo", "-ERR unknown subcommand 'Foo'. Try MEMORY HELP.\r\n".into()),
            ("MEMORY USAGE a SAMPLES", syntax()),
            ("MEMORY USAGE a SAMPLES -1", syntax()),
            ("MEMORY USAGE a FOO 5", syntax()),
            ("MEMORY USAGE a SAMPLES 5 x", syntax()),
            ("MEMORY USAGE a SAMPLES x", "-ERR value is not an integer or out of range\r\n".into()),
        ];
        for (line, reply) in cases {
            client.call(line, reply);
        }
        assert_eq!(client.ask("MEMORY HELP").elements().len(), 14);
    });
}

#[test]
fn its_numbers_are_those_of_info() {
    const NAMES: [&str; 27] = [
        "peak.allocated",
        "total.allocated",
        "startup.allocated",
        "replication.backlog",
        "clients.slaves",
        "clients.normal",
        "cluster.links",
        "aof.buffer",
        "lua.caches",
        "functions.caches",
        "overhead.total",
        "keys.count",
        "keys.bytes-per-key",
        "dataset.bytes",
        "dataset.percentage",
        "peak.percentage",
        "allocator.allocated",
        "allocator.active",
        "allocator.resident",
        "allocator-fragmentation.ratio",
        "allocator-fragmentation.bytes",
        "allocator-rss.ratio",
        "allocator-rss.bytes",
        "rss-overhead.ratio",
        "rss-overhead.bytes",
        "fragmentation",
        "fragmentation.bytes",
    ];
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let reply = client.ask("MEMORY STATS");
        let names: Vec<String> = reply.elements().chunks(2).map(|pair| pair[0].text()).collect();
        assert_eq!(names, NAMES);
        let told = fields(&mut client, "memory");
        assert_eq!(
            reply.field("startup.allocated"),
            &Value::Integer(told["used_memory_startup"].parse().unwrap())
        );
        if differs_from_oracle("its peak may be less than what it uses") {
            return;
        }
        let (total, peak) =
            (reply.field("total.allocated").integer(), reply.field("peak.allocated").integer());
        assert!(0 < total && total <= peak && reply.field("dataset.bytes").integer() <= total);
        let share: f64 = reply.field("peak.percentage").text().parse().unwrap();
        assert!((share - total as f64 * 100.0 / peak as f64).abs() < 0.01, "{share}");
    });
}

#[test]
fn the_doctor_finds_clients_that_do_not_read() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let report = client.ask("MEMORY DOCTOR").text();
        if differs_from_oracle("it says so in other words") {
            return;
        }
        assert!(report.contains("nothing is conspicuous"), "{report}");
        let mut deaf = Client::connect_slow(server.address(), "deaf");
        deaf.subscribe("SUBSCRIBE", "a", 1);
        (0..15).for_each(|_| client.command(&format!("PUBLISH a {}", "x".repeat(1_000_000))));
        (0..15).for_each(|_| assert_eq!(client.value().integer(), 1));
        eventually("it is found", || {
            client.ask("MEMORY DOCTOR").text().contains("client-output-buffer-limit")
        });
    });
}

#[test]
fn the_allocator_reports() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let report = client.ask("MEMORY MALLOC-STATS").text();
        if !differs_from_oracle("it has another allocator") {
            assert!(report.contains("\"committed\""), "{report}");
        }
    });
}

#[test]
fn what_clients_take_is_what_client_list_tells() {
    if differs_from_oracle("Redis knows more of its buffers") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        let names: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
        subscriber.send(format!("SUBSCRIBE {}\r\n", names.join(" ")));
        let mut client = server.client();
        eventually("the subscriptions are counted", || {
            let list = client.ask("CLIENT LIST TYPE pubsub").text();
            let bytes = list.split_once(" tot-mem=").and_then(|(_, rest)| rest.split(' ').next());
            let bytes: u64 = bytes.unwrap_or("0").parse().expect("a number");
            let all: u64 = fields(&mut client, "memory")["mem_clients_normal"].parse().expect("a number");
            bytes > 100_000 && all > bytes
        });
    });
}
