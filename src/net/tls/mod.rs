//! TLS: the certificate that new connections get, and the handshakes under way.
//!
//! Owns the bounds on handshakes: how many at once, how long each. Must not know files (`setup`), how bytes are encrypted
//! (`stream`), nor who may connect. What is served here is a plain connection in all but its stream.

mod setup;
mod stream;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub(super) use setup::{Settings, settings};
pub(super) use stream::TlsStream;

use super::Shared;
use crate::broker::stats::Counter;

/// While there are as many handshakes as there may be, each has at least this long: several round trips to anywhere.
/// Then it may have to give way to the next one, so that strangers who say nothing stop nobody for longer.
const GRACE: Duration = Duration::from_secs(1);

/// What TLS connections share.
#[derive(Default)]
pub(super) struct Tls {
    settings: Mutex<Option<Settings>>,
    handshakes: Mutex<Handshakes>,
    /// A handshake has ended.
    ended: Notify,
}

#[derive(Default)]
struct Handshakes {
    /// By number, so that the first is the oldest.
    under_way: BTreeMap<u64, Handshake>,
    last: u64,
    /// The server stops: none may end in a client any more.
    closed: bool,
}

struct Handshake {
    /// On the server's clock.
    since: Duration,
    task: AbortHandle,
    /// For the log.
    peer: String,
}

impl Tls {
    /// From here on new connections get these; returns those of before.
    pub(super) fn replace(&self, settings: Option<Settings>) -> Option<Settings> {
        std::mem::replace(&mut *self.settings.lock(), settings)
    }

    /// Handshakes under way.
    pub(super) fn handshakes(&self) -> usize {
        self.handshakes.lock().under_way.len()
    }

    /// Gives up all handshakes; whoever was let in before this returns is among the clients.
    pub(super) fn close(&self) {
        let mut handshakes = self.handshakes.lock();
        handshakes.closed = true;
        handshakes.under_way.values().for_each(|handshake| handshake.task.abort());
        handshakes.under_way.clear();
    }

    /// Waits until there may be another handshake.
    pub(super) async fn room(&self, shared: &Shared) {
        while let Some(wait) = self.make_room(shared) {
            // Either way it is looked at again.
            let _ = timeout(wait, self.ended.notified()).await;
        }
    }

    /// Gives up the oldest handshake if there are too many; if it has not had its time yet, how much of that is left.
    fn make_room(&self, shared: &Shared) -> Option<Duration> {
        let most = shared.broker.config().tls.max_handshakes;
        let mut handshakes = self.handshakes.lock();
        if handshakes.under_way.len() < most {
            return None;
        }
        let oldest = handshakes.under_way.first_entry()?;
        let age = shared.clock.now().monotonic.saturating_sub(oldest.get().since);
        if age < GRACE {
            return Some(GRACE - age);
        }
        let oldest = oldest.remove();
        oldest.task.abort();
        failed(shared, &oldest.peer, "given up for the next one, as there are max-tls-handshakes");
        None
    }

    /// Begins the handshake of a connection, and hands it to `then` when that is done.
    pub(super) fn accept(
        shared: &Arc<Shared>,
        socket: TcpStream,
        peer: String,
        then: impl FnOnce(TlsStream) + Send + 'static,
    ) {
        let Some(settings) = shared.tls.settings.lock().clone() else { return };
        let limit = shared.broker.config().tls.handshake_timeout;
        let mut handshakes = shared.tls.handshakes.lock();
        handshakes.last += 1;
        let number = handshakes.last;
        let handshake = TlsAcceptor::from(settings).accept(socket);
        let (other, name) = (shared.clone(), peer.clone());
        let task = tokio::spawn(async move {
            let result = within(limit, handshake).await;
            // Under the lock, so that the connection is always counted: here or among the clients.
            let mut handshakes = other.tls.handshakes.lock();
            if handshakes.under_way.remove(&number).is_some() {
                match result {
                    Ok(stream) => then(TlsStream::new(stream)),
                    Err(reason) => failed(&other, &name, &reason),
                }
            }
            drop(handshakes);
            other.tls.ended.notify_one();
        });
        if handshakes.closed {
            task.abort();
            return;
        }
        let since = shared.clock.now().monotonic;
        handshakes.under_way.insert(number, Handshake { since, task: task.abort_handle(), peer });
    }
}

/// The result in time, or why there is none.
async fn within<T>(limit: Duration, work: impl Future<Output = std::io::Result<T>>) -> Result<T, String> {
    let result = if limit.is_zero() { Ok(work.await) } else { timeout(limit, work).await };
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("not done within tls-handshake-timeout {}", limit.as_millis())),
    }
}

/// Strangers decide how often this happens: it is counted, and told only to who wants to know of each connection.
fn failed(shared: &Shared, peer: &str, reason: &str) {
    shared.broker.stats.add(0, Counter::TlsHandshakeErrors, 1);
    tracing::debug!("Error accepting a client connection: {reason} (addr={peer})");
}
