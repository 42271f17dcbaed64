//! What both servers tell about themselves: the names of INFO's fields, and what they count of the same commands.

use std::collections::{BTreeMap, BTreeSet};

use super::sessions::{read_until, step};
use super::{Pair, Random};
use crate::support::{Client, encode};

const STEPS: usize = 1500;

/// Fields that 7.0 does not have, with where they come from.
const ADDED: &[(&str, &[&str])] = &[
    (
        "7.2",
        &[
            "acl_access_denied_auth",
            "acl_access_denied_channel",
            "acl_access_denied_cmd",
            "acl_access_denied_key",
            "eventloop_cycles",
            "eventloop_duration_cmd_sum",
            "eventloop_duration_sum",
            "instantaneous_eventloop_cycles_per_sec",
            "instantaneous_eventloop_duration_usec",
            "listener0",
            "listener1",
            "total_blocking_keys",
            "total_blocking_keys_on_nokey",
        ],
    ),
    (
        "7.4",
        &[
            "client_output_buffer_limit_disconnections",
            "client_query_buffer_limit_disconnections",
            "pubsub_clients",
            "total_watched_keys",
            "watching_clients",
        ],
    ),
    (
        "ours",
        &[
            "accept_errors",
            "client_idle_disconnections",
            "client_panics",
            "client_write_timeout_disconnections",
            "cluster_divergences",
            "cluster_instances_known",
            "cluster_instances_linked",
            "cluster_instances_up",
            "cluster_interest_lag",
            "cluster_messages_dropped",
            "cluster_messages_dropped_given_up",
            "cluster_messages_dropped_limit",
            "cluster_messages_dropped_reconnect",
            "cluster_messages_dropped_too_large",
            "cluster_messages_lost",
            "cluster_messages_lost_given_up",
            "cluster_messages_lost_limit",
            "cluster_messages_lost_reconnect",
            "cluster_messages_lost_too_large",
            "cluster_node",
            "cluster_presence_lag",
            "cluster_queued_bytes",
            "cluster_subscribe_ack_timeouts",
            "hereabouts_version",
            "longest_turn_usec",
            "pubsub_messages_delivered",
            "pubsub_messages_published",
            "tls_handshake_errors",
        ],
    ),
];

/// The sections in their order, each with the names of its fields in theirs.
fn names(client: &mut Client) -> Vec<(String, Vec<String>)> {
    let text = client.ask("INFO everything").text();
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(name) => sections.push((name.to_owned(), Vec::new())),
            None => {
                let name = line.split_once(':').expect("name:value").0;
                let by_command = ["cmdstat_", "errorstat_", "latency_percentiles_usec_"];
                if !by_command.iter().any(|prefix| name.starts_with(prefix)) {
                    sections.last_mut().expect("a section").1.push(name.to_owned());
                }
            }
        }
    }
    sections
}

#[test]
fn every_field_of_redis_is_there_in_its_place() {
    let Some(pair) = Pair::start("fields") else { return };
    let [mut ours, mut theirs] = pair.clients();
    let (mut ours, theirs) = (names(&mut ours), names(&mut theirs));
    // Behind all that is Redis's.
    assert_eq!(ours.pop().map(|(section, _)| section).as_deref(), Some("Presence"));
    let sections = |of: &[(String, Vec<String>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(sections(&ours), sections(&theirs));
    let added: BTreeSet<&str> = ADDED.iter().flat_map(|(_, names)| *names).copied().collect();
    for ((section, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        let common: Vec<_> = ours.iter().filter(|name| !added.contains(name.as_str())).collect();
        assert_eq!(common, theirs.iter().collect::<Vec<_>>(), "section {section}");
    }
    let ours: BTreeSet<&str> = ours.iter().flat_map(|(_, names)| names).map(String::as_str).collect();
    let missing: Vec<_> = added.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?} are not shown");
}

/// What was counted of each command and of each kind of error, without times.
fn counts(client: &mut Client) -> BTreeMap<String, String> {
    let text = client.ask("INFO commandstats errorstats").text();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| {
            let timeless = value.split(',').filter(|pair| !pair.starts_with("usec")).collect::<Vec<_>>();
            (name.to_owned(), timeless.join(","))
        })
        .collect()
}

#[test]
fn the_same_commands_count_the_same() {
    let Some(pair) = Pair::start("counts") else { return };
    let mut random = Random::new();
    let mut clients = [pair.clients(), pair.clients()];
    let mut steps = Vec::new();
    for number in 0..STEPS {
        let actor = random.below(2);
        let commands = step(&mut random, actor == 0);
        let request: Vec<u8> = commands.iter().flat_map(encode).collect();
        let token = format!("step-{number}");
        for client in &mut clients[actor] {
            client.send(&request);
            client.command(&format!("PING {token}"));
            read_until(client, &token);
        }
        steps.push(commands);
        if number % 100 == 0 {
            let [mut ours, mut theirs] = pair.clients();
            let (ours, theirs) = (counts(&mut ours), counts(&mut theirs));
            assert_eq!(ours, theirs, "after {:?}", &steps[steps.len().saturating_sub(100)..]);
        }
    }
}
