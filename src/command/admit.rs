//! Whether a request is executed: the checks that every command passes, in Redis's order (`processCommand`).
//!
//! Owns their order, and the one place where rights are checked. Must not know what a command does.

use super::spec::{Action, Flags, Row};
use super::table::{self, Found};
use super::{Context, Error, client, debug, monitor, redis, refuse, transaction};
use crate::broker::session::Session;
use crate::resp::Protocol;
use crate::resp::request::Request;

/// What the checks that every command passes have come to.
pub(super) enum Admitted {
    /// It is to run.
    Now(Found),
    /// A pause is to be over first.
    Later,
    /// It is answered: queued by MULTI, or refused.
    Never,
}

/// The checks that every command passes.
pub(super) fn admit(context: &mut Context<'_>, request: Request<'_>) -> Admitted {
    let found = match find(request) {
        Ok(found) => found,
        Err(error) => {
            redis::tell_about_unserved(context, request);
            if let (Error::WrongArity(_), Some(container)) = (&error, table::find(request.argument(0))) {
                context.workspace.counts.by_command.rejected(container.number);
            }
            refuse(context, &error);
            return Admitted::Never;
        }
    };
    let error = match check(context, found, request) {
        Ok(admitted) => return admitted,
        Err(error) => error,
    };
    context.workspace.counts.by_command.rejected(found.number);
    if found.row.name == "exec" {
        transaction::take(context);
        refuse(context, &Error::ExecRefused(error.text()));
    } else {
        refuse(context, &error);
    }
    Admitted::Never
}

fn check(context: &mut Context<'_>, found: Found, request: Request<'_>) -> Result<Admitted, Error> {
    let row = found.row;
    if !row.accepts(request.len()) {
        return Err(Error::WrongArity(row.name));
    }
    if row.flags.has(Flags::PROTECTED) && !debug::is_allowed(context.session) {
        return Err(Error::DebugNotAllowed);
    }
    authorize(context.session, row, request)?;
    let in_transaction = context.transaction.is_some();
    if in_transaction && row.flags.has(Flags::NO_MULTI) {
        return Err(Error::NotAllowedInTransaction);
    }
    let subscribed_mode = context.session.protocol == Protocol::Resp2 && context.session.is_subscribed();
    if subscribed_mode && !row.flags.has(Flags::SUBSCRIBED_MODE) {
        return Err(Error::SubscribedMode(row.name));
    }
    monitor::check(context.session, row)?;
    if client::postpone(context, found) {
        return Ok(Admitted::Later);
    }
    match context.transaction.as_deref_mut() {
        Some(transaction) if !row.flags.has(Flags::NOT_QUEUED) => {
            transaction.queue(context.session, found, request)?;
            context.reply().simple("QUEUED");
            Ok(Admitted::Never)
        }
        _ => Ok(Admitted::Now(found)),
    }
}

/// The row that a request means.
fn find(request: Request<'_>) -> Result<Found, Error> {
    let name = request.argument(0);
    let Some(found) = table::find(name) else {
        let http = name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:");
        return Err(if http { Error::CrossProtocol } else { Error::unknown_command(request) });
    };
    match found.row.action {
        Action::Subcommands(_) if request.len() < 2 => return Err(Error::WrongArity(found.row.name)),
        Action::RunOrSubcommands(..) if request.len() < 2 => return Ok(found),
        Action::Subcommands(_) | Action::RunOrSubcommands(..) => {}
        Action::Run(_) | Action::RunInCluster(_) | Action::Refuse(_) | Action::Unserved => return Ok(found),
    }
    table::find_subcommand(found.row, request.argument(1)).ok_or_else(|| Error::UnknownSubcommand {
        name: request.argument(1).to_vec(),
        container: found.row.name,
    })
}

/// Whether the client may do this. Every way to a handler leads through here, EXEC's included.
pub(super) fn authorize(session: &Session, row: &Row, _request: Request<'_>) -> Result<(), Error> {
    if !session.authenticated && !row.flags.has(Flags::NO_AUTH) {
        return Err(Error::NoAuth);
    }
    Ok(())
}
