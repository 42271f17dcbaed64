//! Frames that are delivered to subscribers, encoded once for all of them.
//!
//! Owns the layout of `message`, `pmessage` and `smessage`. Must not know who receives them.
//!
//! A frame is encoded for RESP2, where it begins with `*`; in RESP3 only that first byte differs (`>`), so whoever
//! copies a frame to a RESP3 client sets it on the copy. A large payload is not part of the copied head: it is one
//! reference-counted buffer for all receivers, whatever their protocol and by whichever pattern they receive it.

use bytes::Bytes;

use super::reply::{append_bulk, append_bulk_header};

/// Payloads from this size on are shared by reference instead of being copied to each receiver. Copying 4 KiB
/// costs about what a reference costs when it is taken, queued and dropped, and keeps a write in one piece.
pub const SHARED_PAYLOAD_BYTES: usize = 4 * 1024;

/// First byte of a push in RESP3, in place of RESP2's `*`.
pub const RESP3_PUSH: u8 = b'>';

/// One encoded frame.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The frame up to where `shared` begins; the whole of it when there is none.
    pub head: &'a [u8],
    /// Payload and line end of a large message.
    pub shared: Option<&'a Bytes>,
}

impl Frame<'_> {
    /// Bytes of the whole frame.
    pub fn len(&self) -> usize {
        self.head.len() + self.shared.map_or(0, Bytes::len)
    }

    /// Never: a frame has a header at least.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The two kinds of channels, which have nothing to do with each other. (Redis 7 sharded pub/sub.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// SUBSCRIBE, PUBLISH; patterns apply.
    Global,
    /// SSUBSCRIBE, SPUBLISH; no patterns.
    Shard,
}

/// A payload, ready to stand at the end of any frame.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// Copied into each frame.
    Small(&'a [u8]),
    /// Payload and line end, shared by all frames.
    Shared(&'a Bytes),
}

impl<'a> Payload<'a> {
    /// Encodes what subscribers of the channel itself receive into `buffer`, replacing what it held.
    pub fn message<'f>(self, kind: ChannelKind, channel: &[u8], buffer: &'f mut Vec<u8>) -> Frame<'f>
    where
        'a: 'f,
    {
        buffer.clear();
        buffer.extend_from_slice(match kind {
            ChannelKind::Global => b"*3\r\n$7\r\nmessage\r\n",
            ChannelKind::Shard => b"*3\r\n$8\r\nsmessage\r\n",
        });
        append_bulk(buffer, channel);
        self.finish(buffer)
    }

    /// Encodes what subscribers of `pattern` receive into `buffer`, replacing what it held.
    pub fn pattern_message<'f>(self, pattern: &[u8], channel: &[u8], buffer: &'f mut Vec<u8>) -> Frame<'f>
    where
        'a: 'f,
    {
        buffer.clear();
        buffer.extend_from_slice(b"*4\r\n$8\r\npmessage\r\n");
        append_bulk(buffer, pattern);
        append_bulk(buffer, channel);
        self.finish(buffer)
    }

    fn finish<'f>(self, buffer: &'f mut Vec<u8>) -> Frame<'f>
    where
        'a: 'f,
    {
        match self {
            Payload::Small(payload) => {
                append_bulk(buffer, payload);
                Frame { head: buffer, shared: None }
            }
            Payload::Shared(shared) => {
                append_bulk_header(buffer, shared.len() - 2);
                Frame { head: buffer, shared: Some(shared) }
            }
        }
    }
}

/// A large payload with its line end, in the one buffer that all receivers will share.
pub fn share(payload: &[u8]) -> Bytes {
    let mut buffer = Vec::with_capacity(payload.len() + 2);
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(b"\r\n");
    Bytes::from(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: Frame) -> String {
        let mut bytes = frame.head.to_vec();
        bytes.extend_from_slice(frame.shared.map_or(&[][..], |shared| shared));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn small_and_shared_payloads_give_the_same_bytes() {
        let shared = share(b"hello");
        let mut buffer = Vec::new();
        for payload in [Payload::Small(b"hello"), Payload::Shared(&shared)] {
            let frame = payload.message(ChannelKind::Global, b"news", &mut buffer);
            assert_eq!(text(frame), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
            let frame = payload.message(ChannelKind::Shard, b"news", &mut buffer);
            assert_eq!(text(frame), "*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
            let frame = payload.pattern_message(b"n*", b"news", &mut buffer);
            assert_eq!(text(frame), "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
            assert_eq!(frame.len(), text(frame).len());
        }
    }
}
