//! INFO presence: who is here, in numbers. Ours.
//!
//! Owns its fields.

use super::{View, field};

pub(super) fn section(text: &mut String, view: &View<'_>) {
    let totals = view.broker.presence.totals();
    for (name, number) in [
        ("presence_topics", totals.topics as u64),
        ("presence_members", totals.machine.members as u64),
        ("presence_sessions", totals.machine.sessions as u64),
    ] {
        field(text, name, number);
    }
}
