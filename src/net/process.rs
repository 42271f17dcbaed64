//! What the process has outside of itself: its working directory, its pid file, the service manager that waits for it.
//!
//! Owns how these are told and cleared away. Must not know when.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sd_notify::NotifyState;

/// Makes `dir` the directory from which relative paths are seen.
///
/// # Errors
/// A text that says what is wrong and what to do; the working directory is the one that it was.
pub fn enter(dir: &str) -> Result<(), String> {
    env::set_current_dir(dir).map_err(|error| {
        let current = env::current_dir().map_or_else(|_| ".".to_owned(), |path| path.display().to_string());
        format!(
            "dir {dir}: {error}. Relative paths are seen from {current} instead: create the directory and let this user \
             enter it, or set dir to another one"
        )
    })
}

/// A file with the process id, which is removed with this.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let path = std::path::absolute(path)?;
        std::fs::write(&path, format!("{}\n", std::process::id()))?;
        Ok(PidFile(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have removed it; there is nothing left to do then.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tells the service manager, if one asks for it, that clients are served.
pub fn tell_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells the service manager, if one asks for it, that the server stops and takes so long at most.
pub fn tell_stopping(patience: Duration) {
    // A little more than that: the process must still end.
    let patience = (patience + Duration::from_secs(5)).as_micros();
    let patience = NotifyState::ExtendTimeoutUsec(u32::try_from(patience).unwrap_or(u32::MAX));
    tell(&[NotifyState::Stopping, NotifyState::Status("Sending what is queued for clients"), patience]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("The service manager does not listen at NOTIFY_SOCKET: {error}");
    }
}
