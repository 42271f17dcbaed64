//! Other instances: the shell that brings gossip, links and the broker together.
//!
//! Owns the task of the cluster, which hands on what membership finds out and sends what is wanted here; and which links there
//! are. What is done is the broker's (`broker/peers`). Must not know frames. Start with [`start`].

mod places;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout, timeout_at};

use super::Shared;
use super::client::WAKES_PER_TURN;
use super::gossip::{Gossip, Start};
use super::peer::{self, Peer, connect};
use super::transport::entropy;
use crate::broker::peers::{Inbox, Link, Network, Sent};
use crate::config::{Config, common_options};
use crate::crdt::{NodeId, Owner};
use crate::link::handshake::VERSIONS;
use crate::link::{ClientAddress, Event, Frame, Me, Secrets, Settings};
use crate::membership;
use crate::time::Now;
pub(super) use places::Places;

/// How soon a link that had no room is looked at again, in milliseconds.
pub(super) const ROOM_MS: u64 = 5;

/// How often a stopping instance looks whether others have its last changes.
const HAND_OVER_INTERVAL: Duration = Duration::from_millis(20);

/// Milliseconds that a turn may come late because much is to be done; see `presence.rs`.
const LATE_MS_MAX: u64 = 1000;

/// What tasks share of the cluster.
pub(super) struct Cluster {
    /// There is work for the task of the cluster.
    pub(super) work: Notify,
    /// Clients may come.
    pub(super) joined: watch::Sender<bool>,
    links: Mutex<BTreeMap<NodeId, Arc<Peer<Shared>>>>,
    /// The links to a peer have been given up.
    given_up: Notify,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            work: Notify::new(),
            joined: watch::Sender::new(false),
            links: Mutex::default(),
            given_up: Notify::new(),
        }
    }
}

impl Cluster {
    /// Waits until clients may come.
    pub(super) async fn wait_until_joined(&self) {
        // An error means that the sender is gone, which is in the same place as this.
        let _ = self.joined.subscribe().wait_for(|joined| *joined).await;
    }

    /// Waits until there are no links any more.
    async fn wait_until_unlinked(&self) {
        while !self.links.lock().is_empty() {
            self.given_up.notified().await;
        }
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
) -> Result<Arc<Gossip>, String> {
    let config = shared.broker.config();
    // Before there is a client.
    shared.broker.interest.enable();
    let owner = shared.broker.interest.owner();
    let now = shared.clock.now();
    (0..config.cluster.peers.len()).for_each(|seed| shared.broker.presence.expect_seed(now, seed as u64));
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
    let gossip = Arc::new(gossip);
    background.spawn(run(shared.clone(), gossip.clone(), events));
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
async fn run(shared: Arc<Shared>, gossip: Arc<Gossip>, mut events: UnboundedReceiver<membership::Event>) {
    let dialler = Dialler(shared.clone());
    let mut ready = VecDeque::new();
    loop {
        let begin = shared.clock.now();
        while let Ok(event) = events.try_recv() {
            shared.broker.handle_membership(begin, event, random(), &dialler);
        }
        shared.broker.poll_life().inspect(|life| gossip.set_incarnation(*life));
        if shared.broker.stop_requested().is_some() {
            shared.stop.notify_one();
        }
        let turn = shared.broker.interest_turn(begin);
        let sent = shared.broker.send_interest();
        let confirms = shared.broker.confirm_some(&mut ready);
        let losses_ms = shared.broker.tell_losses(begin, &mut ready);
        shared.broker.note_turn(0, begin, shared.clock.since(begin));
        shared.note_work();
        shared.broker.tell_caught_up();
        while !ready.is_empty() {
            let wakes = ready.len().min(WAKES_PER_TURN);
            ready.drain(..wakes).for_each(Waker::wake);
            yield_now().await;
        }
        if !*shared.cluster.joined.borrow() && shared.broker.has_caught_up() {
            tracing::info!("Joined the cluster: what clients of another instance are subscribed to is known");
            shared.cluster.joined.send_replace(true);
        }
        if turn.more || confirms || sent == Sent::More {
            yield_now().await;
            continue;
        }
        let now_ms = shared.clock.now().monotonic_ms();
        let room_ms = (sent == Sent::Full).then_some(now_ms + ROOM_MS);
        let due_ms = room_ms.into_iter().chain(losses_ms).fold(turn.next_ms, u64::min);
        let wait =
            timeout(Duration::from_millis(due_ms.saturating_sub(now_ms)), shared.cluster.work.notified());
        tokio::select! {
            _ = wait => {}
            event = events.recv() => match event {
                Some(event) => {
                    shared.broker.handle_membership(shared.clock.now(), event, random(), &dialler);
                }
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

/// It only spreads what several instances do at the same time, and tells lives that begin at the same time from each other.
fn random() -> u64 {
    entropy().map_or(0, |[random]| random)
}

/// Tells the others that this instance goes, when they have all that is queued for them; each step at most until the time is up.
pub(super) async fn leave(shared: &Shared, gossip: Arc<Gossip>, deadline: tokio::time::Instant) {
    let told = timeout_at(deadline, async {
        while !shared.broker.presence.hand_over(shared.clock.now()) {
            shared.presence.notify_one();
            sleep(HAND_OVER_INTERVAL).await;
        }
    });
    if told.await.is_err() {
        tracing::warn!("No other instance is known to have this one's last changes of who is present");
    }
    // An error would be a panic there, which has been logged.
    let _ = tokio::task::spawn_blocking(move || gossip.leave()).await;
    shared.broker.peers.leave();
    if timeout_at(deadline, shared.cluster.wait_until_unlinked()).await.is_err() {
        tracing::warn!(
            "Not all that was queued for other instances has got there in time (shutdown-timeout)"
        );
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
                shared.cluster.given_up.notify_one();
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
            options: common_options(&config).map(|(name, value)| (name.to_owned(), value)).collect(),
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
        self.broker.take_frame(self.clock.now(), peer, frame, random(), inbox)
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
