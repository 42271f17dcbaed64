//! Any bytes as what another instance sends: neither the handshake nor the frames behind it panic, the frames are the same however
//! the bytes are cut into pieces, and who does not know the secret never gets through.
//!
//! The first byte says whether the handshake has been done, which connection it is, and how long the pieces are. Run with
//! `-malloc_limit_mb=4`: memory is taken for what has arrived, never for what was announced.

#![no_main]

use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::link::handshake::VERSIONS;
use hereabouts::link::{ClientAddress, Connection, Failure, Hello, LinkKind, Me, Secrets};
use hereabouts::time::Now;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let piece_length = usize::from(choice & 63) + 1;
    let begin = || if choice & 128 == 0 { stranger() } else { peer(choice & 64 == 0) };

    let whole = receive(begin(), [bytes]);
    assert_eq!(receive(begin(), bytes.chunks(piece_length)), whole);
    assert_eq!(receive(begin(), bytes.chunks(1)), whole);
});

/// What was handed on, and how it ended.
fn receive<'i>(
    mut connection: Connection,
    pieces: impl IntoIterator<Item = &'i [u8]>,
) -> (Vec<String>, Option<Failure>) {
    let (mut frames, mut arrived) = (Vec::new(), 0);
    for piece in pieces {
        arrived += piece.len();
        let mut deliver = |frame: hereabouts::link::Frame<'_>| {
            frames.push(format!("{frame:?}"));
            true
        };
        match connection.receive(Now::default(), piece, &mut deliver) {
            Ok(established) => assert!(!established, "a stranger got through"),
            Err(failure) => return (frames, Some(failure)),
        }
        assert!(connection.bytes() <= 4 * arrived + 64);
    }
    (frames, None)
}

fn me(node: u64) -> Me {
    let owner = Owner { node: NodeId(node), incarnation: Incarnation(1) };
    Me { owner, cluster: b"fuzz".to_vec(), features: 0, message_max: 1 << 25, clients: ClientAddress::default() }
}

fn stranger() -> Connection {
    Connection::accept(me(2), secrets(), false, [2; 32]).unwrap()
}

fn secrets() -> Secrets {
    Secrets::new(Some(b"secret".to_vec()), None)
}

/// One that has proved who it is.
fn peer(is_control: bool) -> Connection {
    let link = if is_control { LinkKind::Control } else { LinkKind::Data(0) };
    let hello = Hello { versions: VERSIONS, me: me(1), epoch: 1, link, data_links: 1 };
    let mut dialler = Connection::dial(hello, NodeId(2), secrets(), false, [1; 32]).unwrap();
    let mut acceptor = stranger();
    let mut established = false;
    for _ in 0..2 {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        dialler.take_output(&mut there);
        established |= acceptor.receive(Now::default(), &there, &mut |_| true).unwrap();
        acceptor.take_output(&mut back);
        dialler.receive(Now::default(), &back, &mut |_| true).unwrap();
    }
    assert!(established);
    acceptor
}
