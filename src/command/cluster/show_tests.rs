//! The replies of three instances, of which one is down, beside those that a redis-server 7.2 would give.

use std::time::Duration;

use super::super::map::tests::{peer, roster};
use super::*;
use crate::broker::clients::Address;
use crate::broker::roster::{Peer, State};
use crate::config::Config;
use crate::resp::Protocol;

const TWO: &str = "0000000000000002000000000000000000000000";
const THREE: &str = "0000000000000003000000000000000000000000";
const FOUR: &str = "0000000000000004000000000000000000000000";

fn three() -> Roster {
    let down = Peer { state: State::Down, ..peer(4) };
    let linked = Peer { linked_since: Some(Duration::from_millis(1_700_000_000_123)), ..peer(3) };
    roster(2, &[linked, down])
}

fn three_map() -> Map {
    let mut config = Config { port: Some(6379), ..Config::default() };
    config.cluster.peers = vec!["10.0.0.9:16379".to_owned()];
    Map::new(&three(), &config, &Address::Tcp("192.168.0.2:6379".parse().unwrap()))
}

fn written(protocol: Protocol, write: impl Fn(&mut Reply<'_>)) -> String {
    let mut bytes = Vec::new();
    write(&mut Reply::new(&mut bytes, protocol));
    String::from_utf8(bytes).unwrap().replace("\r\n", " ")
}

#[test]
fn slots() {
    let reply = |metadata: &str| {
        format!(
            "*2 *3 :0 :8191 *4 $11 192.168.0.2 :6379 $40 {TWO} {metadata} \
             *3 :8192 :16383 *4 $8 10.0.0.3 :6379 $40 {THREE} {metadata} "
        )
    };
    assert_eq!(written(Protocol::Resp2, |to| write_slots(to, &three_map())), reply("*0"));
    assert_eq!(written(Protocol::Resp3, |to| write_slots(to, &three_map())), reply("%0"));
}

#[test]
fn shards() {
    let reply = |two: &str, seven: &str, eight: &str| {
        let end = "$4 role $6 master $18 replication-offset :0 $6 health $6 online ";
        format!(
            "*2 {two} $5 slots *2 :0 :8191 $5 nodes *1 {seven} $2 id $40 {TWO} $4 port :6379 \
             $2 ip $11 192.168.0.2 $8 endpoint $11 192.168.0.2 {end}\
             {two} $5 slots *2 :8192 :16383 $5 nodes *1 {eight} $2 id $40 {THREE} $4 port :6379 $8 tls-port :6390 \
             $2 ip $8 10.0.0.3 $8 endpoint $8 10.0.0.3 {end}"
        )
    };
    let resp2 = written(Protocol::Resp2, |to| write_shards(to, &three_map()));
    assert_eq!(resp2, reply("*4", "*14", "*16"));
    let resp3 = written(Protocol::Resp3, |to| write_shards(to, &three_map()));
    assert_eq!(resp3, reply("%2", "%7", "%8"));
}

#[test]
fn nodes() {
    assert_eq!(
        node_lines(&three_map()),
        format!(
            "{TWO} 192.168.0.2:6379@16379 myself,master - 0 0 1 connected 0-8191\n\
             {THREE} 10.0.0.3:6379@16379 master - 0 0 2 connected 8192-16383\n\
             {FOUR} 10.0.0.4:6379@16379 master,fail - 0 0 3 connected\n"
        )
    );
}

#[test]
fn info() {
    let mut roster = three();
    roster.losses.dropped[Loss::Limit as usize] = 9;
    let lines = info_lines(&three_map(), &roster);
    assert!(lines.starts_with("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"));
    assert!(lines.ends_with("\r\ntotal_cluster_links_buffer_limit_exceeded:9\r\n"));
    for line in ["cluster_known_nodes:3", "cluster_size:2", "cluster_current_epoch:3", "cluster_my_epoch:1"] {
        assert!(lines.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn links() {
    let reply = |six: &str| {
        format!(
            "*1 {six} $9 direction $2 to $4 node $40 {THREE} $11 create-time :1700000000123 $6 events $2 rw \
             $21 send-buffer-allocated :17 $16 send-buffer-used :17 "
        )
    };
    assert_eq!(written(Protocol::Resp2, |to| write_links(to, &three())), reply("*12"));
    assert_eq!(written(Protocol::Resp3, |to| write_links(to, &three())), reply("%6"));
}
