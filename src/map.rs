//! Keyed hashing for every table whose keys come from strangers.
//!
//! Owns the hash; the keys are drawn once at start and handed down as a value, so that the core has no random
//! source of its own and a simulation can fix them. Tables are `hashbrown::HashTable`s that keep the names
//! elsewhere and hash them with this.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Secret keys of the hash. Who does not know them cannot choose names that collide.
#[derive(Clone, Copy)]
pub struct HashKeys {
    first: u64,
    second: u64,
}

impl HashKeys {
    /// Keys from sixteen bytes of entropy.
    pub fn new(entropy: [u64; 2]) -> Self {
        HashKeys { first: entropy[0], second: entropy[1] }
    }

    /// SipHash-1-3 of `bytes` (Aumasson and Bernstein, 2012), as the standard library's maps use it.
    pub fn hash(self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.first, self.second);
        hasher.write(bytes);
        hasher.finish()
    }
}
