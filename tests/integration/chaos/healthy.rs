//! Nothing is done to the instances: nothing is lost, and a confirmed subscription receives.

use std::env;
use std::time::{Duration, Instant};

use super::instances::{Id, Instances};
use super::load::{Load, Plan};
use crate::support::{Client, Protocol, Value, differs_from_oracle, encode, message};

/// Why none of this is asked of Redis.
const OURS: &str = "Redis forwards nothing between equals";

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

#[test]
fn three_instances_with_two_hundred_clients_lose_nothing() {
    if differs_from_oracle(OURS) {
        return;
    }
    let seconds = setting("HEREABOUTS_CHAOS_SECONDS", 2);
    let instances = Instances::start(3, &[]);
    let mut load = Load::start(&instances.addresses, Plan { subscribers: 194, ..Plan::default() });
    instances.await_counts(&load);
    load.publish();
    let began = Instant::now();
    loop {
        load.checkpoint_of_all();
        if began.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    let losses = load.finish(&instances);
    assert_eq!(losses.count(), 0);
    for instance in instances.alive() {
        assert_eq!(instances.lost(instance), 0, "instance {instance} counts losses");
    }
    instances.assert_nobody_was_called_down();
}

#[test]
fn what_is_published_elsewhere_after_the_confirmation_arrives() {
    if differs_from_oracle(OURS) {
        return;
    }
    let trials = setting("HEREABOUTS_CHAOS_TRIALS", 100) as usize;
    let instances = Instances::start(3, &[]);
    let connect = |protocol| -> Vec<Client> {
        (0..3).map(|instance| instances.client(instance).speak(protocol)).collect()
    };
    let mut publishers = connect(Protocol::Resp2);
    let mut subscribers = connect(Protocol::Resp3);
    let mut unheard = 0;
    for trial in 0..trials {
        let (home, elsewhere) = (trial % 3, (trial + 1 + trial / 3 % 2) % 3);
        let (subscriber, publisher) = (&mut subscribers[home], &mut publishers[elsewhere]);
        let (kind, subscribe, unsubscribe, publish) = match trial / 6 % 3 {
            0 => ("message", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH"),
            1 => ("pmessage", "PSUBSCRIBE", "PUNSUBSCRIBE", "PUBLISH"),
            _ => ("smessage", "SSUBSCRIBE", "SUNSUBSCRIBE", "SPUBLISH"),
        };
        let (channel, payload) = (format!("trial.{trial}"), format!("payload {trial}"));
        subscriber.subscribe(subscribe, &channel, 1);
        publisher.send(encode([publish, &channel, &payload]));
        let receivers = publisher.value();
        if receivers == Value::Integer(1) {
            let parts: &[&str] = match kind {
                "pmessage" => &[kind, &channel, &channel, &payload],
                _ => &[kind, &channel, &payload],
            };
            subscriber.expect(message(Protocol::Resp3, parts));
        } else {
            // Who has not heard of it within 100 ms is not waited for, and that is counted: this machine may be slow.
            let now: u64 = (0..3).map(|instance| instances.unheard(instance)).sum();
            assert!(
                now > unheard,
                "trial {trial}: {kind} from {elsewhere} to {home}: {receivers:?} receivers"
            );
            unheard = now;
        }
        subscriber.command(&format!("{unsubscribe} {channel}"));
        subscriber.expect_confirmation(&unsubscribe.to_lowercase(), &channel, 0);
    }
    println!("{trials} trials, {unheard} confirmed before everybody had heard of it");
}

#[test]
fn each_is_stopped_and_started_in_turn_and_those_that_stay_lose_nothing() {
    if differs_from_oracle(OURS) {
        return;
    }
    let mut instances = Instances::start(3, &["--shutdown-timeout", "1"]);
    let mut load = Load::start(&instances.addresses, Plan::default());
    load.publish();
    for number in 0..3 {
        load.checkpoint_of_all();
        let others: Vec<usize> = (0..3).filter(|other| *other != number).collect();
        // What it has not handed on when it ends is lost with it.
        let fault = load.begin_fault("SIGTERM", others.iter().map(|other| (number, *other)).collect(), false);
        instances.terminate(number);
        load.end_fault(fault);
        // The others were told, and need not find out.
        instances.await_log(&others, number, "leaves the cluster");
        instances.await_groups(&[&others]);
        load.checkpoint_of_all();
        instances.restart(number, if number == 1 { Id::New } else { Id::Same });
        instances.await_mesh();
        load.join(number, 5, 1);
    }
    load.checkpoint_of_all();
    instances.assert_nobody_was_called_down();
    load.finish(&instances);
}
