//! What is logged once.
//!
//! Owns the memory of it, which is bounded: when it is full, what is new is not logged any more.

use std::collections::BTreeSet;

use crate::map::HashKeys;
use crate::sync::Mutex;

/// Things remembered. Many more are nobody's stack but somebody who tries to fill the log.
const REMEMBERED_MAX: usize = 256;

/// What has been logged and will not be again.
pub struct Notices {
    keys: HashKeys,
    logged: Mutex<BTreeSet<u64>>,
}

impl Notices {
    /// Nothing has been logged.
    pub fn new(keys: HashKeys) -> Self {
        Notices { keys, logged: Mutex::new(BTreeSet::new()) }
    }

    /// Whether this, made of parts, is there for the first time and may be logged.
    pub fn is_first(&self, parts: &[&[u8]]) -> bool {
        let hashes: Vec<u8> = parts.iter().flat_map(|part| self.keys.hash(part).to_le_bytes()).collect();
        let hash = self.keys.hash(&hashes);
        let mut logged = self.logged.lock();
        logged.len() < REMEMBERED_MAX && logged.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_once_and_not_without_end() {
        let notices = Notices::new(HashKeys::new([1, 2]));
        assert!(notices.is_first(&[b"get", b"redis-py"]));
        assert!(!notices.is_first(&[b"get", b"redis-py"]));
        assert!(notices.is_first(&[b"get", b""]));
        assert!(notices.is_first(&[b"", b"get"]));
        let more = (0..1000_u32).filter(|number| notices.is_first(&[&number.to_le_bytes()])).count();
        assert_eq!(more, REMEMBERED_MAX - 3);
    }
}
