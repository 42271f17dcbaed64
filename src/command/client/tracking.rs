//! CLIENT TRACKING and what belongs to it. There are no keys that could change, so nothing ever becomes of it; but client
//! libraries ask for it, some of them before anything else, and read their settings again.
//!
//! Owns the syntax, and which settings contradict each other.

use std::collections::BTreeSet;

use crate::broker::clients::{Mark, Tracking};
use crate::command::error::TrackingError;
use crate::command::{Context, Error, Flow, Row};
use crate::resp::request::{Request, parse_integer};

pub(super) fn tracking(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let client = context.session.client.clone();
    let (asked, prefixes) = parse(context, request)?;
    let choice = request.argument(2);
    if choice.eq_ignore_ascii_case(b"OFF") {
        client.set_tracking(None);
        return context.ok();
    }
    if !choice.eq_ignore_ascii_case(b"ON") {
        return Err(Error::Syntax);
    }
    let before = current(context);
    check(&asked, before.as_ref(), !prefixes.is_empty())?;
    let config = context.session.config();
    if prefixes.iter().any(|prefix| prefix.len() > config.max_pattern_length) {
        return Err(Error::PatternTooLong(config.max_pattern_length));
    }
    let known = before.map(|before| before.prefixes).unwrap_or_default();
    if known.len() + prefixes.len() > config.max_patterns_per_client {
        return Err(Error::TooManyPatterns(config.max_patterns_per_client));
    }
    let mut prefixes = join(known, prefixes)?;
    if asked.broadcast && prefixes.is_empty() {
        prefixes.insert(Vec::new());
    }
    client.set_tracking(Some(Tracking { prefixes, ..asked }));
    context.ok()
}

/// What was asked for before. There may be thousands of prefixes.
fn current(context: &mut Context<'_>) -> Option<Tracking> {
    let tracking = context.session.client.tracking();
    context.workspace.spend(tracking.as_ref().map_or(0, |tracking| tracking.prefixes.len()));
    tracking
}

/// What is asked for, and the prefixes as they were sent.
fn parse(context: &Context<'_>, request: Request<'_>) -> Result<(Tracking, Vec<Vec<u8>>), Error> {
    let (mut asked, mut prefixes) = (Tracking::default(), Vec::new());
    let mut index = 3;
    while index < request.len() {
        let value = (index + 1 < request.len()).then(|| request.argument(index + 1));
        match (request.argument(index).to_ascii_uppercase().as_slice(), value) {
            (b"REDIRECT", Some(_)) if asked.redirect != 0 => {
                return Err(Error::Tracking(TrackingError::TwoRedirections));
            }
            (b"REDIRECT", Some(id)) => {
                let id = parse_integer(id).ok_or(Error::NotInteger)?;
                let id = u64::try_from(id).ok().filter(|id| context.broker.clients.find(*id).is_some());
                asked.redirect = id.ok_or(Error::Tracking(TrackingError::NobodyToRedirectTo))?;
                index += 1;
            }
            (b"PREFIX", Some(prefix)) => {
                prefixes.push(prefix.to_vec());
                index += 1;
            }
            (b"BCAST", _) => asked.broadcast = true,
            (b"OPTIN", _) => asked.opt_in = true,
            (b"OPTOUT", _) => asked.opt_out = true,
            (b"NOLOOP", _) => asked.no_loop = true,
            _ => return Err(Error::Syntax),
        }
        index += 1;
    }
    Ok((asked, prefixes))
}

/// Whether the settings fit together and to those that hold.
fn check(asked: &Tracking, before: Option<&Tracking>, has_prefixes: bool) -> Result<(), Error> {
    let problem = if has_prefixes && !asked.broadcast {
        TrackingError::PrefixWithoutBroadcast
    } else if before.is_some_and(|before| before.broadcast != asked.broadcast) {
        TrackingError::SwitchOfBroadcast
    } else if asked.broadcast && (asked.opt_in || asked.opt_out) {
        TrackingError::ChoiceWithBroadcast
    } else if asked.opt_in && asked.opt_out {
        TrackingError::BothChoices
    } else if before.is_some_and(|before| asked.opt_in && before.opt_out || asked.opt_out && before.opt_in) {
        TrackingError::SwitchOfChoice
    } else {
        return Ok(());
    };
    Err(Error::Tracking(problem))
}

/// All prefixes, of which none may be the beginning of another.
fn join(mut known: BTreeSet<Vec<u8>>, asked: Vec<Vec<u8>>) -> Result<BTreeSet<Vec<u8>>, Error> {
    let mut new = BTreeSet::new();
    for prefix in asked {
        if let Some(other) = overlapping(&known, &prefix) {
            return Err(Error::Tracking(TrackingError::OverlapsWithExisting(prefix, other)));
        }
        if let Some(other) = overlapping(&new, &prefix) {
            // The one that was sent first is named first.
            return Err(Error::Tracking(TrackingError::OverlapsWithProvided(other, prefix)));
        }
        new.insert(prefix);
    }
    known.append(&mut new);
    Ok(known)
}

/// One of the set that is the beginning of `prefix`, or the other way round. As none in the set is the beginning of
/// another, only neighbours can be.
fn overlapping(set: &BTreeSet<Vec<u8>>, prefix: &Vec<u8>) -> Option<Vec<u8>> {
    let before = set.range::<Vec<u8>, _>(..=prefix).next_back().filter(|before| prefix.starts_with(before));
    before
        .or_else(|| set.range::<Vec<u8>, _>(prefix..).next().filter(|after| after.starts_with(prefix)))
        .cloned()
}

pub(super) fn info(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let (tracking, caching) = (current(context), context.session.client.is(Mark::Caching));
    let is_on = tracking.is_some();
    let tracking = tracking.unwrap_or_default();
    let flags: Vec<&str> = [
        (is_on, "on"),
        (!is_on, "off"),
        (tracking.broadcast, "bcast"),
        (tracking.opt_in, "optin"),
        (tracking.opt_in && caching, "caching-yes"),
        (tracking.opt_out, "optout"),
        (tracking.opt_out && caching, "caching-no"),
        (tracking.no_loop, "noloop"),
    ]
    .into_iter()
    .filter_map(|(holds, flag)| holds.then_some(flag))
    .collect();
    let mut reply = context.reply();
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(if is_on { tracking.redirect as i64 } else { -1 });
    reply.bulk(b"prefixes");
    reply.array(tracking.prefixes.len());
    tracking.prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(Flow::Done)
}

pub(super) fn redirect(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let redirect = context.session.client.redirect();
    context.reply().integer(redirect.map_or(-1, |id| id as i64));
    Ok(Flow::Done)
}

/// CLIENT CACHING is about the next command, but for those of CLIENT itself.
pub(crate) fn forget_caching(context: &Context<'_>, row: &Row) {
    let client = &context.session.client;
    if client.is(Mark::Caching) && context.transaction.is_none() && !row.name.starts_with("client|") {
        client.mark(Mark::Caching, false);
    }
}

pub(super) fn caching(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let tracking = current(context).ok_or(Error::Tracking(TrackingError::CachingWithoutTracking))?;
    let choice = request.argument(2);
    if choice.eq_ignore_ascii_case(b"YES") {
        if !tracking.opt_in {
            return Err(Error::Tracking(TrackingError::YesWithoutOptIn));
        }
    } else if choice.eq_ignore_ascii_case(b"NO") {
        if !tracking.opt_out {
            return Err(Error::Tracking(TrackingError::NoWithoutOptOut));
        }
    } else {
        return Err(Error::Syntax);
    }
    context.session.client.mark(Mark::Caching, true);
    context.ok()
}
