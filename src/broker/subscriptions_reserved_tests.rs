//! What the broker itself says: whom it reaches, in which order, and who loses it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use super::*;
use crate::config::OutputLimit;
use crate::outbox::{Batch, Taken};
use crate::resp::push::{FrameBuffer, share};
use crate::time::Now;

const BACKLOG: usize = 1000;
const TOPIC: &[u8] = b"__presence__:lobby";
const SESSION: &[u8] = b"__presence_session__:1";

struct Listener {
    outbox: Arc<Outbox>,
    subscribed: Subscribed,
}

impl Listener {
    fn new(table: &Subscriptions, kind: Kind, name: &str) -> Self {
        let (outbox, mut subscribed) = (Arc::new(Outbox::new(1)), Subscribed::default());
        table.subscribe(kind, name.as_bytes(), &outbox, &mut subscribed, |_| ());
        Listener { outbox, subscribed }
    }

    /// The payloads of what it received, which are one letter each.
    fn heard(&self) -> String {
        let mut bytes = Vec::new();
        let mut batch = Batch::default();
        while self.outbox.take(&mut batch, Waker::noop()) == Taken::Output {
            bytes.extend(batch.parts.drain(..).flatten());
            bytes.append(&mut batch.tail);
        }
        let text = String::from_utf8(bytes).unwrap();
        text.split("$1\r\n").skip(1).map(|rest| &rest[..1]).collect()
    }
}

fn table() -> Subscriptions {
    Subscriptions::new(HashKeys::new([1, 2]))
}

/// Calls with what a delivery needs, for so many receivers; returns how many were reached and how many lost it.
fn deliver(budget: usize, act: impl FnOnce(&mut Delivery<'_>)) -> (u64, u64) {
    let (mut ready, mut overflowed, mut frame) = (VecDeque::new(), Vec::new(), FrameBuffer::default());
    let mut delivery = Delivery {
        // Whoever is in a limit is cut off.
        limit: OutputLimit { hard_bytes: 300, soft_bytes: 0, soft_duration: Duration::ZERO },
        now: Now { monotonic: Duration::ZERO, unix: Duration::ZERO },
        ready: &mut ready,
        overflowed: &mut overflowed,
        frame: &mut frame,
        budget,
        delivered: 0,
        lost: 0,
        forward: 0,
    };
    act(&mut delivery);
    let counts = (delivery.delivered, delivery.lost);
    assert_eq!(overflowed, [0; 0]);
    counts
}

fn to_patterns(table: &Subscriptions, payload: &[u8], budget: usize) -> (u64, u64) {
    deliver(budget, |delivery| {
        table.publish_to_patterns(TOPIC, Payload::Small(payload), BACKLOG, delivery);
    })
}

#[test]
fn patterns_that_begin_alike_get_what_happens_in_a_topic_and_nobody_else() {
    let table = table();
    let listeners = [
        (Kind::Pattern, "__presence__:*", "x"),
        (Kind::Pattern, "__presence__:lobby", "x"),
        (Kind::Pattern, "__presence__:*obby", "x"),
        (Kind::Pattern, "__presence__:l[o]bby", "x"),
        // Goes by its end, which is longer than what it begins with.
        (Kind::Pattern, "__presence__:?*obbyobbyobbyobby", ""),
        (Kind::Pattern, "__presence__:other*", ""),
        (Kind::Pattern, "__presence__*", ""),
        (Kind::Pattern, "*", ""),
        (Kind::Pattern, "*lobby", ""),
        (Kind::Pattern, "[_]_presence__:*", ""),
        (Kind::Pattern, "__presence_session__:*", ""),
        (Kind::Channel, "__presence__:lobby", ""),
        (Kind::Shard, "__presence__:lobby", ""),
    ]
    .map(|(kind, name, heard)| (Listener::new(&table, kind, name), heard));
    assert_eq!(to_patterns(&table, b"x", 100), (4, 0));
    for (listener, heard) in &listeners {
        assert_eq!(listener.heard(), *heard);
    }
}

#[test]
fn the_patterns_for_topics_are_counted() {
    let table = table();
    assert_eq!(table.topic_patterns(), 0);
    let _any = Listener::new(&table, Kind::Pattern, "*");
    assert_eq!(table.topic_patterns(), 0);
    let mut first = Listener::new(&table, Kind::Pattern, "__presence__:*");
    let mut second = Listener::new(&table, Kind::Pattern, "__presence__:*");
    assert_eq!(table.topic_patterns(), 1);
    table.unsubscribe(Kind::Pattern, b"__presence__:*", &mut first.subscribed);
    assert_eq!(table.topic_patterns(), 1);
    table.unsubscribe(Kind::Pattern, b"__presence__:*", &mut second.subscribed);
    assert_eq!(table.topic_patterns(), 0);
}

#[test]
fn a_session_is_told_by_its_channel_and_by_patterns_that_begin_alike() {
    let table = table();
    let listeners = [
        (Kind::Channel, "__presence_session__:1", "x"),
        (Kind::Pattern, "__presence_session__:*", "x"),
        (Kind::Channel, "__presence_session__:2", ""),
        (Kind::Pattern, "*", ""),
        (Kind::Pattern, "__presence_*", ""),
        (Kind::Shard, "__presence_session__:1", ""),
    ]
    .map(|(kind, name, heard)| (Listener::new(&table, kind, name), heard));
    let told = deliver(100, |delivery| {
        table.publish_to_session(SESSION, Payload::Small(b"x"), delivery);
    });
    assert_eq!(told, (2, 0));
    for (listener, heard) in &listeners {
        assert_eq!(listener.heard(), *heard);
    }
}

#[test]
fn in_steps_all_get_all_in_order() {
    let table = table();
    let listeners: Vec<_> = (0..10)
        .map(|number| Listener::new(&table, Kind::Pattern, ["__presence__:*", "__presence__:l*"][number % 2]))
        .collect();
    let watcher = Listener::new(&table, Kind::Channel, "__presence__:lobby");
    let shared = share(b"c");
    to_patterns(&table, b"a", 3);
    to_patterns(&table, b"b", 3);
    deliver(3, |delivery| table.publish_to_patterns(TOPIC, Payload::Shared(&shared), BACKLOG, delivery));
    let late = Listener::new(&table, Kind::Pattern, "__presence__:lo*");
    let mut more = true;
    while more {
        deliver(3, |delivery| more = table.continue_fanout(delivery, |_, _, _| ()));
    }
    for listener in &listeners {
        assert_eq!(listener.heard(), "abc");
    }
    assert_eq!(watcher.heard(), "");
    assert_eq!(late.heard(), "bc");
    to_patterns(&table, b"d", 100);
    assert_eq!(listeners[0].heard(), "d", "the channel is not busy any more");
}

#[test]
fn who_does_not_read_loses_it_and_is_not_cut_off() {
    let table = table();
    let slow = Listener::new(&table, Kind::Pattern, "__presence__:*");
    let mut reached = 0;
    while to_patterns(&table, b"x", 100) == (1, 0) {
        reached += 1;
    }
    assert!(slow.outbox.waiting() > BACKLOG && slow.outbox.waiting() < BACKLOG + 100);
    assert_eq!(to_patterns(&table, b"x", 100), (0, 1));
    // Others may still send to it.
    let push = |text: &str| {
        let frame = crate::resp::push::Frame { head: text.as_bytes(), head_resp3: None, shared: None };
        let limit = OutputLimit { hard_bytes: 300, soft_bytes: 0, soft_duration: Duration::ZERO };
        slow.outbox.push(frame, &limit, Now { monotonic: Duration::ZERO, unix: Duration::ZERO })
    };
    assert!(matches!(push(&"*".repeat(299)), crate::outbox::Pushed::Queued));
    assert_eq!(slow.heard().len(), reached);
    assert_eq!(to_patterns(&table, b"x", 100), (1, 0), "it has read");
}

#[test]
fn an_unfinished_delivery_lets_no_more_than_the_backlog_wait() {
    let table = table();
    let listeners: Vec<_> = (0..3).map(|_| Listener::new(&table, Kind::Pattern, "__presence__:*")).collect();
    let payloads = (0..1000).map(|number| share(format!("{}{number}", "x".repeat(300)).as_bytes()));
    let mut lost = 0;
    for payload in payloads {
        lost += deliver(1, |delivery| {
            table.publish_to_patterns(TOPIC, Payload::Shared(&payload), BACKLOG, delivery);
        })
        .1;
    }
    assert!((990..1000).contains(&lost), "{lost}");
    drop(listeners);
}
