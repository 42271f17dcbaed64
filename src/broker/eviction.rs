//! Which clients to close when all of them together take more memory than they may. (Redis `maxmemory-clients`.)
//!
//! Owns the round over all clients, which goes on in as many steps as it takes, and the choice: largest first, and none
//! that has said CLIENT NO-EVICT. Must not know how a client is closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Broker;
use super::clients::{Client, Mark};

/// Clients that one round chooses from. When their end is not enough the next round goes on.
const CANDIDATES_MAX: usize = 1024;

/// A round over all clients.
#[derive(Default)]
pub struct Eviction {
    /// The client that was looked at last.
    after: u64,
    total: usize,
    /// The largest of those that may be closed, by size and id.
    largest: BTreeMap<(usize, u64), Arc<Client>>,
}

impl Eviction {
    /// Looks at up to `most` clients more. At the end of a round: whom to close so that those who remain take less than
    /// `limit` bytes.
    pub fn step(&mut self, broker: &Broker, limit: usize, most: usize) -> Option<Vec<Arc<Client>>> {
        let page = broker.clients.after(self.after, most);
        let is_last = page.len() < most;
        for client in page {
            self.after = client.id;
            if client.outbox.closed().is_some() {
                continue;
            }
            let bytes = client.memory();
            self.total += bytes;
            if !client.is(Mark::NoEvict) {
                self.largest.insert((bytes, client.id), client);
                if self.largest.len() > CANDIDATES_MAX {
                    self.largest.pop_first();
                }
            }
        }
        is_last.then(|| std::mem::take(self).choose(limit))
    }

    fn choose(mut self, limit: usize) -> Vec<Arc<Client>> {
        let mut chosen = Vec::new();
        while self.total >= limit
            && let Some(((bytes, _), client)) = self.largest.pop_last()
        {
            self.total -= bytes;
            chosen.push(client);
        }
        chosen
    }
}
