//! A broker whose clock has gone back, or whose node id another process has, with links that only count.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::broker::configuration::{Host, Refusal};
use crate::broker::peers::{Inbox, Link, Network};
use crate::broker::{Identity, ProcessorTime};
use crate::config::Config;
use crate::crdt::{NodeId, Owner, Replica, Settings};
use crate::link::{Event, Frame, Loss, Outgoing, Report, Standing};
use crate::map::HashKeys;
use crate::membership;
use crate::presence::{Entry, Name};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

const ME: NodeId = NodeId(2);
const PEER: NodeId = NodeId(1);

struct NoHost;

impl Host for NoHost {
    fn apply(&self, _: &Config, _: &mut Config) -> Result<(), Refusal> {
        Ok(())
    }

    fn rewrite(&self, _: &Config) -> Result<bool, String> {
        Ok(false)
    }

    fn wait(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// Counts how often it is told that this instance is another one.
#[derive(Default)]
struct Counting {
    renewed: AtomicU64,
    sent: Mutex<Vec<Vec<u8>>>,
}

impl Link for Counting {
    fn publish(&self, _: u64, _: &Outgoing<'_>) -> Result<(), Loss> {
        Ok(())
    }

    fn send(&self, frame: &Frame<'_>) {
        if let Frame::Presence(bytes) = frame {
            self.sent.lock().push(bytes.to_vec());
        }
    }

    fn has_room(&self) -> bool {
        true
    }

    fn renew(&self) {
        self.renewed.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {}

    fn give_up(&self) {}

    fn report(&self) -> (Report, Option<Duration>) {
        let report = Report {
            standing: Standing::Up,
            epoch: 1,
            clients: None,
            options: Vec::new(),
            connections: 3,
            queued_bytes: 0,
            queued_messages: 0,
            dropped: Default::default(),
            lost: Default::default(),
        };
        (report, None)
    }
}

struct OneLink(Arc<Counting>);

impl Network for OneLink {
    fn connect(&self, _: &membership::Peer, _: u64) -> Result<Arc<dyn Link>, String> {
        Ok(self.0.clone())
    }
}

fn now(ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(ms), unix: Duration::from_millis(1_000_000 + ms) }
}

fn later(ms: u64) -> Incarnation {
    Incarnation::draw(5_000_000 + ms, None, 3)
}

/// One that is linked with one peer.
fn broker() -> (Broker, OneLink) {
    let identity = Identity {
        monotonic: || Duration::ZERO,
        resident_bytes: || 0,
        processor_time: ProcessorTime::default,
        allocator_report: String::new,
        allocator: String::new(),
        system: String::new(),
        system_bytes: 0,
        node: ME,
        life: 7,
        run_id: String::new(),
        process_id: 0,
        executable: String::new(),
        config_file: String::new(),
        command_rows: 0,
    };
    let network = OneLink(Arc::default());
    let broker = Broker::new(Config::default(), Box::new(NoHost), identity, HashKeys::new([1, 2]), now(0));
    broker.interest.enable();
    let owner = Owner { node: PEER, incarnation: Incarnation(1 << 20) };
    let address = "127.0.0.1:1".parse().unwrap();
    let peer = membership::Peer::new(owner, address, address, (1, 1));
    broker.handle_membership(now(0), membership::Event::Up(peer), 0, &network);
    broker.handle_link(now(0), PEER, 1, Event::Up);
    (broker, network)
}

/// What presence, interest and gossip say, and how often links were told.
fn lives(broker: &Broker, network: &OneLink) -> ([Incarnation; 2], Option<Incarnation>, u64) {
    let owners = [broker.presence.owner(), broker.interest.owner()];
    let renewed = network.0.renewed.load(Ordering::Relaxed);
    (owners.map(|owner| owner.incarnation), broker.poll_life(), renewed)
}

#[test]
fn what_gossip_knows_leads_to_one_new_life_everywhere_told_once() {
    let (broker, network) = broker();
    broker.handle_membership(now(1), membership::Event::Conflict(later(0)), 9, &network);
    let ([presence, interest], gossip, renewed) = lives(&broker, &network);
    assert!(presence > later(0) && presence.0 & 0xF == 9);
    assert_eq!((interest, gossip, renewed), (presence, Some(presence), 1));
    // It is known by another way, too.
    broker.handle_membership(now(2), membership::Event::Conflict(later(0)), 8, &network);
    assert_eq!(lives(&broker, &network), ([presence; 2], None, 1));
    assert_eq!(broker.stop_requested(), None);
}

#[test]
fn what_a_peer_says_over_a_link_does_so_too() {
    let (broker, network) = broker();
    // A peer that knows a later life of this node says so when it is told of the present one.
    let keys = HashKeys::new([1, 2]);
    let owner = Owner { node: PEER, incarnation: Incarnation(1 << 20) };
    let mut peer: Replica<Name, Entry> = Replica::new(owner, Settings::default(), keys, 0);
    peer.node_up(0, ME, later(0));
    peer.link_up(0, ME);
    let mut ready = Default::default();
    broker.presence_turn(now(1), &mut ready);
    broker.send_presence();
    let sent = std::mem::take(&mut *network.0.sent.lock());
    assert!(!sent.is_empty());
    sent.iter().for_each(|frame| peer.handle_message(1, ME, frame, 0).unwrap());
    let answers: Vec<_> = std::iter::from_fn(|| peer.poll_message()).collect();
    let mut inbox = Inbox::default();
    for (_, answer) in &answers {
        broker.take_frame(now(2), PEER, Frame::Presence(answer), 9, &mut inbox).unwrap();
    }
    let ([presence, interest], gossip, renewed) = lives(&broker, &network);
    assert!(presence > later(0));
    assert_eq!((interest, gossip, renewed), (presence, Some(presence), 1));
}

#[test]
fn again_and_again_within_a_minute_it_ends_and_tells_nobody_of_its_last_life() {
    let (broker, network) = broker();
    for time in 1..=3 {
        let known = broker.presence.owner().incarnation.0 + (1 << 20);
        let event = membership::Event::Conflict(Incarnation(known));
        broker.handle_membership(now(time * 20_000), event, time, &network);
        let ([presence, interest], gossip, renewed) = lives(&broker, &network);
        assert_eq!((interest, gossip, renewed), (presence, Some(presence), time));
        assert_eq!(broker.stop_requested(), None);
    }
    let event = membership::Event::Conflict(later(99));
    broker.handle_membership(now(80_000), event, 0, &network);
    assert_eq!(broker.stop_requested(), Some(StopRequest::SameNodeId));
    let (_, gossip, renewed) = lives(&broker, &network);
    assert_eq!((gossip, renewed), (None, 3));
}

#[test]
fn clocks_that_go_back_now_and_then_are_no_conflict() {
    let (broker, network) = broker();
    for time in 1..=10 {
        let event = membership::Event::Conflict(later(time * 1000));
        broker.handle_membership(now(time * 61_000), event, time, &network);
    }
    assert_eq!(broker.stop_requested(), None);
    assert_eq!(network.0.renewed.load(Ordering::Relaxed), 10);
}
