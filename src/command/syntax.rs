//! The notation in which rows say their arguments.
//!
//! Owns its parser. The notation is the one of Redis's manual:
//!
//! | written | means |
//! |---|---|
//! | `channel` | a string of that name; `count:integer` another type |
//! | `ON` | that word |
//! | `[ ... ]` | may be left out |
//! | `<a \| b>`, `[a \| b]` | one of these |
//! | `[SETNAME name]` | a word that announces what is behind it |
//! | `channel [channel ...]` | once or several times; so is a group of several |

/// An argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The word that announces it, or that it is.
    pub(super) token: Option<&'static str>,
    pub(super) optional: bool,
    pub(super) multiple: bool,
    /// What it consists of (blocks), or the choice.
    pub(super) parts: Vec<Argument>,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Integer,
    Key,
    Pattern,
    Word,
    OneOf,
    Block,
}

impl Kind {
    /// Redis's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::Word => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// Why a syntax cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A bracket that nothing closes, or that closes nothing.
    Bracket,
    /// Something that repeats what does not stand before it.
    Repetition,
    /// Nothing where something must stand.
    Empty,
}

/// The arguments that a syntax describes.
pub(super) fn parse(syntax: &'static str) -> Result<Vec<Argument>, Fault> {
    let spaced = |symbol| syntax.matches(symbol).count();
    if spaced('[') != spaced(']') || spaced('<') != spaced('>') {
        return Err(Fault::Bracket);
    }
    let mut words = Words { rest: syntax };
    let arguments = sequence(&mut words)?;
    if words.next().is_some() { Err(Fault::Bracket) } else { Ok(arguments) }
}

/// Brackets and bars are words of their own.
struct Words {
    rest: &'static str,
}

impl Words {
    fn peek(&self) -> Option<&'static str> {
        let rest = self.rest.trim_start();
        let is_symbol = |character: char| "[]<>|".contains(character);
        let end = match rest.find(|character| is_symbol(character) || character == ' ') {
            Some(0) => 1,
            Some(end) => end,
            None => rest.len(),
        };
        (end > 0).then(|| &rest[..end])
    }

    fn next(&mut self) -> Option<&'static str> {
        let word = self.peek()?;
        self.rest = &self.rest.trim_start()[word.len()..];
        Some(word)
    }
}

/// Arguments one after the other, up to the end of what they are in.
fn sequence(words: &mut Words) -> Result<Vec<Argument>, Fault> {
    let mut arguments = Vec::new();
    while let Some(word) = words.peek() {
        match word {
            "]" | ">" | "|" => break,
            "[" | "<" => {
                words.next();
                group(words, word == "[", &mut arguments)?;
            }
            _ => {
                words.next();
                arguments.push(single(word));
            }
        }
    }
    Ok(arguments)
}

fn single(word: &'static str) -> Argument {
    let is_token = word.chars().all(|character| character.is_ascii_uppercase() || "-_*$".contains(character));
    let (name, kind, token) = if is_token {
        (word.to_ascii_lowercase(), Kind::Word, Some(word))
    } else {
        let (name, kind) = match word.rsplit_once(':') {
            Some((name, "integer")) => (name, Kind::Integer),
            Some((name, "key")) => (name, Kind::Key),
            Some((name, "pattern")) => (name, Kind::Pattern),
            _ => (word, Kind::String),
        };
        (name.to_owned(), kind, None)
    };
    Argument { name, kind, token, optional: false, multiple: false, parts: Vec::new() }
}

/// What stands in brackets: an argument, a choice, or the repetition of what stands before them.
fn group(words: &mut Words, optional: bool, before: &mut Vec<Argument>) -> Result<(), Fault> {
    let close = if optional { "]" } else { ">" };
    let mut choices = Vec::new();
    loop {
        let mut arguments = sequence(words)?;
        if arguments.last().is_some_and(|last| last.name == "...") {
            arguments.pop();
            return if words.next() == Some(close) { repeat(arguments, before) } else { Err(Fault::Bracket) };
        }
        choices.push(join(arguments)?);
        match words.next() {
            Some("|") => {}
            Some(end) if end == close => break,
            _ => return Err(Fault::Bracket),
        }
    }
    let mut argument = match choices.len() {
        1 => choices.remove(0),
        _ => whole(Kind::OneOf, choices),
    };
    argument.optional |= optional;
    before.push(argument);
    Ok(())
}

/// Several arguments as one; a word in front announces the others.
fn join(mut arguments: Vec<Argument>) -> Result<Argument, Fault> {
    if arguments.is_empty() {
        return Err(Fault::Empty);
    }
    if arguments.len() == 1 {
        return Ok(arguments.remove(0));
    }
    if arguments[0].kind != Kind::Word {
        return Ok(whole(Kind::Block, arguments));
    }
    let word = arguments.remove(0);
    let is_simple = arguments.len() == 1 && arguments[0].token.is_none() && !arguments[0].optional;
    let mut argument = if is_simple { arguments.remove(0) } else { whole(Kind::Block, arguments) };
    argument.token = word.token;
    Ok(argument)
}

fn whole(kind: Kind, parts: Vec<Argument>) -> Argument {
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    Argument { name: names.join("-"), kind, token: None, optional: false, multiple: false, parts }
}

/// The arguments that stand before it, again.
fn repeat(again: Vec<Argument>, before: &mut Vec<Argument>) -> Result<(), Fault> {
    if again.is_empty() || !before.ends_with(&again) {
        return Err(Fault::Repetition);
    }
    let mut repeated = before.split_off(before.len() - again.len());
    let mut argument = if repeated.len() == 1 { repeated.remove(0) } else { whole(Kind::Block, repeated) };
    argument.multiple = true;
    before.push(argument);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::spec::Row;
    use super::super::table;
    use super::*;

    /// The arguments in a form that can be read beside the syntax: `?` optional, `+` multiple.
    fn shown(arguments: &[Argument]) -> String {
        let show = |argument: &Argument| {
            let optional = if argument.optional { "?" } else { "" };
            let multiple = if argument.multiple { "+" } else { "" };
            let token = argument.token.map(|token| format!("{token}=")).unwrap_or_default();
            let parts = if argument.parts.is_empty() {
                String::new()
            } else {
                format!("({})", shown(&argument.parts))
            };
            format!("{}:{token}{}{parts}{optional}{multiple}", argument.kind.name(), argument.name)
        };
        arguments.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    fn read(syntax: &'static str) -> String {
        parse(syntax).map_or_else(|fault| format!("{fault:?}"), |arguments| shown(&arguments))
    }

    #[test]
    fn what_the_notation_means() {
        for (syntax, meaning) in [
            ("", ""),
            ("channel message", "string:channel string:message"),
            ("index:integer key:key ip:port", "integer:index key:key string:ip:port"),
            ("channel [channel ...]", "string:channel+"),
            ("[channel [channel ...]]", "string:channel?+"),
            ("message channel [channel ...]", "string:message string:channel+"),
            (
                "parameter value [parameter value ...]",
                "block:parameter-value(string:parameter string:value)+",
            ),
            ("<ON | OFF>", "oneof:on-off(pure-token:ON=on pure-token:OFF=off)"),
            ("[ASYNC | SYNC]", "oneof:async-sync(pure-token:ASYNC=async pure-token:SYNC=sync)?"),
            ("[SETNAME name]", "string:SETNAME=name?"),
            ("[ID id:integer [id:integer ...]]", "integer:ID=id?+"),
            (
                "[protover:integer [AUTH username password] [SETNAME name]]",
                "block:protover-username-password-name(integer:protover \
                 block:AUTH=username-password(string:username string:password)? string:SETNAME=name?)?",
            ),
            (
                "[FILTERBY <MODULE name | PATTERN pattern:pattern>]",
                "oneof:FILTERBY=name-pattern(string:MODULE=name pattern:PATTERN=pattern)?",
            ),
        ] {
            assert_eq!(read(syntax), meaning, "{syntax}");
        }
    }

    #[test]
    fn slips_are_found() {
        for (syntax, fault) in [
            ("[a", "Bracket"),
            ("a]", "Bracket"),
            ("<a]", "Bracket"),
            ("[a>", "Bracket"),
            ("[a <b] c>", "Bracket"),
            ("a | b", "Bracket"),
            ("a [b ...]", "Repetition"),
            ("[...]", "Repetition"),
            ("a []", "Empty"),
            ("[a | ]", "Empty"),
        ] {
            assert_eq!(read(syntax), fault, "{syntax}");
        }
    }

    /// How many words an argument takes at least, and whether it may take more.
    fn extent(argument: &Argument) -> (i32, bool) {
        let parts: Vec<(i32, bool)> = argument.parts.iter().map(extent).collect();
        let (least, more) = match argument.kind {
            Kind::Block => (parts.iter().map(|part| part.0).sum(), parts.iter().any(|part| part.1)),
            Kind::OneOf => {
                let least = parts.iter().map(|part| part.0).min().unwrap_or(0);
                (least, parts.iter().any(|part| part.1 || part.0 != least))
            }
            Kind::Word => (0, false),
            _ => (1, false),
        };
        let least = least + i32::from(argument.token.is_some());
        if argument.optional { (0, true) } else { (least, more || argument.multiple) }
    }

    /// Redis's arity lets more through than makes sense, or the syntax more than the arity: the handler answers then.
    const ARITY_DIFFERS: &[&str] = &["auth", "quit", "command", "client|kill"];

    #[test]
    fn every_row_can_be_read_and_agrees_with_its_arity() {
        for row in table::rows().iter().filter(|row| row.is_called()) {
            let arguments = parse(row.syntax).unwrap_or_else(|fault| panic!("{}: {fault:?}", row.name));
            let (least, more) = extent(&whole(Kind::Block, arguments));
            let least = least + row.name.split('|').count() as i32;
            let arity = if more { -least } else { least };
            if !ARITY_DIFFERS.contains(&row.name) {
                assert_eq!(arity, row.arity, "{} {}", row.name, row.syntax);
            }
        }
    }

    #[test]
    fn every_row_says_what_help_shows() {
        let lacks = |row: &&&'static Row| row.summary.is_empty() || row.since.is_empty();
        let lacking: Vec<_> =
            table::rows().iter().filter(|row| row.is_served()).filter(lacks).map(|row| row.name).collect();
        assert!(lacking.is_empty(), "no summary or `since` (and perhaps no syntax, keys, tips): {lacking:?}");
    }
}
