//! Everyone connected: what others may see of a client, and how to reach it.
//!
//! Owns the list and each client's record. A connection's own state (its session) is not here: others reach a client
//! only through its outbox. Must not know how a record is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use crate::outbox::Outbox;
use crate::pubsub::Kind;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::time::Now;

/// Where a client connects from, or to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A Unix socket, by its path.
    Unix(Arc<PathBuf>),
    /// A connection inside this process.
    Internal,
}

impl Address {
    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) | Address::Internal => true,
        }
    }
}

impl fmt::Display for Address {
    /// As CLIENT LIST shows it: a Unix socket has port 0.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => match address.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => write!(formatter, "{ip}:{}", address.port()),
                std::net::IpAddr::V6(_) => write!(formatter, "{address}"),
            },
            Address::Unix(path) => write!(formatter, "{}:0", path.display()),
            Address::Internal => formatter.write_str("internal:0"),
        }
    }
}

/// What the client calls itself and its library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Vec<u8>,
}

/// The record of a client.
pub struct Client {
    /// Never used twice.
    pub id: u64,
    /// Where it connects from.
    pub address: Address,
    /// Where it connects to.
    pub local_address: Address,
    /// The socket's descriptor, -1 if there is none.
    pub descriptor: i32,
    /// Its output.
    pub outbox: Arc<Outbox>,
    /// When it connected, in milliseconds of the monotonic clock.
    pub connected_ms: u64,
    /// When it last sent something, in milliseconds of the monotonic clock.
    pub active_ms: AtomicU64,
    /// Bytes of its unfinished request.
    pub query_bytes: AtomicU32,
    /// Row of its last command in the command table.
    pub last_command: AtomicU16,
    /// Number of the protocol that it speaks.
    pub protocol: AtomicU8,
    /// The database it selected.
    pub database: AtomicU32,
    /// Commands queued by MULTI, -1 outside.
    pub queued: AtomicI32,
    subscriptions: [AtomicU32; 3],
    names: Mutex<Option<Box<Names>>>,
}

impl Client {
    /// The record of a client that connects now.
    pub fn new(id: u64, address: Address, local_address: Address, descriptor: i32, now: Now) -> Self {
        Client {
            id,
            address,
            local_address,
            descriptor,
            outbox: Arc::new(Outbox::new(id)),
            connected_ms: now.monotonic_ms(),
            active_ms: AtomicU64::new(now.monotonic_ms()),
            query_bytes: AtomicU32::new(0),
            last_command: AtomicU16::new(u16::MAX),
            protocol: AtomicU8::new(2),
            database: AtomicU32::new(0),
            queued: AtomicI32::new(-1),
            subscriptions: Default::default(),
            names: Mutex::new(None),
        }
    }

    /// Number of its subscriptions of a kind.
    pub fn subscriptions(&self, kind: Kind) -> u32 {
        self.subscriptions[kind as usize].load(Ordering::Relaxed)
    }

    /// Whether it has any subscription. (Redis `CLIENT_PUBSUB`.)
    pub fn is_subscribed(&self) -> bool {
        Kind::ALL.into_iter().any(|kind| self.subscriptions(kind) > 0)
    }

    /// Notes the number of its subscriptions of a kind.
    pub(super) fn set_subscriptions(&self, kind: Kind, count: usize) {
        self.subscriptions[kind as usize].store(count as u32, Ordering::Relaxed);
    }

    /// What it calls itself and its library.
    pub fn names(&self) -> Names {
        self.names.lock().as_deref().cloned().unwrap_or_default()
    }

    /// The first bytes of what it calls its library.
    pub fn library(&self, most: usize) -> Vec<u8> {
        let names = self.names.lock();
        let library = names.as_deref().map_or(&[][..], |names| &names.library);
        library[..library.len().min(most)].to_vec()
    }

    /// Its name as text, for logs.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.names().name).into_owned()
    }

    /// Changes what it calls itself or its library.
    pub fn update_names(&self, update: impl FnOnce(&mut Names)) {
        let mut names = self.names.lock();
        update(names.get_or_insert_default());
        if names.as_deref() == Some(&Names::default()) {
            *names = None;
        }
    }
}

/// All clients, in the order of their ids.
#[derive(Default)]
pub struct Clients {
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    subscribed: AtomicUsize,
}

impl Clients {
    /// The id of the next client.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Number of clients with subscriptions. (INFO `pubsub_clients`.)
    pub fn subscribed(&self) -> usize {
        self.subscribed.load(Ordering::Relaxed)
    }

    /// A client has its first subscription.
    pub(super) fn note_subscribed(&self) {
        self.subscribed.fetch_add(1, Ordering::Relaxed);
    }

    /// A client has no subscription any more.
    pub(super) fn note_unsubscribed(&self) {
        self.subscribed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Adds a client.
    pub fn insert(&self, client: Arc<Client>) {
        self.connected.lock().insert(client.id, client);
    }

    /// Removes a client.
    pub fn remove(&self, id: u64) {
        self.connected.lock().remove(&id);
    }

    /// The client with this id.
    pub fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.connected.lock().get(&id).cloned()
    }

    /// Number of clients.
    pub fn len(&self) -> usize {
        self.connected.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` clients with an id above `id`, in the order of their ids: a page of a walk through all.
    pub fn after(&self, id: u64, most: usize) -> Vec<Arc<Client>> {
        let connected = self.connected.lock();
        connected
            .range((Bound::Excluded(id), Bound::Unbounded))
            .take(most)
            .map(|(_, client)| client.clone())
            .collect()
    }
}
