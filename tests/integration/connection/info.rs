//! INFO: the fields that clients and dashboards read.

use std::collections::HashMap;

use crate::support::{Client, Protocol, Server, Value, both_protocols, differs_from_oracle, eventually};

fn fields(client: &mut Client, line: &str) -> HashMap<String, String> {
    let text = client.ask(line).text();
    let lines = text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(':').unwrap_or_else(|| panic!("key:value, not {line:?}")));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn it_is_text_in_sections() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let reply = client.ask("INFO");
        match protocol {
            Protocol::Resp2 => assert!(matches!(reply, Value::Bulk(_))),
            Protocol::Resp3 => assert!(matches!(reply, Value::Verbatim(_))),
        }
        let text = reply.text();
        assert!(text.starts_with("# Server\r\n"), "{text}");
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "lines end with CRLF");
        for section in ["Server", "Clients", "Memory", "Stats", "Replication", "Cluster"] {
            assert!(text.contains(&format!("# {section}\r\n")), "no section {section}: {text}");
        }
    });
}

#[test]
fn the_fields_that_clients_depend_on() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PING", "+PONG\r\n");
        let told = fields(&mut client, "INFO");
        assert_eq!(told["loading"], "0");
        assert_eq!(told["role"], "master");
        assert_eq!(told["redis_mode"], "standalone");
        assert_eq!(told["arch_bits"], "64");
        assert_eq!(told["cluster_enabled"], "0");
        assert_eq!(told["tcp_port"], server.port.to_string());
        assert_eq!(told["process_id"], server.pid().to_string());
        assert_eq!(told["run_id"].len(), 40);
        assert_eq!(told["connected_slaves"], "0");
        assert!(told["uptime_in_seconds"].parse::<u64>().is_ok());
        for numeric in
            ["connected_clients", "used_memory", "total_connections_received", "total_commands_processed"]
        {
            assert!(
                told[numeric].parse::<u64>().is_ok_and(|number| number > 0),
                "{numeric}:{}",
                told[numeric]
            );
        }
        if !differs_from_oracle("it has another version") {
            assert_eq!(told["redis_version"], "7.2.4");
        }
    });
}

#[test]
fn one_section_can_be_asked_for() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["INFO server", "info SERVER"] {
            let told = fields(&mut client, line);
            assert!(told.contains_key("redis_version") && !told.contains_key("role"), "{told:?}");
        }
        let told = fields(&mut client, "INFO replication");
        assert!(told.contains_key("role") && !told.contains_key("redis_version"), "{told:?}");
        let told = fields(&mut client, "INFO server replication");
        assert!(told.contains_key("role") && told.contains_key("redis_version"), "{told:?}");
        for line in ["INFO default", "INFO all", "INFO everything"] {
            let told = fields(&mut client, line);
            assert!(told.contains_key("role") && told.contains_key("redis_version"), "{line}: {told:?}");
        }
        assert_eq!(client.ask("INFO nosuchsection").text(), "");
    });
}

#[test]
fn it_counts_clients_and_subscriptions() {
    both_protocols(|server, protocol| {
        let mut asker = server.speaking(protocol);
        let before = fields(&mut asker, "INFO");
        assert_eq!(before["connected_clients"], "1");
        assert_eq!(before["pubsub_channels"], "0");
        let mut first = server.speaking(protocol);
        first.subscribe("SUBSCRIBE", "a", 1);
        first.subscribe("PSUBSCRIBE", "a*", 2);
        let mut second = server.speaking(protocol);
        second.subscribe("SUBSCRIBE", "a", 1);
        second.subscribe("SUBSCRIBE", "b", 2);
        second.subscribe("PSUBSCRIBE", "a*", 3);
        second.subscribe("SSUBSCRIBE", "s", 1);
        let after = fields(&mut asker, "INFO");
        assert_eq!(after["connected_clients"], "3");
        assert_eq!(after["pubsub_channels"], "2");
        assert_eq!(after["pubsub_patterns"], "1");
        assert_eq!(after["pubsubshard_channels"], "1");
        if !differs_from_oracle("7.0 does not count them") {
            assert_eq!(after["pubsub_clients"], "2");
        }
        drop((first, second));
        eventually("closed clients are not counted", || {
            let now = fields(&mut asker, "INFO");
            now["connected_clients"] == "1" && now["pubsub_channels"] == "0" && now["pubsub_patterns"] == "0"
        });
    });
}

#[test]
fn it_counts_connections_and_commands() {
    let server = Server::start();
    let mut client = server.client();
    let number = |told: &HashMap<String, String>, key: &str| told[key].parse::<u64>().expect("a number");
    let before = fields(&mut client, "INFO stats");
    for _ in 0..10 {
        server.client().call("PING", "+PONG\r\n");
    }
    let after = fields(&mut client, "INFO stats");
    let grown = |key: &str| number(&after, key) - number(&before, key);
    assert_eq!(grown("total_connections_received"), 10);
    assert_eq!(grown("total_commands_processed"), 11);
    assert_eq!(number(&after, "rejected_connections"), 0);
}
