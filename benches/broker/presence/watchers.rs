//! Watchers of a topic, all on one thread.
//!
//! All are told the same, byte for byte: whoever is the first to receive something has written it down, and everybody else's is
//! compared with that. So what was said is understood once. Must not know what happens in the topic.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::picture::Picture;
use crate::connect::connect;
use crate::histogram::Histogram;
use crate::wire::Resp;

struct Watcher {
    stream: TcpStream,
    /// Bytes of the tape that it has received.
    position: usize,
    /// Marks that it has passed.
    passed: usize,
}

/// All of them.
pub(crate) struct Watchers {
    channel: String,
    poll: Poll,
    watchers: Vec<Watcher>,
    buffer: Vec<u8>,
    /// What was said to all, and up to where it is understood.
    tape: Vec<u8>,
    understood: usize,
    frames: usize,
    picture: Picture,
    /// When each change was due.
    due: Vec<Instant>,
    /// The positions behind frames, with the changes of which they tell.
    marks: Vec<(usize, Vec<u64>)>,
    /// From the time at which a change was due until a watcher has it.
    pub(crate) latency: Histogram,
}

impl Watchers {
    /// Of the topic; they have not subscribed.
    pub(crate) fn connect(address: SocketAddr, topic: &str, count: usize) -> io::Result<Self> {
        Watchers::connect_to(address, &format!("__presence__:{topic}"), count)
    }

    /// Of any channel.
    pub(crate) fn connect_to(address: SocketAddr, channel: &str, count: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut watchers = Vec::with_capacity(count);
        for nth in 0..count {
            let stream = connect(address, &Resp)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(nth), Interest::READABLE)?;
            watchers.push(Watcher { stream, position: 0, passed: 0 });
        }
        Ok(Watchers {
            channel: channel.to_owned(),
            poll,
            watchers,
            buffer: vec![0; 256 * 1024],
            tape: Vec::new(),
            understood: 0,
            frames: 0,
            picture: Picture::default(),
            due: Vec::new(),
            marks: Vec::new(),
            latency: Histogram::new(),
        })
    }

    pub(crate) fn subscribe(&mut self) -> io::Result<()> {
        let request = Resp::array(&["SUBSCRIBE", &self.channel]);
        self.watchers.iter_mut().try_for_each(|watcher| watcher.stream.write_all(&request))
    }

    pub(crate) fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Messages so far, to each.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// The next change, and when it is due.
    pub(crate) fn expect(&mut self, change: u64, due: Instant) {
        assert_eq!(self.due.len() as u64, change);
        self.due.push(due);
    }

    /// What came until now does not count.
    pub(crate) fn skip(&mut self) {
        self.frames = 0;
    }

    /// Whether all know of so many keys.
    pub(crate) fn know(&self, keys: usize) -> bool {
        self.all_have_all() && self.picture.has(keys)
    }

    /// Whether all know just these.
    pub(crate) fn shows(&self, expected: &BTreeMap<String, u64>) -> bool {
        self.all_have_all() && self.picture.is(expected)
    }

    fn all_have_all(&self) -> bool {
        let length = self.tape.len();
        self.understood == length && self.watchers.iter().all(|watcher| watcher.position == length)
    }

    /// Receives until something has become true.
    pub(crate) fn wait(
        &mut self,
        patience: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> io::Result<()> {
        let mut progress = Instant::now();
        while !is_done(self) {
            if self.poll_once(Duration::from_millis(20))? {
                progress = Instant::now();
            } else if progress.elapsed() > patience {
                let behind = self.watchers.iter().filter(|watcher| watcher.position < self.tape.len());
                let (frames, behind) = (self.frames, behind.count());
                let text = format!("lost: {frames} messages came, {behind} watchers have less than others");
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    /// Receives what comes. Returns whether anything did.
    pub(crate) fn poll_once(&mut self, timeout: Duration) -> io::Result<bool> {
        let mut events = Events::with_capacity(256);
        match self.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result?,
        }
        for event in &events {
            self.receive(event.token().0)?;
        }
        Ok(!events.is_empty())
    }

    fn receive(&mut self, nth: usize) -> io::Result<()> {
        loop {
            let watcher = &mut self.watchers[nth];
            let received = match watcher.stream.read(&mut self.buffer) {
                Ok(0) => return Err(io::Error::other("closed by the server")),
                Ok(length) => &self.buffer[..length],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let known = &self.tape[watcher.position..];
            let (same, new) = received.split_at(received.len().min(known.len()));
            if !known.starts_with(same) {
                return Err(io::Error::other("a watcher was told something else than another one"));
            }
            watcher.position += received.len();
            self.tape.extend_from_slice(new);
            if !new.is_empty() {
                self.understand()?;
            }
            self.time(nth);
        }
    }

    /// Takes note of when a watcher has heard of changes.
    fn time(&mut self, nth: usize) {
        let now = Instant::now();
        let watcher = &mut self.watchers[nth];
        while let Some((position, changes)) = self.marks.get(watcher.passed)
            && *position <= watcher.position
        {
            watcher.passed += 1;
            for change in changes {
                self.latency.record((now - self.due[*change as usize]).as_nanos() as u64);
            }
        }
    }

    fn understand(&mut self) -> io::Result<()> {
        while let Some((length, payload)) = frame(&self.tape[self.understood..]) {
            if let Some(payload) = payload {
                self.frames += 1;
                let changes = self.picture.take(payload)?;
                // The members that were there before have the number 0.
                let changes: Vec<u64> = changes.iter().filter_map(|change| change.checked_sub(1)).collect();
                if !changes.is_empty() {
                    self.marks.push((self.understood + length, changes));
                }
            }
            self.understood += length;
        }
        Ok(())
    }
}

/// The length of the first frame, an array of three, and what it says if it is a message. Nothing: it is not all there.
fn frame(bytes: &[u8]) -> Option<(usize, Option<&[u8]>)> {
    let mut position = line(bytes, 0)?.1;
    let mut last = None;
    for _ in 0..3 {
        let (text, end) = line(bytes, position)?;
        position = end;
        last = None;
        if let Some(length) = text.strip_prefix(b"$") {
            let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
            last = Some(bytes.get(position..position + length)?);
            position += length + 2;
        }
    }
    (position <= bytes.len()).then_some((position, last))
}

/// The line that begins there, and where it ends.
fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let length = bytes.get(from..)?.iter().position(|byte| *byte == b'\r')?;
    Some((&bytes[from..from + length], from + length + 2))
}
