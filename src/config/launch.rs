//! From the command line to the configuration that the server starts with.
//!
//! Owns what takes precedence (flags over the file over the defaults) and how problems are told. Must not know the
//! syntax of either.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::parse::{Notice, Reading};
use super::redis_server::{self, CommandLine};
use super::{Config, flags};

/// Why the server is not to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is wrong: print this text (help, the version, or that the configuration is fine) and exit with 0.
    Done(String),
    /// Print [`version_line`](super::version_line) and exit with 0.
    RedisVersion,
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
    /// Started by the name `redis-server`, by somebody who expects Redis's lines in the log.
    pub as_redis: bool,
}

/// Reads the command line (the program's name included) and, by `read`, the files that it names.
///
/// # Errors
/// [`Stop`], when there is nothing to serve.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Launch, Stop> {
    let mut arguments = arguments.into_iter().peekable();
    let as_redis = arguments.peek().is_some_and(|program| redis_server::is_meant(program));
    let mut reading = Reading::new(read);
    let (file, check_only) = if as_redis {
        (read_as_redis(arguments.skip(1), &mut reading)?, false)
    } else {
        read_flags(arguments, &mut reading)?
    };
    let Reading { config, notices, problems, .. } = reading;
    if !problems.is_empty() {
        let version = env!("CARGO_PKG_VERSION");
        let problems = problems.join("\n\n");
        return Err(Stop::Failed(format!(
            "*** FATAL CONFIG FILE ERROR (Hereabouts {version}) ***\n{problems}"
        )));
    }
    if check_only {
        let lines = notices.iter().map(Notice::to_string).chain(["ok".to_owned()]);
        return Err(Stop::Done(lines.collect::<Vec<_>>().join("\n")));
    }
    let file = file.filter(|path| path.as_os_str() != "-");
    let file = file.map(|path| std::path::absolute(&path).unwrap_or(path));
    Ok(Launch { config, file, notices, as_redis })
}

/// Returns the file that was read, and whether that is all.
fn read_flags(
    arguments: impl Iterator<Item = OsString>,
    reading: &mut Reading<'_>,
) -> Result<(Option<PathBuf>, bool), Stop> {
    let flags = flags::parse(arguments).map_err(|error| {
        let text = error.to_string().trim_end().to_owned();
        if error.exit_code() == 0 { Stop::Done(text) } else { Stop::Failed(text) }
    })?;
    if let Some(file) = &flags.file {
        reading.file(file);
    }
    for (row, occurrences) in flags.options {
        reading.flag(row, occurrences);
    }
    Ok((flags.file, flags.check_only))
}

/// Returns the file that was read.
fn read_as_redis(
    arguments: impl Iterator<Item = OsString>,
    reading: &mut Reading<'_>,
) -> Result<Option<PathBuf>, Stop> {
    let (file, standard_input, directives) = match redis_server::parse(arguments) {
        CommandLine::Version => return Err(Stop::RedisVersion),
        CommandLine::Help => return Err(Stop::Done(redis_server::USAGE.to_owned())),
        CommandLine::Start { file, standard_input, directives } => (file, standard_input, directives),
    };
    reading.passes_over_unknown = true;
    if let Some(file) = &file {
        reading.file(file);
    }
    if standard_input {
        reading.file(Path::new("-"));
    }
    directives.into_iter().for_each(|directive| reading.argument(directive));
    Ok(file)
}

#[cfg(test)]
mod tests;
