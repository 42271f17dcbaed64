//! Splits a line of text into arguments, and quotes one: inline commands, lines of a configuration file and of MONITOR.
//!
//! Owns the quoting rules, which are those of Redis's `sdssplitargs`. Must not know what the arguments mean.

use std::fmt;

/// A quote that is never closed, or a closing quote with something else than a blank behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

impl fmt::Display for UnbalancedQuotes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("unbalanced quotes")
    }
}

impl std::error::Error for UnbalancedQuotes {}

/// Splits `line` at blanks. `"..."` knows the escapes `\n \r \t \b \a \xHH` and `\` before any other byte;
/// `'...'` knows only `\'`. A quote may open in the middle of an argument. As in C, a NUL ends the line.
///
/// # Errors
/// [`UnbalancedQuotes`], the line's sender being at fault.
pub fn split_arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let end = memchr::memchr(0, line).unwrap_or(line.len());
    let mut rest = &line[..end];
    let mut arguments = Vec::new();
    loop {
        rest = &rest[rest.iter().take_while(|byte| is_space(**byte)).count()..];
        if rest.is_empty() {
            return Ok(arguments);
        }
        let (argument, behind) = take_argument(rest)?;
        arguments.push(argument);
        rest = behind;
    }
}

/// Writes an argument in double quotes, such that [`split_arguments`] reads it again. (Redis `sdscatrepr`.)
pub fn write_quoted(line: &mut Vec<u8>, argument: &[u8]) {
    line.push(b'"');
    for &byte in argument {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |value: u8| DIGITS[usize::from(value)];
                line.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 0xF)]);
            }
        }
    }
    line.push(b'"');
}

/// C's `isspace`: with the vertical tab, which `u8::is_ascii_whitespace` does not know.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// One argument and what is behind it.
fn take_argument(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    let mut argument = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            // Vertical tab and form feed are skipped between arguments but do not end one: Redis's own rule.
            b' ' | b'\n' | b'\r' | b'\t' => break,
            b'"' => return take_quoted(behind, argument, b'"', double_quoted),
            b'\'' => return take_quoted(behind, argument, b'\'', single_quoted),
            _ => argument.push(byte),
        }
        rest = behind;
    }
    Ok((argument, rest))
}

/// The rest of an argument whose quote has been opened. `unescape` gives the next byte and how many bytes it takes
/// in the text.
fn take_quoted(
    mut rest: &[u8],
    mut argument: Vec<u8>,
    quote: u8,
    unescape: fn(&[u8]) -> Option<(u8, usize)>,
) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == quote {
            let closed = behind.first().is_none_or(|next| is_space(*next));
            return if closed { Ok((argument, behind)) } else { Err(UnbalancedQuotes) };
        }
        let (byte, length) = unescape(rest).unwrap_or((byte, 1));
        argument.push(byte);
        rest = &rest[length..];
    }
    Err(UnbalancedQuotes)
}

fn double_quoted(text: &[u8]) -> Option<(u8, usize)> {
    let hex = |digit: &u8| char::from(*digit).to_digit(16);
    match text {
        [b'\\', b'x', high, low, ..] if hex(high).is_some() && hex(low).is_some() => {
            // Two hexadecimal digits always fit into a byte.
            Some(((hex(high)? * 16 + hex(low)?) as u8, 4))
        }
        [b'\\', byte, ..] => Some((
            match byte {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 0x08,
                b'a' => 0x07,
                other => *other,
            },
            2,
        )),
        _ => None,
    }
}

fn single_quoted(text: &[u8]) -> Option<(u8, usize)> {
    text.starts_with(b"\\'").then_some((b'\'', 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(arguments: Vec<Vec<u8>>) {
            let escape = |byte: &u8| match byte {
                b' ' | b'a'..=b'z' => char::from(*byte).to_string(),
                other => format!("\\x{other:02x}"),
            };
            let quote = |argument: &Vec<u8>| format!("\"{}\"", argument.iter().map(escape).collect::<String>());
            let line = arguments.iter().map(quote).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split_arguments(line.as_bytes()), Ok(arguments.clone()));
            let mut line = Vec::new();
            for argument in &arguments {
                write_quoted(&mut line, argument);
                line.push(b' ');
            }
            prop_assert_eq!(split_arguments(&line), Ok(arguments));
        }

        #[test]
        fn any_bytes_are_split_or_refused(line: Vec<u8>) {
            let _ = split_arguments(&line);
        }
    }

    fn split(line: &[u8]) -> Vec<Vec<u8>> {
        split_arguments(line).unwrap()
    }

    #[test]
    fn splits_at_blanks() {
        assert_eq!(split(b""), Vec::<Vec<u8>>::new());
        assert_eq!(split(b" \t\r\n\x0b\x0c "), Vec::<Vec<u8>>::new());
        assert_eq!(split(b"  PUBLISH\tnews  hello\r\n"), [&b"PUBLISH"[..], b"news", b"hello"]);
        assert_eq!(split(b"a\x0bb c"), [&b"a\x0bb"[..], b"c"]);
        assert_eq!(split(b"a b\0 c"), [b"a", b"b"]);
        assert_eq!(split(b"\xff\xfe \x80"), [&b"\xff\xfe"[..], b"\x80"]);
    }

    #[test]
    fn double_quotes_know_escapes() {
        assert_eq!(split(br#""a b" """#), [&b"a b"[..], b""]);
        assert_eq!(split(br#""\n\r\t\b\a\\\"\q""#), [b"\n\r\t\x08\x07\\\"q"]);
        assert_eq!(split(br#""\x00\xfF\xg0\x1""#), [b"\x00\xffxg0x1"]);
        assert_eq!(split(br#"pre"fix ed""#), [b"prefix ed"]);
        assert_eq!(split(br#"a\nb"#), [br"a\nb"]);
    }

    #[test]
    fn single_quotes_know_one_escape() {
        assert_eq!(split(br#"'a b' '\'' '\n"x'"#), [&b"a b"[..], b"'", br#"\n"x"#]);
    }

    #[test]
    fn quotes_must_balance() {
        for line in [
            &br#"""#[..],
            br#""a"#,
            br#""a"b"#,
            br#""a\""#,
            b"'",
            b"'a'b",
            br"'a\'",
            br#"'a'"b""#,
            b"\"a\0\"",
        ] {
            assert_eq!(split_arguments(line), Err(UnbalancedQuotes), "{}", String::from_utf8_lossy(line));
        }
    }
}
