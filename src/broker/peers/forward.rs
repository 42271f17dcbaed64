//! What clients publish here goes to the peers that want it.
//!
//! Owns how it is encoded: one frame for all peers. Must not know who wants what.

use crate::broker::Broker;
use crate::link::{Frame, Outgoing};
use crate::pubsub::fanout::Message;
use crate::resp::push::Payload;

/// Behind a payload that receivers share.
const LINE_END_BYTES: usize = 2;

impl Broker {
    /// Forwards what the client with this id has published to the peers with these bits. `scratch` is for use again and again.
    /// What is dropped is counted by the links.
    pub fn forward(&self, message: Message<'_>, publisher: u64, peers: u64, scratch: &mut Vec<u8>) {
        let Message { kind, channel, payload } = message;
        let frame = match payload {
            Payload::Small(payload) => Outgoing::new(&Frame::Message { kind, channel, payload }, scratch),
            Payload::Shared(payload) => {
                let payload = &payload[..payload.len() - LINE_END_BYTES];
                Outgoing::new(&Frame::Message { kind, channel, payload }, scratch)
            }
            Payload::Several(payloads) => {
                let pairs = (0..payloads.len()).map(|index| (channel, payloads.get(index)));
                Outgoing::messages(kind, pairs, scratch)
            }
        };
        // What a link drops it counts.
        self.peers.routes.for_each(peers, |link| {
            let _ = link.publish(publisher, &frame);
        });
    }
}
