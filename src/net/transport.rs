//! Clocks, entropy and listening sockets: what a simulation replaces.
//!
//! Owns how addresses are bound and which socket options are set. Must not know what is served there.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Config;
use crate::time::Now;

/// Both clocks.
pub(super) struct Clock {
    start: Instant,
}

/// When this process asked for the time first.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The monotonic time alone: since the process started.
pub(super) fn monotonic() -> Duration {
    START.elapsed()
}

impl Clock {
    /// A clock whose monotonic time is that of [`monotonic`].
    pub(super) fn start() -> Self {
        Clock { start: *START }
    }

    /// How long ago that was.
    pub(super) fn since(&self, then: Now) -> Duration {
        self.start.elapsed().saturating_sub(then.monotonic)
    }

    /// What time it is.
    pub(super) fn now(&self) -> Now {
        Now {
            monotonic: self.start.elapsed(),
            unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}

/// Random numbers from the operating system.
///
/// # Errors
/// The operating system has none to give.
pub(super) fn entropy<const N: usize>() -> io::Result<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = getrandom::u64().map_err(io::Error::other)?;
    }
    Ok(numbers)
}

/// A socket that is listened on, until it is closed.
pub(super) struct Listener {
    socket: Mutex<Option<Bound>>,
    /// Where, if it is a TCP socket.
    pub(super) address: Option<SocketAddr>,
    /// Connections begin with a handshake.
    pub(super) tls: bool,
}

enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<PathBuf>),
}

/// A connection that was accepted.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream, Arc<PathBuf>),
}

impl Listener {
    /// The next connection, or nothing when the socket is closed.
    ///
    /// # Errors
    /// Those of `accept`; the listener goes on to work.
    pub(super) async fn accept(&self) -> Option<io::Result<Accepted>> {
        std::future::poll_fn(|task| {
            let socket = self.socket.lock();
            match &*socket {
                None => Poll::Ready(None),
                Some(Bound::Tcp(listener)) => listener
                    .poll_accept(task)
                    .map(|accepted| Some(accepted.map(|(stream, peer)| Accepted::Tcp(stream, peer)))),
                Some(Bound::Unix(listener, path)) => listener
                    .poll_accept(task)
                    .map(|accepted| Some(accepted.map(|(stream, _)| Accepted::Unix(stream, path.clone())))),
            }
        })
        .await
    }

    /// Gives the address free at once, whoever waits for connections there. He may wait for ever then.
    pub(super) fn close(&self) {
        drop(self.socket.lock().take());
    }
}

/// Why an address of `bind` cannot be listened on.
pub(super) struct Unavailable {
    /// It is for TLS.
    pub(super) tls: bool,
    /// The address and the port are as they should be, but somebody else has them, or we may not.
    pub(super) taken: bool,
    /// Names the option, its value and what is wrong.
    pub(super) reason: String,
}

/// Listens on everything that the configuration names, and writes down there the ports that were left open (`auto`).
///
/// # Errors
/// A text that names the option, its value and what is wrong.
pub(super) fn listen(config: &mut Config) -> Result<Vec<Listener>, String> {
    let wanted = tcp_addresses(config).map_err(|unavailable| unavailable.reason)?;
    // Redis's words, which scripts look for, and the option.
    let mut listeners = listen_tcp(&wanted, config).map_err(|Unavailable { tls, reason, .. }| {
        let (port, kind) = (port(config, tls).unwrap_or(0), if tls { "tls" } else { "tcp" });
        format!("Failed listening on port {port} ({kind}), aborting: {reason}")
    })?;
    for tls in [false, true] {
        if port(config, tls).is_some() && listeners.iter().all(|listener| listener.tls != tls) {
            return Err(format!("bind {}: none of the addresses is available", config.bind.join(" ")));
        }
    }
    if let Some(path) = &config.unixsocket {
        let listener = listen_unix(path, config.unixsocketperm)
            .map_err(|error| format!("unixsocket {}: {error}", path.display()))?;
        let bound = Bound::Unix(listener, Arc::new(path.clone()));
        listeners.push(Listener { socket: Mutex::new(Some(bound)), address: None, tls: false });
    }
    Ok(listeners)
}

/// The port of one kind.
pub(super) fn port(config: &Config, tls: bool) -> Option<u16> {
    if tls { config.tls.port } else { config.port }
}

/// An address that `bind` and a port name.
pub(super) struct Wanted {
    pub(super) address: SocketAddr,
    /// The machine may not have it.
    optional: bool,
    /// The port is that for TLS.
    pub(super) tls: bool,
}

impl Wanted {
    /// Where there was a socket, which must be there again.
    pub(super) fn again(listener: &Listener) -> Option<Self> {
        Some(Wanted { address: listener.address?, optional: false, tls: listener.tls })
    }

    /// Whether it is there.
    pub(super) fn is(&self, listener: &Listener) -> bool {
        listener.address == Some(self.address) && listener.tls == self.tls
    }
}

/// The addresses that `bind`, `port` and `tls-port` name; none without a port. Asks the resolver for names.
///
/// # Errors
/// A name is not known.
pub(super) fn tcp_addresses(config: &Config) -> Result<Vec<Wanted>, Unavailable> {
    let mut wanted = Vec::new();
    for (port, tls) in [(config.port, false), (config.tls.port, true)] {
        let Some(port) = port else { continue };
        for name in &config.bind {
            let (name, optional) = name.strip_prefix('-').map_or((name.as_str(), false), |name| (name, true));
            let found = addresses(name, port).map_err(|error| Unavailable {
                tls,
                taken: false,
                reason: format!("bind {name}: {error}"),
            })?;
            wanted.extend(found.into_iter().map(|address| Wanted { address, optional, tls }));
        }
    }
    Ok(wanted)
}

/// Listens on these addresses, and writes down the ports that were left open (`auto`).
///
/// # Errors
/// One cannot be had; then none is listened on.
pub(super) fn listen_tcp(wanted: &[Wanted], config: &mut Config) -> Result<Vec<Listener>, Unavailable> {
    let mut listeners = Vec::new();
    let mut ports = [config.port, config.tls.port];
    for Wanted { address, optional, tls } in wanted {
        let port = &mut ports[usize::from(*tls)];
        // A port that was free for the first address is the one for all.
        let address = SocketAddr::new(address.ip(), port.unwrap_or(0));
        let bound = bind_tcp(address, config.tcp_backlog)
            .and_then(|listener| Ok((listener.local_addr()?, Bound::Tcp(listener))));
        match bound {
            Ok((local, bound)) => {
                *port = Some(local.port());
                let socket = Mutex::new(Some(bound));
                listeners.push(Listener { socket, address: Some(local), tls: *tls });
            }
            Err(error) if *optional && is_absent(&error) => {}
            Err(error) => {
                let reason = format!("bind {}, port {}: {error}", address.ip(), address.port());
                return Err(Unavailable { tls: *tls, taken: !is_absent(&error), reason });
            }
        }
    }
    [config.port, config.tls.port] = ports;
    Ok(listeners)
}

/// The addresses that a value of `bind` means. `*` is every one of IPv4, `::*` every one of IPv6.
fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match name {
        "*" => Ok(vec![SocketAddr::from(([0, 0, 0, 0], port))]),
        "::*" => Ok(vec![SocketAddr::from(([0u16; 8], port))]),
        name => Ok((name, port).to_socket_addrs()?.collect()),
    }
}

/// Whether the machine does not have such an address, or no IPv6 at all.
fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let absent = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT, Errno::PROTONOSUPPORT];
    absent.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn bind_tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

fn listen_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    // What a server that was killed has left behind; Redis removes it as well.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}

/// Sets what a client's socket needs: no delay, and keepalive so that a peer that is gone is noticed.
pub(super) fn prepare(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if !keepalive.is_zero() {
        // As Redis: three probes in the last third of the period each.
        let interval = (keepalive / 3).max(Duration::from_secs(1));
        let keepalive = TcpKeepalive::new().with_time(keepalive).with_interval(interval).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

/// The socket's descriptor, for CLIENT LIST.
pub(super) fn descriptor(socket: &impl AsRawFd) -> i32 {
    socket.as_raw_fd()
}

/// Descriptors that are needed beside those of clients: listeners, the log, the runtime's own.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Sees to it that so many clients can have a descriptor each, or says how many can. (Redis
/// `adjustOpenFilesLimit`.)
pub(super) fn reserve_descriptors(maxclients: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    let wanted = maxclients as u64 + RESERVED_DESCRIPTORS;
    let (current, maximum) = (limits.current.unwrap_or(u64::MAX), limits.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return maxclients;
    }
    let possible = wanted.min(maximum);
    let raised = Rlimit { current: Some(possible), maximum: limits.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { possible } else { current };
    usize::try_from(granted.saturating_sub(RESERVED_DESCRIPTORS)).unwrap_or(usize::MAX).clamp(1, maxclients)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream as Blocking};

    use super::*;

    fn config(tcp_backlog: u32) -> Config {
        Config { bind: vec!["127.0.0.1".to_owned()], port: Some(0), tcp_backlog, ..Config::default() }
    }

    /// How many of 50 connections in turn the kernel takes, if nobody accepts and each may take this long.
    async fn taken(tcp_backlog: u32, patience: Duration) -> usize {
        let mut config = config(tcp_backlog);
        let _listeners = listen(&mut config).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port.unwrap()));
        let connect = |_: &usize| Blocking::connect_timeout(&address, patience).ok();
        // Kept, as one that is closed leaves its place.
        let connections: Vec<Blocking> = (0..50).map_while(|number| connect(&number)).collect();
        connections.len()
    }

    #[tokio::test]
    async fn so_many_connections_wait_as_the_backlog_says() {
        assert_eq!(taken(511, Duration::from_secs(60)).await, 50);
        let few = taken(2, Duration::from_millis(100)).await;
        assert!((2..50).contains(&few), "{few}");
    }

    #[tokio::test]
    async fn the_kernel_asks_whether_the_other_side_is_alive() {
        let mut config = config(511);
        let listeners = listen(&mut config).unwrap();
        let connect = || Blocking::connect((Ipv4Addr::LOCALHOST, config.port.unwrap())).unwrap();
        for (seconds, interval) in [(90, 30), (300, 100), (1, 1)] {
            let _client = connect();
            let Some(Ok(Accepted::Tcp(stream, _))) = listeners[0].accept().await else { panic!("TCP") };
            prepare(&stream, Duration::from_secs(seconds)).unwrap();
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(seconds));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(interval));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        }
        let _client = connect();
        let Some(Ok(Accepted::Tcp(stream, _))) = listeners[0].accept().await else { panic!("TCP") };
        prepare(&stream, Duration::ZERO).unwrap();
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
