//! Writes replies, in the client's protocol, to the end of a buffer.
//!
//! Owns the encoding of every reply type, and what RESP2 says instead of the types that only RESP3 has. Must not
//! know what is answered or where the buffer goes. A small writer of its own because it is on the hot path: an
//! order of magnitude cheaper than building a frame value and encoding that.

use super::Protocol;

/// Appends replies to a buffer.
pub struct Reply<'a> {
    buffer: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// A writer to the end of `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Reply { buffer, protocol }
    }

    /// `+text`. The text must not contain line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `-text`. Line ends in the text become spaces, as Redis does, since the text may echo a client's bytes.
    pub fn error(&mut self, text: &[u8]) {
        let start = self.buffer.len() + 1;
        self.line(b'-', text);
        let end = self.buffer.len() - 2;
        for byte in &mut self.buffer[start..end] {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }

    /// `:value`.
    pub fn integer(&mut self, value: i64) {
        self.buffer.push(b':');
        append_integer(self.buffer, value);
        self.end();
    }

    /// `$length` and the bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        append_bulk(self.buffer, bytes);
    }

    /// A text with its format, which RESP2 clients get as a bulk. (RESP3 verbatim string, format `txt`.)
    pub fn verbatim(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.buffer.extend_from_slice(b"txt:");
                self.buffer.extend_from_slice(text);
                self.end();
            }
        }
    }

    /// The null: `_`, in RESP2 the null bulk.
    pub fn null(&mut self) {
        self.buffer.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The null in place of an array: `_`, in RESP2 the null array.
    pub fn null_array(&mut self) {
        self.buffer.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Header of an array; its elements follow.
    pub fn array(&mut self, elements: usize) {
        self.header(b'*', elements);
    }

    /// Header of a map; `pairs` keys and values follow in turns. RESP2: a flat array.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    /// A number with a fraction, as text. RESP2: a bulk.
    pub fn double(&mut self, text: &str) {
        self.number(b',', text);
    }

    /// An integer of any size, as text. RESP2: a bulk.
    pub fn big_number(&mut self, text: &str) {
        self.number(b'(', text);
    }

    fn number(&mut self, kind: u8, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(kind, text.as_bytes()),
        }
    }

    /// True or false. RESP2: 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Resp2 => self.integer(i64::from(value)),
            Protocol::Resp3 => self.line(b'#', if value { b"t" } else { b"f" }),
        }
    }

    /// Header of what is told beside the reply that follows it; `pairs` keys and values follow in turns. RESP2 has
    /// nothing like it, so that it is for RESP3 clients only.
    pub fn attribute(&mut self, pairs: usize) {
        self.header(b'|', pairs);
    }

    /// Header of a set; its elements follow. RESP2: an array.
    pub fn set(&mut self, elements: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', elements),
            Protocol::Resp3 => self.header(b'~', elements),
        }
    }

    /// Header of a push: what the client did not ask for with this request. RESP2: an array.
    pub fn push(&mut self, elements: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', elements),
            Protocol::Resp3 => self.header(b'>', elements),
        }
    }

    /// A reply that was encoded elsewhere in the same protocol.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.buffer.extend_from_slice(encoded);
    }

    fn header(&mut self, kind: u8, count: usize) {
        self.buffer.push(kind);
        append_integer(self.buffer, count as i64);
        self.end();
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buffer.push(kind);
        self.buffer.extend_from_slice(text);
        self.end();
    }

    fn end(&mut self) {
        self.buffer.extend_from_slice(b"\r\n");
    }
}

/// Appends `$length`, the bytes and the line end.
pub(crate) fn append_bulk(buffer: &mut Vec<u8>, bytes: &[u8]) {
    append_bulk_header(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
    buffer.extend_from_slice(b"\r\n");
}

/// Appends `$length` and the line end; the caller appends the bytes.
pub(crate) fn append_bulk_header(buffer: &mut Vec<u8>, length: usize) {
    // Of most strings, appended at once.
    if let 10..100 = length {
        let digits = [b'0' + (length / 10) as u8, b'0' + (length % 10) as u8];
        buffer.extend_from_slice(&[b'$', digits[0], digits[1], b'\r', b'\n']);
        return;
    }
    buffer.push(b'$');
    append_integer(buffer, length as i64);
    buffer.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal. Written here because formatting machinery costs several times as much.
pub(crate) fn append_integer(buffer: &mut Vec<u8>, value: i64) {
    if (0..10).contains(&value) {
        buffer.push(b'0' + value as u8);
        return;
    }
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    buffer.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply)) -> String {
        let mut buffer = Vec::new();
        write(&mut Reply::new(&mut buffer, protocol));
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn integers_of_every_size() {
        for value in [0, 1, 9, 10, -1, 99, 100, i64::MAX, i64::MIN] {
            assert_eq!(written(Protocol::Resp2, |reply| reply.integer(value)), format!(":{value}\r\n"));
        }
    }

    #[test]
    fn resp3_types_have_resp2_forms() {
        type Write = fn(&mut Reply);
        let table: [(Write, &str, &str); 11] = [
            (|reply| reply.null(), "$-1\r\n", "_\r\n"),
            (|reply| reply.null_array(), "*-1\r\n", "_\r\n"),
            (|reply| reply.map(2), "*4\r\n", "%2\r\n"),
            (|reply| reply.set(2), "*2\r\n", "~2\r\n"),
            (|reply| reply.push(3), "*3\r\n", ">3\r\n"),
            (|reply| reply.verbatim(b"ab"), "$2\r\nab\r\n", "=6\r\ntxt:ab\r\n"),
            (|reply| reply.array(0), "*0\r\n", "*0\r\n"),
            (|reply| reply.double("1.5"), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|reply| reply.big_number("12"), "$2\r\n12\r\n", "(12\r\n"),
            (|reply| reply.boolean(true), ":1\r\n", "#t\r\n"),
            (|reply| reply.boolean(false), ":0\r\n", "#f\r\n"),
        ];
        for (write, resp2, resp3) in table {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        }
    }

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(written(Protocol::Resp2, |reply| reply.error(b"ERR a\r\nb\nc")), "-ERR a  b c\r\n");
    }
}
