//! Instances that come and go: presence crosses, what was killed does not count, what comes back is part of it again.

use rustix::process::Signal;

use super::{Instances, both_protocols_over};
use crate::support::{differs_from_oracle, eventually};

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
    let mut stopping = instances.servers.remove(1);
    stopping.signal(Signal::TERM);
    assert!(stopping.wait_for_exit().success());
    instances[0].wait_for_log(|line| line.contains("Instance 0000000000000002") && line.contains("leaves"));
}
