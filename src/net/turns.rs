//! Where connections wait that have more to fetch than others can be kept waiting for.
//!
//! Owns the line. Must not know what is fetched. If all of them went on by themselves, as many as watch a large topic, another
//! client's request would wait for a piece of each: the flush task wakes a few at a time instead.

use std::task::Waker;

use crossbeam::queue::SegQueue;

/// The line.
#[derive(Default)]
pub(super) struct Turns(SegQueue<Waker>);

impl Turns {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits behind the others.
    pub(super) fn wait(&self, waker: &Waker) {
        self.0.push(waker.clone());
    }

    /// It is their turn: so many at most.
    pub(super) fn wake(&self, most: usize) {
        // Those who wait again have to wait for the next time.
        let waiting = self.0.len().min(most);
        (0..waiting).filter_map(|_| self.0.pop()).for_each(Waker::wake);
    }
}
