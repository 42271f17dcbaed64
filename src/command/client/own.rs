//! What a client says about itself: its name, its library, which replies it wants, how it wants to be treated.
//!
//! Owns the syntax of these subcommands.

use crate::broker::clients::Mark;
use crate::broker::session::ReplyMode;
use crate::command::connection::is_plain;
use crate::command::{Context, Error, Flow};
use crate::resp::request::{Request, parse_integer};

pub(super) fn set_name(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let name = request.argument(2);
    if !is_plain(name) {
        return Err(Error::NameCharacters);
    }
    context.session.client.update_names(|names| names.name = name.to_vec());
    context.ok()
}

pub(super) fn set_info(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let (attribute, value) = (request.argument(2), request.argument(3));
    let is_name = attribute.eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !attribute.eq_ignore_ascii_case(b"LIB-VER") {
        return Err(Error::InfoAttribute(attribute.to_vec()));
    }
    if !is_plain(value) {
        return Err(Error::InfoCharacters(attribute.to_vec()));
    }
    context.session.client.update_names(|names| {
        *(if is_name { &mut names.library } else { &mut names.library_version }) = value.to_vec();
    });
    context.ok()
}

pub(super) fn reply(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let mode = request.argument(2);
    if mode.eq_ignore_ascii_case(b"ON") {
        context.session.reply_mode = ReplyMode::On;
        return context.ok();
    }
    if mode.eq_ignore_ascii_case(b"OFF") {
        context.session.reply_mode = ReplyMode::Off;
    } else if mode.eq_ignore_ascii_case(b"SKIP") {
        // SKIP while OFF changes nothing, as in Redis.
        if context.session.reply_mode != ReplyMode::Off {
            context.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Error::Syntax);
    }
    Ok(Flow::Done)
}

/// `ON` or `OFF`: what CLIENT NO-EVICT and NO-TOUCH take.
pub(super) fn mark(context: &mut Context<'_>, request: Request<'_>, mark: Mark) -> Result<Flow, Error> {
    let choice = request.argument(2);
    let holds = choice.eq_ignore_ascii_case(b"ON");
    if !holds && !choice.eq_ignore_ascii_case(b"OFF") {
        return Err(Error::Syntax);
    }
    context.session.client.mark(mark, holds);
    context.ok()
}

/// No command here blocks with a time-out of its own, so that there is never a client to unblock.
pub(super) fn unblock(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if request.len() > 4 {
        return Err(Error::subcommand_arity(request, "CLIENT"));
    }
    if request.len() == 4 {
        let reason = request.argument(3);
        if !reason.eq_ignore_ascii_case(b"TIMEOUT") && !reason.eq_ignore_ascii_case(b"ERROR") {
            return Err(Error::UnblockReason);
        }
    }
    parse_integer(request.argument(2)).ok_or(Error::NotInteger)?;
    context.reply().integer(0);
    Ok(Flow::Done)
}
