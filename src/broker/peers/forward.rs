//! What clients publish here goes to the peers that want it.
//!
//! Owns how it is encoded: one frame for all peers that want the same. Must not know who wants what.

use super::Peers;
use crate::broker::Broker;
use crate::link::{Frame, Outgoing};
use crate::pubsub::fanout::Message;
use crate::resp::push::Payload;
use crate::sync::RwLockReadGuard;

/// Behind a payload that receivers share.
const LINE_END_BYTES: usize = 2;

/// Bytes of channels and payloads that go in one frame. A larger one would be cut, and if it is above `cluster-message-max`
/// dropped.
const TOGETHER_BYTES_MAX: usize = 32 * 1024;
/// What a message takes in such a frame beside these, at most.
const OVERHEAD_BYTES: usize = 8;

impl Peers {
    /// Until it is dropped, what is gathered for [`Broker::forward_together`] is not overtaken by a later message of the same
    /// client: one whose fan-out is finished elsewhere, where more peers that want it may be found.
    pub fn begin_gathering(&self) -> RwLockReadGuard<'_, ()> {
        self.gathering.read()
    }
}

impl Broker {
    /// Forwards what the client with this id has published to the peers with these bits. `scratch` is for use again and again.
    /// What is dropped is counted by the links.
    pub fn forward(&self, message: Message<'_>, publisher: u64, peers: u64, scratch: &mut Vec<u8>) {
        let Message { kind, channel, payload } = message;
        let frame = match payload {
            Payload::Several(payloads) => {
                let pairs = (0..payloads.len()).map(|index| (channel, payloads.get(index)));
                Outgoing::messages(kind, pairs, scratch)
            }
            payload => Outgoing::new(&Frame::Message { kind, channel, payload: bytes(payload) }, scratch),
        };
        self.send_message(&frame, publisher, peers);
    }

    /// Forwards the rest of a message whose fan-out went on elsewhere.
    pub fn forward_rest(&self, message: Message<'_>, publisher: u64, peers: u64) {
        let _nobody_gathers = self.peers.gathering.write();
        self.forward(message, publisher, peers, &mut Vec::new());
    }

    /// Forwards what a client has published with one command, each message to the peers with these bits: to each peer
    /// together, in order.
    pub fn forward_together(&self, messages: &[(Message<'_>, u64)], publisher: u64, scratch: &mut Vec<u8>) {
        for_each_group(messages, |together, peers| match together {
            [message] => self.forward(*message, publisher, peers, scratch),
            _ => {
                let pairs = together.iter().map(|message| (message.channel, bytes(message.payload)));
                self.send_message(&Outgoing::messages(together[0].kind, pairs, scratch), publisher, peers);
            }
        });
    }

    fn send_message(&self, frame: &Outgoing<'_>, publisher: u64, peers: u64) {
        // What a link drops it counts.
        self.peers.routes.for_each(peers, |link| {
            let _ = link.publish(publisher, frame);
        });
    }
}

/// Calls with the messages that go in one frame, at least one, and the peers that get it.
fn for_each_group(messages: &[(Message<'_>, u64)], mut call: impl FnMut(&[Message<'_>], u64)) {
    let mut left = messages.iter().fold(0, |all, (_, peers)| all | peers);
    while left != 0 {
        let first = left & left.wrapping_neg();
        // Those that want just what this one wants.
        let alike = messages
            .iter()
            .fold(left, |alike, (_, peers)| if peers & first == 0 { alike & !peers } else { alike & peers });
        left &= !alike;
        let is_wanted = |(_, peers): &&(Message<'_>, u64)| peers & first != 0;
        let wanted: Vec<_> = messages.iter().filter(is_wanted).map(|(message, _)| *message).collect();
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            let mut size = 0;
            let fits = |message: &&Message<'_>| {
                size += OVERHEAD_BYTES + message.channel.len() + message.payload.bytes();
                size <= TOGETHER_BYTES_MAX
            };
            let (together, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            call(together, alike);
            rest = others;
        }
    }
}

/// One payload as it was published.
fn bytes(payload: Payload<'_>) -> &[u8] {
    match payload {
        Payload::Small(payload) => payload,
        Payload::Shared(payload) => &payload[..payload.len() - LINE_END_BYTES],
        Payload::Several(_) => unreachable!("several payloads are published to one channel alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::push::ChannelKind;

    /// Channels that go together, and to whom.
    fn groups(payload: &[u8], wanted: &[(&'static str, u64)]) -> Vec<(String, u64)> {
        let message = |channel: &'static str| Message {
            kind: ChannelKind::Global,
            channel: channel.as_bytes(),
            payload: Payload::Small(payload),
        };
        let messages: Vec<_> = wanted.iter().map(|(channel, peers)| (message(channel), *peers)).collect();
        let mut groups = Vec::new();
        for_each_group(&messages, |together, peers| {
            let names = together.iter().map(|message| String::from_utf8_lossy(message.channel)).collect();
            groups.push((names, peers));
        });
        groups
    }

    #[test]
    fn peers_that_want_the_same_get_the_same_frame_and_each_gets_all_that_it_wants_in_order() {
        let wanted = [("a", 0b0111), ("b", 0), ("c", 0b0101), ("d", 0b1010), ("e", 0b0101)];
        let expected = [("ace", 0b0101), ("ad", 0b0010), ("d", 0b1000)];
        assert_eq!(groups(b"x", &wanted), expected.map(|(names, peers)| (names.to_owned(), peers)));
        assert_eq!(groups(b"x", &[("a", 0)]), []);
    }

    #[test]
    fn a_frame_is_not_so_large_that_it_would_be_cut() {
        let payload = vec![b'x'; TOGETHER_BYTES_MAX / 3];
        let expected = ["ab", "cd", "e"].map(|names| (names.to_owned(), 1));
        assert_eq!(groups(&payload, &["a", "b", "c", "d", "e"].map(|name| (name, 1))), expected);
        let payload = vec![b'x'; TOGETHER_BYTES_MAX];
        assert_eq!(groups(&payload, &[("a", 1), ("b", 1)]), ["a", "b"].map(|name| (name.to_owned(), 1)));
    }
}
