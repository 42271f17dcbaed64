//! Two and three whole brokers in one process that know what the others want: clients' requests go in, replies and messages come
//! out, and what the brokers have to tell each other is handed over by hand, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use hereabouts::broker::Broker;
use hereabouts::broker::clients::{Address, Client};
use hereabouts::broker::session::Session;
use hereabouts::command::{Interpreter, Workspace, flush, wait_for_peers};
use hereabouts::config::Config;
use hereabouts::crdt::NodeId;
use hereabouts::map::HashKeys;
use hereabouts::outbox::{Batch, Outbox, Taken};
use hereabouts::pubsub::fanout::{Delivery, Message};
use hereabouts::resp::push::{ChannelKind, FrameBuffer, Payload};
use hereabouts::resp::request::{Decoder, Limits};
use hereabouts::time::Now;

use crate::surroundings::{NoHost, identity};

struct World {
    brokers: Vec<Broker>,
    clients: BTreeMap<u64, (usize, Interpreter)>,
    now_ms: u64,
}

fn at(now_ms: u64) -> Now {
    let unix = Duration::from_secs(1_700_000_000);
    Now { monotonic: Duration::from_millis(now_ms), unix: unix + Duration::from_millis(now_ms) }
}

fn node(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

impl World {
    fn new(count: usize) -> World {
        let start = |index: usize| {
            let keys = HashKeys::new([7, index as u64]);
            let broker = Broker::new(
                Config::default(),
                Box::new(NoHost),
                identity(node(index), index as u64),
                keys,
                at(0),
            );
            broker.interest.enable();
            broker
        };
        let mut world =
            World { brokers: (0..count).map(start).collect(), clients: BTreeMap::new(), now_ms: 1 };
        for (one, other) in world.pairs() {
            let owner = world.brokers[other].interest.owner();
            world.brokers[one].interest.node_up(at(1), owner.node, owner.incarnation);
            world.brokers[one].interest.link_up(at(1), owner.node);
        }
        world.pass(100);
        world
    }

    /// Each with each other one, in both directions.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.brokers.len();
        let all = (0..count).flat_map(|one| (0..count).map(move |other| (one, other)));
        all.filter(|(one, other)| one != other).collect()
    }

    fn cut(&self, one: usize, other: usize) {
        for (one, other) in [(one, other), (other, one)] {
            let broker = &self.brokers[one];
            broker.interest.link_down(&broker.subscriptions, node(other));
        }
    }

    /// Membership of one calls another one down.
    fn call_down(&self, down: usize, by: usize) {
        let (broker, now) = (&self.brokers[by], at(self.now_ms));
        broker.interest.node_down(now, node(down));
        broker.interest_turn(now);
    }

    fn connect(&mut self, index: usize) -> u64 {
        let id = self.clients.len() as u64 + 1;
        let client = Arc::new(Client::new(id, Address::Internal, Address::Internal, -1, at(self.now_ms)));
        self.brokers[index].clients.insert(client.clone());
        let session = Session::new(client, &self.brokers[index]);
        self.clients.insert(id, (index, Interpreter::new(session)));
        id
    }

    /// What a client gets for a command, as RESP2, and what has come for it before.
    fn command(&mut self, client: u64, words: &[&str]) -> String {
        let now = at(self.now_ms);
        let (index, interpreter) = self.clients.get_mut(&client).unwrap();
        let broker = &self.brokers[*index];
        let bytes = crate::support::encode(words);
        let limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };
        let (mut decoder, mut workspace) = (Decoder::default(), Workspace::default());
        workspace.begin_turn(4096, now);
        let request = decoder.decode(&bytes, limits, &mut 0).unwrap().unwrap();
        assert!(interpreter.execute(broker, &mut workspace, now, request));
        interpreter.finish_burst(broker, &mut workspace, now);
        while interpreter.suspended().is_some() {
            workspace.begin_turn(4096, now);
            interpreter.resume(broker, &mut workspace, now);
        }
        flush(&interpreter.session, &mut workspace, now);
        wait_for_peers(broker, &interpreter.session, &mut workspace, now);
        self.receive(client)
    }

    fn receive(&mut self, client: u64) -> String {
        let (_, interpreter) = &self.clients[&client];
        let mut received = Vec::new();
        let mut batch = Batch::default();
        while interpreter.session.outbox().take(&mut batch, Waker::noop()) == Taken::Output {
            batch.parts.drain(..).for_each(|part| received.extend_from_slice(&part));
            received.append(&mut batch.tail);
        }
        String::from_utf8(received).unwrap()
    }

    /// What one asks for, on a connection of its own.
    fn ask(&mut self, index: usize, words: &[&str]) -> String {
        let client = self.connect(index);
        self.command(client, words)
    }

    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds.div_ceil(10) {
            self.now_ms += 10;
            (0..self.brokers.len()).for_each(|index| self.turn(index));
        }
    }

    fn turn(&self, index: usize) {
        let (broker, now) = (&self.brokers[index], at(self.now_ms));
        while broker.interest_turn(now).more {}
        while let Some((peer, version)) = broker.interest.poll_applied() {
            self.brokers[peer.0 as usize - 1].interest.acknowledged(node(index), version);
        }
        while broker.confirm_some(&mut VecDeque::new()) {}
        let mut frames: Vec<_> = std::iter::from_fn(|| broker.interest.poll_message()).collect();
        for peer in (0..self.brokers.len()).map(node) {
            let parts = std::iter::from_fn(|| broker.interest.next_part(peer));
            frames.extend(parts.map(|frame| (peer, frame)));
        }
        for (to, frame) in frames {
            let peer = &self.brokers[to.0 as usize - 1];
            peer.interest.handle_message(now, node(index), &frame, self.now_ms).unwrap();
        }
    }

    /// Publishes as a client would; what is to be forwarded arrives. Returns to whom it was.
    fn publish(&self, index: usize, channel: &str, payload: &str) -> Vec<usize> {
        let message = Message {
            kind: ChannelKind::Global,
            channel: channel.as_bytes(),
            payload: Payload::Small(payload.as_bytes()),
        };
        let publisher = Arc::new(Outbox::new(0));
        let broker = &self.brokers[index];
        let forward = self.deliver(|delivery| {
            broker.subscriptions.publish(message, &publisher, delivery);
            delivery.forward
        });
        let is_meant = |other: &usize| {
            let bit = broker.interest.bit(node(*other));
            bit.is_some_and(|bit| forward >> bit & 1 == 1)
        };
        let peers: Vec<usize> = (0..self.brokers.len()).filter(is_meant).collect();
        for peer in &peers {
            let subscriptions = &self.brokers[*peer].subscriptions;
            let forward = self.deliver(|delivery| {
                subscriptions.publish_here(message, &publisher, delivery);
                delivery.forward
            });
            assert_eq!(forward, 0, "nothing is forwarded twice");
        }
        peers
    }

    fn deliver<R>(&self, act: impl FnOnce(&mut Delivery<'_>) -> R) -> R {
        act(&mut Delivery {
            limit: Config::default().client_output_buffer_limit.pubsub,
            now: at(self.now_ms),
            ready: &mut VecDeque::new(),
            overflowed: &mut Vec::new(),
            frame: &mut FrameBuffer::default(),
            budget: 1024,
            delivered: 0,
            lost: 0,
            forward: 0,
        })
    }
}

#[test]
fn a_message_goes_where_it_is_wanted_and_all_are_counted() {
    let mut world = World::new(3);
    let subscribers: Vec<u64> = [0, 1, 1].into_iter().map(|index| world.connect(index)).collect();
    for subscriber in &subscribers {
        world.command(*subscriber, &["SUBSCRIBE", "news"]);
    }
    world.pass(100);
    assert_eq!(world.publish(2, "news", "hello"), [0, 1]);
    assert_eq!(world.publish(0, "news", "again"), [1]);
    assert_eq!(world.publish(2, "other", "nobody hears"), [0; 0]);
    for subscriber in subscribers {
        let heard = world.receive(subscriber);
        assert!(
            heard.ends_with("$5\r\nhello\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nagain\r\n"),
            "{heard}"
        );
        assert_eq!(heard.matches("message").count(), 2);
    }
    for index in 0..3 {
        assert_eq!(world.ask(index, &["PUBLISH", "news", "x"]), ":3\r\n");
        assert_eq!(world.ask(index, &["PUBLISH", "other", "x"]), ":0\r\n");
        assert_eq!(world.ask(index, &["PUBSUB", "NUMSUB", "news"]), "*2\r\n$4\r\nnews\r\n:3\r\n");
        assert_eq!(world.ask(index, &["PUBSUB", "CHANNELS"]), "*1\r\n$4\r\nnews\r\n");
    }
    // What INFO tells is this instance's.
    let channels: Vec<usize> =
        world.brokers.iter().map(|broker| broker.subscriptions.channels(ChannelKind::Global)).collect();
    assert_eq!(channels, [1, 1, 0]);
}

#[test]
fn patterns_and_shard_channels_are_wanted_too() {
    let mut world = World::new(3);
    let (one, two, both) = (world.connect(0), world.connect(1), world.connect(1));
    world.command(one, &["PSUBSCRIBE", "news.*"]);
    world.command(two, &["PSUBSCRIBE", "news.*", "*.uk", "__presence__:*"]);
    world.command(both, &["SUBSCRIBE", "news.uk"]);
    world.command(both, &["SSUBSCRIBE", "news.uk"]);
    world.pass(100);
    for index in 0..3 {
        // Both patterns of one client, that of the other, and the channel.
        assert_eq!(world.ask(index, &["PUBLISH", "news.uk", "x"]), ":4\r\n");
        assert_eq!(world.ask(index, &["SPUBLISH", "news.uk", "x"]), ":1\r\n");
        assert_eq!(world.ask(index, &["PUBLISH", "sport.uk", "x"]), ":1\r\n");
        assert_eq!(world.ask(index, &["PUBSUB", "SHARDNUMSUB", "news.uk"]), "*2\r\n$7\r\nnews.uk\r\n:1\r\n");
        assert_eq!(world.ask(index, &["PUBSUB", "SHARDCHANNELS"]), "*1\r\n$7\r\nnews.uk\r\n");
        // What presence tells is told by each instance itself.
        let patterns = if index == 1 { ":3\r\n" } else { ":2\r\n" };
        assert_eq!(world.ask(index, &["PUBSUB", "NUMPAT"]), patterns);
    }
    assert_eq!(world.publish(2, "news.uk", "x"), [0, 1]);
    assert_eq!(world.publish(2, "sport.uk", "x"), [1]);
    let patterns: Vec<usize> = world.brokers.iter().map(|broker| broker.subscriptions.patterns()).collect();
    assert_eq!(patterns, [1, 3, 0]);
}

#[test]
fn who_goes_is_not_counted_and_what_nobody_wants_goes_after_a_while() {
    let mut world = World::new(3);
    let (one, two) = (world.connect(0), world.connect(1));
    world.command(one, &["SUBSCRIBE", "news", "mine"]);
    world.command(two, &["SUBSCRIBE", "news"]);
    world.command(two, &["PSUBSCRIBE", "n*"]);
    world.pass(100);
    assert_eq!(world.ask(2, &["PUBLISH", "news", "x"]), ":3\r\n");
    // A peer without a link counts for nothing, at once. What it wanted waits for the next link.
    world.cut(1, 2);
    assert_eq!(world.ask(2, &["PUBLISH", "news", "x"]), ":1\r\n");
    assert_eq!(world.ask(2, &["PUBSUB", "NUMPAT"]), ":0\r\n");
    assert_eq!(world.publish(2, "news", "x"), [0, 1]);
    world.call_down(1, 2);
    assert_eq!(world.publish(2, "news", "x"), [0]);
    world.cut(0, 2);
    assert_eq!(world.ask(2, &["PUBSUB", "NUMSUB", "news"]), "*2\r\n$4\r\nnews\r\n:0\r\n");
    assert_eq!(world.ask(2, &["PUBSUB", "CHANNELS"]), "*0\r\n");
    assert_eq!(world.ask(0, &["PUBLISH", "news", "x"]), ":3\r\n");
    // The last subscriber goes: the count at once, the messages a second later.
    world.command(one, &["UNSUBSCRIBE"]);
    world.pass(100);
    assert_eq!(world.ask(1, &["PUBSUB", "CHANNELS"]), "*1\r\n$4\r\nnews\r\n");
    assert_eq!(world.publish(1, "mine", "x"), [0]);
    world.pass(1_000);
    assert_eq!(world.publish(1, "mine", "x"), [0; 0]);
}

#[test]
fn whoever_is_linked_gets_everything_until_it_is_known_what_it_wants() {
    let mut world = World::new(2);
    let subscriber = world.connect(0);
    world.command(subscriber, &["SUBSCRIBE", "news"]);
    world.pass(100);
    world.cut(0, 1);
    world.command(subscriber, &["SUBSCRIBE", "late"]);
    world.pass(100);
    assert_eq!(world.publish(1, "late", "x"), [0; 0]);
    for (one, other) in world.pairs() {
        world.brokers[one].interest.link_up(at(world.now_ms), node(other));
    }
    // Nothing has come yet from the other one.
    world.brokers[1].interest_turn(at(world.now_ms));
    assert_eq!(world.publish(1, "late", "x"), [0]);
    assert_eq!(world.publish(1, "whatever", "x"), [0]);
    assert_eq!(world.ask(1, &["PUBLISH", "news", "x"]), ":1\r\n");
    world.pass(1_100);
    assert_eq!(world.publish(1, "whatever", "x"), [0; 0]);
    assert_eq!(world.publish(1, "late", "x"), [0]);
}

#[test]
fn a_confirmed_subscription_receives_what_is_published_afterwards() {
    let mut world = World::new(3);
    let subscriber = world.connect(0);
    for number in 0..50 {
        let channel = format!("channel-{number}");
        assert_eq!(world.command(subscriber, &["SUBSCRIBE", &channel]), "");
        let mut turns = 0;
        while !world.receive(subscriber).contains("subscribe") {
            world.pass(10);
            turns += 1;
            assert!(turns < 5);
        }
        for publisher in 1..3 {
            assert_eq!(world.publish(publisher, &channel, "x"), [0]);
        }
        assert_eq!(world.receive(subscriber).matches("message").count(), 2);
    }
    assert_eq!(world.brokers[0].interest.counts().unheard, 0);
}

#[test]
fn a_long_name_is_found_by_its_hash() {
    let mut world = World::new(2);
    let (long, other) = ("x".repeat(2_000), "x".repeat(2_001));
    let subscriber = world.connect(0);
    world.command(subscriber, &["SUBSCRIBE", &long]);
    world.pass(100);
    assert_eq!(world.ask(1, &["PUBLISH", &long, "x"]), ":1\r\n");
    assert_eq!(world.publish(1, &long, "x"), [0]);
    assert_eq!(world.publish(1, &other, "x"), [0; 0]);
    assert_eq!(world.ask(1, &["PUBSUB", "CHANNELS"]), "*0\r\n");
    world.command(subscriber, &["UNSUBSCRIBE", &long]);
    world.pass(1_100);
    assert_eq!(world.publish(1, &long, "x"), [0; 0]);
}
