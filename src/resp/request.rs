//! Decodes requests from a stream of bytes that may be cut anywhere.
//!
//! Owns the syntax of requests, its limits and the texts of its errors (Redis `processInputBuffer`). Must not know
//! commands. The caller keeps the bytes; the decoder keeps only where it stands in them, so that a request which
//! arrives in a million pieces is looked at once, and memory is taken for what has arrived, never for what was
//! announced. Nothing here recurses.

use super::inline::split_arguments;

/// An inline request or a header line may be this long. (Redis `PROTO_INLINE_MAX_SIZE`.)
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Arguments of one request at most. (Redis: `INT_MAX`.)
const ARGUMENTS_MAX: i64 = i32::MAX as i64;
/// Arguments of one request before authentication. (Redis 6.2.)
const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;
/// Bytes of one argument before authentication. (Redis 6.2.)
const UNAUTHENTICATED_BULK_BYTES_MAX: i64 = 16 * 1024;
/// Argument positions kept allocated between requests.
const ARGUMENTS_KEPT: usize = 64;

/// What the connection's state allows.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes of one argument. (`proto-max-bulk-len`.)
    pub bulk_bytes_max: usize,
    /// False until the client has authenticated, if it must.
    pub authenticated: bool,
}

/// Bytes that are no request. The connection cannot be understood any more: reply and close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// No line end within 64 KiB of an inline request.
    InlineTooBig,
    /// An inline request with an unfinished quote.
    UnbalancedQuotes,
    /// No line end within 64 KiB of `*`.
    CountTooBig,
    /// The number after `*` is none, or too large.
    InvalidCount,
    /// More than 10 arguments before authentication.
    UnauthenticatedCount,
    /// No line end within 64 KiB of `$`.
    LengthTooBig,
    /// Something else where `$` must stand.
    ExpectedDollar(u8),
    /// The number after `$` is none, negative or above the limit.
    InvalidLength,
    /// An argument of more than 16 KiB before authentication.
    UnauthenticatedLength,
}

impl ProtocolError {
    /// Redis's text, to the letter.
    pub fn reply(&self) -> Vec<u8> {
        let reason: &[u8] = match self {
            ProtocolError::InlineTooBig => b"too big inline request",
            ProtocolError::UnbalancedQuotes => b"unbalanced quotes in request",
            ProtocolError::CountTooBig => b"too big mbulk count string",
            ProtocolError::InvalidCount => b"invalid multibulk length",
            ProtocolError::UnauthenticatedCount => b"unauthenticated multibulk length",
            ProtocolError::LengthTooBig => b"too big bulk count string",
            ProtocolError::ExpectedDollar(got) => {
                &[b"expected '$', got '".as_slice(), &[*got], b"'"].concat()
            }
            ProtocolError::InvalidLength => b"invalid bulk length",
            ProtocolError::UnauthenticatedLength => b"unauthenticated bulk length",
        };
        [b"ERR Protocol error: ", reason].concat()
    }
}

/// A complete request: at least one argument, the first one being the command's name.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    bytes: &'a [u8],
    arguments: &'a [Span],
}

/// Where an argument stands. A request is below 4 GiB: sessions see to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl<'a> Request<'a> {
    /// Number of arguments, the command's name included.
    #[allow(clippy::len_without_is_empty)] // a request is never empty
    pub fn len(self) -> usize {
        self.arguments.len()
    }

    /// The argument at `index`. The command table has checked that it is there.
    pub fn argument(self, index: usize) -> &'a [u8] {
        let span = self.arguments[index];
        &self.bytes[span.start as usize..span.end as usize]
    }

    /// The arguments from `first` on.
    pub fn arguments_from(self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let bytes = self.bytes;
        self.arguments[first.min(self.arguments.len())..]
            .iter()
            .map(move |span| &bytes[span.start as usize..span.end as usize])
    }

    /// Bytes of all arguments together.
    pub fn argument_bytes(self) -> usize {
        self.arguments_from(0).map(<[u8]>::len).sum()
    }

    /// A copy that outlives the input buffer, for a request that is executed later.
    pub fn to_owned(self) -> OwnedRequest {
        let mut owned =
            OwnedRequest { bytes: Vec::with_capacity(self.argument_bytes()), arguments: Vec::new() };
        owned.arguments.reserve_exact(self.len());
        for argument in self.arguments_from(0) {
            owned.push(argument);
        }
        owned
    }
}

/// A request with bytes of its own.
#[derive(Clone, Debug, Default)]
pub struct OwnedRequest {
    bytes: Vec<u8>,
    arguments: Vec<Span>,
}

impl OwnedRequest {
    /// The request, as a handler takes it.
    pub fn as_request(&self) -> Request<'_> {
        Request { bytes: &self.bytes, arguments: &self.arguments }
    }

    fn push(&mut self, argument: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(argument);
        self.arguments.push(Span { start, end: self.bytes.len() as u32 });
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.arguments.clear();
    }
}

/// Where the decoder stands in a request that has not wholly arrived. All positions count from its first byte.
#[derive(Default)]
pub struct Decoder {
    /// Arguments that have wholly arrived.
    arguments: Vec<Span>,
    /// Arguments still missing; 0 before the header of a request.
    missing: usize,
    /// Announced length of the argument that is arriving.
    length: Option<usize>,
    /// Everything before it is parsed.
    parsed: usize,
    /// Everything before it has been searched for the end of the line that begins at `parsed`.
    searched: usize,
    /// Arguments of an inline request, unquoted.
    inline: OwnedRequest,
}

impl Decoder {
    /// The next request in `input`, and how many bytes of `input` it took; `None` when more bytes are needed.
    ///
    /// `input` must begin where the last request ended, and after `None` with what it held then, longer. `consumed`
    /// is set to the number of bytes that need not be given again, requests without arguments included.
    ///
    /// # Errors
    /// [`ProtocolError`]: nothing after it can be understood.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: Limits,
        consumed: &mut usize,
    ) -> Result<Option<Request<'a>>, ProtocolError> {
        *consumed = 0;
        loop {
            let rest = &input[*consumed..];
            if self.missing == 0 {
                self.begin();
                match rest.first() {
                    None => return Ok(None),
                    Some(b'*') => match self.count(rest, limits)? {
                        None => return Ok(None),
                        Some(0) => {
                            *consumed += self.parsed;
                            self.reset();
                            continue;
                        }
                        Some(count) => self.missing = count,
                    },
                    Some(_) => match self.inline(rest)? {
                        None => return Ok(None),
                        Some(length) => {
                            *consumed += length;
                            self.reset();
                            if self.inline.arguments.is_empty() {
                                continue;
                            }
                            return Ok(Some(self.inline.as_request()));
                        }
                    },
                }
            }
            if !self.fill(rest, limits)? {
                return Ok(None);
            }
            *consumed += self.parsed;
            self.reset();
            return Ok(Some(Request { bytes: rest, arguments: &self.arguments }));
        }
    }

    /// Forgets the arguments of the request before, which `decode` has lent out until now.
    fn begin(&mut self) {
        self.arguments.clear();
        if self.arguments.capacity() > ARGUMENTS_KEPT {
            self.arguments = Vec::new();
        }
    }

    fn reset(&mut self) {
        self.missing = 0;
        self.length = None;
        self.parsed = 0;
        self.searched = 0;
    }

    /// Parses `*count`; negative counts are zero.
    fn count(&mut self, input: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.line(input, ProtocolError::CountTooBig)? else { return Ok(None) };
        let count = parse_integer(&line[1..]).ok_or(ProtocolError::InvalidCount)?;
        if count > ARGUMENTS_MAX {
            return Err(ProtocolError::InvalidCount);
        }
        if count > UNAUTHENTICATED_ARGUMENTS_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        Ok(Some(count.max(0) as usize))
    }

    /// Parses arguments until none is missing; false when more bytes are needed.
    fn fill(&mut self, input: &[u8], limits: Limits) -> Result<bool, ProtocolError> {
        while self.missing > 0 {
            let length = match self.length {
                Some(length) => length,
                None => match self.length(input, limits)? {
                    None => return Ok(false),
                    Some(length) => length,
                },
            };
            // What follows the argument is taken for its line end without a look, as in Redis.
            let end = self.parsed + length;
            if input.len() < end + 2 {
                self.length = Some(length);
                return Ok(false);
            }
            self.arguments.push(Span { start: self.parsed as u32, end: end as u32 });
            self.parsed = end + 2;
            self.searched = self.parsed;
            self.length = None;
            self.missing -= 1;
        }
        Ok(true)
    }

    /// Parses `$length`.
    fn length(&mut self, input: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.line(input, ProtocolError::LengthTooBig)? else { return Ok(None) };
        if line.first() != Some(&b'$') {
            return Err(ProtocolError::ExpectedDollar(line.first().copied().unwrap_or(b'\r')));
        }
        let length = parse_integer(&line[1..]).ok_or(ProtocolError::InvalidLength)?;
        if length < 0 || length > limits.bulk_bytes_max as i64 {
            return Err(ProtocolError::InvalidLength);
        }
        if length > UNAUTHENTICATED_BULK_BYTES_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedLength);
        }
        Ok(Some(length as usize))
    }

    /// The line at `parsed` without its end (`\r` and whatever follows it), and moves `parsed` behind it.
    fn line<'i>(
        &mut self,
        input: &'i [u8],
        too_long: ProtocolError,
    ) -> Result<Option<&'i [u8]>, ProtocolError> {
        let from = self.searched.max(self.parsed);
        match memchr::memchr(b'\r', &input[from..]) {
            Some(offset) if from + offset + 1 < input.len() => {
                let line = &input[self.parsed..from + offset];
                self.parsed = from + offset + 2;
                self.searched = self.parsed;
                Ok(Some(line))
            }
            Some(offset) => {
                self.searched = from + offset;
                Ok(None)
            }
            None if input.len() - self.parsed > LINE_BYTES_MAX => Err(too_long),
            None => {
                self.searched = input.len();
                Ok(None)
            }
        }
    }

    /// Splits an inline request into `self.inline`; the number of bytes it took.
    fn inline(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(offset) = memchr::memchr(b'\n', &input[self.searched..]) else {
            if input.len() > LINE_BYTES_MAX {
                return Err(ProtocolError::InlineTooBig);
            }
            self.searched = input.len();
            return Ok(None);
        };
        let end = self.searched + offset;
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.inline.clear();
        for argument in split_arguments(line).map_err(|_| ProtocolError::UnbalancedQuotes)? {
            self.inline.push(&argument);
        }
        Ok(Some(end + 1))
    }
}

/// A decimal number as Redis writes it: an optional minus, no plus, no leading zeros, no spaces.
/// (Redis `string2ll`.)
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Counting down, since the most negative number has no positive counterpart.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
