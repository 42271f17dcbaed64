//! Tests of the request decoder.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bulk_bytes_max: 512 * 1024 * 1024, authenticated: true };
const STRANGER: Limits = Limits { bulk_bytes_max: 512 * 1024 * 1024, authenticated: false };

type Requests = Vec<Vec<Vec<u8>>>;

/// Feeds `pieces` one after the other, keeping what is unfinished, as a connection does.
fn decode_pieces<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    limits: Limits,
) -> (Requests, Option<ProtocolError>) {
    let mut decoder = Decoder::default();
    let mut pending = Vec::new();
    let mut requests = Vec::new();
    for piece in pieces {
        pending.extend_from_slice(piece);
        let mut start = 0;
        loop {
            let mut consumed = 0;
            match decoder.decode(&pending[start..], limits, &mut consumed) {
                Ok(Some(request)) => requests.push(request.arguments_from(0).map(<[u8]>::to_vec).collect()),
                Ok(None) => {
                    start += consumed;
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
            start += consumed;
        }
        pending.drain(..start);
    }
    (requests, None)
}

fn decode(input: &[u8]) -> (Requests, Option<ProtocolError>) {
    decode_pieces([input], LIMITS)
}

fn one(arguments: &[&str]) -> Vec<Vec<u8>> {
    arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect()
}

#[test]
fn a_request_and_the_next_one() {
    let (requests, error) = decode(b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(requests, vec![one(&["ECHO", ""]), one(&["PING"])]);
    assert_eq!(error, None);
}

#[test]
fn inline_requests() {
    let (requests, error) = decode(b"PING\r\n  \n\r\nset \"a b\" 'c'\nECHO x");
    assert_eq!(requests, vec![one(&["PING"]), one(&["set", "a b", "c"])]);
    assert_eq!(error, None);
}

#[test]
fn empty_requests_are_skipped() {
    let (requests, error) = decode(b"*0\r\n*-1\r\n*-10\r\n\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(requests, vec![one(&["PING"])]);
    assert_eq!(error, None);
}

#[test]
fn the_bytes_behind_an_argument_are_not_checked() {
    assert_eq!(decode(b"*1\r\n$4\r\nPINGxx").0, vec![one(&["PING"])]);
}

#[test]
fn errors() {
    let long = vec![b'1'; LINE_BYTES_MAX + 2];
    let table: [(&[u8], ProtocolError); 12] = [
        (b"*x\r\n", ProtocolError::InvalidCount),
        (b"*2147483648\r\n", ProtocolError::InvalidCount),
        (b"*+1\r\n", ProtocolError::InvalidCount),
        (b"*01\r\n", ProtocolError::InvalidCount),
        (b"*1\r\nfoo\r\n", ProtocolError::ExpectedDollar(b'f')),
        (b"*1\r\n$x\r\n", ProtocolError::InvalidLength),
        (b"*1\r\n$-1\r\n", ProtocolError::InvalidLength),
        (b"*1\r\n$536870913\r\n", ProtocolError::InvalidLength),
        (b"SET \"a\n", ProtocolError::UnbalancedQuotes),
        (&long, ProtocolError::InlineTooBig),
        (&[b"*", &long[..]].concat(), ProtocolError::CountTooBig),
        (&[b"*1\r\n$", &long[..]].concat(), ProtocolError::LengthTooBig),
    ];
    for (input, expected) in table {
        assert_eq!(
            decode(input).1,
            Some(expected),
            "{:?}",
            String::from_utf8_lossy(&input[..input.len().min(40)])
        );
    }
}

#[test]
fn strangers_may_send_little() {
    let table: [(&[u8], Option<ProtocolError>); 4] = [
        (b"*10\r\n", None),
        (b"*11\r\n", Some(ProtocolError::UnauthenticatedCount)),
        (b"*1\r\n$16384\r\n", None),
        (b"*1\r\n$16385\r\n", Some(ProtocolError::UnauthenticatedLength)),
    ];
    for (input, expected) in table {
        assert_eq!(decode_pieces([input], STRANGER).1, expected);
    }
}

#[test]
fn numbers() {
    let table: [(&str, Option<i64>); 12] = [
        ("0", Some(0)),
        ("-0", None),
        ("00", None),
        ("", None),
        ("-", None),
        ("+1", None),
        (" 1", None),
        ("12a", None),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("-9223372036854775808", Some(i64::MIN)),
        ("-9223372036854775809", None),
    ];
    for (text, expected) in table {
        assert_eq!(parse_integer(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn an_announcement_takes_no_memory() {
    let mut decoder = Decoder::default();
    let mut consumed = 0;
    let input = b"*2147483647\r\n$536870912\r\n";
    assert!(decoder.decode(input, LIMITS, &mut consumed).unwrap().is_none());
    assert_eq!(decoder.arguments.capacity(), 0);
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let argument = proptest::collection::vec(any::<u8>(), 0..40);
    let multibulk = proptest::collection::vec(argument, 0..5).prop_map(|arguments| {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            crate::resp::reply::append_bulk(&mut bytes, &argument);
        }
        bytes
    });
    let inline = "[ a-z\"']{0,20}\r?\n".prop_map(String::into_bytes);
    let noise = proptest::collection::vec(any::<u8>(), 0..4);
    proptest::collection::vec(prop_oneof![8 => multibulk, 3 => inline, 1 => noise], 0..8)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn every_split_gives_the_same_requests(input in requests(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        let whole = decode(&input);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]);
        prop_assert_eq!(&decode_pieces(pieces, LIMITS), &whole);
        prop_assert_eq!(&decode_pieces(input.chunks(1), LIMITS), &whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_pieces(input.chunks(3), STRANGER);
    }
}
