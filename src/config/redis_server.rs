//! The command line of `redis-server`, for programs that start it by that name: test suites, scripts, containers.
//!
//! Owns Redis's way to take its arguments apart and what it prints about itself. Must not know options: to Redis an
//! argument is a piece of a configuration file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::REDIS_VERSION;
use super::parse::Values;
use crate::resp::inline::split_arguments;

/// What `--help` prints.
pub(super) const USAGE: &str = "\
Usage: redis-server [/path/to/redis.conf] [--option value ...] [-]
       redis-server -            reads the configuration from standard input
       redis-server -v, --version
       redis-server -h, --help

This is Hereabouts, a pub/sub broker, started by the name redis-server: options of Redis that it does not know are
passed over with a warning in the log. Start it as hereabouts to have them refused; hereabouts --help lists its own.";

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandLine {
    Version,
    Help,
    Start {
        file: Option<PathBuf>,
        standard_input: bool,
        /// Each a name and its values.
        directives: Vec<Values>,
    },
}

/// Whether the program was started by the name `redis-server`.
pub(super) fn is_meant(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("redis-server"))
}

/// The line that `redis-server --version` prints, which scripts take apart. `allocator` is its name and version.
pub fn version_line(allocator: &str) -> String {
    let build = build_id();
    let bits = usize::BITS;
    format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc={allocator} bits={bits} build={build}")
}

/// A hash of what was built, as Redis has one.
pub fn build_id() -> String {
    let digest = Sha256::digest(concat!("hereabouts ", env!("CARGO_PKG_VERSION")));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Takes apart a command line, without the program's name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> CommandLine {
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
    let first = arguments.first().map_or(&b""[..], Vec::as_slice);
    match first {
        b"-v" | b"--version" => return CommandLine::Version,
        b"-h" | b"--help" => return CommandLine::Help,
        _ => {}
    }
    let has_file = !arguments.is_empty() && !first.starts_with(b"-");
    let file = has_file.then(|| PathBuf::from(OsString::from_vec(first.to_vec())));
    let mut standard_input = false;
    let mut directives: Vec<Values> = Vec::new();
    // What follows a name is its value, even if it looks like another name.
    let mut expects_value = false;
    for (index, argument) in arguments.iter().enumerate().skip(usize::from(has_file)) {
        let next = arguments.get(index + 1);
        if argument == b"-" && (index == 0 || next.is_none()) {
            standard_input = true;
        } else if !expects_value && let Some(text) = argument.strip_prefix(b"--") {
            // One argument may have the name and its values.
            let mut words = split_arguments(text).unwrap_or_else(|_| vec![text.to_vec()]);
            let is_name = words.len() < 2;
            let is_save = words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"save"));
            let is_last = next.is_none_or(|next| next.starts_with(b"--"));
            if is_name && is_save && is_last {
                words.push(Vec::new());
            }
            expects_value = words.len() < 2;
            directives.push(words);
        } else {
            match directives.last_mut() {
                Some(directive) => directive.push(argument.clone()),
                None => directives.push(vec![argument.clone()]),
            }
            expects_value = false;
        }
    }
    CommandLine::Start { file, standard_input, directives }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &[&str]) -> (Option<PathBuf>, bool, Vec<Vec<String>>) {
        let CommandLine::Start { file, standard_input, directives } = parse(line.iter().map(OsString::from))
        else {
            panic!("{line:?}");
        };
        let text = |word: &Vec<u8>| String::from_utf8(word.clone()).unwrap();
        let directives = directives.iter().map(|words| words.iter().map(text).collect()).collect();
        (file, standard_input, directives)
    }

    #[track_caller]
    fn takes(line: &[&str], directives: &[&[&str]]) {
        assert_eq!(start(line).2, directives, "{line:?}");
    }

    #[test]
    fn names_have_values() {
        takes(&[], &[]);
        takes(
            &["--port", "7000", "--replicaof", "127.0.0.1", "8888"],
            &[&["port", "7000"], &["replicaof", "127.0.0.1", "8888"]],
        );
        takes(
            &["--bind 127.0.0.1 ::1", "--save", "60 1"],
            &[&["bind", "127.0.0.1", "::1"], &["save", "60 1"]],
        );
        takes(&["--port ", "7000"], &[&["port", "7000"]]);
        takes(&["--requirepass", "--abc", "--port", "1"], &[&["requirepass", "--abc"], &["port", "1"]]);
        takes(&["--requirepass", "a \"b", "x=\\y"], &[&["requirepass", "a \"b", "x=\\y"]]);
        takes(&["--port=7000"], &[&["port=7000"]]);
        takes(&["--a \"b", "c"], &[&["a \"b", "c"]]);
        takes(&["-x"], &[&["-x"]]);
    }

    #[test]
    fn save_alone_is_save_nothing() {
        takes(&["--save", "--port", "1"], &[&["save", ""], &["port", "1"]]);
        takes(&["--port", "1", "--SAVE"], &[&["port", "1"], &["SAVE", ""]]);
        takes(&["--save", "", "--port", "1"], &[&["save", ""], &["port", "1"]]);
    }

    #[test]
    fn a_file_comes_first_and_standard_input_first_or_last() {
        let file = Some(PathBuf::from("a.conf"));
        assert_eq!(start(&["a.conf"]), (file.clone(), false, vec![]));
        assert_eq!(start(&["a.conf", "-"]), (file, true, vec![]));
        assert!(start(&["-", "--port", "1"]).1);
        takes(&["--requirepass", "-", "--port", "1"], &[&["requirepass", "-"], &["port", "1"]]);
    }

    #[test]
    fn version_and_help() {
        for (word, meaning) in [
            ("-v", CommandLine::Version),
            ("--version", CommandLine::Version),
            ("-h", CommandLine::Help),
            ("--help", CommandLine::Help),
        ] {
            assert_eq!(parse([OsString::from(word), "--port".into()]), meaning);
        }
        let line = version_line("mimalloc-2.3.2");
        let (start, build) = line.split_once(" build=").unwrap();
        assert_eq!(start, "Redis server v=7.2.4 sha=00000000:0 malloc=mimalloc-2.3.2 bits=64");
        assert!(build.len() == 16 && build.bytes().all(|byte| byte.is_ascii_hexdigit()), "{build}");
    }

    #[test]
    fn the_name_may_have_a_directory() {
        assert!(is_meant(OsStr::new("redis-server")) && is_meant(OsStr::new("/usr/bin/redis-server")));
        assert!(!is_meant(OsStr::new("hereabouts")) && !is_meant(OsStr::new("/redis-server/x")));
    }
}
