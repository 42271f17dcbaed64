//! Topics whose clients do with each message what phoenix.js would, and must always have what the topic had.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::*;
use crate::crdt::NodeId;
use crate::presence::group::Shown;
use crate::presence::{Member, Meta, SessionName, Stamp, Version};

const SETTINGS: Settings = Settings { interval_ms: 50, backlog_bytes: 2_000, piece_bytes: 600 };
const KEYS: u8 = 6;
const KEYED: HashKeys = HashKeys::new([1, 2]);

/// Metas by key, each by its ref.
type Content = BTreeMap<String, BTreeMap<String, u64>>;

struct Reader {
    id: u64,
    ready: Mutex<BTreeSet<Place>>,
    owed: AtomicU64,
}

impl Watcher for Reader {
    fn id(&self) -> u64 {
        self.id
    }

    fn ready(&self, place: Place) -> Option<Waker> {
        assert!(self.ready.lock().unwrap().insert(place), "told twice");
        None
    }

    fn owe(&self, bytes: u64) -> u64 {
        self.owed.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn settle(&self, bytes: u64) {
        assert!(self.owed.fetch_sub(bytes, Ordering::Relaxed) >= bytes);
    }
}

/// What one watch of a client has made of its messages.
#[derive(Default)]
struct View {
    seq: Option<u64>,
    content: Content,
    /// Parts of a state that is not complete.
    parts: Option<(u64, Content)>,
    states: usize,
}

impl View {
    fn read(&mut self, message: &[u8], truths: &BTreeMap<u64, Content>) {
        let text = std::str::from_utf8(message).unwrap().strip_suffix("\r\n").unwrap();
        let message: Value = serde_json::from_str(text).unwrap();
        let seq = message["seq"].as_u64().unwrap();
        let payload = &message["payload"];
        match message["event"].as_str().unwrap() {
            "presence_state" => {
                assert!(text.len() < SETTINGS.piece_bytes + 1_000, "a long part: {}", text.len());
                // Who did not take the parts of one state in time gets a later one.
                let begun = self.parts.take();
                assert!(begun.as_ref().is_none_or(|(of, _)| *of <= seq), "backwards");
                let mut parts = begun.filter(|(of, _)| *of == seq).map_or(Content::new(), |(_, parts)| parts);
                for (key, metas) in content(payload) {
                    assert!(parts.insert(key, metas).is_none(), "a key twice in a state");
                }
                if message["more"] == Value::Bool(true) {
                    self.parts = Some((seq, parts));
                    return;
                }
                assert!(self.seq.is_none_or(|before| before <= seq), "backwards");
                assert_eq!(Some(&parts), truths.get(&seq), "the state {seq}");
                (self.seq, self.content) = (Some(seq), parts);
                self.states += 1;
            }
            "presence_diff" => {
                assert!(self.parts.is_none(), "a diff inside a state");
                assert!(text.len() < SETTINGS.piece_bytes + 500, "a long diff: {}", text.len());
                assert_eq!(self.seq.map(|before| before + 1), Some(seq), "a gap");
                self.seq = Some(seq);
                apply_diff(&mut self.content, payload);
                if let Some(truth) = truths.get(&seq) {
                    assert_eq!(&self.content, truth, "after the diff {seq}");
                }
            }
            other => panic!("{other}"),
        }
    }
}

fn apply_diff(view: &mut Content, payload: &Value) {
    for (key, metas) in content(&payload["joins"]) {
        for (meta, value) in metas {
            let before = view.entry(key.clone()).or_default().insert(meta, value);
            assert_eq!(before, None, "a double join of {key}");
        }
    }
    for (key, metas) in content(&payload["leaves"]) {
        let reasons = payload["leaves"][&key]["reasons"].as_object().unwrap();
        assert_eq!(reasons.keys().collect::<Vec<_>>(), metas.keys().collect::<Vec<_>>());
        let there = view.get_mut(&key).expect("a leave of an unknown key");
        for (meta, value) in metas {
            assert_eq!(there.remove(&meta), Some(value), "a leave of what was not there");
            let is_update = reasons[&meta] == "update";
            let replaced = payload["joins"][&key]["metas"].as_array().is_some_and(|metas| {
                metas.iter().any(|joined| joined["phx_ref_prev"].as_str() == Some(&meta))
            });
            assert_eq!(is_update, replaced, "{payload}");
        }
        if there.is_empty() {
            view.remove(&key);
        }
    }
}

fn content(payload: &Value) -> Content {
    let mut content = Content::new();
    for (key, value) in payload.as_object().unwrap() {
        let metas = value["metas"].as_array().unwrap();
        assert!(!metas.is_empty());
        let metas = metas.iter();
        let metas = metas.map(|meta| (meta["phx_ref"].as_str().unwrap().into(), meta["n"].as_u64().unwrap()));
        content.insert(key.clone(), metas.collect());
    }
    content
}

/// A topic as the view has it, and what was so at each `seq`.
struct Topic {
    number: u32,
    events: Events,
    groups: Slots<Group>,
    slots: BTreeMap<String, u32>,
    entries: BTreeMap<(u8, u8), Entry>,
    truths: BTreeMap<u64, Content>,
    /// What is so when the batch has been told.
    told: Content,
    pattern: View,
}

impl Topic {
    fn new(number: u32) -> Self {
        let pattern = View { seq: Some(7), ..View::default() };
        Topic {
            number,
            events: Events::new(KEYED, 7),
            groups: Slots::default(),
            slots: BTreeMap::new(),
            entries: BTreeMap::new(),
            truths: [(7, Content::new())].into(),
            told: Content::new(),
            pattern,
        }
    }

    fn content(&self) -> Content {
        let mut content = Content::new();
        for ((key, _), entry) in &self.entries {
            let reference = entry.version().unwrap().reference();
            let metas: &mut BTreeMap<_, _> = content.entry(format!("k\"{key}")).or_default();
            metas.insert(reference.to_string(), reference.time);
        }
        content
    }

    /// As the view does it.
    fn change(&mut self, (key, id): (u8, u8), time: Option<u64>) {
        let text = format!("k\"{key}");
        let member = Member::new("lobby".into(), &text, SessionName::Named("s".into()), &id.to_string());
        let name = Name::from(member);
        let before = self.entries.get(&(key, id)).cloned();
        let after = time.map(|time| {
            let stamp = Stamp { time, node: NodeId(1) };
            let previous = before.as_ref().and_then(Entry::version).map(Version::reference);
            let text = format!(r#"{{"n":{time},"text":"{}"}}"#, "x".repeat(time as usize % 50));
            let meta = Meta::received(text.as_bytes()).unwrap();
            Entry::from(Version::live(stamp, meta, stamp, previous))
        });
        let slot = self.slots.get(&text).copied();
        match (slot, &after) {
            (None, None) => return,
            (None, Some(after)) => {
                let shown = Shown { name: name.clone(), entry: after.clone() };
                let slot = self.groups.insert(KEYED, Group::One(shown));
                self.slots.insert(text, slot);
                self.events.before(slot, None);
            }
            (Some(slot), after) => {
                let group = self.groups.get_mut(slot).unwrap();
                self.events.before(slot, Some(group));
                match after {
                    Some(after) => group.set(KEYED, &name, after),
                    None if group.is_single() && before.is_some() => {
                        self.groups.remove(KEYED, slot);
                        self.slots.remove(&text);
                    }
                    None => group.remove(KEYED, &name),
                }
            }
        }
        match &after {
            Some(after) => self.entries.insert((key, id), after.clone()),
            None => self.entries.remove(&(key, id)),
        };
        self.events.note(&name, before.as_ref(), after.as_ref(), Reason::Untrack);
    }

    fn step(&mut self, now_ms: u64, budget: usize, tally: &mut Tally) {
        let events = &mut self.events;
        if events.batch.is_none() && !events.pending.is_empty() && now_ms >= events.open_at {
            self.told = self.content();
        }
        let mut diffs = Vec::new();
        let mut turn = Turn {
            now_ms,
            settings: SETTINGS,
            budget,
            wakes: &mut VecDeque::new(),
            is_listened: true,
            diffs: &mut diffs,
            tally,
        };
        self.events.step(&"lob\"by".into(), &self.groups, (3, self.number), &mut turn);
        if self.events.batch.is_none() {
            self.truths.entry(self.events.seq()).or_insert_with(|| self.told.clone());
        }
        diffs.iter().for_each(|(_, diff)| self.pattern.read(diff, &self.truths));
    }
}

struct Client {
    reader: Arc<Reader>,
    watches: BTreeMap<u32, (u32, View)>,
}

impl Client {
    fn watcher(&self) -> Arc<dyn Watcher> {
        self.reader.clone()
    }

    fn watch(&mut self, topic: &mut Topic) {
        if !self.watches.contains_key(&topic.number) {
            let (slot, _) = topic.events.watch(self.watcher(), SETTINGS, (3, topic.number));
            self.watches.insert(topic.number, (slot, View::default()));
        }
    }

    fn unwatch(&mut self, topic: &mut Topic) {
        if let Some((watch, _)) = self.watches.remove(&topic.number) {
            assert_eq!(topic.events.unwatch(self.reader.id), Some(watch));
            self.reader.ready.lock().unwrap().remove(&Place { shard: 3, topic: topic.number, watch });
        }
    }

    /// Returns whether anything was there to take.
    fn pull(&mut self, topics: &mut [Topic], room: usize, tally: &mut Tally) -> bool {
        let Some(place) = self.reader.ready.lock().unwrap().pop_first() else { return false };
        let topic = &mut topics[place.topic as usize];
        let (slot, view) = self.watches.get_mut(&place.topic).unwrap();
        assert_eq!((place.shard, place.watch), (3, *slot));
        let truths = &topic.truths;
        let mut sink = |_: &str, message: &Bytes| view.read(message, truths);
        let mut taker = Taker { room, sink: &mut sink, tally };
        if topic.events.take("lobby", place.watch, self.reader.id, &mut taker) {
            assert!(self.reader.ready.lock().unwrap().insert(place));
        }
        true
    }
}

#[derive(Clone, Debug)]
enum Action {
    Track(usize, u8, u8),
    Untrack(usize, u8, u8),
    /// Everybody with this id.
    MassLeave(usize, u8),
    Advance(u64),
    Step(usize, usize),
    Watch(usize, usize),
    Unwatch(usize, usize),
    Pull(usize, usize),
}

fn action() -> impl Strategy<Value = Action> {
    let (topic, client) = (0..2usize, 0..3usize);
    prop_oneof![
        8 => (topic.clone(), 0..KEYS, 0..3u8).prop_map(|(topic, key, id)| Action::Track(topic, key, id)),
        4 => (topic.clone(), 0..KEYS, 0..3u8).prop_map(|(topic, key, id)| Action::Untrack(topic, key, id)),
        1 => (topic.clone(), 0..3u8).prop_map(|(topic, id)| Action::MassLeave(topic, id)),
        2 => (1..80u64).prop_map(Action::Advance),
        8 => (topic.clone(), 1..40usize).prop_map(|(topic, budget)| Action::Step(topic, budget)),
        2 => (topic.clone(), client.clone()).prop_map(|(topic, client)| Action::Watch(topic, client)),
        1 => (topic, client.clone()).prop_map(|(topic, client)| Action::Unwatch(topic, client)),
        // The first client reads little.
        4 => (client, 1..2_000usize, any::<u8>()).prop_map(|(client, room, chance)| {
            Action::Pull(if chance < 200 { client.max(1) } else { client }, room)
        }),
    ]
}

struct World {
    topics: [Topic; 2],
    clients: [Client; 3],
    now_ms: u64,
    time: u64,
    tally: Tally,
}

impl World {
    fn new() -> Self {
        let reader = |id| Reader { id, ready: Mutex::default(), owed: AtomicU64::new(0) };
        let client = |id| Client { reader: Arc::new(reader(id)), watches: BTreeMap::new() };
        World {
            topics: [Topic::new(0), Topic::new(1)],
            clients: [0, 1, 2].map(client),
            now_ms: 0,
            time: 0,
            tally: Tally::default(),
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Track(topic, key, id) => {
                self.time += 1;
                self.topics[topic].change((key, id), Some(self.time));
            }
            Action::Untrack(topic, key, id) => self.topics[topic].change((key, id), None),
            Action::MassLeave(topic, id) => {
                (0..KEYS).for_each(|key| self.topics[topic].change((key, id), None));
            }
            Action::Advance(ms) => self.now_ms += ms,
            Action::Step(topic, budget) => self.topics[topic].step(self.now_ms, budget, &mut self.tally),
            Action::Watch(topic, client) => self.clients[client].watch(&mut self.topics[topic]),
            Action::Unwatch(topic, client) => self.clients[client].unwatch(&mut self.topics[topic]),
            Action::Pull(client, room) => {
                self.clients[client].pull(&mut self.topics, room, &mut self.tally);
            }
        }
        self.check();
    }

    /// What must hold at any time.
    fn check(&self) {
        let mut owed = [0; 3];
        for topic in &self.topics {
            let events = &topic.events;
            let mut waiting = 0;
            let mut slots = Vec::new();
            events.watches.visit(0, usize::MAX, |slot, _| slots.push(slot));
            for watch in slots.into_iter().filter_map(|slot| events.watches.get(slot)?.as_ref()) {
                let client = watch.watcher.id() as usize;
                match watch.position {
                    Position::Waiting { .. } => waiting += 1,
                    _ => owed[client] += watch.owed_to - events.ring.offset(watch.at),
                }
            }
            assert_eq!(waiting, events.waiting);
        }
        for (client, owed) in self.clients.iter().zip(owed) {
            assert_eq!(client.reader.owed.load(Ordering::Relaxed), owed);
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            for topic in &mut self.topics {
                topic.step(self.now_ms, 7, &mut self.tally);
            }
            let mut any = false;
            for client in &mut self.clients {
                any |= client.pull(&mut self.topics, 700, &mut self.tally);
            }
            if any || self.topics.iter().any(|topic| topic.events.due() == Some(0)) {
                continue;
            }
            match self.topics.iter().filter_map(|topic| topic.events.due()).min() {
                Some(due) => self.now_ms = self.now_ms.max(due),
                None => return,
            }
        }
        panic!("it does not come to rest");
    }

    fn check_end(&mut self) {
        self.settle();
        for topic in &self.topics {
            assert!(topic.events.is_told());
            assert_eq!(topic.events.kept_bytes(), 0);
            assert_eq!(topic.pattern.content, topic.content());
            for client in &self.clients {
                if let Some((_, view)) = client.watches.get(&topic.number) {
                    assert_eq!(view.seq, Some(topic.events.seq()));
                    assert_eq!(view.content, topic.content());
                }
            }
        }
        for client in &mut self.clients {
            for topic in &mut self.topics {
                client.unwatch(topic);
            }
            assert_eq!(client.reader.owed.load(Ordering::Relaxed), 0);
            assert_eq!(Arc::strong_count(&client.reader), 1);
        }
    }
}

fn run(actions: &[Action]) -> Tally {
    let mut world = World::new();
    actions.iter().for_each(|action| world.act(action));
    world.check_end();
    world.tally
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_watcher_has_what_the_topic_had(actions in proptest::collection::vec(action(), 1..150)) {
        run(&actions);
    }
}

/// What the property is about does happen.
#[test]
fn all_that_can_happen_happens() {
    let mut runner = TestRunner::deterministic();
    let actions = proptest::collection::vec(action(), 150);
    let mut sum = Tally::default();
    for _ in 0..100 {
        let tally = run(&actions.new_tree(&mut runner).unwrap().current());
        sum.diffs += tally.diffs;
        sum.delivered += tally.delivered;
        sum.coalesced += tally.coalesced;
        sum.states += tally.states;
        sum.states_taken += tally.states_taken;
        sum.states_resent += tally.states_resent;
    }
    let least = [sum.diffs, sum.delivered, sum.coalesced, sum.states, sum.states_taken, sum.states_resent];
    assert!(least.iter().all(|count| *count >= 25), "{sum:?}");
    assert!(sum.states_taken > sum.states, "no state was shared: {sum:?}");
}

/// What changes while a state is being encoded is encoded at once, however much that is.
#[test]
fn a_state_has_short_parts_whatever_changes_meanwhile() {
    let (mut topics, mut tally) = ([Topic::new(0)], Tally::default());
    let topic = &mut topics[0];
    (0..200).for_each(|key| topic.change((key, 0), Some(u64::from(key) + 1)));
    topic.step(0, 1_000, &mut tally);
    let reader = Arc::new(Reader { id: 1, ready: Mutex::default(), owed: AtomicU64::new(0) });
    let mut client = Client { reader, watches: BTreeMap::new() };
    client.watch(topic);
    topic.step(10, 3, &mut tally);
    assert!(topic.events.building.is_some(), "there must be something to change");
    (0..200).for_each(|key| topic.change((key, 0), None));
    while topic.events.state.is_none() {
        topic.step(10, 10, &mut tally);
    }
    while client.pull(&mut topics, 1, &mut tally) {}
    assert_eq!(client.watches[&0].1.content.len(), 200);
}
