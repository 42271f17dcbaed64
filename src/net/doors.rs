//! Where clients come in, which may change while the server runs.
//!
//! Owns the listening sockets and the tasks that accept there. Must not know who may come in.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::transport::{Listener, Unavailable, Wanted, listen_tcp, tcp_addresses};
use super::{Shared, listen};
use crate::config::Config;

/// The listening sockets.
#[derive(Default)]
pub(super) struct Doors {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Door>,
    /// The server stops: none is opened any more.
    closed: bool,
}

struct Door {
    listener: Arc<Listener>,
    task: JoinHandle<()>,
}

impl Door {
    fn close(&self) {
        self.listener.close();
        self.task.abort();
    }
}

impl Doors {
    /// Accepts connections on these.
    pub(super) fn open(&self, shared: &Arc<Shared>, listeners: Vec<Listener>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        for listener in listeners.into_iter().map(Arc::new) {
            let task = tokio::spawn(listen::run(shared.clone(), listener.clone()));
            state.open.push(Door { listener, task });
        }
    }

    /// Accepts nobody any more: who was let in before this returns is among the clients.
    pub(super) async fn close(&self) {
        let doors = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.open)
        };
        doors.iter().for_each(Door::close);
        for door in doors {
            // An error is the end that was asked for.
            let _ = door.task.await;
        }
    }

    /// Listens where `new` says and no more where only `old` says. Writes down the port that `port auto` found. May wait
    /// for the resolver.
    ///
    /// # Errors
    /// An address cannot be had: all is as it was.
    pub(super) fn follow(
        &self,
        shared: &Arc<Shared>,
        old: &Config,
        new: &mut Config,
    ) -> Result<(), Unavailable> {
        if self.state.lock().closed {
            return Ok(());
        }
        let mut wanted = tcp_addresses(new)?;
        if old.port != new.port {
            let (listeners, port) = listen_tcp(&wanted, new)?;
            new.port = port;
            self.close_tcp(|_| true);
            self.open(shared, listeners);
            tracing::info!("Accepting connections at another port={}", port.unwrap_or(0));
            return Ok(());
        }
        // The socket for all addresses stands in the way of one for a single address with the same port: it must go first.
        let closed =
            self.close_tcp(|listener| wanted.iter().all(|want| listener.address != Some(want.address)));
        wanted.retain(|want| {
            !self.state.lock().open.iter().any(|door| door.listener.address == Some(want.address))
        });
        match listen_tcp(&wanted, new) {
            Ok((listeners, _)) => {
                self.open(shared, listeners);
                Ok(())
            }
            Err(unavailable) => {
                let again: Vec<Wanted> =
                    closed.iter().filter_map(|listener| listener.address).map(Wanted::again).collect();
                match listen_tcp(&again, old) {
                    Ok((listeners, _)) => self.open(shared, listeners),
                    Err(lost) => {
                        tracing::error!("An address where the server listened is lost: {}", lost.reason)
                    }
                }
                Err(unavailable)
            }
        }
    }

    /// Closes TCP sockets, and returns them.
    fn close_tcp(&self, goes: impl Fn(&Listener) -> bool) -> Vec<Arc<Listener>> {
        let mut state = self.state.lock();
        let going = state.open.extract_if(.., |door| door.listener.address.is_some() && goes(&door.listener));
        let going: Vec<Door> = going.collect();
        going.iter().for_each(Door::close);
        going.into_iter().map(|door| door.listener).collect()
    }
}
