//! A server: started, running, stopped.
//!
//! Owns the order in which that happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::cluster::{self, Cluster, Places};
use super::doors::Doors;
use super::gossip::Gossip;
use super::host::RunningServer;
use super::logging::Logging;
use super::measure::{
    allocator_name, allocator_report, processor_time, resident_bytes, system_bytes, system_name,
};
use super::tls::{Tls, settings};
use super::transport::{Clock, entropy, listen, monotonic, reserve_descriptors};
use super::turns::Turns;
use super::{Shared, flush, listen as accepting, pause, presence, tick};
use crate::broker::clients::Address;
use crate::broker::configuration::Refusal;
use crate::broker::{Broker, Identity, StopRequest};
use crate::command::table;
use crate::config::Config;
use crate::crdt::NodeId;
use crate::map::HashKeys;

/// A running server. Dropping it ends its tasks, and clients are then cut off.
pub struct Server {
    shared: Arc<Shared>,
    background: JoinSet<()>,
    ports: (Option<u16>, Option<u16>),
    /// Absolute, so that it is the same file when `dir` has changed.
    unixsocket: Option<PathBuf>,
    gossip: Option<Gossip>,
}

impl Server {
    /// Listens and starts to serve. Must be called inside a tokio runtime. `logging` is the log whose level CONFIG SET
    /// changes; `config_file` the file that CONFIG REWRITE writes, empty for none.
    ///
    /// # Errors
    /// A text that names the option, its value and what is wrong.
    pub fn start(mut config: Config, config_file: &str, logging: Option<Logging>) -> Result<Server, String> {
        let possible = reserve_descriptors(config.maxclients);
        if possible < config.maxclients {
            tracing::warn!(
                "maxclients {} needs more file descriptors than this process may have: it is set to {possible}. Raise \
                 the limit (ulimit -n, LimitNOFILE) for more",
                config.maxclients,
            );
            config.maxclients = possible;
        }
        let tls = Tls::default();
        if config.tls.port.is_some() {
            let settings = settings(&config.tls).map_err(|invalid| {
                tracing::warn!("{invalid}");
                "Failed to configure TLS. Check logs for more info."
            })?;
            tls.replace(Some(settings));
        }
        let listeners = listen(&mut config)?;
        let places = Places::bind(&config)?;
        let ports = (config.port, config.tls.port);
        let unixsocket = config.unixsocket.as_ref().and_then(|path| std::path::absolute(path).ok());
        let clock = Clock::start();
        let keys = HashKeys::new(entropy().map_err(no_entropy)?);
        let identity = identity(&config, config_file)?;
        let shared = Arc::new_cyclic(|shared| {
            let host = Box::new(RunningServer::new(shared.clone(), config_file, logging));
            let broker = Broker::new(config, host, identity, keys, clock.now());
            Shared {
                broker,
                clock,
                doors: Doors::default(),
                tls,
                turns: Turns::default(),
                flush: Notify::new(),
                presence: Notify::new(),
                cluster: Cluster::default(),
                postponed: Notify::new(),
                gone: Notify::new(),
                stop: Notify::new(),
            }
        });
        let mut background = JoinSet::new();
        background.spawn(flush::run(shared.clone()));
        background.spawn(pause::run(shared.clone()));
        background.spawn(presence::run(shared.clone()));
        background.spawn(tick::run(shared.clone()));
        let gossip = places.map(|places| cluster::start(&shared, places, &mut background)).transpose()?;
        if gossip.is_some() {
            let shared = shared.clone();
            background.spawn(async move {
                shared.cluster.wait_until_joined().await;
                shared.doors.open(&shared, listeners);
            });
        } else {
            shared.cluster.joined.send_replace(true);
            shared.doors.open(&shared, listeners);
        }
        Ok(Server { shared, background, ports, unixsocket, gossip })
    }

    /// Waits until clients are served: an instance of a cluster listens to the others first. (`cluster-join-timeout`.)
    pub async fn joined(&self) {
        self.shared.cluster.wait_until_joined().await;
    }

    /// The TCP port with which the server started, if there was one.
    pub fn port(&self) -> Option<u16> {
        self.ports.0
    }

    /// The same for TLS.
    pub fn tls_port(&self) -> Option<u16> {
        self.ports.1
    }

    /// Reads certificates and keys again, for new connections; false if there is no TLS.
    ///
    /// # Errors
    /// They cannot be used, as a line of the log says, and those of before are used on.
    pub fn read_certificates(&self) -> Result<bool, Refusal> {
        if self.shared.broker.config().tls.port.is_none() {
            return Ok(false);
        }
        let set_to_the_same = |config: &mut Config| {
            config.tls.read_again();
            Ok(())
        };
        self.shared.broker.change_config(set_to_the_same).map(|()| true)
    }

    /// What the server serves.
    pub fn broker(&self) -> &Broker {
        &self.shared.broker
    }

    /// Serves a client over a stream that was not accepted here: one inside this process.
    pub fn serve<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        accepting::serve(&self.shared, stream, Address::Internal, Address::Internal, -1);
    }

    /// Waits until a client wants the server to stop. (SHUTDOWN.)
    pub async fn stop_requested(&self) -> StopRequest {
        loop {
            if let Some(request) = self.shared.broker.stop_requested() {
                return request;
            }
            self.shared.stop.notified().await;
        }
    }

    /// Stops: accepts nobody any more, writes what is queued, and ends when all clients are gone or `timeout` is over.
    /// Returns the number of clients that were cut off.
    pub async fn stop(mut self, timeout: Duration) -> usize {
        self.shared.doors.close().await;
        self.shared.tls.close();
        if let Some(path) = &self.unixsocket {
            // Somebody may have removed it; there is nothing left to do then.
            let _ = std::fs::remove_file(path);
        }
        self.shared.broker.stop().into_iter().for_each(Waker::wake);
        let shared = self.shared.clone();
        let all_gone = async {
            while !shared.broker.clients.is_empty() {
                shared.gone.notified().await;
            }
        };
        let _ = tokio::time::timeout(timeout, all_gone).await;
        if let Some(gossip) = self.gossip.take() {
            // An error would be a panic there, which has been logged.
            let _ = tokio::task::spawn_blocking(|| gossip.leave()).await;
        }
        self.background.shutdown().await;
        self.shared.broker.clients.len()
    }
}

fn no_entropy(error: std::io::Error) -> String {
    format!("no entropy from the operating system: {error}")
}

/// What is drawn at random for this start, and what is known of the process.
fn identity(config: &Config, config_file: &str) -> Result<Identity, String> {
    let run_id = entropy::<3>().map_err(no_entropy)?.map(|number| format!("{number:016x}")).concat();
    let [node, life] = entropy().map_err(no_entropy)?;
    Ok(Identity {
        node: NodeId(config.cluster.node_id.unwrap_or(node)),
        life,
        run_id: run_id[..40].to_owned(),
        process_id: std::process::id(),
        executable: std::env::current_exe().map_or_else(|_| String::new(), |path| path.display().to_string()),
        config_file: config_file.to_owned(),
        monotonic,
        resident_bytes,
        processor_time,
        allocator_report,
        allocator: allocator_name(),
        system: system_name(),
        system_bytes: system_bytes(),
        command_rows: table::rows().len(),
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.broker.peers.give_up();
    }
}
