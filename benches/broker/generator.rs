//! The load generator: plays publishers and subscribers of a [`Traffic`] against a server, on one thread.
//!
//! It shares the machine with the server and has to be much cheaper: one readiness loop, one large buffer, requests
//! that are slices of a tape, and arrivals that are compared with a tape as they stand. The tape's position tells
//! which message has arrived, so its time of sending is looked up and no payload is ever parsed.
//! Must not know what the server is. Start at [`drive`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::connect;
use crate::histogram::Histogram;
use crate::ping::Pinger;
use crate::sample::{Metric, Sample};
use crate::servers::Server;
use crate::tape::{Received, Tape};
use crate::traffic::{Pace, Traffic};

/// Enough for what a server writes in one call; small enough for the cache.
const BUFFER: usize = 128 * 1024;
/// Between two looks at what is to be published.
const EVENTS_AT_ONCE: usize = 256;
/// Messages that still do not come after that long are lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// In nanoseconds, like all times here.
const SECOND: u64 = 1_000_000_000;
const METRONOME: Token = Token(usize::MAX);

/// Drives the load for that long, waits for the rest of the messages, and says what came of it.
/// An error means that a message was lost, mangled, or that the server counted differently.
pub(crate) fn drive(traffic: &Traffic, server: &dyn Server, time: Duration) -> io::Result<Sample> {
    let mut generator = Generator::connect(traffic, server)?;
    let (address, wire) = (server.address(), server.wire());
    let pinger = match traffic.pinged {
        true => Some(Pinger::start(connect::connect(address, wire)?, wire.ping(), wire.heartbeat())),
        false => None,
    };

    generator.run(time / 5)?;
    let (start, cpu, counted) = (generator.now(), server.cpu_time()?, generator.counted());
    generator.timed = start..start + time.as_nanos() as u64;
    generator.run(time)?;
    let elapsed = Duration::from_nanos(generator.now() - start);
    let cpu = server.cpu_time()?.saturating_sub(cpu);
    let counted = (generator.counted() - counted) as f64;

    let resident = server.resident()?;
    let pinged = pinger.map(Pinger::stop).transpose()?;
    generator.drain()?;
    if let Some(delivered) = server.delivered()?
        && delivered != generator.delivered
    {
        let received = generator.delivered;
        return Err(io::Error::other(format!(
            "the server counted {delivered} deliveries, {received} arrived"
        )));
    }
    let mut sample = Sample::default();
    sample.set(Metric::Rate, Some(counted / elapsed.as_secs_f64()));
    sample.set(Metric::Cpu, Some(cpu.as_nanos() as f64 / counted));
    sample.set_latency(pinged.as_ref().unwrap_or(&generator.latency));
    sample.set(Metric::Resident, resident.map(|bytes| bytes as f64));
    Ok(sample)
}

struct Subscriber {
    stream: TcpStream,
    channel: usize,
    received: Received,
}

struct Publisher {
    stream: TcpStream,
    requests: Tape,
    answers: Tape,
    /// When each request so far was sent, or should have been.
    sent_at: Vec<u64>,
    /// Bytes of the requests that the socket has taken.
    written: u64,
    received: Received,
}

impl Publisher {
    fn sent(&self) -> u64 {
        self.sent_at.len() as u64
    }

    fn unanswered(&self) -> u64 {
        self.sent() - self.received.frames(&self.answers)
    }

    fn publish(&mut self, count: u64, at: u64) -> io::Result<()> {
        self.sent_at.resize(self.sent_at.len() + count as usize, at);
        self.write()
    }

    /// As far as the socket takes it.
    fn write(&mut self) -> io::Result<()> {
        let end = self.sent() * self.requests.frame_len();
        while self.written < end {
            match self.stream.write(self.requests.slice(self.written, end)) {
                Ok(length) => self.written += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

struct Generator<'a> {
    traffic: &'a Traffic,
    heartbeat: &'static [u8],
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// One for each channel.
    messages: Vec<Tape>,
    subscribers: Vec<Subscriber>,
    publishers: Vec<Publisher>,
    /// Holds patterns; nothing ever arrives.
    _bystander: Option<std::net::TcpStream>,
    /// Totals over all connections.
    sent: u64,
    answered: u64,
    delivered: u64,
    started: Instant,
    /// Wakes the loop whenever a message is due.
    metronome: Option<File>,
    /// Of the messages sent in this time, latencies are kept.
    timed: Range<u64>,
    /// Of so many messages one is timed.
    timed_every: u64,
    latency: Histogram,
}

impl<'a> Generator<'a> {
    fn connect(traffic: &'a Traffic, server: &dyn Server) -> io::Result<Self> {
        let (address, wire) = (server.address(), server.wire());
        let poll = Poll::new()?;
        let first = traffic.subscribers().map(|channel| traffic.subscribe(wire, channel));
        let streams = connect::connect_all(address, wire, first)?;
        let mut subscribers = Vec::with_capacity(streams.len());
        for (stream, channel) in streams.into_iter().zip(traffic.subscribers()) {
            let stream = register(&poll, stream, Token(subscribers.len()))?;
            subscribers.push(Subscriber { stream, channel, received: Received::default() });
        }
        let mut bystander = None;
        if traffic.patterns > 0 {
            let exchanges = traffic.subscribe_patterns(wire).ok_or(io::ErrorKind::Unsupported)?;
            let stream = bystander.insert(connect::connect(address, wire)?);
            connect::exchange_all(stream, wire, exchanges)?;
        }
        let mut publishers = Vec::with_capacity(traffic.publishers);
        for nth in 0..traffic.publishers {
            let stream = connect::connect(address, wire)?;
            publishers.push(Publisher {
                stream: register(&poll, stream, Token(subscribers.len() + nth))?,
                requests: traffic.requests(wire, nth),
                answers: traffic.answers(wire, nth),
                sent_at: Vec::new(),
                written: 0,
                received: Received::default(),
            });
        }
        let started = Instant::now();
        let metronome = match traffic.pace {
            Pace::Closed { .. } => None,
            Pace::PerSecond(rate) => Some(start_metronome(&poll, rate)?),
        };
        Ok(Generator {
            traffic,
            heartbeat: wire.heartbeat(),
            poll,
            events: Events::with_capacity(EVENTS_AT_ONCE),
            buffer: vec![0; BUFFER],
            messages: (0..traffic.channels).map(|channel| traffic.messages(wire, channel)).collect(),
            subscribers,
            publishers,
            _bystander: bystander,
            sent: 0,
            answered: 0,
            delivered: 0,
            started,
            metronome,
            timed: u64::MAX..u64::MAX,
            timed_every: if traffic.is_saturated() { 64 } else { 1 },
            latency: Histogram::new(),
        })
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// What the load is about: deliveries, or publishes where nobody listens.
    fn counted(&self) -> u64 {
        if self.traffic.subscribers > 0 { self.delivered } else { self.answered }
    }

    fn run(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        loop {
            self.publish()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            self.poll_once(rest)?;
        }
    }

    /// Receives what is still on its way.
    fn drain(&mut self) -> io::Result<()> {
        self.metronome = None;
        let expected = self.sent * self.traffic.subscribers as u64;
        let mut progress = Instant::now();
        while self.delivered < expected || self.answered < self.sent {
            let before = self.delivered + self.answered;
            self.poll_once(PATIENCE)?;
            if self.delivered + self.answered > before {
                progress = Instant::now();
            } else if progress.elapsed() > PATIENCE {
                break;
            }
        }
        // Whatever was sent too much comes now.
        self.poll_once(Duration::from_millis(20))?;
        let (sent, answered, delivered) = (self.sent, self.answered, self.delivered);
        if delivered != expected || answered != sent {
            let text = format!(
                "lost: {sent} published, {answered} answered, {delivered} of {expected} deliveries arrived"
            );
            return Err(io::Error::other(text));
        }
        Ok(())
    }

    fn poll_once(&mut self, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let token = event.token();
            if token == METRONOME {
                self.hear_metronome()?;
                continue;
            }
            match token.0.checked_sub(self.subscribers.len()) {
                None => self.read_messages(token.0)?,
                Some(publisher) => {
                    self.publishers[publisher].write()?;
                    self.read_answers(publisher)?;
                }
            }
        }
        self.events = events;
        Ok(())
    }

    /// It goes on only once its count of ticks has been read. The clock tells what is due, not the count.
    fn hear_metronome(&mut self) -> io::Result<()> {
        match self.metronome.as_mut().map(|metronome| metronome.read(&mut [0; 8])) {
            Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn read_messages(&mut self, subscriber: usize) -> io::Result<()> {
        let subscriber = &mut self.subscribers[subscriber];
        let tape = &self.messages[subscriber.channel];
        let before = subscriber.received.frames(tape);
        receive(&mut subscriber.stream, &mut self.buffer, |bytes| {
            subscriber.received.advance(tape, self.heartbeat, bytes)
        })?;
        let after = subscriber.received.frames(tape);
        let channel = subscriber.channel;
        self.delivered += after - before;
        let now = self.now();
        for nth in timed(before..after, self.timed_every) {
            let (publisher, request) = self.traffic.request_of(channel, nth);
            self.record(publisher, request, now)?;
        }
        Ok(())
    }

    fn read_answers(&mut self, nth: usize) -> io::Result<()> {
        let publisher = &mut self.publishers[nth];
        let before = publisher.received.frames(&publisher.answers);
        receive(&mut publisher.stream, &mut self.buffer, |bytes| {
            publisher.received.advance(&publisher.answers, self.heartbeat, bytes)
        })?;
        let after = publisher.received.frames(&publisher.answers);
        self.answered += after - before;
        if self.traffic.subscribers == 0 {
            let now = self.now();
            for request in timed(before..after, self.timed_every) {
                self.record(nth, request as usize, now)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, publisher: usize, request: usize, now: u64) -> io::Result<()> {
        let sent_at = self.publishers[publisher].sent_at.get(request);
        let sent_at = *sent_at.ok_or_else(|| io::Error::other("arrived before it was published"))?;
        if self.timed.contains(&sent_at) {
            self.latency.record(now - sent_at);
        }
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        match self.traffic.pace {
            Pace::Closed { unanswered, undelivered } => self.publish_what_fits(unanswered, undelivered),
            Pace::PerSecond(rate) => self.publish_what_is_due(rate),
        }
    }

    fn publish_what_fits(&mut self, unanswered: u64, undelivered: Option<u64>) -> io::Result<()> {
        let now = self.now();
        for publisher in &mut self.publishers {
            let mut room = unanswered.saturating_sub(publisher.unanswered());
            if let Some(undelivered) = undelivered {
                let delivered = self.delivered / self.traffic.subscribers as u64;
                let room_for_deliveries = (undelivered + delivered).saturating_sub(self.sent);
                // A few at a time would make small batches of what is meant to be saturation.
                let worthwhile = room_for_deliveries >= undelivered.div_ceil(8);
                room = if worthwhile { room.min(room_for_deliveries) } else { 0 };
            }
            if room > 0 {
                self.sent += room;
                publisher.publish(room, now)?;
            }
        }
        Ok(())
    }

    /// A message that is late counts from when it was due, so that a stalled server cannot stop the clock.
    fn publish_what_is_due(&mut self, rate: u64) -> io::Result<()> {
        let turns = self.publishers.len() as u64;
        while self.sent * SECOND / rate <= self.now() {
            let due = self.sent * SECOND / rate;
            self.publishers[(self.sent % turns) as usize].publish(1, due)?;
            self.sent += 1;
        }
        Ok(())
    }
}

/// Ticks from now on. The timeouts of `poll` would be whole milliseconds.
fn start_metronome(poll: &Poll, rate: u64) -> io::Result<File> {
    let interval = Duration::from_nanos(SECOND / rate);
    let interval = Timespec::try_from(interval).map_err(io::Error::other)?;
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let ticks = Itimerspec { it_interval: interval, it_value: interval };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &ticks)?;
    poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), METRONOME, Interest::READABLE)?;
    Ok(File::from(timer))
}

/// The messages of a range that are timed.
fn timed(messages: Range<u64>, every: u64) -> impl Iterator<Item = u64> {
    (messages.start.next_multiple_of(every)..messages.end).step_by(every as usize)
}

fn register(poll: &Poll, stream: std::net::TcpStream, token: Token) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// Reads until the socket is empty, which a read that does not fill the buffer tells without a further call.
fn receive(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(io::Error::other("lost: the server closed a connection")),
            Ok(length) => {
                take(&buffer[..length])?;
                if length < buffer.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
