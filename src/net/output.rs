//! Writes what a connection's outbox holds to its socket.
//!
//! Owns the batch that is being written and how far. Must not know what it says, but for where frames end: a client that
//! is cut off gets the frame that has begun, and no part of the next.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::transport::Clock;
use super::turns::Turns;
use crate::outbox::{Batch, Outbox, Taken};
use crate::resp::boundary::Boundary;

/// Parts of a batch that are written in one call.
const PARTS_PER_WRITE: usize = 64;
/// Pieces fetched before other tasks have their turn: a reader that keeps up with them would otherwise have none end.
const FETCHES_PER_TURN: usize = 2;

/// A batch and how much of it is written.
#[derive(Default)]
pub(super) struct Output {
    batch: Batch,
    /// Bytes of the batch's first part, or tail, that are written.
    written: usize,
    /// Where the frames of written parts end.
    boundary: Option<Box<Boundary>>,
    /// It waits for its turn to fetch.
    waits: bool,
}

/// What there is to write, and what it takes to know when.
pub(super) struct Source<'a> {
    pub(super) outbox: &'a Outbox,
    pub(super) clock: &'a Clock,
    /// Of those who fetch.
    pub(super) turns: &'a Turns,
}

impl Output {
    /// Writes until the outbox is empty or the socket is full. `fetch` appends a piece of what is kept elsewhere, if there
    /// is any, and returns whether there is another one. Where others wait for their turn to fetch, or there is very much,
    /// it waits in their line.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        source: Source<'_>,
        task: &mut Context<'_>,
        mut fetch: impl FnMut(&mut Batch) -> bool,
        mut count: impl FnMut(usize),
    ) -> Poll<io::Result<Taken>> {
        let Source { outbox, turns, .. } = source;
        let is_its_turn = std::mem::take(&mut self.waits) || turns.is_empty();
        let mut fetches = if is_its_turn { FETCHES_PER_TURN } else { 0 };
        loop {
            if self.batch.is_empty() {
                self.written = 0;
                self.boundary = None;
                // What an encrypted stream holds back; a socket does nothing of the kind.
                if Pin::new(&mut *stream).poll_flush(task)?.is_pending() {
                    return self.blocked(&source, task);
                }
                match outbox.take(&mut self.batch, task.waker()) {
                    Taken::Output => {}
                    Taken::More if fetches == 0 => {
                        outbox.fetched(0, true);
                        if !std::mem::replace(&mut self.waits, true) {
                            turns.wait(task.waker());
                        }
                        if self.batch.is_empty() {
                            return Poll::Pending;
                        }
                    }
                    Taken::More => {
                        let taken = self.batch.len();
                        let more = fetch(&mut self.batch);
                        let fetched = self.batch.len() - taken;
                        // Where nothing was there is nothing more: whoever has something then nudges.
                        outbox.fetched(fetched, more && fetched > 0);
                        fetches -= 1;
                        continue;
                    }
                    taken => return Poll::Ready(Ok(taken)),
                }
            }
            match self.poll_write(stream, task) {
                Poll::Ready(result) => count(result?),
                Poll::Pending => return self.blocked(&source, task),
            }
        }
    }

    fn blocked(&self, source: &Source<'_>, task: &Context<'_>) -> Poll<io::Result<Taken>> {
        match source.outbox.blocked(self.unwritten(), task.waker(), source.clock.now()) {
            Some(reason) => Poll::Ready(Ok(Taken::Closed(reason))),
            None => Poll::Pending,
        }
    }

    /// Whether it waits for its turn to fetch.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// Writes what is left of the batch, and nothing that came later.
    pub(super) fn poll_finish<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        task: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.batch.is_empty() {
            ready!(self.poll_write(stream, task))?;
        }
        Pin::new(stream).poll_flush(task)
    }

    /// Forgets all but the rest of the frame that has begun.
    pub(super) fn cut(&mut self) {
        let mut boundary = self.boundary.take().unwrap_or_default();
        let mut written = self.written;
        let mut finish = |piece: &[u8]| {
            boundary.pass(&piece[..written]);
            let end = written + boundary.finish(&piece[written..]);
            written = 0;
            end
        };
        for part in &mut self.batch.parts {
            part.truncate(finish(part));
        }
        let end = finish(&self.batch.tail);
        self.batch.tail.truncate(end);
        self.advance(0);
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        task: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(stream);
        let written = if self.batch.parts.is_empty() {
            ready!(stream.poll_write(task, &self.batch.tail[self.written..]))?
        } else {
            let mut slices = [IoSlice::new(&[]); PARTS_PER_WRITE];
            let mut count = 0;
            let pieces = self.batch.parts.iter().map(|part| &part[..]).chain([&self.batch.tail[..]]);
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(if count == 0 { &piece[self.written..] } else { piece });
                count += 1;
            }
            ready!(stream.poll_write_vectored(task, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// Drops what has been written from the front of the batch.
    fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(part) = self.batch.parts.front() {
            if self.written < part.len() {
                return;
            }
            self.written -= part.len();
            self.boundary.get_or_insert_default().pass(part);
            self.batch.parts.pop_front();
        }
        if self.written == self.batch.tail.len() {
            self.batch.tail.clear();
        }
    }

    /// Bytes of the batch that are not written.
    fn unwritten(&self) -> usize {
        self.batch.len() - self.written
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
