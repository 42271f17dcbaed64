//! A blocking client of raw bytes. What is asserted are bytes, so that nothing that a client library forgives is forgiven
//! here. Every wait ends at a deadline with what was expected and what came.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket as Socket2, Type};

use super::{Protocol, Value};

/// How long anything may take before a test fails. Far more than it takes: only a hang gets there.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How much of either side a mismatch shows, in bytes.
const SHOWN: usize = 1500;

pub(crate) trait Socket: Read + Write + Send {
    fn limit_reads(&self, timeout: Duration);
    fn another(&self) -> Box<dyn Write + Send>;
    fn end_of_input(&self);
}

impl Socket for TcpStream {
    fn limit_reads(&self, timeout: Duration) {
        self.set_read_timeout(Some(timeout)).expect("read timeout");
    }
    fn another(&self) -> Box<dyn Write + Send> {
        Box::new(self.try_clone().expect("a second handle of the socket"))
    }
    fn end_of_input(&self) {
        self.shutdown(std::net::Shutdown::Write).expect("shutdown");
    }
}

impl Socket for UnixStream {
    fn limit_reads(&self, timeout: Duration) {
        self.set_read_timeout(Some(timeout)).expect("read timeout");
    }
    fn another(&self) -> Box<dyn Write + Send> {
        Box::new(self.try_clone().expect("a second handle of the socket"))
    }
    fn end_of_input(&self) {
        self.shutdown(std::net::Shutdown::Write).expect("shutdown");
    }
}

pub(crate) struct Client {
    socket: Box<dyn Socket>,
    unread: Vec<u8>,
    /// Where the unread bytes start: taking from the front moves this and not the bytes.
    start: usize,
    pub(crate) protocol: Protocol,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: impl ToSocketAddrs) -> Client {
        let socket = TcpStream::connect(address).expect("connect");
        socket.set_nodelay(true).expect("nodelay");
        Client::over(socket)
    }

    /// A client whose kernel takes little on its behalf, so that what it does not read stays at the server. It announces
    /// itself with a name and has been heard when this returns.
    #[track_caller]
    pub(crate) fn connect_slow(address: (&str, u16), name: &str) -> Client {
        let mut client = Client::connect_stranger(address);
        client.call(&format!("CLIENT SETNAME {name}"), "+OK\r\n");
        client
    }

    /// The same without a word said yet.
    #[track_caller]
    pub(crate) fn connect_stranger(address: (&str, u16)) -> Client {
        let address = address.to_socket_addrs().expect("address").next().expect("an address");
        let socket = Socket2::new(Domain::for_address(address), Type::STREAM, None).expect("socket");
        // Before connecting: the window is agreed upon there.
        socket.set_recv_buffer_size(4096).expect("receive buffer");
        socket.set_send_buffer_size(65_536).expect("send buffer");
        socket.connect(&address.into()).expect("connect");
        Client::over(TcpStream::from(socket))
    }

    #[track_caller]
    pub(crate) fn connect_unix(path: impl AsRef<Path>) -> Client {
        Client::over(UnixStream::connect(path).expect("connect"))
    }

    pub(crate) fn over(socket: impl Socket + 'static) -> Client {
        Client { socket: Box::new(socket), unread: Vec::new(), start: 0, protocol: Protocol::Resp2 }
    }

    /// Sends HELLO 3 when that is asked for, and reads its reply.
    #[track_caller]
    pub(crate) fn speak(mut self, protocol: Protocol) -> Client {
        if protocol == Protocol::Resp3 {
            self.command("HELLO 3");
            let reply = self.value();
            assert_eq!(reply.field("proto"), &Value::Integer(3));
            self.protocol = protocol;
        }
        self
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("send");
    }

    /// Sends what the server may refuse to read: it may close at any moment.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a command whose arguments hold no spaces.
    #[track_caller]
    pub(crate) fn command(&mut self, line: &str) {
        self.send(encode(line.split(' ')));
    }

    /// Sends a command with arguments of any bytes.
    #[track_caller]
    pub(crate) fn command_of(&mut self, arguments: &[&[u8]]) {
        self.send(encode(arguments));
    }

    /// Sends a command and expects exactly these bytes.
    #[track_caller]
    pub(crate) fn call(&mut self, line: &str, reply: impl AsRef<[u8]>) {
        self.command(line);
        self.expect(reply);
    }

    /// Sends a command and returns its reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.command(line);
        self.value()
    }

    /// The address of this end, as the server shows it.
    #[track_caller]
    pub(crate) fn address(&mut self) -> String {
        let info = self.ask("CLIENT INFO").text();
        info.split(' ').find_map(|field| field.strip_prefix("addr=")).expect("an address").to_owned()
    }

    /// A second handle for writing, for a thread that floods while this one reads.
    pub(crate) fn writer(&self) -> Box<dyn Write + Send> {
        self.socket.another()
    }

    /// No more will be sent; reading goes on.
    pub(crate) fn end_of_input(&self) {
        self.socket.end_of_input();
    }

    /// Expects exactly these bytes next.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        while self.unread().len() < expected.len() && expected.starts_with(self.unread()) {
            if let Err(ended) = self.fill(DEADLINE) {
                panic!("{ended}\n{}", difference(expected, self.unread()));
            }
        }
        if !self.unread().starts_with(expected) {
            // What follows the wrong bytes tells more about them.
            let _ = self.fill(Duration::from_millis(100));
            panic!("{}", difference(expected, self.unread()));
        }
        self.start += expected.len();
    }

    /// Expects the confirmation of a (P|S)(UN)SUBSCRIBE.
    #[track_caller]
    pub(crate) fn expect_confirmation(&mut self, kind: &str, name: &str, count: usize) {
        let push = self.protocol.push();
        self.expect(format!("{push}3\r\n{}{}:{count}\r\n", bulk(kind), bulk(name)));
    }

    #[track_caller]
    pub(crate) fn expect_message(&mut self, channel: &str, payload: &str) {
        self.expect(message(self.protocol, &["message", channel, payload]));
    }

    #[track_caller]
    pub(crate) fn expect_pmessage(&mut self, pattern: &str, channel: &str, payload: &str) {
        self.expect(message(self.protocol, &["pmessage", pattern, channel, payload]));
    }

    #[track_caller]
    pub(crate) fn expect_smessage(&mut self, channel: &str, payload: &str) {
        self.expect(message(self.protocol, &["smessage", channel, payload]));
    }

    /// Subscribes to one channel, pattern or shard channel and reads the confirmation.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, command: &str, name: &str, count: usize) {
        self.command(&format!("{command} {name}"));
        self.expect_confirmation(&command.to_lowercase(), name, count);
    }

    /// Expects that nothing was sent before this moment: the reply of a PING is the next thing to come.
    #[track_caller]
    pub(crate) fn expect_nothing_more(&mut self) {
        self.command("PING nothing-more");
        let reply = self.value();
        let pong = Value::Bulk(b"nothing-more".to_vec());
        let in_subscribed_mode = Value::Array(vec![Value::Bulk(b"pong".to_vec()), pong.clone()]);
        assert!(reply == pong || reply == in_subscribed_mode, "nothing should have come but {reply:?} did");
    }

    /// Reads one whole reply.
    #[track_caller]
    pub(crate) fn value(&mut self) -> Value {
        loop {
            let unread = self.unread();
            if !unread.is_empty()
                && let Some((value, used)) = Value::parse(unread)
            {
                self.start += used;
                return value;
            }
            if let Err(ended) = self.fill(DEADLINE) {
                panic!("{ended} in the middle of a reply, of which this came: {}", shown(self.unread()));
            }
        }
    }

    /// Expects that the server closes and sends nothing before that. A reset counts as a close: the kernel sends one
    /// when the server had not read everything that was sent.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "expected the end but got: {}", shown(&rest));
    }

    /// Reads until the server closes.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.fill(DEADLINE) {
                Ok(()) => {}
                Err(Ended::Closed) => break,
                Err(Ended::NotYet) => panic!("not closed; unread: {}", shown(self.unread())),
            }
        }
        let rest = self.unread().to_vec();
        self.start = self.unread.len();
        rest
    }

    /// One line, or what came of it before the server closed.
    #[track_caller]
    pub(crate) fn read_line(&mut self) -> Vec<u8> {
        let end = loop {
            if let Some(position) = self.unread().iter().position(|byte| *byte == b'\n') {
                break self.start + position + 1;
            }
            match self.fill(DEADLINE) {
                Ok(()) => {}
                Err(Ended::Closed) => break self.unread.len(),
                Err(Ended::NotYet) => panic!("no line; unread: {}", shown(self.unread())),
            }
        };
        let line = self.unread[self.start..end].to_vec();
        self.start = end;
        line
    }

    /// Bytes that came and were not taken, after waiting this long at most for more.
    pub(crate) fn peek(&mut self, wait: Duration) -> &[u8] {
        let _ = self.fill(wait);
        self.unread()
    }

    fn unread(&self) -> &[u8] {
        &self.unread[self.start..]
    }

    fn fill(&mut self, wait: Duration) -> Result<(), Ended> {
        if self.start == self.unread.len() {
            self.unread.clear();
            self.start = 0;
        }
        let deadline = Instant::now() + wait;
        let mut chunk = [0; 65536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Ended::NotYet);
            }
            self.socket.limit_reads(left);
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => {
                    self.unread.extend_from_slice(&chunk[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Err(Ended::Closed),
                    _ => panic!("read: {error}"),
                },
            }
        }
    }
}

enum Ended {
    Closed,
    NotYet,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(match self {
            Ended::Closed => "the server closed the connection",
            Ended::NotYet => "nothing more came before the deadline",
        })
    }
}

/// A request as an array of bulk strings.
pub(crate) fn encode<A: AsRef<[u8]>>(arguments: impl IntoIterator<Item = A>) -> Vec<u8> {
    let arguments: Vec<A> = arguments.into_iter().collect();
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in &arguments {
        let argument = argument.as_ref();
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}

/// A bulk string.
pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A delivered message, as the protocol frames it.
pub(crate) fn message(protocol: Protocol, parts: &[&str]) -> String {
    let body: String = parts.iter().map(|part| bulk(part)).collect();
    format!("{}{}\r\n{body}", protocol.push(), parts.len())
}

fn difference(expected: &[u8], got: &[u8]) -> String {
    let same = expected.iter().zip(got).take_while(|(left, right)| left == right).count();
    // The line in which they part, and the one before it.
    let from = same.saturating_sub(SHOWN / 4);
    format!(
        "they part at byte {same} (shown from {from})\nexpected {}\n     got {}",
        shown(&expected[from..]),
        shown(&got[from.min(got.len())..])
    )
}

fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(SHOWN)];
    let more =
        if bytes.len() > SHOWN { format!(" and {} more bytes", bytes.len() - SHOWN) } else { String::new() };
    format!("\"{}\"{more}", head.escape_ascii())
}
