//! Nothing goes through between two parts of the cluster: each serves its clients, and they come together again.

use super::instances::{Instances, paths_between};
use super::load::{Load, Plan};
use super::namespaces;
use super::proxy::{Datagrams, Fate, Links};
use crate::support::differs_from_oracle;

const OURS: &str = "Redis forwards nothing between equals";

/// Cuts the last instance off, or connects it again. All its links pass its own proxy.
pub(crate) fn isolate(instances: &Instances, last: usize, cut: bool) {
    let own = instances.proxy(last);
    let from_it = Datagrams::DropFrom(own.target().expect("it is up"));
    for other in (0..last).map(|other| instances.proxy(other)) {
        other.set_datagrams(if cut { from_it } else { Datagrams::Forward });
    }
    own.set_datagrams(if cut { Datagrams::Drop } else { Datagrams::Forward });
    own.set_links(if cut { Links::Swallow } else { Links::Forward });
    if cut {
        // As when packets are dropped: nobody is told.
        own.break_links(Fate::Freeze);
    }
}

/// What every partition into the first two and the third has in common.
fn part_and_heal(instances: &Instances, cut: impl Fn(bool)) {
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("partition", paths_between(&[2], &[0, 1]), false);
    cut(true);
    instances.await_groups(&[&[0, 1], &[2]]);
    instances.await_log(&[0, 1], 2, "is down");
    instances.await_log(&[2], 0, "is down");
    instances.await_log(&[2], 1, "is down");
    load.checkpoint(&[0, 1]);
    load.checkpoint(&[2]);
    cut(false);
    instances.await_mesh();
    load.checkpoint_of_all();
    load.end_fault(fault);
    load.checkpoint_of_all();
    load.finish(instances);
}

#[test]
fn both_parts_go_on_and_come_together_again() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, &[]);
    part_and_heal(&instances, |cut| isolate(&instances, 2, cut));
}

#[test]
fn one_that_hears_nothing_although_it_is_heard_comes_back() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    load.checkpoint_of_all();
    let fault = load.begin_fault("one way", paths_between(&[2], &[0, 1]), false);
    instances.proxy(2).set_datagrams(Datagrams::Drop);
    instances.await_log(&[0, 1], 2, "is down");
    load.checkpoint(&[0, 1]);
    load.checkpoint(&[2]);
    instances.proxy(2).set_datagrams(Datagrams::Forward);
    instances.await_mesh();
    load.checkpoint_of_all();
    load.end_fault(fault);
    load.checkpoint_of_all();
    load.finish(&instances);
}

/// On the machines where it is allowed; where not, that is said.
#[test]
fn network_namespaces_are_parted_by_a_firewall_and_come_together_again() {
    if differs_from_oracle(OURS) {
        return;
    }
    let Some(namespaces) = namespaces::create(3) else { return };
    let instances = Instances::in_namespaces(
        namespaces.clone(),
        &["--cluster-secret", "a secret of this test", "--protected-mode", "no"],
    );
    part_and_heal(&instances, |cut| {
        let (ours, theirs) = namespaces.split_at(2);
        ours.iter().for_each(|namespace| namespace.drop_from(if cut { theirs } else { &[] }));
        theirs.iter().for_each(|namespace| namespace.drop_from(if cut { ours } else { &[] }));
    });
}
