//! Two and three whole brokers in one process: clients' requests go in, replies and messages come out, and what the brokers have to
//! tell each other is handed over by hand, in virtual time. There are no sockets and no tasks.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use hereabouts::broker::Broker;
use hereabouts::broker::clients::{Address, Client};
use hereabouts::broker::session::Session;
use hereabouts::command::{Interpreter, Workspace, flush};
use hereabouts::config::Config;
use hereabouts::crdt::message::Message;
use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::map::HashKeys;
use hereabouts::outbox::{Batch, Taken};
use hereabouts::presence::{Entry, Name};
use hereabouts::pubsub::fanout::Delivery;
use hereabouts::resp::Protocol;
use hereabouts::resp::push::FrameBuffer;
use hereabouts::resp::request::{Decoder, Limits};
use hereabouts::time::Now;

use crate::surroundings::{NoHost, identity};

/// A broker, and the clients that are connected to it.
struct Instance {
    broker: Broker,
    clients: BTreeMap<u64, Interpreter>,
    /// When its presence has something to do.
    due_ms: u64,
}

struct World {
    instances: Vec<Option<Instance>>,
    now_ms: u64,
    clients: u64,
}

fn at(now_ms: u64) -> Now {
    let unix = Duration::from_secs(1_700_000_000);
    Now { monotonic: Duration::from_millis(now_ms), unix: unix + Duration::from_millis(now_ms) }
}

impl World {
    fn new(count: usize) -> World {
        let start = |index: usize| {
            let keys = HashKeys::new([7, index as u64]);
            let identity = identity(NodeId(index as u64 + 1), index as u64);
            let broker = Broker::new(Config::default(), Box::new(NoHost), identity, keys, at(0));
            Some(Instance { broker, clients: BTreeMap::new(), due_ms: 0 })
        };
        let world = World { instances: (0..count).map(start).collect(), now_ms: 1, clients: 0 };
        let owners: Vec<Owner> = (0..count).map(|index| world.broker(index).presence.owner()).collect();
        for (index, me) in owners.iter().enumerate() {
            for other in owners.iter().filter(|other| *other != me) {
                let presence = &world.broker(index).presence;
                presence.node_up(at(1), other.node, other.incarnation);
                presence.link_up(at(1), other.node);
            }
        }
        world
    }

    fn broker(&self, index: usize) -> &Broker {
        &self.instances[index].as_ref().unwrap().broker
    }

    fn connect(&mut self, index: usize) -> u64 {
        self.clients += 1;
        let client = Client::new(self.clients, Address::Internal, Address::Internal, -1, at(self.now_ms));
        let instance = self.instances[index].as_mut().unwrap();
        let session = Session::new(Arc::new(client), &instance.broker);
        instance.clients.insert(self.clients, Interpreter::new(session));
        self.clients
    }

    /// What a client gets for a command, as RESP2, and what has come for it before.
    fn command(&mut self, index: usize, client: u64, words: &[&str]) -> String {
        let now = at(self.now_ms);
        let instance = self.instances[index].as_mut().unwrap();
        let interpreter = instance.clients.get_mut(&client).unwrap();
        let bytes = crate::support::encode(words);
        let limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };
        let (mut decoder, mut workspace) = (Decoder::default(), Workspace::default());
        workspace.begin_turn(4096, now);
        let request = decoder.decode(&bytes, limits, &mut 0).unwrap().unwrap();
        assert!(interpreter.execute(&instance.broker, &mut workspace, now, request));
        while interpreter.suspended().is_some() {
            workspace.begin_turn(4096, now);
            interpreter.resume(&instance.broker, &mut workspace, now);
        }
        flush(&interpreter.session, &mut workspace, now);
        instance.due_ms = 0;
        self.receive(index, client)
    }

    /// What has come for a client.
    fn receive(&mut self, index: usize, client: u64) -> String {
        let instance = self.instances[index].as_mut().unwrap();
        let session = &instance.clients[&client].session;
        let mut received = Vec::new();
        loop {
            let mut batch = Batch::default();
            let taken = session.outbox().take(&mut batch, Waker::noop());
            batch.parts.drain(..).for_each(|part| received.extend_from_slice(&part));
            received.append(&mut batch.tail);
            if taken == Taken::More {
                let mut fetched = Vec::new();
                let more = session.fetch(&instance.broker, 1 << 16, &mut |frame| {
                    frame.append_head(&mut fetched, Protocol::Resp2);
                    frame.shared.into_iter().for_each(|shared| fetched.extend_from_slice(shared));
                });
                session.outbox().fetched(fetched.len(), more);
                received.append(&mut fetched);
            } else if taken == Taken::Nothing {
                return String::from_utf8(received).unwrap();
            }
        }
    }

    /// Lets time pass. What a broker has to tell another arrives at once.
    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 10 {
            self.now_ms += 10;
            (0..self.instances.len()).for_each(|index| self.turn(index));
        }
    }

    fn turn(&mut self, index: usize) {
        let now = at(self.now_ms);
        let Some(instance) = &mut self.instances[index] else { return };
        if instance.broker.presence.take_work() {
            instance.due_ms = 0;
        }
        while instance.due_ms <= self.now_ms {
            let turn = instance.broker.presence_turn(now, &mut VecDeque::new());
            instance.due_ms = if turn.more { 0 } else { turn.next_ms.max(self.now_ms + 1) };
        }
        let from = instance.broker.presence.owner().node;
        let mut frames = Vec::new();
        while let Some(frame) = instance.broker.presence.poll_message() {
            frames.push(frame);
        }
        for peer in 1..=self.instances.len() as u64 {
            while let Some(frame) = self.broker(index).presence.next_part(NodeId(peer)) {
                frames.push((NodeId(peer), frame));
            }
        }
        for (to, frame) in frames {
            let Some(peer) = &self.instances[to.0 as usize - 1] else { continue };
            peer.broker.presence.handle_message(now, from, &frame, self.now_ms).unwrap();
        }
    }

    /// A turn of whoever goes on with large fan-outs.
    fn fan_out(&self, index: usize) {
        let (mut ready, mut overflowed, mut frame) = (VecDeque::new(), Vec::new(), FrameBuffer::default());
        let mut delivery = Delivery {
            limit: Config::default().client_output_buffer_limit.pubsub,
            now: at(self.now_ms),
            ready: &mut ready,
            overflowed: &mut overflowed,
            frame: &mut frame,
            budget: 1024,
            delivered: 0,
            lost: 0,
            forward: 0,
        };
        self.broker(index).subscriptions.continue_fanout(&mut delivery, |_, _, _| ());
    }

    /// An instance is gone, and the others notice.
    fn kill(&mut self, index: usize) {
        let owner = self.broker(index).presence.owner();
        self.instances[index] = None;
        for instance in self.instances.iter().flatten() {
            instance.broker.presence.link_down(at(self.now_ms), owner.node);
            instance.broker.presence.node_down(at(self.now_ms), owner.node);
        }
    }

    fn list(&mut self, index: usize, topic: &str) -> String {
        let client = self.connect(index);
        self.command(index, client, &["PRESENCE.LIST", topic, "JSON"])
    }
}

/// How often a text stands in another one.
fn times(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_list_asked_anywhere_shows_everybody_and_watchers_are_told_once() {
    let mut world = World::new(3);
    let clients: Vec<u64> = (0..3).map(|index| world.connect(index)).collect();
    let watchers: Vec<u64> = (0..3).map(|index| world.connect(index)).collect();
    for (index, watcher) in watchers.iter().enumerate() {
        world.command(index, *watcher, &["SUBSCRIBE", "__presence__:lobby"]);
    }
    world.pass(100);
    for (index, watcher) in watchers.iter().enumerate() {
        assert_eq!(times(&world.receive(index, *watcher), r#""event":"presence_state""#), 1);
    }
    for (index, client) in clients.iter().enumerate() {
        for number in 0..50 {
            let key = format!("user-{index}-{number}");
            world.command(index, *client, &["PRESENCE.TRACK", "lobby", &key, r#"{"from":"here"}"#]);
        }
    }
    world.pass(2_000);
    let lists: Vec<String> = (0..3).map(|index| world.list(index, "lobby")).collect();
    for (index, list) in lists.iter().enumerate() {
        assert_eq!(times(list, r#""phx_ref""#), 150, "{list}");
        // In the order in which they came there.
        assert_eq!(list.len(), lists[0].len());
        let told = world.receive(index, watchers[index]);
        for number in 0..150 {
            assert_eq!(times(&told, &format!(r#""user-{}-{}":"#, number / 50, number % 50)), 1, "{told}");
        }
    }
    let other = world.connect(1);
    let where_it_is = world.command(1, other, &["PRESENCE.WHERE", "user-2-7"]);
    assert_eq!(where_it_is, "*1\r\n$5\r\nlobby\r\n");
}

#[test]
fn an_applications_members_outlive_the_instance_that_it_was_connected_to() {
    let mut world = World::new(2);
    let application = world.connect(0);
    let watcher = world.connect(1);
    world.command(1, watcher, &["SUBSCRIBE", "__presence__:lobby"]);
    let attached = world.command(0, application, &["SUBSCRIBE", "__presence_session__:app"]);
    assert!(attached.contains(r#"{"event":"attached","members":0,"resumed":false}"#), "{attached}");
    let pooled = world.connect(0);
    for number in 0..20 {
        world.command(0, pooled, &["PRESENCE.TRACK", "lobby", &format!("u{number}"), "SESSION", "app"]);
    }
    world.pass(1_000);
    assert_eq!(times(&world.receive(1, watcher), r#""event":"presence_diff""#), 1);
    world.kill(0);
    world.pass(3_000);
    let again = world.connect(1);
    let attached = world.command(1, again, &["SUBSCRIBE", "__presence_session__:app"]);
    assert!(attached.contains(r#"{"event":"attached","members":20,"resumed":true}"#), "{attached}");
    world.pass(60_000);
    assert_eq!(world.receive(1, watcher), "", "nobody saw anything");
    assert_eq!(times(&world.list(1, "lobby"), "phx_ref"), 20);
    // What the instance that crashed was told last may be lost.
    assert!(world.receive(1, again).contains(r#""members":20,"resumed":false"#));
}

#[test]
fn an_instance_takes_members_of_another_away_and_everybody_sees_it() {
    let mut world = World::new(2);
    let (here, there) = (world.connect(0), world.connect(1));
    world.command(0, here, &["PRESENCE.TOUCH", "app"]);
    for number in 0..1_000 {
        world.command(0, here, &["PRESENCE.TRACK", "lobby", &format!("u{number}"), "SESSION", "app"]);
    }
    world.pass(1_000);
    let count = ["PRESENCE.COUNT", "lobby"];
    assert_eq!(world.command(1, there, &count), "*1\r\n*2\r\n:1000\r\n:1000\r\n");
    assert_eq!(world.command(1, there, &["PRESENCE.UNTRACK", "lobby", "u7", "SESSION", "app"]), ":1\r\n");
    world.pass(500);
    assert_eq!(world.command(0, here, &count), "*1\r\n*2\r\n:999\r\n:999\r\n");
    assert_eq!(world.command(1, there, &["PRESENCE.END", "app"]), ":999\r\n");
    assert_eq!(world.command(1, there, &count), "*1\r\n*2\r\n:0\r\n:0\r\n");
    world.pass(500);
    assert_eq!(world.command(0, here, &count), "*1\r\n*2\r\n:0\r\n:0\r\n");
}

/// A pattern's subscribers are reached in turns of somebody else, who may be slow: meanwhile changes wait, and not messages.
#[test]
fn diffs_do_not_pile_up_behind_many_subscribers_of_patterns() {
    let mut world = World::new(1);
    let listeners: Vec<u64> = (0..1100).map(|_| world.connect(0)).collect();
    for listener in &listeners {
        world.command(0, *listener, &["PSUBSCRIBE", "__presence__:*"]);
    }
    let tracker = world.connect(0);
    for topic in 0..3_000 {
        world.command(0, tracker, &["PRESENCE.TRACK", &format!("t{topic}"), "ann"]);
        world.turn(0);
    }
    world.pass(100);
    let pending = world.broker(0).subscriptions.diffs_unfinished();
    assert!(pending > 0 && pending < 1_000, "{pending}");
    let mut heard = 0;
    for _ in 0..100 {
        while world.broker(0).subscriptions.has_fanouts() {
            world.fan_out(0);
        }
        world.pass(10);
        heard += times(&world.receive(0, listeners[0]), "presence_diff");
    }
    assert_eq!(world.broker(0).subscriptions.diffs_unfinished(), 0);
    assert_eq!(heard, 3_000, "nothing is lost");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_operator_is_told_that_two_processes_use_one_node_id() {
    let mut world = World::new(2);
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        // A peer has heard of the other process, which has taken a later incarnation each time.
        for renewal in 1..=9 {
            let Owner { incarnation, .. } = world.broker(0).presence.owner();
            let later = Message::<Name, Entry>::Stale(Incarnation(incarnation.0 + 1)).encode();
            world.broker(0).presence.handle_message(at(world.now_ms), NodeId(2), &later, renewal).unwrap();
            world.pass(100);
        }
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let told = "Another process uses this instance's node id 0000000000000001";
    assert_eq!(times(&log, told), 2, "the fourth time and the eighth: {log}");
    assert_eq!(times(&log, "ERROR"), 2, "{log}");
    // Once its peer has heard of the last of them, it is as before.
    let owner = world.broker(0).presence.owner();
    world.broker(1).presence.node_up(at(world.now_ms), owner.node, owner.incarnation);
    let client = world.connect(0);
    world.command(0, client, &["PRESENCE.TRACK", "lobby", "ann"]);
    world.pass(1_000);
    assert_eq!(times(&world.list(1, "lobby"), "phx_ref"), 1);
}
