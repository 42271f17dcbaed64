//! Endless streams of known bytes, so that sending is a slice and checking is a comparison.
//!
//! A stream of frames repeats after one period (the payloads count up to it), and only the period is stored. Where a
//! stream has got to is one number. A lost, repeated, reordered or mangled frame shows as a byte that differs; a loss
//! of exactly one period shows in the count at the end. Must not know of sockets, protocols or time.

use std::io;

/// One period of a stream of frames of equal length.
pub(crate) struct Tape {
    bytes: Vec<u8>,
    frame_len: usize,
}

impl Tape {
    pub(crate) fn new(frames: impl IntoIterator<Item = Vec<u8>>) -> Tape {
        let mut tape = Tape { bytes: Vec::new(), frame_len: 0 };
        for frame in frames {
            assert!(
                tape.frame_len == 0 || tape.frame_len == frame.len(),
                "frames of a tape have equal lengths"
            );
            tape.frame_len = frame.len();
            tape.bytes.extend_from_slice(&frame);
        }
        tape
    }

    pub(crate) fn frame_len(&self) -> u64 {
        self.frame_len as u64
    }

    /// One frame.
    pub(crate) fn frame(&self, nth: u64) -> &[u8] {
        self.slice(nth * self.frame_len(), (nth + 1) * self.frame_len())
    }

    /// The bytes of the stream from one position on: up to another, or to the end of the period if that comes first.
    pub(crate) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let start = (from % self.bytes.len() as u64) as usize;
        let rest = &self.bytes[start..];
        &rest[..rest.len().min((to - from) as usize)]
    }
}

/// How far the receiver of a tape has got.
#[derive(Default)]
pub(crate) struct Received {
    position: u64,
    /// How much of a heartbeat has come, if one was split by the end of a read.
    heartbeat: usize,
}

impl Received {
    /// Whole frames that have arrived.
    pub(crate) fn frames(&self, tape: &Tape) -> u64 {
        self.position / tape.frame_len()
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Takes what was read; an error if it is not what the tape says.
    pub(crate) fn advance(&mut self, tape: &Tape, heartbeat: &[u8], mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let expected = tape.slice(self.position, self.position + bytes.len() as u64);
            let (now, later) = bytes.split_at(expected.len());
            if self.heartbeat == 0 && now == expected {
                self.position += now.len() as u64;
                bytes = later;
            } else {
                bytes = self.advance_slowly(expected, heartbeat, bytes)?;
            }
        }
        Ok(())
    }

    /// Steps over the good part and one heartbeat, or says what is wrong.
    fn advance_slowly<'a>(
        &mut self,
        expected: &[u8],
        heartbeat: &[u8],
        bytes: &'a [u8],
    ) -> io::Result<&'a [u8]> {
        let mut good = 0;
        if self.heartbeat == 0 {
            good = expected.iter().zip(bytes).take_while(|(left, right)| left == right).count();
            self.position += good as u64;
        }
        let rest = &bytes[good..];
        let missing = &heartbeat[self.heartbeat..];
        let length = missing.len().min(rest.len());
        if length == 0 || rest[..length] != missing[..length] {
            return Err(mangled(&expected[good..], rest));
        }
        self.heartbeat = (self.heartbeat + length) % heartbeat.len();
        Ok(&rest[length..])
    }
}

fn mangled(expected: &[u8], received: &[u8]) -> io::Error {
    let text = |bytes: &[u8]| bytes[..bytes.len().min(80)].escape_ascii().to_string();
    io::Error::other(format!("mangled: expected \"{}\", received \"{}\"", text(expected), text(received)))
}
