//! Any bytes as a client's input: decoding never panics, and gives the same requests and the same error
//! however the bytes are cut into pieces.
//!
//! The first byte of the input says whether the client has authenticated and how long the pieces are. Run
//! with `-malloc_limit_mb=4`: the decoder must take memory for what has arrived, never for what was
//! announced.

#![no_main]

use hereabouts::resp::request::{Decoder, Limits, ProtocolError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let limits = Limits { bulk_bytes_max: 512 * 1024 * 1024, authenticated: choice & 128 == 0 };
    let piece_length = usize::from(choice & 127) + 1;

    let whole = decode([bytes], limits);
    assert_eq!(decode(bytes.chunks(piece_length), limits), whole);
    assert_eq!(decode(bytes.chunks(1), limits), whole);
});

type Requests = Vec<Vec<Vec<u8>>>;

/// Decodes as a connection does: what is unfinished is given again, longer.
fn decode<'i>(
    pieces: impl IntoIterator<Item = &'i [u8]>,
    limits: Limits,
) -> (Requests, Option<ProtocolError>) {
    let mut decoder = Decoder::default();
    let (mut pending, mut requests) = (Vec::new(), Vec::new());
    for piece in pieces {
        pending.extend_from_slice(piece);
        loop {
            let mut consumed = 0;
            let is_more_needed = match decoder.decode(&pending, limits, &mut consumed) {
                Ok(Some(request)) => {
                    assert!(request.len() > 0);
                    requests.push(request.arguments_from(0).map(<[u8]>::to_vec).collect());
                    false
                }
                Ok(None) => true,
                Err(error) => return (requests, Some(error)),
            };
            pending.drain(..consumed);
            if is_more_needed {
                break;
            }
        }
    }
    (requests, None)
}
