//! Clients by the hundred: publishers that send at a steady rate, subscribers that write down what comes. Who loses his
//! connection goes to another instance, as an application's client would.
//!
//! Owns the clients' tasks, which write the history. Knows addresses, and nothing of what is done to the instances. Start with
//! [`Load::start`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::history::{History, Interest, Kind, Target};
use super::instances::Instances;
use super::runtime;
use super::verdict::{Losses, judge};
use crate::support::{DEADLINE, Value, encode, eventually};

/// How long a client that has lost its connection waits before it tries the next instance.
const RECONNECT: Duration = Duration::from_millis(20);
/// A connection that does not answer by then is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many do what. The number of subscribers is that of a whole cluster.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) subscribers: usize,
    pub(crate) publishers: usize,
    /// Channels; there are half as many shard channels.
    pub(crate) channels: usize,
    /// A publisher sends so many messages at once, so often.
    pub(crate) burst: usize,
    pub(crate) pause: Duration,
    /// Added to each payload's length.
    pub(crate) filler: usize,
}

impl Default for Plan {
    fn default() -> Plan {
        let pause = Duration::from_millis(40);
        Plan { subscribers: 60, publishers: 6, channels: 8, burst: 2, pause, filler: 0 }
    }
}

impl Plan {
    /// All that publishers publish to, in their turn.
    fn targets(&self) -> Vec<Target> {
        let channels =
            (0..self.channels).map(|number| Target { is_shard: false, name: format!("channel.{number}") });
        let shards =
            (0..self.channels / 2).map(|number| Target { is_shard: true, name: format!("shard.{number}") });
        channels.chain(shards).collect()
    }

    /// To what the subscriber with this number is subscribed: one in five to a pattern, another one to a shard channel.
    fn interest(&self, subscriber: usize) -> Interest {
        match subscriber % 5 {
            // The second one matches half of the channels if there are more than ten, or one.
            0 if subscriber.is_multiple_of(2) => Interest::new(Kind::Pattern, "channel.*"),
            0 => Interest::new(Kind::Pattern, "channel.1*"),
            1 => Interest::new(Kind::Shard, &format!("shard.{}", subscriber / 5 % (self.channels / 2))),
            _ => Interest::new(Kind::Channel, &format!("channel.{}", subscriber % self.channels)),
        }
    }
}

/// Where the clients may connect to: nothing for an instance that is down.
#[derive(Clone)]
pub(crate) struct Addresses(Arc<Mutex<Vec<Option<SocketAddr>>>>);

impl Addresses {
    pub(crate) fn new(addresses: Vec<Option<SocketAddr>>) -> Addresses {
        Addresses(Arc::new(Mutex::new(addresses)))
    }

    pub(crate) fn set(&self, instance: usize, address: Option<SocketAddr>) {
        self.0.lock()[instance] = address;
    }

    /// The first at or behind this one.
    fn find(&self, from: usize) -> Option<(usize, SocketAddr)> {
        let addresses = self.0.lock();
        let count = addresses.len();
        (from..from + count).find_map(|number| Some((number % count, addresses[number % count]?)))
    }
}

/// What all tasks share.
#[derive(Clone)]
struct Shared {
    addresses: Addresses,
    history: Arc<Mutex<History>>,
    stopped: watch::Receiver<Stage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Publishers end.
    Draining,
    /// Subscribers end too.
    Ended,
}

pub(crate) struct Load {
    pub(crate) history: Arc<Mutex<History>>,
    shared: Shared,
    stage: watch::Sender<Stage>,
    plan: Plan,
    instances: usize,
    subscribers: Vec<JoinHandle<()>>,
    publishers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Connects the subscribers, evenly, and returns when all are confirmed. Nobody publishes yet.
    pub(crate) fn start(addresses: &Addresses, plan: Plan) -> Load {
        let instances = addresses.0.lock().len();
        let (stage, stopped) = watch::channel(Stage::Running);
        let history = Arc::new(Mutex::new(History::default()));
        let shared = Shared { addresses: addresses.clone(), history: history.clone(), stopped };
        let subscribers = (0..plan.subscribers)
            .map(|number| {
                // So that each interest is found at each instance.
                let home = number / 5 % instances;
                runtime().spawn(subscriber(shared.clone(), home, plan.interest(number)))
            })
            .collect();
        let load = Load { history, shared, stage, instances, subscribers, publishers: Vec::new(), plan };
        eventually("all are subscribed", || load.history.lock().sessions.len() >= load.plan.subscribers);
        load
    }

    /// From now on messages are published, at all instances.
    pub(crate) fn publish(&mut self) {
        self.publishers = (0..self.plan.publishers)
            .map(|number| {
                let shared = self.shared.clone();
                runtime().spawn(publisher(shared, number % self.instances, self.plan.clone()))
            })
            .collect();
    }

    /// More clients, at this instance first of all.
    pub(crate) fn join(&mut self, instance: usize, subscribers: usize, publishers: usize) {
        let numbers = self.plan.subscribers..self.plan.subscribers + subscribers;
        self.plan.subscribers += subscribers;
        self.plan.publishers += publishers;
        let shared = &self.shared;
        self.subscribers.extend(
            numbers.map(|number| {
                runtime().spawn(subscriber(shared.clone(), instance, self.plan.interest(number)))
            }),
        );
        self.publishers.extend(
            (0..publishers).map(|_| runtime().spawn(publisher(shared.clone(), instance, self.plan.clone()))),
        );
    }

    /// How many are subscribed to each channel, at all instances.
    pub(crate) fn subscribers(&self, kind: Kind) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for session in self.history.lock().sessions.iter().filter(|session| session.lost.is_none()) {
            if session.interest.kind == kind {
                *counts.entry(session.interest.name.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Waits until everybody at these instances has received something that each publisher at them has sent from now on.
    #[track_caller]
    pub(crate) fn checkpoint(&self, instances: &[usize]) {
        let sequences = self.history.lock().sequences(instances);
        assert!(!sequences.is_empty(), "nobody publishes at {instances:?}");
        eventually("everybody receives from everybody", || {
            self.history.lock().has_passed(instances, &sequences)
        });
    }

    /// The same for all.
    #[track_caller]
    pub(crate) fn checkpoint_of_all(&self) {
        let all: Vec<usize> = (0..self.instances).collect();
        // Who is about to reconnect is waited for.
        eventually("all clients are connected", || {
            let history = self.history.lock();
            let sessions = history.sessions.iter().filter(|session| session.lost.is_none()).count();
            let publishers = history.publishers.iter().filter(|publisher| publisher.lost.is_none()).count();
            (sessions, publishers) == (self.plan.subscribers, self.plan.publishers)
        });
        self.checkpoint(&all);
    }

    /// A fault begins that may lose what goes these ways. To be called before it is made.
    pub(crate) fn begin_fault(&self, what: &str, paths: Vec<(usize, usize)>, is_counted: bool) -> usize {
        self.history.lock().begin_fault(what, paths, is_counted)
    }

    /// A fault has ended. To be called when a checkpoint has been passed.
    pub(crate) fn end_fault(&self, fault: usize) {
        self.history.lock().end_fault(fault);
    }

    /// Ends all, when the last messages have arrived, and judges. Fails with what is wrong.
    #[track_caller]
    pub(crate) fn finish(self, instances: &Instances) -> Losses {
        let Load { history, stage, publishers, subscribers, .. } = self;
        stage.send_replace(Stage::Draining);
        runtime().block_on(async {
            for publisher in publishers {
                publisher.await.expect("a publisher's task");
            }
        });
        // What does not come is told by the verdict.
        let deadline = Instant::now() + DEADLINE;
        while !history.lock().is_drained() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        stage.send_replace(Stage::Ended);
        runtime().block_on(async {
            for subscriber in subscribers {
                subscriber.await.expect("a subscriber's task");
            }
        });
        let history = history.lock();
        match judge(&history) {
            Ok(losses) => {
                println!("{} messages received, {} lost", losses.received, losses.count());
                instances.assert_counted(&losses);
                losses
            }
            Err(wrong) => {
                let faults = history.faults.iter();
                let faults: Vec<_> = faults.map(|fault| (&fault.what, fault.from, fault.to)).collect();
                panic!("{wrong:#?}\nfaults, and when: {faults:?}")
            }
        }
    }
}

/// Subscribes and receives, at one instance after the other, until the end.
async fn subscriber(mut shared: Shared, home: usize, interest: Interest) {
    let mut next = home;
    while *shared.stopped.borrow() != Stage::Ended {
        let Some((instance, address)) = shared.addresses.find(next) else {
            sleep(RECONNECT).await;
            continue;
        };
        match timeout(CONNECT_TIMEOUT, subscribe(address, &interest)).await {
            Ok(Some(connection)) => receive(&mut shared, instance, &interest, connection).await,
            Ok(None) | Err(_) => sleep(RECONNECT).await,
        }
        next = instance + 1;
    }
}

async fn subscribe(address: SocketAddr, interest: &Interest) -> Option<Connection> {
    let mut connection = Connection::new(address).await?;
    let command = match interest.kind {
        Kind::Channel => "SUBSCRIBE",
        Kind::Pattern => "PSUBSCRIBE",
        Kind::Shard => "SSUBSCRIBE",
    };
    connection.send(&encode([command, &interest.name])).await?;
    let confirmation = connection.value().await?;
    assert_eq!(confirmation.elements()[0].text(), command.to_lowercase());
    Some(connection)
}

/// Until the connection is lost or all ends.
async fn receive(shared: &mut Shared, instance: usize, interest: &Interest, mut connection: Connection) {
    let session = shared.history.lock().confirm(instance, interest.clone());
    let mut stopped = shared.stopped.clone();
    loop {
        let value = tokio::select! {
            value = connection.value() => value,
            _ = stopped.wait_for(|stage| *stage == Stage::Ended) => return,
        };
        let Some(value) = value else { return shared.history.lock().lose_session(session) };
        let parts = value.elements();
        let (channel, payload) = (&parts[parts.len() - 2], &parts[parts.len() - 1]);
        shared.history.lock().receive(session, &channel.text(), &payload.text());
    }
}

/// Publishes to all channels in turn, at one instance after the other, until the end.
async fn publisher(shared: Shared, home: usize, plan: Plan) {
    let mut next = home;
    while *shared.stopped.borrow() == Stage::Running {
        let connection = match shared.addresses.find(next) {
            Some((instance, address)) => {
                next = instance + 1;
                let connection = timeout(CONNECT_TIMEOUT, Connection::new(address)).await.ok().flatten();
                connection.map(|connection| (instance, connection))
            }
            None => None,
        };
        let Some((instance, connection)) = connection else {
            sleep(RECONNECT).await;
            continue;
        };
        publish(&shared, instance, connection, &plan).await;
    }
}

/// Until the connection is lost or the others are to be drained.
async fn publish(shared: &Shared, instance: usize, mut connection: Connection, plan: &Plan) {
    let publisher = shared.history.lock().add_publisher(instance);
    let mut targets = plan.targets().into_iter().cycle();
    let mut ticks = interval(plan.pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = shared.stopped.clone();
    while *shared.stopped.borrow() == Stage::Running {
        let mut messages = Vec::new();
        let mut requests = Vec::new();
        for target in targets.by_ref().take(plan.burst) {
            let command = if target.is_shard { "SPUBLISH" } else { "PUBLISH" };
            let channel = target.name.clone();
            let (message, payload) = shared.history.lock().publish(publisher, target, plan.filler);
            requests.extend(encode([command, &channel, &payload]));
            messages.push(message);
        }
        let mut is_lost = connection.send(&requests).await.is_none();
        for message in messages {
            let reply = if is_lost { None } else { connection.value().await };
            match reply {
                Some(Value::Integer(_)) => shared.history.lock().acknowledge(message),
                Some(other) => panic!("PUBLISH is answered by {other:?}"),
                None => is_lost = true,
            }
        }
        if is_lost {
            return shared.history.lock().lose_publisher(publisher);
        }
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => {}
        }
    }
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    async fn new(address: SocketAddr) -> Option<Connection> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Connection { stream, unread: Vec::new() })
    }

    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    /// The next reply or message; nothing when the connection is lost. May be dropped before it is done.
    async fn value(&mut self) -> Option<Value> {
        loop {
            if !self.unread.is_empty()
                && let Some((value, used)) = Value::parse(&self.unread)
            {
                self.unread.drain(..used);
                return Some(value);
            }
            if self.stream.read_buf(&mut self.unread).await.ok()? == 0 {
                return None;
            }
        }
    }
}
