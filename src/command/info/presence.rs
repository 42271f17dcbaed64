//! INFO presence: who is here, in numbers. Ours.
//!
//! Owns its fields.

use super::{View, field};
use crate::broker::stats::Counter;

pub(super) fn section(text: &mut String, view: &View<'_>) {
    let totals = view.broker.presence.totals();
    let counted = |counter| view.broker.stats.total(counter);
    for (name, number) in [
        ("presence_topics", totals.topics as u64),
        ("presence_members", totals.machine.members as u64),
        ("presence_sessions", totals.machine.sessions as u64),
        ("presence_sessions_given_up", totals.machine.given_up),
        ("presence_diffs_sent", counted(Counter::PresenceDiffs)),
        ("presence_diffs_delivered", counted(Counter::PresenceDiffsDelivered)),
        ("presence_diffs_lost", counted(Counter::PresenceDiffsLost)),
        ("presence_changes_coalesced", counted(Counter::PresenceCoalesced)),
        ("presence_states_sent", counted(Counter::PresenceStates)),
        ("presence_states_delivered", counted(Counter::PresenceStatesDelivered)),
        ("presence_states_resent", counted(Counter::PresenceStatesResent)),
    ] {
        field(text, name, number);
    }
}
