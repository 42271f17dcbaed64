//! The text files beside this one: sessions that are held against redis-server, and what we answer otherwise on purpose.
//!
//! Sessions are separated by blank lines. The first character of a line tells what it is:
//!
//! - `#` a comment.
//! - `!` the reason for which our replies differ from Redis's, which begins with one of [`GROUPS`]. Then they must differ,
//!   and be those of the `=` lines.
//! - `=` what we answer, `=2` in RESP2 and `=3` in RESP3; several lines follow each other. A protocol without such a
//!   line is one in which we answer like Redis.
//! - `~ numbers` digits and 40-digit ids may differ, since they are ids, times or sizes.
//! - `~ fields` of lines `name:value` only the names are compared.
//! - Anything else is a request as redis-cli takes it, sent as an array. A QUIT follows the last one; it must be answered,
//!   since Redis does not close otherwise.
//!
//! `<x*300>` stands for 300 times `x`, in requests and in replies.

use crate::support::{Protocol, encode};

/// What a difference comes from.
const GROUPS: &[&str] = &[
    // What Redis 7.2, as which we introduce ourselves, does otherwise than 7.0.
    "7.2",
    // The same of a later version, where clients are glad of it.
    "7.4",
    // Redis knows it and we do not: we say so as Redis says of what it does not know, before anything else.
    "not served",
    // We want it otherwise.
    "ours",
];

/// What of a session's replies may differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask {
    Nothing,
    Numbers,
    Fields,
}

pub(super) struct Session {
    /// The requests as they are written.
    pub(super) lines: Vec<String>,
    /// The same as they are sent.
    pub(super) requests: Vec<u8>,
    pub(super) mask: Mask,
    /// Why we answer otherwise.
    pub(super) reason: Option<String>,
    expected: [Option<Vec<u8>>; 2],
}

impl Session {
    /// Requests that get the same replies from both.
    pub(super) fn of(lines: &[&str]) -> Session {
        let mut session = Session::empty();
        lines.iter().for_each(|line| session.add(line));
        session
    }

    fn empty() -> Session {
        Session {
            lines: Vec::new(),
            requests: Vec::new(),
            mask: Mask::Nothing,
            reason: None,
            expected: [None, None],
        }
    }

    fn add(&mut self, line: &str) {
        let after = |count: usize| line[count..].strip_prefix(' ').unwrap_or(&line[count..]);
        match line.as_bytes() {
            [b'#', ..] => {}
            [b'!', ..] => self.reason = Some(after(1).to_owned()),
            [b'=', b'2', b' ', ..] => self.expect(&[0], after(2)),
            [b'=', b'3', b' ', ..] => self.expect(&[1], after(2)),
            [b'=', ..] => self.expect(&[0, 1], after(1)),
            b"~ numbers" => self.mask = Mask::Numbers,
            b"~ fields" => self.mask = Mask::Fields,
            [b'~', ..] => panic!("nothing is known that may differ in this way: {line}"),
            _ => {
                self.requests.extend(encode(split(line)));
                self.lines.push(line.to_owned());
            }
        }
    }

    fn expect(&mut self, protocols: &[usize], escaped: &str) {
        for protocol in protocols {
            self.expected[*protocol].get_or_insert_default().extend(unescape(escaped));
        }
    }

    /// What we answer, where that is not what Redis answers.
    pub(super) fn expected(&self, protocol: Protocol) -> Option<&[u8]> {
        self.expected[protocol as usize].as_deref()
    }
}

/// The sessions of a file.
pub(super) fn parse(text: &str) -> Vec<Session> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut session = Session::empty();
        paragraph.lines().for_each(|line| session.add(line));
        session
    });
    let sessions: Vec<Session> = paragraphs.filter(|session| !session.lines.is_empty()).collect();
    for session in &sessions {
        if let Some(reason) = &session.reason {
            let group = reason.split(": ").next().expect("a split has a first part");
            assert!(GROUPS.contains(&group), "no group of reasons: {reason}");
        }
        let expects = session.expected.iter().any(Option::is_some);
        assert!(session.reason.is_some() || !expects, "no reason is given: {:?}", session.lines);
    }
    sessions
}

/// The arguments of a request: words, or texts in quotes.
fn split(line: &str) -> Vec<Vec<u8>> {
    let mut arguments = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (argument, after) = match first {
            '"' => {
                let end = closing_quote(rest).unwrap_or_else(|| panic!("unbalanced quotes: {line}"));
                (unescape(&rest[1..end]), &rest[end + 1..])
            }
            '\'' => {
                let end = rest[1..].find('\'').unwrap_or_else(|| panic!("unbalanced quotes: {line}")) + 1;
                (rest.as_bytes()[1..end].to_vec(), &rest[end + 1..])
            }
            _ => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (repeated(&rest.as_bytes()[..end]), &rest[end..])
            }
        };
        assert!(after.is_empty() || after.starts_with(' '), "no space after a quote: {line}");
        arguments.push(argument);
        rest = after.trim_start();
    }
    arguments
}

/// Where the text ends that begins with a quote.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut position = 1;
    while position < bytes.len() {
        match bytes[position] {
            b'"' => return Some(position),
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    None
}

fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut position = 0;
    while position < bytes.len() {
        let (byte, used) = match &bytes[position..] {
            [b'\\', b'x', high, low, ..] => {
                let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
                (digit(*high) * 16 + digit(*low), 4)
            }
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', other, ..] => (*other, 2),
            [byte, ..] => (*byte, 1),
            [] => break,
        };
        plain.push(byte);
        position += used;
    }
    repeated(&plain)
}

/// With what `<x*300>` stands for.
fn repeated(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(byte) = rest.first() {
        if let [b'<', repeated, b'*', after @ ..] = rest
            && let Some(digits) = after.iter().position(|byte| *byte == b'>')
            && let Some(times) =
                std::str::from_utf8(&after[..digits]).ok().and_then(|times| times.parse().ok())
        {
            plain.extend(std::iter::repeat_n(*repeated, times));
            rest = &after[digits + 1..];
        } else {
            plain.push(*byte);
            rest = &rest[1..];
        }
    }
    plain
}

/// Bytes in the form of the files, in lines that begin with `=` and what follows it.
pub(super) fn expectation(sign: &str, bytes: &[u8]) -> String {
    /// Columns that a line has if its reply can be broken.
    const COLUMNS: usize = 118;
    let mut lines = vec![String::new()];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let escaped = escape(line);
        let last = lines.last_mut().expect("there is one");
        if last.is_empty() || sign.len() + 1 + last.len() + escaped.len() <= COLUMNS {
            last.push_str(&escaped);
        } else {
            lines.push(escaped);
        }
    }
    lines.iter().map(|line| format!("{sign} {line}\n")).collect()
}

fn escape(bytes: &[u8]) -> String {
    /// Equal bytes that are counted rather than shown.
    const COUNTED: usize = 50;
    let runs = bytes.chunk_by(|left, right| left == right).map(|run| {
        let escaped = match run[0] {
            b'\r' => "\\r".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\\' => "\\\\".to_owned(),
            byte @ b' '..=b'~' => (byte as char).to_string(),
            byte => format!("\\x{byte:02x}"),
        };
        if run.len() > COUNTED && escaped.len() == 1 {
            format!("<{escaped}*{}>", run.len())
        } else {
            escaped.repeat(run.len())
        }
    });
    runs.collect()
}

#[test]
fn requests_are_read_like_those_of_redis_cli() {
    assert_eq!(split("GET a"), [b"GET", &b"a"[..]]);
    assert_eq!(
        split(r#"ECHO "a \"b\" \\ \x00\r\n" 'c "d"'"#),
        [b"ECHO", &b"a \"b\" \\ \0\r\n"[..], b"c \"d\""]
    );
    assert_eq!(split(r#""" <x*3>"#), [&b""[..], b"xxx"]);
}

#[test]
fn what_is_printed_can_be_read() {
    let bytes = [b"*3\r\n$3\r\n\0\xff\\\r\n$60\r\n", &[b'x'; 60][..], b"\r\n<ip:port>\r\n"].concat();
    let session = &parse(&format!("! ours: a test\nPING\n{}", expectation("=3", &bytes)))[0];
    assert_eq!(session.expected(Protocol::Resp3), Some(&bytes[..]));
    assert_eq!(session.expected(Protocol::Resp2), None);
}
