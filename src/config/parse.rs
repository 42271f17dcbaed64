//! Reads configuration files in redis.conf's syntax: a directive a line, `#` for comments, quotes, `include`.
//!
//! Owns the syntax, the collection of what is wrong, and what is to be told at start. Must not know what options
//! mean (the table does), nor how files are read: that is an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Config;
use super::options::{self, Fate, Row};
use super::redis;
use crate::resp::inline::split_arguments;

/// How deep `include` may nest: a file that includes itself must come to an end.
const INCLUDE_DEPTH: usize = 10;

/// What stands behind a directive or a flag.
pub(super) type Values = Vec<Vec<u8>>;

/// Tells that a directive was accepted and does not do what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It has no meaning here, and why.
    Meaningless(&'static str, &'static str),
    /// It is not done, with its values, and what the operator misses by that.
    NotDone(String, &'static str),
    /// Nobody knows it. Only under the name `redis-server`; otherwise that is an error.
    Unknown(String),
}

impl Notice {
    /// Whether the operator should do something about it.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Notice::Meaningless(..))
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Meaningless(directive, reason) => {
                write!(formatter, "'{directive}' has no meaning here: {reason}")
            }
            Notice::NotDone(directive, missed) => write!(formatter, "'{directive}' is not done: {missed}"),
            Notice::Unknown(directive) => {
                write!(formatter, "'{directive}' is not an option of this server and is passed over.")
            }
        }
    }
}

/// Reads a file; standard input for the path `-`.
///
/// # Errors
/// What the system says.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    Ok(text)
}

/// A configuration while it is being read. Reading goes on after an error, so that all are told at once.
pub(super) struct Reading<'a> {
    pub(super) config: Config,
    pub(super) notices: Vec<Notice>,
    pub(super) problems: Vec<String>,
    /// Directives that nobody knows are told of and passed over.
    pub(super) passes_over_unknown: bool,
    /// What directives that add up have so far.
    accumulated: BTreeMap<&'static str, Values>,
    read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Self {
        Reading {
            config: Config::default(),
            notices: Vec::new(),
            problems: Vec::new(),
            passes_over_unknown: false,
            accumulated: BTreeMap::new(),
            read,
        }
    }

    pub(super) fn file(&mut self, path: &Path) {
        if let Err(problem) = self.open(path, 0) {
            self.problems.push(problem);
        }
    }

    /// Takes a flag. What a file has accumulated is replaced by it.
    pub(super) fn flag(&mut self, row: &'static Row, occurrences: Vec<Values>) {
        self.accumulated.remove(row.name);
        for values in occurrences {
            let text = format!("--{} {}", row.name, values.join(&b' ').escape_ascii());
            if let Err(rule) = self.set(row, values) {
                self.problems.push(format!("Reading the command line\n>>> '{text}'\n{rule}"));
            }
        }
    }

    /// Takes a directive from the command line of `redis-server`.
    pub(super) fn argument(&mut self, words: Values) {
        let text = words.join(&b' ');
        if let Err(rule) = self.directive(words, 0) {
            let text = text.escape_ascii();
            self.problems.push(format!("Reading the command line\n>>> '--{text}'\n{rule}"));
        }
    }

    fn open(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        let text = (self.read)(path)
            .map_err(|error| format!("can't open the configuration file '{}': {error}", path.display()))?;
        self.text(&text, path, depth);
        Ok(())
    }

    /// Takes the text of a file. `path` and `depth`, the number of files around it, are for what is wrong with it.
    pub(super) fn text(&mut self, text: &[u8], path: &Path, depth: usize) {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if let Err(rule) = self.line(line, depth) {
                let (path, number, line) = (path.display(), index + 1, String::from_utf8_lossy(line));
                self.problems.push(format!(
                    "Reading the configuration file '{path}', at line {number}\n>>> '{line}'\n{rule}"
                ));
            }
        }
    }

    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), String> {
        if line.starts_with(b"#") {
            return Ok(());
        }
        let words = split_arguments(line).map_err(|_| "Unbalanced quotes in configuration line")?;
        self.directive(words, depth)
    }

    /// Takes a directive: its name and its values.
    fn directive(&mut self, mut words: Values, depth: usize) -> Result<(), String> {
        if words.is_empty() {
            return Ok(());
        }
        let name = words.remove(0).to_ascii_lowercase();
        let values = words;
        if let Some(row) = options::find(&name) {
            return self.set(row, values);
        }
        if name == b"include" {
            return self.include(&values, depth);
        }
        if let Some(directive) = redis::SKIPPED.into_iter().find(|known| known.as_bytes() == name) {
            self.notice(Notice::Meaningless(directive, "Redis passes over it as well."));
            return Ok(());
        }
        match redis::REFUSED.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, reason)) => Err(options::refusal(reason)),
            None if self.passes_over_unknown => {
                self.notice(Notice::Unknown(name.escape_ascii().to_string()));
                Ok(())
            }
            None => Err(format!("there is no option '{}'", name.escape_ascii())),
        }
    }

    fn set(&mut self, row: &'static Row, mut values: Values) -> Result<(), String> {
        if row.accumulates {
            let earlier = self.accumulated.entry(row.name).or_default();
            match values.as_slice() {
                [value] if value.is_empty() => earlier.clear(),
                _ => earlier.append(&mut values),
            }
            values.clone_from(earlier);
        }
        if values.is_empty() && !row.accumulates {
            return Err("wrong number of arguments".into());
        }
        row.set(&mut self.config, &values)?;
        if matches!(row.fate, Fate::Ignored(_)) {
            self.notice(match row.missed {
                Some(missed) if row.get(&self.config) != row.default.as_bytes() => {
                    let value = values.join(&b' ');
                    Notice::NotDone(format!("{} {}", row.name, value.escape_ascii()), missed)
                }
                _ => Notice::Meaningless(row.name, row.doc),
            });
        }
        Ok(())
    }

    fn notice(&mut self, notice: Notice) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// As in Redis, a relative path is as seen from the working directory, and a pattern may match nothing.
    fn include(&mut self, values: &[Vec<u8>], depth: usize) -> Result<(), String> {
        let [path] = values else { return Err("wrong number of arguments".into()) };
        if depth == INCLUDE_DEPTH {
            return Err(format!("files include each other more than {INCLUDE_DEPTH} deep"));
        }
        let path = std::str::from_utf8(path).map_err(|_| "argument must be UTF-8")?;
        if !path.contains(['*', '?', '[']) {
            return self.open(Path::new(path), depth + 1);
        }
        let paths = glob::glob(path).map_err(|error| error.to_string())?;
        let paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        paths.iter().try_for_each(|path| self.open(path, depth + 1))
    }
}

#[cfg(test)]
mod tests;
