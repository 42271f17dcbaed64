//! Any bytes as datagrams: first as they are, then cut into letters that are sealed by an instance that knows the secret.
//! Whatever it says, the machine neither panics nor takes much memory, and sends nothing that is too long.

#![no_main]

use std::net::SocketAddr;

use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::membership::envelope::Secrets;
use hereabouts::membership::machine::DATAGRAM_BYTES_MAX;
use hereabouts::membership::{Membership, Peer, Settings};
use libfuzzer_sys::fuzz_target;

fn owner(node: u64) -> Owner {
    Owner { node: NodeId(node), incarnation: Incarnation(1 << 20) }
}

fuzz_target!(|input: &[u8]| {
    let from = SocketAddr::from(([127, 0, 0, 1], 2));
    let me = Peer::new(owner(1), SocketAddr::from(([127, 0, 0, 1], 1)), from, (1, 1));
    let settings = Settings { secrets: vec![b"secret".to_vec()], ..Settings::default() };
    let mut machine = Membership::new(me, &settings, 7, 0);
    let mut sealer = Secrets::new(&settings.cluster_name, &settings.secrets).sealer(owner(2), 1);

    assert!(machine.handle_datagram(0, from, input).is_err());
    let mut now_ms = 0;
    let mut rest = input;
    while let Some((first, behind)) = rest.split_first() {
        let (letter, behind) = behind.split_at(behind.len().min(usize::from(*first) * 4));
        rest = behind;
        if let Some(datagram) = sealer.seal(0, letter) {
            let _ = machine.handle_datagram(now_ms, from, &datagram);
        }
        now_ms += 200;
        machine.handle_timeout(now_ms);
        while let Some((_, datagram)) = machine.poll_datagram() {
            assert!(datagram.len() <= DATAGRAM_BYTES_MAX);
        }
        while machine.poll_event().is_some() {}
    }
    // Each member was named in a letter.
    assert!(machine.peers().count() <= input.len() / 30);
});
