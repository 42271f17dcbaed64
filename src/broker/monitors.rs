//! Clients that are shown what the others do. (MONITOR.)
//!
//! Owns who they are. Must not know what they are shown. Without any, a command costs one load.

use std::sync::Arc;

use super::clients::{Client, Mark};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The clients in MONITOR mode.
#[derive(Default)]
pub struct Monitors {
    /// Replaced as a whole, so that whoever shows them something holds no lock meanwhile.
    clients: RwLock<Arc<[Arc<Client>]>>,
    count: AtomicUsize,
}

impl Monitors {
    /// Whether there is one.
    pub fn is_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// All of them.
    pub fn all(&self) -> Arc<[Arc<Client>]> {
        self.clients.read().clone()
    }

    /// One more.
    pub fn add(&self, client: &Arc<Client>) {
        let mut clients = self.clients.write();
        client.mark(Mark::Monitor, true);
        *clients = clients.iter().chain([client]).cloned().collect();
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    /// One less, if it is one of them.
    pub fn remove(&self, client: &Client) {
        if !client.is(Mark::Monitor) {
            return;
        }
        let mut clients = self.clients.write();
        client.mark(Mark::Monitor, false);
        *clients = clients.iter().filter(|monitor| monitor.id != client.id).cloned().collect();
        self.count.store(clients.len(), Ordering::Relaxed);
    }
}
