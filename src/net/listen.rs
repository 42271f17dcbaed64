//! Accepts connections, or refuses them.
//!
//! Owns the decision who may connect: `maxclients`, protected mode. Must not know what is said on a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Shared;
use super::client::Connection;
use super::tls::Tls;
use super::transport::{Accepted, Listener, descriptor, prepare};
use crate::broker::clients::{Address, Client};
use crate::broker::stats::Counter;

/// How long to wait after `accept` failed, for want of descriptors for instance: the connection stays in the backlog,
/// and trying again at once would spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Time between two lines in the log about it.
const FAILURE_LINE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a refused client may take to read why.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";
/// Redis's text, which clients show to people.
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable \
protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis \
from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. \
3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an \
authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
server to start accepting connections from the outside.\r\n";

/// Accepts connections until the listener is closed.
pub(super) async fn run(shared: Arc<Shared>, listener: Arc<Listener>) {
    let mut last_line = None;
    while let Some(accepted) = listener.accept().await {
        match accepted {
            Ok(accepted) => {
                if listener.tls {
                    shared.tls.room(&shared).await;
                }
                admit(&shared, accepted, listener.tls);
            }
            Err(error) => {
                shared.broker.stats.add(0, Counter::AcceptErrors, 1);
                let now = shared.clock.now().monotonic;
                if last_line.is_none_or(|last| now - last >= FAILURE_LINE_INTERVAL) {
                    last_line = Some(now);
                    tracing::warn!(
                        "Accepting a client connection failed: {error}. It waits in the backlog; if descriptors have \
                         run out raise the limit (ulimit -n) or lower maxclients"
                    );
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, accepted: Accepted, tls: bool) {
    shared.broker.stats.add(0, Counter::ConnectionsReceived, 1);
    match accepted {
        Accepted::Tcp(stream, peer) => {
            let config = shared.broker.config();
            // A peer that is gone already is noticed when its stream is read.
            let local = stream.local_addr().map_or(Address::Internal, Address::Tcp);
            let _ = prepare(&stream, config.tcp_keepalive);
            let peer = Address::Tcp(peer);
            let descriptor = descriptor(&stream);
            if !tls {
                if is_protected_from(shared, &peer) {
                    refuse(shared, stream, PROTECTED);
                } else if is_full(shared) {
                    refuse(shared, stream, TOO_MANY_CLIENTS);
                } else {
                    serve(shared, stream, peer, local, descriptor);
                }
            } else if is_full(shared) {
                // As in Redis without a word: no handshake is worth it.
                shared.broker.stats.add(0, Counter::ConnectionsRejected, 1);
            } else {
                let then = shared.clone();
                Tls::accept(shared, stream, peer.to_string(), move |stream| {
                    if is_protected_from(&then, &peer) {
                        refuse(&then, stream, PROTECTED);
                    } else {
                        serve(&then, stream, peer, local, descriptor);
                    }
                });
            }
        }
        Accepted::Unix(stream, path) => {
            if is_full(shared) {
                refuse(shared, stream, TOO_MANY_CLIENTS);
            } else {
                let (peer, local) = (Address::Unix(path.clone()), Address::Unix(path));
                let descriptor = descriptor(&stream);
                serve(shared, stream, peer, local, descriptor);
            }
        }
    }
}

/// Protected mode lets in nobody from elsewhere while there is no password.
fn is_protected_from(shared: &Shared, peer: &Address) -> bool {
    let config = shared.broker.config();
    config.protected_mode && config.requirepass.is_empty() && !peer.is_local()
}

/// Who is still in the handshake counts.
fn is_full(shared: &Shared) -> bool {
    shared.broker.clients.len() + shared.tls.handshakes() >= shared.broker.config().maxclients
}

/// Says why, if the client takes it, and closes.
fn refuse(shared: &Shared, mut stream: impl AsyncWrite + Unpin + Send + 'static, text: &'static [u8]) {
    shared.broker.stats.add(0, Counter::ConnectionsRejected, 1);
    tokio::spawn(async move {
        let say = async { stream.write_all(text).await.and(stream.flush().await) };
        let _ = tokio::time::timeout(REFUSAL_TIME, say).await;
    });
}

/// Serves a connection in a task of its own.
pub(super) fn serve<S>(shared: &Arc<Shared>, stream: S, peer: Address, local: Address, descriptor: i32)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let id = shared.broker.clients.next_id();
    tracing::debug!(id, "Accepted {peer}");
    let client = Arc::new(Client::new(id, peer, local, descriptor, shared.clock.now()));
    tokio::spawn(Connection::new(shared.clone(), stream, client));
}
