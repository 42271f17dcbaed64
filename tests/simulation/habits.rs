//! What applications do from time to time, and how often.

use crate::presence_world::{Act, World};
use crate::schedule::Step;
use crate::sessions::{Deed, Hold, TOPICS};

/// Users of one application.
const USERS: u64 = 4;

impl World {
    pub(crate) fn do_something(&mut self, number: usize) -> Result<(), String> {
        let drawn = self.net.random.below(1_000);
        let attachments: Vec<usize> = {
            let holds = self.applications[number].holds.iter().enumerate();
            holds.filter(|(_, hold)| hold.client.is_some()).map(|(place, _)| place).collect()
        };
        match (drawn, attachments.as_slice()) {
            (0..8, [place, ..]) => self.detach(number, *place, false)?,
            (8..22, [place, ..]) => self.move_on(number, *place)?,
            (22..25, [place]) if !self.applications[number].is_leased() => {
                self.applications[number].attach_at = Some(self.net.now + 3_000);
                self.detach(number, *place, true)?;
            }
            (25..28, _) => self.crash(number, false)?,
            (28..31, _) => self.crash(number, true)?,
            (31..35, _) => self.plan_deed(number, 0, Deed::End),
            (35..39, _) => {
                let topic = self.net.random.chance(500).then_some(TOPICS[0]);
                self.plan_deed(number, 0, Deed::UntrackAll(topic));
            }
            (39..180, _) if !self.applications[number].holds.is_empty() || drawn < 60 => {
                self.draw_deeds(number)
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn plan_deed(&mut self, number: usize, after: u64, deed: Deed) {
        self.net.plan(after, Step::Act(Act::Deed(number, deed)));
    }

    fn draw_deeds(&mut self, number: usize) {
        let user = self.net.random.below(USERS);
        let present = self.applications[number].wanted.contains_key(&self.applications[number].name(user));
        let deed = match (present, self.net.random.below(10)) {
            (true, 0..3) => Deed::Untrack(user),
            (true, 3..5) => Deed::TrackAgain(user),
            (true, 5..7) => Deed::Track(user),
            (true, 7..9) => Deed::Update(user),
            (true, _) => Deed::Merge(user),
            (false, 0..6) => Deed::Track(user),
            (false, 6..8) => Deed::TrackNew(user),
            (false, _) => Deed::Untrack(user),
        };
        let untracks = matches!(deed, Deed::Untrack(_));
        self.plan_deed(number, 0, deed);
        if self.net.random.chance(300) {
            let next = match (untracks, self.net.random.below(3)) {
                (true, 0) => Deed::TrackAgain(user),
                (true, _) => Deed::Track(user),
                (false, 0) => Deed::TrackAgain(user),
                (false, _) => Deed::Untrack(user),
            };
            let after = self.net.random.between(1, 40);
            self.plan_deed(number, after, next);
        }
    }

    /// It attaches at another instance, and mostly lets go of the former one.
    fn move_on(&mut self, number: usize, place: usize) -> Result<(), String> {
        let Some(instance) = self.choose(number) else { return Ok(()) };
        let here = |hold: &Hold| hold.instance == instance && hold.client.is_some();
        let again = self.applications[number].holds.iter().any(here);
        if again && self.net.random.chance(700) {
            return Ok(());
        }
        self.attach(number, instance)?;
        let holds = self.applications[number].holds.len();
        if holds > 2 || self.net.random.chance(700) { self.detach(number, place, false) } else { Ok(()) }
    }
}
