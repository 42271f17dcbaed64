//! Lines with quotes and escapes, and bytes that are nearly requests, sent to both servers and compared byte by byte.
//! No NUL is drawn: Redis does not find the end of a line that holds one.

use super::{Pair, Random};

const CASES: usize = 1500;

/// Sends the bytes and no more, and compares all that comes until the servers close.
fn compare(pair: &Pair, bytes: &[u8]) {
    let [ours, theirs] = pair.clients().map(|mut client| {
        client.send(bytes);
        client.end_of_input();
        client.read_to_end()
    });
    assert!(
        ours == theirs,
        "after \"{}\"\nredis \"{}\"\n ours \"{}\"",
        bytes.escape_ascii(),
        theirs.escape_ascii(),
        ours.escape_ascii()
    );
}

#[test]
fn lines() {
    let Some(pair) = Pair::start("lines") else { return };
    let mut random = Random::new();
    let parts: &[&[u8]] = &[
        b"\"", b"\"", b"'", b"'", b"\\", b" ", b" ", b"\t", b"a", b"b", b"n", b"r", b"t", b"x", b"\\x41",
        b"\\x4", b"4", b"f", b"G", b"\\n", b"\\\"", b"\\'", b"\xff", b"\r", b"*", b"$", b"ECHO ", b"\x0b",
    ];
    for _ in 0..CASES {
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(3) {
            bytes.extend_from_slice(random.pick(&["ECHO ", "PING ", "ECHO ", ""]).as_bytes());
            bytes.extend(random.some_of(parts, 12));
            bytes.extend_from_slice(random.pick(&["\r\n", "\n"]).as_bytes());
        }
        bytes.extend_from_slice(b"PING end\r\n");
        compare(&pair, &bytes);
    }
}

#[test]
fn requests_with_faults() {
    let Some(pair) = Pair::start("faults") else { return };
    let mut random = Random::new();
    let parts: &[&[u8]] = &[
        b"*1\r\n",
        b"*2\r\n",
        b"*3\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*-2147483648\r\n",
        b"*2147483647\r\n",
        b"*01\r\n",
        b"* 1\r\n",
        b"*1 \r\n",
        b"*1\n",
        b"*\r\n",
        b"*x\r\n",
        b"*1",
        b"$4\r\nPING\r\n",
        b"$4\r\nPING\r\n",
        b"$4\r\nECHO\r\n",
        b"$1\r\nx\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"$04\r\nPING\r\n",
        b"$4\nPING\n",
        b"$ 4\r\n",
        b"$4 \r\n",
        b"$\r\n",
        b"$x\r\n",
        b"$536870912\r\n",
        b"$536870913\r\n",
        b"$4\r\nPINGxx",
        b"PING\r\n",
        b"ECHO x\n",
        b"\r\n",
        b"\n",
        b"\r",
        b":1\r\n",
        b"+OK\r\n",
        b"-ERR\r\n",
        b"$7\r\nPUBLISH\r\n",
        b"%1\r\n",
        b"~1\r\n",
    ];
    for _ in 0..CASES {
        compare(&pair, &random.some_of(parts, 8));
    }
}
