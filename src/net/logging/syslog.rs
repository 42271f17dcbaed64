//! Lines for syslog, beside those of the log itself.
//!
//! Owns the socket and the form of a datagram, that of syslog(3). Must not know who logs what. Own code, as the crates
//! for it wait when syslog does not read, and a turn of ours must not wait for anybody.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::Context;

use super::Fields;
use crate::config::Config;

/// Where syslog reads.
pub(super) const SYSLOG_PATH: &str = "/dev/log";

/// Sends each line to syslog.
pub(super) struct Syslog {
    path: PathBuf,
    ident: String,
    facility: u8,
    process: u32,
    connection: Mutex<Connection>,
}

#[derive(Default)]
struct Connection {
    socket: Option<UnixDatagram>,
    /// Lines that nobody has taken since the last one that was.
    lost: u64,
}

impl Syslog {
    /// Connects with the first line, and again when syslog was restarted.
    pub(super) fn new(config: &Config, path: &Path) -> Self {
        Syslog {
            path: path.to_owned(),
            ident: config.syslog_ident.clone(),
            facility: config.syslog_facility,
            process: std::process::id(),
            connection: Mutex::default(),
        }
    }

    /// The beginning of a datagram: priority, time, who.
    fn head(&self, severity: u8) -> String {
        let priority = self.facility * 8 + severity;
        let time = chrono::Local::now().format("%b %e %H:%M:%S");
        format!("<{priority}>{time} {}[{}]:", self.ident, self.process)
    }

    fn send(&self, line: &str) {
        let mut connection = self.connection.lock();
        if connection.send(&self.path, line).is_err() {
            connection.lost += 1;
        } else if connection.lost > 0 {
            let text =
                format!("{} {} lines before this one are lost here", self.head(WARNING), connection.lost);
            if connection.send(&self.path, &text).is_ok() {
                connection.lost = 0;
            }
        }
    }
}

impl Connection {
    fn send(&mut self, path: &Path, line: &str) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(line.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.socket = None,
                other => return other.map(|_| ()),
            }
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        self.socket.insert(socket).send(line.as_bytes()).map(|_| ())
    }
}

const WARNING: u8 = 4;

/// As Redis maps its levels, with errors of their own.
fn severity(level: Level) -> u8 {
    match level {
        Level::TRACE => 7,
        Level::DEBUG => 6,
        Level::INFO => 5,
        Level::WARN => WARNING,
        Level::ERROR => 3,
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = self.head(severity(*event.metadata().level()));
        let mut fields = Fields { line: Writer::new(&mut line), result: Ok(()) };
        event.record(&mut fields);
        self.send(&line);
    }
}
