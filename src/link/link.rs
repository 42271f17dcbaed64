//! The set of connections to one peer: epochs, what goes where, and what becomes of it when a connection is lost.
//!
//! Owns which connections count. The node with the lower id dials; each set that it begins has a higher epoch. The other
//! takes the highest epoch that it has seen and closes what belongs to a lower one before anything of the higher one is
//! delivered. What was handed to a connection is never sent again; what only waited goes over the next set, each publisher's
//! in order. Must not know sockets; nonces and what is random are arguments. Start with [`Links`].

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::TICK;
use super::frame::{BODY_BYTES_MAX, Frame, Loss};
use super::handshake::{Agreed, ClientAddress, DATA_LINKS_MAX, Hello, LinkKind, Me, VERSIONS};
use super::losses::Ledger;
use super::queue::{Outgoing, Queue};
use super::redial::Redial;
use super::set::{ConnectionId, Dial, Event, Place, Refused, Report, Standing, place_of};
use crate::crdt::{Incarnation, NodeId};

/// A set that is not complete after so long is closed: the dialler has given up, or never meant it.
const COMPLETE_WITHIN: Duration = Duration::from_secs(15);
/// Frames for control that wait, in bytes. What the replicated maps have to say comes in pieces, when there is room
/// ([`Links::has_room`]); a peer that has fallen so far behind is better told everything anew.
const CONTROL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room for more of what can wait.
const CONTROL_ROOM_BYTES: usize = 256 * 1024;

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Data connections of the sets that we dial. (`cluster-data-links`.)
    pub data_links: u64,
    /// Bytes of messages that wait at most. (`cluster-link-limit`.)
    pub limit_bytes: usize,
}

/// The connections to one peer.
///
/// - From below: [`accept`](Links::accept) or [`established`](Links::established) when a handshake is done,
///   [`lost`](Links::lost) when a connection or a dial has ended, [`take`](Links::take) when one can write,
///   [`handle_frame`](Links::handle_frame) and [`note_read`](Links::note_read) for what has come.
/// - From above: [`publish`](Links::publish), [`send`](Links::send), [`renew`](Links::renew), [`configure`](Links::configure),
///   [`give_up`](Links::give_up).
/// - [`handle_timeout`](Links::handle_timeout) when [`next_timeout`](Links::next_timeout) has come.
/// - After each of them [`poll_event`](Links::poll_event) and [`poll_dial`](Links::poll_dial), until there is nothing more.
pub struct Links {
    me: Me,
    peer: NodeId,
    settings: Settings,
    epoch: (Incarnation, u64),
    /// In which life the peer is, by the connections of this set.
    peer_incarnation: Option<Incarnation>,
    /// The peer has said what it says first: it can get messages.
    is_started: bool,
    phase: Phase,
    /// Control, then data.
    set: Vec<Place>,
    control: VecDeque<Vec<u8>>,
    control_bytes: usize,
    queues: Vec<Queue>,
    /// Largest body of a message that the peer takes.
    peer_message_max: u64,
    /// Where its clients are, if it has ever said so.
    peer_clients: Option<ClientAddress>,
    interest: u64,
    ledger: Ledger,
    redial: Redial,
    next_id: u64,
    events: VecDeque<Event>,
    dials: VecDeque<Dial>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No set. Who dials does it then.
    Idle { redial_at: Option<Duration> },
    /// The set is to be complete then.
    Connecting { until: Duration },
    /// Complete. What was dropped is told then.
    Complete { tell_at: Duration },
    /// The peer is none any more.
    GivenUp,
}

impl Links {
    /// Nothing is connected yet. Who is to dial does so at once. `life` is random.
    pub fn new(me: Me, peer: NodeId, settings: Settings, life: u64) -> Self {
        debug_assert!(me.owner.node != peer, "nobody is connected to himself");
        let redial_at = (me.owner.node < peer).then_some(Duration::ZERO);
        Links {
            peer_message_max: me.message_max,
            peer_clients: None,
            me,
            peer,
            settings,
            epoch: (Incarnation(0), 0),
            peer_incarnation: None,
            is_started: false,
            phase: Phase::Idle { redial_at },
            set: Vec::new(),
            control: VecDeque::new(),
            control_bytes: 0,
            queues: vec![Queue::default()],
            interest: 0,
            ledger: Ledger::new(life),
            redial: Redial::default(),
            next_id: 0,
            events: VecDeque::new(),
            dials: VecDeque::new(),
        }
    }

    /// The peer.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// Whether we dial.
    pub fn dials(&self) -> bool {
        self.me.owner.node < self.peer
    }

    /// We are in another life from now on: the next set says so.
    pub fn renew(&mut self, incarnation: Incarnation) {
        self.me.owner.incarnation = incarnation;
    }

    /// The configuration is another one. Another number of data connections begins the next epoch.
    pub fn configure(&mut self, now: Duration, settings: Settings, message_max: u64, entropy: u64) {
        let is_other = settings.data_links != self.settings.data_links;
        (self.settings, self.me.message_max) = (settings, message_max);
        if is_other && self.dials() && !self.set.is_empty() {
            self.end_epoch(now, entropy);
        }
    }

    /// The version that our interest has: what the peer is told when control begins.
    pub fn set_interest(&mut self, version: u64) {
        self.interest = version;
    }

    // What comes from below.

    /// The handshake of a connection that we have dialled is done.
    ///
    /// # Errors
    /// It is to be closed.
    pub fn established(
        &mut self,
        now: Duration,
        id: ConnectionId,
        agreed: &Agreed,
        entropy: u64,
    ) -> Result<(), Refused> {
        let Some(place) = self.set.iter().position(|place| *place == Place::Dialled(id)) else {
            return Err(Refused::Stale);
        };
        let incarnation = agreed.peer.me.owner.incarnation;
        if self.peer_incarnation.is_some_and(|known| known != incarnation) {
            // It has started anew meanwhile, and the other connections have ended or will.
            self.end_epoch(now, entropy);
            return Err(Refused::OtherLife);
        }
        self.open(now, place, id, agreed);
        Ok(())
    }

    /// The handshake of a connection that the peer has dialled is done.
    ///
    /// # Errors
    /// It is to be closed.
    pub fn accept(&mut self, now: Duration, agreed: &Agreed, entropy: u64) -> Result<ConnectionId, Refused> {
        let hello = &agreed.peer;
        let epoch = (hello.me.owner.incarnation, hello.epoch);
        if self.dials() || self.phase == Phase::GivenUp {
            return Err(Refused::Misfit);
        }
        if epoch > self.epoch {
            self.end_epoch(now, entropy);
            self.begin_epoch(now, epoch, hello.data_links);
        } else if epoch < self.epoch || self.set.is_empty() {
            return Err(Refused::Stale);
        }
        let place = place_of(hello.link);
        if hello.data_links != self.queues.len() as u64 || self.set.get(place) != Some(&Place::Empty) {
            return Err(Refused::Misfit);
        }
        let id = self.new_id();
        self.open(now, place, id, agreed);
        Ok(id)
    }

    /// A connection has ended, or a dial has failed. When it belongs to the set, the set ends.
    pub fn lost(&mut self, now: Duration, id: ConnectionId, entropy: u64) {
        if self.contains(id) {
            self.end_epoch(now, entropy);
        }
    }

    /// Whether what comes over this connection may be delivered.
    pub fn is_current(&self, id: ConnectionId) -> bool {
        self.set.contains(&Place::Open(id))
    }

    /// Whether this connection is in the set, be it only being dialled.
    pub fn contains(&self, id: ConnectionId) -> bool {
        self.set.iter().any(|place| place.id() == Some(id))
    }

    /// So many messages from the peer have been delivered that came over this connection. It was current when their delivery
    /// began; that must have ended before a frame of the next epoch is handled.
    pub fn note_read(&mut self, id: ConnectionId, messages: u64) {
        let is_current = self.is_current(id);
        self.ledger.note_read(is_current, messages);
    }

    /// Takes a frame that is about the set itself; false for any other.
    pub fn handle_frame(&mut self, id: ConnectionId, frame: &Frame<'_>) -> bool {
        let (loss, count) = match *frame {
            Frame::Start(_) | Frame::Dropped { .. } if !self.is_current(id) => return true,
            Frame::Start(start) => {
                self.is_started = true;
                self.events.push_back(Event::Interest(start.interest));
                let data = self.set.iter().skip(1).filter_map(|place| place.id());
                self.events.extend(data.map(Event::Wake));
                let lost = self.ledger.handle_start(&start);
                self.tell_drops();
                (Loss::Reconnect, lost)
            }
            Frame::Dropped { loss, total } => (loss, self.ledger.handle_dropped(loss, total)),
            _ => return false,
        };
        if count > 0 {
            self.events.push_back(Event::Lost(loss, count));
        }
        true
    }

    /// Appends what this connection is to write next. Returns whether there is more.
    pub fn take(&mut self, id: ConnectionId, batch: &mut Vec<u8>) -> bool {
        match self.set.iter().position(|place| *place == Place::Open(id)) {
            None => false,
            Some(0) => {
                if let Some(frames) = self.control.pop_front() {
                    self.control_bytes -= frames.len();
                    batch.extend_from_slice(&frames);
                }
                !self.control.is_empty()
            }
            Some(_) if !self.is_started => false,
            Some(place) => {
                let taken = self.queues[place - 1].take(batch);
                self.ledger.note_handed(taken.messages);
                taken.more
            }
        }
    }

    // What comes from above.

    /// Queues what a client with this id has published. It may wait while there is no set: whether a peer that is down is to get
    /// messages is for the caller to decide.
    ///
    /// Returns the connection that is to be woken, if it may be asleep.
    ///
    /// # Errors
    /// It was dropped, and counted.
    pub fn publish(&mut self, publisher: u64, frame: &Outgoing<'_>) -> Result<Option<ConnectionId>, Loss> {
        let loss = if self.phase == Phase::GivenUp {
            Some(Loss::GivenUp)
        } else if frame.len() as u64 > self.me.message_max.min(self.peer_message_max) {
            Some(Loss::TooLarge)
        } else {
            let waits = self.queued_bytes().saturating_add(frame.queued_bytes());
            (waits > self.settings.limit_bytes).then_some(Loss::Limit)
        };
        if let Some(loss) = loss {
            self.ledger.note_dropped(loss, frame.count());
            return Err(loss);
        }
        let index = bound(publisher, self.queues.len());
        let sleeps = self.queues[index].is_empty();
        self.queues[index].push(publisher, frame);
        Ok(self.set.get(index + 1).filter(|_| sleeps).and_then(|place| place.id()))
    }

    /// Queues a frame for control. Nothing of it is kept for the next epoch, and nothing is queued while control is down: what
    /// replicates takes care of itself.
    pub fn send(&mut self, now: Duration, frame: &Frame<'_>, entropy: u64) {
        if matches!(self.set.first(), Some(Place::Open(_))) {
            self.append_control(frame);
            if self.control_bytes > CONTROL_BYTES_MAX {
                self.end_epoch(now, entropy);
            }
        }
    }

    /// Whether control has room for what can wait: the next part of a snapshot.
    pub fn has_room(&self) -> bool {
        matches!(self.set.first(), Some(Place::Open(_))) && self.control_bytes < CONTROL_ROOM_BYTES
    }

    /// The peer is none any more: all is closed, and what waits is dropped.
    pub fn give_up(&mut self, now: Duration) {
        self.end_epoch(now, 0);
        self.phase = Phase::GivenUp;
        let messages = self.queues.iter().map(Queue::messages).sum();
        self.ledger.note_dropped(Loss::GivenUp, messages);
        self.queues = vec![Queue::default()];
    }

    /// What is due: a dial, the end of a set that has never become complete, what the peer is to be told of losses.
    pub fn handle_timeout(&mut self, now: Duration, entropy: u64) {
        match self.phase {
            Phase::Idle { redial_at: Some(at) } if at <= now => self.dial(now),
            Phase::Connecting { until } if until <= now => self.end_epoch(now, entropy),
            Phase::Complete { tell_at } if tell_at <= now => {
                self.phase = Phase::Complete { tell_at: now + TICK };
                self.tell_drops();
            }
            Phase::Idle { .. } | Phase::Connecting { .. } | Phase::Complete { .. } | Phase::GivenUp => {}
        }
    }

    /// When [`Links::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle { redial_at } => redial_at,
            Phase::Connecting { until } => Some(until),
            Phase::Complete { tell_at } => Some(tell_at),
            Phase::GivenUp => None,
        }
    }

    /// Whether [`Links::give_up`] was called.
    pub fn is_given_up(&self) -> bool {
        self.phase == Phase::GivenUp
    }

    /// Whether [`Links::poll_event`] has something.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A connection to be dialled.
    pub fn poll_dial(&mut self) -> Option<Dial> {
        self.dials.pop_front()
    }

    /// For operators.
    pub fn report(&self) -> Report {
        Report {
            standing: match self.phase {
                Phase::Idle { .. } | Phase::GivenUp => Standing::Down,
                Phase::Connecting { .. } => Standing::Connecting,
                Phase::Complete { .. } => Standing::Up,
            },
            epoch: self.epoch.1,
            clients: self.peer_clients,
            connections: self.set.iter().filter(|place| matches!(place, Place::Open(_))).count(),
            queued_bytes: self.queued_bytes() + self.control_bytes,
            queued_messages: self.queues.iter().map(Queue::messages).sum(),
            dropped: self.ledger.dropped,
            lost: self.ledger.lost,
        }
    }

    // What happens to a set.

    fn dial(&mut self, now: Duration) {
        let incarnation = self.me.owner.incarnation;
        // Higher than those of a former `Links` of this peer, whose numbers are not known: a set lasts a millisecond at least.
        let number = (self.epoch.1 + 1).max(now.as_millis() as u64);
        self.begin_epoch(now, (incarnation, number), self.settings.data_links.clamp(1, DATA_LINKS_MAX));
        for place in 0..self.set.len() {
            let id = self.new_id();
            self.set[place] = Place::Dialled(id);
            let link = place.checked_sub(1).map_or(LinkKind::Control, |index| LinkKind::Data(index as u64));
            let data_links = self.queues.len() as u64;
            let hello = Hello { versions: VERSIONS, me: self.me.clone(), epoch: number, link, data_links };
            self.dials.push_back(Dial { id, hello });
        }
    }

    /// The next epoch begins, with no connection.
    fn begin_epoch(&mut self, now: Duration, epoch: (Incarnation, u64), data_links: u64) {
        self.epoch = epoch;
        self.set = vec![Place::Empty; data_links as usize + 1];
        self.phase = Phase::Connecting { until: now + COMPLETE_WITHIN };
        if self.queues.len() as u64 != data_links {
            let old = std::mem::take(&mut self.queues);
            self.queues.resize_with(data_links as usize, Queue::default);
            let links = self.queues.len();
            for queue in old {
                queue.move_to(&mut self.queues, |publisher| bound(publisher, links));
            }
        }
    }

    /// A connection takes its place.
    fn open(&mut self, now: Duration, place: usize, id: ConnectionId, agreed: &Agreed) {
        self.peer_incarnation = Some(agreed.peer.me.owner.incarnation);
        self.peer_message_max = agreed.peer.me.message_max;
        self.peer_clients = Some(agreed.peer.me.clients);
        self.set[place] = Place::Open(id);
        if place == 0 {
            self.events.push_back(Event::Up);
            let start = self.ledger.start(self.interest);
            self.append_control(&Frame::Start(start));
        }
        if self.set.iter().all(|place| matches!(place, Place::Open(_))) {
            self.phase = Phase::Complete { tell_at: now };
            self.redial.note_complete(now);
        }
    }

    /// The set ends, and who dials does so again in a while.
    fn end_epoch(&mut self, now: Duration, entropy: u64) {
        if self.set.is_empty() {
            return;
        }
        if matches!(self.set.first(), Some(Place::Open(_))) {
            self.events.push_back(Event::Down);
        }
        let ids = self.set.drain(..).filter_map(Place::id);
        self.events.extend(ids.map(Event::Close));
        (self.peer_incarnation, self.is_started) = (None, false);
        self.dials.clear();
        self.control.clear();
        self.control_bytes = 0;
        self.queues.iter_mut().for_each(Queue::restart);
        self.ledger.end_epoch();
        let at = self.redial.note_failure(now, entropy);
        self.phase = Phase::Idle { redial_at: self.dials().then_some(at) };
    }

    fn tell_drops(&mut self) {
        if self.is_started {
            let untold: Vec<_> = self.ledger.take_untold().collect();
            untold.into_iter().for_each(|(loss, total)| self.append_control(&Frame::Dropped { loss, total }));
        }
    }

    fn append_control(&mut self, frame: &Frame<'_>) {
        if self.control.is_empty() {
            self.events.extend(self.set.first().and_then(|place| place.id()).map(Event::Wake));
        }
        if self.control.back().is_none_or(|frames| frames.len() >= BODY_BYTES_MAX) {
            self.control.push_back(Vec::new());
        }
        let last = self.control.len() - 1;
        let frames = &mut self.control[last];
        let before = frames.len();
        frame.append(frames);
        self.control_bytes += frames.len() - before;
    }

    fn queued_bytes(&self) -> usize {
        self.queues.iter().map(Queue::bytes).sum()
    }

    fn new_id(&mut self) -> ConnectionId {
        self.next_id += 1;
        ConnectionId(self.next_id)
    }
}

/// To which data connection a publisher is bound.
fn bound(publisher: u64, data_links: usize) -> usize {
    (publisher % data_links as u64) as usize
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
