//! What clients and servers say to each other, in RESP and in the NATS protocol.
//!
//! Owns the bytes of single requests, answers and messages. Must not know of sockets, loads or time.
//! Start at [`Wire`].

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A request and the exact answer that a correct server gives to it.
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

/// A protocol, as far as the loads need it.
pub(crate) trait Wire: Sync {
    /// What has to happen on a fresh connection before anything else.
    fn handshake(&self, stream: &mut TcpStream) -> io::Result<()>;
    /// The `nth` subscription (from 1) of a connection.
    fn subscribe(&self, channel: &str, nth: usize) -> Exchange;
    /// The same for a pattern, where the protocol has patterns in the sense of Redis.
    fn subscribe_pattern(&self, pattern: &str, nth: usize) -> Option<Exchange>;
    /// A publish that reaches that many receivers.
    fn publish(&self, channel: &str, payload: &str, receivers: usize) -> Exchange;
    /// What a subscriber gets, if the channel was the connection's first subscription.
    fn message(&self, channel: &str, payload: &str) -> Vec<u8>;
    fn ping(&self) -> Exchange;
    /// What a server may send unasked at any time between two frames; empty if nothing.
    fn heartbeat(&self) -> &'static [u8];
}

/// Redis, Valkey and Hereabouts.
pub(crate) struct Resp;

impl Resp {
    /// A request, or an answer of strings.
    pub(crate) fn array(parts: &[&str]) -> Vec<u8> {
        let mut frame = format!("*{}\r\n", parts.len());
        for part in parts {
            frame.push_str(&format!("${}\r\n{part}\r\n", part.len()));
        }
        frame.into_bytes()
    }

    fn confirmed(request: &str, kind: &str, name: &str, count: usize) -> Exchange {
        let answer = format!("*3\r\n${}\r\n{kind}\r\n${}\r\n{name}\r\n:{count}\r\n", kind.len(), name.len());
        Exchange { request: Resp::array(&[request, name]), answer: answer.into_bytes() }
    }
}

impl Wire for Resp {
    fn handshake(&self, _: &mut TcpStream) -> io::Result<()> {
        Ok(())
    }

    fn subscribe(&self, channel: &str, nth: usize) -> Exchange {
        Resp::confirmed("SUBSCRIBE", "subscribe", channel, nth)
    }

    fn subscribe_pattern(&self, pattern: &str, nth: usize) -> Option<Exchange> {
        Some(Resp::confirmed("PSUBSCRIBE", "psubscribe", pattern, nth))
    }

    fn publish(&self, channel: &str, payload: &str, receivers: usize) -> Exchange {
        Exchange {
            request: Resp::array(&["PUBLISH", channel, payload]),
            answer: format!(":{receivers}\r\n").into_bytes(),
        }
    }

    fn message(&self, channel: &str, payload: &str) -> Vec<u8> {
        Resp::array(&["message", channel, payload])
    }

    fn ping(&self) -> Exchange {
        Exchange { request: Resp::array(&["PING"]), answer: b"+PONG\r\n".to_vec() }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b""
    }
}

/// NATS with `verbose`, so that a publish is answered as in Redis and the same closed loops can be driven.
pub(crate) struct Nats;

const NATS_OK: &[u8] = b"+OK\r\n";

impl Wire for Nats {
    fn handshake(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(b"CONNECT {\"verbose\":true,\"pedantic\":false}\r\n")?;
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        while !received.ends_with(NATS_OK) {
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => received.extend_from_slice(&chunk[..length]),
            }
        }
        Ok(())
    }

    fn subscribe(&self, channel: &str, nth: usize) -> Exchange {
        Exchange { request: format!("SUB {channel} {nth}\r\n").into_bytes(), answer: NATS_OK.to_vec() }
    }

    fn subscribe_pattern(&self, _: &str, _: usize) -> Option<Exchange> {
        None
    }

    fn publish(&self, channel: &str, payload: &str, _: usize) -> Exchange {
        let request = format!("PUB {channel} {}\r\n{payload}\r\n", payload.len());
        Exchange { request: request.into_bytes(), answer: NATS_OK.to_vec() }
    }

    fn message(&self, channel: &str, payload: &str) -> Vec<u8> {
        format!("MSG {channel} 1 {}\r\n{payload}\r\n", payload.len()).into_bytes()
    }

    fn ping(&self) -> Exchange {
        Exchange { request: b"PING\r\n".to_vec(), answer: b"PONG\r\n".to_vec() }
    }

    fn heartbeat(&self) -> &'static [u8] {
        b"PING\r\n"
    }
}
