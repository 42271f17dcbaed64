//! INFO cluster: the other instances, in numbers. Ours, but for the first field.
//!
//! Owns its fields. A line for each instance has the form of Redis's lines for replicas, which monitoring tools take apart.

use std::fmt::Write;

use super::{View, field};
use crate::broker::roster::{Peer, Roster, State};
use crate::command::peers::standing;
use crate::link::{Counts, Loss};

pub(super) fn section(text: &mut String, view: &View<'_>) {
    field(text, "cluster_enabled", u8::from(view.config.face.enabled));
    write(text, &view.broker.roster());
}

fn write(text: &mut String, roster: &Roster) {
    let peers = || roster.peers.iter().filter(|peer| peer.state != State::Left);
    let most = |lag: fn(&Peer) -> u64| roster.up().map(lag).max().unwrap_or(0);
    field(text, "cluster_node", roster.me.node);
    for (name, number) in [
        ("cluster_instances_known", peers().count() as u64 + 1),
        ("cluster_instances_up", roster.up().count() as u64 + 1),
        ("cluster_instances_linked", peers().filter(|peer| peer.is_linked()).count() as u64),
        ("cluster_queued_bytes", peers().map(|peer| peer.report.queued_bytes as u64).sum()),
    ] {
        field(text, name, number);
    }
    for (what, counts) in [("dropped", &roster.losses.dropped), ("lost", &roster.losses.lost)] {
        field(text, &format!("cluster_messages_{what}"), counts.iter().sum::<u64>());
        for (reason, count) in by_reason(counts) {
            field(text, &format!("cluster_messages_{what}_{reason}"), count);
        }
    }
    for (name, number) in [
        ("cluster_interest_lag", most(|peer| peer.interest_lag.unwrap_or(0))),
        ("cluster_presence_lag", most(|peer| peer.presence_lag)),
        ("cluster_divergences", roster.divergences),
        ("cluster_subscribe_ack_timeouts", roster.unheard),
    ] {
        field(text, name, number);
    }
    for (at, peer) in peers().enumerate() {
        field(text, &format!("peer{at}"), line(peer));
    }
}

fn line(peer: &Peer) -> String {
    let report = &peer.report;
    let (ip, port) = match report.clients {
        Some(clients) => (clients.ip.unwrap_or(peer.link.ip()).to_string(), clients.port),
        None => (String::new(), 0),
    };
    let mut line = format!(
        "node={},ip={ip},port={port},state={},link={},rtt_us={},queued_bytes={},queued_messages={}",
        peer.owner.node,
        peer.state.name(),
        standing(report.standing),
        peer.round_trip.map_or(0, |time| time.as_micros()),
        report.queued_bytes,
        report.queued_messages,
    );
    for (what, counts) in [("dropped", &report.dropped), ("lost", &report.lost)] {
        for (reason, count) in by_reason(counts) {
            // Writing to a string does not fail.
            let _ = write!(line, ",{what}_{reason}={count}");
        }
    }
    let (interest, presence) = (peer.interest_lag.unwrap_or(0), peer.presence_lag);
    let _ = write!(line, ",interest_lag={interest},presence_lag={presence}");
    line
}

/// Reasons as names of fields have them.
fn by_reason(counts: &Counts) -> impl Iterator<Item = (String, u64)> {
    Loss::ALL.iter().map(|loss| (loss.name().replace('-', "_"), counts[*loss as usize]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::broker::roster::Losses;
    use crate::command::cluster::tests::{peer, roster};

    #[test]
    fn peers_are_counted_and_told_one_to_a_line() {
        let down = Peer { state: State::Down, ..peer(3) };
        let left = Peer { state: State::Left, ..peer(4) };
        let near = Peer { round_trip: Some(Duration::from_micros(80)), interest_lag: Some(5), ..peer(2) };
        let losses = Losses { dropped: [2, 0, 0, 1], lost: [0, 0, 8, 0] };
        let roster = Roster { losses, divergences: 1, unheard: 7, ..roster(1, &[near, down, left]) };
        let mut text = String::new();
        write(&mut text, &roster);
        let expected = [
            "cluster_node:0000000000000001",
            "cluster_instances_known:3",
            "cluster_instances_up:2",
            "cluster_instances_linked:2",
            "cluster_queued_bytes:34",
            "cluster_messages_dropped:3",
            "cluster_messages_dropped_limit:2",
            "cluster_messages_dropped_too_large:0",
            "cluster_messages_dropped_reconnect:0",
            "cluster_messages_dropped_given_up:1",
            "cluster_messages_lost:8",
            "cluster_messages_lost_limit:0",
            "cluster_messages_lost_too_large:0",
            "cluster_messages_lost_reconnect:8",
            "cluster_messages_lost_given_up:0",
            "cluster_interest_lag:5",
            "cluster_presence_lag:0",
            "cluster_divergences:1",
            "cluster_subscribe_ack_timeouts:7",
            "peer0:node=0000000000000002,ip=10.0.0.2,port=6379,state=up,link=up,rtt_us=80,queued_bytes=17,\
             queued_messages=2,dropped_limit=1,dropped_too_large=0,dropped_reconnect=0,dropped_given_up=0,\
             lost_limit=0,lost_too_large=0,lost_reconnect=4,lost_given_up=0,interest_lag=5,presence_lag=0",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..expected.len()], expected);
        assert_eq!(lines.len(), expected.len() + 1);
        assert!(lines[expected.len()].starts_with("peer1:node=0000000000000003,"));
    }
}
