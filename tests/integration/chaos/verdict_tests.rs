//! Each way in which a history can be wrong is found, and what is right is not called wrong.

use super::super::history::{History, Interest, Kind, MessageId, Target};
use super::{Losses, judge};

/// Two instances, a publisher at the first.
struct Story {
    history: History,
    publisher: usize,
    sent: Vec<(MessageId, String)>,
}

impl Story {
    fn new() -> Story {
        let mut history = History::default();
        let publisher = history.add_publisher(0);
        Story { history, publisher, sent: Vec::new() }
    }

    fn subscriber(&mut self, instance: usize) -> usize {
        self.history.confirm(instance, Interest::new(Kind::Channel, "c"))
    }

    /// Publishes and acknowledges; returns the number.
    fn publish(&mut self) -> usize {
        let target = Target { is_shard: false, name: "c".to_owned() };
        let (message, payload) = self.history.publish(self.publisher, target, 0);
        self.history.acknowledge(message);
        self.sent.push((message, payload));
        self.sent.len() - 1
    }

    fn receive(&mut self, session: usize, numbers: &[usize]) {
        for number in numbers {
            self.history.receive(session, "c", &self.sent[*number].1);
        }
    }

    #[track_caller]
    fn right(&self) -> Losses {
        judge(&self.history).unwrap()
    }

    #[track_caller]
    fn wrong(&self, words: &str) {
        let wrong = judge(&self.history).expect_err("something is wrong");
        assert!(wrong.len() == 1 && wrong[0].contains(words), "expected {words:?} and got {wrong:#?}");
    }
}

#[test]
fn all_is_right_when_all_came() {
    let mut story = Story::new();
    // Before the subscription it may come or not.
    story.publish();
    let (one, other) = (story.subscriber(0), story.subscriber(1));
    let numbers = [story.publish(), story.publish(), story.publish()];
    story.receive(one, &[0]);
    story.receive(one, &numbers);
    story.receive(other, &numbers);
    let losses = story.right();
    assert_eq!((losses.received, losses.count()), (7, 0));
    assert!(story.history.is_drained());
}

#[test]
fn confirmed_before_all_had_heard() {
    let mut story = Story::new();
    let (here, elsewhere) = (story.subscriber(0), story.subscriber(1));
    let numbers = [story.publish(), story.publish(), story.publish()];
    story.receive(here, &numbers);
    story.receive(elsewhere, &numbers[1..]);
    let losses = story.right();
    assert_eq!((losses.count(), losses.unheard.into_iter().collect::<Vec<_>>()), (0, vec![(elsewhere, 0)]));
    // Who is at the same instance has been heard.
    let mut story = Story::new();
    let here = story.subscriber(0);
    let numbers = [story.publish(), story.publish()];
    story.receive(here, &numbers[1..]);
    story.wrong("lost");
}

#[test]
fn twice() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let number = story.publish();
    story.receive(session, &[number, number]);
    story.wrong("twice");
}

#[test]
fn out_of_order() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let (first, second) = (story.publish(), story.publish());
    story.receive(session, &[second, first]);
    story.wrong("behind 1");
}

#[test]
fn changed_on_the_way() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    for _ in 0..3 {
        story.publish();
    }
    story.receive(session, &[0, 1, 2]);
    let changed = story.sent[2].1.replacen('x', "y", 1);
    story.history.receive(session, "c", &changed);
    story.wrong("nobody has sent");
}

#[test]
fn on_another_channel_than_it_was_sent_to() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let number = story.publish();
    story.receive(session, &[number]);
    story.history.receive(session, "d", &story.sent[number].1.clone());
    story.wrong("nobody has sent");
}

#[test]
fn to_somebody_who_did_not_ask() {
    let mut story = Story::new();
    for interest in [
        Interest::new(Kind::Shard, "c"),
        Interest::new(Kind::Pattern, "d*"),
        Interest::new(Kind::Channel, "d"),
    ] {
        let session = story.history.confirm(1, interest);
        let number = story.publish();
        story.receive(session, &[number]);
        story.wrong("without having asked");
        story.history.sessions.clear();
    }
    let session = story.history.confirm(1, Interest::new(Kind::Pattern, "*"));
    let number = story.publish();
    story.receive(session, &[number]);
    story.right();
}

#[test]
fn never_published() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let number = story.publish();
    story.receive(session, &[number]);
    story.history.publishers[0].publications.clear();
    story.wrong("which nobody has sent");
}

#[test]
fn lost_without_a_fault() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let numbers = [story.publish(), story.publish(), story.publish()];
    story.receive(session, &[numbers[0], numbers[2]]);
    story.wrong("lost MessageId { publisher: 0, sequence: 1 } from instance 0");
}

#[test]
fn the_last_one_lost() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let number = story.publish();
    story.receive(session, &[number]);
    story.publish();
    assert!(!story.history.is_drained());
    story.wrong("lost");
}

#[test]
fn lost_in_a_fault_that_is_about_others() {
    for (paths, is_excused) in [(vec![(1, 0), (0, 2)], false), (vec![(0, 1)], true)] {
        let mut story = Story::new();
        let session = story.subscriber(1);
        let number = story.publish();
        story.receive(session, &[number]);
        let fault = story.history.begin_fault("cut", paths, true);
        story.publish();
        story.history.end_fault(fault);
        let number = story.publish();
        story.receive(session, &[number]);
        if is_excused {
            let losses = story.right();
            assert_eq!((losses.count(), losses.counted(0, 1), losses.counted(1, 0)), (1, 1, 0));
        } else {
            story.wrong("lost");
        }
    }
}

#[test]
fn lost_before_or_after_a_fault() {
    // What was sent before the fault, and nothing has come in behind it, was under way.
    let mut story = Story::new();
    let session = story.subscriber(1);
    story.publish();
    let fault = story.history.begin_fault("reset", vec![(0, 1)], false);
    story.history.end_fault(fault);
    let number = story.publish();
    story.receive(session, &[number]);
    assert_eq!(story.right().counted(0, 1), 0);
    // If something has, it was lost before.
    let mut story = Story::new();
    let session = story.subscriber(1);
    let first = story.publish();
    story.publish();
    let number = story.publish();
    story.receive(session, &[first, number]);
    let fault = story.history.begin_fault("reset", vec![(0, 1)], false);
    story.history.end_fault(fault);
    story.wrong("lost");
    // What is sent afterwards is excused by nothing.
    let mut story = Story::new();
    story.subscriber(1);
    let fault = story.history.begin_fault("reset", vec![(0, 1)], false);
    story.history.end_fault(fault);
    story.publish();
    story.wrong("lost");
}

#[test]
fn a_fault_is_no_excuse_for_half_an_instance() {
    let mut story = Story::new();
    let (one, _other) = (story.subscriber(1), story.subscriber(1));
    story.history.begin_fault("cut", vec![(0, 1)], true);
    let number = story.publish();
    story.receive(one, &[number]);
    story.wrong("reached some at 1 and not all");
}

#[test]
fn who_is_cut_off_gets_no_more_and_misses_nothing_in_between() {
    let mut story = Story::new();
    let session = story.subscriber(1);
    let numbers = [story.publish(), story.publish(), story.publish()];
    story.receive(session, &numbers[..2]);
    story.history.lose_session(session);
    assert_eq!(story.right().count(), 0);
    let mut story = Story::new();
    let session = story.subscriber(1);
    let numbers = [story.publish(), story.publish(), story.publish()];
    story.receive(session, &[numbers[0], numbers[2]]);
    story.history.lose_session(session);
    story.wrong("lost");
}

#[test]
fn what_was_not_acknowledged_may_arrive_or_not() {
    let mut story = Story::new();
    let (one, other) = (story.subscriber(1), story.subscriber(1));
    let number = story.publish();
    story.history.publishers[0].publications[number].acknowledged = None;
    story.receive(one, &[number]);
    let next = story.publish();
    story.receive(one, &[next]);
    story.receive(other, &[next]);
    story.right();
}

#[test]
fn two_orders_of_one_channel_at_one_instance() {
    for instances in [(1, 1), (0, 1)] {
        let mut story = Story::new();
        let (one, other) = (story.subscriber(instances.0), story.subscriber(instances.1));
        let first = story.publish();
        story.publisher = story.history.add_publisher(0);
        let second = story.publish();
        story.receive(one, &[first, second]);
        story.receive(other, &[second, first]);
        if instances.0 == instances.1 {
            story.wrong("another one behind it");
        } else {
            story.right();
        }
    }
}

#[test]
fn a_checkpoint_is_passed_when_everybody_has_something_new_of_everybody() {
    let mut story = Story::new();
    let (one, other) = (story.subscriber(0), story.subscriber(1));
    let number = story.publish();
    story.receive(one, &[number]);
    let sequences = story.history.sequences(&[0, 1]);
    assert!(!story.history.has_passed(&[0, 1], &sequences));
    let number = story.publish();
    story.receive(one, &[number]);
    assert!(story.history.has_passed(&[0], &sequences) && !story.history.has_passed(&[0, 1], &sequences));
    story.receive(other, &[number]);
    assert!(story.history.has_passed(&[0, 1], &sequences));
}
