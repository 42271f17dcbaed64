//! DEBUG, for tests of this server and of client libraries.
//!
//! Owns its syntax and who may use it.

use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow};
use crate::resp::request::Request;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    summary: "A container for debugging commands.",
    action: Action::Subcommands(&[Row {
        name: "debug|panic",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        summary: "Panics in the handler, which ends this connection and no other.",
        action: Action::Run(panic_on_demand),
        ..Row::of(Group::Server)
    }]),
    ..Row::of(Group::Server)
}];

fn panic_on_demand(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let permission = context.session.config().enable_debug_command;
    if !permission.includes(context.session.client.address.is_local()) {
        return Err(Error::DebugNotAllowed);
    }
    panic!("DEBUG PANIC was called by client {}", context.session.id());
}
