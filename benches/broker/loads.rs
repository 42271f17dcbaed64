//! The rows of the table: each a load, and what this server should reach under it.
//!
//! Must not know how a load is driven.

use std::time::Duration;

use crate::memory::Growth;
use crate::presence::{Presence, bytes_of_strings};
use crate::sample::Metric;
use crate::traffic::{Pace, Traffic};

/// What is done to the servers.
pub(crate) enum Load {
    Traffic(Traffic),
    /// The same, but the subscribers are in the server's own process.
    InProcess(Traffic),
    Memory {
        growth: Growth,
        settling: Duration,
    },
    Presence(Presence),
}

/// What is to be reached. A rate must be at least that, everything else at most.
pub(crate) struct Goal {
    pub(crate) metric: Metric,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Absolute(f64),
    /// So many times the best of the other servers.
    TimesBest(f64),
}

/// A load with its goals.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) goals: Vec<Goal>,
}

/// In flight in the saturated rows: some 60 KB of requests.
const SATURATION: Pace = Pace::Closed { unanswered: 1024, undelivered: Some(1024) };
const ONE_IN_FLIGHT: Pace = Pace::Closed { unanswered: 1, undelivered: Some(1) };
/// Redis gives up the buffers of an idle connection after five seconds, and its allocator keeps them some time longer.
const SETTLING: Duration = Duration::from_secs(12);
const MILLISECOND: f64 = 1_000_000.0;

/// All rows; small ones, for correctness only, if it is a smoke test.
pub(crate) fn rows(smoke: bool) -> Vec<Row> {
    let mut rows = fan_out();
    rows.extend(many_channels());
    rows.extend(publishes());
    rows.extend(if smoke { fairness(500, 2000) } else { fairness(19_000, 100_000) });
    rows.extend(if smoke { memory(20, Duration::ZERO) } else { memory(1, SETTLING) });
    rows.extend(if smoke { presence(100) } else { presence(1) });
    rows
}

fn fan_out() -> Vec<Row> {
    let one_channel = |subscribers, pace| traffic(1, subscribers, 1, pace);
    vec![
        row(
            "1 publisher, 100 subscribers of one channel, saturated",
            one_channel(100, SATURATION),
            vec![times_best(Metric::Rate, 5.0), times_best(Metric::Cpu, 0.2)],
        ),
        row(
            "1 publisher, 1000 subscribers of one channel, saturated",
            one_channel(1000, SATURATION),
            vec![times_best(Metric::Rate, 4.0), times_best(Metric::Cpu, 0.25)],
        ),
        row(
            "1000 subscribers, 50 publishes/s",
            one_channel(1000, Pace::PerSecond(50)),
            vec![times_best(Metric::Cpu, 1.0), times_best(Metric::P99, 1.0)],
        ),
        row(
            "100 subscribers, 5000 publishes/s one by one",
            one_channel(100, Pace::PerSecond(5000)),
            vec![absolute(Metric::Rate, 495_000.0), absolute(Metric::P99, 3.0 * MILLISECOND)],
        ),
        row(
            "one subscriber, one message in flight",
            one_channel(1, ONE_IN_FLIGHT),
            vec![times_best(Metric::P50, 1.0), times_best(Metric::P99, 1.0)],
        ),
    ]
}

fn many_channels() -> Vec<Row> {
    let sixteen = Pace::Closed { unanswered: 16, undelivered: None };
    vec![
        row(
            "1000 channels with one subscriber each, 4 publishers, 16 in flight",
            traffic(1000, 1, 4, sixteen),
            vec![times_best(Metric::Rate, 2.0), absolute(Metric::P99, 10.0 * MILLISECOND)],
        ),
        row(
            "1000 channels with one subscriber each, 20000 publishes/s",
            traffic(1000, 1, 4, Pace::PerSecond(20_000)),
            vec![times_best(Metric::P50, 1.0), times_best(Metric::P99, 1.0)],
        ),
    ]
}

fn publishes() -> Vec<Row> {
    let nobody_listens = |unanswered| traffic(8, 0, 8, Pace::Closed { unanswered, undelivered: None });
    vec![
        row(
            "PUBLISH without subscribers, 8 connections, pipeline 64",
            nobody_listens(64),
            vec![times_best(Metric::Rate, 1.0)],
        ),
        row(
            "PUBLISH without subscribers, 8 connections, no pipelining",
            nobody_listens(1),
            vec![times_best(Metric::Rate, 1.0)],
        ),
        row(
            "PUBLISH past 10000 disjoint patterns, 8 connections, pipeline 64",
            Traffic { patterns: 10_000, ..nobody_listens(64) },
            vec![times_best(Metric::Rate, 50.0)],
        ),
    ]
}

fn fairness(sockets: usize, in_process: usize) -> Vec<Row> {
    let pinged = |subscribers| Traffic { pinged: true, ..traffic(1, subscribers, 1, ONE_IN_FLIGHT) };
    let goals = || vec![absolute(Metric::P999, 5.0 * MILLISECOND)];
    vec![
        row("another client's PING during a fan-out to 19000 sockets", pinged(sockets), goals()),
        Row {
            name: "another client's PING during a fan-out to 100000 in-process connections",
            load: Load::InProcess(pinged(in_process)),
            goals: goals(),
        },
    ]
}

fn memory(divisor: usize, settling: Duration) -> Vec<Row> {
    let growth = |name, growth, bytes| Row {
        name,
        load: Load::Memory { growth, settling },
        goals: vec![absolute(Metric::BytesEach, bytes)],
    };
    let scaled = |count: usize| count / divisor;
    vec![
        growth(
            "a client's further subscription, channel of its own",
            Growth::OwnChannels { from: scaled(10_000), to: scaled(110_000) },
            120.0,
        ),
        growth(
            "a client's further subscription, shared channel",
            Growth::SharedChannels { clients: scaled(1000), channels: 1000 },
            24.0,
        ),
        growth(
            "idle connection with a subscription, 2000 to 6000",
            Growth::Connections { from: scaled(2000), to: scaled(6000) },
            2048.0,
        ),
        growth(
            "idle connection with a subscription, 6000 to 19000",
            Growth::Connections { from: scaled(6000), to: scaled(19_000) },
            2048.0,
        ),
        growth(
            "a session's further member, key of 12 bytes and meta of 40",
            Growth::Members { from: scaled(10_000), to: scaled(240_000) },
            250.0 + bytes_of_strings() as f64,
        ),
    ]
}

/// At its full size if the divisor is 1.
fn presence(divisor: u64) -> Vec<Row> {
    let row = |name, load, goals| Row { name, load: Load::Presence(load), goals };
    let scaled = |number: u64| number.div_ceil(divisor);
    let watchers = scaled(1000) as usize;
    vec![
        row(
            "PRESENCE.TRACK, 4 connections, pipeline 64, nobody watches",
            Presence::Track { members: scaled(900_000) },
            vec![absolute(Metric::Rate, 200_000.0)],
        ),
        row(
            "PRESENCE.LIST of 1000 members, to an ECHO of as many bytes",
            Presence::List { members: scaled(1000) },
            vec![absolute(Metric::Ratio, 2.0)],
        ),
        row(
            "PRESENCE.COUNT of 100000 members, to that of 10",
            Presence::Count { few: 10, many: scaled(100_000) },
            vec![absolute(Metric::Ratio, 1.2)],
        ),
        row(
            "10000 members, 1000 watchers, 200 changes/s",
            Presence::Watch { members: scaled(10_000), watchers, changes_per_second: 200 },
            // The interval at whose end changes go out together is a half of it.
            vec![absolute(Metric::P99, 100.0 * MILLISECOND)],
        ),
        row(
            "1000 watchers of 10000 members at once; another client's PING",
            Presence::Crowd { members: scaled(10_000), watchers },
            vec![absolute(Metric::P999, 5.0 * MILLISECOND), absolute(Metric::Messages, 1.0)],
        ),
        row(
            "a session of 100000 members is lost; other clients' PUBLISH (p99) and PING (p99.9)",
            Presence::Lost { members: scaled(100_000) },
            vec![absolute(Metric::P99, 5.0 * MILLISECOND), absolute(Metric::P999, 5.0 * MILLISECOND)],
        ),
    ]
}

fn row(name: &'static str, traffic: Traffic, goals: Vec<Goal>) -> Row {
    Row { name, load: Load::Traffic(traffic), goals }
}

fn traffic(channels: usize, subscribers: usize, publishers: usize, pace: Pace) -> Traffic {
    Traffic { channels, subscribers, patterns: 0, publishers, pace, pinged: false }
}

fn times_best(metric: Metric, factor: f64) -> Goal {
    Goal { metric, bound: Bound::TimesBest(factor) }
}

fn absolute(metric: Metric, value: f64) -> Goal {
    Goal { metric, bound: Bound::Absolute(value) }
}
