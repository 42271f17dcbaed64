//! One connection to a peer: reads, writes, and counts the seconds.
//!
//! Owns the socket. Each round is "what happens next?" ([`Task::select`]) and a synchronous "do it" ([`Task::apply`]). Must not
//! know who dials whom and when. Start with [`Task::run`].

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::{Cluster, FAREWELL, Handle, Peer, random};
use crate::broker::peers::Inbox;
use crate::crdt::NodeId;
use crate::link::connection::TICK;
use crate::link::{Connection, ConnectionId, Failure, Farewell, Frame, Refused};
use crate::net::client::WAKES_PER_TURN;
use crate::time::Now;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// A batch is written when it has so many bytes, or there is nothing more.
const BATCH_BYTES: usize = 64 * 1024;

/// One connection.
pub(super) struct Task<C: Cluster, S> {
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
    /// Calls `wake`.
    waker: Waker,
    inbox: Inbox,
    /// What has been received is not all handed on.
    more: bool,
    ticks: Interval,
    /// Its place among those who have not said who they are.
    pub(super) stranger: Option<OwnedSemaphorePermit>,
}

/// Wakes a connection's task when a fan-out has ended.
struct Wakes(Arc<Notify>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// What a connection's task waits for.
enum Happened {
    Received(usize),
    Written(usize),
    Flushed,
    Woken,
    Tick,
    /// Others have had their turn.
    Continue,
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
    pub(super) fn new(
        cluster: Arc<C>,
        stream: S,
        connection: Connection,
        place: Option<(Arc<Peer<C>>, ConnectionId)>,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wake = Arc::new(Notify::new());
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
            waker: Waker::from(Arc::new(Wakes(wake.clone()))),
            wake,
            inbox: Inbox::default(),
            more: false,
            ticks,
            stranger: None,
        };
        task.register();
        task
    }

    pub(super) async fn run(mut self) {
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
        let is_blocked = self.inbox.is_blocked(&self.waker);
        let goes_on = !is_blocked && self.more || !self.inbox.ready.is_empty();
        let reads = !is_blocked && !self.more;
        let Task { reader, writer, input, batch, written, flushes, wake, ticks, .. } = self;
        let output = async {
            match &batch[*written..] {
                [] => writer.flush().await.map(|()| Happened::Flushed),
                rest => writer.write(rest).await.map(Happened::Written),
            }
        };
        let result = tokio::select! {
            result = reader.read(input), if reads => result.map(Happened::Received),
            () = yield_now(), if goes_on => Ok(Happened::Continue),
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
            Happened::Continue => {
                self.wake_some();
                if self.more && !self.inbox.is_blocked(&self.waker) {
                    return self.deliver(self.cluster.now(), 0);
                }
            }
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
            let mut nothing = |_: Frame<'_>| true;
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
        let owner = agreed.peer.me.owner;
        let opened = match &self.place {
            Some((peer, id)) => {
                let result = peer.with(|links| links.established(now.monotonic, *id, &agreed, random()));
                result.map(|()| (peer.clone(), *id))
            }
            None => {
                let peer = self.cluster.peer(owner).ok_or(End::Unknown(owner.node))?;
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

    /// Hands on the frames in what was received, as far as one turn goes.
    fn deliver(&mut self, now: Now, count: usize) -> Result<(), End> {
        let Some((peer, id)) = &self.place else { return Ok(()) };
        let (inbox, mut bad) = (&mut self.inbox, None);
        inbox.begin_turn();
        let result = {
            let _gate = peer.gate.read();
            if !peer.links.lock().is_current(*id) {
                return Err(End::Refused(None));
            }
            peer.cluster.go_on(inbox);
            let mut deliver = |frame: Frame<'_>| {
                match frame {
                    Frame::Start(_) | Frame::Dropped { .. } => {
                        peer.links.lock().handle_frame(*id, &frame);
                    }
                    Frame::Bye(farewell) => tracing::debug!("Bye from node={}: {farewell:?}", peer.node),
                    frame => bad = peer.cluster.apply(peer.node, frame, inbox).err(),
                }
                bad.is_none() && inbox.has_room()
            };
            let bytes = &self.input[..count];
            let result = self.connection.receive(now, bytes, &mut deliver);
            let messages = std::mem::take(&mut inbox.delivered);
            if messages > 0 {
                peer.links.lock().note_read(*id, messages);
            }
            result
        };
        self.more = !self.inbox.has_room();
        peer.tell();
        peer.cluster.applied();
        self.wake_some();
        bad.map_or(Ok(()), |bad| Err(End::BadFrame(bad)))?;
        result.map(|_| ()).map_err(End::Failed)
    }

    /// Wakes clients that have got something.
    fn wake_some(&mut self) {
        let ready = &mut self.inbox.ready;
        let wakes = ready.len().min(WAKES_PER_TURN);
        ready.drain(..wakes).for_each(Waker::wake);
        if ready.is_empty() && ready.capacity() > WAKES_PER_TURN {
            *ready = VecDeque::new();
        }
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
