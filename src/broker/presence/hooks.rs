//! What subscriptions, and the ends of connections, mean to presence.
//!
//! Owns what is done for a client that subscribes to one of presence's channels, or does not any more: it watches a topic, or
//! is attached to a session. Only SUBSCRIBE counts. Must not know commands or sockets.
//!
//! The order that a client sees: the confirmation, which is queued before anything here is called; then the state of the
//! topic, or how the session stands; then what changes. Behind the confirmation of UNSUBSCRIBE, which is queued afterwards,
//! nothing more.

use std::sync::Arc;

use super::watchers::Watcher;
use crate::broker::Broker;
use crate::broker::session::Session;
use crate::outbox::Pushed;
use crate::presence::events::{Tally, Watcher as _};
use crate::presence::{Detach, Notice};
use crate::pubsub::reserved::{Reserved, SESSIONS};
use crate::resp::push::{ChannelKind, Frame, FrameBuffer, Payload};
use crate::time::Now;

/// A client, as far as presence has to do with what it listens to.
pub(in crate::broker) struct Listener {
    client: u64,
    /// There once it has watched a topic.
    watcher: Option<Arc<Watcher>>,
}

impl Listener {
    pub(in crate::broker) fn of(session: &Session) -> Self {
        Listener { client: session.id(), watcher: session.watcher.clone() }
    }

    /// It is not subscribed to a channel any more.
    pub(in crate::broker) fn ended(&self, broker: &Broker, now: Now, channel: &[u8], how: Detach) {
        match names(channel) {
            Some(Named::Topic(topic)) => {
                if let Some(watcher) = &self.watcher {
                    broker.presence.unwatch(watcher, topic);
                }
            }
            Some(Named::Session(session)) => broker.presence.detach(now, session, self.client, how),
            None => {}
        }
    }
}

/// What a channel of presence names.
enum Named<'a> {
    Topic(&'a str),
    Session(&'a str),
}

/// Names that are not text are those of nothing.
fn names(channel: &[u8]) -> Option<Named<'_>> {
    match Reserved::of(channel)? {
        Reserved::Topic(topic) => std::str::from_utf8(topic).ok().map(Named::Topic),
        Reserved::Session(session) => std::str::from_utf8(session).ok().map(Named::Session),
        Reserved::Instance => None,
    }
}

impl Session {
    /// The client has subscribed to a channel, which it was not subscribed to before, and its confirmation is queued, or will
    /// stand before what is queued now. Returns what became of an answer, if there is one.
    pub fn listen(&mut self, broker: &Broker, now: Now, channel: &[u8]) -> Option<Pushed> {
        match names(channel)? {
            Named::Topic(topic) => {
                let watcher = self.watcher.get_or_insert_with(|| Arc::new(Watcher::new(&self.client.outbox)));
                broker.presence.watch(watcher, topic);
                None
            }
            Named::Session(session) => {
                let notice = broker.presence.attach(now, session, self.id())?;
                let (text, limit) = (notice_text(&notice), self.config().client_output_buffer_limit.pubsub);
                let mut buffer = FrameBuffer::default();
                let frame =
                    Payload::Small(text.as_bytes()).message(ChannelKind::Global, channel, &mut buffer);
                Some(self.outbox().push(frame, &limit, now))
            }
        }
    }
}

/// See [`Session::fetch`].
pub(in crate::broker) fn fetch(
    broker: &Broker,
    watcher: &Watcher,
    bytes_most: usize,
    take: &mut dyn FnMut(Frame<'_>),
) -> bool {
    let (mut buffer, mut tally) = (FrameBuffer::default(), Tally::default());
    let more = broker.presence.pull(watcher, bytes_most, &mut tally, &mut |channel, payload| {
        take(Payload::with_line_end(payload).message(ChannelKind::Global, channel, &mut buffer));
    });
    broker.stats.add_presence(watcher.id(), tally);
    more
}

/// The channel on which an application hears of its session.
pub(super) fn session_channel(session: &str) -> Vec<u8> {
    [SESSIONS, session.as_bytes()].concat()
}

/// What an application hears of its session.
pub(super) fn notice_text(notice: &Notice) -> String {
    let Notice { members, resumed, .. } = notice;
    format!(r#"{{"event":"attached","members":{members},"resumed":{resumed}}}"#)
}
