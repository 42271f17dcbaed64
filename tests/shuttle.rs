//! The product's own outbox and table under random schedules.
//!
//! Owns the promises that only a particular order of threads can break. The `shuttle` feature replaces every lock and
//! atomic of the crate, so that each is a point at which shuttle may let another thread go on. `SHUTTLE_ITERATIONS`
//! says how many schedules each test tries; a failure prints a seed, which `SHUTTLE_RANDOM_SEED` repeats. Start reading
//! at the tests' names.

#![cfg(feature = "shuttle")]
// The helpers of a test may panic as the test itself may.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use hereabouts::broker::subscriptions::Published;
use hereabouts::config::OutputLimit;
use hereabouts::outbox::{Batch, CloseReason, Outbox, Pushed, Taken};
use hereabouts::pubsub::Kind;
use hereabouts::resp::push::ChannelKind;
use hereabouts::time::Now;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

// Watchers, and members that several clients track.
#[path = "shuttle/presence.rs"]
mod presence;
#[path = "support/schedules.rs"]
mod schedules;

use schedules::*;

#[test]
fn locks_and_atomics_are_scheduling_points() {
    shuttle::check_random(
        || {
            let broker = Broker::new();
            let switches = |act: &dyn Fn()| {
                let before = shuttle::current::context_switches();
                act();
                shuttle::current::context_switches() - before
            };
            assert!(
                switches(&|| {
                    _ = Outbox::new(1).waiting();
                }) > 0,
                "an outbox"
            );
            assert!(
                switches(&|| {
                    _ = broker.table.subscribers(ChannelKind::Global, b"a");
                }) > 0,
                "a shard"
            );
            assert!(
                switches(&|| {
                    _ = broker.table.find(Kind::Pattern, b"a");
                }) > 0,
                "patterns"
            );
            assert!(
                switches(&|| {
                    _ = broker.table.patterns();
                }) > 0,
                "an atomic"
            );
        },
        1,
    );
}

#[test]
fn who_left_during_a_fan_out_hears_nothing_more() {
    check(|| {
        let broker = Broker::new();
        let stays: Vec<Client> = [(1, Kind::Channel, CHANNEL), (2, Kind::Pattern, "n*")]
            .map(|(id, kind, name)| Client::subscriber(id, &broker.table, kind, name))
            .into();
        let leaves = [(3, Kind::Channel, CHANNEL), (4, Kind::Pattern, "n*"), (5, Kind::Pattern, "*s")];
        let mut threads: Vec<Thread> = vec![publisher(9, &["m1", "m2"])];
        for (id, kind, name) in leaves {
            let leaver = Client::subscriber(id, &broker.table, kind, name);
            threads.push(client(leaver, move |broker, leaver| leaver.unsubscribe(&broker.table, kind, name)));
        }
        let (mut all, counts) = sort(broker.run(threads));
        for heard in &all {
            assert!(heard.last().unwrap().starts_with("unsubscribed"), "{heard:?}");
        }
        for stay in stays {
            all.push(stay.heard());
            assert_eq!(payloads(all.last().unwrap()), ["m1", "m2"]);
        }
        let total: usize = all.iter().map(|heard| payloads(heard).len()).sum();
        assert_eq!(counts.iter().sum::<u64>(), total as u64, "who is counted has it: {all:?}");
    });
}

#[test]
fn a_confirmation_precedes_every_message() {
    check(|| {
        let broker = Broker::new();
        let mut threads = vec![publisher(8, &["a1", "a2"]), publisher(9, &["b1", "b2"])];
        for (id, kind, name) in [(1, Kind::Channel, CHANNEL), (2, Kind::Pattern, "n*")] {
            threads.push(client(Client::new(id), move |broker, newcomer| {
                newcomer.subscribe(&broker.table, kind, name);
            }));
        }
        for heard in sort(broker.run(threads)).0 {
            assert!(heard[0].starts_with("subscribed"), "{heard:?}");
        }
    });
}

#[test]
fn who_joins_during_a_fan_out_is_confirmed_first_and_hears_nothing_twice() {
    check(|| {
        let broker = Broker::new();
        let restless = Client::subscriber(1, &broker.table, Kind::Channel, CHANNEL);
        let stay = Client::subscriber(2, &broker.table, Kind::Channel, CHANNEL);
        let leaver = Client::subscriber(3, &broker.table, Kind::Channel, CHANNEL);
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = begun.clone();
        let outbox = Arc::new(Outbox::new(9));
        let publishes: Thread = Box::new(move |broker| {
            for payload in ["1", "2"] {
                let published = broker.publish(&outbox, payload);
                begins.fetch_add(1, Ordering::SeqCst);
                broker.wait(&outbox, published);
            }
            Left::Counts(Vec::new())
        });
        let mut threads = vec![
            publishes,
            client(leaver, |broker, leaver| leaver.unsubscribe(&broker.table, Kind::Channel, CHANNEL)),
            client(restless, |broker, restless| {
                restless.unsubscribe(&broker.table, Kind::Channel, CHANNEL);
                restless.subscribe(&broker.table, Kind::Channel, CHANNEL);
            }),
        ];
        let _listens = Client::subscriber(4, &broker.table, Kind::Pattern, "n*");
        for (id, kind, name) in
            [(5, Kind::Channel, CHANNEL), (6, Kind::Pattern, "n*"), (7, Kind::Pattern, "*s")]
        {
            let begun = begun.clone();
            threads.push(client(Client::new(id), move |broker, newcomer| {
                reply(&newcomer.outbox, &format!("begun {}", begun.load(Ordering::SeqCst)));
                newcomer.subscribe(&broker.table, kind, name);
            }));
        }
        let (mut all, _) = sort(broker.run(threads));
        all.push(stay.heard());
        assert_eq!(payloads(all.last().unwrap()), ["1", "2"]);
        for heard in all {
            let messages = payloads(&heard);
            let distinct: BTreeSet<&str> = messages.iter().copied().collect();
            assert_eq!(distinct.len(), messages.len(), "heard twice: {heard:?}");
            let confirmed = heard.iter().position(|frame| frame.starts_with("subscribed"));
            let message = heard.iter().position(|frame| frame.contains("message"));
            assert!(message.is_none_or(|message| confirmed < Some(message)), "not confirmed: {heard:?}");
            let (left, back) = ("unsubscribed news", "subscribed news");
            let silent = heard.iter().skip_while(|frame| *frame != left).take_while(|frame| *frame != back);
            assert!(silent.count() <= 1, "heard while away: {heard:?}");
            // A newcomer that found so many fan-outs begun has none of their messages.
            if let Some(begun) = heard.first().and_then(|frame| frame.strip_prefix("begun ")) {
                assert!(messages.iter().all(|payload| *payload > begun), "too early: {heard:?}");
            }
        }
    });
}

#[test]
fn two_publishers_are_heard_in_one_order() {
    check(|| {
        let broker = Broker::new();
        let subscriptions = [
            (1, Kind::Channel, CHANNEL),
            (2, Kind::Channel, CHANNEL),
            (3, Kind::Pattern, "n*"),
            (4, Kind::Pattern, "*s"),
        ];
        let subscribers =
            subscriptions.map(|(id, kind, name)| Client::subscriber(id, &broker.table, kind, name));
        let (_, counts) = sort(broker.run(vec![publisher(8, &["a1", "a2"]), publisher(9, &["b1", "b2"])]));
        assert_eq!(counts, [4; 4]);
        let all = subscribers.map(|subscriber| subscriber.heard());
        let order = payloads(&all[0]);
        for heard in &all {
            assert_eq!(payloads(heard), order);
        }
        for own in [["a1", "a2"], ["b1", "b2"]] {
            let heard: Vec<&str> = order.iter().copied().filter(|payload| own.contains(payload)).collect();
            assert_eq!(heard, own);
        }
    });
}

#[test]
fn an_overflow_is_told_once_and_ends_the_output() {
    check(|| {
        // Four frames of 25 bytes are too many, and so is one at two looks of the clock.
        let limit = OutputLimit { hard_bytes: 100, soft_bytes: 75, soft_duration: Duration::ZERO };
        let outbox = Arc::new(Outbox::new(1));
        let (told, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        for payloads in [["a1", "a2", "a3"], ["b1", "b2", "b3"]] {
            let (outbox, told, closed) = (outbox.clone(), told.clone(), closed.clone());
            threads.push(thread::spawn(move || {
                let mut ended = false;
                for payload in payloads {
                    match push(&outbox, payload, &limit) {
                        Pushed::Queued | Pushed::Wake(_) => assert!(!ended, "queued behind the end"),
                        Pushed::Closed => ended = true,
                        Pushed::Overflow(_) => {
                            assert!(!ended, "told behind the end");
                            told.fetch_add(1, Ordering::SeqCst);
                            ended = true;
                        }
                    }
                    closed.fetch_or(ended, Ordering::SeqCst);
                }
            }));
        }
        let (watched, watcher_told) = (outbox.clone(), told.clone());
        threads.push(thread::spawn(move || {
            let later = Now { monotonic: Duration::from_secs(1), ..NOW };
            if watched.check_limit(&limit, later).is_some() {
                watcher_told.fetch_add(1, Ordering::SeqCst);
            }
        }));
        let (mut bytes, mut batch) = (Vec::new(), Batch::default());
        for _ in 0..4 {
            let is_closed = closed.load(Ordering::SeqCst);
            let taken = outbox.take(&mut batch, Waker::noop());
            assert!(
                !is_closed || taken == Taken::Closed(CloseReason::OutputLimit),
                "{taken:?} behind the end"
            );
            let unwritten = drain(&mut batch);
            outbox.blocked(unwritten.len(), Waker::noop(), NOW);
            bytes.extend(unwritten);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let overflowed = outbox.closed() == Some(CloseReason::OutputLimit);
        assert_eq!(told.load(Ordering::SeqCst), usize::from(overflowed));
        let heard = frames(&bytes);
        for sender in ["a", "b"] {
            let from: Vec<&str> =
                payloads(&heard).into_iter().filter(|payload| payload.starts_with(sender)).collect();
            let expected: Vec<String> = (1..=from.len()).map(|number| format!("{sender}{number}")).collect();
            assert_eq!(from, expected, "in order, nothing left out");
        }
        if overflowed {
            assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Closed(CloseReason::OutputLimit));
            assert_eq!((outbox.waiting(), batch.is_empty()), (0, true));
        } else {
            assert_eq!(heard.len() + self::heard(&outbox).len(), 6);
        }
    });
}

#[test]
fn replies_of_one_command_stand_together() {
    check(|| {
        let outbox = Arc::new(Outbox::new(1));
        let threads = [["a1", "a2"], ["b1", "b2"]].map(|payloads| {
            let outbox = outbox.clone();
            thread::spawn(move || {
                payloads.into_iter().for_each(|payload| drop(push(&outbox, payload, &UNLIMITED)));
            })
        });
        let mut heard = Vec::new();
        for command in 0..2 {
            outbox.hold();
            let before = heard.len();
            heard.extend(self::heard(&outbox));
            (1..=3).for_each(|number| reply(&outbox, &format!("{command}.{number}")));
            outbox.release();
            assert!(!heard[before..].iter().any(|frame| frame.starts_with(&command.to_string())));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        heard.extend(self::heard(&outbox));
        for command in 0..2 {
            let first = heard.iter().position(|frame| *frame == format!("{command}.1")).unwrap();
            assert_eq!(heard[first + 1..=first + 2], [2, 3].map(|number| format!("{command}.{number}")));
        }
        for own in [["a1", "a2"], ["b1", "b2"]] {
            let all = payloads(&heard).into_iter();
            assert_eq!(all.filter(|payload| own.contains(payload)).collect::<Vec<_>>(), own);
        }
    });
}

#[test]
fn an_owner_that_found_nothing_is_woken_by_the_next_push() {
    check(|| {
        let outbox = Arc::new(Outbox::new(1));
        let threads = [["a1", "a2"], ["b1", "b2"]].map(|payloads| {
            let outbox = outbox.clone();
            thread::spawn(move || {
                for payload in payloads {
                    if let Pushed::Wake(waker) = push(&outbox, payload, &UNLIMITED) {
                        waker.wake();
                    }
                }
            })
        });
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let (mut heard, mut batch, mut sleeps) = (Vec::new(), Batch::default(), 0);
        while heard.len() < 4 {
            match outbox.take(&mut batch, &waker) {
                Taken::Output => heard.extend(frames(&drain(&mut batch))),
                taken => {
                    assert_eq!(taken, Taken::Nothing);
                    sleeps += 1;
                    bell.wait();
                }
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(bell.rings.load(Ordering::SeqCst), sleeps, "one wake for each sleep");
    });
}

#[test]
fn an_owner_that_waits_for_its_socket_is_woken_by_a_close_alone() {
    check(|| {
        let outbox = Arc::new(Outbox::new(1));
        drop(push(&outbox, "first", &UNLIMITED));
        let mut batch = Batch::default();
        assert_eq!(outbox.take(&mut batch, Waker::noop()), Taken::Output);
        let (pushed, closed) = (outbox.clone(), outbox.clone());
        let pusher = thread::spawn(move || {
            for payload in ["a1", "a2"] {
                assert!(matches!(push(&pushed, payload, &UNLIMITED), Pushed::Queued | Pushed::Closed));
            }
        });
        let closer = thread::spawn(move || {
            closed.close(CloseReason::Killed).into_iter().for_each(Waker::wake);
        });
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        while outbox.blocked(10, &waker, NOW).is_none() {
            bell.wait();
        }
        assert_eq!(outbox.blocked(10, &waker, NOW), Some(CloseReason::Killed));
        pusher.join().unwrap();
        closer.join().unwrap();
    });
}

#[test]
fn a_publisher_that_waits_is_woken_by_the_end_of_its_fan_out() {
    check(|| {
        let broker = Broker::new();
        let publisher = Arc::new(Outbox::new(1));
        let completed = publisher.clone();
        let end = thread::spawn(move || completed.complete(7).into_iter().for_each(Waker::wake));
        assert_eq!(broker.wait(&publisher, Published::Unfinished), 7);
        end.join().unwrap();
    });
}

/// Keeps something for the owner, twice, and tells it.
fn keeper(outbox: &Arc<Outbox>, kept: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let (outbox, kept) = (outbox.clone(), kept.clone());
    thread::spawn(move || {
        for _ in 0..2 {
            kept.fetch_add(1, Ordering::SeqCst);
            outbox.nudge().into_iter().for_each(Waker::wake);
        }
    })
}

/// Fetches one of what is kept, as the owner does that is told that there is more. Returns how many it found.
fn fetch(outbox: &Outbox, kept: &AtomicUsize) -> usize {
    let found = kept.load(Ordering::SeqCst);
    let fetched = found.min(1);
    kept.fetch_sub(fetched, Ordering::SeqCst);
    outbox.fetched(fetched, found > 1);
    fetched
}

#[test]
fn an_owner_that_found_nothing_is_woken_by_what_is_kept_elsewhere() {
    check(|| {
        let (outbox, kept) = (Arc::new(Outbox::new(1)), Arc::default());
        let mut threads = vec![keeper(&outbox, &kept), keeper(&outbox, &kept)];
        let pushed = outbox.clone();
        threads.push(thread::spawn(move || {
            if let Pushed::Wake(waker) = push(&pushed, "pushed", &UNLIMITED) {
                waker.wake();
            }
        }));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let (mut fetched, mut heard, mut sleeps, mut batch) = (0, 0, 0, Batch::default());
        while fetched < 4 || heard < 1 {
            let taken = outbox.take(&mut batch, &waker);
            heard += frames(&drain(&mut batch)).len();
            match taken {
                Taken::Output => {}
                Taken::More => fetched += fetch(&outbox, &kept),
                taken => {
                    assert_eq!(taken, Taken::Nothing);
                    sleeps += 1;
                    bell.wait();
                }
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(bell.rings.load(Ordering::SeqCst), sleeps, "one wake for each sleep");
    });
}

#[test]
fn what_is_kept_elsewhere_comes_behind_the_replies_of_one_command() {
    check(|| {
        let (outbox, kept) = (Arc::new(Outbox::new(1)), Arc::default());
        let thread = keeper(&outbox, &kept);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let mut batch = Batch::default();
        outbox.hold();
        for number in 0..2 {
            assert_ne!(outbox.take(&mut batch, &waker), Taken::More);
            drop(drain(&mut batch));
            reply(&outbox, &number.to_string());
        }
        outbox.release();
        let mut fetched = 0;
        while fetched < 2 {
            let taken = outbox.take(&mut batch, &waker);
            drop(drain(&mut batch));
            match taken {
                Taken::Output => {}
                Taken::More => fetched += fetch(&outbox, &kept),
                taken => {
                    assert_eq!(taken, Taken::Nothing);
                    bell.wait();
                }
            }
        }
        thread.join().unwrap();
    });
}
