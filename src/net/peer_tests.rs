//! Two instances over in-process streams: they find each other, messages and frames get through in order, a lost connection
//! begins the next set, strangers are refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::crdt::{Incarnation, Owner};
use crate::link::{ClientAddress, Standing};
use crate::resp::push::ChannelKind;

/// What an instance has been told.
#[derive(Debug, PartialEq)]
enum Told {
    Up,
    Down,
    Lost(u64),
    Presence(Vec<u8>),
    /// Length and last byte.
    Message(usize, u8),
    Messages(Vec<(Vec<u8>, Vec<u8>)>),
}

struct Instance {
    node: NodeId,
    secret: &'static [u8],
    start: std::time::Instant,
    peers: Mutex<BTreeMap<NodeId, Arc<Peer<Instance>>>>,
    told: UnboundedSender<Told>,
    refuses_presence: AtomicBool,
}

impl Cluster for Instance {
    fn now(&self) -> Now {
        Now { monotonic: self.start.elapsed(), ..Now::default() }
    }

    fn me(&self) -> Me {
        let owner = Owner { node: self.node, incarnation: Incarnation(1) };
        Me {
            owner,
            cluster: b"test".to_vec(),
            features: 0,
            message_max: 8 * 1024 * 1024,
            clients: ClientAddress::default(),
        }
    }

    fn secrets(&self) -> Secrets {
        Secrets::new(Some(self.secret.to_vec()), None)
    }

    fn peer(&self, peer: Owner) -> Option<Arc<Peer<Self>>> {
        self.peers.lock().get(&peer.node).cloned()
    }

    fn apply(&self, _: NodeId, frame: Frame<'_>, inbox: &mut Inbox) -> Result<(), &'static str> {
        inbox.delivered += frame.messages();
        let told = match frame {
            Frame::Presence(_) if self.refuses_presence.swap(false, Ordering::Relaxed) => {
                return Err("it is not to our taste");
            }
            Frame::Presence(bytes) => Told::Presence(bytes.to_vec()),
            Frame::Message { payload, .. } => Told::Message(payload.len(), *payload.last().unwrap()),
            Frame::Messages(messages) => Told::Messages(
                messages.map(|(channel, payload)| (channel.to_vec(), payload.to_vec())).collect(),
            ),
            other => panic!("{other:?}"),
        };
        // The test may have seen enough.
        let _ = self.told.send(told);
        Ok(())
    }

    fn go_on(&self, _: &mut Inbox) {}

    fn applied(&self) {}

    fn handle_event(&self, _: NodeId, _: u64, event: Event) {
        let told = match event {
            Event::Up => Told::Up,
            Event::Down => Told::Down,
            Event::Lost(_, count) => Told::Lost(count),
            Event::Interest(_) | Event::Close(_) | Event::Wake(_) => return,
        };
        let _ = self.told.send(told);
    }
}

/// Instance 1, which dials, and instance 2, which it knows as its peer.
struct Pair {
    peers: [Arc<Peer<Instance>>; 2],
    told: [UnboundedReceiver<Told>; 2],
    /// One permit for each.
    dials: Arc<Semaphore>,
}

fn instance(node: u64, secret: &'static [u8]) -> (Arc<Instance>, UnboundedReceiver<Told>) {
    let (told, receiver) = unbounded_channel();
    let start = std::time::Instant::now();
    let (peers, refuses_presence) = (Mutex::default(), AtomicBool::new(false));
    (Arc::new(Instance { node: NodeId(node), secret, start, peers, told, refuses_presence }), receiver)
}

/// Two instances that know each other.
type Known = ([Arc<Peer<Instance>>; 2], [UnboundedReceiver<Told>; 2]);

fn known(secrets: [&'static [u8]; 2]) -> Known {
    let settings = Settings { data_links: 2, limit_bytes: 64 * 1024 * 1024 };
    let ((one, one_told), (two, two_told)) = (instance(1, secrets[0]), instance(2, secrets[1]));
    let dialler = Peer::new(one, two.node, 1, settings.clone()).unwrap();
    let acceptor = Peer::new(two.clone(), NodeId(1), 1, settings).unwrap();
    two.peers.lock().insert(NodeId(1), acceptor.clone());
    ([dialler, acceptor], [one_told, two_told])
}

impl Pair {
    fn new(secrets: [&'static [u8]; 2]) -> Self {
        let (peers, told) = known(secrets);
        let two = peers[1].cluster.clone();
        let dials = Arc::new(Semaphore::new(0));
        let count = dials.clone();
        let connect = move || {
            count.add_permits(1);
            let (ours, theirs): (DuplexStream, DuplexStream) = duplex(16 * 1024);
            tokio::spawn(accept(two.clone(), theirs, true, None));
            std::future::ready(Ok((ours, true)))
        };
        for peer in &peers {
            tokio::spawn(peer.clone().drive(connect.clone()));
        }
        Pair { peers, told, dials }
    }

    async fn told(&mut self, at: usize) -> Told {
        self.told[at].recv().await.unwrap()
    }

    fn publish(&self, at: usize, publisher: u64, payload: &[u8]) {
        let frame = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload };
        self.peers[at].publish(publisher, &Outgoing::new(&frame, &mut Vec::new())).unwrap();
    }
}

#[tokio::test]
async fn what_is_published_at_either_side_arrives_in_order() {
    let mut pair = Pair::new([b"secret", b"secret"]);
    for at in 0..2 {
        assert_eq!(pair.told(at).await, Told::Up);
        for publisher in 0..2 {
            for number in 0..100 {
                // Some are cut into fragments.
                let length = if number % 10 == 3 { 200_000 } else { 10 };
                pair.publish(at, publisher, &vec![number; length]);
            }
        }
    }
    for at in 0..2 {
        let mut numbers = Vec::new();
        while numbers.len() < 200 {
            let Told::Message(length, number) = pair.told(at).await else { continue };
            assert_eq!(length, if number % 10 == 3 { 200_000 } else { 10 });
            numbers.push(number);
        }
        // Each publisher's are in order, so each number comes for the second time behind its predecessor's second time.
        let seconds: Vec<u8> =
            (0..200).filter(|&at| numbers[..at].contains(&numbers[at])).map(|at| numbers[at]).collect();
        assert!(seconds.is_sorted() && seconds.len() == 100);
    }
    assert_eq!(pair.peers[0].report().0.standing, Standing::Up);
}

#[tokio::test]
async fn several_messages_and_presence_get_through() {
    let mut pair = Pair::new([b"secret", b"secret"]);
    assert_eq!(pair.told(0).await, Told::Up);
    assert_eq!(pair.told(1).await, Told::Up);
    let presence = vec![7; 300_000];
    pair.peers[1].send(&Frame::Presence(&presence));
    assert_eq!(pair.told(0).await, Told::Presence(presence));
    let mut body = Vec::new();
    let wanted: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"2")];
    crate::link::frame::append_messages(&mut body, ChannelKind::Global, wanted.into_iter());
    let frame = Frame::decode(crate::link::frame::kind::MESSAGES, &body).unwrap().unwrap();
    pair.peers[0].publish(5, &Outgoing::new(&frame, &mut Vec::new())).unwrap();
    let wanted = wanted.map(|(channel, payload)| (channel.to_vec(), payload.to_vec()));
    assert_eq!(pair.told(1).await, Told::Messages(wanted.to_vec()));
}

#[tokio::test]
async fn a_bad_frame_ends_the_set_and_the_next_one_begins() {
    let mut pair = Pair::new([b"secret", b"secret"]);
    assert_eq!(pair.told(0).await, Told::Up);
    assert_eq!(pair.told(1).await, Told::Up);
    pair.peers[1].cluster.refuses_presence.store(true, Ordering::Relaxed);
    pair.peers[0].send(&Frame::Presence(b"first"));
    for at in 0..2 {
        assert_eq!(pair.told(at).await, Told::Down);
        assert_eq!(pair.told(at).await, Told::Up);
    }
    pair.peers[0].send(&Frame::Presence(b"second"));
    assert_eq!(pair.told(1).await, Told::Presence(b"second".to_vec()));
    assert_eq!(pair.dials.available_permits(), 6);
}

#[tokio::test]
async fn another_secret_is_refused_and_tried_again() {
    let pair = Pair::new([b"secret", b"guess"]);
    let _three_sets = pair.dials.acquire_many(9).await.unwrap();
    assert_eq!(pair.peers[1].report().0.connections, 0);
}

#[tokio::test]
async fn a_peer_that_is_given_up_is_not_dialled_again() {
    let mut pair = Pair::new([b"secret", b"secret"]);
    assert_eq!(pair.told(0).await, Told::Up);
    assert_eq!(pair.told(1).await, Told::Up);
    pair.peers[0].change(|now, links| links.give_up(now));
    assert_eq!(pair.told(0).await, Told::Down);
    assert_eq!(pair.told(1).await, Told::Down);
    let frame = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload: b"late" };
    let lost = pair.peers[0].publish(1, &Outgoing::new(&frame, &mut Vec::new()));
    assert_eq!(lost, Err(Loss::GivenUp));
}

#[tokio::test]
async fn over_tcp_it_is_the_same_and_strangers_are_in_nobodys_way() {
    let (peers, mut told) = known([b"secret", b"secret"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(listen(peers[1].cluster.clone(), listener));
    let mut redis = TcpStream::connect(address).await.unwrap();
    redis.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    for peer in &peers {
        tokio::spawn(peer.clone().drive(move || connect(address)));
    }
    assert_eq!(told[0].recv().await, Some(Told::Up));
    assert_eq!(told[1].recv().await, Some(Told::Up));
    let payload = vec![9; 5_000_000];
    let frame = Frame::Message { kind: ChannelKind::Global, channel: b"news", payload: &payload };
    peers[0].publish(1, &Outgoing::new(&frame, &mut Vec::new())).unwrap();
    assert_eq!(told[1].recv().await, Some(Told::Message(5_000_000, 9)));
    // It is told nothing. Unread bytes may make it a reset.
    let mut answer = Vec::new();
    let _ = redis.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    drop(silent);
}
