//! The connections to other instances: sockets, timers and locks around [`Links`].
//!
//! Owns dialling, accepting, and one task per connection, which reads, writes and counts the seconds. Each round of a task is
//! "what happens next?" ([`Task::select`]) and a synchronous "do it" ([`Task::apply`]). What a peer sends is handed to the
//! [`Cluster`] at once; nobody's slowness is waited for. Must not know what is in the frames, nor which peers there ought
//! to be. Start with [`Peer::drive`].
//!
//! Locks: the gate, then the cluster's own, then `links`. Nothing of ours is called while `links` is held.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::transport::{self, entropy};
use crate::crdt::NodeId;
use crate::link::connection::TICK;
use crate::link::{
    Connection, ConnectionId, Dial, Event, Failure, Farewell, Frame, Links, Loss, Me, Outgoing, Refused,
    Report, Secrets, Settings,
};
use crate::time::Now;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// A batch is written when it has so many bytes, or there is nothing more.
const BATCH_BYTES: usize = 64 * 1024;
/// A dial that has not been answered by then has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Strangers who may be in a handshake at the same time; each costs a descriptor and a buffer for five seconds at most.
const STRANGERS_MAX: usize = 128;
/// Who is refused has so long to take the reason.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the connections are for.
pub trait Cluster: Sized + Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Now;

    /// What we say of ourselves.
    fn me(&self) -> Me;

    /// What is proved.
    fn secrets(&self) -> Secrets;

    /// The peer with this id, if membership knows it.
    fn peer(&self, node: NodeId) -> Option<Arc<Peer<Self>>>;

    /// Takes a frame. Bounded work: what takes longer goes on elsewhere, and nothing is waited for.
    ///
    /// # Errors
    /// It is none, and why: the connection is closed.
    fn apply(&self, peer: NodeId, frame: Frame<'_>) -> Result<(), &'static str>;

    /// Takes what has become of the links to a peer. In order, one at a time.
    fn handle_event(&self, peer: NodeId, event: Event);
}

/// The links to one peer, for all who use them.
pub struct Peer<C> {
    node: NodeId,
    cluster: Arc<C>,
    links: Mutex<Links>,
    /// Held, for reading, while frames are delivered. Who has opened a connection of a new epoch waits here, once, for the
    /// deliveries of the old one to end.
    gate: RwLock<()>,
    /// The tasks of connections, to be woken.
    tasks: Mutex<BTreeMap<ConnectionId, Handle>>,
    /// Held while events are told.
    telling: Mutex<()>,
    /// There may be something to dial, or another time-out.
    changed: Notify,
}

/// A connection's task, as others see it.
struct Handle {
    wake: Arc<Notify>,
    round_trip: Option<Duration>,
}

impl<C: Cluster> Peer<C> {
    /// Nothing is connected yet; see [`Peer::drive`].
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn new(cluster: Arc<C>, node: NodeId, settings: Settings) -> io::Result<Arc<Self>> {
        let [life] = entropy()?;
        let links = Mutex::new(Links::new(cluster.me(), node, settings, life));
        Ok(Arc::new(Peer {
            node,
            cluster,
            links,
            gate: RwLock::default(),
            tasks: Mutex::default(),
            telling: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Does what is due, for as long as the peer is one. `connect` makes a connection to it and says whether it is on loopback.
    pub async fn drive<S, F>(self: Arc<Self>, connect: impl Fn() -> F + Clone + Send + 'static)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<(S, bool)>> + Send + 'static,
    {
        loop {
            let now = self.cluster.now().monotonic;
            let dials = self.with(|links| {
                if links.next_timeout().is_some_and(|at| at <= now) {
                    links.handle_timeout(now, random());
                }
                std::iter::from_fn(|| links.poll_dial()).collect::<Vec<_>>()
            });
            for dial in dials {
                tokio::spawn(self.clone().dial(dial, connect.clone()));
            }
            let next = self.links.lock().next_timeout();
            match next {
                Some(at) => {
                    let left = at.saturating_sub(self.cluster.now().monotonic);
                    // An error is the time-out.
                    let _ = timeout(left, self.changed.notified()).await;
                }
                None if self.links.lock().is_given_up() => return,
                None => self.changed.notified().await,
            }
        }
    }

    async fn dial<S, F>(self: Arc<Self>, dial: Dial, connect: impl Fn() -> F)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<(S, bool)>>,
    {
        let id = dial.id;
        match self.begin(dial, connect()).await {
            Ok((stream, connection)) => {
                let place = Some((self.clone(), id));
                Task::new(self.cluster.clone(), stream, connection, place).run().await;
            }
            Err(error) => tracing::debug!("Cannot dial node={}: {error}", self.node),
        }
        self.lose(id);
    }

    async fn begin<S>(
        &self,
        dial: Dial,
        connect: impl Future<Output = io::Result<(S, bool)>>,
    ) -> io::Result<(S, Connection)> {
        let (stream, is_loopback) = timeout(CONNECT_TIMEOUT, connect).await??;
        let connection =
            Connection::dial(dial.hello, self.node, self.cluster.secrets(), is_loopback, nonce()?);
        Ok((stream, connection.map_err(|failure| io::Error::other(failure.to_string()))?))
    }

    fn lose(&self, id: ConnectionId) {
        self.tasks.lock().remove(&id);
        let now = self.cluster.now().monotonic;
        self.with(|links| links.lost(now, id, random()));
    }

    /// Calls the machine, and tells what has become of it.
    fn with<T>(&self, call: impl FnOnce(&mut Links) -> T) -> T {
        let result = call(&mut self.links.lock());
        self.tell();
        result
    }

    /// Tells events, in order. Who finds somebody at it leaves it to him, as he looks again when he is done.
    fn tell(&self) {
        while self.links.lock().has_events() {
            let Some(_telling) = self.telling.try_lock() else { return };
            loop {
                let event = self.links.lock().poll_event();
                match event {
                    None => break,
                    Some(Event::Close(id) | Event::Wake(id)) => self.wake(id),
                    Some(event) => self.cluster.handle_event(self.node, event),
                }
            }
            self.changed.notify_one();
        }
    }

    fn wake(&self, id: ConnectionId) {
        let wake = self.tasks.lock().get(&id).map(|handle| handle.wake.clone());
        wake.into_iter().for_each(|wake| wake.notify_one());
    }

    /// The peer's id.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Queues what the client with this id has published.
    ///
    /// # Errors
    /// It was dropped, and counted.
    pub fn publish(&self, publisher: u64, frame: &Outgoing<'_>) -> Result<(), Loss> {
        let asleep = self.links.lock().publish(publisher, frame)?;
        asleep.into_iter().for_each(|id| self.wake(id));
        Ok(())
    }

    /// Queues a frame for control.
    pub fn send(&self, frame: &Frame<'_>) {
        let now = self.cluster.now().monotonic;
        self.with(|links| links.send(now, frame, random()));
    }

    /// Changes something about the links.
    pub fn change<T>(&self, change: impl FnOnce(Duration, &mut Links) -> T) -> T {
        let now = self.cluster.now().monotonic;
        let result = self.with(|links| change(now, links));
        self.changed.notify_one();
        result
    }

    /// How it is, and how long a ping takes.
    pub fn report(&self) -> (Report, Option<Duration>) {
        let report = self.links.lock().report();
        let round_trip = self.tasks.lock().values().filter_map(|handle| handle.round_trip).min();
        (report, round_trip)
    }
}

/// Accepts peers on this socket for as long as the server runs.
pub async fn listen<C: Cluster>(cluster: Arc<C>, listener: TcpListener) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    loop {
        let Ok(stranger) = strangers.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                // Without it messages are late, and nothing else.
                let _ = transport::prepare(&stream, Duration::ZERO);
                let is_loopback = is_loopback(address);
                tokio::spawn(accept(cluster.clone(), stream, is_loopback, Some(stranger)));
            }
            Err(error) => {
                tracing::warn!("Cannot accept a peer: {error}");
                tokio::time::sleep(FAREWELL).await;
            }
        }
    }
}

/// Connects to where a peer listens. For [`Peer::drive`].
///
/// # Errors
/// Nobody is there.
pub async fn connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let stream = TcpStream::connect(address).await?;
    transport::prepare(&stream, Duration::ZERO)?;
    Ok((stream, is_loopback(address)))
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Serves somebody who has connected.
pub async fn accept<C: Cluster, S: AsyncRead + AsyncWrite + Unpin>(
    cluster: Arc<C>,
    stream: S,
    is_loopback: bool,
    stranger: Option<OwnedSemaphorePermit>,
) {
    let connection = nonce().map_err(|error| error.to_string()).and_then(|nonce| {
        let accepted = Connection::accept(cluster.me(), cluster.secrets(), is_loopback, nonce);
        accepted.map_err(|failure| failure.to_string())
    });
    match connection {
        Ok(connection) => {
            let mut task = Task::new(cluster, stream, connection, None);
            task.stranger = stranger;
            task.run().await;
        }
        Err(failure) => tracing::warn!("Refused a peer: {failure}"),
    }
}

fn random() -> u64 {
    // It only spreads what several instances do at the same time.
    entropy().map_or(0, |[random]| random)
}

/// A fresh one. Without entropy there is no handshake.
fn nonce() -> io::Result<[u8; 32]> {
    let mut nonce = [0; 32];
    for (bytes, number) in nonce.as_chunks_mut::<8>().0.iter_mut().zip(entropy::<4>()?) {
        *bytes = number.to_be_bytes();
    }
    Ok(nonce)
}

/// One connection.
struct Task<C: Cluster, S> {
    cluster: Arc<C>,
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    connection: Connection,
    /// Whose it is: known from the start where we dial, and after the handshake where we are dialled.
    place: Option<(Arc<Peer<C>>, ConnectionId)>,
    is_open: bool,
    input: Box<[u8]>,
    batch: Vec<u8>,
    written: usize,
    /// All is written, and an encrypted stream may hold some of it back.
    flushes: bool,
    wake: Arc<Notify>,
    ticks: Interval,
    stranger: Option<OwnedSemaphorePermit>,
}

/// What a connection's task waits for.
enum Happened {
    Received(usize),
    Written(usize),
    Flushed,
    Woken,
    Tick,
    Lost(io::Error),
}

/// Why a connection's task ends.
#[derive(Debug)]
enum End {
    Failed(Failure),
    Lost(io::Error),
    /// It belongs to no set, or to none any more.
    Refused(Option<Refused>),
    /// A frame of the peer's was refused.
    BadFrame(&'static str),
    Unknown(NodeId),
}

impl<C: Cluster, S: AsyncRead + AsyncWrite + Unpin> Task<C, S> {
    fn new(
        cluster: Arc<C>,
        stream: S,
        connection: Connection,
        place: Option<(Arc<Peer<C>>, ConnectionId)>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let task = Task {
            cluster,
            reader,
            writer,
            connection,
            place,
            is_open: false,
            input: vec![0; READ_BYTES].into_boxed_slice(),
            batch: Vec::new(),
            written: 0,
            flushes: false,
            wake: Arc::new(Notify::new()),
            ticks,
            stranger: None,
        };
        task.register();
        task
    }

    async fn run(mut self) {
        let end = loop {
            self.fill();
            let happened = self.select().await;
            if let Err(end) = self.apply(happened) {
                break end;
            }
        };
        self.log(&end);
        if let Some((peer, id)) = self.place.take() {
            peer.lose(id);
        }
        // The reason, if there is one to tell.
        let mut rest = self.batch.split_off(self.written);
        self.connection.take_output(&mut rest);
        if matches!(end, End::Failed(_) | End::Refused(_)) {
            let _ = timeout(FAREWELL, self.writer.write_all(&rest)).await;
        }
        let _ = timeout(FAREWELL, self.writer.shutdown()).await;
    }

    /// What happens next.
    async fn select(&mut self) -> Happened {
        let Task { reader, writer, input, batch, written, flushes, wake, ticks, .. } = self;
        let output = async {
            match &batch[*written..] {
                [] => writer.flush().await.map(|()| Happened::Flushed),
                rest => writer.write(rest).await.map(Happened::Written),
            }
        };
        let result = tokio::select! {
            result = reader.read(input) => result.map(Happened::Received),
            result = output, if *written < batch.len() || *flushes => result,
            () = wake.notified() => Ok(Happened::Woken),
            _ = ticks.tick() => Ok(Happened::Tick),
        };
        match result {
            Ok(Happened::Received(0) | Happened::Written(0)) => {
                Happened::Lost(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(happened) => happened,
            Err(error) => Happened::Lost(error),
        }
    }

    /// Does what it asks for.
    fn apply(&mut self, happened: Happened) -> Result<(), End> {
        match happened {
            Happened::Received(count) => return self.receive(count),
            Happened::Written(count) => {
                self.written += count;
                self.connection.note_unwritten(self.batch.len() - self.written);
                self.flushes = self.written == self.batch.len();
            }
            Happened::Flushed => self.flushes = false,
            Happened::Woken => {}
            Happened::Tick => {
                self.connection.handle_tick(self.cluster.now()).map_err(End::Failed)?;
                self.note_round_trip();
            }
            Happened::Lost(error) => return Err(End::Lost(error)),
        }
        self.check_current()
    }

    /// Somebody may have ended the set.
    fn check_current(&self) -> Result<(), End> {
        match &self.place {
            Some((peer, id)) if !peer.links.lock().contains(*id) => Err(End::Refused(None)),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, count: usize) -> Result<(), End> {
        let now = self.cluster.now();
        let mut bytes = count;
        if !self.is_open {
            let mut nothing = |_: Frame<'_>| {};
            let input = &self.input[..count];
            if !self.connection.receive(now, input, &mut nothing).map_err(End::Failed)? {
                return Ok(());
            }
            self.open(now)?;
            // What has come behind the handshake is kept in the connection.
            bytes = 0;
        }
        self.deliver(now, bytes)
    }

    /// The handshake is done.
    fn open(&mut self, now: Now) -> Result<(), End> {
        let Some(agreed) = self.connection.agreed().cloned() else { return Ok(()) };
        let node = agreed.peer.me.owner.node;
        let opened = match &self.place {
            Some((peer, id)) => {
                let result = peer.with(|links| links.established(now.monotonic, *id, &agreed, random()));
                result.map(|()| (peer.clone(), *id))
            }
            None => {
                let peer = self.cluster.peer(node).ok_or(End::Unknown(node))?;
                let result = peer.with(|links| links.accept(now.monotonic, &agreed, random()));
                result.map(|id| (peer, id))
            }
        };
        let (peer, id) = opened.map_err(|refused| {
            self.connection.say(Farewell::Stale);
            End::Refused(Some(refused))
        })?;
        // Deliveries of the epoch before end before the first of this one.
        drop(peer.gate.write());
        self.place = Some((peer, id));
        self.stranger = None;
        self.is_open = true;
        self.register();
        Ok(())
    }

    fn register(&self) {
        if let Some((peer, id)) = &self.place {
            peer.tasks.lock().insert(*id, Handle { wake: self.wake.clone(), round_trip: None });
        }
    }

    fn note_round_trip(&self) {
        if let Some((peer, id)) = &self.place
            && let Some(handle) = peer.tasks.lock().get_mut(id)
        {
            handle.round_trip = self.connection.round_trip();
        }
    }

    /// Hands on the frames in what was received.
    fn deliver(&mut self, now: Now, count: usize) -> Result<(), End> {
        let Some((peer, id)) = &self.place else { return Ok(()) };
        let (mut messages, mut bad) = (0, None);
        let result = {
            let _gate = peer.gate.read();
            if !peer.links.lock().is_current(*id) {
                return Err(End::Refused(None));
            }
            let mut deliver = |frame: Frame<'_>| {
                messages += frame.messages();
                match frame {
                    _ if bad.is_some() => {}
                    Frame::Start(_) | Frame::Dropped { .. } => {
                        peer.links.lock().handle_frame(*id, &frame);
                    }
                    Frame::Bye(farewell) => tracing::debug!("Bye from node={}: {farewell:?}", peer.node),
                    frame => bad = peer.cluster.apply(peer.node, frame).err(),
                }
            };
            let result = self.connection.receive(now, &self.input[..count], &mut deliver);
            if messages > 0 {
                peer.links.lock().note_read(*id, messages);
            }
            result
        };
        peer.tell();
        bad.map_or(Ok(()), |bad| Err(End::BadFrame(bad)))?;
        result.map(|_| ()).map_err(End::Failed)
    }

    /// Takes what is to be written next, when all before is written.
    fn fill(&mut self) {
        if self.written < self.batch.len() || self.flushes {
            return;
        }
        self.batch.clear();
        self.written = 0;
        self.connection.take_output(&mut self.batch);
        if let Some((peer, id)) = self.place.as_ref().filter(|_| self.is_open) {
            let mut links = peer.links.lock();
            while links.take(*id, &mut self.batch) && self.batch.len() < BATCH_BYTES {}
        }
        if self.batch.is_empty() {
            // An idle connection holds no batch.
            self.batch = Vec::new();
        } else {
            self.connection.note_unwritten(self.batch.len());
        }
    }

    fn log(&self, end: &End) {
        let node = self.connection.agreed().map(|agreed| agreed.peer.me.owner.node);
        let node = node.or(self.place.as_ref().map(|(peer, _)| peer.node)).map(|node| node.to_string());
        let node = node.unwrap_or_default();
        match end {
            End::Failed(failure) => tracing::warn!("Closed a connection to node={node}: {failure}"),
            End::BadFrame(why) => tracing::warn!("Closed a connection to node={node}: {why}"),
            End::Lost(error) => tracing::debug!("Lost a connection to node={node}: {error}"),
            End::Refused(why) => tracing::debug!("Closed a connection to node={node}: {why:?}"),
            End::Unknown(node) => tracing::debug!("Refused node={node}: membership does not know it yet"),
        }
    }
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
