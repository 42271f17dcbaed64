//! A JSON value as pieces of its text.
//!
//! Owns when two values are equal and how one is patched, without changing a byte of what stays. The text has been found valid by a
//! library; what is not is not read, and does no harm. Must not know what it is used for.
//!
//! A member of an object counts as often as its name does: the last one, in the place of the first.

use std::borrow::Cow;
use std::collections::btree_map::{BTreeMap, Entry};

/// Nesting at most: reading, comparing and patching recurse.
pub(super) const DEPTH_MAX: usize = 128;

/// A value.
#[derive(Debug)]
pub(super) struct Json<'a> {
    /// All of it, without white space around.
    text: &'a str,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Object(BTreeMap<Text<'a>, Member<'a>>),
    Array(Vec<Json<'a>>),
    String(Text<'a>),
    /// As it is written.
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word,
}

/// A string's meaning.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Text<'a> {
    Read(Cow<'a, str>),
    /// Half of a surrogate pair: valid JSON, which JavaScript writes when it cuts a string, but no UTF-8. Told apart by how it is
    /// written.
    Unreadable(&'a str),
}

#[derive(Debug)]
struct Member<'a> {
    /// Among the object's members.
    position: usize,
    /// As it is written.
    name: &'a str,
    value: Json<'a>,
}

/// Numbers are equal if they are the same real number, however long and however written: `1`, `1.0` and `10e-1`.
#[derive(Debug, PartialEq)]
enum Number<'a> {
    Zero,
    /// 0.d1d2d3... * 10^exponent, without zeros before and behind the digits.
    Decimal {
        negative: bool,
        digits: String,
        exponent: i64,
    },
    /// An exponent that does not fit into 64 bits: equal if written alike.
    Huge(&'a str),
}

impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            || match (&self.kind, &other.kind) {
                (Kind::Object(one), Kind::Object(other)) => one == other,
                (Kind::Array(one), Kind::Array(other)) => one == other,
                (Kind::String(one), Kind::String(other)) => one == other,
                (Kind::Number(one), Kind::Number(other)) => Number::of(one) == Number::of(other),
                _ => false,
            }
    }
}

impl PartialEq for Member<'_> {
    /// The order of members does not count.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Whether a valid text is nested deeper than it may be.
pub(super) fn is_too_deep(text: &str) -> bool {
    // Nearly always there are not even so many in all, with those in strings.
    let openings = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    openings > DEPTH_MAX && depth(text) > DEPTH_MAX
}

/// How deep a valid text is nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<'a> Json<'a> {
    /// Reads a valid text. Nothing: it is not valid, or nested too deep.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(DEPTH_MAX)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(value)
    }

    /// Whether it is an object with a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Object(members) => members.contains_key(&Text::Read(name.into())),
            _ => false,
        }
    }

    /// Appends this value with a patch applied to it. (RFC 7396.)
    pub(super) fn append_patched(&self, patch: &Json<'_>, out: &mut String) {
        append_patched(Some(self), patch, out);
    }

    fn members(&self) -> Option<&BTreeMap<Text<'a>, Member<'a>>> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.text == "null"
    }
}

fn append_patched(target: Option<&Json<'_>>, patch: &Json<'_>, out: &mut String) {
    let Some(changes) = patch.members() else {
        out.push_str(patch.text);
        return;
    };
    let none = BTreeMap::new();
    let members = target.and_then(Json::members).unwrap_or(&none);
    // What stays, in its order, and behind it what is new.
    let mut result: Vec<(usize, &str, Option<&Json<'_>>, Option<&Json<'_>>)> = Vec::new();
    for (name, member) in members {
        let change = changes.get(name).map(|change| &change.value);
        if !change.is_some_and(Json::is_null) {
            result.push((member.position, member.name, Some(&member.value), change));
        }
    }
    for (_, change) in
        changes.iter().filter(|(name, change)| !members.contains_key(name) && !change.value.is_null())
    {
        let position = members.len() + change.position;
        result.push((position, change.name, None, Some(&change.value)));
    }
    result.sort_unstable_by_key(|(position, ..)| *position);
    out.push('{');
    for (at, (_, name, value, change)) in result.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        match (value, change) {
            (value, Some(change)) => append_patched(value, change, out),
            (value, None) => out.push_str(value.map_or("null", |value| value.text)),
        }
    }
    out.push('}');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.skip_space();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => self.object(depth.checked_sub(1)?)?,
            b'[' => self.array(depth.checked_sub(1)?)?,
            b'"' => Kind::String(Text::of(self.string()?)),
            first => {
                let text = self.plain();
                let is_number = first == b'-' || first.is_ascii_digit();
                if is_number { Kind::Number(text) } else { Kind::Word }
            }
        };
        let text = self.text.get(start..self.at).filter(|text| !text.is_empty())?;
        Some(Json { text, kind })
    }

    fn object(&mut self, depth: usize) -> Option<Kind<'a>> {
        let mut members = BTreeMap::<Text<'a>, Member<'a>>::new();
        self.at += 1;
        while !self.ends_with(b'}')? {
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            let position = members.len();
            match members.entry(Text::of(name)) {
                Entry::Occupied(mut first) => first.get_mut().value = value,
                Entry::Vacant(vacant) => {
                    vacant.insert(Member { position, name, value });
                }
            }
        }
        Some(Kind::Object(members))
    }

    fn array(&mut self, depth: usize) -> Option<Kind<'a>> {
        let mut values = Vec::new();
        self.at += 1;
        while !self.ends_with(b']')? {
            values.push(self.value(depth)?);
        }
        Some(Kind::Array(values))
    }

    /// Whether an object or array ends here; otherwise the next part of it begins here.
    fn ends_with(&mut self, end: u8) -> Option<bool> {
        self.skip_space();
        if self.peek()? == b',' {
            self.at += 1;
            self.skip_space();
        }
        let ends = self.peek()? == end;
        self.at += usize::from(ends);
        Some(ends)
    }

    /// A string as it is written.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(start..self.at)
    }

    /// A number or a word.
    fn plain(&mut self) -> &'a str {
        let start = self.at;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

impl<'a> Text<'a> {
    /// Of a string with its quotes.
    fn of(written: &'a str) -> Self {
        if !written.contains('\\') {
            return Text::Read(written[1..written.len() - 1].into());
        }
        serde_json::from_str(written)
            .map_or(Text::Unreadable(written), |read: String| Text::Read(read.into()))
    }
}

impl<'a> Number<'a> {
    fn of(written: &'a str) -> Self {
        let (negative, rest) = written.strip_prefix('-').map_or((false, written), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Number::Zero;
        }
        // Zeros in front of the first digit that counts move the point to the right.
        let point = whole.len() as i64 - (digits.len() - significant.len()) as i64;
        let exponent = exponent.parse::<i64>().ok().and_then(|exponent| exponent.checked_add(point));
        let digits = significant.trim_end_matches('0').to_owned();
        exponent.map_or(Number::Huge(written), |exponent| Number::Decimal { negative, digits, exponent })
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
