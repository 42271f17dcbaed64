//! The gossip socket: membership's shell, on a thread of its own, so that no amount of fan-out makes this instance a suspect.
//!
//! Owns the socket, the clock, and the looking up of seeds' names, which may take seconds and has another thread. Must not know
//! what follows from an event: whoever starts it is told.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use parking_lot::Mutex;

use crate::crdt::Incarnation;
use crate::membership::machine::DATAGRAM_BYTES_MAX;
use crate::membership::{Event, Membership, Peer, Refused, Settings};

/// An own delay above this is a pause of the process or of its machine, and not of the others.
const LAG_MS: u64 = 1_000;

/// So often names are looked up again: the addresses of a headless service come and go.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// The same while a name is not found: it may appear with the first instance behind it.
const RESOLVE_RETRY: Duration = Duration::from_secs(3);

/// Datagrams taken after a pause before timers fire: more than a socket's buffer holds.
const BACKLOG_MAX: usize = 4_096;

/// What the gossip of an instance needs.
pub struct Start {
    /// Bound already.
    pub socket: UdpSocket,
    /// This instance, with the addresses at which others reach it.
    pub me: Peer,
    /// How membership works.
    pub settings: Settings,
    /// Names and ports of other instances, of this one perhaps too: `host:port`.
    pub seeds: Vec<String>,
    /// A random number that nobody can guess.
    pub entropy: u64,
}

/// The running gossip of an instance. Dropped, it falls silent, which to others is a crash: see [`leave`](Self::leave).
pub struct Gossip {
    inbox: Inbox,
    refused: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Nothing is ever sent: that it is gone ends the looking up of names.
    _ends_lookups: Sender<()>,
}

/// How many datagrams were refused, by reason.
#[derive(Default)]
struct Counters([AtomicU64; Refused::ALL.len()]);

enum Command {
    Leave,
    SetIncarnation(Incarnation),
    SetSeed(u64, Vec<SocketAddr>),
    Stop,
}

impl Gossip {
    /// Starts it. `tell` is called on its thread, and must not wait.
    ///
    /// # Errors
    /// The socket cannot be used, or there is no thread to be had.
    pub fn start(start: Start, tell: impl FnMut(Event) + Send + 'static) -> io::Result<Self> {
        let Start { socket, me, settings, seeds, entropy } = start;
        let (sender, commands) = unbounded();
        let inbox = Inbox { commands: sender, socket: socket.try_clone()?, address: own_address(&socket)? };
        let refused = Arc::new(Counters::default());
        let shell = Shell {
            is_ipv6: socket.local_addr()?.is_ipv6(),
            socket,
            machine: Membership::new(me, &settings, entropy, 0),
            began: Instant::now(),
            commands,
            refused: refused.clone(),
            tell,
            buffer: vec![0; DATAGRAM_BYTES_MAX + 1],
        };
        let (ends_lookups, ended) = bounded(0);
        if !seeds.is_empty() {
            let inbox = inbox.try_clone()?;
            thread::Builder::new().name("seeds".into()).spawn(move || resolve(&seeds, &inbox, &ended))?;
        }
        let thread = thread::Builder::new().name("gossip".into()).spawn(move || shell.run())?;
        Ok(Gossip { inbox, refused, thread: Mutex::new(Some(thread)), _ends_lookups: ends_lookups })
    }

    /// Tells the others that this instance goes, and waits until that is done: some 300 ms.
    pub fn leave(&self) {
        self.inbox.post(Command::Leave);
        self.join();
    }

    /// This instance begins a later life. ([`Membership::set_incarnation`].)
    pub fn set_incarnation(&self, incarnation: Incarnation) {
        self.inbox.post(Command::SetIncarnation(incarnation));
    }

    /// How many datagrams were of no use, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64)> {
        let counts = self.refused.0.iter().map(|count| count.load(Ordering::Relaxed));
        Refused::ALL.into_iter().zip(counts)
    }

    fn join(&self) {
        let thread = self.thread.lock().take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("The gossip thread has ended by a panic");
        }
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.inbox.post(Command::Stop);
        self.join();
    }
}

/// Where the thread takes commands: behind each comes an empty datagram, since it waits at its socket.
struct Inbox {
    commands: Sender<Command>,
    socket: UdpSocket,
    address: SocketAddr,
}

impl Inbox {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Inbox { commands: self.commands.clone(), socket: self.socket.try_clone()?, address: self.address })
    }

    fn post(&self, command: Command) {
        // It may have left, and then there is nothing to be done.
        let _ = self.commands.send(command);
        // If there is no room for it the thread has enough to wake up for.
        let _ = self.socket.send_to(&[], self.address);
    }
}

/// Where a socket is reached from its own machine.
fn own_address(socket: &UdpSocket) -> io::Result<SocketAddr> {
    let mut address = socket.local_addr()?;
    if address.ip().is_unspecified() {
        let local = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(local);
    }
    Ok(address)
}

/// Looks up the names of seeds until nobody wants to know.
fn resolve(seeds: &[String], inbox: &Inbox, ended: &Receiver<()>) {
    let mut is_known = vec![false; seeds.len()];
    loop {
        for (number, seed) in seeds.iter().enumerate() {
            let found: Vec<_> = match seed.to_socket_addrs() {
                Ok(addresses) => addresses.collect(),
                Err(error) => {
                    tracing::debug!("The address of peer {seed} is not found: {error}");
                    Vec::new()
                }
            };
            is_known[number] |= !found.is_empty();
            inbox.post(Command::SetSeed(number as u64, found));
        }
        let pause = if is_known.contains(&false) { RESOLVE_RETRY } else { RESOLVE_INTERVAL };
        if ended.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

struct Shell<Tell> {
    socket: UdpSocket,
    is_ipv6: bool,
    machine: Membership,
    began: Instant,
    commands: Receiver<Command>,
    refused: Arc<Counters>,
    tell: Tell,
    buffer: Vec<u8>,
}

impl<Tell: FnMut(Event)> Shell<Tell> {
    fn run(mut self) {
        while let Some(due_ms) = self.machine.next_timeout() {
            let arrived = self.wait(due_ms);
            let lag_ms = self.now_ms().saturating_sub(due_ms);
            if lag_ms > LAG_MS {
                self.machine.handle_lag(lag_ms);
            }
            if let Some((length, from)) = arrived {
                self.take(length, from);
            }
            if lag_ms > LAG_MS {
                tracing::warn!("This instance stood still for {lag_ms} ms");
                self.take_backlog();
            }
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Leave => self.machine.leave(self.now_ms()),
                    Command::SetIncarnation(incarnation) => {
                        self.machine.set_incarnation(self.now_ms(), incarnation);
                    }
                    Command::SetSeed(number, addresses) => {
                        self.machine.set_seed(self.now_ms(), number, addresses);
                    }
                    Command::Stop => return,
                }
            }
            if self.machine.next_timeout().is_some_and(|due_ms| due_ms <= self.now_ms()) {
                self.machine.handle_timeout(self.now_ms());
            }
            self.drain();
        }
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Waits for a datagram, at most until something is due.
    fn wait(&mut self, due_ms: u64) -> Option<(usize, SocketAddr)> {
        let left = Duration::from_millis(due_ms).saturating_sub(self.began.elapsed());
        // Zero would mean for ever.
        let left = left.max(Duration::from_micros(100));
        let received = self.socket.set_read_timeout(Some(left)).and_then(|()| self.receive());
        match received {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!("The gossip socket fails: {error}");
                // Whatever it is, it must not become a busy loop.
                thread::sleep(Duration::from_millis(10));
                None
            }
        }
    }

    fn receive(&mut self) -> io::Result<Option<(usize, SocketAddr)>> {
        match self.socket.recv_from(&mut self.buffer) {
            Ok(received) => Ok(Some(received)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, length: usize, from: SocketAddr) {
        // It has only woken this thread.
        if length == 0 {
            return;
        }
        let now_ms = self.now_ms();
        if let Err(refused) = self.machine.handle_datagram(now_ms, from, &self.buffer[..length]) {
            tracing::debug!("A datagram of {from} is refused: {refused:?}");
            self.refused.0[refused as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes all that has arrived.
    fn take_backlog(&mut self) {
        if self.socket.set_nonblocking(true).is_ok() {
            for _ in 0..BACKLOG_MAX {
                let Ok(Some((length, from))) = self.receive() else { break };
                self.take(length, from);
                self.drain();
            }
        }
        // Should this fail, the next wait returns at once, again and again, and all works.
        let _ = self.socket.set_nonblocking(false);
    }

    fn drain(&mut self) {
        while let Some((to, datagram)) = self.machine.poll_datagram() {
            let to = if self.is_ipv6 { as_ipv6(to) } else { to };
            if let Err(error) = self.socket.send_to(&datagram, to) {
                tracing::debug!("A datagram to {to} is not sent: {error}");
            }
        }
        while let Some(event) = self.machine.poll_event() {
            tracing::debug!("Membership: {event:?}");
            (self.tell)(event);
        }
    }
}

/// As a socket of IPv6 that serves IPv4 too wants it.
fn as_ipv6(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
#[path = "gossip_tests.rs"]
mod tests;
