//! What does not get across is told to clients of the instance that missed it.

use super::both_protocols_with;
use crate::support::differs_from_oracle;

const LOSSES: &str = "__hereabouts__:loss";

#[test]
fn clients_are_told_what_their_instance_has_missed() {
    if differs_from_oracle("a Redis is alone") {
        return;
    }
    // The publisher's instance does not forward what is larger.
    both_protocols_with(2, &["--cluster-message-max", "1mb"], |instances, protocol| {
        let mut subscriber = instances[0].speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "news", 1);
        instances.wait_for_subscribers("NUMSUB", "news", 1);
        let mut listeners = [instances[0].speaking(protocol), instances[0].speaking(protocol)];
        listeners[0].subscribe("SUBSCRIBE", LOSSES, 1);
        listeners[1].subscribe("PSUBSCRIBE", "__hereabouts__:*", 1);
        let mut elsewhere = instances[1].speaking(protocol);
        elsewhere.subscribe("SUBSCRIBE", LOSSES, 1);
        let mut publisher = instances[1].client();
        publisher.call(&format!("PUBLISH news {}", "x".repeat(2 << 20)), ":1\r\n");
        let event = r#"{"peer":"0000000000000002","reason":"too-large","count":1}"#;
        listeners[0].expect_message(LOSSES, event);
        listeners[1].expect_pmessage("__hereabouts__:*", LOSSES, event);
        elsewhere.expect_nothing_more();
        publisher.call("PUBLISH news small", ":1\r\n");
        subscriber.expect_message("news", "small");
        assert_eq!(instances[0].info("cluster_messages_lost_too_large"), "1");
        assert_eq!(instances[1].info("cluster_messages_dropped_too_large"), "1");
    });
}

#[test]
fn nobody_else_speaks_there() {
    if differs_from_oracle("the channel is ours") {
        return;
    }
    both_protocols_with(1, &[], |instances, protocol| {
        let mut client = instances[0].speaking(protocol);
        client.call(&format!("PUBLISH {LOSSES} x"), format!("-ERR channel '{LOSSES}' is reserved\r\n"));
    });
}

#[test]
fn clients_that_were_too_slow_are_told_of_too() {
    if differs_from_oracle("the channel is ours") {
        return;
    }
    let flags = ["--client-output-buffer-limit", "pubsub 1mb 0 0"];
    both_protocols_with(1, &flags, |instances, protocol| {
        let mut listener = instances[0].speaking(protocol);
        listener.subscribe("SUBSCRIBE", LOSSES, 1);
        let mut slow = instances[0].client();
        slow.subscribe("SUBSCRIBE", "news", 1);
        let mut publisher = instances[0].client();
        let request = format!("PUBLISH news {}", "x".repeat(1 << 20));
        // The kernel takes some of it.
        while publisher.ask(&request).integer() == 1 {}
        let event = r#"{"peer":"0000000000000001","reason":"output-limit","count":1}"#;
        listener.expect_message(LOSSES, event);
    });
}
