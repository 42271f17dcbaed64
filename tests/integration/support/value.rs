//! Replies as values, for the tests that cannot name every byte in advance (hash order, addresses, INFO). Written by hand
//! and not with the server's own code, so that a mistake there cannot hide here.

/// One reply of RESP2 or RESP3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Verbatim(String),
    /// As it was sent.
    Double(String),
    Null,
    Array(Vec<Value>),
    Push(Vec<Value>),
    Map(Vec<Value>),
    Set(Vec<Value>),
}

impl Value {
    /// Reads one value; nothing while it is incomplete. Panics on bytes that can never become a value.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Value, usize)> {
        let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let text = String::from_utf8_lossy(&bytes[1..line_end]).into_owned();
        let after_line = line_end + 2;
        let simple = |value| Some((value, after_line));
        match bytes[0] {
            b'+' => simple(Value::Simple(text)),
            b'-' => simple(Value::Error(text)),
            b':' => simple(Value::Integer(number(&text))),
            b'_' => simple(Value::Null),
            b',' => simple(Value::Double(text)),
            b'$' | b'*' if text == "-1" => simple(Value::Null),
            b'$' => bulk(bytes, after_line, number(&text) as usize)
                .map(|(body, used)| (Value::Bulk(body.to_vec()), used)),
            b'=' => bulk(bytes, after_line, number(&text) as usize).map(|(body, used)| {
                let body = body.strip_prefix(b"txt:").expect("a verbatim string starts with its format");
                (Value::Verbatim(String::from_utf8_lossy(body).into_owned()), used)
            }),
            b'*' => elements(bytes, after_line, number(&text)).map(|(list, used)| (Value::Array(list), used)),
            b'>' => elements(bytes, after_line, number(&text)).map(|(list, used)| (Value::Push(list), used)),
            b'~' => elements(bytes, after_line, number(&text)).map(|(list, used)| (Value::Set(list), used)),
            b'%' => {
                elements(bytes, after_line, number(&text) * 2).map(|(list, used)| (Value::Map(list), used))
            }
            other => panic!("no value starts with {:?}: {}", other as char, bytes.escape_ascii()),
        }
    }

    /// The text of a bulk, verbatim or simple string.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        match self {
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Verbatim(text) | Value::Simple(text) | Value::Double(text) => text.clone(),
            other => panic!("expected a string, got {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn integer(&self) -> i64 {
        match self {
            Value::Integer(number) => *number,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    /// The elements of whatever has elements.
    #[track_caller]
    pub(crate) fn elements(&self) -> &[Value] {
        match self {
            Value::Array(list) | Value::Push(list) | Value::Map(list) | Value::Set(list) => list,
            other => panic!("expected an array, got {other:?}"),
        }
    }

    /// The texts of an array of strings, sorted: for replies in hash order.
    #[track_caller]
    pub(crate) fn sorted_texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.elements().iter().map(Value::text).collect();
        texts.sort();
        texts
    }

    /// The value that follows a key, in a map or in the flat array that is a map in RESP2.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &Value {
        let mut pairs = self.elements().chunks(2);
        let pair = pairs.find(|pair| pair[0].text() == name);
        pair.map(|pair| &pair[1]).unwrap_or_else(|| panic!("no field {name:?} in {self:?}"))
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

fn bulk(bytes: &[u8], start: usize, length: usize) -> Option<(&[u8], usize)> {
    let end = start + length;
    if bytes.len() < end + 2 {
        return None;
    }
    assert_eq!(&bytes[end..end + 2], b"\r\n", "a bulk string ends with CRLF");
    Some((&bytes[start..end], end + 2))
}

fn elements(bytes: &[u8], start: usize, count: i64) -> Option<(Vec<Value>, usize)> {
    let mut position = start;
    let mut list = Vec::new();
    for _ in 0..count {
        let rest = &bytes[position..];
        if rest.is_empty() {
            return None;
        }
        let (value, used) = Value::parse(rest)?;
        list.push(value);
        position += used;
    }
    Some((list, position))
}
