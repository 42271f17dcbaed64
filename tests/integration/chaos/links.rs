//! What lies between the instances misbehaves: links are reset, half-open, slow, late.

use std::time::Duration;

use super::instances::{Instances, paths_between};
use super::load::{Load, Plan};
use super::proxy::{Datagrams, Fate, Links};
use crate::support::{differs_from_oracle, eventually};

const OURS: &str = "Redis forwards nothing between equals";

/// Connections of a set: control and two for data.
const LINKS: usize = 3;

#[test]
fn links_are_reset_under_load_and_what_is_lost_is_counted() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan { subscribers: 120, ..Plan::default() });
    load.publish();
    for number in [2, 1, 2] {
        load.checkpoint_of_all();
        // Through the proxy of one come those with a lower number.
        let lower: Vec<usize> = (0..number).collect();
        let fault = load.begin_fault("reset", paths_between(&[number], &lower), true);
        instances.proxy(number).break_links(Fate::Reset);
        eventually("all links are there again", || instances.proxy(number).open_links() == LINKS * number);
        instances.await_mesh();
        load.checkpoint_of_all();
        load.end_fault(fault);
    }
    load.checkpoint_of_all();
    load.finish(&instances);
    instances.assert_nobody_was_called_down();
}

/// The links to the last instance are made half-open. It stays a member, and the others notice nothing.
#[track_caller]
fn half_open(fate: Fate) {
    let instances = Instances::behind_proxies(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("half-open", paths_between(&[2], &[0, 1]), true);
    instances.proxy(2).break_links(fate);
    while instances.proxy(2).open_links() < LINKS * 2 {
        load.checkpoint(&[0, 1]);
        load.checkpoint(&[2]);
    }
    instances.await_mesh();
    load.checkpoint_of_all();
    load.end_fault(fault);
    load.checkpoint_of_all();
    load.finish(&instances);
    instances.assert_nobody_was_called_down();
}

#[test]
fn links_that_take_nothing_any_more_are_dialled_again() {
    if !differs_from_oracle(OURS) {
        half_open(Fate::Freeze);
    }
}

#[test]
fn links_that_answer_nothing_any_more_are_dialled_again() {
    if !differs_from_oracle(OURS) {
        half_open(Fate::Swallow);
    }
}

#[test]
fn what_is_too_much_for_a_slow_link_is_dropped_and_counted_and_nobody_else_notices() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, &["--cluster-link-limit", "1mb"]);
    let pause = Duration::from_millis(20);
    let plan = Plan { subscribers: 15, publishers: 3, channels: 2, pause, filler: 60_000, ..Plan::default() };
    let mut load = Load::start(&instances.addresses, plan);
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("trickle", paths_between(&[2], &[0, 1]), true);
    instances.proxy(2).set_links(Links::Trickle(50_000));
    eventually("messages are dropped", || {
        load.checkpoint(&[0, 1]);
        instances.dropped(0) > 0 && instances.dropped(1) > 0
    });
    load.checkpoint(&[0, 1]);
    load.checkpoint(&[2]);
    instances.proxy(2).set_links(Links::Forward);
    load.checkpoint_of_all();
    load.end_fault(fault);
    load.checkpoint_of_all();
    let losses = load.finish(&instances);
    assert!(losses.count() > 0, "this was to lose something");
    instances.assert_nobody_was_called_down();
}

#[test]
fn links_and_datagrams_that_are_late_lose_nothing() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, &[]);
    let delay = Duration::from_millis(50);
    for instance in 0..3 {
        instances.proxy(instance).set_links(Links::Delay(delay));
        instances.proxy(instance).set_datagrams(Datagrams::Delay(delay));
    }
    let mut load = Load::start(&instances.addresses, Plan::default());
    instances.await_counts(&load);
    load.publish();
    for _ in 0..5 {
        load.checkpoint_of_all();
    }
    assert_eq!(load.finish(&instances).count(), 0);
    instances.assert_nobody_was_called_down();
}
