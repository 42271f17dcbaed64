//! Presence under random schedules: clients that track, others that watch and list, and the presence task.
//!
//! Owns what must hold between the machine's lock, those of topics, a watcher's list and its outbox. A wake that is lost is a
//! deadlock, which shuttle reports.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use hereabouts::broker::Broker;
use hereabouts::broker::clients::{Address, Client};
use hereabouts::broker::presence::{Limits, Target, Whose};
use hereabouts::broker::session::Session;
use hereabouts::config::Config;
use hereabouts::crdt::NodeId;
use hereabouts::map::HashKeys;
use hereabouts::outbox::{Batch, Taken};
use hereabouts::presence::{Count, Meta};
use hereabouts::pubsub::Kind;
use hereabouts::resp::Protocol;
use serde_json::Value;
use shuttle::rand::Rng;
use shuttle::scheduler::RandomScheduler;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

use crate::schedules::{Bell, NOW, drain, frames, reply};

#[path = "../support/brokers.rs"]
mod surroundings;

const TOPICS: [&str; 2] = ["lobby", "hall"];

/// A turn of the presence task looks at all shards, so that a schedule is long: fewer are tried.
fn check(test: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS").ok().map_or(200, |text| text.parse().unwrap());
    let mut config = shuttle::Config::new();
    // A broker takes more than shuttle's threads have by default.
    config.stack_size = 1 << 20;
    shuttle::Runner::new(RandomScheduler::new(iterations), config).run(test);
}

/// A broker with its presence task.
struct World {
    broker: Broker,
    config: Config,
    bell: Bell,
    stopping: AtomicBool,
}

impl World {
    fn new() -> Arc<World> {
        // Diffs go out at once; a watcher that is behind may be given a state instead of them.
        let backlog = if shuttle::rand::thread_rng().gen_bool(0.5) { 1 } else { 1 << 20 };
        let config = Config {
            presence_event_interval: Duration::ZERO,
            presence_watcher_backlog: backlog,
            ..Config::default()
        };
        let (identity, keys) = (surroundings::identity(NodeId(1), 1), HashKeys::new([1, 2]));
        let broker = Broker::new(config.clone(), Box::new(surroundings::NoHost), identity, keys, NOW);
        Arc::new(World { broker, config, bell: Bell::default(), stopping: AtomicBool::new(false) })
    }

    /// Does something, and tells the presence task if there is something for it to do.
    fn act<T>(&self, act: impl FnOnce(&Broker) -> T) -> T {
        let result = act(&self.broker);
        if self.broker.presence.take_work() {
            self.bell.ring();
        }
        result
    }

    fn track(&self, topic: &str, key: &str, whose: Whose<'_>, meta: &str) {
        let (target, meta) =
            (Target { topic, key, whose, id: "" }, Meta::parse(meta.as_bytes(), 100).unwrap());
        self.act(|broker| broker.presence.track(NOW, target, meta, false, Limits::of(&self.config))).unwrap();
    }

    fn untrack(&self, topic: &str, key: &str, whose: Whose<'_>) -> bool {
        let target = Target { topic, key, whose, id: "" };
        self.act(|broker| broker.presence.untrack(NOW, target, None)).unwrap()
    }

    fn presence_task(&self) {
        while !self.stopping.load(Ordering::SeqCst) {
            self.bell.wait();
            self.turns();
        }
        // Of this it may not have been told.
        self.turns();
    }

    fn turns(&self) {
        loop {
            let mut ready = VecDeque::new();
            let turn = self.broker.presence_turn(NOW, &mut ready);
            ready.into_iter().for_each(Waker::wake);
            if !turn.more && turn.next_ms > 0 {
                return;
            }
        }
    }

    /// Runs the presence task beside `threads` until they have ended.
    fn run<T: Send + 'static>(self: &Arc<Self>, threads: Vec<Thread<T>>) -> Vec<T> {
        let world = self.clone();
        let task = thread::spawn(move || world.presence_task());
        let spawn = |act: Thread<T>| {
            let world = self.clone();
            thread::spawn(move || act(&world))
        };
        let threads: Vec<_> = threads.into_iter().map(spawn).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.ring();
        task.join().unwrap();
        results
    }
}

type Thread<T> = Box<dyn FnOnce(&World) -> T + Send>;

/// A client that watches, with the task that writes to its socket.
struct Listener {
    session: Session,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Listener {
    fn new(id: u64, world: &World) -> Listener {
        let client = Client::new(id, Address::Internal, Address::Internal, -1, NOW);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        Listener { session: Session::new(Arc::new(client), &world.broker), bell, waker }
    }

    fn subscribe(&mut self, world: &World, channel: &str) {
        let outbox = self.session.outbox().clone();
        let confirm = |_| reply(&outbox, &format!("subscribed {channel}"));
        // Nobody else has to hear of it.
        let version = self.session.subscribe(&world.broker, NOW, Kind::Channel, channel.as_bytes(), confirm);
        assert_eq!(version, Some(0));
        _ = world.act(|broker| self.session.listen(broker, NOW, channel.as_bytes()));
    }

    fn unsubscribe(&mut self, world: &World, channel: &str) {
        world.act(|broker| self.session.unsubscribe(broker, NOW, Kind::Channel, channel.as_bytes()));
        reply(self.session.outbox(), &format!("unsubscribed {channel}"));
    }

    /// What there is, one piece at most of what is kept; nothing: it will be woken.
    fn receive(&self, world: &World) -> Option<Vec<String>> {
        let mut batch = Batch::default();
        let taken = self.session.outbox().take(&mut batch, &self.waker);
        let mut bytes = drain(&mut batch);
        match taken {
            Taken::Nothing | Taken::Behind => return None,
            Taken::Output => {}
            Taken::More => {
                let before = bytes.len();
                let more = world.act(|broker| {
                    self.session.fetch(broker, 1, &mut |frame| {
                        frame.append_head(&mut bytes, Protocol::Resp2);
                        frame.shared.into_iter().for_each(|shared| bytes.extend_from_slice(shared));
                    })
                });
                self.session.outbox().fetched(bytes.len() - before, more);
            }
            Taken::Closed(reason) => panic!("closed: {reason:?}"),
        }
        Some(frames(&bytes))
    }

    fn receive_all(&self, world: &World) -> Vec<String> {
        std::iter::from_fn(|| self.receive(world)).flatten().collect()
    }
}

/// What a watcher makes of what it hears: `phoenix.js`'s way.
#[derive(Default)]
struct View {
    topics: BTreeMap<String, (u64, BTreeMap<String, Value>)>,
}

impl View {
    fn hear(&mut self, frame: &str) {
        let Some(json) = frame.find('{') else { return };
        let message: Value = serde_json::from_str(&frame[json..]).unwrap();
        let (topic, seq) = (message["topic"].as_str().unwrap(), message["seq"].as_u64().unwrap());
        let payload = &message["payload"];
        let shown = |keys: &Value| keys.as_object().unwrap().clone();
        if message["event"] == "presence_state" {
            self.topics.insert(topic.to_owned(), (seq, shown(payload).into_iter().collect()));
            return;
        }
        let (last, keys) = self.topics.get_mut(topic).expect("a state comes first");
        *last += 1;
        assert_eq!(seq, *last, "no gap: {frame}");
        // Each key has one meta, which an update replaces.
        let reference = |shown: Option<&Value>| shown.map(|shown| shown["metas"][0]["phx_ref"].clone());
        let (joins, leaves) = (shown(&payload["joins"]), shown(&payload["leaves"]));
        for (key, left) in &leaves {
            assert_eq!(reference(keys.remove(key).as_ref()), reference(Some(left)), "was not there: {frame}");
        }
        for (key, joined) in joins {
            assert_eq!(keys.insert(key, joined), None, "was there: {frame}");
        }
    }

    /// Who is where, with which version.
    fn shown(&self) -> Vec<String> {
        let keys = self.topics.iter().flat_map(|(topic, (_, keys))| keys.iter().map(move |key| (topic, key)));
        keys.map(|(topic, (key, shown))| format!("{topic} {key} {}", shown["metas"][0]["v"])).collect()
    }
}

/// Tracks, updates and untracks in one topic, and says in the other one that it is done.
fn changer(number: usize) -> Thread<()> {
    Box::new(move |world| {
        let (whose, stays) = (Whose::Session("s"), format!("stays-{number}"));
        world.track(TOPICS[number], "leaves", whose, r#"{"v":1}"#);
        world.track(TOPICS[number], &stays, whose, r#"{"v":1}"#);
        assert!(world.untrack(TOPICS[number], "leaves", whose));
        world.track(TOPICS[number], &stays, whose, r#"{"v":2}"#);
        world.track(TOPICS[1 - number], &format!("done-{number}"), whose, r#"{"v":0}"#);
    })
}

#[test]
fn a_watcher_that_takes_while_members_change_has_everything_in_the_end() {
    check(|| {
        let world = World::new();
        let watcher: Thread<()> = Box::new(|world| {
            let mut listener = Listener::new(9, world);
            let mut view = View::default();
            TOPICS.iter().for_each(|topic| listener.subscribe(world, &format!("__presence__:{topic}")));
            while view.shown() != ["hall done-0 0", "hall stays-1 2", "lobby done-1 0", "lobby stays-0 2"] {
                match listener.receive(world) {
                    Some(heard) => heard.iter().for_each(|frame| view.hear(frame)),
                    None => listener.bell.wait(),
                }
            }
        });
        world.run(vec![watcher, changer(0), changer(1)]);
    });
}

#[test]
fn who_begins_to_watch_when_nothing_changes_has_all_states() {
    check(|| {
        let world = World::new();
        TOPICS.iter().for_each(|topic| world.track(topic, "ann", Whose::Session("s"), r#"{"v":1}"#));
        world.turns();
        let watcher = |id: u64| -> Thread<()> {
            Box::new(move |world| {
                let mut listener = Listener::new(id, world);
                let mut view = View::default();
                TOPICS.iter().for_each(|topic| listener.subscribe(world, &format!("__presence__:{topic}")));
                while view.shown() != ["hall ann 1", "lobby ann 1"] {
                    match listener.receive(world) {
                        Some(heard) => heard.iter().for_each(|frame| view.hear(frame)),
                        None => listener.bell.wait(),
                    }
                }
            })
        };
        world.run(vec![watcher(8), watcher(9)]);
    });
}

#[test]
fn who_unsubscribes_while_something_is_kept_for_it_hears_nothing_after() {
    check(|| {
        let world = World::new();
        let watcher: Thread<(Listener, Vec<String>)> = Box::new(|world| {
            let mut listener = Listener::new(9, world);
            let mut heard = Vec::new();
            let channel = format!("__presence__:{}", TOPICS[0]);
            for _ in 0..2 {
                listener.subscribe(world, &channel);
                let looks = shuttle::rand::thread_rng().gen_range(0..4);
                (0..looks).for_each(|_| heard.extend(listener.receive(world).into_iter().flatten()));
                listener.unsubscribe(world, &channel);
            }
            heard.extend(listener.receive_all(world));
            (listener, heard)
        });
        let change = |number| -> Thread<(Listener, Vec<String>)> {
            Box::new(move |world| {
                changer(number)(world);
                (Listener::new(number as u64, world), Vec::new())
            })
        };
        let (listener, mut heard) = world.run(vec![watcher, change(0), change(1)]).swap_remove(0);
        heard.extend(listener.receive_all(&world));
        assert!(heard.last().unwrap().starts_with("unsubscribed"), "{heard:?}");
        let (mut listens, mut view) = (false, View::default());
        for frame in &heard {
            if frame.starts_with("subscribed") || frame.starts_with("unsubscribed") {
                (listens, view) = (frame.starts_with("subscribed"), View::default());
            } else {
                assert!(listens, "nobody listens: {heard:?}");
                view.hear(frame);
            }
        }
    });
}

#[test]
fn a_member_that_two_clients_track_and_untrack_is_listed_once_or_not_at_all() {
    check(|| {
        let world = World::new();
        let restless = || -> Thread<()> {
            Box::new(|world| {
                for meta in [r#"{"v":1}"#, r#"{"v":2}"#] {
                    world.track("lobby", "ann", Whose::Session("s"), meta);
                    world.untrack("lobby", "ann", Whose::Session("s"));
                }
            })
        };
        let lists: Thread<()> = Box::new(|world| {
            let presence = &world.broker.presence;
            for _ in 0..2 {
                let mut listed = Vec::new();
                let _ = presence.visit("lobby", 0, 10, |key, versions| {
                    listed.push((key.to_owned(), versions.count()));
                    ControlFlow::Continue(())
                });
                assert!(listed.is_empty() || listed == [("ann".to_owned(), 1)], "{listed:?}");
                let mut versions = 0;
                presence.get("lobby", "ann", |_| versions += 1);
                let mut topics = 0;
                _ = presence.topics_of("ann", 0, 10, |_| topics += 1);
                let count = presence.count("lobby");
                assert!(versions <= 1 && topics <= 1 && count.keys == count.members && count.keys <= 1);
                assert!(presence.nodes()[0].members <= 1);
            }
        });
        let holds: Thread<()> = Box::new(|world| {
            let mut listener = Listener::new(9, world);
            listener.subscribe(world, "__presence__:lobby");
            listener.subscribe(world, "__presence_session__:s");
            drop(listener.receive_all(world));
            listener.unsubscribe(world, "__presence__:lobby");
            listener.unsubscribe(world, "__presence_session__:s");
        });
        world.run(vec![restless(), restless(), lists, holds]);
        let presence = &world.broker.presence;
        assert_eq!(presence.count("lobby"), Count::default());
        assert_eq!(presence.topics_of("ann", 0, 10, |topic| panic!("{topic}")), None);
        assert_eq!((presence.totals().topics, presence.totals().machine.members), (0, 0));
        assert_eq!(presence.nodes()[0].members, 0);
    });
}
