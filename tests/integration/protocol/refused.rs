//! Bytes that are no request: the error that is sent, and that the connection closes after it.

use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Protocol, both_protocols};

/// What is sent, and the error's text after `-ERR Protocol error: `.
const CASES: &[(&str, &str)] = &[
    ("*x\r\n", "invalid multibulk length"),
    ("*\r\n", "invalid multibulk length"),
    ("*1x\r\n", "invalid multibulk length"),
    ("* 1\r\n", "invalid multibulk length"),
    ("*+1\r\n", "invalid multibulk length"),
    ("*2147483648\r\n", "invalid multibulk length"),
    ("*3000000000\r\n", "invalid multibulk length"),
    ("*99999999999999999999\r\n", "invalid multibulk length"),
    ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
    ("*1\r\n:1\r\n", "expected '$', got ':'"),
    ("*1\r\n*1\r\n", "expected '$', got '*'"),
    ("*1\r\n\r\n", "expected '$', got '\r'"),
    ("*1\r\n$x\r\n", "invalid bulk length"),
    ("*1\r\n$\r\n", "invalid bulk length"),
    ("*1\r\n$-1\r\n", "invalid bulk length"),
    ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "invalid bulk length"),
    ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", "invalid bulk length"),
    ("*1\r\n$536870913\r\n", "invalid bulk length"),
    ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
];

#[test]
fn the_error_of_each_malformed_request() {
    both_protocols(|server, protocol| {
        for (request, error) in CASES {
            println!("{}", request.escape_debug());
            let mut client = server.speaking(protocol);
            client.send(request);
            // A line end in what is repeated would end the error: it becomes a space.
            client.expect(format!("-ERR Protocol error: {}\r\n", error.replace('\r', " ")));
            client.expect_closed();
        }
    });
}

#[test]
fn what_came_before_the_malformed_request_is_answered() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n+OK\r\nPING\r\n");
        client.expect("+PONG\r\n+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n");
        client.expect_closed();
    });
}

#[test]
fn the_error_comes_in_subscribed_mode_too() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.subscribe("SUBSCRIBE", "a", 1);
        client.send("*1\r\n$x\r\n");
        client.expect("-ERR Protocol error: invalid bulk length\r\n");
        client.expect_closed();
        crate::support::eventually("the subscription is gone", || {
            server.client().ask("PUBLISH a x").integer() == 0
        });
    });
}

#[test]
fn lengths_without_an_end_are_refused_at_64_kib() {
    both_protocols(|server, protocol| {
        for (start, error) in [("*", "too big mbulk count string"), ("*1\r\n$", "too big bulk count string")]
        {
            let mut client = server.speaking(protocol);
            client.send(format!("{start}{}", "1".repeat(65_536)));
            client.expect(format!("-ERR Protocol error: {error}\r\n"));
            client.expect_closed();
        }
    });
}

#[test]
fn requests_of_http_close_without_a_reply() {
    both_protocols(|server, protocol| {
        for request in ["POST / HTTP/1.1\r\n", "post / HTTP/1.1\r\n", "Host: example.org\r\n", "host:\r\n"] {
            let mut client = server.speaking(protocol);
            client.send(request);
            client.expect_closed();
        }
        // What a web page could make a browser send: nothing of it is executed.
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.send("POST / HTTP/1.1\r\nHost: example.org\r\n\r\nPUBLISH a x\r\n");
        client.expect_closed();
        listener.expect_nothing_more();
    });
}

#[test]
fn junk_leads_to_a_protocol_error_and_not_to_silence() {
    let server = crate::support::Server::start();
    for start in ["\0", "*\0", "$\0"] {
        let mut client = server.speaking(Protocol::Resp2);
        client.send(start);
        let until = Instant::now() + DEADLINE;
        let mut junk = 1u32;
        let mut got = Vec::new();
        while !got.windows(14).any(|window| window == b"Protocol error") {
            assert!(Instant::now() < until, "no protocol error; got {}", got.escape_ascii());
            // Letters only, so that the junk itself holds no line end.
            let block: Vec<u8> = (0..1024)
                .map(|_| {
                    junk = junk.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b'a' + (junk >> 24) as u8 % 26
                })
                .collect();
            client.try_send(block);
            got = client.peek(Duration::from_millis(1)).to_vec();
        }
    }
}
