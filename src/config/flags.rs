//! The command line: `hereabouts [CONFIG_FILE] [--option value ...]`.
//!
//! Owns Redis's way to write flags (values go on until the next `--`) and the help, which is made from the option
//! table. Must not know what options mean.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::options::{self, Row};
use super::parse::Values;

/// Separates the values of one flag on their way through clap: no argument of a process contains it.
const SEPARATOR: u8 = 0;
const CONFIG_FILE: &str = "CONFIG_FILE";
const CHECK_CONFIG: &str = "check-config";
/// Flags without a value.
const SWITCHES: [&str; 3] = [CHECK_CONFIG, "help", "version"];

/// A command line, taken apart.
pub(super) struct Flags {
    pub(super) file: Option<PathBuf>,
    pub(super) check_only: bool,
    /// Options with the values of each time they were given.
    pub(super) options: Vec<(&'static Row, Vec<Values>)>,
}

/// Takes apart a command line, the program's name included.
///
/// # Errors
/// The text to print, which for `--help` and `--version` is no error.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, clap::Error> {
    let matches = command().try_get_matches_from(join_values(arguments))?;
    Ok(Flags {
        file: matches.get_one::<PathBuf>(CONFIG_FILE).cloned(),
        check_only: matches.get_flag(CHECK_CONFIG),
        options: options::all().filter_map(|row| Some((row, occurrences(&matches, row)?))).collect(),
    })
}

fn occurrences(matches: &ArgMatches, row: &Row) -> Option<Vec<Values>> {
    let occurrences = matches.get_many::<OsString>(row.name)?;
    let split =
        |joined: &OsString| joined.as_bytes().split(|byte| *byte == SEPARATOR).map(<[u8]>::to_vec).collect();
    Some(occurrences.map(split).collect())
}

/// Turns `--bind a -b --port 1` into `--bind=a\0-b --port=1`: clap would take `-b` for a flag, or, told otherwise,
/// `--port` for a value.
fn join_values(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut takes_values = false;
    for argument in arguments {
        let mut argument = argument.into_vec();
        if argument.starts_with(b"--") {
            let name = argument.iter().position(|byte| *byte == b'=').unwrap_or(argument.len());
            argument[..name].make_ascii_lowercase();
            takes_values = name > 2 && !SWITCHES.iter().any(|switch| switch.as_bytes() == &argument[2..name]);
            joined.push(argument);
            continue;
        }
        match joined.last_mut() {
            Some(flag) if takes_values => {
                flag.push(if flag.contains(&b'=') { SEPARATOR } else { b'=' });
                flag.append(&mut argument);
            }
            _ => joined.push(argument),
        }
    }
    joined.into_iter().map(OsString::from_vec).collect()
}

fn command() -> Command {
    Command::new("hereabouts")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .override_usage("hereabouts [CONFIG_FILE] [--option value ...]")
        .after_help(
            "Flags override the file, which is written like redis.conf. Bytes may have a unit (k, kb, m, mb, g, gb), \
             milliseconds as well (ms, s, m, h, d). Redis's other options are accepted and have no effect.",
        )
        .max_term_width(110)
        .arg(
            Arg::new(CONFIG_FILE)
                .value_parser(value_parser!(PathBuf))
                .help("Configuration file; - for standard input"),
        )
        .arg(
            Arg::new(CHECK_CONFIG)
                .long(CHECK_CONFIG)
                .action(ArgAction::SetTrue)
                .help("Say what is wrong with the configuration, or ok, and exit"),
        )
        .arg(
            Arg::new("version")
                .short('v')
                .short_alias('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version"),
        )
        .args(options::all().map(argument))
}

fn argument(row: &'static Row) -> Arg {
    let default = if row.default.is_empty() { "none" } else { row.default };
    Arg::new(row.name)
        .long(row.name)
        .aliases(row.alias)
        .value_name(if row.is_served() { row.values } else { "value" })
        .value_parser(value_parser!(OsString))
        .action(ArgAction::Append)
        .help(format!("{} [default: {default}]", row.doc))
        .hide(!row.is_served())
}
