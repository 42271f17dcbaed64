//! From the command line to the configuration that the server starts with.
//!
//! Owns what takes precedence (flags over the file over the defaults) and how problems are told. Must not know the
//! syntax of either.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::parse::{Notice, Reading};
use super::{Config, flags};

/// Why the server is not to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is wrong: print this text (help, the version, or that the configuration is fine) and exit with 0.
    Done(String),
    /// The operator is at fault: print each problem, with the option, the value and the rule, and exit with 1.
    Failed(String),
}

/// What the server starts with.
#[derive(Debug)]
pub struct Launch {
    /// The configuration.
    pub config: Config,
    /// The absolute path of the file that was read, for CONFIG REWRITE and INFO.
    pub file: Option<PathBuf>,
    /// To be logged once at start.
    pub notices: Vec<Notice>,
}

/// Reads the command line (the program's name included) and, by `read`, the files that it names.
///
/// # Errors
/// [`Stop`], when there is nothing to serve.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Launch, Stop> {
    let flags = flags::parse(arguments).map_err(|error| match error.exit_code() {
        0 => Stop::Done(error.to_string()),
        _ => Stop::Failed(error.to_string()),
    })?;
    let mut reading = Reading::new(read);
    if let Some(file) = &flags.file {
        reading.file(file);
    }
    for (row, occurrences) in flags.options {
        reading.flag(row, occurrences);
    }
    let Reading { config, notices, problems, .. } = reading;
    if !problems.is_empty() {
        let version = env!("CARGO_PKG_VERSION");
        let problems = problems.join("\n\n");
        return Err(Stop::Failed(format!(
            "*** FATAL CONFIG FILE ERROR (Hereabouts {version}) ***\n{problems}"
        )));
    }
    if flags.check_only {
        let lines = notices.iter().map(Notice::to_string).chain(["ok".to_owned()]);
        return Err(Stop::Done(lines.collect::<Vec<_>>().join("\n")));
    }
    let file = flags.file.filter(|path| path.as_os_str() != "-");
    let file = file.map(|path| std::path::absolute(&path).unwrap_or(path));
    Ok(Launch { config, file, notices })
}

#[cfg(test)]
mod tests;
