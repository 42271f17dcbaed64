//! What is said to the server, and by how many at once.
//!
//! Owns the members that the loads are made of. Must not know what is measured.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use crate::connect::connect;
use crate::wire::Resp;

/// Of a topic, where it is not said.
pub(crate) const TOPIC_MEMBERS: u64 = 1000;
/// Of each meta.
pub(crate) const META_BYTES: usize = 40;
/// A ref as a reply.
const REF_BYTES: usize = "$32\r\n\r\n".len() + 32;
const AT_ONCE: usize = 256;
/// Of the members that come and go.
const GUESTS: u64 = 50;

pub(crate) fn key(nth: u64) -> String {
    format!("user:{nth:07}")
}

/// Its number is that of the change by which it came.
fn meta(change: u64) -> String {
    let meta = format!(r#"{{"n":{change},"name":""#);
    let filling = META_BYTES.saturating_sub(meta.len() + 2);
    format!(r#"{meta}{}"}}"#, "x".repeat(filling))
}

pub(crate) fn track(topic: &str, key: &str, change: u64) -> Vec<u8> {
    Resp::array(&["PRESENCE.TRACK", topic, key, &meta(change)])
}

fn track_in_session(topic: &str, key: &str, change: u64) -> Vec<u8> {
    Resp::array(&["PRESENCE.TRACK", topic, key, &meta(change), "SESSION", "s"])
}

/// A client whose members live as long as its connection, unless they are in a session.
pub(crate) struct Holder {
    stream: TcpStream,
    /// The change by which each member came.
    present: BTreeMap<String, u64>,
}

impl Holder {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Holder> {
        Ok(Holder { stream: connect(address, &Resp)?, present: BTreeMap::new() })
    }

    /// Tracks the members with these numbers.
    pub(crate) fn track_all(&mut self, topic: &str, members: Range<u64>) -> io::Result<()> {
        self.present.extend(members.clone().map(|nth| (key(nth), 0)));
        self.send_all(members.map(|nth| track(topic, &key(nth), 0)))
    }

    pub(crate) fn track_all_in_session(&mut self, topic: &str, members: Range<u64>) -> io::Result<()> {
        self.send_all(members.map(|nth| track_in_session(topic, &key(nth), 0)))
    }

    /// The same, in a session and in topics of equal size.
    pub(crate) fn track_in_topics(&mut self, members: Range<u64>) -> io::Result<()> {
        let topic = |nth| format!("room:{}", nth / TOPIC_MEMBERS);
        self.send_all(members.map(|nth| track_in_session(&topic(nth), &key(nth), 0)))
    }

    fn send_all(&mut self, requests: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let mut requests = requests.peekable();
        let mut answers = vec![0; AT_ONCE * REF_BYTES];
        while requests.peek().is_some() {
            let (mut bytes, mut sent) = (Vec::new(), 0);
            for request in requests.by_ref().take(AT_ONCE) {
                bytes.extend(request);
                sent += 1;
            }
            self.stream.write_all(&bytes)?;
            let answers = &mut answers[..sent * REF_BYTES];
            self.stream.read_exact(answers)?;
            Answer::Ref.check(answers)?;
        }
        Ok(())
    }

    /// One of the members gets another meta, or one of the guests comes or goes. The answer is not waited for.
    pub(crate) fn change(&mut self, topic: &str, members: u64, nth: u64) -> io::Result<()> {
        let key = if nth % 4 == 3 { format!("guest:{}", nth % GUESTS) } else { key(nth * 7919 % members) };
        let leaves = nth % 4 == 3 && self.present.remove(&key).is_some();
        let request = if leaves {
            Resp::array(&["PRESENCE.UNTRACK", topic, &key])
        } else {
            track(topic, &key, nth + 1)
        };
        if !leaves {
            self.present.insert(key, nth + 1);
        }
        self.stream.write_all(&request)
    }

    /// Who must be present, and by which change.
    pub(crate) fn present(&self) -> BTreeMap<String, u64> {
        self.present.clone()
    }

    /// The answer to one request, of any kind.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        const END: &[u8] = b"+PONG\r\n";
        self.stream.write_all(request)?;
        self.stream.write_all(&Resp::array(&["PING"]))?;
        let mut answer = Vec::new();
        let mut chunk = [0; 16 * 1024];
        while !answer.ends_with(END) {
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => answer.extend_from_slice(&chunk[..length]),
            }
        }
        answer.truncate(answer.len() - END.len());
        Ok(answer)
    }
}

/// What each request is to be answered with.
pub(crate) enum Answer {
    Ref,
    Exactly(Vec<u8>),
}

impl Answer {
    fn len(&self) -> usize {
        match self {
            Answer::Ref => REF_BYTES,
            Answer::Exactly(bytes) => bytes.len(),
        }
    }

    /// Whether these are such answers, one after the other.
    fn check(&self, answers: &[u8]) -> io::Result<()> {
        let is_right = |answer: &[u8]| match self {
            Answer::Ref => answer.starts_with(b"$32\r\n") && answer.ends_with(b"\r\n"),
            Answer::Exactly(bytes) => answer == bytes,
        };
        match answers.chunks(self.len()).find(|answer| !is_right(answer)) {
            None => Ok(()),
            Some(answer) => {
                let shown = answer[..answer.len().min(200)].escape_ascii();
                Err(io::Error::other(format!("mangled: \"{shown}\"")))
            }
        }
    }
}

/// Clients that ask as fast as they are answered.
pub(crate) struct Flood {
    pub(crate) connections: usize,
    /// Requests that each sends at once.
    pub(crate) pipeline: usize,
    pub(crate) answer: Answer,
}

impl Flood {
    /// Asks for that long, or while there are requests. Returns how many were answered, in what time.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        time: Duration,
        request: &(dyn Fn() -> Option<Vec<u8>> + Sync),
    ) -> io::Result<(u64, Duration)> {
        let streams: io::Result<Vec<TcpStream>> =
            (0..self.connections).map(|_| connect(address, &Resp)).collect();
        let start = Instant::now();
        let answered: io::Result<u64> = thread::scope(|scope| {
            let clients: Vec<_> = streams?
                .into_iter()
                .map(|stream| scope.spawn(move || self.ask(stream, start + time, request)))
                .collect();
            clients.into_iter().map(|client| client.join().unwrap_or_else(|_| Err(panicked()))).sum()
        });
        Ok((answered?, start.elapsed()))
    }

    fn ask(
        &self,
        mut stream: TcpStream,
        end: Instant,
        request: &(dyn Fn() -> Option<Vec<u8>> + Sync),
    ) -> io::Result<u64> {
        let mut answers = vec![0; self.pipeline * self.answer.len()];
        let (mut requests, mut answered) = (Vec::new(), 0);
        while Instant::now() < end {
            requests.clear();
            let mut sent = 0;
            for request in std::iter::from_fn(request).take(self.pipeline) {
                requests.extend(request);
                sent += 1;
            }
            if sent == 0 {
                break;
            }
            stream.write_all(&requests)?;
            let answers = &mut answers[..sent * self.answer.len()];
            stream.read_exact(answers)?;
            self.answer.check(answers)?;
            answered += sent as u64;
        }
        Ok(answered)
    }
}

fn panicked() -> io::Error {
    io::Error::other("a client's thread panicked")
}
