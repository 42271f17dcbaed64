//! Where other instances find this one: the sockets of the cluster, and the address that is told.
//!
//! Owns what follows from the options where they do not say it. Must not know what the sockets are for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::Config;

/// Times that a free port is looked for: one that is free for TCP may be taken for UDP.
const ATTEMPTS: usize = 16;
/// Links that may wait to be accepted: more than there are instances.
const BACKLOG: i32 = 1024;
/// An address that is nobody's (RFC 5737): the way there is the way out of this machine. Nothing is sent.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// The sockets of the cluster.
pub(in crate::net) struct Places {
    /// For links.
    pub(super) links: TcpListener,
    /// For gossip, at the same port.
    pub(super) gossip: UdpSocket,
    /// What others are told.
    pub(super) address: SocketAddr,
    /// The options name no other instance.
    pub(super) alone: bool,
}

impl Places {
    /// Binds what the configuration says, if there is to be a cluster.
    ///
    /// # Errors
    /// A text that names the option, its value and what is wrong.
    pub(in crate::net) fn bind(config: &Config) -> Result<Option<Places>, String> {
        let cluster = &config.cluster;
        if !cluster.is_enabled() {
            return Ok(None);
        }
        let port = cluster.port(config.port.or(config.tls.port))?;
        let peers = find_peers(config)?;
        let announced: Option<IpAddr> = cluster.announce_ip.parse().ok();
        let ip = local_ip(config, announced, &peers);
        let (links, gossip) =
            bind(ip, port).map_err(|error| format!("cluster-port {port}, at address {ip}: {error}"))?;
        let bound = links.local_addr().map_err(|error| format!("cluster-port {port}: {error}"))?.port();
        let reached = announced.unwrap_or_else(|| if ip.is_unspecified() { way_to(&peers) } else { ip });
        let address = SocketAddr::new(reached, cluster.announce_bus_port.unwrap_or(bound));
        let alone = peers.iter().all(|peer| *peer == address) && peers.len() >= cluster.peers.len();
        Ok(Some(Places { links, gossip, address, alone }))
    }
}

/// The addresses of the instances that the options name, of those that are found.
fn find_peers(config: &Config) -> Result<Vec<SocketAddr>, String> {
    let mut found = Vec::new();
    for name in &config.cluster.peers {
        // A name that is not known yet is looked for again and again.
        let addresses: Vec<SocketAddr> =
            name.to_socket_addrs().map_or_else(|_| Vec::new(), Iterator::collect);
        let is_elsewhere = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        if config.cluster.secret.is_empty()
            && let Some(address) = addresses.iter().find(is_elsewhere)
        {
            return Err(format!(
                "cluster-peer {name}: without a cluster-secret only instances on this machine (127.0.0.1, ::1) are \
                 talked to, and {} is not. Give all instances the same cluster-secret",
                address.ip()
            ));
        }
        found.extend(addresses);
    }
    Ok(found)
}

/// At which address this instance listens for others.
fn local_ip(config: &Config, announced: Option<IpAddr>, peers: &[SocketAddr]) -> IpAddr {
    if config.cluster.secret.is_empty() {
        return Ipv4Addr::LOCALHOST.into();
    }
    if let [name] = config.bind.as_slice()
        && let Ok(ip) = name.trim_start_matches('-').parse::<IpAddr>()
        && !ip.is_unspecified()
    {
        return ip;
    }
    let example = announced.or_else(|| peers.first().map(SocketAddr::ip));
    // A socket of IPv6 serves IPv4 too.
    if example.is_some_and(|ip| ip.is_ipv6()) {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    }
}

/// The own address on the way to the first of these, or out of this machine.
fn way_to(peers: &[SocketAddr]) -> IpAddr {
    let own = |to: &SocketAddr| {
        let any =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv6Addr::UNSPECIFIED) };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
    };
    peers.iter().chain([&ELSEWHERE]).find_map(own).unwrap_or_else(|| Ipv4Addr::LOCALHOST.into())
}

fn bind(ip: IpAddr, port: u16) -> io::Result<(TcpListener, UdpSocket)> {
    let mut attempts = if port == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let links = socket(SocketAddr::new(ip, port), Type::STREAM, Protocol::TCP)?;
        links.set_nonblocking(true)?;
        links.listen(BACKLOG)?;
        let links = TcpListener::from_std(links.into())?;
        match socket(SocketAddr::new(ip, links.local_addr()?.port()), Type::DGRAM, Protocol::UDP) {
            Ok(gossip) => return Ok((links, gossip.into())),
            Err(error) if attempts == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // After a restart connections of before may not have ended; of gossip there are none.
    socket.set_reuse_address(kind == Type::STREAM)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
