//! Gossip over real sockets of this machine.

use std::time::Duration;

use super::*;
use crate::crdt::{NodeId, Owner};

/// So long nothing takes; whoever waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

struct Instance {
    gossip: Gossip,
    events: Receiver<Event>,
    address: SocketAddr,
    node: NodeId,
}

fn start(node: u64, bind: &str, secrets: &[&str], seeds: Vec<String>) -> Instance {
    let socket = UdpSocket::bind(bind).unwrap();
    let address = own_address(&socket).unwrap();
    let owner = Owner { node: NodeId(node), incarnation: Incarnation(1 << 20) };
    let settings = Settings {
        secrets: secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect(),
        probe_period_ms: 200,
        probe_timeout_ms: 80,
        suspicion_ms: 800,
        retry_ms: 100,
        ..Settings::default()
    };
    let me = Peer::new(owner, address, address, (1, 1));
    let (sender, events) = unbounded();
    let tell = move |event| sender.send(event).unwrap_or_default();
    let gossip = Gossip::start(Start { socket, me, settings, seeds, entropy: node }, tell).unwrap();
    Instance { gossip, events, address, node: NodeId(node) }
}

impl Instance {
    /// Waits until it is told so.
    fn hears(&self, is: impl Fn(&Event) -> bool) {
        while !is(&self.events.recv_timeout(PATIENCE).expect("an event")) {}
    }

    fn hears_up(&self, node: NodeId) {
        self.hears(|event| matches!(event, Event::Up(peer) if peer.owner.node == node));
    }

    fn refused(&self, reason: Refused) -> u64 {
        self.gossip.refused().find(|(refused, _)| *refused == reason).unwrap().1
    }
}

#[test]
fn three_see_each_other_and_who_goes() {
    for (bind, secrets) in [("127.0.0.1:0", &["s"][..]), ("127.0.0.1:0", &[]), ("[::]:0", &["s"])] {
        let first = start(1, bind, secrets, vec![]);
        let seeds = vec![format!("localhost:{}", first.address.port()), "no.such.host.invalid:1".into()];
        let second = start(2, bind, secrets, seeds.clone());
        first.hears_up(second.node);
        second.hears_up(first.node);
        let third = start(3, bind, secrets, seeds);
        for (one, other) in [(&first, &third), (&second, &third), (&third, &first)] {
            one.hears_up(other.node);
        }
        let (third_node, second_node) = (third.node, second.node);
        drop(third.gossip);
        for one in [&first, &second] {
            one.hears(|event| matches!(event, Event::Down(peer) if peer.owner.node == third_node));
        }
        second.gossip.leave();
        first.hears(|event| matches!(event, Event::Left(peer) if peer.owner.node == second_node));
    }
}

#[test]
fn strangers_are_counted_and_do_no_harm() {
    let instance = start(1, "127.0.0.1:0", &["right"], vec![]);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let wrong = start(2, "127.0.0.1:0", &["wrong"], vec![instance.address.to_string()]);
    stranger.send_to(&[1; 2_000], instance.address).unwrap();
    stranger.send_to(b"\x09", instance.address).unwrap();
    let reasons = [Refused::Unsealed, Refused::TooLong, Refused::NoEnvelope];
    let began = Instant::now();
    while reasons.iter().any(|reason| instance.refused(*reason) == 0) {
        assert!(began.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let right = start(3, "127.0.0.1:0", &["right"], vec![instance.address.to_string()]);
    instance.hears_up(right.node);
    assert!(wrong.events.is_empty());
}
