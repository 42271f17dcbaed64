//! The proxy in front of a server that says again what it hears.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::{Datagrams, Fate, Links, Proxy};
use crate::support::{DEADLINE, eventually};

/// A proxy in front of an echo, over TCP and UDP.
fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let socket = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..count], from).unwrap();
        }
    });
    let proxy = Proxy::new();
    proxy.set_target(Some(address));
    proxy
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[track_caller]
fn assert_echo(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text);
}

/// Nothing comes, although the other end is not gone.
#[track_caller]
fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = stream.read(&mut [0; 1]).expect_err("nothing should have come");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn forwards_and_passes_on_the_end() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    assert_echo(&mut stream, &vec![7; 300_000]);
    assert_eq!(proxy.open_links(), 1);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    eventually("it is not counted any more", || proxy.open_links() == 0);
}

#[test]
fn resets_what_is_open_and_nothing_else() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    assert_echo(&mut stream, b"one");
    proxy.break_links(Fate::Reset);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_echo(&mut connect(&proxy), b"two");
}

#[test]
fn frozen_connections_take_nothing_and_are_not_closed() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    assert_echo(&mut stream, b"one");
    proxy.break_links(Fate::Freeze);
    eventually("it works no more", || proxy.open_links() == 0);
    stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let chunk = vec![0; 65_536];
    let full = (0..1024).find_map(|_| stream.write(&chunk).err()).expect("the buffers should be full");
    assert!(matches!(full.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{full}");
    assert_silent(&mut stream);
    assert_echo(&mut connect(&proxy), b"two");
}

#[test]
fn swallowing_connections_take_everything_and_say_nothing() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    assert_echo(&mut stream, b"one");
    proxy.break_links(Fate::Swallow);
    eventually("it works no more", || proxy.open_links() == 0);
    for _ in 0..256 {
        stream.write_all(&[0; 65_536]).unwrap();
    }
    assert_silent(&mut stream);
    assert_echo(&mut connect(&proxy), b"two");
}

#[test]
fn strangers_are_swallowed_or_refused_and_acquaintances_are_not() {
    let proxy = echo();
    let mut old = connect(&proxy);
    assert_echo(&mut old, b"one");
    proxy.set_links(Links::Swallow);
    let mut new = connect(&proxy);
    new.write_all(b"hello?").unwrap();
    assert_silent(&mut new);
    proxy.set_links(Links::Refuse);
    let mut new = connect(&proxy);
    assert_eq!(new.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_echo(&mut old, b"two");
    proxy.set_links(Links::Forward);
    proxy.set_target(None);
    let mut new = connect(&proxy);
    assert_eq!(new.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn delays_and_trickles() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    let delay = Duration::from_millis(30);
    proxy.set_links(Links::Delay(delay));
    let began = Instant::now();
    assert_echo(&mut stream, b"one");
    // Never less, however slow the machine is.
    assert!(began.elapsed() >= delay * 2);
    proxy.set_links(Links::Trickle(10_000));
    let began = Instant::now();
    assert_echo(&mut stream, &[1; 1000]);
    assert!(began.elapsed() >= Duration::from_millis(90));
    proxy.set_links(Links::Forward);
    assert_echo(&mut stream, &vec![2; 100_000]);
}

#[test]
fn datagrams_and_their_answers_are_forwarded_delayed_and_dropped() {
    let proxy = echo();
    let new_socket = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    };
    let (socket, other) = (new_socket(), new_socket());
    let ask = |socket: &UdpSocket, text: &str| {
        socket.send_to(text.as_bytes(), proxy.address()).unwrap();
        let mut buffer = [0; 64];
        let (count, from) = socket.recv_from(&mut buffer).ok()?;
        assert_eq!((&buffer[..count], from), (text.as_bytes(), proxy.address()));
        Some(())
    };
    assert!(ask(&socket, "one").is_some() && ask(&other, "two").is_some());
    proxy.set_datagrams(Datagrams::Delay(Duration::from_millis(30)));
    let began = Instant::now();
    assert!(ask(&socket, "three").is_some());
    assert!(began.elapsed() >= Duration::from_millis(60));
    proxy.set_datagrams(Datagrams::DropFrom(other.local_addr().unwrap()));
    assert!(ask(&socket, "four").is_some());
    for socket in [&socket, &other] {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    }
    assert!(ask(&other, "five").is_none());
    proxy.set_datagrams(Datagrams::Drop);
    assert!(ask(&socket, "six").is_none());
}
