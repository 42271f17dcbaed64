//! PRESENCE.COUNT, TOPICS and WHERE: what is asked of topics; and NODES.
//!
//! Owns their syntax and replies.

use super::arguments::{Name, Pattern, Word, Words, cursor};
use crate::broker::presence::Cursor;
use crate::command::pubsub::names_per_step;
use crate::command::{Context, Error, Flow, PresenceError, Progress, Resume, resume_now};
use crate::presence::Count;
use crate::resp::reply::Reply;
use crate::resp::request::{OwnedRequest, Request};

/// Topics of a key that one step looks at.
const TOPICS_PER_STEP: usize = 256;

pub(super) fn count(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if request.len() == 2 {
        let topic = Name::Topic.read(context, request.argument(1))?;
        let count = context.broker.presence.count(topic);
        let mut reply = context.reply();
        reply.array(1);
        write_count(&mut reply, count);
        return Ok(Flow::Done);
    }
    resume_now(context, CountRest { request: request.to_owned(), next: 1, counts: Vec::new() })
}

fn write_count(reply: &mut Reply<'_>, count: Count) {
    reply.array(2);
    reply.integer(count.keys as i64);
    reply.integer(count.members as i64);
}

/// PRESENCE.COUNT of several topics, under way.
struct CountRest {
    request: OwnedRequest,
    next: usize,
    /// The counts so far, encoded: a name that is none makes them an error.
    counts: Vec<u8>,
}

impl Resume for CountRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let request = self.request.as_request();
        while self.next < request.len() {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let topic = Name::Topic.read(context, request.argument(self.next))?;
            let count = context.broker.presence.count(topic);
            write_count(&mut Reply::new(&mut self.counts, context.session.protocol), count);
            self.next += 1;
            context.workspace.spend(1);
        }
        let mut reply = context.reply();
        reply.array(request.len() - 1);
        reply.raw(&self.counts);
        Ok(Progress::Done)
    }
}

pub(super) fn topics(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let next = Cursor::from_number(cursor(request.argument(1))?).ok_or(Error::InvalidCursor)?;
    let words = Words::read(request, 2, &[Word::Match, Word::Count])?;
    let config = context.session.config();
    let left = words.count()?.min(config.presence_list_max);
    let pattern = words.pattern(context)?;
    let per_step = names_per_step(pattern.len(), config.presence_topic_max_bytes);
    resume_now(context, TopicsRest { next, left, pattern, per_step, count: 0, names: Vec::new() })
}

/// PRESENCE.TOPICS, under way.
struct TopicsRest {
    next: Cursor,
    /// Topics that are yet to be looked at.
    left: usize,
    pattern: Pattern,
    per_step: usize,
    count: usize,
    /// The names found so far, encoded.
    names: Vec<u8>,
}

impl Resume for TopicsRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let presence = &context.broker.presence;
        let bytes_most = context.session.config().presence_list_max_bytes;
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let most = self.per_step.min(self.left);
            let TopicsRest { left, pattern, count, names, .. } = self;
            let mut reply = Reply::new(names, context.session.protocol);
            let budget = &mut context.workspace.budget;
            *budget -= 1;
            let next = presence.topics(self.next, most, |topic| {
                *left -= 1;
                *budget = budget.saturating_sub(1);
                if pattern.matches(topic, budget) {
                    *count += 1;
                    reply.bulk(topic.as_bytes());
                }
            });
            self.next = next.unwrap_or_default();
            if next.is_none() || self.left == 0 || self.names.len() >= bytes_most {
                let mut reply = context.reply();
                reply.array(2);
                reply.bulk(self.next.number().to_string().as_bytes());
                reply.array(self.count);
                reply.raw(&self.names);
                return Ok(Progress::Done);
            }
        }
    }
}

pub(super) fn places(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let key = Name::Key.read(context, request.argument(1))?;
    if !context.broker.presence.has_index() {
        return Err(Error::Presence(PresenceError::NoKeyIndex));
    }
    resume_now(context, PlacesRest { key: key.into(), next: 0, count: 0, names: Vec::new() })
}

/// PRESENCE.WHERE, under way.
struct PlacesRest {
    key: Box<str>,
    next: u32,
    count: usize,
    /// The topics found so far, encoded.
    names: Vec<u8>,
}

impl Resume for PlacesRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let presence = &context.broker.presence;
        let most = context.session.config().presence_list_max_bytes;
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let mut reply = Reply::new(&mut self.names, context.session.protocol);
            let (before, count) = (self.count, &mut self.count);
            let next = presence.topics_of(&self.key, self.next, TOPICS_PER_STEP, |topic| {
                *count += 1;
                reply.bulk(topic.as_bytes());
            });
            context.workspace.spend(1 + self.count - before);
            if self.names.len() > most {
                let too_long = PresenceError::ListTooLong { most, instead: "" };
                return Err(Error::Presence(too_long));
            }
            match next {
                Some(next) => self.next = next,
                None => {
                    let mut reply = context.reply();
                    reply.array(self.count);
                    reply.raw(&self.names);
                    return Ok(Progress::Done);
                }
            }
        }
    }
}

pub(super) fn nodes(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let nodes = context.broker.presence.nodes();
    let roster = context.broker.roster();
    let own_address = context.session.client.local_address.to_string();
    let mut reply = context.reply();
    reply.array(nodes.len());
    for node in nodes {
        let (name, incarnation) = (node.node.to_string(), format!("{:016x}", node.incarnation));
        let peer = roster.peers.iter().find(|peer| peer.owner.node == node.node);
        let address = match peer {
            _ if node.is_me => own_address.clone(),
            Some(peer) => peer.client_address().map_or_else(String::new, |address| address.to_string()),
            None => String::new(),
        };
        reply.map(8);
        for (field, text) in
            [("name", &*name), ("address", &*address), ("state", node.state), ("incarnation", &incarnation)]
        {
            reply.bulk(field.as_bytes());
            reply.bulk(text.as_bytes());
        }
        for (field, number) in [
            ("version", node.version as i64),
            ("lag", node.lag as i64),
            ("members", node.members as i64),
            ("skew", node.skew_ms),
        ] {
            reply.bulk(field.as_bytes());
            reply.integer(number);
        }
    }
    Ok(Flow::Done)
}
