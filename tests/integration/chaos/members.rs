//! Who is present, as all instances see it, while instances die, stand still and are cut off.

use std::collections::BTreeMap;

use super::instances::{Id, Instances};
use super::partitions::isolate;
use crate::support::{Client, Value, differs_from_oracle, encode, eventually};

const OURS: &str = "Redis does not know who is present";

/// So that a test need not wait for what an application would.
const FLAGS: &[&str] = &["--presence-grace", "300", "--presence-down-grace", "500"];
const TOPICS: usize = 3;

/// Connections with a member each, in topics in turn.
struct Members {
    /// By instance.
    clients: Vec<Vec<Client>>,
    number: usize,
}

impl Members {
    fn new(instances: &Instances) -> Members {
        Members { clients: (0..instances.count()).map(|_| Vec::new()).collect(), number: 0 }
    }

    fn track(&mut self, instances: &Instances, instance: usize, count: usize) {
        for _ in 0..count {
            let mut client = instances.client(instance);
            let (topic, key) = (format!("topic.{}", self.number % TOPICS), format!("key.{}", self.number));
            client.send(encode(["PRESENCE.TRACK", &topic, &key, &format!(r#"{{"at":{instance}}}"#)]));
            assert_eq!(client.value().text().len(), 32);
            self.clients[instance].push(client);
            self.number += 1;
        }
    }

    fn count(&self, instances: &[usize]) -> usize {
        instances.iter().map(|instance| self.clients[*instance].len()).sum()
    }

    /// Waits until each of these sees the members at all of them, and nobody else, in the same words.
    #[track_caller]
    fn await_equal(&self, instances: &Instances, group: &[usize]) {
        let expected = self.count(group);
        eventually(&format!("{group:?} see the {expected} members that they have"), || {
            let lists: Vec<_> = group.iter().map(|instance| lists(instances, *instance)).collect();
            lists.iter().all(|list| list.len() == expected && *list == lists[0])
        });
    }
}

/// All members that an instance sees, by topic and key.
fn lists(instances: &Instances, instance: usize) -> BTreeMap<(usize, String), Value> {
    let mut client = instances.client(instance);
    let mut members = BTreeMap::new();
    for topic in 0..TOPICS {
        let list = client.ask(&format!("PRESENCE.LIST topic.{topic}"));
        for pair in list.elements().chunks(2) {
            members.insert((topic, pair[0].text()), pair[1].clone());
        }
    }
    members
}

#[test]
fn members_of_one_that_crashed_leave_and_those_of_its_next_life_come() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::start(3, FLAGS);
    let mut members = Members::new(&instances);
    (0..3).for_each(|instance| members.track(&instances, instance, 20));
    members.await_equal(&instances, &[0, 1, 2]);
    instances.kill(1);
    members.clients[1].clear();
    members.await_equal(&instances, &[0, 2]);
    instances.restart(1, Id::Same);
    members.await_equal(&instances, &[0, 1, 2]);
    members.track(&instances, 1, 10);
    members.await_equal(&instances, &[0, 1, 2]);
    // Nothing is orphaned.
    members.clients.iter_mut().for_each(Vec::clear);
    members.await_equal(&instances, &[0, 1, 2]);
}

#[test]
fn members_of_one_that_leaves_are_gone_at_once_and_not_called_down() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::start(3, &["--shutdown-timeout", "1"]);
    let mut members = Members::new(&instances);
    (0..3).for_each(|instance| members.track(&instances, instance, 10));
    members.await_equal(&instances, &[0, 1, 2]);
    instances.terminate(2);
    members.clients[2].clear();
    members.await_equal(&instances, &[0, 1]);
    instances.assert_nobody_was_called_down();
}

#[test]
fn members_are_seen_again_when_a_partition_heals() {
    if differs_from_oracle(OURS) {
        return;
    }
    let instances = Instances::behind_proxies(3, FLAGS);
    let mut members = Members::new(&instances);
    (0..3).for_each(|instance| members.track(&instances, instance, 10));
    members.await_equal(&instances, &[0, 1, 2]);
    isolate(&instances, 2, true);
    members.await_equal(&instances, &[0, 1]);
    members.await_equal(&instances, &[2]);
    // Some come and some go meanwhile, on either side.
    members.track(&instances, 0, 5);
    members.track(&instances, 2, 5);
    members.clients[1].truncate(5);
    members.clients[2].drain(..3);
    members.await_equal(&instances, &[0, 1]);
    members.await_equal(&instances, &[2]);
    isolate(&instances, 2, false);
    members.await_equal(&instances, &[0, 1, 2]);
    members.clients.iter_mut().for_each(Vec::clear);
    members.await_equal(&instances, &[0, 1, 2]);
}
