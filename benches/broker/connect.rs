//! Opens the connections of a load and checks the answers to their first requests. Must not know of loads.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::tape::{Received, Tape};
use crate::wire::{Exchange, Wire};

/// Fewer than the shortest backlog of pending connections among the servers.
const AT_ONCE: usize = 100;

/// One connection.
pub(crate) fn connect(address: SocketAddr, wire: &dyn Wire) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    wire.handshake(&mut stream)?;
    Ok(stream)
}

/// A connection for each exchange, which is done on it.
pub(crate) fn connect_all(
    address: SocketAddr,
    wire: &dyn Wire,
    first: impl IntoIterator<Item = Exchange>,
) -> io::Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    let mut waiting = Vec::with_capacity(AT_ONCE);
    for exchange in first {
        let mut stream = connect(address, wire)?;
        stream.write_all(&exchange.request)?;
        waiting.push((stream, exchange.answer));
        if waiting.len() == AT_ONCE {
            confirm(wire, &mut waiting, &mut streams)?;
        }
    }
    confirm(wire, &mut waiting, &mut streams)?;
    Ok(streams)
}

fn confirm(
    wire: &dyn Wire,
    waiting: &mut Vec<(TcpStream, Vec<u8>)>,
    streams: &mut Vec<TcpStream>,
) -> io::Result<()> {
    for (mut stream, answer) in waiting.drain(..) {
        expect(&mut stream, wire, answer)?;
        streams.push(stream);
    }
    Ok(())
}

/// Does exchanges on one connection, many at a time but not so many that answers pile up in the server.
pub(crate) fn exchange_all(
    stream: &mut TcpStream,
    wire: &dyn Wire,
    exchanges: impl IntoIterator<Item = Exchange>,
) -> io::Result<()> {
    let mut exchanges = exchanges.into_iter().peekable();
    while exchanges.peek().is_some() {
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for exchange in exchanges.by_ref().take(AT_ONCE) {
            requests.extend(exchange.request);
            answers.extend(exchange.answer);
        }
        stream.write_all(&requests)?;
        expect(stream, wire, answers)?;
    }
    Ok(())
}

/// Reads exactly the answer, and heartbeats.
fn expect(stream: &mut TcpStream, wire: &dyn Wire, answer: Vec<u8>) -> io::Result<()> {
    let length = answer.len();
    let tape = Tape::new([answer]);
    let mut received = Received::default();
    let mut chunk = [0; 16 * 1024];
    while received.position() < length as u64 {
        match stream.read(&mut chunk)? {
            0 => return Err(io::Error::other("closed by the server")),
            length => received.advance(&tape, wire.heartbeat(), &chunk[..length])?,
        }
    }
    if received.position() > length as u64 {
        return Err(io::Error::other("more came than was asked for"));
    }
    Ok(())
}
