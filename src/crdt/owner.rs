//! Who writes a log: a node, in one of its lives.
//!
//! Owns the identities and how an incarnation is drawn. Must not know logs.

use std::fmt;

/// An instance, as others know it. Random at each start unless the operator names the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// One life of a node: higher than all its former ones, and never used twice.
///
/// The upper 44 bits are a time in milliseconds since 1970, the lower 20 are random: the peer that tells a node of its
/// former life may not know the last one, so that adding one alone could meet it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

const RANDOM_BITS: u32 = 20;

impl Incarnation {
    /// A new one for a node whose clock shows `unix_ms`, higher than `heard`, the highest of the same node that it has
    /// heard of: its clock may have gone back.
    pub fn draw(unix_ms: u64, heard: Option<Incarnation>, random: u64) -> Self {
        let above = heard.map_or(0, |heard| (heard.0 >> RANDOM_BITS) + 1);
        // A clock beyond the year 2500, or a peer that claims so, must not make it begin anew.
        let milliseconds = unix_ms.max(above).min(u64::MAX >> RANDOM_BITS);
        Incarnation(milliseconds << RANDOM_BITS | random & ((1 << RANDOM_BITS) - 1))
    }
}

/// The only writer of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Which instance.
    pub node: NodeId,
    /// In which of its lives.
    pub incarnation: Incarnation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_is_above_the_clock_and_all_that_was_heard() {
        let first = Incarnation::draw(1_000, None, 7);
        assert_eq!(first, Incarnation(1_000 << 20 | 7));
        let clock_went_back = Incarnation::draw(10, Some(first), 3);
        assert!(clock_went_back > first);
        assert!(Incarnation::draw(2_000, Some(first), 0) > clock_went_back);
    }

    #[test]
    fn it_does_not_begin_anew_at_the_end_of_time() {
        let last = Incarnation(u64::MAX);
        assert!(Incarnation::draw(5, Some(last), 1) > Incarnation::draw(u64::MAX >> 21, None, 0));
    }
}
