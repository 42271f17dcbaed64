//! The log: one line an event, written as Redis writes its own, so that what watches a Redis log goes on working:
//!
//! ```text
//! 4711:M 24 Nov 2026 04:53:32.123 * Ready to accept connections tcp port=6379
//! ```
//!
//! or, with `log-format json`, as an object:
//!
//! ```text
//! {"timestamp":"2026-11-24T03:53:32.123456Z","level":"INFO","message":"Ready to accept connections tcp","port":6379}
//! ```
//!
//! Owns the line's form, the file, and the level, which can change at run time. Must not know who logs what. Levels
//! go by Redis's names in the configuration and by tracing's in the code and in JSON:
//!
//! | `loglevel` | mark | in the code                            |
//! |------------|------|----------------------------------------|
//! | `debug`    | `.`  | `trace!`                               |
//! | `verbose`  | `-`  | `debug!`                               |
//! | `notice`   | `*`  | `info!`                                |
//! | `warning`  | `#`  | `warn!` and `error!`                   |
//! | `nothing`  |      | nothing is logged, not even `error!`   |

use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Config, LogFormat, LogLevel};
use syslog::{SYSLOG_PATH, Syslog};

mod syslog;

/// The running log.
#[derive(Clone)]
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    output: Arc<Output>,
}

/// Starts the log of this process, as the options say.
///
/// # Errors
/// The file cannot be opened for appending: a text that names it and says what to do. Or a log was started before.
pub fn start(config: &Config) -> Result<Logging, String> {
    let (subscriber, logging) = subscriber(config, Path::new(SYSLOG_PATH)).map_err(|error| {
        let directory = Path::new(&config.logfile).parent().unwrap_or(Path::new("")).display();
        format!(
            "logfile {}: {error}. The directory {directory} must exist and this user must be able to write there; or \
             log to standard output with logfile \"\"",
            config.logfile
        )
    })?;
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
    Ok(logging)
}

impl Logging {
    /// Logs what is at least as important as `level` from now on.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and with it the log.
        let _ = self.level.modify(|filter| *filter = filter_of(level));
    }

    /// Opens the file again: after it was renamed, a new one takes the lines that follow. Returns its path, or nothing
    /// when there is no file.
    ///
    /// # Errors
    /// The file cannot be opened; the log goes on where it was.
    pub fn reopen(&self) -> io::Result<Option<&Path>> {
        self.output.reopen()
    }
}

fn subscriber(
    config: &Config,
    syslog: &Path,
) -> io::Result<(impl Subscriber + Send + Sync + use<>, Logging)> {
    let output = Arc::new(Output::open(&config.logfile)?);
    let (filter, level) = reload::Layer::new(filter_of(config.loglevel));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Arc::clone(&output))
        // A full disk must not fill standard error as well.
        .log_internal_errors(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.event_format(Line { process: std::process::id() }).boxed(),
        LogFormat::Json => {
            let spans = false;
            let lines = lines.json().flatten_event(true).with_target(false);
            lines.with_current_span(spans).with_span_list(spans).boxed()
        }
    };
    let syslog = config.syslog_enabled.then(|| Syslog::new(config, syslog));
    Ok((tracing_subscriber::registry().with(filter).with(lines).with(syslog), Logging { level, output }))
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Where lines go.
enum Output {
    Standard,
    File { path: PathBuf, file: Mutex<File> },
}

impl Output {
    fn open(logfile: &str) -> io::Result<Self> {
        if logfile.is_empty() {
            return Ok(Output::Standard);
        }
        // Absolute, so that opening it again finds the same place.
        let path = std::path::absolute(logfile)?;
        let file = Mutex::new(append_to(&path)?);
        Ok(Output::File { path, file })
    }

    fn reopen(&self) -> io::Result<Option<&Path>> {
        let Output::File { path, file } = self else { return Ok(None) };
        let opened = append_to(path)?;
        *file.lock() = opened;
        Ok(Some(path))
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Takes a line as a whole, so that lines of several threads do not mix.
impl Write for &Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Output::Standard => io::stdout().write_all(line)?,
            Output::File { file, .. } => file.lock().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The form of a line.
struct Line {
    process: u32,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        // `M` is a Redis that is a master.
        let time = chrono::Local::now().format("%d %b %Y %H:%M:%S%.3f");
        write!(line, "{}:M {time} {mark}", self.process)?;
        let mut fields = Fields { line, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writeln!(fields.line)
    }
}

/// Writes the message and then ` key=value`, without control characters: a client's name must not forge a line.
struct Fields<'a> {
    line: Writer<'a>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, name: &str, text: &str) -> fmt::Result {
        self.line.write_char(' ')?;
        if name != "message" {
            write!(self.line, "{name}=")?;
            let plain = !text.is_empty() && !text.contains([' ', '"', '=']);
            let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
            if !plain && !quoted {
                return write!(self.line, "{text:?}");
            }
        }
        for character in text.chars() {
            match character.is_control() {
                true => write!(self.line, "{}", character.escape_default())?,
                false => self.line.write_char(character)?,
            }
        }
        Ok(())
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.result = self.result.and_then(|()| self.write(field.name(), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
