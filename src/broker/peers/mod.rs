//! Other instances: what membership and links bring goes to presence, interest and clients here, and what those have to say
//! goes to links.
//!
//! Owns who is up, which link counts, and in what order both are told. Must not know sockets, tasks, clocks or chance: links are
//! a trait ([`Link`]), and whoever has them calls, in this order as it happens,
//!
//! - [`Broker::handle_membership`] for who comes and goes;
//! - [`Broker::handle_link`] for what becomes of the links to a peer, and [`Broker::take_frame`] for what comes over them;
//! - [`Broker::interest_turn`] with [`Broker::send_interest`], and [`Broker::presence_turn`] with [`Broker::send_presence`], when they
//!   are due, and after something has come.
//!
//! What is published is forwarded by [`Broker::forward`], by whoever has delivered it here. Visibility of members follows
//! membership; forwarding and counts follow the link.
//!
//! Lock order: the peers, then all that is in `broker/mod.rs`, then routes. No link is called while the peers are locked, as it
//! may tell at once what has become of it.

mod forward;
mod inbox;
mod routes;
mod send;

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
use crate::sync::Mutex;
use crate::time::Now;
use routes::Routes;

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

    /// This instance is in another life from now on.
    fn renew(&self, incarnation: Incarnation);

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
#[derive(Default)]
pub struct Peers {
    state: Mutex<State>,
    routes: Routes,
}

#[derive(Default)]
struct State {
    known: BTreeMap<NodeId, Known>,
    /// Of the latest links.
    number: u64,
    /// What was lost between this instance and others that are not known any more.
    former: Losses,
}

/// An instance that is up, or that there still is a link to.
struct Known {
    peer: membership::Peer,
    standing: Standing,
    link: Arc<dyn Link>,
    /// The links that count: what others tell has been overtaken.
    number: u64,
    /// There is control.
    linked: bool,
    /// Since when, as a time since 1970.
    linked_since: Option<Duration>,
}

impl Peers {
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
    pub(super) fn seen(&self) -> (Vec<roster::Peer>, Losses) {
        let state = self.state.lock();
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
        (peers.collect(), state.former)
    }

    /// Whether membership knows this life of an instance.
    pub fn knows(&self, peer: Owner) -> bool {
        self.state.lock().known.get(&peer.node).is_some_and(|known| known.peer.owner == peer)
    }
}

impl Broker {
    /// Membership has found out something. `network` makes the links to an instance that has come.
    pub fn handle_membership(&self, now: Now, event: membership::Event, network: &dyn Network) {
        match event {
            membership::Event::Up(peer) => self.peer_up(now, peer, network),
            membership::Event::Down(peer) => {
                let (node, incarnation) = (peer.owner.node, peer.owner.incarnation);
                tracing::warn!("Instance {node} at {} is down: it does not answer, or restarts", peer.gossip);
                self.peer_gone(node, incarnation, Standing::Down, || {
                    self.presence.node_down(now, node);
                    self.interest.node_down(now, node);
                });
            }
            membership::Event::Left(peer) => {
                let (node, incarnation) = (peer.owner.node, peer.owner.incarnation);
                tracing::info!("Instance {node} at {} leaves the cluster", peer.gossip);
                self.peer_gone(node, incarnation, Standing::Left, || {
                    self.presence.node_left(now, node, incarnation);
                    self.interest.node_left(now, node, incarnation);
                });
            }
            membership::Event::Conflict(_) => {}
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
            let old = match state.known.get_mut(&node) {
                Some(known) if known.peer.is_same_life(&peer) => {
                    (known.peer, known.standing) = (peer, Standing::Up);
                    None
                }
                _ => {
                    let old = state.known.remove(&node);
                    old.iter().for_each(|old| state.former = state.former.with(&old.link.report().0));
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
        old.inspect(|old| old.link.give_up());
        tracing::info!("Instance {node} is up: gossip at {}, links at {}", peer.gossip, peer.link);
    }

    fn connect(&self, state: &mut State, peer: membership::Peer, network: &dyn Network) {
        state.number += 1;
        match network.connect(&peer, state.number) {
            Ok(link) => {
                let node = peer.owner.node;
                self.peers.routes.insert(node, link.clone());
                let (number, standing) = (state.number, Standing::Up);
                state
                    .known
                    .insert(node, Known { peer, standing, link, number, linked: false, linked_since: None });
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
        gone.inspect(|gone| gone.link.give_up());
    }

    fn drop_peer(&self, state: &mut State, node: NodeId, incarnation: Incarnation) -> Option<Known> {
        let is_it = state.known.get(&node).is_some_and(|known| known.peer.owner.incarnation == incarnation);
        let gone = if is_it { state.known.remove(&node) } else { None };
        if let Some(gone) = &gone {
            state.former = state.former.with(&gone.link.report().0);
            self.peers.routes.remove(node);
        }
        gone
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
                    tracing::info!("Linked with instance {node}");
                    self.presence.link_up(now, node);
                    self.interest.link_up(now, node);
                    None
                }
                Event::Down => {
                    (known.linked, known.linked_since) = (false, None);
                    let (standing, incarnation) = (known.standing, known.peer.owner.incarnation);
                    tracing::warn!("The link with instance {node} is lost");
                    self.unlink(now, node);
                    if standing == Standing::Up {
                        None
                    } else {
                        self.drop_peer(&mut state, node, incarnation)
                    }
                }
                Event::Lost(loss, count) => {
                    tracing::warn!("{count} messages of instance {node} never got here: {}", loss.name());
                    None
                }
                // What has to be known of its interest the peer's first digest says, too.
                Event::Interest(_) | Event::Close(_) | Event::Wake(_) => None,
            }
        };
        gone.inspect(|gone| gone.link.give_up());
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
                self.interest.handle_message(now, from, bytes, random).map_err(|malformed| malformed.0)?;
            }
            Frame::InterestApplied(version) => self.interest.acknowledged(from, version),
            Frame::Presence(bytes) => {
                self.presence.handle_message(now, from, bytes, random).map_err(|malformed| malformed.0)?;
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
