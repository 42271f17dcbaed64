//! Clients that ask for more than can be done.

use std::time::Duration;

use super::*;
use crate::crdt::{Incarnation, NodeId};
use crate::map::HashKeys;
use crate::presence::{Detach, Member, Meta, Settings};

const MEMBERS: usize = 20;

fn now(now_ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(now_ms), unix: Duration::from_millis(now_ms) }
}

/// A session with members, which nobody holds.
fn presence(at: Now) -> Presence {
    let me = Owner { node: NodeId(1), incarnation: Incarnation::draw(1, None, 1) };
    let mut presence = Presence::new(me, 1, Settings::default(), HashKeys::new([1, 2]), at);
    for key in 0..MEMBERS {
        let session = SessionName::Named("s".into());
        let member = Member::new("t".into(), &key.to_string(), session, "");
        presence.track(at, member, Meta::default(), false).unwrap();
    }
    presence
}

/// Lets everything happen by then.
fn finish(presence: &mut Presence, at: Now) {
    for _ in 0..100 {
        presence.handle_timeout(at);
        while presence.work(at, 7) {}
    }
    assert!(presence.jobs.is_empty());
    assert_eq!((presence.counts().members, presence.counts().sessions), (0, 0));
}

#[test]
fn a_session_that_comes_and_goes_is_looked_at_once_for_all_the_times() {
    let mut presence = presence(now(0));
    for client in 0..100 {
        presence.attach(now(1), "s", client);
        presence.detach(now(1), "s", client, Detach::Quiet);
    }
    assert_eq!(presence.jobs.len(), 1);
    // And again when that is under way, behind others.
    presence.work(now(1), 5);
    presence.attach(now(1), "s", 100);
    presence.close_connection(7);
    assert_eq!(presence.jobs.len(), 1);
    presence.detach(now(1), "s", 100, Detach::Quiet);
    finish(&mut presence, now(60_000));
}

#[test]
fn a_session_is_given_up_when_that_is_done_with_for_the_last_time() {
    let mut presence = presence(now(0));
    for round in 1..100 {
        presence.touch(now(round * 10), "s", 1, Some(0)).unwrap();
        presence.handle_timeout(now(round * 10 + 5));
        assert!(presence.jobs.len() <= 2, "{}", presence.jobs.len());
    }
    finish(&mut presence, now(60_000));
}
