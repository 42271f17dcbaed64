//! Who is shown: which entry about a member counts, and whether it may be seen here.
//!
//! Owns the decision. Of all entries about a member, hidden ones included, the one with the highest stamp counts; there is no
//! falling back to an older one because the newer one's owner is away. It is shown if it is live, its session was not ended
//! since, and an instance that is up holds it, or the session is kept. Must not know why a member is looked at again.

use super::entry::{Attachment, Entry, Rank, State, Version};
use super::machine::Presence;
use super::members::Slot;
use super::name::{Member, Name};
use super::sessions::{Liveness, Named, News, SessionId};
use super::stamp::Stamp;
use super::{Change, Reason};
use crate::crdt::Key;
use crate::time::Now;

/// What the records say about a member.
struct Known {
    /// The entry that counts.
    winner: Entry,
    rank: Rank,
    /// A record that is shown holds exactly it.
    is_visible: bool,
    /// An instance that is up holds exactly it.
    is_held: bool,
    /// It was held by an instance that left in good order, if by none that is up.
    was_handed_over: bool,
    /// What this instance's own log has.
    own: Option<Entry>,
    /// The lowest stamp of a live entry of another instance.
    live_elsewhere: Option<Stamp>,
    lowest: Stamp,
}

impl Known {
    fn version(&self) -> &Version {
        match self.winner.version() {
            Some(version) => version,
            None => unreachable!("only versions are found under the name of a member"),
        }
    }

    /// Whether this instance's own entry may be dropped as soon as all others know as much.
    fn own_is_useless(&self, named: Option<&Named>) -> bool {
        let Some(own) = self.own.as_ref().and_then(Entry::version) else { return false };
        if named.is_none() {
            return false;
        }
        let ended = named.is_some_and(|named| named.is_ended(own.stamp));
        ended
            || self.rank > own.rank()
            || match own.state() {
                State::Live => false,
                State::Gone => self.live_elsewhere.is_none_or(|stamp| stamp > own.stamp),
                State::Lost(_) => self.live_elsewhere.is_none(),
            }
    }
}

impl Presence {
    /// Looks at a member again and shows what is to be shown of it. `reason`: why it left, if the records do not tell.
    pub(super) fn settle(&mut self, now: Now, name: &Name, reason: Reason) {
        self.settle_hashed(now, name, name.hash(self.keys), reason);
    }

    /// The same, with the hash of the name.
    pub(super) fn settle_hashed(&mut self, now: Now, name: &Name, hash: u64, reason: Reason) {
        let Some(member) = name.member() else { return };
        let Some(known) = self.known(now, name, hash) else {
            if let Some(id) = self.sessions.find(&member.session) {
                self.forget_member(id, member, hash, reason);
            }
            return;
        };
        let id = self.session(&member.session);
        if self.adopt(now, id, name, &known) {
            return self.settle_hashed(now, name, hash, reason);
        }
        let keys = self.keys;
        let Some(session) = self.sessions.get_mut(id) else { return };
        let slot = session.members.find(hash, member).unwrap_or_else(|| {
            self.counts.known_members += 1;
            session.members.insert(keys, hash, name.clone())
        });
        let before_shown = session.members.shown_at(slot);
        let named = session.named.as_deref_mut();
        let version = known.version();
        let is_live = version.state() == State::Live;
        let (shown, reason) = match named {
            None => (is_live && known.is_visible, Reason::NodeDown),
            Some(named) => {
                let covered = named.is_ended(known.lowest);
                if covered {
                    named.covered.insert(slot)
                } else {
                    named.covered.remove(&slot)
                };
                let kept = named.keeps() && !named.is_given_up(version.stamp);
                let ended = named.is_ended(version.stamp);
                let shown = is_live && !ended && (known.is_visible || kept);
                (shown, reason_of(named, before_shown, Some(version)))
            }
        };
        let useless = known.own_is_useless(session.named.as_deref());
        if useless {
            self.may_drop(name);
        } else if known.own.is_some() {
            self.must_keep(name);
        }
        self.show(id, slot, shown.then_some(known.winner), reason);
    }

    /// Whether this instance's own entry may go as soon as all others know as much.
    pub(super) fn is_useless_version(&self, now: Now, name: &Name) -> bool {
        let Some(member) = name.member() else { return false };
        let named =
            self.sessions.find(&member.session).and_then(|id| self.sessions.get(id)?.named.as_deref());
        self.known(now, name, name.hash(self.keys)).is_some_and(|known| known.own_is_useless(named))
    }

    fn known(&self, now: Now, name: &Name, hash: u64) -> Option<Known> {
        let me = self.replica.me();
        let mut known: Option<Known> = None;
        for (owner, log, _) in self.replica.records() {
            let Some(entry) = log.get_hashed(hash, name) else { continue };
            let Some(version) = entry.version() else { continue };
            let (rank, is_own) = (version.rank(), owner == me);
            let view = self.owners.get(&owner);
            let is_visible = is_own || view.is_some_and(|view| view.is_visible(now.monotonic_ms()));
            let is_held = is_own || view.is_some_and(|view| view.is_up());
            let left = view.is_some_and(|view| view.left);
            let known = known.get_or_insert_with(|| Known {
                winner: entry.clone(),
                rank,
                is_visible: false,
                is_held: false,
                was_handed_over: false,
                own: None,
                live_elsewhere: None,
                lowest: version.stamp,
            });
            if rank > known.rank {
                known.winner = entry.clone();
                known.rank = rank;
                (known.is_visible, known.is_held, known.was_handed_over) = (false, false, false);
            }
            if rank == known.rank {
                known.is_visible |= is_visible;
                known.is_held |= is_held;
                known.was_handed_over |= left;
            }
            known.lowest = known.lowest.min(version.stamp);
            if is_own {
                known.own = Some(entry.clone());
            } else if version.state() == State::Live {
                let lowest = known.live_elsewhere.get_or_insert(version.stamp);
                *lowest = version.stamp.min(*lowest);
            }
        }
        known
    }

    /// Takes over what nobody else keeps any more, if it is for this instance to do. Returns whether it did.
    fn adopt(&mut self, now: Now, id: SessionId, name: &Name, known: &Known) -> bool {
        let me = self.replica.me().node;
        let Some(named) = self.sessions.named_mut(id) else { return false };
        let Some(own) = named.own else { return false };
        let version = known.version();
        let given_up = version.state() != State::Gone && named.is_given_up(version.stamp);
        if given_up || named.is_ended(version.stamp) {
            return false;
        }
        let copy = match version.state() {
            State::Live | State::Gone if known.is_held => return false,
            State::Live | State::Gone => known.winner.clone(),
            // Whoever gave it up did not know that the session had come back.
            State::Lost(at) if at > own.stamp => version.with_state(State::Live).into(),
            State::Lost(_) => return false,
        };
        let owners = &self.owners;
        let (is_gone, stamp) = (version.state() == State::Gone, version.stamp);
        // Who has given it up, perhaps as it had yet to hear of the session, will not.
        let is_for_other = |(owner, attachment): (&crate::crdt::Owner, &Attachment)| {
            owner.node < me
                && (is_gone || attachment.given_up.is_none_or(|given_up| given_up < stamp))
                && owners.get(owner).is_some_and(|view| view.is_up())
        };
        if named.holders.iter().any(is_for_other) {
            return false;
        }
        self.counts.adopted += 1;
        self.replica.put(now.monotonic_ms(), name.clone(), copy);
        if version.state() == State::Live && !known.was_handed_over {
            // What its instance was told last may have died with it.
            self.tell(id);
        }
        true
    }

    fn show(&mut self, id: SessionId, slot: u32, version: Option<Entry>, reason: Reason) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(name) = session.members.get(slot).map(|slot: &Slot| slot.name.clone()) else { return };
        let before = session.members.show(slot, version.clone());
        self.counts.members += usize::from(version.is_some());
        self.counts.members -= usize::from(before.is_some());
        let reference =
            |entry: &Option<Entry>| entry.as_ref().and_then(Entry::version).map(Version::reference);
        let (left, joined) = (reference(&before), reference(&version));
        if reason == Reason::Lost
            && version.is_none()
            && before.is_some()
            && let Some(named) = session.named.as_deref_mut()
            && named.own.is_none()
        {
            // Whoever gave it up may have nobody to tell.
            named.news = News::Owed;
        }
        if left != joined {
            self.count_by_node(left, joined);
            self.changes.push_back(Change { name, after: version, reason });
        }
    }

    fn count_by_node(&mut self, left: Option<Stamp>, joined: Option<Stamp>) {
        if let Some(Stamp { node, .. }) = joined {
            *self.tracked_at.entry(node).or_default() += 1;
        }
        if let Some(Stamp { node, .. }) = left
            && let Some(members) = self.tracked_at.get_mut(&node)
        {
            *members -= 1;
            if *members == 0 {
                self.tracked_at.remove(&node);
            }
        }
    }

    /// No record knows the member any more.
    fn forget_member(&mut self, id: SessionId, member: &Member, hash: u64, reason: Reason) {
        let keys = self.keys;
        let Some(slot) = self.sessions.get(id).and_then(|session| session.members.find(hash, member)) else {
            self.forget_if_over(id);
            return;
        };
        let session = self.sessions.get(id);
        let named =
            session.and_then(|session| Some((session.named.as_deref()?, session.members.shown_at(slot))));
        let reason = named.map_or(reason, |(named, shown)| reason_of(named, shown, None));
        self.show(id, slot, None, reason);
        if let Some(session) = self.sessions.get_mut(id) {
            session.members.remove(keys, slot);
            self.counts.known_members -= 1;
            if let Some(named) = session.named.as_deref_mut() {
                named.covered.remove(&slot);
            }
        }
        self.forget_if_over(id);
    }
}

/// Why a member of a named session, shown until now in a version of that stamp, is not shown any more. An entry that counts
/// since the newer one was forgotten with its owner says nothing about that one.
fn reason_of(named: &Named, shown: Option<Stamp>, winner: Option<&Version>) -> Reason {
    let since = winner.filter(|winner| shown.is_none_or(|shown| winner.stamp >= shown)).map(Version::state);
    match since {
        Some(State::Gone) => Reason::Untrack,
        _ if shown.is_some_and(|shown| named.is_ended(shown)) => Reason::Untrack,
        Some(State::Lost(_)) => Reason::Lost,
        _ if named.liveness == Liveness::Over => Reason::Lost,
        _ => Reason::NodeDown,
    }
}
