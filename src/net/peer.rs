//! The connections to other instances: sockets, timers and locks around [`Links`].
//!
//! Owns dialling and accepting; each connection has a task of its own (`task.rs`). What a peer sends is handed to the
//! [`Cluster`] at once; nobody's slowness is waited for. Must not know what is in the frames, nor which peers there ought
//! to be. Start with [`Peer::drive`].
//!
//! Locks: the gate, then the cluster's own, then `links`. Nothing of ours is called while `links` is held.

mod task;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::transport::{self, entropy};
use crate::broker::peers::{Inbox, Link};
use crate::crdt::{Incarnation, NodeId, Owner};
use crate::link::{
    Connection, ConnectionId, Dial, Event, Frame, Links, Loss, Me, Outgoing, Report, Secrets, Settings,
};
use crate::time::Now;
use task::Task;

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

    /// The links to this peer, if membership knows it in this life.
    fn peer(&self, peer: Owner) -> Option<Arc<Peer<Self>>>;

    /// Takes a frame. Bounded work: what takes longer goes on elsewhere, and nothing is waited for. Messages are delivered from
    /// the connection's inbox; when that has no room, nothing more is read.
    ///
    /// # Errors
    /// It is none, and why: the connection is closed.
    fn apply(&self, peer: NodeId, frame: Frame<'_>, inbox: &mut Inbox) -> Result<(), &'static str>;

    /// Goes on with what is left in an inbox.
    fn go_on(&self, inbox: &mut Inbox);

    /// Frames have been applied.
    fn applied(&self);

    /// Takes what has become of the links to a peer with this number. In order, one at a time.
    fn handle_event(&self, peer: NodeId, number: u64, event: Event);
}

/// The links to one peer, for all who use them.
pub struct Peer<C> {
    node: NodeId,
    /// Tells these links from others to the same peer.
    number: u64,
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
    pub fn new(cluster: Arc<C>, node: NodeId, number: u64, settings: Settings) -> io::Result<Arc<Self>> {
        let [life] = entropy()?;
        let links = Mutex::new(Links::new(cluster.me(), node, settings, life));
        Ok(Arc::new(Peer {
            node,
            number,
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
                    Some(event) => self.cluster.handle_event(self.node, self.number, event),
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

    /// What tells these links from others to the same peer.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Changes something about the links.
    pub fn change<T>(&self, change: impl FnOnce(Duration, &mut Links) -> T) -> T {
        let now = self.cluster.now().monotonic;
        let result = self.with(|links| change(now, links));
        self.changed.notify_one();
        result
    }
}

impl<C: Cluster> Link for Peer<C> {
    fn publish(&self, publisher: u64, frame: &Outgoing<'_>) -> Result<(), Loss> {
        let asleep = self.links.lock().publish(publisher, frame)?;
        asleep.into_iter().for_each(|id| self.wake(id));
        Ok(())
    }

    fn send(&self, frame: &Frame<'_>) {
        let now = self.cluster.now().monotonic;
        self.with(|links| links.send(now, frame, random()));
    }

    fn has_room(&self) -> bool {
        self.links.lock().has_room()
    }

    fn renew(&self, incarnation: Incarnation) {
        self.change(|_, links| links.renew(incarnation));
    }

    fn give_up(&self) {
        self.change(|now, links| links.give_up(now));
    }

    fn report(&self) -> (Report, Option<Duration>) {
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

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
