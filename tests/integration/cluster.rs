//! CLUSTER and its relatives on a server that is no part of a Redis Cluster, where a success would make client libraries
//! believe that it is one, and on one that looks like one (`cluster-enabled yes`).

use crate::support::{Protocol, Server, Value, both_protocols, both_protocols_with, differs_from_oracle};

const DISABLED: &str = "-ERR This instance has cluster support disabled\r\n";

#[test]
fn everything_is_refused() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in [
            "ADDSLOTS 1",
            "ADDSLOTSRANGE 1 2",
            "BUMPEPOCH",
            "COUNT-FAILURE-REPORTS a",
            "COUNTKEYSINSLOT 1",
            "DELSLOTS 1",
            "DELSLOTSRANGE 1 2",
            "FAILOVER",
            "FLUSHSLOTS",
            "FORGET a",
            "GETKEYSINSLOT 1 1",
            "HELP",
            "INFO",
            "KEYSLOT a",
            "LINKS",
            "MEET 127.0.0.1 1",
            "MYID",
            "NODES",
            "nodes",
            "REPLICAS a",
            "REPLICATE a",
            "RESET",
            "SAVECONFIG",
            "SET-CONFIG-EPOCH 1",
            "SETSLOT 1 STABLE",
            "SHARDS",
            "SLAVES a",
            "SLOTS",
        ] {
            client.call(&format!("CLUSTER {line}"), DISABLED);
        }
        for line in ["READONLY", "READWRITE", "ASKING"] {
            client.call(line, DISABLED);
        }
    });
}

#[test]
fn the_id_of_the_shard_too() {
    if differs_from_oracle("7.0 does not know CLUSTER MYSHARDID") {
        return;
    }
    both_protocols(|server, protocol| server.speaking(protocol).call("CLUSTER MYSHARDID", DISABLED));
}

#[test]
fn what_is_wrong_with_the_request_is_said_first() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (line, name) in [
            ("CLUSTER", "cluster"),
            ("CLUSTER NODES x", "cluster|nodes"),
            ("CLUSTER KEYSLOT", "cluster|keyslot"),
            ("CLUSTER ADDSLOTS", "cluster|addslots"),
            ("CLUSTER MEET a", "cluster|meet"),
            ("CLUSTER HELP x", "cluster|help"),
            ("READONLY x", "readonly"),
            ("READWRITE x", "readwrite"),
            ("ASKING x", "asking"),
        ] {
            client.call(line, format!("-ERR wrong number of arguments for '{name}' command\r\n"));
        }
        client.call("CLUSTER NoSuch x", "-ERR unknown subcommand 'NoSuch'. Try CLUSTER HELP.\r\n");
    });
}

#[test]
fn in_a_transaction_the_refusal_is_one_of_the_results() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("MULTI", "+OK\r\n");
        for line in ["CLUSTER NODES", "READONLY", "PING"] {
            client.call(line, "+QUEUED\r\n");
        }
        client.call("EXEC", format!("*3\r\n{DISABLED}{DISABLED}+PONG\r\n"));
    });
}

#[test]
fn this_is_no_sentinel_either() {
    // StackExchange.Redis asks everybody.
    both_protocols(|server, protocol| {
        server.speaking(protocol).call(
            "SENTINEL MASTERS",
            "-ERR unknown command 'SENTINEL', with args beginning with: 'MASTERS' \r\n",
        );
    });
}

const ENABLED: &[&str] = &["--cluster-enabled", "yes"];
const OURS: &str =
    "a Redis Cluster has to be given its slots first, and has an address when it has met another one";

/// With a server that looks like a Redis Cluster, and its id there.
#[track_caller]
fn enabled(body: impl Fn(&Server, Protocol, &str)) {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols_with(ENABLED, |server, protocol| {
        let id = server.speaking(protocol).ask("CLUSTER MYID").text();
        assert!(id.len() == 40 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        body(server, protocol, &id);
    });
}

#[test]
fn all_slots_are_of_the_only_instance_where_the_asker_has_found_it() {
    enabled(|server, protocol, id| {
        let mut client = server.speaking(protocol);
        let (port, map) = (server.port, if protocol == Protocol::Resp2 { '*' } else { '%' });
        client.call(
            "CLUSTER SLOTS",
            format!(
                "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{id}\r\n{map}0\r\n"
            ),
        );
        let shards = client.ask("CLUSTER SHARDS");
        let shard = &shards.elements()[0];
        assert_eq!(shard.field("slots"), &Value::Array(vec![Value::Integer(0), Value::Integer(16_383)]));
        let node = &shard.field("nodes").elements()[0];
        let names: Vec<String> = node.elements().chunks(2).map(|field| field[0].text()).collect();
        assert_eq!(names, ["id", "port", "ip", "endpoint", "role", "replication-offset", "health"]);
        assert_eq!(node.field("id").text(), id);
        assert_eq!(node.field("port"), &Value::Integer(port.into()));
        let line = format!("{id} 127.0.0.1:{port}@0 myself,master - 0 0 1 connected 0-16383\n");
        assert_eq!(client.ask("CLUSTER NODES").text(), line);
        let info = client.ask("CLUSTER INFO").text();
        assert!(info.starts_with("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"), "{info}");
        assert!(info.contains("cluster_known_nodes:1\r\ncluster_size:1\r\n"), "{info}");
        client.call("CLUSTER MYSHARDID", format!("$40\r\n{id}\r\n"));
        client.call("CLUSTER LINKS", "*0\r\n");
    });
}

#[test]
fn what_is_asked_of_slots_and_nodes() {
    enabled(|server, protocol, id| {
        let mut client = server.speaking(protocol);
        for (line, reply) in [
            ("KEYSLOT foo{bar}", ":5061"),
            ("COUNTKEYSINSLOT 16383", ":0"),
            ("COUNTKEYSINSLOT 16384", "-ERR Invalid slot"),
            ("COUNTKEYSINSLOT x", "-ERR value is not an integer or out of range"),
            ("GETKEYSINSLOT 0 10", "*0"),
            ("GETKEYSINSLOT 16384 10", "-ERR Invalid slot or number of keys"),
            ("GETKEYSINSLOT 1 -1", "-ERR Invalid slot or number of keys"),
            ("GETKEYSINSLOT 1 x", "-ERR value is not an integer or out of range"),
            (&format!("REPLICAS {id}"), "*0"),
            (&format!("SLAVES {id}"), "*0"),
            (&format!("COUNT-FAILURE-REPORTS {id}"), ":0"),
            ("REPLICAS abc", "-ERR Unknown node abc"),
            ("SLAVES abc", "-ERR Unknown node abc"),
            ("COUNT-FAILURE-REPORTS abc", "-ERR Unknown node abc"),
        ] {
            client.call(&format!("CLUSTER {line}"), format!("{reply}\r\n"));
        }
        let help = client.ask("CLUSTER HELP");
        assert_eq!(
            help.elements()[0].text(),
            "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        );
        for line in ["READONLY", "READWRITE", "ASKING"] {
            client.call(line, "+OK\r\n");
        }
    });
}

#[test]
fn nobody_decides_whose_slots_are_whose() {
    enabled(|server, protocol, _| {
        let mut client = server.speaking(protocol);
        for line in ["ADDSLOTS 1", "MEET 127.0.0.1 1", "FORGET a", "RESET", "FAILOVER", "SETSLOT 1 STABLE"] {
            client.call(
                &format!("CLUSTER {line}"),
                "-ERR Instances divide the slots among themselves, and find each other: see cluster-peer\r\n",
            );
        }
    });
}

#[test]
fn it_says_that_it_is_a_cluster_wherever_clients_look() {
    enabled(|server, protocol, _| {
        let mut client = server.speaking(protocol);
        let number = if protocol == Protocol::Resp2 { 2 } else { 3 };
        assert_eq!(client.ask(&format!("HELLO {number}")).field("mode").text(), "cluster");
        assert_eq!(server.info("redis_mode"), "cluster");
        assert_eq!(server.info("cluster_enabled"), "1");
        client.call("SELECT 1", "-ERR SELECT is not allowed in cluster mode\r\n");
        client.call("SELECT 0", "+OK\r\n");
        client.call(
            "SELECT 99999999999",
            "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n",
        );
        // Channels of several slots, and none is MOVED.
        client.command("SSUBSCRIBE a b");
        for (count, channel) in [(1, "a"), (2, "b")] {
            let confirmation = client.value();
            assert_eq!(confirmation.elements()[1].text(), channel);
            assert_eq!(confirmation.elements()[2], Value::Integer(count));
        }
        server.speaking(protocol).call("SPUBLISH b hello", ":1\r\n");
    });
}

#[test]
fn an_instance_alone_has_no_peers() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("the command is ours") {
            return;
        }
        let mut client = server.speaking(protocol);
        client.call("HEREABOUTS.PEERS", "*0\r\n");
        client
            .call("HEREABOUTS.PEERS x", "-ERR wrong number of arguments for 'hereabouts.peers' command\r\n");
        assert_eq!(server.info("cluster_enabled"), "0");
        assert_eq!(server.info("cluster_instances_up"), "1");
        assert_eq!(server.info("cluster_messages_dropped"), "0");
    });
}
