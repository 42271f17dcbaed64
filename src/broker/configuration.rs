//! The configuration while the server runs.
//!
//! Owns the snapshot that everybody reads, and the order in which it changes: the new one is computed, the host makes
//! the process follow it or refuses, and only then is it seen. Must not know options by name, nor files and sockets:
//! those are the [`Host`]'s.

use std::sync::Arc;

use super::Broker;
use crate::config::Config;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Mutex, MutexGuard, RwLock};

/// Why the configuration stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The option that is at fault, as it was named.
    pub option: Vec<u8>,
    /// The rule that it breaks, or what the system says.
    pub reason: String,
}

/// What the process does when its configuration changes: sockets, descriptors, the log, the file.
pub trait Host: Send + Sync {
    /// Makes the process follow `new`, in which it may write down what it chose itself (a free port).
    ///
    /// # Errors
    /// It cannot; everything is as it was.
    fn apply(&self, old: &Config, new: &mut Config) -> Result<(), Refusal>;

    /// Writes the configuration into the file that the server was started with; false if there was none.
    ///
    /// # Errors
    /// What the system says; the file is as it was.
    fn rewrite(&self, config: &Config) -> Result<bool, String>;

    /// Runs what may wait for long, while other clients are served.
    fn wait(&self, work: &mut dyn FnMut());
}

/// A configuration and its number.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) version: u32,
    pub(super) config: Arc<Config>,
}

pub(super) struct Configuration {
    current: RwLock<Snapshot>,
    /// That of the snapshot once more, for those who only want to know whether theirs is old.
    version: AtomicU32,
    /// Held by who changes the configuration or writes it down: one at a time, and the only lock under which the host
    /// is called.
    changing: Mutex<()>,
    host: Box<dyn Host>,
}

impl Configuration {
    pub(super) fn new(config: Config, host: Box<dyn Host>) -> Self {
        Configuration {
            current: RwLock::new(Snapshot { version: 0, config: Arc::new(config) }),
            version: AtomicU32::new(0),
            changing: Mutex::new(()),
            host,
        }
    }

    pub(super) fn current(&self) -> Snapshot {
        self.current.read().clone()
    }

    /// Whoever changes the configuration may be waiting for the resolver or a disk.
    fn exclusively(&self) -> MutexGuard<'_, ()> {
        let mut guard = self.changing.try_lock();
        loop {
            if let Some(guard) = guard.take() {
                return guard;
            }
            self.host.wait(&mut || guard = Some(self.changing.lock()));
        }
    }

    /// Whether `version` is the current one. May be late by a moment, not for ever.
    pub(super) fn is_current(&self, version: u32) -> bool {
        self.version.load(Ordering::Relaxed) == version
    }
}

impl Broker {
    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.configuration.current.read().config.clone()
    }

    /// Changes the configuration as a whole or not at all. (CONFIG SET.)
    ///
    /// # Errors
    /// That of `change`, or the host's.
    pub fn change_config(
        &self,
        change: impl FnOnce(&mut Config) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.configuration.exclusively();
        let Configuration { current, version, host, .. } = &self.configuration;
        let old = self.config();
        let mut new = Config::clone(&old);
        change(&mut new)?;
        host.apply(&old, &mut new)?;
        let new = Arc::new(new);
        {
            let mut current = current.write();
            current.config = Arc::clone(&new);
            current.version = current.version.wrapping_add(1);
            version.store(current.version, Ordering::Relaxed);
        }
        self.presence.configure(&new);
        self.peers.renew();
        Ok(())
    }

    /// Writes the configuration into the file that the server was started with; false if there was none.
    /// (CONFIG REWRITE.)
    ///
    /// # Errors
    /// What the system says; the file is as it was.
    pub fn rewrite_config(&self) -> Result<bool, String> {
        let _one_at_a_time = self.configuration.exclusively();
        self.configuration.host.rewrite(&self.config())
    }
}
