//! What is to happen, in the order of time; of what happens at the same time, in the order in which it was planned.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) enum Step {
    /// A frame arrives, if the receiver is still in the life that it was sent to.
    Deliver { from: usize, to: usize, life: u64, frame: Vec<u8> },
    /// An instance's timer.
    Wake(usize),
    /// Membership of an instance looks around.
    Look(usize),
    /// An instance's application does something.
    Act(usize),
    /// Something breaks, or is mended.
    Fault,
    /// This pair sees each other again.
    Heal(usize, usize),
    /// An instance that was killed starts again.
    Restart(usize),
    /// One that stood still goes on.
    Resume(usize),
}

#[derive(Default)]
pub(crate) struct Schedule {
    steps: BTreeMap<(u64, u64), Step>,
    planned: u64,
}

impl Schedule {
    pub(crate) fn plan(&mut self, at: u64, step: Step) {
        self.planned += 1;
        self.steps.insert((at, self.planned), step);
    }

    pub(crate) fn next(&mut self) -> Option<(u64, Step)> {
        self.steps.pop_first().map(|((at, _), step)| (at, step))
    }
}
