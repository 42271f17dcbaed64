//! Frames there and back, and frames that are none.

use proptest::prelude::*;

use super::*;
use crate::crdt::entries::{Name, Number};

type Sample = Message<Name, Number>;

fn owner() -> impl Strategy<Value = Owner> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(node, incarnation)| Owner { node: NodeId(node), incarnation: Incarnation(incarnation) })
}

fn update() -> impl Strategy<Value = Sample> {
    let changes = prop::collection::btree_map(1..u64::MAX, (any::<u8>(), any::<Option<u64>>()), 0..20);
    let numbers = (any::<u64>(), any::<u64>());
    (owner(), any::<Option<u64>>(), numbers, changes, any::<Option<u64>>()).prop_map(
        |(owner, base, (transfer, index), changes, to)| {
            let last = changes.keys().next_back().copied().unwrap_or(0);
            let changes = changes.into_iter().map(|(version, (key, value))| Change {
                key: Name(key),
                version,
                value: value.map(Number),
            });
            Message::Update(Update {
                owner,
                transfer,
                base: base.map(|base| base.min(u64::MAX - 1)),
                index,
                changes: changes.collect(),
                to: to.map(|to| to.max(last)),
            })
        },
    )
}

fn message() -> impl Strategy<Value = Sample> {
    let kind = prop::sample::select(vec![DigestKind::Own, DigestKind::Full, DigestKind::Answer]);
    let standing = (any::<Option<(u64, bool)>>(), any::<bool>());
    let held = (owner(), any::<u64>(), any::<Option<u64>>(), standing).prop_map(
        |(owner, version, hash, (down, shown))| Held {
            owner,
            version,
            hash,
            down: down.map(|(for_ms, for_good)| Down { for_ms, for_good }),
            shown: shown && down.is_none(),
        },
    );
    prop_oneof![
        update(),
        (kind, prop::collection::vec(held, 0..20)).prop_map(|(kind, held)| Message::Digest(kind, held)),
        (owner(), any::<u64>(), any::<bool>()).prop_map(|(owner, version, repair)| Message::Pull {
            owner,
            version,
            repair
        }),
        any::<u64>().prop_map(|known| Message::Stale(Incarnation(known))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read(message in message()) {
        prop_assert_eq!(Sample::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn mutated_frames_are_read_or_refused(message in message(), place: usize, byte: u8, cut: usize) {
        let mut frame = message.encode();
        let place = place % frame.len();
        frame[place] = byte;
        let _ = Sample::decode(&frame);
        frame.truncate(cut % (frame.len() + 1));
        let _ = Sample::decode(&frame);
    }

    #[test]
    fn any_bytes_are_read_or_refused(frame: Vec<u8>) {
        let _ = Sample::decode(&frame);
    }
}

#[test]
fn an_announced_length_takes_no_memory() {
    // A digest of 4096 owners in six bytes.
    let frame = [LAYOUT, DIGEST, 1, 0x80, 0x20];
    assert_eq!(Sample::decode(&frame), Err(Malformed("a frame ends early")));
    let frame = [LAYOUT, DIGEST, 1, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(Sample::decode(&frame), Err(Malformed("a digest names too many owners")));
}
