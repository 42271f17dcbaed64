//! Several instances as clients of a Redis Cluster see them (`cluster-enabled yes`), and what each tells of the others.

use rustix::process::Signal;

use super::Instances;
use crate::support::{Protocol, Server, Value, differs_from_oracle, eventually};

const OURS: &str = "a Redis Cluster has to be given its slots first";

/// First and last slot, and the port to which it sends its clients, of each instance.
fn slots(server: &Server, protocol: Protocol) -> Vec<[Value; 3]> {
    let slots = server.speaking(protocol).ask("CLUSTER SLOTS");
    let range = |range: &Value| {
        let [first, last, node] = range.elements() else { panic!("{range:?}") };
        [first.clone(), last.clone(), node.elements()[1].clone()]
    };
    slots.elements().iter().map(range).collect()
}

#[test]
fn all_divide_the_slots_alike_and_again_when_one_is_gone() {
    if differs_from_oracle(OURS) {
        return;
    }
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut instances = Instances::start_with(3, &["--cluster-enabled", "yes"]);
        let divided = |instances: &Instances, ranges: &[(i64, i64)]| -> Vec<[Value; 3]> {
            let numbers = ranges.iter().zip(&instances.servers);
            numbers
                .map(|((first, last), server)| [*first, *last, server.port.into()].map(Value::Integer))
                .collect()
        };
        let three = divided(&instances, &[(0, 5460), (5461, 10_921), (10_922, 16_383)]);
        for server in &instances.servers {
            eventually("three have slots", || slots(server, protocol) == three);
        }
        let killed = instances.take(1);
        killed.signal(Signal::KILL);
        let two = divided(&instances, &[(0, 8191), (8192, 16_383)]);
        for server in &instances.servers {
            eventually("two have slots", || slots(server, protocol) == two);
        }
    }
}

#[test]
fn each_counts_its_own_subscribers_and_messages_cross_all_the_same() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::start_with(2, &["--cluster-enabled", "yes"]);
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut subscriber = instances[0].speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "news", 1);
        let mut publisher = instances[1].speaking(protocol);
        publisher.call("PUBLISH news hello", ":0\r\n");
        subscriber.expect_message("news", "hello");
        publisher.call("PUBSUB NUMSUB news", "*2\r\n$4\r\nnews\r\n:0\r\n");
        publisher.call("PUBSUB CHANNELS", "*0\r\n");
        instances[0].speaking(protocol).call("PUBSUB NUMSUB news", "*2\r\n$4\r\nnews\r\n:1\r\n");
    }
}

#[test]
fn each_tells_of_the_others() {
    if differs_from_oracle("the command is ours") {
        return;
    }
    let instances = Instances::start(2);
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut client = instances[0].speaking(protocol);
        eventually("all links are up", || {
            client.ask("HEREABOUTS.PEERS").elements()[0].field("link").text() == "up"
        });
        let peers = client.ask("HEREABOUTS.PEERS");
        let [peer] = peers.elements() else { panic!("{peers:?}") };
        assert_eq!(peer.field("node").text(), "0000000000000002");
        assert_eq!(peer.field("state").text(), "up");
        assert_eq!(peer.field("client-port"), &Value::Integer(instances[1].port.into()));
        assert_eq!(peer.field("dropped").field("limit"), &Value::Integer(0));
        assert_eq!(instances[0].info("cluster_instances_up"), "2");
        let line = instances[0].info("peer0");
        assert!(line.starts_with("node=0000000000000002,ip=127.0.0.1,port="), "{line}");
    }
}
