//! CLIENT PAUSE and UNPAUSE.
//!
//! Owns their syntax, and which commands a pause concerns.

use std::time::Duration;

use crate::broker::clients::Mark;
use crate::broker::pause::{Paused, Released};
use crate::command::table::Found;
use crate::command::{Context, Error, Flags, Flow, Progress, Resume, resume_now};
use crate::resp::request::{Request, parse_integer};
use crate::sync::atomic::Ordering;

/// Clients that one step lets go on.
const CLIENTS_PER_STEP: usize = 256;

pub(super) fn pause(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if request.len() > 4 {
        return Err(Error::subcommand_arity(request, "CLIENT"));
    }
    let mode = if request.len() == 4 { request.argument(3) } else { b"ALL" };
    let paused = match mode.to_ascii_uppercase().as_slice() {
        b"WRITE" => Paused::Writes,
        b"ALL" => Paused::All,
        _ => return Err(Error::PauseMode),
    };
    let timeout = parse_integer(request.argument(2)).ok_or(Error::TimeoutNotInteger)?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::TimeoutNegative)?;
    // As a time of day it must fit into Redis's integer.
    if u128::from(timeout) + context.now.unix.as_millis() > i64::MAX as u128 {
        return Err(Error::TimeoutOutOfRange);
    }
    let now = context.now.monotonic;
    context.broker.pause.begin(paused, now + Duration::from_millis(timeout), now);
    context.ok()
}

pub(super) fn unpause(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let released = context.broker.pause.end();
    resume_now(context, UnpauseRest(released))
}

/// What a pause of writes is about.
pub(crate) const WRITING: Flags = Flags::WRITE.and(Flags::MAY_REPLICATE);

/// Postpones a command, if there is a pause that concerns it. Without one it costs a load. Monitors are never paused.
pub(crate) fn postpone(context: &mut Context<'_>, found: Found) -> bool {
    let row = found.row;
    let has_queued = || context.transaction.as_ref().is_some_and(|transaction| transaction.has_any(WRITING));
    let writes = row.flags.has_any(WRITING) || (row.name == "exec" && has_queued());
    let client = &context.session.client;
    if !context.broker.pause.concerns(writes) || client.is(Mark::Monitor) {
        return false;
    }
    client.last_command.store(found.number, Ordering::Relaxed);
    context.broker.pause.postpone(client, writes, context.now.monotonic)
}

/// Clients that may go on and do not know it yet.
struct UnpauseRest(Released);

impl Resume for UnpauseRest {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let mut count = 0;
        for waker in self.0.by_ref().take(CLIENTS_PER_STEP) {
            count += 1;
            context.workspace.ready.extend(waker);
        }
        context.workspace.spend(count);
        if count == CLIENTS_PER_STEP {
            return Ok(Progress::Yield);
        }
        context.ok()?;
        Ok(Progress::Done)
    }
}
