//! What the tests under random schedules share: a table with the task that goes on with its fan-outs, its clients, and
//! what sleeps until it is woken. Owns no promise; those stand in `tests/shuttle.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use hereabouts::broker::subscriptions::{Published, Subscriptions};
use hereabouts::config::OutputLimit;
use hereabouts::map::HashKeys;
use hereabouts::outbox::{Batch, Outbox, Pushed, Taken};
use hereabouts::pubsub::fanout::{Delivery, Message};
use hereabouts::pubsub::{Kind, Subscribed};
use hereabouts::resp::push::{ChannelKind, Frame, FrameBuffer, Payload, share};
use hereabouts::time::Now;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use shuttle::rand::Rng;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

pub(crate) const UNLIMITED: OutputLimit =
    OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_duration: Duration::ZERO };
pub(crate) const NOW: Now = Now { monotonic: Duration::ZERO, unix: Duration::ZERO };
pub(crate) const CHANNEL: &str = "news";

pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
    let iterations = std::env::var("SHUTTLE_ITERATIONS").ok().map_or(1000, |text| text.parse().unwrap());
    shuttle::check_random(test, iterations);
}

/// What a task sleeps on. Unlike `park` it never returns without a wake, so a lost one is a deadlock, which shuttle
/// reports.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    pub(crate) rings: AtomicUsize,
}

impl Bell {
    pub(crate) fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }

    pub(crate) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// A client of the table, whose confirmations are simple strings.
pub(crate) struct Client {
    pub(crate) outbox: Arc<Outbox>,
    subscribed: Subscribed,
}

impl Client {
    pub(crate) fn new(id: u64) -> Self {
        Client { outbox: Arc::new(Outbox::new(id)), subscribed: Subscribed::default() }
    }

    pub(crate) fn subscriber(id: u64, table: &Subscriptions, kind: Kind, name: &str) -> Self {
        let mut client = Client::new(id);
        client.subscribe(table, kind, name);
        client
    }

    pub(crate) fn subscribe(&mut self, table: &Subscriptions, kind: Kind, name: &str) {
        let outbox = self.outbox.clone();
        table.subscribe(kind, name.as_bytes(), &self.outbox, &mut self.subscribed, |_| {
            reply(&outbox, &format!("subscribed {name}"));
        });
    }

    pub(crate) fn unsubscribe(&mut self, table: &Subscriptions, kind: Kind, name: &str) {
        table.unsubscribe(kind, name.as_bytes(), &mut self.subscribed);
        reply(&self.outbox, &format!("unsubscribed {name}"));
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        heard(&self.outbox)
    }
}

pub(crate) fn reply(outbox: &Outbox, text: &str) {
    assert!(outbox.push_replies(format!("+{text}\r\n").as_bytes(), &UNLIMITED, NOW).is_ok());
}

/// Everything in an outbox, frame by frame.
pub(crate) fn heard(outbox: &Outbox) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut batch = Batch::default();
    while outbox.take(&mut batch, Waker::noop()) == Taken::Output {
        bytes.append(&mut drain(&mut batch));
    }
    frames(&bytes)
}

pub(crate) fn drain(batch: &mut Batch) -> Vec<u8> {
    let mut bytes: Vec<u8> = batch.parts.drain(..).flatten().collect();
    bytes.append(&mut batch.tail);
    bytes
}

/// The words of each frame.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = decode(bytes).expect("a frame").expect("a whole frame");
        frames.push(words(frame));
        bytes = &bytes[length..];
    }
    frames
}

pub(crate) fn words(frame: OwnedFrame) -> String {
    match frame {
        OwnedFrame::SimpleString(text) | OwnedFrame::BulkString(text) => String::from_utf8(text).unwrap(),
        OwnedFrame::Array(frames) => frames.into_iter().map(words).collect::<Vec<_>>().join(" "),
        other => panic!("nobody sent {other:?}"),
    }
}

/// The payloads among what was heard.
pub(crate) fn payloads(heard: &[String]) -> Vec<&str> {
    let messages = heard.iter().filter(|frame| frame.contains("message "));
    messages.map(|frame| frame.rsplit(' ').next().unwrap()).collect()
}

/// A table with the task that goes on with unfinished fan-outs.
#[derive(Default)]
pub(crate) struct Flusher {
    bell: Bell,
    stopping: AtomicBool,
}

pub(crate) struct Broker {
    pub(crate) table: Subscriptions,
    flusher: Flusher,
}

impl Broker {
    pub(crate) fn new() -> Arc<Self> {
        let table = Subscriptions::new(HashKeys::new([1, 2]));
        Arc::new(Broker { table, flusher: Flusher::default() })
    }

    /// Runs `act` with what a delivery needs, for a few receivers or patterns, and wakes whom it made ready. How many
    /// is left to chance, so that a fan-out may overtake another one unless something forbids it.
    pub(crate) fn deliver<R>(act: impl FnOnce(&mut Delivery<'_>) -> R) -> R {
        let (mut ready, mut overflowed, mut frame) = (VecDeque::new(), Vec::new(), FrameBuffer::default());
        let result = act(&mut Delivery {
            limit: UNLIMITED,
            now: NOW,
            ready: &mut ready,
            overflowed: &mut overflowed,
            frame: &mut frame,
            budget: shuttle::rand::thread_rng().gen_range(1..=3),
            delivered: 0,
            lost: 0,
            forward: 0,
        });
        assert_eq!(overflowed, [0; 0]);
        ready.into_iter().for_each(Waker::wake);
        result
    }

    pub(crate) fn publish(&self, publisher: &Arc<Outbox>, payload: &str) -> Published {
        let payload = Payload::Small(payload.as_bytes());
        let message = Message { kind: ChannelKind::Global, channel: CHANNEL.as_bytes(), payload };
        let published = Self::deliver(|delivery| self.table.publish(message, publisher, delivery));
        if published == Published::Unfinished {
            self.flusher.bell.ring();
        }
        published
    }

    /// The number of receivers, waiting for it as a connection's task does.
    pub(crate) fn wait(&self, publisher: &Outbox, published: Published) -> u64 {
        if let Published::Delivered(receivers) = published {
            return receivers;
        }
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        loop {
            assert_eq!(publisher.take(&mut Batch::default(), &waker), Taken::Nothing);
            if publisher.is_completed() {
                return publisher.take_completion().unwrap();
            }
            bell.wait();
        }
    }

    pub(crate) fn publish_and_wait(&self, publisher: &Arc<Outbox>, payload: &str) -> u64 {
        let published = self.publish(publisher, payload);
        self.wait(publisher, published)
    }

    pub(crate) fn flush(&self) {
        while !self.flusher.stopping.load(Ordering::SeqCst) {
            self.flusher.bell.wait();
            while Self::deliver(|delivery| self.table.continue_fanout(delivery, |_, _, _| ())) {}
        }
    }

    /// Runs the flusher beside `threads` until they have ended; returns what they leave.
    pub(crate) fn run(self: &Arc<Self>, threads: Vec<Thread>) -> Vec<Left> {
        let broker = self.clone();
        let flusher = thread::spawn(move || broker.flush());
        let spawn = |act: Thread| {
            let broker = self.clone();
            thread::spawn(move || act(&broker))
        };
        let threads: Vec<_> = threads.into_iter().map(spawn).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        self.flusher.stopping.store(true, Ordering::SeqCst);
        self.flusher.bell.ring();
        flusher.join().unwrap();
        assert!(!self.table.has_fanouts());
        results
    }
}

/// What a thread of [`Broker::run`] leaves: a client, or a publisher's counts.
pub(crate) enum Left {
    Client(Client),
    Counts(Vec<u64>),
}

pub(crate) type Thread = Box<dyn FnOnce(&Broker) -> Left + Send>;

pub(crate) fn publisher(id: u64, payloads: &'static [&'static str]) -> Thread {
    let outbox = Arc::new(Outbox::new(id));
    Box::new(move |broker| {
        Left::Counts(payloads.iter().map(|payload| broker.publish_and_wait(&outbox, payload)).collect())
    })
}

pub(crate) fn client(mut client: Client, act: impl FnOnce(&Broker, &mut Client) + Send + 'static) -> Thread {
    Box::new(move |broker| {
        act(broker, &mut client);
        Left::Client(client)
    })
}

/// What the clients heard, and all counts.
pub(crate) fn sort(results: Vec<Left>) -> (Vec<Vec<String>>, Vec<u64>) {
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Left::Client(client) => all.push(client.heard()),
            Left::Counts(some) => counts.extend(some),
        }
    }
    (all, counts)
}

pub(crate) fn push(outbox: &Outbox, payload: &str, limit: &OutputLimit) -> Pushed {
    // The payload stands in a part of its own, so that half a frame could be queued.
    let head = format!("*2\r\n$7\r\nmessage\r\n${}\r\n", payload.len());
    let shared = share(payload.as_bytes());
    outbox.push(Frame { head: head.as_bytes(), head_resp3: None, shared: Some(&shared) }, limit, NOW)
}
