//! Redis's glob patterns over bytes: which texts a pattern matches, and which literal bytes it begins and
//! ends with.
//!
//! Owns the pattern language and nothing else; must not know channels, users or what a match is for. The
//! language, case-sensitive and without a notion of characters:
//!
//! | in a pattern | stands for |
//! |---|---|
//! | `*` | any bytes, none included |
//! | `?` | any one byte |
//! | `[abc]` `[a-c]` `[^a]` | one byte of (not of) a set; its corners are told at `class` |
//! | `\x` | the byte `x`; at the very end of the pattern, `\` itself |
//! | any other byte | itself |
//!
//! One corner is not what the table suggests: the empty text is matched by the empty pattern only, not by
//! `*`. All of it was observed on redis-server 7.0.15 (its function is `stringmatchlen`); the facts stand as
//! a table in the tests below. One difference is intended: Redis gives up on patterns of more than a thousand
//! stars, which protects its stack; there is no recursion here.
//!
//! Start reading at [`matches()`].

use std::borrow::Cow;

use memchr::memchr;

/// Whether `pattern` matches the whole of `text`.
///
/// Takes at most `pattern.len() * (text.len() + 1)` steps, however the two are built, and no memory.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_counted(pattern, text, |_| {})
}

/// Bytes of a character class that take as long to look through as another element to compare.
const CLASS_BYTES_PER_STEP: usize = 4;

/// Steps that cost as much as going to the next pattern and beginning with it.
const STEPS_PER_UNIT: usize = 128;

/// [`matches()`], taking what it cost from `budget`, so that a caller with many patterns or texts can stop in between:
/// at least one unit.
pub fn matches_within(pattern: &[u8], text: &[u8], budget: &mut usize) -> bool {
    let mut steps = 0;
    let matched = matches_counted(pattern, text, |rest| {
        // A class is looked through for each byte.
        steps += if rest.first() == Some(&b'[') { 1 + rest.len() / CLASS_BYTES_PER_STEP } else { 1 };
    });
    *budget = budget.saturating_sub(1 + steps / STEPS_PER_UNIT);
    matched
}

/// [`matches()`], telling `step` of each element of the pattern that is compared.
///
/// Only the latest star needs a way back: were an earlier one to take more of the text, all that follows it
/// would have to match later in the text, where the latest star has already looked.
fn matches_counted(pattern: &[u8], text: &[u8], mut step: impl FnMut(&[u8])) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut taken) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while taken < text.len() {
        step(pattern.get(at..).unwrap_or_default());
        let (after_star, from) = if pattern.get(at) == Some(&b'*') {
            (at + 1, taken)
        } else if let Some(length) = accept(&pattern[at..], text[taken]) {
            at += length;
            taken += 1;
            continue;
        } else if let Some((after_star, start)) = retry {
            (after_star, start + 1)
        } else {
            return false;
        };
        let Some(start) = next_start(&pattern[after_star..], text, from) else {
            return false;
        };
        (at, taken) = (after_star, start);
        retry = Some((at, taken));
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// The first place in `text`, from `from` on, where what follows a star may match: that of its first byte,
/// where that is a literal.
fn next_start(after_star: &[u8], text: &[u8], from: usize) -> Option<usize> {
    match after_star {
        [] => Some(text.len()),
        [b'*' | b'?' | b'[', ..] => Some(from),
        [b'\\', literal, ..] | [literal, ..] => Some(from + memchr(*literal, &text[from..])?),
    }
}

/// The length of the first element of `pattern`, which is not a star, if that element stands for `byte`.
fn accept(pattern: &[u8], byte: u8) -> Option<usize> {
    let (accepted, length) = match pattern {
        [] => (false, 0),
        [b'?', ..] => (true, 1),
        [b'[', body @ ..] => {
            let (member, length) = class(body, byte);
            (member, 1 + length)
        }
        [b'\\', escaped, ..] => (*escaped == byte, 2),
        [literal, ..] => (*literal == byte, 1),
    };
    accepted.then_some(length)
}

/// Whether the class that follows a `[` contains `byte`, and how many bytes of `body` the class takes, its
/// `]` included.
///
/// The corners: a class that is not closed ends with the pattern; `]` closes at once, so `[]` has no member
/// and `[^]` has every byte; `\` makes the next byte a member, and is one itself at the end; `x-y` is a range
/// even if `y` is `]`, and the two may come in either order. Ends of ranges compare as signed bytes, as in
/// Redis on x86-64.
fn class(body: &[u8], byte: u8) -> (bool, usize) {
    let negated = body.first() == Some(&b'^');
    let mut member = false;
    let mut at = usize::from(negated);
    loop {
        let (length, matched) = match &body[at..] {
            [] => break,
            [b'\\', escaped, ..] => (2, *escaped == byte),
            [b']', ..] => {
                at += 1;
                break;
            }
            [one, b'-', other, ..] => (3, in_range(*one, *other, byte)),
            [literal, ..] => (1, *literal == byte),
        };
        at += length;
        member |= matched;
    }
    (member != negated, at)
}

fn in_range(one: u8, other: u8, byte: u8) -> bool {
    let (one, other, byte) = (one as i8, other as i8, byte as i8);
    (one.min(other)..=one.max(other)).contains(&byte)
}

/// The literal bytes that each text matched by `pattern` begins with: all of them up to the first wildcard,
/// escapes resolved. For a pattern without wildcards that is the only text it matches.
pub fn literal_prefix(pattern: &[u8]) -> Cow<'_, [u8]> {
    let end = wildcards(pattern).next().map_or(pattern.len(), |wildcard| wildcard.start);
    unescape(&pattern[..end])
}

/// The literal bytes that each text matched by `pattern` ends with: all of them after the last wildcard,
/// escapes resolved. For a pattern without wildcards that is the only text it matches.
pub fn literal_suffix(pattern: &[u8]) -> Cow<'_, [u8]> {
    let start = wildcards(pattern).last().map_or(0, |wildcard| wildcard.end);
    unescape(&pattern[start..])
}

/// Where the wildcards of `pattern` stand, in order.
fn wildcards(pattern: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let length = match &pattern[at..] {
                [] => return None,
                [b'*' | b'?', ..] => 1,
                [b'[', body @ ..] => 1 + class(body, 0).1,
                [b'\\', _, ..] => {
                    at += 2;
                    continue;
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            at += length;
            return Some(at - length..at);
        }
    })
}

/// The bytes that a part of a pattern without wildcards stands for.
fn unescape(part: &[u8]) -> Cow<'_, [u8]> {
    if !part.contains(&b'\\') {
        return Cow::Borrowed(part);
    }
    let mut literal = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        literal.push(*escaped.unwrap_or(&byte));
    }
    Cow::Owned(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fact = (&'static [u8], &'static [&'static [u8]], &'static [&'static [u8]]);

    /// Pattern, texts it matches, texts it does not match: each asked of redis-server 7.0.15 with PSUBSCRIBE
    /// and PUBLISH.
    #[rustfmt::skip]
    const FACTS: &[Fact] = &[
        (b"", &[b""], &[b"a"]),
        (b"*", &[b"a"], &[b""]),
        (b"**", &[b"a"], &[b""]),
        (b"?", &[b"a"], &[b"", b"ab"]),
        (b"a*", &[b"a"], &[]),
        (b"a**", &[b"a", b"abc"], &[]),
        (b"*a", &[b"a", b"ba"], &[b"ab"]),
        (b"*a*", &[b"a"], &[]),
        (b"a*c", &[b"ac", b"abbc"], &[b"acb"]),
        (b"a*a", &[], &[b"a"]),
        (b"*a*b*", &[b"xaxbx"], &[b"xbxax"]),
        (b"*ab", &[b"aab"], &[]),
        (b"*aba", &[b"ababa"], &[]),
        (b"??", &[], &[b"a"]),
        (b"?*", &[b"a"], &[]),
        (b"*?", &[b"a"], &[]),
        (b"h?llo", &[b"hello"], &[b"hllo"]),
        (b"News", &[], &[b"news"]),
        (b"[abc]", &[b"b"], &[b"d"]),
        (b"[a-c]", &[b"b"], &[b"d"]),
        (b"[c-a]", &[b"b"], &[]),
        (b"[^a]", &[b"b"], &[b"a", b""]),
        (b"[a^]", &[b"^"], &[]),
        (b"[^a-c]", &[b"d"], &[b"b"]),
        (b"[^^]", &[], &[b"^"]),
        (b"[a", &[b"a"], &[b"b"]),
        (b"[^a", &[b"b"], &[b"a"]),
        (b"[", &[], &[b"[", b"a"]),
        (b"[^", &[b"a", b"^"], &[]),
        (b"[]", &[], &[b"a", b"[]"]),
        (b"[]a]", &[], &[b"a", b"]"]),
        (b"[^]", &[b"a"], &[]),
        (b"[^]a", &[b"xa"], &[]),
        (b"[^]a]", &[b"xa]"], &[]),
        (b"[\\]]", &[b"]"], &[b"\\"]),
        (b"[\\]", &[b"]"], &[b"\\"]),
        (b"[\\", &[b"\\"], &[]),
        (b"[\\a]", &[b"a"], &[]),
        (b"[^\\a]", &[], &[b"a"]),
        (b"[a-", &[b"-", b"a"], &[b"b"]),
        (b"[a-]", &[b"a", b"]", b"^"], &[b"-", b"b"]),
        (b"[-a]", &[b"-"], &[]),
        (b"[--a]", &[b"-", b".", b"a"], &[]),
        (b"[a\\-c]", &[b"-"], &[b"b"]),
        (b"[a-\\]x]", &[b"_x]"], &[b"]", b"_", b"x"]),
        (b"[a-b-d]", &[b"-"], &[b"c"]),
        (b"[\\a-c]", &[b"-"], &[b"b"]),
        (b"[*]", &[b"*"], &[b"a"]),
        (b"[?]", &[], &[b"a"]),
        (b"[a-\xff]", &[b"Z", b"\xff"], &[b"b", b"\xfe"]),
        (b"[\x80-\x7f]", &[b"\xc0"], &[]),
        (b"[\x80-\xff]", &[b"\xc0"], &[b"a"]),
        (b"\\*", &[b"*"], &[b"a"]),
        (b"\\?", &[b"?"], &[]),
        (b"\\[a]", &[b"[a]"], &[]),
        (b"\\a", &[b"a"], &[]),
        (b"\\\\", &[b"\\"], &[]),
        (b"\\", &[b"\\"], &[b"a", b"\\\\"]),
        (b"a\\", &[b"a\\"], &[b"a"]),
        (b"*\\", &[b"a\\"], &[]),
        (b"]", &[b"]"], &[]),
        (b"a]", &[b"a]"], &[]),
        (b"-", &[b"-"], &[]),
        (b"^a", &[b"^a"], &[]),
        (b"\x00*", &[b"\x00a"], &[]),
        (b"a\x00b", &[], &[b"a\x00c"]),
        (b"a\x00*", &[], &[b"a"]),
        (b"\xff?", &[b"\xff\xfe"], &[]),
        (b"a[b]c", &[b"abc"], &[b"ac"]),
        (b"*[ab]c", &[b"xxbc"], &[]),
        (b"[a]*", &[b"a", b"ab"], &[]),
        (b"*[", &[], &[b"a[", b"a"]),
        (b"*[^", &[b"a"], &[]),
    ];

    #[test]
    fn matches_what_redis_matches() {
        for (pattern, matched, unmatched) in FACTS {
            for (texts, expected) in [(matched, true), (unmatched, false)] {
                for text in *texts {
                    let question = format!("{} on {}", pattern.escape_ascii(), text.escape_ascii());
                    assert_eq!(matches(pattern, text), expected, "{question}");
                }
            }
        }
    }

    #[test]
    fn hostile_patterns_take_few_steps() {
        let stars = [b"a*".repeat(1000), b"b".to_vec()].concat();
        let classes = [b"*[ab]".repeat(500), b"c".to_vec()].concat();
        let single_bytes = [b"*?".repeat(500), b"b".to_vec()].concat();
        let unclosed = [b"*".to_vec(), b"[".repeat(2000)].concat();
        let late = [b"*".to_vec(), b"a".repeat(1000), b"b".to_vec()].concat();
        let text = b"a".repeat(2000);
        for pattern in [stars, classes, single_bytes, unclosed, late] {
            let mut steps = 0;
            assert!(!matches_counted(&pattern, &text, |_| steps += 1));
            assert!(steps <= pattern.len() * (text.len() + 1), "{steps} steps");
        }
    }

    #[test]
    fn more_stars_than_redis_allows_still_match() {
        let (pattern, text) = (b"a*".repeat(1001), b"a".repeat(1001));
        assert!(matches(&pattern, &text));
    }

    #[test]
    fn literal_ends_stop_at_wildcards_and_resolve_escapes() {
        let cases: &[(&[u8], &[u8], &[u8])] = &[
            (b"", b"", b""),
            (b"news", b"news", b"news"),
            (b"news.*", b"news.", b""),
            (b"*.uk", b"", b".uk"),
            (b"a?b", b"a", b"b"),
            (b"a[b]c]d", b"a", b"c]d"),
            (b"a[b", b"a", b""),
            (b"a[\\]]b", b"a", b"b"),
            (b"a\\*b*c\\?d", b"a*b", b"c?d"),
            (b"a\\", b"a\\", b"a\\"),
            (b"*\\\\", b"", b"\\"),
        ];
        for (pattern, prefix, suffix) in cases {
            assert_eq!(&*literal_prefix(pattern), *prefix, "{}", pattern.escape_ascii());
            assert_eq!(&*literal_suffix(pattern), *suffix, "{}", pattern.escape_ascii());
        }
    }

    #[test]
    fn a_long_comparison_costs_more() {
        let (pattern, text) = (b"*a".repeat(100), b"a".repeat(2000));
        for (pattern, text, cost) in [(&b"a"[..], &b"a"[..], 1), (&[&pattern[..], b"b"].concat(), &text, 2)] {
            let mut budget = 1000;
            let matched = matches_within(pattern, text, &mut budget);
            assert_eq!(matched, matches(pattern, text));
            assert!(1000 - budget >= cost);
        }
        let mut budget = 0;
        assert!(matches_within(b"*", b"a", &mut budget));
        assert_eq!(budget, 0);
    }
}
