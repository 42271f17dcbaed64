//! A connected client's own state: what no other connection may change.
//!
//! Owns the protocol, authentication, and the client's side of its subscriptions. Must not know commands' syntax or
//! sockets. Others see the client's record ([`Client`]), which this keeps up to date.

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::clients::Client;
use crate::broker::configuration::Snapshot;
use crate::broker::presence::hooks::{self, Listener};
use crate::broker::presence::watchers::Watcher;
use crate::config::{Config, OutputLimit, SubscribeAck};
use crate::outbox::Outbox;
use crate::presence::Detach;
use crate::pubsub::{Kind, Subscribed, reserved};
use crate::resp::Protocol;
use crate::resp::push::Frame;
use crate::resp::request::Limits;
use crate::sync::atomic::Ordering;
use crate::time::Now;

/// Bytes of unread replies at which a client that has not authenticated is not read from any more.
const UNAUTHENTICATED_BACKLOG_BYTES: usize = 4 * 1024;
/// Bytes of an unfinished request before authentication. (Redis 7.)
const UNAUTHENTICATED_QUERY_BYTES: usize = 1024 * 1024;

/// Bytes that a request may have whatever the options say: positions in it have four bytes.
const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// Which replies the client wants. (CLIENT REPLY.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None until ON.
    Off,
    /// Not this one and not the next one.
    SkipNext,
    /// Not this one.
    Skip,
}

/// A client's state.
pub struct Session {
    /// The record that others see.
    pub client: Arc<Client>,
    /// Protocol of the replies.
    pub protocol: Protocol,
    /// Whether the client may use commands other than AUTH, HELLO, QUIT and RESET.
    pub authenticated: bool,
    /// Which replies are sent.
    pub reply_mode: ReplyMode,
    /// No more requests are read; the connection ends when its output is written.
    pub closing: bool,
    config: Arc<Config>,
    config_version: u32,
    subscribed: Option<Box<Subscribed>>,
    /// There once it has watched a topic.
    pub(super) watcher: Option<Arc<Watcher>>,
    /// Some members may live as long as this connection.
    pub has_members: bool,
}

impl Session {
    /// The state of a client that has just connected.
    pub fn new(client: Arc<Client>, broker: &Broker) -> Self {
        let Snapshot { version, config } = broker.configuration.current();
        Session {
            client,
            protocol: Protocol::default(),
            authenticated: config.requirepass.is_empty(),
            reply_mode: ReplyMode::default(),
            closing: false,
            config,
            config_version: version,
            subscribed: None,
            watcher: None,
            has_members: false,
        }
    }

    /// The client's id.
    pub fn id(&self) -> u64 {
        self.client.id
    }

    /// The client's output.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.client.outbox
    }

    /// Takes over a configuration that has changed: called once a turn, and one load if it has not.
    pub fn refresh(&mut self, broker: &Broker) {
        if broker.configuration.is_current(self.config_version) {
            return;
        }
        let Snapshot { version, config } = broker.configuration.current();
        (self.config, self.config_version) = (config, version);
        // Who has authenticated stays so when the password changes; without one everybody is let in. (As Redis.)
        self.authenticated |= self.config.requirepass.is_empty();
    }

    /// The configuration, as of the beginning of the turn.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The limit on this client's output: that of its class.
    pub fn output_limit(&self) -> OutputLimit {
        self.client.output_limit(&self.config)
    }

    /// Bytes of unread output at which the client's further requests wait until it reads.
    pub fn reply_backlog(&self) -> usize {
        if self.authenticated {
            self.config.client_reply_backlog
        } else {
            UNAUTHENTICATED_BACKLOG_BYTES.min(self.config.client_reply_backlog)
        }
    }

    /// Bytes that an unfinished request may have.
    pub fn query_limit(&self) -> usize {
        if self.authenticated {
            self.config.client_query_buffer_limit.min(REQUEST_BYTES_MAX)
        } else {
            UNAUTHENTICATED_QUERY_BYTES.min(self.config.client_query_buffer_limit)
        }
    }

    /// What the request decoder must refuse.
    pub fn request_limits(&self) -> Limits {
        Limits {
            bulk_bytes_max: self.config.proto_max_bulk_len.min(REQUEST_BYTES_MAX),
            authenticated: self.authenticated,
        }
    }

    /// Changes the protocol of replies and pushes.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.outbox().set_protocol(protocol);
        self.client.protocol.store(protocol.number(), Ordering::Relaxed);
    }

    /// Whether it has any subscription.
    pub fn is_subscribed(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Number of its subscriptions of a kind.
    pub fn subscriptions(&self, kind: Kind) -> usize {
        self.subscribed.as_ref().map_or(0, |subscribed| subscribed.len(kind))
    }

    /// Whether it is subscribed to this channel or pattern.
    pub fn is_subscribed_to(&self, broker: &Broker, kind: Kind, name: &[u8]) -> bool {
        let subscribed = self.subscribed.as_ref();
        subscribed.is_some_and(|subscribed| {
            broker.subscriptions.find(kind, name).is_some_and(|id| subscribed.contains(kind, id))
        })
    }

    /// Number of its subscriptions of all kinds.
    pub fn all_subscriptions(&self) -> usize {
        self.subscribed.as_ref().map_or(0, |subscribed| subscribed.total())
    }

    /// The number that confirmations of this kind carry: channels and patterns are counted together, shard channels
    /// apart.
    pub fn confirmed_count(&self, kind: Kind) -> usize {
        self.subscribed.as_ref().map_or(0, |subscribed| confirmed_count(subscribed, kind))
    }

    /// Whether the confirmation of a subscription to this waits for other instances.
    pub fn waits_for_peers(&self, broker: &Broker, name: &[u8]) -> bool {
        broker.interest.is_enabled()
            && self.config.cluster.subscribe_ack == SubscribeAck::Cluster
            && !reserved::is_local(name)
    }

    /// Subscribes; `confirm` gets the count after it and runs before any message can arrive. Returns nothing if the client was
    /// subscribed already, and otherwise at which version others are told of it, 0 if they are not.
    pub fn subscribe(
        &mut self,
        broker: &Broker,
        now: Now,
        kind: Kind,
        name: &[u8],
        confirm: impl FnOnce(usize),
    ) -> Option<u64> {
        let subscribed = self.subscribed.get_or_insert_with(|| {
            broker.clients.note_subscribed();
            Box::default()
        });
        let before = subscribed.len(kind);
        broker.subscriptions.subscribe(kind, name, &self.client.outbox, subscribed, |subscribed| {
            confirm(confirmed_count(subscribed, kind));
        });
        let is_new = subscribed.len(kind) > before;
        let version =
            if is_new { broker.interest.note(&broker.subscriptions, now, kind, name) } else { None };
        if kind == Kind::Pattern {
            broker.presence.note_listeners(|| broker.subscriptions.topic_patterns() > 0);
        }
        self.note_subscriptions(broker, kind);
        is_new.then_some(version.unwrap_or(0))
    }

    /// Unsubscribes from one name. When it returns nothing is delivered from there any more.
    pub fn unsubscribe(&mut self, broker: &Broker, now: Now, kind: Kind, name: &[u8]) {
        let listener = Listener::of(self);
        if let Some(subscribed) = self.subscribed.as_deref_mut() {
            let before = subscribed.len(kind);
            broker.subscriptions.unsubscribe(kind, name, subscribed);
            broker.interest.note(&broker.subscriptions, now, kind, name);
            if kind == Kind::Channel && subscribed.len(kind) < before {
                listener.ended(broker, now, name, Detach::Named);
            }
            self.note_subscriptions(broker, kind);
        }
    }

    /// Unsubscribes from up to `most` of a kind; `confirm` gets each name and the count after it.
    pub fn unsubscribe_some(
        &mut self,
        broker: &Broker,
        now: Now,
        kind: Kind,
        most: usize,
        mut confirm: impl FnMut(&[u8], usize),
    ) {
        let listener = Listener::of(self);
        let Some(subscribed) = self.subscribed.as_deref_mut() else { return };
        let mut name = Vec::new();
        for id in subscribed.some(kind, most) {
            broker.subscriptions.unsubscribe_id(kind, id, subscribed, |shown| {
                name.clear();
                name.extend_from_slice(shown);
            });
            broker.interest.note(&broker.subscriptions, now, kind, &name);
            if kind == Kind::Channel {
                listener.ended(broker, now, &name, Detach::Quiet);
            }
            confirm(&name, confirmed_count(subscribed, kind));
        }
        self.note_subscriptions(broker, kind);
    }

    /// Gives up all subscriptions, for whoever removes them from the table.
    pub(super) fn take_subscriptions(&mut self, broker: &Broker) -> Option<(Listener, Box<Subscribed>)> {
        for kind in Kind::ALL {
            self.client.set_subscriptions(kind, 0);
        }
        let subscribed = self.subscribed.take()?;
        broker.clients.note_unsubscribed();
        Some((Listener::of(self), subscribed))
    }

    /// Fetches about `bytes_most` of the messages that are kept for the client outside its outbox, at least one if there is
    /// one. Returns whether another can be fetched now; when there is one later the outbox is nudged. A client that is about
    /// to leave gets none.
    pub fn fetch(&self, broker: &Broker, bytes_most: usize, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        let watcher = self.watcher.as_deref().filter(|_| !self.closing);
        watcher.is_some_and(|watcher| hooks::fetch(broker, watcher, bytes_most, take))
    }

    fn note_subscriptions(&mut self, broker: &Broker, kind: Kind) {
        self.client.set_subscriptions(kind, self.subscriptions(kind));
        if self.subscribed.is_some() && self.all_subscriptions() == 0 {
            broker.clients.note_unsubscribed();
            self.subscribed = None;
        }
    }
}

fn confirmed_count(subscribed: &Subscribed, kind: Kind) -> usize {
    match kind {
        Kind::Shard => subscribed.len(Kind::Shard),
        Kind::Channel | Kind::Pattern => subscribed.len(Kind::Channel) + subscribed.len(Kind::Pattern),
    }
}
