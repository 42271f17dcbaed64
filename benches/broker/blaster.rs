//! The other side of a load with nothing in between: a thread that serves prepared frames as fast as sockets take
//! them. What the generator reaches against it is the ceiling of what it can show for any server.
//!
//! It reads no request: their number follows from the bytes that came, the rest from the [`Traffic`].
//! Must not know of products or time.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::process;
use crate::servers::Server;
use crate::tape::Tape;
use crate::traffic::{Pace, Traffic};
use crate::wire::{Resp, Wire};

/// A running blaster. Its thread ends when the load's publishers are gone.
pub(crate) struct Blaster {
    address: SocketAddr,
    /// The thread's directory in `/proc`.
    thread: PathBuf,
}

impl Blaster {
    pub(crate) fn start(traffic: &Traffic) -> io::Result<Blaster> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, receiver) = mpsc::channel();
        let traffic = traffic.clone();
        thread::spawn(move || {
            let _ = sender.send(fs::canonicalize("/proc/thread-self"));
            // A failure closes the connections, which the generator reports.
            let _ = Blast::accept(&traffic, &listener).and_then(|mut blast| blast.run());
        });
        let thread = receiver.recv().map_err(io::Error::other)??;
        Ok(Blaster { address, thread })
    }
}

impl Server for Blaster {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn wire(&self) -> &'static dyn Wire {
        &Resp
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        process::thread_cpu_time(&self.thread)
    }

    fn resident(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    fn delivered(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// A connection and how far along its tape it is.
struct Outgoing {
    stream: TcpStream,
    written: u64,
    /// In frames.
    goal: u64,
}

impl Outgoing {
    fn write(&mut self, tape: &Tape) -> io::Result<()> {
        let goal = self.goal * tape.frame_len();
        while self.written < goal {
            match self.stream.write(tape.slice(self.written, goal)) {
                Ok(length) => self.written += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

struct Publisher {
    outgoing: Outgoing,
    answers: Tape,
    request_len: u64,
    /// Bytes.
    read: u64,
}

struct Blast<'a> {
    traffic: &'a Traffic,
    /// Messages for a subscriber that are written at once. Where answers alone hold the publishers back, a server may
    /// gain by letting deliveries wait for each other, and the ceiling must not lie below that.
    batch: u64,
    poll: Poll,
    /// One for each channel.
    messages: Vec<Tape>,
    subscribers: Vec<Outgoing>,
    publishers: Vec<Publisher>,
    buffer: Vec<u8>,
}

impl<'a> Blast<'a> {
    /// Connections come in the order in which the generator opens them.
    fn accept(traffic: &'a Traffic, listener: &TcpListener) -> io::Result<Self> {
        let mut blast = Blast {
            traffic,
            batch: match traffic.pace {
                Pace::Closed { unanswered, undelivered: None } => unanswered,
                _ => 1,
            },
            poll: Poll::new()?,
            messages: (0..traffic.channels).map(|channel| traffic.messages(&Resp, channel)).collect(),
            subscribers: Vec::new(),
            publishers: Vec::new(),
            buffer: vec![0; 64 * 1024],
        };
        for channel in traffic.subscribers() {
            let answer = traffic.subscribe(&Resp, channel).answer;
            let outgoing = blast.accept_one(listener, &answer)?;
            blast.subscribers.push(outgoing);
        }
        for nth in 0..traffic.publishers {
            let outgoing = blast.accept_one(listener, b"")?;
            let request_len = traffic.requests(&Resp, nth).frame_len();
            let answers = traffic.answers(&Resp, nth);
            blast.publishers.push(Publisher { outgoing, answers, request_len, read: 0 });
        }
        Ok(blast)
    }

    fn accept_one(&self, listener: &TcpListener, answer: &[u8]) -> io::Result<Outgoing> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.write_all(answer)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.subscribers.len() + self.publishers.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Outgoing { stream, written: 0, goal: 0 })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_millis(1)))?;
            if events.is_empty() {
                for subscriber in 0..self.subscribers.len() {
                    self.write_messages(subscriber)?;
                }
            }
            for event in &events {
                let nth = event.token().0;
                match nth.checked_sub(self.subscribers.len()) {
                    None => self.write_messages(nth)?,
                    Some(publisher) => self.serve(publisher)?,
                }
            }
        }
    }

    fn serve(&mut self, nth: usize) -> io::Result<()> {
        let publisher = &mut self.publishers[nth];
        loop {
            match publisher.outgoing.stream.read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => publisher.read += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let requests = publisher.outgoing.goal..publisher.read / publisher.request_len;
        publisher.outgoing.goal = requests.end;
        publisher.outgoing.write(&publisher.answers)?;
        if self.traffic.channels == 1 {
            // All of them at once: one write for each subscriber.
            self.deliver(0, requests.end - requests.start)?;
        } else if self.traffic.subscribers > 0 {
            for request in requests {
                self.deliver(self.traffic.channel_of(nth, request), 1)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, channel: usize, messages: u64) -> io::Result<()> {
        let first = channel * self.traffic.subscribers;
        for subscriber in first..first + self.traffic.subscribers {
            let outgoing = &mut self.subscribers[subscriber];
            outgoing.goal += messages;
            let waiting = outgoing.goal * self.messages[channel].frame_len() - outgoing.written;
            if waiting >= self.batch * self.messages[channel].frame_len() {
                self.write_messages(subscriber)?;
            }
        }
        Ok(())
    }

    fn write_messages(&mut self, subscriber: usize) -> io::Result<()> {
        let channel = subscriber / self.traffic.subscribers;
        self.subscribers[subscriber].write(&self.messages[channel])
    }
}
