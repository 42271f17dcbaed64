//! A proxy that misbehaves on command, in front of the port at which an instance takes links (TCP) and gossip (UDP).
//!
//! Owns the sockets between instances. The instance announces the proxy's address as its own, so that all that others send to
//! it passes here. Knows no frame.
//! Start with [`Proxy::new`], then [`Proxy::set_target`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::runtime;

/// Bytes read at once, and chunks that wait between reader and writer: little, so that who writes too much notices.
const CHUNK_BYTES: usize = 16 * 1024;
const CHUNKS: usize = 32;
/// What the kernel takes on behalf of the proxy, in bytes.
const SOCKET_BUFFER_BYTES: usize = 64 * 1024;
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// A trickle comes so often.
const DRIP: Duration = Duration::from_millis(10);

/// How connections are served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Links {
    Forward,
    /// All arrives so much later.
    Delay(Duration),
    /// So many bytes a second arrive in each direction of each connection.
    Trickle(usize),
    /// New connections are reset. Old ones go on.
    Refuse,
    /// New connections are taken, and all that comes over them, and nobody answers. Old ones go on.
    Swallow,
}

/// What becomes of the connections that are open now. New ones are not concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Both ends find them reset.
    Reset,
    /// Neither end is told anything, and nothing is read: who writes finds the buffers full.
    Freeze,
    /// Neither end is told anything, and all is read: who writes notices nothing, and gets no answer.
    Swallow,
}

/// What is done to datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Datagrams {
    Forward,
    Delay(Duration),
    Drop,
    /// Those that come from here, and the answers to them.
    DropFrom(SocketAddr),
}

pub(crate) struct Proxy {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    links: watch::Sender<Links>,
    datagrams: watch::Sender<Datagrams>,
    fates: watch::Sender<Fate>,
    open: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a port of loopback that is free for both. What comes before there is a target is refused.
    pub(crate) fn new() -> Proxy {
        runtime().block_on(async {
            let (listener, socket) = bind().await;
            let address = listener.local_addr().expect("local address");
            let (target, targets) = watch::channel(None);
            let (links, link_modes) = watch::channel(Links::Forward);
            let (datagrams, datagram_modes) = watch::channel(Datagrams::Forward);
            // What it holds at first concerns nobody.
            let (fates, later_fates) = watch::channel(Fate::Reset);
            let open = Arc::new(AtomicUsize::new(0));
            let orders = Orders { links: link_modes, fates: later_fates, open: open.clone() };
            let tasks = vec![
                tokio::spawn(listen(listener, targets.clone(), orders)),
                tokio::spawn(pass_datagrams(socket, targets, datagram_modes)),
            ];
            Proxy { address, target, links, datagrams, fates, open, tasks }
        })
    }

    /// Where the others are to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the instance is; nothing while it is down.
    pub(crate) fn set_target(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    pub(crate) fn target(&self) -> Option<SocketAddr> {
        *self.target.borrow()
    }

    pub(crate) fn set_links(&self, mode: Links) {
        self.links.send_replace(mode);
    }

    pub(crate) fn set_datagrams(&self, mode: Datagrams) {
        self.datagrams.send_replace(mode);
    }

    /// Does this to all connections that are open now.
    pub(crate) fn break_links(&self, fate: Fate) {
        self.fates.send_replace(fate);
    }

    /// Connections that pass through here and work.
    pub(crate) fn open_links(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn bind() -> (TcpListener, UdpSocket) {
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().expect("socket");
        // Before listening: accepted sockets inherit it.
        SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER_BYTES).expect("receive buffer");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bind");
        let listener = socket.listen(128).expect("listen");
        if let Ok(datagrams) = UdpSocket::bind(listener.local_addr().expect("local address")).await {
            return (listener, datagrams);
        }
    }
    panic!("no port is free for TCP and UDP");
}

/// What connections are told.
#[derive(Clone)]
struct Orders {
    links: watch::Receiver<Links>,
    fates: watch::Receiver<Fate>,
    open: Arc<AtomicUsize>,
}

async fn listen(listener: TcpListener, target: watch::Receiver<Option<SocketAddr>>, mut orders: Orders) {
    // Aborted with this task.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (target, mode) = (*target.borrow(), *orders.links.borrow());
        orders.fates.mark_unchanged();
        match target.filter(|_| mode != Links::Refuse) {
            Some(target) => drop(connections.spawn(serve(client, target, orders.clone()))),
            None => reset(&client),
        }
    }
}

/// So that dropping it sends a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn serve(mut client: TcpStream, target: SocketAddr, mut orders: Orders) {
    if *orders.links.borrow() == Links::Swallow {
        return swallow(&mut client).await;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return reset(&client) };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(stream).set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    }
    orders.open.fetch_add(1, Ordering::Relaxed);
    let fate = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let links = &orders.links;
        tokio::select! {
            result = async {
                tokio::try_join!(pump(from_client, to_server, links), pump(from_server, to_client, links))
            } => result.is_err().then_some(Fate::Reset),
            _ = orders.fates.changed() => Some(*orders.fates.borrow()),
        }
    };
    orders.open.fetch_sub(1, Ordering::Relaxed);
    match fate {
        None => {}
        Some(Fate::Reset) => [&client, &server].into_iter().for_each(reset),
        Some(Fate::Freeze) => std::future::pending().await,
        Some(Fate::Swallow) => drop(tokio::join!(swallow(&mut client), swallow(&mut server))),
    }
}

/// Takes all that comes, and never says a word.
async fn swallow(stream: &mut TcpStream) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    std::future::pending().await
}

/// One direction of a connection, until its end.
async fn pump(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    links: &watch::Receiver<Links>,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    tokio::try_join!(read(from, sender), write(to, receiver, links.clone())).map(|_| ())
}

type Chunk = (Instant, Vec<u8>);

async fn read(mut from: impl AsyncRead + Unpin, queue: mpsc::Sender<Chunk>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        // Nobody takes it when the other side has failed, and that side tells.
        if count == 0 || queue.send((Instant::now(), buffer[..count].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Chunk>,
    links: watch::Receiver<Links>,
) -> io::Result<()> {
    while let Some((arrived, bytes)) = queue.recv().await {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let mode = *links.borrow();
            let (now, later) = match mode {
                Links::Trickle(per_second) => {
                    sleep(DRIP).await;
                    let drip = per_second / (1000 / DRIP.as_millis() as usize);
                    rest.split_at(drip.clamp(1, rest.len()))
                }
                Links::Delay(delay) => {
                    sleep_until(arrived + delay).await;
                    (rest, &[][..])
                }
                Links::Forward | Links::Refuse | Links::Swallow => (rest, &[][..]),
            };
            to.write_all(now).await?;
            rest = later;
        }
    }
    to.shutdown().await
}

/// As a router does that translates addresses: each sender gets a socket towards the instance, by which answers come back.
async fn pass_datagrams(
    socket: UdpSocket,
    target: watch::Receiver<Option<SocketAddr>>,
    mode: watch::Receiver<Datagrams>,
) {
    let socket = Arc::new(socket);
    let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    // Aborted with this task.
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // On Linux the next call tells that a datagram before was refused.
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(target) = *target.borrow() else { continue };
        let way = match ways.entry(from) {
            Entry::Occupied(way) => way.into_mut(),
            Entry::Vacant(place) => {
                let way = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket"));
                answers.spawn(pass_answers(way.clone(), socket.clone(), from, mode.clone()));
                place.insert(way)
            }
        };
        let mode = *mode.borrow();
        if mode != Datagrams::DropFrom(from) {
            pass_datagram(way, &buffer[..count], target, mode).await;
        }
    }
}

async fn pass_answers(
    way: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    mode: watch::Receiver<Datagrams>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok((count, _)) = way.recv_from(&mut buffer).await else { continue };
        let mode = *mode.borrow();
        if mode != Datagrams::DropFrom(to) {
            pass_datagram(&socket, &buffer[..count], to, mode).await;
        }
    }
}

async fn pass_datagram(socket: &Arc<UdpSocket>, datagram: &[u8], to: SocketAddr, mode: Datagrams) {
    match mode {
        Datagrams::Forward | Datagrams::DropFrom(_) => drop(socket.send_to(datagram, to).await),
        Datagrams::Delay(delay) => {
            let (socket, datagram) = (socket.clone(), datagram.to_vec());
            tokio::spawn(async move {
                sleep(delay).await;
                drop(socket.send_to(&datagram, to).await);
            });
        }
        Datagrams::Drop => {}
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
