//! When something was written, so that all instances agree on what came later.
//!
//! Owns the hybrid logical clock (Kulkarni, Demirbas and others, *Logical Physical Clocks*, 2014): a stamp is close to the
//! wall clock, and above every stamp that was heard of before. Must not know what is stamped. A stamp as text is what users
//! see as a member's *ref*.

use std::fmt;
use std::str::FromStr;

use crate::crdt::NodeId;
use crate::crdt::wire::{Input, Malformed, Wire, put_fixed};

/// Bits below the milliseconds: writes of one instance within one of them.
const COUNTER_BITS: u32 = 16;

/// The time of a write. No two writes have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970, and a counter in the lower 16 bits.
    pub time: u64,
    /// Who wrote.
    pub node: NodeId,
}

impl Stamp {
    /// Milliseconds since 1970.
    pub fn unix_ms(self) -> u64 {
        self.time >> COUNTER_BITS
    }

    /// So many milliseconds before.
    pub(super) fn before(self, ms: u64) -> Self {
        Stamp { time: self.time.saturating_sub(ms << COUNTER_BITS), ..self }
    }
}

impl fmt::Display for Stamp {
    /// As a ref.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}{:016x}", self.time, self.node.0)
    }
}

/// It is no ref of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAStamp;

impl FromStr for Stamp {
    type Err = NotAStamp;

    fn from_str(text: &str) -> Result<Self, NotAStamp> {
        let is_ref = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let half = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| NotAStamp);
        if !is_ref {
            return Err(NotAStamp);
        }
        Ok(Stamp { time: half(&text[..16])?, node: NodeId(half(&text[16..])?) })
    }
}

impl Wire for Stamp {
    fn encode(&self, out: &mut Vec<u8>) {
        put_fixed(out, self.time);
        put_fixed(out, self.node.0);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Stamp { time: input.fixed()?, node: NodeId(input.fixed()?) })
    }
}

/// The clock of one instance.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    node: NodeId,
    last: u64,
}

impl Clock {
    /// One that has heard of nothing.
    pub fn new(node: NodeId) -> Self {
        Clock { node, last: 0 }
    }

    /// The next stamp, at this time of the wall clock.
    pub fn stamp(&mut self, unix_ms: u64) -> Stamp {
        let wall = unix_ms.min(u64::MAX >> COUNTER_BITS) << COUNTER_BITS;
        self.last = wall.max(self.last.saturating_add(1));
        Stamp { time: self.last, node: self.node }
    }

    /// Whether its next stamp is above this one anyway.
    pub fn is_beyond(&self, stamp: Stamp) -> bool {
        self.last >= stamp.time
    }

    /// Takes note of a stamp, whoever's: the next own one will be above it.
    pub fn observe(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_whatever_the_wall_clock_does() {
        let mut clock = Clock::new(NodeId(7));
        let first = clock.stamp(1_000);
        assert_eq!(first.unix_ms(), 1_000);
        let clock_went_back = clock.stamp(10);
        assert!(clock_went_back > first);
        clock.observe(Stamp { time: 5_000 << COUNTER_BITS, node: NodeId(9) });
        assert!(clock.stamp(2_000).time > 5_000 << COUNTER_BITS);
        assert_eq!(clock.stamp(u64::MAX).node, NodeId(7));
    }

    #[test]
    fn a_ref_reads_back_and_nothing_else_does() {
        let stamp = Stamp { time: 0x1234, node: NodeId(u64::MAX) };
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        for text in ["", "1", "+000000000001234ffffffffffffffff", "000000000000123éfffffffffffffff"] {
            assert_eq!(text.parse::<Stamp>(), Err(NotAStamp), "{text}");
        }
    }
}
