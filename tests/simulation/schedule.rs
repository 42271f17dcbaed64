//! What is to happen, in the order of time; of what happens at the same time, in the order in which it was planned.

use std::collections::BTreeMap;

/// `T` is what those who use the instances do: users of one, or applications.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// A frame arrives, if the receiver is still in the life that it was sent to.
    Deliver { from: usize, to: usize, life: u64, frame: Vec<u8> },
    /// An instance's timer.
    Wake(usize),
    /// Membership of an instance looks around.
    Look(usize),
    /// Somebody uses an instance.
    Act(T),
    /// Something breaks, or is mended.
    Fault,
    /// This pair sees each other again.
    Heal(usize, usize),
    /// An instance that was killed starts again.
    Restart(usize),
    /// One that stood still goes on.
    Resume(usize),
}

pub(crate) struct Schedule<T> {
    steps: BTreeMap<(u64, u64), Step<T>>,
    planned: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Schedule { steps: BTreeMap::new(), planned: 0 }
    }
}

impl<T> Schedule<T> {
    pub(crate) fn plan(&mut self, at: u64, step: Step<T>) {
        self.planned += 1;
        self.steps.insert((at, self.planned), step);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Step<T>)> {
        self.steps.pop_first().map(|((at, _), step)| (at, step))
    }
}
