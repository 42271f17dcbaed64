//! The Redis serialization protocol: requests in, replies and pushes out.
//!
//! Owns bytes and their limits. Must not know any command, client or socket. Start with [`request`].

pub mod boundary;
pub mod inline;
pub mod push;
pub mod reply;
pub mod request;

/// Version of the protocol that a client speaks. (Redis `HELLO`.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, what every connection starts with.
    #[default]
    Resp2,
    /// RESP3: maps, sets, nulls, pushes.
    Resp3,
}

impl Protocol {
    /// The number that HELLO and CLIENT LIST show.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

#[cfg(test)]
#[path = "written_tests.rs"]
mod tests;
