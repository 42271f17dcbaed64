//! One connection: however its bytes are split the frames are the same; who is silent or takes nothing is dead.

use proptest::prelude::*;

use super::*;
use crate::crdt::{Incarnation, Owner};
use crate::link::frame::{Farewell, Start, kind};
use crate::link::handshake::{ClientAddress, VERSIONS};
use crate::resp::push::ChannelKind;

const NOW: Now = Now { monotonic: Duration::from_secs(100), unix: Duration::ZERO };

fn me(node: u64) -> Me {
    let owner = Owner { node: NodeId(node), incarnation: Incarnation(3) };
    Me {
        owner,
        cluster: b"test".to_vec(),
        features: 0,
        message_max: 1 << 20,
        clients: ClientAddress::default(),
    }
}

fn secrets() -> Secrets {
    Secrets::new(Some(b"secret".to_vec()), None)
}

fn pair(link: LinkKind) -> (Connection, Connection) {
    let hello = Hello { versions: VERSIONS, me: me(1), epoch: 1, link, data_links: 2 };
    let dialler = Connection::dial(hello, NodeId(2), secrets(), false, [1; 32]).unwrap();
    (dialler, Connection::accept(me(2), secrets(), false, [2; 32]).unwrap())
}

fn output(connection: &mut Connection) -> Vec<u8> {
    let mut out = Vec::new();
    connection.take_output(&mut out);
    out
}

/// What is handed on, as text, until nothing more comes.
fn receive(connection: &mut Connection, bytes: &[u8], frames: &mut Vec<String>) -> Result<bool, Failure> {
    connection.receive(NOW, bytes, &mut |frame| {
        frames.push(format!("{frame:?}"));
        true
    })
}

/// A pair whose handshake is done.
fn open(link: LinkKind) -> (Connection, Connection) {
    let (mut dialler, mut acceptor) = pair(link);
    let mut frames = Vec::new();
    receive(&mut acceptor, &output(&mut dialler), &mut frames).unwrap();
    receive(&mut dialler, &output(&mut acceptor), &mut frames).unwrap();
    assert_eq!(receive(&mut acceptor, &output(&mut dialler), &mut frames), Ok(true));
    assert_eq!(receive(&mut dialler, &output(&mut acceptor), &mut frames), Ok(true));
    assert!(frames.is_empty());
    (dialler, acceptor)
}

/// Frames for a data connection, as bytes: small, large in fragments, and one to skip.
fn stream() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..4 {
        let payload = vec![number; [3, 70_000, 0, 200][usize::from(number)]];
        let message = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload: &payload };
        message.append(&mut bytes);
        frame::append_header(&mut bytes, frame::SKIPPABLE | 9, 3);
        bytes.extend_from_slice(b"new");
    }
    Frame::Bye(Farewell::Stops).append(&mut bytes);
    bytes
}

fn frames_of(pieces: &[&[u8]]) -> Vec<String> {
    let (_, mut acceptor) = open(LinkKind::Data(0));
    let mut frames = Vec::new();
    pieces.iter().for_each(|piece| assert_eq!(receive(&mut acceptor, piece, &mut frames), Ok(false)));
    assert_eq!(acceptor.bytes(), 0, "nothing is kept of frames that are done with");
    frames
}

#[test]
fn every_split_gives_the_same_frames() {
    let stream = stream();
    let whole = frames_of(&[&stream]);
    assert_eq!(whole.len(), 5);
    let ends = (0..300).chain(stream.len() - 300..stream.len());
    for end in ends {
        assert_eq!(frames_of(&[&stream[..end], &stream[end..]]), whole);
    }
    for length in [1, 3, 1000, 65_536] {
        assert_eq!(frames_of(&stream.chunks(length).collect::<Vec<_>>()), whole);
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte_with_frames_behind_it() {
    let (mut dialler, mut acceptor) = pair(LinkKind::Control);
    let mut frames = Vec::new();
    for byte in output(&mut dialler) {
        assert_eq!(receive(&mut acceptor, &[byte], &mut frames), Ok(false));
    }
    receive(&mut dialler, &output(&mut acceptor), &mut frames).unwrap();
    receive(&mut acceptor, &output(&mut dialler), &mut frames).unwrap();
    let mut last = output(&mut acceptor);
    Frame::Start(Start::default()).append(&mut last);
    assert_eq!(receive(&mut dialler, &last, &mut frames), Ok(true));
    assert!(frames.is_empty(), "nothing is handed on before the connection has its place");
    assert_eq!(receive(&mut dialler, &[], &mut frames), Ok(false));
    assert_eq!(frames.len(), 1);
}

#[test]
fn before_the_proof_there_is_nothing_but_a_small_hello() {
    let (_, mut acceptor) = pair(LinkKind::Control);
    let announced = [kind::HELLO, 0, 0x10, 1];
    let fault = Fault::TooLong { kind: kind::HELLO, length: 4097 };
    assert_eq!(receive(&mut acceptor, &announced, &mut Vec::new()), Err(Failure::Fault(fault)));
    let (_, mut acceptor) = pair(LinkKind::Control);
    let refused = receive(&mut acceptor, b"*1\r\n$4\r\nPING\r\n", &mut Vec::new());
    assert_eq!(refused, Err(Failure::Refused(Refusal::NoPeer)));
}

#[test]
fn frames_have_their_connection() {
    let message = Frame::Message { kind: ChannelKind::Global, channel: b"", payload: b"" };
    for (link, frame) in [
        (LinkKind::Control, message),
        (LinkKind::Data(0), Frame::Presence(b"")),
        (LinkKind::Data(1), Frame::Start(Start::default())),
    ] {
        let (_, mut acceptor) = open(link);
        let mut bytes = Vec::new();
        frame.append(&mut bytes);
        let fault = Failure::Fault(Fault::Unexpected(frame.kind()));
        assert_eq!(receive(&mut acceptor, &bytes, &mut Vec::new()), Err(fault));
    }
}

#[test]
fn a_ping_is_answered_and_measured() {
    let (mut dialler, mut acceptor) = open(LinkKind::Control);
    dialler.handle_tick(NOW).unwrap();
    receive(&mut acceptor, &output(&mut dialler), &mut Vec::new()).unwrap();
    let answer = output(&mut acceptor);
    let later = Now { monotonic: NOW.monotonic + Duration::from_micros(1234), ..NOW };
    dialler.receive(later, &answer, &mut |_| true).unwrap();
    assert_eq!(dialler.round_trip(), Some(Duration::from_micros(1234)));
    // An answer to what was not asked changes nothing.
    let mut bytes = Vec::new();
    Frame::Pong(&u64::MAX.to_be_bytes()).append(&mut bytes);
    Frame::Pong(b"what?").append(&mut bytes);
    dialler.receive(later, &bytes, &mut |_| true).unwrap();
    assert_eq!(dialler.round_trip(), Some(Duration::from_micros(1234)));
}

#[test]
fn a_flood_of_pings_is_not_answered_without_end() {
    let (_, mut acceptor) = open(LinkKind::Data(0));
    let mut bytes = Vec::new();
    (0..10_000).for_each(|_| Frame::Ping(&[0; 64]).append(&mut bytes));
    receive(&mut acceptor, &bytes, &mut Vec::new()).unwrap();
    assert!(output(&mut acceptor).len() <= OWN_BYTES_MAX + 68);
}

/// Ticks until the connection is called dead.
fn ticks(connection: &mut Connection, mut each: impl FnMut(&mut Connection)) -> (u32, Failure) {
    for ticks in 1..100 {
        each(connection);
        if let Err(failure) = connection.handle_tick(NOW) {
            return (ticks, failure);
        }
    }
    panic!("it lives on");
}

#[test]
fn who_is_silent_or_takes_nothing_is_dead() {
    let (mut dialler, mut acceptor) = pair(LinkKind::Control);
    assert_eq!(ticks(&mut acceptor, |_| {}), (6, Failure::HandshakeTimeout));
    assert_eq!(ticks(&mut dialler, |_| {}), (6, Failure::HandshakeTimeout));
    let (mut silent, mut stalled) = open(LinkKind::Control);
    assert_eq!(ticks(&mut silent, |_| {}), (11, Failure::Silent));
    let mut ping = Vec::new();
    Frame::Ping(b"").append(&mut ping);
    stalled.note_unwritten(100);
    let hear = |connection: &mut Connection| {
        receive(connection, &ping, &mut Vec::new()).unwrap();
    };
    assert_eq!(ticks(&mut stalled, hear), (11, Failure::Stalled));
    // A byte now and then is enough.
    let (mut slow, _) = open(LinkKind::Control);
    for unwritten in (1..100).rev() {
        hear(&mut slow);
        slow.note_unwritten(unwritten);
        (0..10).for_each(|_| {
            hear(&mut slow);
            slow.handle_tick(NOW).unwrap();
        });
    }
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(changes: Vec<(usize, u8)>, length in 1..100_000_usize) {
        let mut stream = stream();
        let end = stream.len();
        // Mostly where there are headers.
        changes.iter().for_each(|(at, byte)| stream[at % end.min(if at % 2 == 0 { 40 } else { end })] ^= byte);
        let (_, mut acceptor) = open(LinkKind::Data(0));
        for piece in stream.chunks(length) {
            if receive(&mut acceptor, piece, &mut Vec::new()).is_err() {
                break;
            }
            // A buffer that grows has up to twice what it needs.
            prop_assert!(acceptor.bytes() <= 4 * stream.len());
        }
    }

    #[test]
    fn any_bytes_of_a_stranger_are_refused_or_waited_for(bytes: Vec<u8>) {
        let (mut dialler, mut acceptor) = pair(LinkKind::Control);
        prop_assert_ne!(receive(&mut acceptor, &bytes, &mut Vec::new()), Ok(true));
        prop_assert_ne!(receive(&mut dialler, &bytes, &mut Vec::new()), Ok(true));
    }
}
