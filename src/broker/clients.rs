//! Everyone connected: what others may see of a client, and how to reach it.
//!
//! Owns the list and each client's record. A connection's own state (its session) is not here: others reach a client
//! only through its outbox. Must not know how a record is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, OutputLimit};
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

/// What CLIENT TRACKING has asked for. There are no keys that could change, so it is kept to be told again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// The client that invalidations would go to; 0 for this one.
    pub redirect: u64,
    /// All keys with one of the prefixes, whoever reads them.
    pub broadcast: bool,
    /// Only keys of commands behind CLIENT CACHING YES.
    pub opt_in: bool,
    /// Not the keys of a command behind CLIENT CACHING NO.
    pub opt_out: bool,
    /// Not what the client changes itself.
    pub no_loop: bool,
    /// For `broadcast`; none of them is the beginning of another.
    pub prefixes: BTreeSet<Vec<u8>>,
}

/// Something that holds for few clients, and that others may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    /// MONITOR: it is shown what others do.
    Monitor = 1,
    /// CLIENT NO-EVICT.
    NoEvict = 1 << 1,
    /// CLIENT NO-TOUCH.
    NoTouch = 1 << 2,
    /// Its next command waits for the end of CLIENT PAUSE.
    Postponed = 1 << 3,
    /// CLIENT TRACKING.
    Tracking = 1 << 4,
    /// CLIENT TRACKING with BCAST.
    Broadcast = 1 << 5,
    /// CLIENT CACHING holds for its next command.
    Caching = 1 << 6,
    /// It ends when its output is written.
    Closing = 1 << 7,
}

/// What few clients have, so that the others have no room for it.
#[derive(Default, PartialEq, Eq)]
struct Rare {
    names: Names,
    tracking: Tracking,
}

/// What a client takes at least: its task, record and outbox, its socket's buffers of our own. Measured with idle
/// connections.
const CLIENT_BYTES: usize = 1024;
/// What a subscription takes, for the client and in the table. Measured with channels of 16 bytes that nobody shares.
const SUBSCRIPTION_BYTES: usize = 105;

/// Bytes of a name that a line of the log shows.
const LOGGED_NAME_BYTES: usize = 128;

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
    /// Bytes of the commands queued by MULTI.
    pub queued_bytes: AtomicU32,
    marks: AtomicU8,
    subscriptions: [AtomicU32; 3],
    rare: Mutex<Option<Box<Rare>>>,
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
            queued_bytes: AtomicU32::new(0),
            marks: AtomicU8::new(0),
            subscriptions: Default::default(),
            rare: Mutex::new(None),
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

    /// Whether this holds for it.
    pub fn is(&self, mark: Mark) -> bool {
        self.marks.load(Ordering::Relaxed) & mark as u8 != 0
    }

    /// Notes whether this holds for it from now on.
    pub fn mark(&self, mark: Mark, holds: bool) {
        if holds {
            self.marks.fetch_or(mark as u8, Ordering::AcqRel);
        } else {
            self.marks.fetch_and(!(mark as u8), Ordering::AcqRel);
        }
    }

    /// The limit on its output: that of its class. A monitor gets what it did not ask for, as a subscriber does, so that
    /// where its own class has no limit that of subscribers holds.
    pub fn output_limit(&self, config: &Config) -> OutputLimit {
        let limits = &config.client_output_buffer_limit;
        let is_limited = limits.normal.hard_bytes != 0 || limits.normal.soft_bytes != 0;
        if self.is_subscribed() || self.is(Mark::Monitor) && !is_limited {
            limits.pubsub
        } else {
            limits.normal
        }
    }

    /// Bytes that it takes, as far as they are its own: buffers, queued commands, subscriptions. (CLIENT LIST `tot-mem`.)
    pub fn memory(&self) -> usize {
        let subscriptions: u32 = Kind::ALL.into_iter().map(|kind| self.subscriptions(kind)).sum();
        let rare = self.rare.lock().as_ref().map_or(0, |rare| rare.bytes());
        CLIENT_BYTES
            + subscriptions as usize * SUBSCRIPTION_BYTES
            + self.query_bytes.load(Ordering::Relaxed) as usize
            + self.queued_bytes.load(Ordering::Relaxed) as usize
            + self.outbox.waiting()
            + rare
    }

    /// What it calls itself and its library.
    pub fn names(&self) -> Names {
        self.rare.lock().as_ref().map_or_else(Names::default, |rare| rare.names.clone())
    }

    /// The first bytes of what it calls its library.
    pub fn library(&self, most: usize) -> Vec<u8> {
        let rare = self.rare.lock();
        let library = rare.as_deref().map_or(&[][..], |rare| &rare.names.library);
        library[..library.len().min(most)].to_vec()
    }

    /// The beginning of its name as text, for logs.
    pub fn name(&self) -> String {
        let rare = self.rare.lock();
        let name = rare.as_deref().map_or(&[][..], |rare| &rare.names.name);
        String::from_utf8_lossy(&name[..name.len().min(LOGGED_NAME_BYTES)]).into_owned()
    }

    /// Changes what it calls itself or its library.
    pub fn update_names(&self, update: impl FnOnce(&mut Names)) {
        self.update_rare(|rare| update(&mut rare.names));
    }

    /// What it asked for with CLIENT TRACKING, if that is on.
    pub fn tracking(&self) -> Option<Tracking> {
        let rare = self.rare.lock();
        self.is(Mark::Tracking)
            .then(|| rare.as_ref().map_or_else(Tracking::default, |rare| rare.tracking.clone()))
    }

    /// The client that CLIENT TRACKING redirects to, 0 for itself; nothing if that is off.
    pub fn redirect(&self) -> Option<u64> {
        let rare = self.rare.lock();
        self.is(Mark::Tracking).then(|| rare.as_ref().map_or(0, |rare| rare.tracking.redirect))
    }

    /// Starts, changes or ends CLIENT TRACKING.
    pub fn set_tracking(&self, tracking: Option<Tracking>) {
        self.mark(Mark::Tracking, tracking.is_some());
        self.mark(Mark::Broadcast, tracking.as_ref().is_some_and(|tracking| tracking.broadcast));
        if tracking.is_none() {
            self.mark(Mark::Caching, false);
        }
        self.update_rare(|rare| rare.tracking = tracking.unwrap_or_default());
    }

    fn update_rare(&self, update: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.lock();
        update(rare.get_or_insert_default());
        if rare.as_deref() == Some(&Rare::default()) {
            *rare = None;
        }
    }
}

impl Rare {
    fn bytes(&self) -> usize {
        let Names { name, library, library_version } = &self.names;
        let prefixes: usize =
            self.tracking.prefixes.iter().map(|prefix| size_of::<Vec<u8>>() + prefix.len()).sum();
        size_of::<Rare>() + name.len() + library.len() + library_version.len() + prefixes
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
