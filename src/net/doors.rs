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
        let moves = |tls| if tls { old.tls.port != new.tls.port } else { old.port != new.port };
        let moves = [moves(false), moves(true)];
        let (elsewhere, mut wanted): (Vec<_>, Vec<_>) =
            tcp_addresses(new)?.into_iter().partition(|want| moves[usize::from(want.tls)]);
        // At another port nothing of ours stands in the way.
        let moved = listen_tcp(&elsewhere, new)?;
        // The socket for all addresses stands in the way of one for a single address with the same port: it must go first.
        let closed = self.close_tcp(|listener| {
            !moves[usize::from(listener.tls)] && !wanted.iter().any(|want| want.is(listener))
        });
        wanted.retain(|want| !self.state.lock().open.iter().any(|door| want.is(&door.listener)));
        match listen_tcp(&wanted, new) {
            Ok(listeners) => {
                self.close_tcp(|listener| moves[usize::from(listener.tls)]);
                self.open(shared, listeners);
                self.open(shared, moved);
                tell_ports(moves, new);
                Ok(())
            }
            Err(unavailable) => {
                let again: Vec<Wanted> =
                    closed.iter().filter_map(|listener| Wanted::again(listener)).collect();
                match listen_tcp(&again, &mut old.clone()) {
                    Ok(listeners) => self.open(shared, listeners),
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

/// Tells of ports that are others than before.
fn tell_ports([plain, tls]: [bool; 2], config: &Config) {
    for (moves, port, kind) in
        [(plain, config.port, "connections"), (tls, config.tls.port, "TLS connections")]
    {
        if moves {
            tracing::info!("Accepting {kind} at another port={}", port.unwrap_or(0));
        }
    }
}
