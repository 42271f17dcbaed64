//! Instances stand still for a while: SIGSTOP and SIGCONT.

use std::thread;
use std::time::Duration;

use super::instances::{Instances, paths_with};
use super::load::{Load, Plan};
use crate::support::differs_from_oracle;

const OURS: &str = "Redis forwards nothing between equals";

#[test]
fn one_that_stands_still_for_a_second_is_not_called_down_and_nothing_is_lost() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::start(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    for number in [0, 2] {
        load.checkpoint_of_all();
        instances.pause(number);
        // The pause is what is done, and not waited for.
        thread::sleep(Duration::from_secs(1));
        let others: Vec<usize> = (0..3).filter(|other| *other != number).collect();
        load.checkpoint(&others);
        instances.resume(number);
    }
    load.checkpoint_of_all();
    assert_eq!(load.finish(&instances).count(), 0);
    instances.assert_nobody_was_called_down();
}

#[test]
fn one_that_stands_still_until_it_is_called_down_comes_back() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::start(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("SIGSTOP", paths_with(&[1], 3), false);
    instances.pause(1);
    load.checkpoint(&[0, 2]);
    instances.await_log(&[0, 2], 1, "is down");
    // Longer than links are patient with it.
    instances.await_groups(&[&[0, 2]]);
    load.checkpoint(&[0, 2]);
    instances.resume(1);
    instances.await_mesh();
    load.checkpoint_of_all();
    load.end_fault(fault);
    load.checkpoint_of_all();
    load.finish(&instances);
    // It was paused itself, and accuses nobody.
    instances.assert_log_has_no(1, "is down");
}
