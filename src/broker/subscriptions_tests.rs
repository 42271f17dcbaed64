//! The table against a naive model: random subscriptions, publishes that stop half way, clients that go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;
use std::time::Duration;

use proptest::prelude::*;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};

use super::*;
use crate::config::OutputLimit;
use crate::glob;
use crate::outbox::{Batch, CloseReason, Taken};
use crate::resp::push::{FrameBuffer, Payload, Payloads, share};
use crate::time::Now;

const CLIENTS: usize = 6;
/// As channels, as patterns and as shard channels: they must not be mixed up.
const NAMES: [&str; 4] = ["a", "ab", "a*", "*"];

#[derive(Clone, Debug)]
enum Step {
    Subscribe {
        client: usize,
        kind: Kind,
        name: &'static str,
    },
    Unsubscribe {
        client: usize,
        kind: Kind,
        name: &'static str,
    },
    /// Some of a kind, by their ids.
    UnsubscribeSome {
        client: usize,
        kind: Kind,
        most: usize,
    },
    Publish {
        kind: ChannelKind,
        channel: &'static str,
        form: Form,
        budget: usize,
    },
    Continue {
        budget: usize,
    },
    /// The connection ends; another one takes its place, and its subscriptions stay until they are cleaned up.
    Close {
        client: usize,
    },
    CleanUp {
        most: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Small,
    Shared,
    /// So many messages in a row.
    Several(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    // Mostly the same few, so that they have several subscribers.
    let kind = prop_oneof![3 => Just(Kind::Channel), 3 => Just(Kind::Pattern), 1 => Just(Kind::Shard)];
    let name = prop_oneof![2 => Just("a"), 1 => proptest::sample::select(NAMES.as_slice())];
    let channel_kind = prop_oneof![4 => Just(ChannelKind::Global), 1 => Just(ChannelKind::Shard)];
    let form = prop_oneof![Just(Form::Small), Just(Form::Shared), (1usize..4).prop_map(Form::Several)];
    let one = (client.clone(), kind.clone(), name.clone());
    prop_oneof![
        8 => one.clone().prop_map(|(client, kind, name)| Step::Subscribe { client, kind, name }),
        3 => one.prop_map(|(client, kind, name)| Step::Unsubscribe { client, kind, name }),
        1 => (client.clone(), kind, 1usize..4)
            .prop_map(|(client, kind, most)| Step::UnsubscribeSome { client, kind, most }),
        5 => (channel_kind, name, form, 1usize..4)
            .prop_map(|(kind, channel, form, budget)| Step::Publish { kind, channel, form, budget }),
        5 => (1usize..4).prop_map(|budget| Step::Continue { budget }),
        1 => client.prop_map(|client| Step::Close { client }),
        1 => (1usize..4).prop_map(|most| Step::CleanUp { most }),
    ]
}

/// Which connection, which kind (as a number), which name.
type Subscription = (u64, u8, &'static str);

/// A publish, its fan-out perhaps unfinished.
struct Sent {
    publisher: Arc<Outbox>,
    kind: ChannelKind,
    channel: &'static str,
    messages: usize,
    /// Whether patterns that exist when its turn comes count.
    patterns: bool,
    /// From its turn to its end: who must have it then, and how many of its messages are there already.
    expects: Option<BTreeMap<Subscription, usize>>,
}

struct Connection {
    outbox: Arc<Outbox>,
    subscribed: Subscribed,
}

impl Connection {
    fn new(id: u64) -> Self {
        Connection { outbox: Arc::new(Outbox::new(id)), subscribed: Subscribed::default() }
    }
}

/// The table beside its model.
struct World {
    table: Subscriptions,
    connections: Vec<Connection>,
    /// Connections that have ended, with the subscriptions that are not cleaned up.
    gone: Vec<Connection>,
    next_id: u64,
    subscriptions: BTreeSet<Subscription>,
    closed: BTreeSet<u64>,
    sent: Vec<Sent>,
    /// Fan-outs that can go on, as indexes into `sent`, and by channel those that wait for an unfinished one.
    fanouts: VecDeque<usize>,
    waiting: BTreeMap<(bool, &'static str), VecDeque<usize>>,
}

impl World {
    fn new() -> Self {
        let mut world = World {
            table: Subscriptions::new(HashKeys::new([1, 2])),
            connections: Vec::new(),
            gone: Vec::new(),
            next_id: 0,
            subscriptions: BTreeSet::new(),
            closed: BTreeSet::new(),
            sent: Vec::new(),
            fanouts: VecDeque::new(),
            waiting: BTreeMap::new(),
        };
        world.connections = (0..CLIENTS).map(|_| world.connect()).collect();
        world
    }

    fn connect(&mut self) -> Connection {
        self.next_id += 1;
        Connection::new(self.next_id)
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Subscribe { client, kind, name } => self.subscribe(client, kind, name),
            Step::Unsubscribe { client, kind, name } => {
                let Connection { outbox, subscribed } = &mut self.connections[client];
                self.table.unsubscribe(kind, name.as_bytes(), subscribed);
                let id = outbox.id();
                self.forget((id, kind as u8, name));
            }
            Step::UnsubscribeSome { client, kind, most } => {
                let mut connection = std::mem::replace(&mut self.connections[client], Connection::new(0));
                self.unsubscribe_some(&mut connection, kind, most);
                self.connections[client] = connection;
            }
            Step::Publish { kind, channel, form, budget } => self.publish(kind, channel, form, budget),
            Step::Continue { budget } => self.go_on(budget),
            Step::Close { client } => {
                let new = self.connect();
                let old = std::mem::replace(&mut self.connections[client], new);
                let _ = old.outbox.close(CloseReason::Killed);
                self.closed.insert(old.outbox.id());
                self.stop_expecting(|(id, ..)| id == old.outbox.id());
                self.gone.push(old);
            }
            Step::CleanUp { most } => {
                if let Some(mut gone) = self.gone.pop() {
                    Kind::ALL.into_iter().for_each(|kind| self.unsubscribe_some(&mut gone, kind, most));
                    if gone.subscribed.total() > 0 {
                        self.gone.push(gone);
                    }
                }
            }
        }
    }

    fn subscribe(&mut self, client: usize, kind: Kind, name: &'static str) {
        let Connection { outbox, subscribed } = &mut self.connections[client];
        self.subscriptions.insert((outbox.id(), kind as u8, name));
        let own = |of: &&Subscription| of.0 == outbox.id() && of.1 == kind as u8;
        let expected = self.subscriptions.iter().filter(own).count();
        let mut confirmed = 0;
        self.table.subscribe(kind, name.as_bytes(), outbox, subscribed, |subscribed| {
            confirmed = subscribed.len(kind);
        });
        assert_eq!(confirmed, expected);
    }

    fn unsubscribe_some(&mut self, connection: &mut Connection, kind: Kind, most: usize) {
        let Connection { outbox, subscribed } = connection;
        for id in subscribed.some(kind, most) {
            let mut shown = None;
            self.table.unsubscribe_id(kind, id, subscribed, |name| {
                shown = NAMES.into_iter().find(|known| known.as_bytes() == name);
            });
            let known = self.forget((outbox.id(), kind as u8, shown.unwrap()));
            assert!(known, "{shown:?} was not subscribed to");
        }
    }

    /// Ends a subscription in the model; whether there was one.
    fn forget(&mut self, subscription: Subscription) -> bool {
        self.stop_expecting(|other| other == subscription);
        self.subscriptions.remove(&subscription)
    }

    /// Who leaves before his turn gets nothing. Who has it is counted.
    fn stop_expecting(&mut self, leaves: impl Fn(Subscription) -> bool) {
        for expects in self.sent.iter_mut().filter_map(|sent| sent.expects.as_mut()) {
            expects.retain(|&subscription, &mut received| received > 0 || !leaves(subscription));
        }
    }

    /// Everybody who is subscribed now.
    fn begin(&mut self, index: usize) {
        let Sent { kind, channel, patterns, .. } = self.sent[index];
        let wants = |&(id, of, name): &Subscription| {
            let fits = match (kind, of) {
                (ChannelKind::Global, of) if of == Kind::Pattern as u8 => {
                    patterns && glob::matches(name.as_bytes(), channel.as_bytes())
                }
                (ChannelKind::Global, of) => of == Kind::Channel as u8 && name == channel,
                (ChannelKind::Shard, of) => of == Kind::Shard as u8 && name == channel,
            };
            fits && !self.closed.contains(&id)
        };
        let expects = self.subscriptions.iter().copied().filter(wants).map(|subscription| (subscription, 0));
        self.sent[index].expects = Some(expects.collect());
    }

    fn publish(&mut self, kind: ChannelKind, channel: &'static str, form: Form, budget: usize) {
        let index = self.sent.len();
        let messages = if let Form::Several(messages) = form { messages } else { 1 };
        let publisher = Arc::new(Outbox::new(0));
        // Several messages are on their way together only if there is one way to receive them.
        let several = matches!(form, Form::Several(_));
        let patterns = kind == ChannelKind::Global && (!several || self.table.patterns() > 0);
        self.sent.push(Sent {
            publisher: publisher.clone(),
            kind,
            channel,
            messages,
            patterns,
            expects: None,
        });
        let line = (kind == ChannelKind::Shard, channel);
        if !self.waiting.contains_key(&line) {
            self.begin(index);
        }

        let (first, mut payloads) = (format!("{index}.0"), Payloads::default());
        (0..messages).for_each(|number| payloads.push(format!("{index}.{number}").as_bytes()));
        let shared = share(first.as_bytes());
        let payload = match form {
            Form::Small => Payload::Small(first.as_bytes()),
            Form::Shared => Payload::Shared(&shared),
            Form::Several(_) => Payload::Several(&payloads),
        };
        let message = Message { kind, channel: channel.as_bytes(), payload };
        let published = deliver(budget, |delivery| self.table.publish(message, &publisher, delivery));

        if published == Published::Separately {
            assert!(several && patterns, "there is one way");
            self.sent[index].expects = None;
        } else if several {
            let ways = self.sent[index].expects.iter().flatten().map(|(&(_, kind, name), _)| (kind, name));
            assert!(ways.collect::<BTreeSet<_>>().len() <= 1, "there are several ways");
        }
        self.collect();
        match (published, self.waiting.get_mut(&line)) {
            (Published::Separately, _) => {}
            (Published::Unfinished, Some(waiting)) => waiting.push_back(index),
            (Published::Delivered(_), Some(_)) => panic!("overtook an unfinished fan-out"),
            (Published::Delivered(receivers), None) => self.end(index, receivers),
            (Published::Unfinished, None) => {
                self.waiting.insert(line, VecDeque::new());
                self.fanouts.push_back(index);
            }
        }
    }

    fn go_on(&mut self, budget: usize) {
        assert_eq!(self.table.has_fanouts(), !self.fanouts.is_empty());
        let next = self.fanouts.pop_front();
        if let Some(index) = next
            && self.sent[index].expects.is_none()
        {
            self.begin(index);
        }
        let more = deliver(budget, |delivery| self.table.continue_fanout(delivery, |_, _, _| ()));
        self.collect();
        if let Some(index) = next {
            match self.sent[index].publisher.take_completion() {
                None => self.fanouts.push_back(index),
                Some(receivers) => {
                    self.end(index, receivers);
                    let line = (self.sent[index].kind == ChannelKind::Shard, self.sent[index].channel);
                    match self.waiting.get_mut(&line).unwrap().pop_front() {
                        Some(next) => self.fanouts.push_back(next),
                        None => drop(self.waiting.remove(&line)),
                    }
                }
            }
        }
        assert_eq!(more, !self.fanouts.is_empty());
    }

    fn end(&mut self, index: usize, receivers: u64) {
        let Sent { messages, ref mut expects, .. } = self.sent[index];
        let expects = expects.take().unwrap();
        assert!(expects.values().all(|&received| received == messages), "missing: {expects:?}");
        assert_eq!(receivers, expects.len() as u64);
    }

    /// Reads every outbox, and compares each frame with what is expected.
    fn collect(&mut self) {
        for connection in &self.connections {
            let mut batch = Batch::default();
            if connection.outbox.take(&mut batch, Waker::noop()) != Taken::Output {
                continue;
            }
            let mut bytes: Vec<u8> = batch.parts.drain(..).flatten().collect();
            bytes.append(&mut batch.tail);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (frame, length) = decode(rest).unwrap().unwrap();
                note(&mut self.sent, connection.outbox.id(), frame);
                rest = &rest[length..];
            }
        }
    }

    fn check_counts(&self) {
        let count = |kind: Kind, name: &str| {
            self.subscriptions.iter().filter(|&&(_, of, other)| (of, other) == (kind as u8, name)).count()
        };
        for name in NAMES {
            let global = self.table.subscribers(ChannelKind::Global, name.as_bytes());
            let shard = self.table.subscribers(ChannelKind::Shard, name.as_bytes());
            assert_eq!((global, shard), (count(Kind::Channel, name), count(Kind::Shard, name)), "{name}");
        }
        let patterns = NAMES.into_iter().filter(|name| count(Kind::Pattern, name) > 0).count();
        assert_eq!(self.table.patterns(), patterns);
    }

    fn check_lists(&self) {
        for (channel_kind, kind) in [(ChannelKind::Global, Kind::Channel), (ChannelKind::Shard, Kind::Shard)]
        {
            let (mut listed, mut place) = (Vec::new(), Some(ListPlace::default()));
            while let Some(from) = place {
                place = self.table.for_each_channel(channel_kind, from, 1, |name| listed.push(name.to_vec()));
            }
            listed.sort();
            let own = self.subscriptions.iter().filter(|&&(_, of, _)| of == kind as u8);
            let expected: BTreeSet<&str> = own.map(|&(_, _, name)| name).collect();
            assert_eq!(listed, expected.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());

            let shard = channel_kind == ChannelKind::Shard;
            let busy = self.waiting.keys().filter(|line| line.0 == shard).map(|line| line.1);
            assert_eq!(self.table.channels(channel_kind), expected.len());
            let entries: usize = self.table.shards(channel_kind).iter().map(|shard| shard.lock().len()).sum();
            assert_eq!(entries, expected.into_iter().chain(busy).collect::<BTreeSet<_>>().len());
        }
    }

    /// Ends all fan-outs and subscriptions: nothing must be left.
    fn end_all(&mut self) {
        while !self.fanouts.is_empty() {
            self.go_on(2);
        }
        self.check_lists();
        (0..CLIENTS).for_each(|client| self.apply(&Step::Close { client }));
        while !self.gone.is_empty() {
            self.apply(&Step::CleanUp { most: 1 });
        }
        assert_eq!(self.subscriptions, BTreeSet::new());
        self.check_counts();
        self.check_lists();
        assert_eq!(self.table.unfinished.load(Ordering::Relaxed), 0);
    }
}

pub(super) fn deliver<R>(budget: usize, act: impl FnOnce(&mut Delivery<'_>) -> R) -> R {
    let (mut ready, mut overflowed, mut frame) = (VecDeque::new(), Vec::new(), FrameBuffer::default());
    act(&mut Delivery {
        limit: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_duration: Duration::ZERO },
        now: Now::default(),
        ready: &mut ready,
        overflowed: &mut overflowed,
        frame: &mut frame,
        budget,
        delivered: 0,
        lost: 0,
        forward: 0,
    })
}

/// Somebody has received a frame: whose turn it was, and nobody else's.
fn note(sent: &mut [Sent], receiver: u64, frame: OwnedFrame) {
    let OwnedFrame::Array(words) = frame else { panic!("not a message: {frame:?}") };
    let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
    let (kind, name, channel, payload) = match words[..] {
        ["message", channel, payload] => (Kind::Channel, channel, channel, payload),
        ["smessage", channel, payload] => (Kind::Shard, channel, channel, payload),
        ["pmessage", pattern, channel, payload] => (Kind::Pattern, pattern, channel, payload),
        _ => panic!("not a message: {words:?}"),
    };
    let (index, number) = payload.split_once('.').unwrap();
    let sent = &mut sent[index.parse::<usize>().unwrap()];
    assert_eq!(channel, sent.channel);
    let name = NAMES.into_iter().find(|known| *known == name).unwrap();
    let expects = sent.expects.as_mut().expect("its turn");
    let received = expects.get_mut(&(receiver, kind as u8, name)).expect("a receiver");
    assert_eq!(number.parse(), Ok(*received), "each message once and in order");
    *received += 1;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 0..100)) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
            world.check_counts();
            if matches!(step, Step::CleanUp { .. }) {
                world.check_lists();
            }
        }
        world.end_all();
    }
}

/// Three subscribers, of whom a publish has reached the first when all leave and others come.
fn replace_all_during_a_fan_out(kind: Kind, name: &'static str, budget: usize) {
    let mut world = World::new();
    (0..3).for_each(|client| world.apply(&Step::Subscribe { client, kind, name }));
    world.apply(&Step::Publish { kind: ChannelKind::Global, channel: "a", form: Form::Small, budget });
    let reached = world.sent[0].expects.as_ref().unwrap().values().sum::<usize>();
    assert_eq!(reached, 1, "the budget is for one");
    (0..3).for_each(|client| world.apply(&Step::Unsubscribe { client, kind, name }));
    (2..5).for_each(|client| world.apply(&Step::Subscribe { client, kind, name }));
    world.apply(&Step::Continue { budget: 5 });
    assert_eq!(world.fanouts.len(), 0, "nobody is left to reach");
    world.end_all();
}

#[test]
fn who_takes_the_place_of_a_crowd_does_not_get_its_message() {
    replace_all_during_a_fan_out(Kind::Channel, "a", 1);
    // One of the budget goes for looking through the patterns.
    replace_all_during_a_fan_out(Kind::Pattern, "a*", 2);
}

#[test]
fn a_delivery_counts_in_the_turn_in_which_it_happens() {
    let table = Subscriptions::new(HashKeys::new([1, 2]));
    let (publisher, receivers) = (Arc::new(Outbox::new(0)), [1, 2, 3].map(|id| Arc::new(Outbox::new(id))));
    for receiver in &receivers {
        table.subscribe(Kind::Channel, b"a", receiver, &mut Subscribed::default(), |_| ());
    }
    let mut payloads = Payloads::default();
    (0..10).for_each(|_| payloads.push(b"x"));
    let message = Message { kind: ChannelKind::Global, channel: b"a", payload: Payload::Several(&payloads) };
    let first = deliver(2, |delivery| {
        assert_eq!(table.publish(message, &publisher, delivery), Published::Unfinished);
        delivery.delivered
    });
    // Whatever has become of the publisher meanwhile.
    drop(publisher);
    let second = deliver(5, |delivery| {
        assert!(!table.continue_fanout(delivery, |_, _, _| ()));
        delivery.delivered
    });
    assert_eq!((first, second), (20, 10));
}

#[test]
fn patterns_looked_at_and_receivers_reached_share_the_budget() {
    let mut world = World::new();
    for (client, name) in ["a", "a*", "*"].into_iter().enumerate() {
        world.apply(&Step::Subscribe { client, kind: Kind::Pattern, name });
    }
    world.apply(&Step::Publish { kind: ChannelKind::Global, channel: "a", form: Form::Small, budget: 3 });
    let reached = world.sent[0].expects.as_ref().map(|expects| expects.values().sum::<usize>());
    assert_eq!(reached, Some(0), "the patterns took all of it");
    world.end_all();
}
