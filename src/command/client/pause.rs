//! CLIENT PAUSE and UNPAUSE.
//!
//! Owns their syntax. What a pause does to a command is in [`crate::command`]'s checks.

use std::time::Duration;

use crate::broker::pause::{Paused, Released};
use crate::command::{Context, Error, Flow, Progress, Resume, resume_now};
use crate::resp::request::{Request, parse_integer};

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
