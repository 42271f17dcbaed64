//! What subscriptions and the ends of connections mean to presence.
//!
//! Owns which channels are presence's own, and what a client's session does there. Must not know commands or sockets.

use crate::broker::Broker;
use crate::broker::session::Session;
use crate::resp::push::Frame;

/// See [`Session::fetch`].
pub(crate) fn fetch(
    _broker: &Broker,
    _session: &Session,
    _bytes_most: usize,
    _take: &mut dyn FnMut(Frame<'_>),
) -> bool {
    false
}
