//! A fan-out to more connections than a process may have descriptors: this server runs inside this process, and its
//! clients are streams that are no sockets.
//!
//! They check and count what is written to them then and there, so that no reader takes part of the machine. Publisher
//! and pinging client come over TCP, as everybody else. Must not know how the server works.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use hereabouts::config;
use hereabouts::net::Server;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use crate::connect::connect;
use crate::ping::Pinger;
use crate::sample::{Metric, Sample};
use crate::servers::{free_port, own_count};
use crate::tape::{Received, Tape};
use crate::traffic::Traffic;
use crate::wire::{Resp, Wire};

const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes to that many connections again and again; the latency is that of another client's PING.
pub(crate) fn measure(traffic: &Traffic, time: Duration) -> io::Result<Sample> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let (server, address) = start(&runtime)?;
    let arrivals = Arc::new(Arrivals {
        subscribe: traffic.subscribe(&Resp, 0).request,
        confirmation: Tape::new([traffic.subscribe(&Resp, 0).answer]),
        messages: traffic.messages(&Resp, 0),
        count: AtomicU64::new(0),
        failure: OnceLock::new(),
    });
    // First of all, because the subscribers take more than `maxclients`.
    let (publisher, pinger, observer) =
        (connect(address, &Resp)?, connect(address, &Resp)?, connect(address, &Resp)?);
    let connections = traffic.subscribers as u64;
    {
        let _inside = runtime.enter();
        for _ in 0..connections {
            server.serve(Subscriber::new(arrivals.clone()));
        }
    }
    arrivals.wait_for(connections)?;

    let pinger = Pinger::start(pinger, Resp.ping(), Resp.heartbeat());
    let started = Instant::now();
    let published = publish(traffic, publisher, &arrivals, time)?;
    let elapsed = started.elapsed().as_secs_f64();
    let latency = pinger.stop()?;
    let (counted, arrived) = (own_count(observer, "pubsub_messages_delivered")?, published * connections);
    if counted != arrived {
        return Err(io::Error::other(format!("the server counted {counted} deliveries, {arrived} arrived")));
    }
    let mut sample = Sample::default();
    sample.set(Metric::Rate, Some(arrived as f64 / elapsed));
    sample.set_latency(&latency);
    Ok(sample)
}

/// As the program starts it: its configuration file, its runtime.
fn start(runtime: &Runtime) -> io::Result<(Server, SocketAddr)> {
    let port = free_port()?;
    let arguments = format!("broker conf/hereabouts.conf --port {port}");
    let launch = config::load(arguments.split(' ').map(OsString::from), &config::read_file)
        .map_err(|stop| io::Error::other(format!("{stop:?}")))?;
    let _inside = runtime.enter();
    let server = Server::start(launch.config, "", None).map_err(io::Error::other)?;
    Ok((server, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// The next message goes out when the last one has reached everybody. Returns how many there were.
fn publish(
    traffic: &Traffic,
    mut publisher: TcpStream,
    arrivals: &Arrivals,
    time: Duration,
) -> io::Result<u64> {
    let connections = traffic.subscribers as u64;
    let (requests, answers) = (traffic.requests(&Resp, 0), traffic.answers(&Resp, 0));
    let mut answer = vec![0; answers.frame_len() as usize];
    let (start, mut published) = (Instant::now(), 0);
    while start.elapsed() < time {
        publisher.write_all(requests.frame(published))?;
        publisher.read_exact(&mut answer)?;
        if answer != answers.frame(published) {
            let answer = answer.escape_ascii();
            return Err(io::Error::other(format!("mangled: \"{answer}\" is not the answer to a publish")));
        }
        published += 1;
        arrivals.wait_for(connections * (published + 1))?;
    }
    Ok(published)
}

/// What all subscribers send and expect, and what has come.
struct Arrivals {
    subscribe: Vec<u8>,
    confirmation: Tape,
    messages: Tape,
    /// Frames that arrived in full: a confirmation for each subscriber, then messages.
    count: AtomicU64,
    failure: OnceLock<String>,
}

impl Arrivals {
    fn wait_for(&self, count: u64) -> io::Result<()> {
        let start = Instant::now();
        while self.count.load(Ordering::Acquire) < count {
            if let Some(failure) = self.failure.get() {
                return Err(io::Error::other(failure.clone()));
            }
            if start.elapsed() > PATIENCE {
                let arrived = self.count.load(Ordering::Acquire);
                return Err(io::Error::other(format!("lost: {arrived} of {count} frames arrived")));
            }
            thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}

/// The client's end of a connection.
struct Subscriber {
    arrivals: Arc<Arrivals>,
    sent: usize,
    confirmed: bool,
    received: Received,
}

impl Subscriber {
    fn new(arrivals: Arc<Arrivals>) -> Subscriber {
        Subscriber { arrivals, sent: 0, confirmed: false, received: Received::default() }
    }

    fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        let tape = if self.confirmed { &self.arrivals.messages } else { &self.arrivals.confirmation };
        let before = self.received.frames(tape);
        self.received.advance(tape, b"", bytes)?;
        let arrived = self.received.frames(tape) - before;
        if !self.confirmed && arrived > 0 {
            // Nobody publishes before all are confirmed: the messages' tape starts with the next write.
            self.confirmed = true;
            self.received = Received::default();
        }
        self.arrivals.count.fetch_add(arrived, Ordering::Release);
        Ok(())
    }
}

impl AsyncRead for Subscriber {
    /// The request, and then nothing more for ever.
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.arrivals.subscribe[self.sent..];
        if rest.is_empty() {
            return Poll::Pending;
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.sent += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Subscriber {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.receive(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.arrivals.failure.get_or_init(|| error.to_string());
                Err(error)
            }
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
