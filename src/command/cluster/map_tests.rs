//! All instances find the same slots, and each client addresses that it can reach.

use std::net::SocketAddr;

use super::*;
use crate::broker::roster::Losses;
use crate::crdt::{Incarnation, Owner};
use crate::link::{ClientAddress, Report, Standing};

pub(in crate::command) fn owner(node: u64) -> Owner {
    Owner { node: NodeId(node), incarnation: Incarnation(5) }
}

/// An instance that takes clients at 10.0.0.`node`:6379, and with TLS at 6390.
pub(in crate::command) fn peer(node: u64) -> Peer {
    let link = SocketAddr::from(([10, 0, 0, node as u8], 16_379));
    let report = Report {
        standing: Standing::Up,
        epoch: 3,
        clients: Some(ClientAddress { ip: None, port: 6379, tls_port: 6390 }),
        connections: 3,
        queued_bytes: 17,
        queued_messages: 2,
        dropped: [1, 0, 0, 0],
        lost: [0, 0, 4, 0],
    };
    Peer {
        owner: owner(node),
        state: State::Up,
        gossip: link,
        link,
        report,
        linked_since: None,
        round_trip: None,
        interest_lag: None,
        presence_lag: 0,
    }
}

pub(in crate::command) fn roster(me: u64, peers: &[Peer]) -> Roster {
    Roster { me: owner(me), peers: peers.to_vec(), losses: Losses::default(), divergences: 0, unheard: 0 }
}

fn tcp(text: &str) -> Address {
    Address::Tcp(text.parse().unwrap())
}

fn config() -> Config {
    let mut config = Config { port: Some(6379), ..Config::default() };
    config.cluster.peers = vec!["10.0.0.9:16379".to_owned()];
    config.tls.port = Some(6390);
    config
}

fn map(me: u64, peers: &[Peer]) -> Map {
    Map::new(&roster(me, peers), &config(), &tcp(&format!("10.0.0.{me}:6379")))
}

/// What clients are told of where slots are.
fn told(map: &Map) -> Vec<String> {
    let line = |node: &Node| format!("{:?} {} {}:{}", node.slots, node.id, node.ip, map.port(node));
    map.up().map(line).collect()
}

#[test]
fn all_instances_tell_the_same() {
    let whole = map(1, &[peer(2), peer(3)]);
    assert_eq!(
        whole.up().map(|node| node.slots.unwrap()).collect::<Vec<_>>(),
        [(0, 5460), (5461, 10_921), (10_922, 16_383)]
    );
    assert_eq!(told(&whole), told(&map(3, &[peer(2), peer(1)])));
    assert_eq!(told(&whole), told(&map(2, &[peer(1), peer(3)])));
    let epochs: Vec<usize> = whole.nodes.iter().map(|node| node.epoch).collect();
    assert_eq!(epochs, [1, 2, 3]);
}

#[test]
fn slots_go_to_those_that_are_up() {
    let gone = |state| Peer { state, ..peer(1) };
    let two = map(2, &[gone(State::Down), peer(3)]);
    assert_eq!(told(&two), told(&map(3, &[peer(2)])));
    assert_eq!(two.nodes.len(), 3);
    assert_eq!((two.nodes[0].slots, two.nodes[0].is_up), (None, false));
    assert_eq!(map(2, &[gone(State::Left), peer(3)]).nodes.len(), 2);
    // One that has not said where its clients are cannot be told of.
    let mut silent = peer(1);
    silent.report.clients = None;
    assert_eq!(map(2, &[silent]).nodes.len(), 1);
    // One whose links are lost may still be there for its clients.
    let mut cut = peer(1);
    cut.report.standing = Standing::Down;
    let cut = map(2, &[cut]);
    assert!(!cut.nodes[0].is_linked && cut.nodes[0].slots.is_some());
}

#[test]
fn who_asks_is_told_of_this_instance_where_he_has_found_it() {
    let at = |address: &Address, config: &Config| {
        let map = Map::new(&roster(1, &[peer(2)]), config, address);
        map.nodes.iter().map(|node| format!("{}:{}", node.ip, map.port(node))).collect::<Vec<_>>()
    };
    assert_eq!(at(&tcp("192.168.0.1:6379"), &config()), ["192.168.0.1:6379", "10.0.0.2:6379"]);
    assert_eq!(at(&tcp("[::ffff:127.0.0.1]:6379"), &config()), ["127.0.0.1:6379", "10.0.0.2:6379"]);
    assert_eq!(at(&tcp("[::1]:6390"), &config()), ["::1:6390", "10.0.0.2:6390"]);
    let unix = Address::Unix(std::sync::Arc::new("/run/socket".into()));
    assert_eq!(at(&unix, &config()), ["127.0.0.1:6379", "10.0.0.2:6379"]);
    let only_tls = Config { port: None, ..config() };
    assert_eq!(at(&unix, &only_tls), ["127.0.0.1:6390", "10.0.0.2:6390"]);
    let mut announced = config();
    (announced.face.announce_port, announced.face.announce_tls_port) = (7000, 7001);
    assert_eq!(at(&tcp("192.168.0.1:6379"), &announced)[0], "192.168.0.1:7000");
    assert_eq!(at(&tcp("192.168.0.1:6390"), &announced)[0], "192.168.0.1:7001");
    announced.cluster.announce_ip = "203.0.113.1".to_owned();
    assert_eq!(at(&tcp("192.168.0.1:6379"), &announced)[0], "203.0.113.1:7000");
}

#[test]
fn what_a_peer_announces_is_told() {
    let mut announced = peer(2);
    announced.report.clients =
        Some(ClientAddress { ip: Some("203.0.113.9".parse().unwrap()), port: 7000, tls_port: 0 });
    let map = Map::new(&roster(1, &[announced]), &config(), &tcp("10.0.0.1:6390"));
    let other = &map.nodes[1];
    // It has no port with TLS: better the other one than none.
    assert_eq!((other.ip.to_string(), map.port(other)), ("203.0.113.9".to_owned(), 7000));
}

#[test]
fn an_id_has_forty_digits_and_begins_with_the_nodes() {
    assert_eq!(long_id(NodeId(0xAB)), "00000000000000ab000000000000000000000000");
}
