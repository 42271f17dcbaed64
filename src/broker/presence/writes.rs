//! What applications say of members and sessions.
//!
//! Owns the limits of a topic and of a key, which are its shard's to know; the machine has the others.

use std::sync::Arc;

use super::Presence;
use crate::config::Config;
use crate::presence::{
    Member, Meta, MetaChange, Name, Presence as Machine, Refusal, Removal, SessionName, Stamp,
};
use crate::time::Now;

/// What a member lives as long as, as a command names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// The connection of the client with this id.
    Connection(u64),
    /// A named session.
    Session(&'a str),
}

/// A member as a command names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Where it is present.
    pub topic: &'a str,
    /// Usually the user.
    pub key: &'a str,
    /// What it lives as long as.
    pub whose: Whose<'a>,
    /// Tells apart several members of one key in one session.
    pub id: &'a str,
}

/// How many members there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In a topic.
    pub topic_members_max: usize,
    /// Of one key in a topic.
    pub key_members_max: usize,
}

impl Limits {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Limits {
            topic_members_max: config.presence_topic_members_max,
            key_members_max: config.presence_key_members_max,
        }
    }
}

impl Presence {
    /// A member is present, with this meta. Returns its ref. (PRESENCE.TRACK.)
    ///
    /// # Errors
    /// It is present and was to be new, or there are too many.
    pub fn track(
        &self,
        now: Now,
        target: Target<'_>,
        meta: Meta,
        only_new: bool,
        limits: Limits,
    ) -> Result<Stamp, Refusal> {
        let mut machine = self.machine();
        let (topic, no_room) = self.look(target, limits);
        let member = member(&machine, target, topic);
        // Who is there already may change even where nobody else may come.
        if let Some(refusal) = no_room
            && machine.shown(&Name::from(member.clone())).is_none()
        {
            return Err(refusal);
        }
        let tracked = machine.track(now, member, meta, only_new);
        self.drain(now, &mut machine);
        tracked
    }

    /// The name of a topic if it exists, and why nobody else may come into it.
    fn look(&self, target: Target<'_>, limits: Limits) -> (Option<Arc<str>>, Option<Refusal>) {
        let topics = self.shard(target.topic).lock();
        let Some(topic) = topics.find(target.topic).and_then(|slot| topics.topic(slot)) else {
            return (None, None);
        };
        let of_key = || topic.find(self.keys, target.key).and_then(|slot| topic.group(slot));
        let refusal = if topic.count().members >= limits.topic_members_max {
            Some(Refusal::TooManyInTopic(limits.topic_members_max))
        } else if of_key().is_some_and(|group| group.count() >= limits.key_members_max) {
            Some(Refusal::TooManyOfKey(limits.key_members_max))
        } else {
            None
        };
        (Some(Arc::clone(topic.name())), refusal)
    }

    /// A present member gets another meta; `after`: not before the version with this ref. Returns the new ref.
    /// (PRESENCE.UPDATE.)
    ///
    /// # Errors
    /// It is not present, the new meta is none, or the ref is made up.
    pub fn update(
        &self,
        now: Now,
        target: Target<'_>,
        change: MetaChange,
        after: Option<Stamp>,
    ) -> Result<Stamp, Refusal> {
        let mut machine = self.machine();
        let member = member(&machine, target, self.shard(target.topic).lock().topic_name(target.topic));
        check_ref(&machine, now, after)?;
        let updated = machine.update(now, member, change, after);
        self.drain(now, &mut machine);
        updated
    }

    /// A member is not present any more; `after`: not before the version with this ref. Returns whether it was shown.
    /// (PRESENCE.UNTRACK.)
    ///
    /// # Errors
    /// The ref is made up.
    pub fn untrack(&self, now: Now, target: Target<'_>, after: Option<Stamp>) -> Result<bool, Refusal> {
        let mut machine = self.machine();
        let member = member(&machine, target, self.shard(target.topic).lock().topic_name(target.topic));
        check_ref(&machine, now, after)?;
        let was_shown = machine.untrack(now, member, after);
        self.drain(now, &mut machine);
        Ok(was_shown)
    }

    /// Begins to untrack all members of a session, or those in one topic. (PRESENCE.UNTRACKALL.)
    pub fn begin_removal(&self, whose: Whose<'_>, topic: Option<&str>) -> Removal {
        let machine = self.machine();
        machine.begin_removal(session(&machine, whose), topic)
    }

    /// Begins to remove the members that live as long as the connection of this client. (RESET.)
    pub fn begin_reset(&self, client: u64) -> Removal {
        self.machine().begin_reset(client)
    }

    /// Goes on, at most `budget` members looked at. Returns whether these were the last.
    pub fn continue_removal(&self, now: Now, removal: &mut Removal, budget: usize) -> bool {
        let mut machine = self.machine();
        let done = machine.continue_removal(now, removal, budget);
        self.drain(now, &mut machine);
        done
    }

    /// A session is alive for so long, or for longer, without anybody attached; and its members stay for so long when it is
    /// not any more. Returns whether it was alive. (PRESENCE.TOUCH.)
    ///
    /// # Errors
    /// There are too many sessions.
    pub fn touch(
        &self,
        now: Now,
        session: &str,
        ttl_ms: u64,
        grace_ms: Option<u64>,
    ) -> Result<bool, Refusal> {
        let mut machine = self.machine();
        let was_alive = machine.touch(now, session, ttl_ms, grace_ms);
        self.drain(now, &mut machine);
        was_alive
    }

    /// Ends a session. Returns how many members it had, which leave by [`Presence::continue_end`]. (PRESENCE.END.)
    ///
    /// # Errors
    /// There are too many sessions to remember the end of one that is not known.
    pub fn end(&self, now: Now, session: &str) -> Result<usize, Refusal> {
        let mut machine = self.machine();
        let members = machine.end(now, session);
        self.drain(now, &mut machine);
        members
    }

    /// Goes on with what is under way, at most `budget` members. Returns whether a session that was ended has none any more.
    pub fn continue_end(&self, now: Now, session: &str, budget: usize) -> bool {
        let mut machine = self.machine();
        let done = machine.is_settled(session) || !machine.work(now, budget);
        self.drain(now, &mut machine);
        done
    }
}

fn check_ref(machine: &Machine, now: Now, after: Option<Stamp>) -> Result<(), Refusal> {
    match after {
        Some(after) if machine.is_from_the_future(now, after) => Err(Refusal::FutureRef),
        _ => Ok(()),
    }
}

fn session(machine: &Machine, whose: Whose<'_>) -> SessionName {
    match whose {
        Whose::Connection(client) => machine.connection(client),
        Whose::Session(name) => machine.named(name),
    }
}

fn member(machine: &Machine, target: Target<'_>, topic: Option<Arc<str>>) -> Member {
    let topic = topic.unwrap_or_else(|| target.topic.into());
    Member::new(topic, target.key, session(machine, target.whose), target.id)
}
