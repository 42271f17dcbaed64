//! Instances are killed under load, and come back.

use super::instances::{Id, Instances, paths_from};
use super::load::{Load, Plan};
use crate::support::differs_from_oracle;

const OURS: &str = "Redis forwards nothing between equals";

#[test]
fn one_of_three_is_killed_under_load_and_comes_back() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::start(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan { subscribers: 120, ..Plan::default() });
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("SIGKILL", paths_from(&[2], 3), false);
    instances.kill(2);
    load.end_fault(fault);
    // Those that stay have each other, and all clients.
    load.checkpoint_of_all();
    instances.await_log(&[0, 1], 2, "is down");
    instances.restart(2, Id::Same);
    instances.await_mesh();
    load.join(2, 10, 2);
    load.checkpoint_of_all();
    load.finish(&instances);
}

#[test]
fn one_that_is_restarted_at_once_under_its_id_is_taken_for_another_life() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::behind_proxies(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    for _ in 0..2 {
        load.checkpoint_of_all();
        let fault = load.begin_fault("SIGKILL", paths_from(&[0], 3), false);
        instances.kill(0);
        load.end_fault(fault);
        instances.restart(0, Id::Same);
        instances.await_mesh();
        load.join(0, 10, 1);
    }
    load.checkpoint_of_all();
    load.finish(&instances);
}

#[test]
fn two_of_five_are_killed_at_once_and_come_back_under_other_ids() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::start(5, &[]);
    let plan = Plan { subscribers: 100, publishers: 5, ..Plan::default() };
    let mut load = Load::start(&instances.addresses, plan);
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("SIGKILL of two", paths_from(&[1, 4], 5), false);
    instances.kill(1);
    instances.kill(4);
    load.end_fault(fault);
    load.checkpoint_of_all();
    instances.restart(1, Id::New);
    instances.restart(4, Id::New);
    // One that has just started serves clients when it has heard of one other instance.
    instances.await_mesh();
    load.join(1, 10, 1);
    load.join(4, 10, 1);
    load.checkpoint_of_all();
    load.finish(&instances);
}
