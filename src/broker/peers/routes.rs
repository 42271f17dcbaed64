//! Which link leads to whom: by node, and by the number of its bit.
//!
//! Owns a lock under which nothing else is locked but what links lock. Must not know what is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Link;
use crate::crdt::NodeId;
use crate::sync::RwLock;

#[derive(Default)]
pub(super) struct Routes(RwLock<Table>);

#[derive(Default)]
struct Table {
    links: BTreeMap<NodeId, Arc<dyn Link>>,
    /// By the numbers that interest gives to peers.
    numbered: Vec<Option<NodeId>>,
}

impl Routes {
    pub(super) fn insert(&self, node: NodeId, link: Arc<dyn Link>) {
        self.0.write().links.insert(node, link);
    }

    pub(super) fn remove(&self, node: NodeId) {
        self.0.write().links.remove(&node);
    }

    pub(super) fn clear(&self) {
        self.0.write().links.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.read().links.is_empty()
    }

    pub(super) fn find(&self, node: NodeId) -> Option<Arc<dyn Link>> {
        self.0.read().links.get(&node).cloned()
    }

    pub(super) fn all(&self) -> Vec<(NodeId, Arc<dyn Link>)> {
        self.0.read().links.iter().map(|(node, link)| (*node, link.clone())).collect()
    }

    /// These are the numbers from now on.
    pub(super) fn set_numbers(&self, numbers: impl Iterator<Item = (u32, NodeId)>) {
        let mut numbered = Vec::new();
        for (number, node) in numbers {
            let place = number as usize;
            numbered.resize(numbered.len().max(place + 1), None);
            numbered[place] = Some(node);
        }
        if self.0.read().numbered != numbered {
            self.0.write().numbered = numbered;
        }
    }

    /// Calls with each link that has a bit.
    pub(super) fn for_each(&self, bits: u64, mut call: impl FnMut(&dyn Link)) {
        let table = self.0.read();
        let mut left = bits;
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            left &= left - 1;
            let node = table.numbered.get(number).copied().flatten();
            if let Some(link) = node.and_then(|node| table.links.get(&node)) {
                call(link.as_ref());
            }
        }
    }
}
