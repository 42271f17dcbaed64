//! Other instances: the shell that brings gossip, links and the broker together.
//!
//! Owns the task of the cluster, which hands on what membership finds out and sends what is wanted here; and which links there
//! are. What is done is the broker's (`broker/peers`). Must not know frames. Start with [`start`].

mod places;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::Shared;
use super::gossip::{Gossip, Start};
use super::peer::{self, Peer, connect};
use super::transport::entropy;
use crate::broker::peers::{Inbox, Link, Network, Sent};
use crate::config::Config;
use crate::crdt::{NodeId, Owner};
use crate::link::handshake::VERSIONS;
use crate::link::{ClientAddress, Event, Frame, Me, Secrets, Settings};
use crate::membership;
use crate::time::Now;
pub(super) use places::Places;

/// How soon a link that had no room is looked at again, in milliseconds.
pub(super) const ROOM_MS: u64 = 5;

/// Milliseconds that a turn may come late because much is to be done; see `presence.rs`.
const LATE_MS_MAX: u64 = 1000;

/// What tasks share of the cluster.
pub(super) struct Cluster {
    /// There is work for the task of the cluster.
    pub(super) work: Notify,
    /// Clients may come.
    pub(super) joined: watch::Sender<bool>,
    links: Mutex<BTreeMap<NodeId, Arc<Peer<Shared>>>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster { work: Notify::new(), joined: watch::Sender::new(false), links: Mutex::default() }
    }
}

impl Cluster {
    /// Waits until clients may come.
    pub(super) async fn wait_until_joined(&self) {
        // An error means that the sender is gone, which is in the same place as this.
        let _ = self.joined.subscribe().wait_for(|joined| *joined).await;
    }
}

/// Starts to look for other instances. Returns what tells them that this one goes.
///
/// # Errors
/// There is no thread or no socket to be had.
pub(super) fn start(
    shared: &Arc<Shared>,
    places: Places,
    background: &mut JoinSet<()>,
) -> Result<Gossip, String> {
    let config = shared.broker.config();
    // Before there is a client.
    shared.broker.interest.enable();
    let owner = shared.broker.interest.owner();
    let Places { links, gossip, address, alone } = places;
    // Not the one that is announced: that one is known to whoever has chosen it.
    let port = gossip.local_addr().map_or(address.port(), |bound| bound.port());
    tracing::info!(
        port,
        node = %owner.node,
        "Other instances find this one at {address}, by TCP and UDP"
    );
    let versions = (VERSIONS.0 as u16, VERSIONS.1 as u16);
    let settings = membership::Settings {
        cluster_name: config.cluster.name.clone(),
        secrets: secrets(&config).collect(),
        ..membership::Settings::default()
    };
    let [random] = entropy().map_err(|error| format!("no entropy from the operating system: {error}"))?;
    let start = Start {
        socket: gossip,
        me: membership::Peer::new(owner, address, address, versions),
        settings,
        seeds: config.cluster.peers.clone(),
        entropy: random,
    };
    let (sender, events) = unbounded_channel();
    // The task may have ended, and with it the server.
    let gossip = Gossip::start(start, move |event| {
        let _ = sender.send(event);
    })
    .map_err(|error| format!("cluster-port {}: {error}", address.port()))?;
    background.spawn(peer::listen(shared.clone(), links));
    background.spawn(run(shared.clone(), events));
    let patience = if alone { Duration::ZERO } else { config.cluster.join_timeout };
    background.spawn(join_in_time(shared.clone(), patience));
    Ok(gossip)
}

/// The secrets that are taken, the one that is used first.
fn secrets(config: &Config) -> impl Iterator<Item = Vec<u8>> {
    let cluster = &config.cluster;
    [&cluster.secret, &cluster.secret_previous].into_iter().filter(|secret| !secret.is_empty()).cloned()
}

/// Clients are not to wait for others for ever.
async fn join_in_time(shared: Arc<Shared>, patience: Duration) {
    if timeout(patience, shared.cluster.wait_until_joined()).await.is_err() {
        if !patience.is_zero() {
            tracing::warn!(
                "No other instance was heard of within {} ms (cluster-join-timeout): clients are served all the same",
                patience.as_millis()
            );
        }
        shared.cluster.joined.send_replace(true);
    }
}

/// Runs for as long as the server.
async fn run(shared: Arc<Shared>, mut events: UnboundedReceiver<membership::Event>) {
    let dialler = Dialler(shared.clone());
    loop {
        let begin = shared.clock.now();
        while let Ok(event) = events.try_recv() {
            shared.broker.handle_membership(begin, event, &dialler);
        }
        let turn = shared.broker.interest_turn(begin);
        let sent = shared.broker.send_interest();
        shared.broker.note_turn(0, begin, shared.clock.since(begin));
        shared.note_work();
        if !*shared.cluster.joined.borrow() && shared.broker.has_caught_up() {
            shared.cluster.joined.send_replace(true);
        }
        if turn.more || sent == Sent::More {
            yield_now().await;
            continue;
        }
        let now_ms = shared.clock.now().monotonic_ms();
        let due_ms = if sent == Sent::Full { turn.next_ms.min(now_ms + ROOM_MS) } else { turn.next_ms };
        let wait =
            timeout(Duration::from_millis(due_ms.saturating_sub(now_ms)), shared.cluster.work.notified());
        tokio::select! {
            _ = wait => {}
            event = events.recv() => match event {
                Some(event) => shared.broker.handle_membership(shared.clock.now(), event, &dialler),
                // Gossip has ended, and so will this task.
                None => std::future::pending().await,
            },
        }
        let late_ms = shared.clock.now().monotonic_ms().saturating_sub(due_ms);
        if late_ms > LATE_MS_MAX {
            shared.broker.interest.handle_lag(late_ms);
        }
    }
}

/// Makes links.
struct Dialler(Arc<Shared>);

impl Network for Dialler {
    fn connect(&self, peer: &membership::Peer, number: u64) -> Result<Arc<dyn Link>, String> {
        let Dialler(shared) = self;
        let config = shared.broker.config();
        let settings =
            Settings { data_links: config.cluster.data_links, limit_bytes: config.cluster.link_limit };
        let (node, address) = (peer.owner.node, peer.link);
        let links = Peer::new(shared.clone(), node, number, settings).map_err(|error| error.to_string())?;
        shared.cluster.links.lock().insert(node, links.clone());
        let (shared, driven) = (shared.clone(), links.clone());
        tokio::spawn(async move {
            driven.drive(move || connect(address)).await;
            let mut links = shared.cluster.links.lock();
            if links.get(&node).is_some_and(|present| present.number() == number) {
                links.remove(&node);
            }
        });
        Ok(links)
    }
}

impl peer::Cluster for Shared {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn me(&self) -> Me {
        let config = self.broker.config();
        let (cluster, face) = (&config.cluster, &config.face);
        let port =
            |announced: u16, own: Option<u16>| if announced == 0 { own.unwrap_or(0) } else { announced };
        Me {
            owner: self.broker.interest.owner(),
            cluster: cluster.name.clone(),
            features: 0,
            message_max: cluster.message_max as u64,
            clients: ClientAddress {
                ip: cluster.announce_ip.parse().ok(),
                port: port(face.announce_port, config.port),
                tls_port: port(face.announce_tls_port, config.tls.port),
            },
        }
    }

    fn secrets(&self) -> Secrets {
        let config = self.broker.config();
        let mut secrets = secrets(&config);
        Secrets::new(secrets.next(), secrets.next())
    }

    fn peer(&self, peer: Owner) -> Option<Arc<Peer<Self>>> {
        let is_known = self.broker.peers.knows(peer);
        self.cluster.links.lock().get(&peer.node).filter(|_| is_known).cloned()
    }

    fn apply(&self, peer: NodeId, frame: Frame<'_>, inbox: &mut Inbox) -> Result<(), &'static str> {
        // It only spreads what several instances do at the same time.
        let random = entropy().map_or(0, |[random]| random);
        self.broker.take_frame(self.clock.now(), peer, frame, random, inbox)
    }

    fn go_on(&self, inbox: &mut Inbox) {
        self.broker.continue_inbox(self.clock.now(), inbox);
    }

    fn applied(&self) {
        self.note_work();
        if self.broker.subscriptions.has_fanouts() {
            self.flush.notify_one();
        }
    }

    fn handle_event(&self, peer: NodeId, number: u64, event: Event) {
        self.broker.handle_link(self.clock.now(), peer, number, event);
        self.note_work();
    }
}
