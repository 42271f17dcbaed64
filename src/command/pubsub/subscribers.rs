//! PUBSUB SUBSCRIBERS and SHARDSUBSCRIBERS: who is subscribed to a channel.
//!
//! Owns their replies. Only the channel's own subscribers are told: who has a pattern that matches is not one.

use crate::command::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::resp::push::ChannelKind;
use crate::resp::reply::Reply;
use crate::resp::request::Request;

/// Places of a channel that one step looks at; then each client is looked up by its id.
const PLACES_PER_STEP: u32 = 256;

pub(super) fn subscribers(
    context: &mut Context<'_>,
    request: Request<'_>,
    kind: ChannelKind,
) -> Result<Flow, Error> {
    let channel = request.argument(2).to_vec();
    resume_now(context, SubscribersRest { kind, channel, next: Some(0), count: 0, clients: Vec::new() })
}

/// The command, under way.
struct SubscribersRest {
    kind: ChannelKind,
    channel: Vec<u8>,
    next: Option<u32>,
    count: usize,
    /// The clients found so far, encoded.
    clients: Vec<u8>,
}

impl Resume for SubscribersRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        while let Some(next) = self.next {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let mut ids = Vec::new();
            let (kind, channel) = (self.kind, &self.channel);
            let subscriptions = &context.broker.subscriptions;
            self.next =
                subscriptions.for_each_subscriber(kind, channel, next, PLACES_PER_STEP, |id| ids.push(id));
            context.workspace.spend(1 + ids.len());
            let mut reply = Reply::new(&mut self.clients, context.session.protocol);
            // Who is gone may not have been removed from the channel yet.
            for client in ids.into_iter().filter_map(|id| context.broker.clients.find(id)) {
                self.count += 1;
                let names = client.names();
                reply.map(5);
                reply.bulk(b"id");
                reply.integer(client.id as i64);
                for (key, value) in [
                    ("addr", client.address.to_string().as_bytes()),
                    ("name", &names.name),
                    ("lib-name", &names.library),
                    ("lib-ver", &names.library_version),
                ] {
                    reply.bulk(key.as_bytes());
                    reply.bulk(value);
                }
            }
        }
        let mut reply = context.reply();
        reply.array(self.count);
        reply.raw(&self.clients);
        Ok(Progress::Done)
    }
}
