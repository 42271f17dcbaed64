//! Other instances: what membership and links bring goes to presence, interest and clients here, and what those have to say
//! goes to links.
//!
//! Owns who is up, which link counts, and in what order both are told. Must not know sockets, tasks, clocks or chance: links are
//! a trait ([`Link`]), and whoever has them calls, in this order as it happens,
//!
//! - [`Broker::handle_membership`] for who comes and goes, and then [`Broker::poll_life`];
//! - [`Broker::handle_link`] for what becomes of the links to a peer, and [`Broker::take_frame`] for what comes over them;
//! - [`Broker::interest_turn`] with [`Broker::send_interest`], and [`Broker::presence_turn`] with [`Broker::send_presence`], when they
//!   are due, and after something has come.
//!
//! What is published is forwarded by [`Broker::forward`], by whoever has delivered it here. Visibility of members follows
//! membership; counts follow the link. So does forwarding, but what a peer wanted that is up waits for its next link.
//!
//! Lock order: the peers, then all that is in `broker/mod.rs`, then routes and what is to be told of losses. No link is called
//! while the peers are locked, as it may tell at once what has become of it.

mod forward;
mod inbox;
mod lives;
pub(in crate::broker) mod losses;
mod routes;
mod send;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use inbox::Inbox;
pub use send::Sent;

use super::Broker;
use super::roster::{self, Losses, State as Standing};
use crate::crdt::{Incarnation, NodeId, Owner};
use crate::link::{Event, Frame, Loss, Outgoing, Report};
use crate::membership;
use crate::sync::{Mutex, RwLock};
use crate::time::Now;
use losses::Untold;
use routes::Routes;

/// Receivers that one delivery reaches at once; a larger fan-out goes on in turns of the flush task.
const FANOUT_BUDGET: usize = 1024;

/// The links to one peer.
pub trait Link: Send + Sync {
    /// Queues what the client with this id has published.
    ///
    /// # Errors
    /// It was dropped, and counted.
    fn publish(&self, publisher: u64, frame: &Outgoing<'_>) -> Result<(), Loss>;

    /// Queues a frame for control; nothing if there is no control.
    fn send(&self, frame: &Frame<'_>);

    /// Whether control has room for what can wait.
    fn has_room(&self) -> bool;

    /// What this instance says of itself is something else from now on: it is in another life, for instance.
    fn renew(&self);

    /// This instance stops: what waits is written yet.
    fn leave(&self);

    /// The peer is none any more.
    fn give_up(&self);

    /// How it is, and how long a ping takes.
    fn report(&self) -> (Report, Option<Duration>);
}

/// Where links come from.
pub trait Network {
    /// Links to a peer that is up. What becomes of them is told with this number.
    ///
    /// # Errors
    /// The operating system has none to give, and why.
    fn connect(&self, peer: &membership::Peer, number: u64) -> Result<Arc<dyn Link>, String>;
}

/// The other instances.
pub struct Peers {
    state: Mutex<State>,
    routes: Routes,
    untold: Untold,
    /// Held, for reading, while what goes to peers together is gathered.
    gathering: RwLock<()>,
}

struct State {
    known: BTreeMap<NodeId, Known>,
    /// The life that links have been told that this instance is in.
    life: Incarnation,
    /// Gossip is to be told of it.
    untold_life: Option<Incarnation>,
    /// Another process uses the same node id: this one is about to end.
    is_contested: bool,
    /// Of the latest links.
    number: u64,
    /// What was lost between this instance and others that are not known any more.
    former: Losses,
    /// Links that are being given up: what they lose by that is not in `former` yet.
    leaving: Vec<Arc<dyn Link>>,
}

/// An instance that is up, or that there still is a link to, or that is down and may come back.
struct Known {
    peer: membership::Peer,
    standing: Standing,
    link: Arc<dyn Link>,
    /// The links that count: what others tell has been overtaken.
    number: u64,
    /// There is control.
    linked: bool,
    /// It is down, and the links to it are given up.
    is_gone: bool,
    /// The operator has been told in which options it differs.
    is_compared: bool,
    /// Its versions when a link to it was lost, until it has caught up again.
    behind: Option<Versions>,
    /// Since when, as a time since 1970.
    linked_since: Option<Duration>,
}

/// How much is known of what an instance has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Versions {
    interest: u64,
    presence: u64,
}

impl State {
    /// Those that are down and have been forgotten are gone for good.
    fn forget(&mut self, is_remembered: impl Fn(NodeId) -> bool) {
        let former = &mut self.former;
        self.known.retain(|node, known| {
            let is_kept = !known.is_gone || is_remembered(*node);
            if !is_kept {
                *former = former.with(&known.link.report().0);
            }
            is_kept
        });
    }
}

impl Peers {
    /// There are none yet.
    pub(super) fn new(me: Owner) -> Self {
        let state = State {
            known: BTreeMap::new(),
            life: me.incarnation,
            untold_life: None,
            is_contested: false,
            number: 0,
            former: Losses::default(),
            leaving: Vec::new(),
        };
        Peers {
            state: Mutex::new(state),
            routes: Routes::default(),
            untold: Untold::default(),
            gathering: RwLock::default(),
        }
    }

    /// This instance stops: each link ends when all that waits for it is written.
    pub fn leave(&self) {
        self.links().iter().for_each(|link| link.leave());
    }

    /// What this instance says of itself is something else from now on.
    pub fn renew(&self) {
        self.links().iter().for_each(|link| link.renew());
    }

    fn links(&self) -> Vec<Arc<dyn Link>> {
        self.state.lock().known.values().map(|known| known.link.clone()).collect()
    }

    /// Ends all links.
    pub fn give_up(&self) {
        let known = std::mem::take(&mut self.state.lock().known);
        self.routes.clear();
        known.values().for_each(|known| known.link.give_up());
    }

    /// These are the numbers of bits from now on, before any of them is asked for.
    pub(super) fn set_numbers(&self, numbers: impl Iterator<Item = (u32, NodeId)>) {
        self.routes.set_numbers(numbers);
    }

    /// What is known of each, by their ids, and what was lost between this instance and former ones. Lags are not known here.
    /// Who is down is among them for as long as it is remembered.
    pub(super) fn seen(&self, is_remembered: impl Fn(NodeId) -> bool) -> (Vec<roster::Peer>, Losses) {
        let mut state = self.state.lock();
        state.forget(is_remembered);
        let peers = state.known.values().map(|known| {
            let (report, round_trip) = known.link.report();
            roster::Peer {
                owner: known.peer.owner,
                state: known.standing,
                gossip: known.peer.gossip,
                link: known.peer.link,
                report,
                linked_since: known.linked_since,
                round_trip,
                interest_lag: None,
                presence_lag: 0,
            }
        });
        let leaving = state.leaving.iter().map(|link| link.report().0);
        (peers.collect(), leaving.fold(state.former, |losses, report| losses.with(&report)))
    }

    /// The links are those of a peer that is none any more, or is another one.
    fn retire(&self, link: &Arc<dyn Link>) {
        link.give_up();
        let mut state = self.state.lock();
        if let Some(place) = state.leaving.iter().position(|leaving| Arc::ptr_eq(leaving, link)) {
            state.leaving.swap_remove(place);
            state.former = state.former.with(&link.report().0);
        }
    }

    /// Clients lost what this instance or a peer had for them.
    pub(super) fn note_loss(&self, node: NodeId, reason: &'static str, count: u64) {
        self.untold.note(node, reason, count);
    }

    /// Whether something is to be told of which nobody has been told.
    pub fn take_work(&self) -> bool {
        self.untold.take_work()
    }

    /// Whether membership knows this life of an instance.
    pub fn knows(&self, peer: Owner) -> bool {
        let state = self.state.lock();
        state.known.get(&peer.node).is_some_and(|known| known.peer.owner == peer && !known.is_gone)
    }
}

impl Broker {
    /// Membership has found out something. `network` makes the links to an instance that has come.
    pub fn handle_membership(&self, now: Now, event: membership::Event, random: u64, network: &dyn Network) {
        match event {
            membership::Event::Up(peer) => self.peer_up(now, peer, network),
            membership::Event::Down(peer) => {
                let (node, incarnation) = (peer.owner.node, peer.owner.incarnation);
                tracing::warn!(
                    "Instance {node} at {} is down: it does not answer, is called so by others, or has started anew",
                    peer.gossip
                );
                self.peer_gone(node, incarnation, Standing::Down, || {
                    self.presence.node_down(now, node);
                    self.interest.node_down(now, node);
                });
            }
            membership::Event::Left(peer) => {
                let (node, incarnation) = (peer.owner.node, peer.owner.incarnation);
                tracing::info!("Instance {node} at {} leaves the cluster: it stops", peer.gossip);
                self.peer_gone(node, incarnation, Standing::Left, || {
                    self.presence.node_left(now, node, incarnation);
                    self.interest.node_left(now, node, incarnation);
                });
            }
            membership::Event::Conflict(known) => self.begin_life_above(now, known, random),
            membership::Event::SeedMet(seed) => self.presence.seed_met(now, seed),
            membership::Event::SeedLeft(seed) => self.presence.expect_seed(now, seed),
            membership::Event::Renewed(times) => {
                tracing::warn!(
                    "Others had called this instance down, and it has come back ({times} times by now)"
                );
            }
        }
    }

    fn peer_up(&self, now: Now, peer: membership::Peer, network: &dyn Network) {
        let (node, incarnation) = (peer.owner.node, peer.owner.incarnation);
        let old = {
            let mut state = self.peers.state.lock();
            state.forget(|node| self.presence.remembers(node));
            let old = match state.known.get_mut(&node) {
                Some(known) if known.peer.is_same_life(&peer) && !known.is_gone => {
                    (known.peer, known.standing) = (peer, Standing::Up);
                    None
                }
                _ => {
                    let old = state.known.remove(&node);
                    state.leaving.extend(old.iter().map(|old| old.link.clone()));
                    old
                }
            };
            let is_new = !state.known.contains_key(&node);
            if old.as_ref().is_some_and(|old| old.linked) {
                self.unlink(now, node);
            }
            // Before anything can come over a link.
            self.presence.node_up(now, node, incarnation);
            self.interest.node_up(now, node, incarnation);
            if is_new {
                self.connect(&mut state, peer, network);
            }
            old
        };
        old.inspect(|old| self.peers.retire(&old.link));
        tracing::info!("Instance {node} is up: gossip at {}, links at {}", peer.gossip, peer.link);
    }

    fn connect(&self, state: &mut State, peer: membership::Peer, network: &dyn Network) {
        state.number += 1;
        match network.connect(&peer, state.number) {
            Ok(link) => {
                let node = peer.owner.node;
                self.peers.routes.insert(node, link.clone());
                let known = Known {
                    peer,
                    standing: Standing::Up,
                    link,
                    number: state.number,
                    linked: false,
                    is_gone: false,
                    is_compared: false,
                    behind: None,
                    linked_since: None,
                };
                state.known.insert(node, known);
            }
            Err(error) => tracing::error!("There is no link to instance {}: {error}", peer.owner.node),
        }
    }

    /// What this life of an instance was is over for membership. Its links end when they are lost.
    fn peer_gone(&self, node: NodeId, incarnation: Incarnation, standing: Standing, tell: impl FnOnce()) {
        let gone = {
            let mut state = self.peers.state.lock();
            let is_it = |known: &&mut Known| known.peer.owner.incarnation == incarnation;
            let known = state.known.get_mut(&node).filter(is_it);
            let linked = known.is_some_and(|known| {
                known.standing = standing;
                known.linked
            });
            tell();
            if linked { None } else { self.drop_peer(&mut state, node, incarnation) }
        };
        gone.inspect(|link| self.peers.retire(link));
    }

    /// There is no link to an instance that is not up. It stays in the list if it is down, and may come back. Returns the link
    /// that is to be given up.
    fn drop_peer(&self, state: &mut State, node: NodeId, incarnation: Incarnation) -> Option<Arc<dyn Link>> {
        let known = state.known.get_mut(&node).filter(|known| known.peer.owner.incarnation == incarnation)?;
        let (link, has_left) = (known.link.clone(), known.standing == Standing::Left);
        known.is_gone = true;
        if has_left {
            state.leaving.push(link.clone());
            state.known.remove(&node);
        }
        self.peers.routes.remove(node);
        Some(link)
    }

    /// Something has become of the links to a peer that have this number.
    pub fn handle_link(&self, now: Now, node: NodeId, number: u64, event: Event) {
        let gone = {
            let mut state = self.peers.state.lock();
            let Some(known) = state.known.get_mut(&node).filter(|known| known.number == number) else {
                return;
            };
            match event {
                Event::Up => {
                    (known.linked, known.linked_since) = (true, Some(now.unix));
                    tracing::info!("Linked with instance {node} at {}", known.peer.link);
                    self.compare_options(known);
                    self.presence.link_up(now, node);
                    self.interest.link_up(now, node);
                    None
                }
                Event::Down(why) => {
                    (known.linked, known.linked_since) = (false, None);
                    let (standing, incarnation) = (known.standing, known.peer.owner.incarnation);
                    self.note_lost_link(known, why);
                    self.unlink(now, node);
                    if standing == Standing::Up {
                        None
                    } else {
                        self.drop_peer(&mut state, node, incarnation)
                    }
                }
                Event::Lost(loss, count) => {
                    tracing::warn!("{count} messages of instance {node} never got here: {}", loss.name());
                    self.peers.note_loss(node, loss.name(), count);
                    None
                }
                Event::Close(_) | Event::Wake(_) => None,
            }
        };
        gone.inspect(|link| self.peers.retire(link));
    }

    fn unlink(&self, now: Now, node: NodeId) {
        self.presence.link_down(now, node);
        self.interest.link_down(&self.subscriptions, node);
    }

    /// Takes a frame that has come over a link of a peer. What is published there is delivered to clients of this instance as
    /// far as `inbox` goes.
    ///
    /// # Errors
    /// It is none, and why: the connection is to be closed.
    pub fn take_frame(
        &self,
        now: Now,
        from: NodeId,
        frame: Frame<'_>,
        random: u64,
        inbox: &mut Inbox,
    ) -> Result<(), &'static str> {
        match frame {
            Frame::Interest(bytes) => {
                let handled = self.interest.handle_message(now, from, bytes, random);
                self.follow_life(now, handled.map_err(|malformed| malformed.0)?);
            }
            Frame::InterestApplied(version) => self.interest.acknowledged(from, version),
            Frame::Presence(bytes) => {
                let handled = self.presence.handle_message(now, from, bytes, random);
                self.follow_life(now, handled.map_err(|malformed| malformed.0)?);
            }
            Frame::Message { kind, channel, payload } => self.deliver(now, inbox, kind, channel, payload),
            Frame::Messages(messages) => self.deliver_all(now, inbox, messages),
            // These are the links' own.
            Frame::Ping(_) | Frame::Pong(_) | Frame::Bye(_) | Frame::Start(_) | Frame::Dropped { .. } => {}
        }
        Ok(())
    }

    /// Whether what clients of another instance are subscribed to is known: clients may come.
    pub fn has_caught_up(&self) -> bool {
        let peers = self.subscriptions.peers();
        peers.linked & !peers.everything != 0
    }
}
