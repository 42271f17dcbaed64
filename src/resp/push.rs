//! Frames that are delivered to subscribers, encoded once for all of them.
//!
//! Owns the layout of `message`, `pmessage` and `smessage`. Must not know who receives them.
//!
//! A frame is encoded for RESP2, where it begins with `*`; in RESP3 only that first byte differs (`>`), so whoever
//! copies a frame to a RESP3 client sets it on the copy. A large payload is not part of the copied head: it is one
//! reference-counted buffer for all receivers, whatever their protocol and by whichever pattern they receive it.

use bytes::Bytes;

use super::Protocol;
use super::reply::{append_bulk, append_bulk_header};

/// Payloads from this size on are shared by reference instead of being copied to each receiver. Copying 4 KiB
/// costs about what a reference costs when it is taken, queued and dropped, and keeps a write in one piece.
pub const SHARED_PAYLOAD_BYTES: usize = 4 * 1024;

/// First byte of a push in RESP3, in place of RESP2's `*`.
const RESP3_PUSH: u8 = b'>';

/// Encoded frames, of one message or of several in a row.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// What is copied, for RESP2: up to where `shared` begins, or all of it.
    pub head: &'a [u8],
    /// The same for RESP3, where more than the first byte differs.
    pub head_resp3: Option<&'a [u8]>,
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

    /// Appends the part that is copied.
    pub fn append_head(&self, buffer: &mut Vec<u8>, protocol: Protocol) {
        match (protocol, self.head_resp3) {
            (Protocol::Resp2, _) => buffer.extend_from_slice(self.head),
            (Protocol::Resp3, Some(head)) => buffer.extend_from_slice(head),
            (Protocol::Resp3, None) => {
                let start = buffer.len();
                buffer.extend_from_slice(self.head);
                buffer[start] = RESP3_PUSH;
            }
        }
    }
}

/// Where frames are encoded, reused from message to message.
#[derive(Default)]
pub struct FrameBuffer {
    resp2: Vec<u8>,
    resp3: Vec<u8>,
}

/// Small payloads of several messages in a row.
#[derive(Clone, Default)]
pub struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Payloads {
    /// Adds one.
    pub fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len() as u32);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The one at `index`.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[index] as usize]
    }
}

/// The two kinds of channels, which have nothing to do with each other. (Redis 7 sharded pub/sub.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// SUBSCRIBE, PUBLISH; patterns apply.
    #[default]
    Global,
    /// SSUBSCRIBE, SPUBLISH; no patterns.
    Shard,
}

/// What is published: one payload, or several that follow each other to one channel.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// Copied into each frame.
    Small(&'a [u8]),
    /// Payload and line end, shared by all frames.
    Shared(&'a Bytes),
    /// Copied, a frame for each.
    Several(&'a Payloads),
}

impl<'a> Payload<'a> {
    /// One payload whose line end stands behind it: copied if it is small, and otherwise shared.
    pub fn with_line_end(payload: &'a Bytes) -> Self {
        let length = payload.len() - 2;
        if length < SHARED_PAYLOAD_BYTES {
            Payload::Small(&payload[..length])
        } else {
            Payload::Shared(payload)
        }
    }

    /// Number of messages.
    pub fn messages(self) -> usize {
        match self {
            Payload::Small(_) | Payload::Shared(_) => 1,
            Payload::Several(payloads) => payloads.len(),
        }
    }

    /// Bytes that are published.
    pub fn bytes(self) -> usize {
        match self {
            Payload::Small(payload) => payload.len(),
            // With the line end.
            Payload::Shared(shared) => shared.len() - 2,
            Payload::Several(payloads) => payloads.bytes(),
        }
    }

    /// Encodes what subscribers of the channel itself receive into `buffer`, replacing what it held.
    pub fn message<'f>(self, kind: ChannelKind, channel: &[u8], buffer: &'f mut FrameBuffer) -> Frame<'f>
    where
        'a: 'f,
    {
        self.encode(buffer, |head| {
            head.extend_from_slice(match kind {
                ChannelKind::Global => b"*3\r\n$7\r\nmessage\r\n",
                ChannelKind::Shard => b"*3\r\n$8\r\nsmessage\r\n",
            });
            append_bulk(head, channel);
        })
    }

    /// Encodes what subscribers of `pattern` receive into `buffer`, replacing what it held.
    pub fn pattern_message<'f>(self, pattern: &[u8], channel: &[u8], buffer: &'f mut FrameBuffer) -> Frame<'f>
    where
        'a: 'f,
    {
        self.encode(buffer, |head| {
            head.extend_from_slice(b"*4\r\n$8\r\npmessage\r\n");
            append_bulk(head, pattern);
            append_bulk(head, channel);
        })
    }

    fn encode<'f>(self, buffer: &'f mut FrameBuffer, begin: impl Fn(&mut Vec<u8>)) -> Frame<'f>
    where
        'a: 'f,
    {
        let FrameBuffer { resp2, resp3 } = buffer;
        resp2.clear();
        match self {
            Payload::Small(payload) => {
                begin(resp2);
                append_bulk(resp2, payload);
                Frame { head: resp2, head_resp3: None, shared: None }
            }
            Payload::Shared(shared) => {
                begin(resp2);
                append_bulk_header(resp2, shared.len() - 2);
                Frame { head: resp2, head_resp3: None, shared: Some(shared) }
            }
            Payload::Several(payloads) => {
                resp3.clear();
                for payload in (0..payloads.len()).map(|index| payloads.get(index)) {
                    let start = resp2.len();
                    begin(resp2);
                    append_bulk(resp2, payload);
                    resp3.extend_from_slice(&resp2[start..]);
                    resp3[start] = RESP3_PUSH;
                }
                Frame { head: resp2, head_resp3: Some(resp3), shared: None }
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
        let mut buffer = FrameBuffer::default();
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

    #[test]
    fn several_messages_are_frames_in_a_row() {
        let mut payloads = Payloads::default();
        for payload in ["a", "", "bc"] {
            payloads.push(payload.as_bytes());
        }
        let mut buffer = FrameBuffer::default();
        let frame = Payload::Several(&payloads).message(ChannelKind::Global, b"n", &mut buffer);
        let expected = "*3\r\n$7\r\nmessage\r\n$1\r\nn\r\n";
        let expected = format!("{expected}$1\r\na\r\n{expected}$0\r\n\r\n{expected}$2\r\nbc\r\n");
        for (protocol, expected) in
            [(Protocol::Resp2, expected.clone()), (Protocol::Resp3, expected.replace("*3", ">3"))]
        {
            let mut copy = Vec::new();
            frame.append_head(&mut copy, protocol);
            assert_eq!(String::from_utf8(copy).unwrap(), expected);
        }
    }
}
