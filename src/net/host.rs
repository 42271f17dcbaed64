//! The process follows its configuration.
//!
//! Owns what a changed option does to the process (descriptors, listening sockets, the log), and the configuration file
//! on its disk. Must not know which options may change, nor how a file is rewritten.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::Shared;
use super::logging::Logging;
use super::tls::{Settings, settings};
use super::transport::{Unavailable, port, reserve_descriptors};
use crate::broker::configuration::{Host, Refusal};
use crate::config::{self, Config, Tls};

/// The server as its configuration sees it.
pub(super) struct RunningServer {
    shared: Weak<Shared>,
    config_file: Option<PathBuf>,
    logging: Option<Logging>,
}

impl RunningServer {
    pub(super) fn new(shared: Weak<Shared>, config_file: &str, logging: Option<Logging>) -> Self {
        let config_file = (!config_file.is_empty()).then(|| PathBuf::from(config_file));
        RunningServer { shared, config_file, logging }
    }

    /// TLS first: who comes in at a new port needs it.
    fn follow_connections(&self, old: &Config, new: &mut Config) -> Result<(), Refusal> {
        // Gone only when the server is, and then nobody asks.
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        let is_set = new.tls.port.is_some() && !new.tls.revision.is(old.tls.revision);
        let before = if is_set { Some(shared.tls.replace(Some(tls_settings(&new.tls)?))) } else { None };
        let addresses = |config: &Config| (config.port, config.tls.port, config.bind.clone());
        if addresses(old) == addresses(new) {
            return Ok(());
        }
        follow_addresses(&shared, old, new).inspect_err(|_| {
            before.map(|settings| shared.tls.replace(settings));
        })
    }
}

fn tls_settings(tls: &Tls) -> Result<Settings, Refusal> {
    blocking(|| settings(tls)).map_err(|invalid| {
        tracing::warn!("TLS stays as it was: {invalid}");
        refusal(invalid.option, "Unable to update TLS configuration. Check server logs.".into())
    })
}

fn follow_addresses(shared: &Arc<Shared>, old: &Config, new: &mut Config) -> Result<(), Refusal> {
    blocking(|| shared.doors.follow(shared, old, new)).map_err(|Unavailable { tls, taken, reason }| {
        tracing::warn!("Could not listen where CONFIG SET says, so all stays as it was: {reason}");
        let port_is_at_fault = old.bind == new.bind || taken && port(old, tls) != port(new, tls);
        if port_is_at_fault {
            let option = if tls { "tls-port" } else { "port" };
            refusal(option, "Unable to listen on this port. Check server logs.".into())
        } else {
            refusal("bind", "Failed to bind to specified addresses.".into())
        }
    })
}

impl Host for RunningServer {
    fn apply(&self, old: &Config, new: &mut Config) -> Result<(), Refusal> {
        if new.maxclients != old.maxclients {
            let possible = reserve_descriptors(new.maxclients);
            if possible < new.maxclients {
                let reason = format!(
                    "The operating system is not able to handle the specified number of clients, try with {possible}"
                );
                return Err(refusal("maxclients", reason));
            }
        }
        let directory = enter(old, new)?;
        if let Err(refusal) = self.follow_connections(old, new) {
            // It was there a moment ago.
            let _ = directory.map(env::set_current_dir);
            return Err(refusal);
        }
        if let Some(logging) = &self.logging
            && new.loglevel != old.loglevel
        {
            logging.set_level(new.loglevel);
        }
        Ok(())
    }

    fn wait(&self, work: &mut dyn FnMut()) {
        blocking(work);
    }

    fn rewrite(&self, config: &Config) -> Result<bool, String> {
        let Some(path) = &self.config_file else { return Ok(false) };
        match blocking(|| rewrite_file(path, config)) {
            Ok(()) => {
                tracing::info!("CONFIG REWRITE executed with success.");
                Ok(true)
            }
            Err(error) => {
                tracing::warn!("CONFIG REWRITE failed: {error}");
                Err(text(&error))
            }
        }
    }
}

fn refusal(option: &str, reason: String) -> Refusal {
    Refusal { option: option.into(), reason }
}

/// Goes to another working directory, whose full name is then what is shown. Returns the one that was left, if any.
fn enter(old: &Config, new: &mut Config) -> Result<Option<PathBuf>, Refusal> {
    if old.dir == new.dir {
        return Ok(None);
    }
    let gone = |error: io::Error| refusal("dir", text(&error));
    let left = env::current_dir().map_err(gone)?;
    env::set_current_dir(&new.dir).map_err(gone)?;
    new.dir = env::current_dir().map_err(gone)?.display().to_string();
    Ok(Some(left))
}

/// What the system says, without the number that the standard library adds.
fn text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_owned()
}

/// Work during which other tasks of this thread are served by another one, where there are several.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Replaces the file by one that says what holds now: there is the old one or the new one, never a part.
fn rewrite_file(path: &Path, config: &Config) -> io::Result<()> {
    // What a link leads to is replaced, not the link. A file that is gone is written anew.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let new = config::rewrite(&old, config, &config::read_file);
    let mut temporary = path.clone().into_os_string();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = write_durably(&temporary, &new, &path).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // Perhaps it never came to be.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a new file with the permissions of `like`: there may be a password in it.
fn write_durably(path: &Path, text: &[u8], like: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mode = fs::metadata(like).map_or(0o600, |metadata| metadata.permissions().mode());
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    file.write_all(text)?;
    file.sync_all()
}
