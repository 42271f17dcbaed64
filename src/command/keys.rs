//! Where a command's keys stand among its arguments.
//!
//! Owns key specifications and what is found by them (Redis `getKeysFromCommandWithSpecs`). Nothing is stored under
//! keys here; clients ask for them to find the node of a cluster. Must not know what a command does.

use super::names::{Names, bits, names_of};
use super::spec::Row;
use crate::resp::request::{Request, parse_integer};

/// Where some of a command's keys stand, and what is done with them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments are keys from there on.
    pub find: Find,
    /// What is done with them.
    pub flags: KeyFlags,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(i32),
    /// Behind this word, which is looked for from this argument on; negative: counted from the end.
    Keyword(&'static str, i32),
    /// Redis cannot say.
    Unknown,
}

/// Which arguments are keys, counted from where the search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`-th one up to `last`. A negative `last` counts from the end; with a `limit` of n only the first
    /// n-th of the arguments are keys.
    Range {
        /// The last one.
        last: i32,
        /// From one to the next.
        step: i32,
        /// 0: all of them.
        limit: i32,
    },
    /// The number of keys, and behind it the keys.
    Number,
    /// Redis cannot say.
    Unknown,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFlags(u32);

const NOT_KEY: u32 = 1 << 8;
const INCOMPLETE: u32 = 1 << 9;
const VARIABLE_FLAGS: u32 = 1 << 10;

const FLAG_NAMES: Names = &[
    ("RO", 1),
    ("RW", 1 << 1),
    ("OW", 1 << 2),
    ("RM", 1 << 3),
    ("access", 1 << 4),
    ("update", 1 << 5),
    ("insert", 1 << 6),
    ("delete", 1 << 7),
    ("not_key", NOT_KEY),
    ("incomplete", INCOMPLETE),
    ("variable_flags", VARIABLE_FLAGS),
];

impl KeyFlags {
    const fn of(names: &str) -> KeyFlags {
        KeyFlags(bits(names, FLAG_NAMES))
    }

    const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// Their names, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        names_of(self.0, FLAG_NAMES)
    }
}

/// One key, at this argument.
pub(super) const fn key(index: i32, flags: &str) -> KeySpec {
    let find = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { begin: Begin::Index(index), find, flags: KeyFlags::of(flags) }
}

/// One key behind a word.
pub(super) const fn key_after(word: &'static str, from: i32, flags: &str) -> KeySpec {
    KeySpec { begin: Begin::Keyword(word, from), ..key(0, flags) }
}

/// Keys behind their number.
pub(super) const fn numkeys(index: i32, flags: &str) -> KeySpec {
    KeySpec { find: Find::Number, ..key(index, flags) }
}

/// Keys whose place follows no rule.
pub(super) const fn unknown(flags: &str) -> KeySpec {
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags: KeyFlags::of(flags) }
}

impl KeySpec {
    /// Not one key but all up to `last`.
    pub(super) const fn through(self, last: i32, step: i32) -> KeySpec {
        KeySpec { find: Find::Range { last, step, limit: 0 }, ..self }
    }

    /// The first half of the arguments.
    pub(super) const fn first_half(self) -> KeySpec {
        KeySpec { find: Find::Range { last: -1, step: 1, limit: 2 }, ..self }
    }

    fn is_plain(&self) -> bool {
        matches!((self.begin, self.find), (Begin::Index(_), Find::Range { .. }))
    }
}

/// The old form of key specifications: first and last argument and the step, all 0 without keys; and whether there are
/// keys elsewhere. (Redis `populateCommandLegacyRangeSpec`.)
pub(super) fn legacy_range(specs: &[KeySpec]) -> ([i32; 3], bool) {
    let absolute = |index: i32, last: i32| if last < 0 { last } else { index + last };
    if let [KeySpec { begin: Begin::Index(index), find: Find::Range { last, step, .. }, flags }] = specs {
        return ([*index, absolute(*index, *last), *step], flags.has(INCOMPLETE));
    }
    let mut range: Option<(i32, i32)> = None;
    let mut movable = false;
    for spec in specs {
        movable |= !spec.is_plain() || spec.flags.has(INCOMPLETE);
        let (Begin::Index(index), Find::Range { last, step: 1, .. }) = (spec.begin, spec.find) else {
            movable = true;
            continue;
        };
        let last = absolute(index, last);
        range = match range {
            None => Some((index, last)),
            Some((first, before)) if before == index - 1 => Some((first, last)),
            same => {
                movable = true;
                same
            }
        };
    }
    match range {
        Some((first, last)) => ([first, last, 1], movable),
        None => ([0; 3], movable),
    }
}

/// Whether a command can have keys.
pub(super) fn has_keys(row: &Row) -> bool {
    row.keys.iter().any(|spec| !spec.flags.has(NOT_KEY))
}

/// Some of a request's keys: the arguments from `next` to `last`, by `step`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) next: usize,
    pub(super) last: usize,
    pub(super) step: usize,
    pub(super) flags: KeyFlags,
}

impl Keys {
    /// The argument at this position.
    fn one(index: usize, flags: &str) -> Keys {
        Keys { next: index, last: index, step: 1, flags: KeyFlags::of(flags) }
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        (self.last - self.next) / self.step + 1
    }
}

/// The keys of the command that begins at the argument `start` of a request, at positions in the whole of it. Where the
/// arguments are wrong there are none.
pub(super) fn find_keys(row: &Row, request: Request<'_>, start: usize) -> Vec<Keys> {
    let command = Arguments { request, start };
    let is_sure = !row.keys.iter().any(|spec| spec.flags.has(VARIABLE_FLAGS));
    let mut keys = match is_sure.then(|| by_specs(row.keys, &command)).flatten() {
        Some(keys) => keys,
        None => by_syntax(row.name, &command),
    };
    for span in &mut keys {
        span.next += start;
        span.last += start;
    }
    keys
}

/// The arguments of a command inside another's.
struct Arguments<'a> {
    request: Request<'a>,
    start: usize,
}

impl<'a> Arguments<'a> {
    fn len(&self) -> usize {
        self.request.len() - self.start
    }

    fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.request.argument(self.start + index))
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// `None`: a specification does not fit the arguments, or says that it is not the whole truth.
fn by_specs(specs: &[KeySpec], command: &Arguments<'_>) -> Option<Vec<Keys>> {
    let mut keys = Vec::new();
    for spec in specs.iter().filter(|spec| !spec.flags.has(NOT_KEY)) {
        let first = match spec.begin {
            Begin::Unknown => return None,
            Begin::Index(index) => index as usize,
            Begin::Keyword(word, from) => match behind(word, from, command) {
                Some(first) => first,
                None => continue,
            },
        };
        let (first, last, step) = range(spec.find, first, command)?;
        if last < first || last >= command.len() {
            return None;
        }
        keys.push(Keys { next: first, last, step, flags: spec.flags });
        if spec.flags.has(INCOMPLETE) {
            return None;
        }
    }
    Some(keys)
}

/// The argument behind a word. Redis looks from `from` to the last argument but one, or backwards from there.
fn behind(word: &str, from: i32, command: &Arguments<'_>) -> Option<usize> {
    let length = command.len();
    let is_word = |index: &usize| command.is(*index, word);
    let found = match usize::try_from(from) {
        Ok(from) => (from..length.saturating_sub(1)).find(is_word),
        Err(_) => (2..=length.checked_sub(from.unsigned_abs() as usize)?).rev().find(is_word),
    };
    found.map(|index| index + 1)
}

/// First and last key, and the step, of a search that begins at `first`.
fn range(find: Find, first: usize, command: &Arguments<'_>) -> Option<(usize, usize, usize)> {
    let length = command.len();
    match find {
        Find::Unknown => None,
        Find::Range { last, step, limit } => {
            let last = match (usize::try_from(last), limit) {
                (Ok(last), _) => first + last,
                (Err(_), 0) => length.checked_sub(last.unsigned_abs() as usize)?,
                (Err(_), limit) => (first + length.checked_sub(first)? / limit as usize).checked_sub(1)?,
            };
            Some((first, last, step as usize))
        }
        Find::Number => {
            let number = command.get(first).and_then(parse_integer)?;
            let number = usize::try_from(number).ok().filter(|number| *number > 0)?;
            Some((first + 1, first.checked_add(number)?, 1))
        }
    }
}

/// The commands whose keys Redis finds by code of its own.
fn by_syntax(name: &str, command: &Arguments<'_>) -> Vec<Keys> {
    match name {
        "set" => {
            let gets = (3..command.len()).any(|index| command.is(index, "get"));
            vec![Keys::one(1, if gets { "RW access update" } else { "OW update" })]
        }
        "bitfield" => {
            vec![Keys::one(1, if bitfield_reads(command) { "RO access" } else { "RW access update" })]
        }
        "sort_ro" => vec![Keys::one(1, "RO access")],
        "sort" => sort_keys(command),
        "migrate" => migrate_keys(command),
        _ => Vec::new(),
    }
}

/// Whether BITFIELD does nothing but GET.
fn bitfield_reads(command: &Arguments<'_>) -> bool {
    let mut index = 2;
    while index < command.len() {
        let values = command.len() - index - 1;
        if command.is(index, "get") && values >= 2 {
            index += 3;
        } else if command.is(index, "overflow") && values >= 1 {
            index += 2;
        } else {
            return false;
        }
    }
    true
}

/// The sorted key, and the last STORE's.
fn sort_keys(command: &Arguments<'_>) -> Vec<Keys> {
    let mut stored = None;
    let mut index = 2;
    while index < command.len() {
        if command.is(index, "limit") {
            index += 2;
        } else if command.is(index, "get") || command.is(index, "by") {
            index += 1;
        } else if command.is(index, "store") && index + 1 < command.len() {
            stored = Some(Keys::one(index + 1, "OW update"));
        }
        index += 1;
    }
    std::iter::once(Keys::one(1, "RO access")).chain(stored).collect()
}

/// The one key, or those behind KEYS if that one is empty.
fn migrate_keys(command: &Arguments<'_>) -> Vec<Keys> {
    let mut index = 6;
    while index < command.len() {
        if command.is(index, "keys") {
            let is_list = command.get(3).is_some_and(<[u8]>::is_empty) && index + 1 < command.len();
            let flags = KeyFlags::of("RW access delete");
            let keys = Keys { next: index + 1, last: command.len() - 1, step: 1, flags };
            return is_list.then_some(keys).into_iter().collect();
        }
        index += if command.is(index, "auth2") {
            3
        } else if command.is(index, "auth") {
            2
        } else {
            1
        };
    }
    vec![Keys::one(3, "RW access delete")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;
    use crate::resp::request::{Decoder, Limits};

    #[test]
    fn the_old_form() {
        for (name, range, movable) in [
            ("ping", [0, 0, 0], false),
            ("zadd", [1, 1, 1], false),
            ("watch", [1, -1, 1], false),
            ("mset", [1, -1, 2], false),
            ("spublish", [1, 1, 1], false),
            ("blpop", [1, -2, 1], false),
            ("rpoplpush", [1, 2, 1], false),
            ("bitop", [2, -1, 1], false),
            ("sort", [1, 1, 1], true),
            ("migrate", [3, 3, 1], true),
            ("zunionstore", [1, 1, 1], true),
            ("eval_ro", [0, 0, 0], true),
            ("xread", [0, 0, 0], true),
        ] {
            let row = table::find_known(name.as_bytes()).unwrap();
            assert_eq!(legacy_range(row.keys), (range, movable), "{name}");
        }
    }

    /// Positions of the keys in a line that holds the command behind two other words.
    fn positions(line: &str) -> Vec<usize> {
        let line = format!("COMMAND GETKEYS {line}\r\n");
        let mut decoder = Decoder::default();
        let limits = Limits { bulk_bytes_max: 1 << 20, authenticated: true };
        let request = decoder.decode(line.as_bytes(), limits, &mut 0).unwrap().unwrap();
        let row = table::find_known(request.argument(2)).unwrap();
        let keys = find_keys(row, request, 2);
        keys.iter().flat_map(|span| (span.next..=span.last).step_by(span.step)).collect()
    }

    #[test]
    fn keys_of_each_kind() {
        for (line, expected) in [
            ("zadd a 1 b", &[3][..]),
            ("mset a 1 b 2", &[3, 5]),
            ("blpop a b 0", &[3, 4]),
            ("zunionstore d 2 a b", &[3, 5, 6]),
            ("zunionstore d 18446744073709551615 a", &[]),
            ("zunionstore d 9223372036854775807 a", &[]),
            ("xread count 1 streams a b 0 0", &[6, 7]),
            ("georadius a 1 2 3 m store b", &[3, 9]),
            ("sort a by store get store store b", &[3, 9]),
            ("migrate h 1 \"\" 0 1 keys a b", &[9, 10]),
            ("migrate h 1 a 0 1 copy", &[5]),
            ("set a b get", &[3]),
        ] {
            assert_eq!(positions(line), expected, "{line}");
        }
    }
}
