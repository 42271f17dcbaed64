//! Watched topics of a shard.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::crdt::NodeId;
use crate::map::HashKeys;
use crate::presence::events::{PIECE_BYTES, Tally};
use crate::presence::{Change, Entry, Member, Meta, Name, Reason, SessionName, Stamp, Version};

const SETTINGS: Settings = Settings { interval_ms: 50, backlog_bytes: 2_000, piece_bytes: PIECE_BYTES };
const SHARD: u16 = 9;

struct Client {
    id: u64,
    ready: Mutex<BTreeSet<Place>>,
    owed: AtomicU64,
}

impl Watcher for Client {
    fn id(&self) -> u64 {
        self.id
    }

    fn ready(&self, place: Place) -> Option<Waker> {
        self.ready.lock().unwrap().insert(place);
        None
    }

    fn owe(&self, bytes: u64) -> u64 {
        self.owed.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn settle(&self, bytes: u64) {
        self.owed.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn client(id: u64) -> Arc<Client> {
    Arc::new(Client { id, ready: Mutex::default(), owed: AtomicU64::new(0) })
}

struct Shard {
    topics: Topics,
    now_ms: u64,
    diffs: Vec<String>,
    tally: Tally,
}

impl Shard {
    fn new() -> Self {
        let topics = Topics::new(HashKeys::new([1, 2]));
        Shard { topics, now_ms: 1_000, diffs: Vec::new(), tally: Tally::default() }
    }

    fn watch(&mut self, topic: &str, client: &Arc<Client>) {
        self.topics.watch(SHARD, topic, client.clone(), SETTINGS);
    }

    fn change(&mut self, topic: &str, key: &str, time: Option<u64>) {
        let member = Member::new(topic.into(), key, SessionName::Named("s".into()), "");
        let stamp = |time| Stamp { time, node: NodeId(1) };
        let entry = |time| Entry::from(Version::live(stamp(time), Meta::default(), stamp(time), None));
        let change = Change { name: Name::from(member), after: time.map(entry), reason: Reason::Lost };
        self.topics.apply(self.now_ms, change);
    }

    /// One turn; returns what is left of the budget.
    fn turn(&mut self, budget: usize) -> usize {
        let mut diffs = Vec::new();
        let mut turn = Turn {
            now_ms: self.now_ms,
            settings: SETTINGS,
            budget,
            wakes: &mut VecDeque::new(),
            is_listened: false,
            diffs: &mut diffs,
            tally: &mut self.tally,
        };
        self.topics.turn(SHARD, &mut turn);
        let left = turn.budget;
        for (topic, diff) in diffs {
            self.diffs.push(format!("{topic} {}", summary(&diff)));
        }
        left
    }

    /// Turns until nothing is due now.
    fn turns(&mut self) {
        for _ in 0..100 {
            if self.topics.due().is_none_or(|due| due > self.now_ms) {
                return;
            }
            self.turn(100);
        }
        panic!("it goes on and on");
    }

    /// What a client takes: topics, kinds of messages and their numbers.
    fn pull(&mut self, client: &Client) -> Vec<String> {
        let mut taken = Vec::new();
        loop {
            let Some(place) = client.ready.lock().unwrap().pop_first() else { return taken };
            let mut sink =
                |topic: &str, message: &bytes::Bytes| taken.push(format!("{topic} {}", summary(message)));
            let mut taker = Taker { room: 1, sink: &mut sink, tally: &mut self.tally };
            if self.topics.take(place, client.id, &mut taker) {
                client.ready.lock().unwrap().insert(place);
            }
        }
    }
}

fn summary(message: &[u8]) -> String {
    let message: serde_json::Value = serde_json::from_slice(message).unwrap();
    let keys = |value: &serde_json::Value| {
        let keys = value.as_object().unwrap().keys().cloned();
        keys.collect::<Vec<_>>().join(",")
    };
    let payload = &message["payload"];
    match message["event"].as_str().unwrap() {
        "presence_state" => format!("={} {}", message["seq"], keys(payload)),
        _ => format!("{} +{} -{}", message["seq"], keys(&payload["joins"]), keys(&payload["leaves"])),
    }
}

#[test]
fn watchers_get_a_state_and_what_changes() {
    let mut shard = Shard::new();
    let (one, two) = (client(1), client(2));
    shard.change("lobby", "ann", Some(1));
    assert_eq!(shard.topics.due(), None, "nobody watches");
    shard.watch("lobby", &one);
    shard.watch("lobby", &one);
    shard.turns();
    assert_eq!(shard.pull(&one), ["lobby =0 ann"]);
    shard.change("lobby", "bob", Some(2));
    shard.turns();
    // Within the interval: all together when it ends.
    shard.change("lobby", "cid", Some(3));
    shard.change("lobby", "dan", Some(4));
    shard.change("lobby", "cid", None);
    shard.change("lobby", "ann", None);
    shard.turns();
    assert_eq!(shard.pull(&one), ["lobby 1 +bob -"]);
    shard.watch("lobby", &two);
    shard.turns();
    assert_eq!(shard.pull(&two), [""; 0], "a state has a number, which what is not told has not");
    shard.now_ms += 50;
    shard.turns();
    assert_eq!(shard.pull(&one), ["lobby 2 +dan -ann"]);
    assert_eq!(shard.pull(&two), ["lobby =2 bob,dan"]);
    assert_eq!(shard.tally.coalesced, 2);
}

#[test]
fn a_topic_stays_while_somebody_watches_and_leaves_nothing() {
    let mut shard = Shard::new();
    let (one, two) = (client(1), client(2));
    shard.watch("lobby", &one);
    shard.watch("lobby", &two);
    assert!(shard.topics.find("lobby").is_some() && shard.topics.is_empty());
    assert_eq!(shard.topics.names(0, 10, |name| panic!("{name} has no members")), None);
    shard.turns();
    shard.pull(&one);
    shard.change("lobby", "ann", Some(1));
    shard.change("lobby", "ann", None);
    shard.change("lobby", "bob", Some(2));
    shard.turns();
    assert_eq!(shard.topics.unwatch(SHARD, "lobby", 3), None);
    assert!(shard.topics.unwatch(SHARD, "lobby", 1).is_some());
    assert_eq!(shard.topics.unwatch(SHARD, "lobby", 1), None);
    shard.change("lobby", "bob", None);
    assert!(shard.topics.find("lobby").is_some());
    shard.topics.unwatch(SHARD, "lobby", 2);
    assert_eq!((shard.topics.find("lobby"), shard.topics.due()), (None, None));
    assert_eq!((one.owed.load(Ordering::Relaxed), Arc::strong_count(&one)), (0, 1));
    // A number is never used twice, nor may what comes later look like what follows.
    shard.watch("lobby", &one);
    shard.turns();
    assert_eq!(shard.pull(&one), ["lobby =2 "]);
}

#[test]
fn a_place_that_has_changed_hands_gives_nothing() {
    let mut shard = Shard::new();
    let (one, two) = (client(1), client(2));
    shard.watch("lobby", &one);
    shard.turns();
    let place = *one.ready.lock().unwrap().first().unwrap();
    assert_eq!(shard.topics.unwatch(SHARD, "lobby", 1), Some(place));
    shard.watch("other", &two);
    shard.turns();
    assert_eq!(*two.ready.lock().unwrap().first().unwrap(), place, "the same slots are used again");
    assert_eq!(shard.pull(&one), [""; 0]);
    assert_eq!(shard.pull(&two), ["other =1 "]);
}

#[test]
fn those_who_listen_to_all_topics_are_told_of_each() {
    let mut shard = Shard::new();
    shard.change("lobby", "ann", Some(1));
    shard.topics.listen(true);
    shard.change("lobby", "bob", Some(2));
    shard.change("other", "cid", Some(3));
    shard.turns();
    shard.change("lobby", "bob", None);
    shard.change("other", "cid", None);
    shard.turns();
    shard.now_ms += 50;
    shard.turns();
    assert_eq!(shard.diffs, ["lobby 1 +bob -", "other 1 +cid -", "lobby 2 + -bob", "other 2 + -cid"]);
    assert_eq!(shard.topics.find("other"), None, "nobody is there and all is told");
    shard.topics.listen(false);
    shard.turns();
    shard.change("lobby", "dan", Some(4));
    assert_eq!(shard.topics.due(), None);
    shard.turns();
    assert_eq!(shard.diffs.len(), 4);
}

#[test]
fn a_busy_topic_does_not_keep_others_waiting() {
    let mut shard = Shard::new();
    let (one, two) = (client(1), client(2));
    for key in 0..3_000 {
        shard.change("large", &key.to_string(), Some(key + 1));
    }
    shard.watch("large", &one);
    shard.turn(100);
    shard.now_ms += 1;
    shard.watch("small", &two);
    shard.turn(100);
    assert_eq!(shard.pull(&two), ["small =0 "]);
    assert_eq!(shard.pull(&one), [""; 0]);
    shard.turns();
    assert_eq!(shard.pull(&one).len(), 4, "its parts");
    assert_eq!(shard.tally.states, 2);
}

#[test]
fn a_state_is_made_once_for_all_who_come_and_not_kept() {
    let mut shard = Shard::new();
    let clients: Vec<_> = (0..100).map(client).collect();
    for key in 0..100 {
        shard.change("lobby", &key.to_string(), Some(key + 1));
    }
    clients.iter().for_each(|client| shard.watch("lobby", client));
    shard.turns();
    clients.iter().for_each(|client| assert_eq!(shard.pull(client).len(), 1));
    let late = client(1_000);
    shard.watch("lobby", &late);
    assert_eq!(shard.pull(&late).len(), 1, "it is there");
    assert_eq!((shard.tally.states, shard.tally.states_taken), (1, 101));
    while let Some(due) = shard.topics.due() {
        shard.now_ms = due;
        shard.turns();
    }
    let slot = shard.topics.find("lobby").unwrap();
    assert_eq!(shard.topics.topic(slot).unwrap().events.as_ref().unwrap().kept_bytes(), 0);
}

#[test]
fn a_slow_watcher_gives_up_diffs_and_a_quick_one_does_not() {
    let mut shard = Shard::new();
    let (slow, quick) = (client(1), client(2));
    shard.watch("lobby", &slow);
    shard.watch("lobby", &quick);
    shard.turns();
    shard.pull(&slow);
    shard.pull(&quick);
    for key in 0..100 {
        shard.change("lobby", &key.to_string(), Some(key + 1));
        shard.turns();
        shard.now_ms += 50;
        assert_eq!(shard.pull(&quick).len(), 1);
        assert!(slow.owed.load(Ordering::Relaxed) <= SETTINGS.backlog_bytes);
        let slot = shard.topics.find("lobby").unwrap();
        let kept = shard.topics.topic(slot).unwrap().events.as_ref().unwrap().kept_bytes();
        assert!(kept <= SETTINGS.backlog_bytes, "{kept}");
    }
    assert_eq!(shard.pull(&slow), [""; 0], "a state is made when it comes");
    shard.turns();
    assert_eq!(shard.pull(&slow).len(), 1);
    assert_eq!(
        (shard.tally.states, shard.tally.states_resent, quick.owed.load(Ordering::Relaxed)),
        (2, 1, 0)
    );
}
