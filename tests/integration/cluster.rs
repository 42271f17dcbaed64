//! CLUSTER and its relatives on a server that is no part of a Redis Cluster. A success would make client libraries
//! believe that it is one.

use crate::support::{both_protocols, differs_from_oracle};

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
