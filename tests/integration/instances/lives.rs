//! Instances that come and go: presence crosses, what was killed does not count, what comes back is part of it again.

use rustix::process::Signal;

use super::{Instances, both_protocols_over};
use crate::support::{Server, differs_from_oracle, eventually};

#[test]
fn who_is_present_at_one_instance_is_listed_at_the_others() {
    if differs_from_oracle("a Redis knows nobody") {
        return;
    }
    both_protocols_over(2, |instances, protocol| {
        let mut member = instances[0].speaking(protocol);
        member.ask("PRESENCE.TRACK lobby alice");
        let mut reader = instances[1].client();
        let mut count = || reader.ask("PRESENCE.COUNT lobby").elements()[0].elements()[1].integer();
        eventually("alice is listed", || count() == 1);
        drop(member);
        eventually("alice has left", || count() == 0);
    });
}

#[test]
fn what_was_killed_does_not_count_and_comes_back() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let mut instances = Instances::start(3);
    let mut subscribers: Vec<_> = (0..3).map(|at| instances[at].client()).collect();
    subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("SUBSCRIBE", "news", 1));
    instances.wait_for_subscribers("NUMSUB", "news", 3);
    let mut killed = instances.servers.remove(1);
    killed.signal(Signal::KILL);
    killed.wait_for_exit();
    instances.wait_for_subscribers("NUMSUB", "news", 2);
    let mut publisher = instances[1].client();
    publisher.call("PUBLISH news two", ":2\r\n");
    for at in [0, 2] {
        subscribers[at].expect_message("news", "two");
    }
    // Under the same id, at another port.
    let again = instances.start_one(2);
    instances.servers.insert(1, again);
    let mut subscriber = instances[1].client();
    subscriber.subscribe("SUBSCRIBE", "news", 1);
    instances.wait_for_subscribers("NUMSUB", "news", 3);
    publisher.call("PUBLISH news three", ":3\r\n");
    for subscriber in [&mut subscriber].into_iter().chain(subscribers.iter_mut().step_by(2)) {
        subscriber.expect_message("news", "three");
    }
    instances[1].client().call("PUBLISH news four", ":3\r\n");
    for subscriber in [&mut subscriber].into_iter().chain(subscribers.iter_mut().step_by(2)) {
        subscriber.expect_message("news", "four");
    }
}

#[test]
fn who_stops_says_so() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let mut instances = Instances::start(2);
    instances[1].client().ask("PRESENCE.TRACK lobby alice");
    let mut stopping = instances.take(1);
    stopping.signal(Signal::TERM);
    assert!(stopping.wait_for_exit().success());
    let told = |what: &str| {
        instances[0].wait_for_log(|line| line.contains("nstance 0000000000000002") && line.contains(what));
    };
    told("leaves");
    told("has ended: ");
    let peers = instances[0].client().ask("HEREABOUTS.PEERS");
    eventually("it is not in the list", || {
        instances[0].client().ask("HEREABOUTS.PEERS").elements().is_empty()
    });
    assert!(peers.elements().len() <= 1);
    assert!(!instances[0].log().iter().any(|line| line.contains("is lost") || line.contains("is down")));
}

#[test]
fn what_is_published_before_a_stop_arrives() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    const MESSAGES: usize = 2000;
    both_protocols_over(2, |instances, protocol| {
        let mut subscriber = instances[0].speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "news", 1);
        instances.wait_for_subscribers("NUMSUB", "news", 1);
        let mut publisher = instances[1].speaking(protocol);
        let payload = "x".repeat(4096);
        for number in 0..MESSAGES {
            publisher.call(&format!("PUBLISH news {number}-{payload}"), ":1\r\n");
        }
        let mut stopping = instances.take(1);
        stopping.signal(Signal::TERM);
        for number in 0..MESSAGES {
            subscriber.expect_message("news", &format!("{number}-{payload}"));
        }
        assert!(stopping.wait_for_exit().success());
    });
}

#[test]
fn of_two_processes_with_one_node_id_one_ends_and_says_why() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let mut instances = Instances::start(2);
    let mut twins = [instances.take(1), instances.start_one(2)];
    let mut ended = None;
    eventually("one of them ends", || {
        ended = twins.iter_mut().position(|twin| twin.has_ended());
        ended.is_some()
    });
    let [first, second] = &mut twins;
    let (ended, other) = if ended == Some(0) { (first, second) } else { (second, first) };
    assert_eq!(ended.wait_for_exit().code(), Some(1));
    ended.wait_for_log(|line| line.contains("Another process uses this instance's node id 0000000000000002"));
    // The other one is part of it, in its last life.
    let mut subscriber = other.client();
    subscriber.subscribe("SUBSCRIBE", "news", 1);
    let mut publisher = instances[0].client();
    eventually("it gets messages", || publisher.ask("PUBLISH news hello").integer() == 1);
    subscriber.expect_message("news", "hello");
}

#[test]
fn options_that_differ_are_named_once_on_both_sides() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let mut instances = Instances::start(1);
    instances.flags = ["--presence-grace", "7s"].map(str::to_owned).into();
    let other = instances.start_one(2);
    let told = |server: &Server, what: &str| server.wait_for_log(|line| line.contains(what));
    told(&other, "presence-grace is 7000 here and 10000 at instance 0000000000000001");
    told(&instances[0], "presence-grace is 10000 here and 7000 at instance 0000000000000002");
    assert_eq!(
        other.log().iter().filter(|line| line.contains(" must be the same on all instances")).count(),
        1
    );
}
