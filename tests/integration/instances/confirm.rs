//! A confirmed subscription is a promise: what is published anywhere afterwards arrives.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Instances;
use crate::support::{Client, Protocol, Value, differs_from_oracle, eventually};

/// So many times, or as often as `HEREABOUTS_TEST_TRIALS` says.
const TRIALS: usize = 300;

/// How long a confirmation waits for an instance that does not answer.
const PATIENCE: Duration = Duration::from_millis(100);

fn trials() -> usize {
    std::env::var("HEREABOUTS_TEST_TRIALS").map_or(TRIALS, |text| text.parse().expect("a number of trials"))
}

/// Instances that know all that is wanted, so that none gets what it does not want.
fn caught_up(count: usize, flags: &[&str]) -> Instances {
    let instances = Instances::start_with(count, flags);
    let mut subscribers: Vec<Client> = (0..count).map(|at| instances[at].client()).collect();
    subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("SUBSCRIBE", "warm", 1));
    instances.wait_for_subscribers("NUMSUB", "warm", count);
    instances
}

fn timeouts(instances: &Instances, at: usize) -> u64 {
    instances[at].info("cluster_subscribe_ack_timeouts").parse().unwrap()
}

#[test]
fn what_is_published_after_a_confirmation_arrives() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let instances = caught_up(3, &[]);
    let client = |at: usize| instances[at].speaking(Protocol::Resp3);
    let mut subscribers: Vec<Client> = (0..3).map(client).collect();
    let mut publishers: Vec<Client> = (0..3).map(client).collect();
    let (mut lost, trials) = (0, trials());
    for trial in 0..trials {
        let at = trial % 3;
        subscribers[at]
            .send(format!("SUBSCRIBE c{trial}\r\nPSUBSCRIBE p{trial}.*\r\nSSUBSCRIBE s{trial}\r\n"));
        subscribers[at].expect_confirmation("subscribe", &format!("c{trial}"), 1);
        subscribers[at].expect_confirmation("psubscribe", &format!("p{trial}.*"), 2);
        subscribers[at].expect_confirmation("ssubscribe", &format!("s{trial}"), 1);
        let names = [format!("c{trial}"), format!("p{trial}.x"), format!("s{trial}")];
        let others = [(at + 1 + trial / 3 % 2) % 3, (at + 2 - trial / 3 % 2) % 3];
        for other in others {
            let [channel, pattern, shard] = &names;
            publishers[other].send(format!(
                "PUBLISH {channel} from-{other}\r\nPUBLISH {pattern} from-{other}\r\nSPUBLISH {shard} from-{other}\r\n"
            ));
        }
        let mut missed = 0;
        for other in others {
            for _ in 0..3 {
                let receivers = publishers[other].value();
                missed += u64::from(receivers != Value::Integer(1));
            }
        }
        if missed > 0 {
            // Another process had the processor for so long that the time-out came, and that was counted.
            assert!(timeouts(&instances, at) > 0, "trial {trial}: {missed} lost, and all had confirmed");
            lost += missed;
            subscribers[at] = client(at);
            continue;
        }
        let mut received: Vec<String> = (0..6).map(|_| last_two(&subscribers[at].value())).collect();
        let mut expected: Vec<String> = others
            .iter()
            .flat_map(|other| names.iter().map(move |name| format!("{name} from-{other}")))
            .collect();
        received.sort();
        expected.sort();
        assert_eq!(received, expected);
        subscribers[at].send("UNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\n");
        subscribers[at].expect_confirmation("unsubscribe", &format!("c{trial}"), 1);
        subscribers[at].expect_confirmation("punsubscribe", &format!("p{trial}.*"), 0);
        subscribers[at].expect_confirmation("sunsubscribe", &format!("s{trial}"), 0);
    }
    let counted: u64 = (0..3).map(|at| timeouts(&instances, at)).sum();
    println!("{trials} trials, {lost} of {} messages lost, {counted} time-outs", trials * 6);
}

/// Channel and payload of a message.
fn last_two(message: &Value) -> String {
    let [.., channel, payload] = message.elements() else { panic!("{message:?}") };
    format!("{} {}", channel.text(), payload.text())
}

#[test]
fn a_subscription_in_a_transaction_is_confirmed_when_all_know_of_it() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let instances = caught_up(2, &[]);
    let mut subscriber = instances[0].client();
    let mut publisher = instances[1].client();
    for trial in 0..20 {
        subscriber.send(format!("MULTI\r\nSUBSCRIBE t{trial}\r\nEXEC\r\nPING\r\n"));
        subscriber.expect("+OK\r\n+QUEUED\r\n*1\r\n");
        subscriber.expect_confirmation("subscribe", &format!("t{trial}"), 1);
        subscriber.expect("*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        publisher.call(&format!("PUBLISH t{trial} x"), ":1\r\n");
        subscriber.expect_message(&format!("t{trial}"), "x");
        subscriber = instances[0].client();
    }
}

#[test]
fn an_instance_that_does_not_answer_is_waited_for_once() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let instances = caught_up(2, &[]);
    let mut subscriber = instances[0].client();
    subscriber.subscribe("SUBSCRIBE", "known", 1);
    let before = timeouts(&instances, 0);
    instances[1].signal(Signal::STOP);
    // Nobody has to hear of these.
    for (count, channel) in ["__hereabouts__:loss", "__presence__:lobby"].into_iter().enumerate() {
        subscriber.subscribe("SUBSCRIBE", channel, count + 2);
    }
    assert_eq!(last_two(&subscriber.value()).split(' ').next(), Some("__presence__:lobby"));
    assert_eq!(timeouts(&instances, 0), before);
    let begun = Instant::now();
    subscriber.send("SUBSCRIBE a b\r\nPING\r\nPSUBSCRIBE c*\r\n");
    subscriber.expect_confirmation("subscribe", "a", 4);
    assert!(begun.elapsed() + Duration::from_millis(1) >= PATIENCE);
    subscriber.expect_confirmation("subscribe", "b", 5);
    subscriber.expect("*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    subscriber.expect_confirmation("psubscribe", "c*", 6);
    let once = timeouts(&instances, 0);
    assert!(once > before);
    // If each of these waited it would take seconds.
    let begun = Instant::now();
    for number in 0..40 {
        subscriber.subscribe("SUBSCRIBE", &format!("next-{number}"), 7 + number);
    }
    assert!(begun.elapsed() < 40 * PATIENCE);
    assert_eq!(timeouts(&instances, 0), once + 40);
    instances[1].signal(Signal::CONT);
    eventually("it has heard of all", || instances[0].info("cluster_interest_lag") == "0");
    let caught_up = timeouts(&instances, 0);
    subscriber.subscribe("SUBSCRIBE", "afterwards", 47);
    instances[1].client().call("PUBLISH afterwards x", ":1\r\n");
    subscriber.expect_message("afterwards", "x");
    assert_eq!(timeouts(&instances, 0), caught_up);
}

#[test]
fn who_does_not_want_it_does_not_wait() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    let instances = caught_up(2, &["--subscribe-ack", "local"]);
    instances[1].signal(Signal::STOP);
    let mut subscriber = instances[0].client();
    for number in 0..10 {
        subscriber.subscribe("SUBSCRIBE", &format!("channel-{number}"), number + 1);
    }
    assert_eq!(timeouts(&instances, 0), 0);
    instances[1].signal(Signal::CONT);
}
