//! Commands that do the same for each of their arguments, of which there may be very many.
//!
//! Owns how far such a command has come. Must not know what is done.

use super::{Context, Error, Flow, Progress, Resume};
use crate::resp::request::{OwnedRequest, Request};

/// Calls `each` for the arguments from `first` on, for up to `most` of them in a step; again for the same one in the next step
/// where it is not done. What it replies is the whole reply, or follows what is there already.
pub(super) fn for_each_argument<F>(
    context: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    most: usize,
    mut each: F,
) -> Result<Flow, Error>
where
    F: FnMut(&mut Context<'_>, &[u8]) -> Progress + Send + 'static,
{
    let next = step(context, request, first, most, &mut each);
    if next == request.len() {
        return Ok(Flow::Done);
    }
    Ok(Flow::Later(Box::new(Rest { request: request.to_owned(), next, most, each })))
}

/// The arguments from `next` on are yet to come.
struct Rest<F> {
    request: OwnedRequest,
    next: usize,
    most: usize,
    each: F,
}

impl<F: FnMut(&mut Context<'_>, &[u8]) -> Progress + Send> Resume for Rest<F> {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let request = self.request.as_request();
        self.next = step(context, request, self.next, self.most, &mut self.each);
        Ok(if self.next == request.len() { Progress::Done } else { Progress::Yield })
    }
}

/// One step; returns where the next one begins.
fn step(
    context: &mut Context<'_>,
    request: Request<'_>,
    first: usize,
    most: usize,
    each: &mut impl FnMut(&mut Context<'_>, &[u8]) -> Progress,
) -> usize {
    let end = request.len().min(first + most);
    let is_done = |index: &usize| each(context, request.argument(*index)) == Progress::Done;
    let done = (first..end).take_while(is_done).count();
    context.workspace.spend(done);
    first + done
}
