//! A client that does nothing but ping by the clock, or ask something else, on a thread of its own so that the generator's work does not
//! delay it. Must not know what else the server is doing.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::histogram::Histogram;
use crate::wire::Exchange;

const INTERVAL: Duration = Duration::from_millis(1);

pub(crate) struct Pinger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Histogram>>,
}

impl Pinger {
    pub(crate) fn start(stream: TcpStream, ping: Exchange, heartbeat: &'static [u8]) -> Pinger {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || run(stream, &ping, heartbeat, &stopped));
        Pinger { stop, thread }
    }

    /// The times between when each ping was due and its answer.
    pub(crate) fn stop(self) -> io::Result<Histogram> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the pinging thread panicked")))
    }
}

fn run(mut stream: TcpStream, ping: &Exchange, heartbeat: &[u8], stop: &AtomicBool) -> io::Result<Histogram> {
    let mut latency = Histogram::new();
    let mut answer = vec![0; ping.answer.len()];
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&ping.request)?;
        stream.read_exact(&mut answer)?;
        if answer == heartbeat {
            stream.read_exact(&mut answer)?;
        }
        if answer != ping.answer {
            return Err(io::Error::other("mangled: not the answer to a ping"));
        }
        // The pings that were due meanwhile would have waited as well.
        let now = Instant::now();
        while due <= now {
            latency.record((now - due).as_nanos() as u64);
            due += INTERVAL;
        }
    }
    Ok(latency)
}
