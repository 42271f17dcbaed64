//! The servers that are compared: finds them, starts each on a free port, stops it when dropped.
//!
//! Must not know of loads. What the loads may ask a running server is [`Server`]; the blaster answers it too.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::process;
use crate::wire::{Nats, Resp, Wire};

/// Something that listens.
pub(crate) trait Server {
    fn address(&self) -> SocketAddr;
    fn wire(&self) -> &'static dyn Wire;
    fn cpu_time(&self) -> io::Result<Duration>;
    /// Resident bytes, where the server has a process of its own.
    fn resident(&self) -> io::Result<Option<u64>>;
    /// The server's own count of messages delivered, if it keeps one.
    fn delivered(&self) -> io::Result<Option<u64>>;
}

/// A server that can be started.
pub(crate) struct Product {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    program: &'static str,
    /// Separated by single spaces: two in a row make an empty one.
    arguments: fn(u16) -> String,
    pub(crate) wire: &'static dyn Wire,
}

/// The name of ours, to which the others are compared.
pub(crate) const OURS: &str = "hereabouts";

const REDIS_ARGUMENTS: fn(u16) -> String =
    |port| format!("--bind 127.0.0.1 --port {port} --maxclients 19900 --save  --appendonly no");

/// Ours, and whatever else is installed.
pub(crate) fn installed() -> Vec<Product> {
    let product = |name, program, arguments, wire| Product {
        name,
        version: version(program).unwrap_or_default(),
        program,
        arguments,
        wire,
    };
    let all = [
        product(
            OURS,
            env!("CARGO_BIN_EXE_hereabouts"),
            |port| format!("conf/hereabouts.conf --port {port} --maxclients 19900"),
            &Resp as &dyn Wire,
        ),
        product("redis", "redis-server", REDIS_ARGUMENTS, &Resp),
        product("valkey", "valkey-server", REDIS_ARGUMENTS, &Resp),
        product("nats", "nats-server", |port| format!("--addr 127.0.0.1 --port {port}"), &Nats),
    ];
    all.into_iter().filter(|product| product.name == OURS || !product.version.is_empty()).collect()
}

/// The first word of the program's own answer that looks like a version.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.into_iter().find(|word| word.split('.').count() >= 3).map(str::to_owned)
}

impl Product {
    pub(crate) fn start(&self) -> io::Result<Running> {
        self.start_with("")
    }

    /// With more arguments, separated by single spaces.
    pub(crate) fn start_with(&self, arguments: &str) -> io::Result<Running> {
        let port = free_port()?;
        let child = Command::new(self.program)
            .args((self.arguments)(port).split(' '))
            .args(arguments.split(' ').filter(|argument| !argument.is_empty()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut running = Running { child, address, wire: self.wire, counts: self.name == OURS };
        running.wait_until_it_listens()?;
        Ok(running)
    }
}

/// Below the ports that the system hands out to clients, of which the loads need tens of thousands.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() as u16 % 8000;
    for _ in 0..8000 {
        let port = 20_000 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 8000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port"))
}

/// A server's process.
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    wire: &'static dyn Wire,
    counts: bool,
}

impl Running {
    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server did not start: {status}")));
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("the server does not listen"))
    }
}

impl Server for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn wire(&self) -> &'static dyn Wire {
        self.wire
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        process::cpu_time(self.child.id())
    }

    fn resident(&self) -> io::Result<Option<u64>> {
        process::resident(self.child.id()).map(Some)
    }

    fn delivered(&self) -> io::Result<Option<u64>> {
        if !self.counts {
            return Ok(None);
        }
        own_count(TcpStream::connect(self.address)?, "pubsub_messages_delivered").map(Some)
    }
}

/// What our server has counted, by the name that it has in INFO.
pub(crate) fn own_count(mut stream: TcpStream, name: &str) -> io::Result<u64> {
    stream.write_all(b"*2\r\n$4\r\nINFO\r\n$10\r\neverything\r\n*1\r\n$4\r\nQUIT\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let field = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let count = field.and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| io::Error::other(format!("INFO has no {name}")))
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever talked to it has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
