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
    pub const fn new(entropy: [u64; 2]) -> Self {
        HashKeys { first: entropy[0], second: entropy[1] }
    }

    /// A hash of several parts.
    pub fn hasher(self) -> PartsHasher {
        PartsHasher(SipHasher13::new_with_keys(self.first, self.second))
    }

    /// SipHash-1-3 of `bytes` (Aumasson and Bernstein, 2012), as the standard library's maps use it.
    pub fn hash(self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.first, self.second);
        hasher.write(bytes);
        hasher.finish()
    }
}

/// Hashes several parts one after the other, so that where one ends counts too.
pub struct PartsHasher(SipHasher13);

impl PartsHasher {
    /// The next part is this string.
    pub fn string(&mut self, text: &str) {
        self.0.write(text.as_bytes());
        // No byte of UTF-8.
        self.0.write_u8(0xff);
    }

    /// The next part are these numbers.
    pub fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.0.write_u64(*number));
    }

    /// The hash of all parts.
    pub fn finish(self) -> u64 {
        self.0.finish()
    }
}
