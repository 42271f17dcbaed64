//! What is written is read again; what is no frame is refused, and says which.

use proptest::prelude::*;

use super::*;
use crate::link::fragment::{FRAGMENT_BYTES, Fragments, LANES};

fn all_kinds() -> Vec<Frame<'static>> {
    let message = |kind| Frame::Message { kind, channel: b"news", payload: b"hello" };
    let start = Start { life: u64::MAX, peer_life: 7, handed: 300 };
    vec![
        Frame::Ping(b"12345678"),
        Frame::Pong(b""),
        Frame::Bye(Farewell::Stale),
        Frame::Start(start),
        Frame::Dropped { loss: Loss::GivenUp, total: 1 << 40 },
        Frame::Interest(b"interest"),
        Frame::InterestApplied(12),
        Frame::Presence(b""),
        message(ChannelKind::Global),
        message(ChannelKind::Shard),
    ]
}

#[test]
fn what_is_written_is_read_again() {
    for frame in all_kinds() {
        let mut out = Vec::new();
        frame.append(&mut out);
        let (kind, body, length) = split(&out, BODY_BYTES_MAX).unwrap().unwrap();
        assert_eq!((kind, length), (frame.kind(), out.len()));
        assert_eq!(Frame::decode(kind, body), Ok(Some(frame)));
        for end in 0..out.len() {
            assert_eq!(split(&out[..end], BODY_BYTES_MAX), Ok(None));
        }
    }
}

#[test]
fn several_messages_are_read_one_by_one() {
    let wanted: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"", b""), (b"a", b"22")];
    let mut body = Vec::new();
    append_messages(&mut body, ChannelKind::Shard, wanted.into_iter());
    let frame = Frame::decode(kind::MESSAGES, &body).unwrap().unwrap();
    assert_eq!(frame.messages(), 3);
    let Frame::Messages(messages) = frame else { panic!("{frame:?}") };
    assert_eq!(messages.kind, ChannelKind::Shard);
    assert_eq!(messages.collect::<Vec<_>>(), wanted);
    // One that ends early is none at all.
    body.pop();
    assert!(Frame::decode(kind::MESSAGES, &body).is_err());
}

#[test]
fn an_unknown_frame_is_skipped_if_it_may_be() {
    assert_eq!(Frame::decode(SKIPPABLE | 5, b"anything"), Ok(None));
    assert_eq!(Frame::decode(99, b"anything"), Err(Fault::Unknown(99)));
    // A later version has more reasons for losses.
    assert_eq!(Frame::decode(kind::DROPPED, &[200, 1]), Ok(None));
    assert_eq!(Frame::decode(kind::BYE, &[200]), Ok(Some(Frame::Bye(Farewell::Other))));
}

#[test]
fn a_fault_says_which_frame_it_is() {
    assert_eq!(split(&[99, 1, 0, 1], BODY_BYTES_MAX), Err(Fault::TooLong { kind: 99, length: 65_537 }));
    assert_eq!(Fault::Unknown(99).to_string(), "a frame of the unknown kind 99");
    for kind in [kind::HELLO, kind::PROOF, kind::FRAGMENT] {
        assert_eq!(Frame::decode(kind, b""), Err(Fault::Unexpected(kind)));
    }
    for (kind, body) in [
        (kind::MESSAGE, b"\x02\x01ab".as_slice()),
        (kind::MESSAGE, b"\x00\x05ab"),
        (kind::MESSAGE, b""),
        (kind::PING, &[0; 65]),
        (kind::START, &[1, 2]),
        (kind::INTEREST_APPLIED, &[1, 2]),
        (kind::DROPPED, &[0, 1, 2]),
        (kind::BYE, b""),
    ] {
        assert!(matches!(Frame::decode(kind, body), Err(Fault::Malformed(_))), "{kind}");
    }
}

/// The bodies that fragments give.
fn assemble(fragments: &mut Fragments, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut rest, mut whole) = (bytes, Vec::new());
    while let Some((kind, body, length)) = split(rest, BODY_BYTES_MAX).unwrap() {
        assert_eq!(kind, kind::FRAGMENT);
        whole.extend(fragments.add(body, 1 << 25).unwrap());
        rest = &rest[length..];
    }
    assert_eq!(rest, b"");
    whole
}

#[test]
fn a_large_body_is_cut_and_put_together_again() {
    for length in [BODY_BYTES_MAX + 1, 2 * FRAGMENT_BYTES, 2 * FRAGMENT_BYTES + 1, 1_000_000] {
        let body = vec![5; length];
        let mut out = b"before".to_vec();
        Frame::Interest(&body).append(&mut out);
        let whole = assemble(&mut Fragments::default(), &out[6..]);
        assert_eq!(whole, [(kind::INTEREST, body)]);
    }
}

#[test]
fn bodies_in_different_lanes_may_be_mixed() {
    let bodies: Vec<_> = (0..LANES as u8).map(|lane| vec![lane; 100_000]).collect();
    let mut cuts: Vec<_> = bodies.iter().map(|body| Cut::new(kind::MESSAGE, body.clone().into())).collect();
    let mut out = Vec::new();
    for _ in 0..2 {
        cuts.iter_mut().enumerate().for_each(|(lane, cut)| {
            cut.append_next(lane as u8, &mut out);
        });
    }
    let whole = assemble(&mut Fragments::default(), &out);
    assert_eq!(whole.into_iter().map(|(_, body)| body).collect::<Vec<_>>(), bodies);
}

#[test]
fn fragments_that_do_not_fit_are_refused_and_cost_what_they_bring() {
    let mut fragments = Fragments::default();
    for (body, why) in [
        (b"".as_slice(), "no lane"),
        (b"\x00x", "nothing to go on with"),
        (b"\x08x", "no such lane"),
        (b"\x88\x20\x01x", "no such lane"),
        (b"\x80\x20\x05", "nothing in it"),
        (b"\x80\x20\x01xy", "more than it announced"),
    ] {
        assert!(matches!(fragments.add(body, 100), Err(Fault::Malformed(_))), "{why}");
        fragments = Fragments::default();
    }
    assert_eq!(fragments.add(b"\x80\x20\x65x", 100), Err(Fault::TooLong { kind: 32, length: 101 }));
    assert_eq!(fragments.add(b"\x80\x20\x64x", 100), Ok(None));
    assert_eq!(fragments.bytes(), 1);
    assert!(fragments.add(b"\x80\x20\x64x", 100).is_err(), "one has begun already");
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(kind: u8, body: Vec<u8>) {
        if let Ok(Some(frame)) = Frame::decode(kind, &body) {
            let mut written = Vec::new();
            frame.append_body(&mut written);
            prop_assert_eq!(Frame::decode(frame.kind(), &written), Ok(Some(frame)));
        }
    }
}
