//! Who knows the secret is let in, who does not is not, and learns nothing.

use super::*;
use crate::link::frame::split;

fn me(node: u64) -> Me {
    let owner = Owner { node: NodeId(node), incarnation: Incarnation(3) };
    let clients = ClientAddress { ip: None, port: 6379, tls_port: 0 };
    Me { owner, cluster: b"test".to_vec(), features: 6, message_max: 1000, clients }
}

fn hello(me: Me) -> Hello {
    Hello { versions: VERSIONS, me, epoch: 7, link: LinkKind::Data(1), data_links: 2 }
}

fn secrets(secret: &str, other: Option<&str>) -> Secrets {
    Secrets::new(Some(secret.into()), other.map(Into::into))
}

/// What each side makes of the frames of the other, until one has nothing more to say.
fn shake(
    dialler: Result<(Handshake, Vec<u8>), Refusal>,
    mut acceptor: Handshake,
) -> [Option<Result<Agreed, Refusal>>; 2] {
    let (mut dialler, mut to_acceptor) = dialler.unwrap();
    let mut results = [None, None];
    for _ in 0..2 {
        let mut to_dialler = Vec::new();
        step(&mut acceptor, &to_acceptor, &mut to_dialler, &mut results[1]);
        to_acceptor.clear();
        step(&mut dialler, &to_dialler, &mut to_acceptor, &mut results[0]);
    }
    results
}

fn step(
    side: &mut Handshake,
    mut input: &[u8],
    out: &mut Vec<u8>,
    result: &mut Option<Result<Agreed, Refusal>>,
) {
    while let Some((kind, body, length)) = split(input, HELLO_BYTES_MAX).unwrap()
        && !matches!(result, Some(Err(_)))
    {
        match side.handle_frame(kind, body, out) {
            Ok(None) => {}
            Ok(Some(agreed)) => *result = Some(Ok(agreed)),
            Err(refusal) => *result = Some(Err(refusal)),
        }
        input = &input[length..];
    }
}

fn dial(hello: Hello, wanted: u64, secrets: Secrets) -> Result<(Handshake, Vec<u8>), Refusal> {
    let mut out = Vec::new();
    Ok((Handshake::dial(hello, NodeId(wanted), secrets, false, [1; 32], &mut out)?, out))
}

fn accept(me: Me, secrets: Secrets) -> Handshake {
    Handshake::accept(me, secrets, false, [2; 32]).unwrap()
}

#[test]
fn both_know_each_other_when_it_is_done() {
    let two = Me { features: 12, ..me(2) };
    let results = shake(dial(hello(me(1)), 2, secrets("x", None)), accept(two.clone(), secrets("x", None)));
    let agreed = |me| Agreed { peer: hello(me), version: 1, features: 4 };
    assert_eq!(results, [Some(Ok(agreed(two))), Some(Ok(agreed(me(1))))]);
}

#[test]
fn the_highest_common_version_is_spoken() {
    let newer = Hello { versions: (1, 9), ..hello(me(1)) };
    let results = shake(dial(newer, 2, secrets("x", None)), accept(me(2), secrets("x", None)));
    assert!(results.iter().all(|result| matches!(result, Some(Ok(agreed)) if agreed.version == 1)));
    let future = Hello { versions: (2, 9), ..hello(me(1)) };
    let [_, result] = shake(dial(future, 2, secrets("x", None)), accept(me(2), secrets("x", None)));
    assert_eq!(result, Some(Err(Refusal::NoCommonVersion(2, 9))));
}

#[test]
fn during_a_change_any_secret_that_both_have_does() {
    for (ours, theirs, is_let_in) in [
        (("old", None), ("old", None), true),
        (("new", Some("old")), ("old", None), true),
        (("old", None), ("new", Some("old")), true),
        (("new", Some("old")), ("old", Some("new")), true),
        (("new", None), ("old", None), false),
        (("new", None), ("old", Some("older")), false),
    ] {
        let dialler = dial(hello(me(1)), 2, secrets(ours.0, ours.1));
        let [dialler, acceptor] = shake(dialler, accept(me(2), secrets(theirs.0, theirs.1)));
        assert_eq!(matches!(dialler, Some(Ok(_))), is_let_in);
        assert_eq!(matches!(acceptor, Some(Ok(_))), is_let_in);
        if !is_let_in {
            // Who dialled is told nothing.
            assert_eq!((dialler, acceptor), (None, Some(Err(Refusal::WrongSecret))));
        }
    }
}

#[test]
fn who_is_not_wanted_is_refused() {
    let x = || secrets("x", None);
    let other = Me { cluster: b"other".to_vec(), ..me(1) };
    for (dialled, acceptor, refusal) in [
        (hello(other), me(2), Refusal::OtherCluster(b"other".to_vec())),
        (hello(me(2)), me(2), Refusal::Myself),
        (hello(me(3)), me(2), Refusal::WrongDirection),
    ] {
        let [_, result] = shake(dial(dialled, 2, x()), accept(acceptor, x()));
        assert_eq!(result, Some(Err(refusal)));
    }
    // Both find out which clusters they are of.
    let other = Me { cluster: b"other".to_vec(), ..me(2) };
    let [result, _] = shake(dial(hello(me(1)), 2, x()), accept(other, x()));
    assert_eq!(result, Some(Err(Refusal::OtherCluster(b"other".to_vec()))));
    let [result, _] = shake(dial(hello(me(1)), 3, x()), accept(me(2), x()));
    assert_eq!(result, Some(Err(Refusal::OtherNode(NodeId(2)))));
}

#[test]
fn without_a_secret_only_loopback_is_let_in() {
    let none = || Secrets::new(None, Some(Vec::new()));
    let mut out = Vec::new();
    let refused = Handshake::dial(hello(me(1)), NodeId(2), none(), false, [1; 32], &mut out).err();
    assert_eq!(refused, Some(Refusal::NoSecret));
    assert_eq!(Handshake::accept(me(2), none(), false, [2; 32]).err(), Some(Refusal::NoSecret));
    let dialler = Handshake::dial(hello(me(1)), NodeId(2), none(), true, [1; 32], &mut Vec::new()).unwrap();
    let mut sent = Vec::new();
    append(&mut sent, kind::HELLO, &hello(me(1)).encode(&[1; 32]));
    let on_loopback = |secrets| Handshake::accept(me(2), secrets, true, [2; 32]).unwrap();
    let [one, two] = shake(Ok((dialler, sent)), on_loopback(none()));
    assert!(matches!((one, two), (Some(Ok(_)), Some(Ok(_)))));
    // One who has a secret does not talk to one who has none.
    let dialler = Handshake::dial(hello(me(1)), NodeId(2), none(), true, [1; 32], &mut Vec::new()).unwrap();
    let mut sent = Vec::new();
    append(&mut sent, kind::HELLO, &hello(me(1)).encode(&[1; 32]));
    let [_, result] = shake(Ok((dialler, sent)), on_loopback(secrets("x", None)));
    assert_eq!(result, Some(Err(Refusal::WrongSecret)));
}

#[test]
fn a_proof_is_good_for_one_handshake_and_one_side() {
    let x = || secrets("x", None);
    let (mut dialler, first) = dial(hello(me(1)), 2, x()).unwrap();
    let (mut answer, mut proof) = (Vec::new(), Vec::new());
    let mut acceptor = accept(me(2), x());
    step(&mut acceptor, &first, &mut answer, &mut None);
    step(&mut dialler, &answer, &mut proof, &mut None);
    // Said again to somebody whose nonce is another one.
    let mut later = Handshake::accept(me(2), x(), false, [3; 32]).unwrap();
    let mut result = None;
    step(&mut later, &first, &mut Vec::new(), &mut result);
    step(&mut later, &proof, &mut Vec::new(), &mut result);
    assert_eq!(result, Some(Err(Refusal::WrongSecret)));
    // Sent back to whom it came from.
    step(&mut dialler, &proof, &mut Vec::new(), &mut result);
    assert_eq!(result, Some(Err(Refusal::WrongSecret)));
}

#[test]
fn strangers_are_refused_at_their_first_byte() {
    let acceptor = accept(me(2), secrets("x", None));
    for stranger in [b'*', b'G', 0x16, kind::PROOF, kind::MESSAGE] {
        assert_eq!(acceptor.expect(stranger), Err(Refusal::NoPeer));
    }
    let mut acceptor = acceptor;
    let refused = acceptor.handle_frame(kind::HELLO, b"hereafter", &mut Vec::new());
    assert_eq!(refused, Err(Refusal::NoPeer));
}

#[test]
fn any_change_of_a_hello_or_a_proof_is_noticed() {
    let x = || secrets("x", None);
    let (_, first) = dial(hello(me(1)), 2, x()).unwrap();
    for at in 0..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 1;
        let (mut acceptor, mut result, mut answer) = (accept(me(2), x()), None, Vec::new());
        if split(&changed, HELLO_BYTES_MAX).is_ok_and(|frame| frame.is_some()) {
            step(&mut acceptor, &changed, &mut answer, &mut result);
        }
        let (mut dialler, _) = dial(hello(me(1)), 2, x()).unwrap();
        let mut proof = Vec::new();
        step(&mut dialler, &answer, &mut proof, &mut None);
        step(&mut acceptor, &proof, &mut Vec::new(), &mut result);
        assert!(!matches!(result, Some(Ok(_))), "byte {at}");
    }
}

#[test]
fn where_clients_are_comes_as_it_was_said() {
    let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    for (said, heard) in [
        (None, None),
        (ip("10.0.0.1"), ip("10.0.0.1")),
        (ip("2001:db8::1"), ip("2001:db8::1")),
        // An address has one form.
        (ip("::ffff:10.0.0.1"), ip("10.0.0.1")),
    ] {
        let clients = ClientAddress { ip: said, port: 6379, tls_port: 65_535 };
        let body = hello(Me { clients, ..me(1) }).encode(&[1; 32]);
        let decoded = Hello::decode(&body).unwrap();
        assert_eq!(decoded.me.clients, ClientAddress { ip: heard, ..clients });
        for length in 0..body.len() {
            assert!(Hello::decode(&body[..length]).is_err());
        }
        // What later versions have to say comes behind it.
        assert_eq!(Hello::decode(&[&body[..], b"more"].concat()).unwrap(), decoded);
    }
}

#[test]
fn an_address_that_is_none_is_no_hello() {
    let address = |ip: &[u8], ports: [u64; 2]| {
        let mut out = Vec::new();
        put_bytes(&mut out, ip);
        ports.iter().for_each(|port| put_number(&mut out, *port));
        ClientAddress::decode(&mut Input::new(&out))
    };
    assert!(address(&[1, 2, 3, 4], [0, 65_535]).is_ok());
    for (ip, ports) in [(&[1, 2, 3][..], [1, 1]), (&[0; 17], [1, 1]), (&[], [65_536, 0]), (&[], [0, 65_536])]
    {
        assert!(matches!(address(ip, ports), Err(Fault::Malformed(_))), "{ip:?} {ports:?}");
    }
}
