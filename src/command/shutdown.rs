//! SHUTDOWN.
//!
//! Owns its syntax. Must not know how a server stops: it leaves a request, and whoever runs the server acts on it.

use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow};
use crate::broker::StopRequest;
use crate::resp::request::Request;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .and(Flags::NOSCRIPT)
        .and(Flags::LOADING)
        .and(Flags::STALE)
        .and(Flags::NO_MULTI)
        .and(Flags::ALLOW_BUSY),
    summary: "Sends clients what is queued for them and ends the server.",
    action: Action::Run(shutdown),
    since: "1.0.0",
    syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    ..Row::of(Group::Server)
}];

/// SAVE, NOSAVE and FORCE ask for what is always so: there is nothing to save that could fail. There is no reply: the
/// connection ends, as all others do.
fn shutdown(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for argument in request.arguments_from(1) {
        *match argument.to_ascii_lowercase().as_slice() {
            b"save" => &mut save,
            b"nosave" => &mut nosave,
            b"now" => &mut now,
            b"force" => &mut force,
            b"abort" => &mut abort,
            _ => return Err(Error::Syntax),
        } = true;
    }
    if save && nosave || abort && (save || nosave || now || force) {
        return Err(Error::Syntax);
    }
    if abort {
        // Once a shutdown has begun no client gets to send anything.
        return Err(Error::NoShutdown);
    }
    let client = &context.session.client;
    tracing::info!("Client id={} addr={} name={} wants a shutdown", client.id, client.address, client.name());
    context.broker.request_stop(if now { StopRequest::Now } else { StopRequest::Graceful });
    context.session.closing = true;
    Ok(Flow::Done)
}
