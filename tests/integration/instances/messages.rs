//! What is published at one instance reaches subscribers of the others: once, whole, in order, and counted.

use super::both_protocols_over;
use crate::support::{Value, differs_from_oracle, encode, eventually};

#[test]
fn a_message_reaches_subscribers_of_all_instances() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    both_protocols_over(3, |instances, protocol| {
        let mut subscribers: Vec<_> = (0..3).map(|at| instances[at].speaking(protocol)).collect();
        subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("SUBSCRIBE", "news", 1));
        instances.wait_for_subscribers("NUMSUB", "news", 3);
        for at in 0..3 {
            let text = format!("from-{at}");
            instances[at].client().call(&format!("PUBLISH news {text}"), ":3\r\n");
            subscribers.iter_mut().for_each(|subscriber| subscriber.expect_message("news", &text));
        }
        subscribers.iter_mut().for_each(|subscriber| subscriber.expect_nothing_more());
    });
}

#[test]
fn patterns_and_shard_channels_too() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    both_protocols_over(2, |instances, protocol| {
        let mut by_pattern = instances[0].speaking(protocol);
        by_pattern.subscribe("PSUBSCRIBE", "news.*", 1);
        let mut of_shard = instances[0].speaking(protocol);
        of_shard.subscribe("SSUBSCRIBE", "news.1", 1);
        instances.wait_for_subscribers("SHARDNUMSUB", "news.1", 1);
        let mut publisher = instances[1].client();
        eventually("the pattern is known", || publisher.ask("PUBSUB NUMPAT") == Value::Integer(1));
        publisher.call("PUBLISH news.1 global", ":1\r\n");
        publisher.call("SPUBLISH news.1 shard", ":1\r\n");
        publisher.call("PUBLISH other nobody", ":0\r\n");
        by_pattern.expect_pmessage("news.*", "news.1", "global");
        of_shard.expect_smessage("news.1", "shard");
        by_pattern.expect_nothing_more();
        of_shard.expect_nothing_more();
    });
}

#[test]
fn what_one_client_publishes_stays_in_order_over_all_channels() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    both_protocols_over(2, |instances, protocol| {
        let mut subscriber = instances[0].speaking(protocol);
        for (index, channel) in ["a", "b", "c"].into_iter().enumerate() {
            subscriber.subscribe("SUBSCRIBE", channel, index + 1);
            instances.wait_for_subscribers("NUMSUB", channel, 1);
        }
        let channel = |number: usize| ["a", "a", "a", "b", "c"][number % 5];
        let payload = |number: usize| {
            // Some are larger than a frame, and wait for each other's pieces.
            let filler = if number.is_multiple_of(97) { 200_000 } else { number % 50 };
            format!("{number}-{}", "x".repeat(filler))
        };
        let mut publisher = instances[1].client();
        let requests: Vec<u8> =
            (0..1000).flat_map(|number| encode(["PUBLISH", channel(number), &payload(number)])).collect();
        let mut writer = publisher.writer();
        let writing = std::thread::spawn(move || writer.write_all(&requests).unwrap());
        for number in 0..1000 {
            subscriber.expect_message(channel(number), &payload(number));
            publisher.expect(":1\r\n");
        }
        writing.join().unwrap();
        subscriber.expect_nothing_more();
    });
}

#[test]
fn a_message_to_very_many_reaches_each_of_them() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    both_protocols_over(2, |instances, protocol| {
        // More than one turn of a fan-out reaches.
        let mut subscribers: Vec<_> = (0..1500).map(|_| instances[0].speaking(protocol)).collect();
        subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("SUBSCRIBE", "all", 1));
        let mut other = instances[0].speaking(protocol);
        other.subscribe("SUBSCRIBE", "all", 1);
        other.subscribe("SUBSCRIBE", "few", 2);
        instances.wait_for_subscribers("NUMSUB", "all", 1501);
        instances.wait_for_subscribers("NUMSUB", "few", 1);
        let mut publisher = instances[1].client();
        publisher.send("PUBLISH all 1\r\nPUBLISH few 2\r\nPUBLISH all 3\r\n");
        publisher.expect(":1501\r\n:1\r\n:1501\r\n");
        other.expect_message("all", "1");
        other.expect_message("few", "2");
        other.expect_message("all", "3");
        for subscriber in &mut subscribers {
            subscriber.expect_message("all", "1");
            subscriber.expect_message("all", "3");
        }
    });
}
