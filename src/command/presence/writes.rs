//! PRESENCE.TRACK, UPDATE, UNTRACK, UNTRACKALL, TOUCH and END.
//!
//! Owns their syntax and replies.

use super::arguments::{Name, Word, Words, invalid, is_meta, meta};
use crate::broker::presence::{Limits, Whose};
use crate::command::{Context, Error, Flow, PresenceError, Progress, Resume, resume_now};
use crate::presence::{MetaChange, Refusal, Removal, Stamp};
use crate::resp::request::Request;

/// Members that one step takes out: a fraction of a millisecond, during which nobody else is tracked.
const MEMBERS_PER_STEP: usize = 256;
/// How long a lease lasts unless it is said.
const TTL_MS: u64 = 30_000;
/// A day: who wants more wants no lease.
const LEASE_MS_MAX: u64 = 24 * 60 * 60 * 1000;

pub(super) fn track(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let has_meta = request.len() > 3 && is_meta(request.argument(3));
    let first = if has_meta { 4 } else { 3 };
    let words = Words::read(request, first, &[Word::Session, Word::Id, Word::Nx])?;
    let target = words.target(context, request)?;
    let meta = if has_meta { meta(context, request.argument(3))? } else { Default::default() };
    let limits = Limits::of(context.session.config());
    let tracked = context.broker.presence.track(context.now, target, meta, words.has(Word::Nx), limits);
    context.session.has_members |= tracked.is_ok() && matches!(target.whose, Whose::Connection(_));
    reply_ref(context, tracked)
}

pub(super) fn update(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let words = Words::read(request, 4, &[Word::Session, Word::Id, Word::Merge, Word::Ref])?;
    let target = words.target(context, request)?;
    let meta = meta(context, request.argument(3))?;
    let after = words.reference()?;
    let change = match words.has(Word::Merge) {
        true => MetaChange::Merge(meta, context.session.config().presence_meta_max_bytes),
        false => MetaChange::Replace(meta),
    };
    let updated = context.broker.presence.update(context.now, target, change, after);
    reply_ref(context, updated)
}

fn reply_ref(context: &mut Context<'_>, written: Result<Stamp, Refusal>) -> Result<Flow, Error> {
    let reference = written.map_err(refused)?;
    context.reply().bulk(reference.to_string().as_bytes());
    Ok(Flow::Done)
}

/// Why a change is refused.
pub(super) fn refused(refusal: Refusal) -> Error {
    Error::Presence(match refusal {
        Refusal::AlreadyTracked => PresenceError::AlreadyTracked,
        Refusal::NotTracked => PresenceError::NotTracked,
        Refusal::TooManyInTopic(most) => PresenceError::TooManyInTopic(most),
        Refusal::TooManyOfKey(most) => PresenceError::TooManyOfKey(most),
        Refusal::TooManyInSession(most) => PresenceError::TooManyInSession(most),
        Refusal::TooMany(most) => PresenceError::TooManyMembers(most),
        Refusal::TooManySessions(most) => PresenceError::TooManySessions(most),
        Refusal::FutureRef => PresenceError::FutureRef,
        Refusal::Meta(why) => return invalid(why),
    })
}

pub(super) fn untrack(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let words = Words::read(request, 3, &[Word::Session, Word::Id, Word::Ref])?;
    let target = words.target(context, request)?;
    let after = words.reference()?;
    let untracked = context.broker.presence.untrack(context.now, target, after);
    let was_shown = untracked.map_err(refused)?;
    context.reply().integer(i64::from(was_shown));
    Ok(Flow::Done)
}

pub(super) fn untrack_all(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let words = Words::read(request, 1, &[Word::Session, Word::Topic])?;
    let whose = words.whose(context)?;
    let topic = words.get(Word::Topic).map(|topic| Name::Topic.read(context, topic)).transpose()?;
    let removal = context.broker.presence.begin_removal(whose, topic);
    resume_now(context, RemovalRest(removal))
}

/// PRESENCE.UNTRACKALL, under way.
struct RemovalRest(Removal);

impl Resume for RemovalRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let presence = &context.broker.presence;
        while !presence.continue_removal(context.now, &mut self.0, MEMBERS_PER_STEP) {
            context.workspace.spend(MEMBERS_PER_STEP);
            if context.workspace.budget == 0 {
                return Ok(Progress::Yield);
            }
        }
        context.reply().integer(self.0.removed as i64);
        Ok(Progress::Done)
    }
}

pub(super) fn touch(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let words = Words::read(request, 2, &[Word::Ttl, Word::Grace])?;
    let session = Name::Session.read(context, request.argument(1))?;
    let ttl_ms = words.milliseconds(Word::Ttl, 1, LEASE_MS_MAX)?.unwrap_or(TTL_MS);
    let grace_ms = words.milliseconds(Word::Grace, 0, LEASE_MS_MAX)?;
    let touched = context.broker.presence.touch(context.now, session, ttl_ms, grace_ms);
    let was_alive = touched.map_err(refused)?;
    context.reply().integer(i64::from(was_alive));
    Ok(Flow::Done)
}

pub(super) fn end(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let session = Name::Session.read(context, request.argument(1))?;
    let members = context.broker.presence.end(context.now, session).map_err(refused)?;
    resume_now(context, EndRest { session: session.into(), members })
}

/// PRESENCE.END, under way: who asks next finds none of the members.
struct EndRest {
    session: Box<str>,
    members: usize,
}

impl Resume for EndRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let progress = finish_end(context, &self.session);
        if progress == Progress::Done {
            context.reply().integer(self.members as i64);
        }
        Ok(progress)
    }
}

/// Goes on until a session that may have been ended has no members any more.
pub(super) fn finish_end(context: &mut Context<'_>, session: &str) -> Progress {
    while !context.broker.presence.continue_end(context.now, session, MEMBERS_PER_STEP) {
        context.workspace.spend(MEMBERS_PER_STEP);
        if context.workspace.budget == 0 {
            return Progress::Yield;
        }
    }
    Progress::Done
}
