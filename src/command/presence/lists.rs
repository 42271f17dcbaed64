//! PRESENCE.LIST, GET and SCAN: keys with their metas.
//!
//! Owns their syntax and replies: a map from keys to arrays of metas, or the JSON that watchers get.

use std::ops::ControlFlow;

use super::arguments::{Name, Pattern, Word, Words, cursor};
use crate::command::{Context, Error, Flow, PresenceError, Progress, Resume, resume_now};
use crate::presence::Version;
use crate::presence::payload::{append_key, append_meta};
use crate::resp::Protocol;
use crate::resp::reply::Reply;
use crate::resp::request::Request;

/// Of a key with one meta, in a list.
const KEY_BYTES: usize = 128;

/// How a list is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A map, flat in RESP2.
    Map(Protocol),
    /// One object.
    Json,
}

/// Keys with their metas, encoded.
struct Listed {
    form: Form,
    keys: usize,
    encoded: Vec<u8>,
    /// Room for one meta.
    scratch: Vec<u8>,
}

impl Listed {
    fn new(form: Form) -> Self {
        Listed::with_room(form, 0)
    }

    /// With room for so many keys of usual length.
    fn with_room(form: Form, keys: usize) -> Self {
        let mut encoded = Vec::with_capacity(keys * KEY_BYTES);
        if form == Form::Json {
            encoded.push(b'{');
        }
        Listed { form, keys: 0, encoded, scratch: Vec::new() }
    }

    fn add(&mut self, key: &str, versions: &mut dyn Iterator<Item = &Version>) {
        self.keys += 1;
        match self.form {
            Form::Map(protocol) => {
                let mut reply = Reply::new(&mut self.encoded, protocol);
                reply.bulk(key.as_bytes());
                write_metas(&mut reply, &mut self.scratch, versions);
            }
            Form::Json => append_key(&mut self.encoded, key, versions),
        }
    }

    /// Ends it and replies with it.
    fn write(&mut self, reply: &mut Reply<'_>) {
        match self.form {
            Form::Map(_) => {
                reply.map(self.keys);
                reply.raw(&self.encoded);
            }
            Form::Json => {
                self.encoded.push(b'}');
                reply.bulk(&self.encoded);
            }
        }
    }
}

fn write_metas(reply: &mut Reply<'_>, scratch: &mut Vec<u8>, versions: &mut dyn Iterator<Item = &Version>) {
    let Some(first) = versions.next() else { return reply.array(0) };
    // Most keys have one, and then this takes no memory.
    let others: Vec<&Version> = versions.collect();
    reply.array(1 + others.len());
    for version in std::iter::once(first).chain(others) {
        scratch.clear();
        append_meta(scratch, version);
        reply.bulk(scratch);
    }
}

pub(super) fn list(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let words = Words::read(request, 2, &[Word::Json])?;
    let topic = Name::Topic.read(context, request.argument(1))?;
    let keys = context.broker.presence.count(topic).keys;
    check_keys(context, keys)?;
    let form = if words.has(Word::Json) { Form::Json } else { Form::Map(context.session.protocol) };
    resume_now(context, ListRest { topic: topic.into(), next: 0, listed: Listed::with_room(form, keys) })
}

fn check_keys(context: &Context<'_>, keys: usize) -> Result<(), Error> {
    let most = context.session.config().presence_list_max;
    if keys > most { Err(Error::Presence(PresenceError::TooManyKeysToList(most))) } else { Ok(()) }
}

fn check_bytes(context: &Context<'_>, bytes: usize) -> Result<(), Error> {
    let most = context.session.config().presence_list_max_bytes;
    let instead = ": use PRESENCE.SCAN";
    if bytes > most { Err(Error::Presence(PresenceError::ListTooLong { most, instead })) } else { Ok(()) }
}

/// PRESENCE.LIST, under way.
struct ListRest {
    topic: Box<str>,
    next: u32,
    listed: Listed,
}

impl Resume for ListRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let presence = &context.broker.presence;
        let bytes_most = context.session.config().presence_list_max_bytes;
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let (listed, budget) = (&mut self.listed, &mut context.workspace.budget);
            let next = presence.visit(&self.topic, self.next, usize::MAX, |key, versions| {
                listed.add(key, &mut versions.inspect(|_| *budget = budget.saturating_sub(1)));
                let ends = *budget == 0 || listed.encoded.len() > bytes_most;
                if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            context.workspace.spend(1);
            check_keys(context, self.listed.keys)?;
            check_bytes(context, self.listed.encoded.len())?;
            match next {
                Some(next) => self.next = next,
                None => {
                    self.listed.write(&mut context.reply());
                    return Ok(Progress::Done);
                }
            }
        }
    }
}

pub(super) fn get(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let topic = Name::Topic.read(context, request.argument(1))?;
    let key = Name::Key.read(context, request.argument(2))?;
    let (mut metas, mut count) = (Vec::new(), 0);
    let (mut scratch, protocol) = (Vec::new(), context.session.protocol);
    let bytes_most = context.session.config().presence_list_max_bytes;
    context.broker.presence.get(topic, key, |version| {
        count += 1;
        // More than one reply may say is not encoded only to be refused.
        if metas.len() <= bytes_most {
            scratch.clear();
            append_meta(&mut scratch, version);
            Reply::new(&mut metas, protocol).bulk(&scratch);
        }
    });
    check_bytes(context, metas.len())?;
    context.workspace.spend(count);
    let mut reply = context.reply();
    reply.array(count);
    reply.raw(&metas);
    Ok(Flow::Done)
}

pub(super) fn scan(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let topic = Name::Topic.read(context, request.argument(1))?;
    let next = u32::try_from(cursor(request.argument(2))?).map_err(|_| Error::InvalidCursor)?;
    let words = Words::read(request, 3, &[Word::Match, Word::Count])?;
    let left = words.count()?.min(context.session.config().presence_list_max);
    let pattern = words.pattern(context)?;
    let listed = Listed::new(Form::Map(context.session.protocol));
    resume_now(context, ScanRest { topic: topic.into(), next, left, pattern, listed })
}

/// PRESENCE.SCAN, under way.
struct ScanRest {
    topic: Box<str>,
    next: u32,
    /// Keys that are yet to be looked at.
    left: usize,
    pattern: Pattern,
    listed: Listed,
}

impl Resume for ScanRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let presence = &context.broker.presence;
        let bytes_most = context.session.config().presence_list_max_bytes;
        loop {
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
            let ScanRest { left, pattern, listed, .. } = self;
            let budget = &mut context.workspace.budget;
            let next = presence.visit(&self.topic, self.next, usize::MAX, |key, versions| {
                *left -= 1;
                *budget = budget.saturating_sub(1);
                if pattern.matches(key, budget) {
                    listed.add(key, &mut versions.inspect(|_| *budget = budget.saturating_sub(1)));
                }
                let ends = *left == 0 || *budget == 0 || listed.encoded.len() >= bytes_most;
                if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            context.workspace.spend(1);
            self.next = next.unwrap_or(0);
            if next.is_none() || self.left == 0 || self.listed.encoded.len() >= bytes_most {
                let mut reply = context.reply();
                reply.array(2);
                reply.bulk(self.next.to_string().as_bytes());
                self.listed.write(&mut reply);
                return Ok(Progress::Done);
            }
        }
    }
}
