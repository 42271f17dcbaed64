//! Loads about who is present. Only our server knows any, so that its figures are compared with what is to be reached.
//!
//! Owns what is done and what is measured of it. What is said on the wire is in [`requests`], who looks on in [`watchers`], and
//! what they know by what they were told in [`picture`].

mod picture;
mod requests;
mod watchers;

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::connect::connect;
use crate::histogram::Histogram;
use crate::ping::Pinger;
use crate::sample::{Metric, Sample};
use crate::servers::{Product, Running, Server, own_count};
use crate::wire::{Resp, Wire};
pub(crate) use requests::Holder;
use requests::{Answer, Flood, META_BYTES, TOPIC_MEMBERS, key, track};
use watchers::Watchers;

/// Whoever has not been told after that long will not be.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how long the members of a session stay that is lost.
const GRACE: Duration = Duration::from_millis(200);

/// What is done to the server.
#[derive(Clone, Copy)]
pub(crate) enum Presence {
    /// New members, in topics that nobody watches.
    Track { members: u64 },
    /// Who is present is asked again and again; the ratio is to an answer of as many bytes that are only sent back.
    List { members: u64 },
    /// How many are present is asked; the ratio is that of many to few.
    Count { few: u64, many: u64 },
    /// Members come, change and go while others watch.
    Watch { members: u64, watchers: usize, changes_per_second: u64 },
    /// Watchers that come all at once. Another client pings.
    Crowd { members: u64, watchers: usize },
    /// A session of so many is lost. Others ping (p99.9) and publish (p99).
    Lost { members: u64 },
}

/// Does it, and says what came of it.
pub(crate) fn measure(load: Presence, product: &Product, time: Duration) -> io::Result<Sample> {
    let grace = format!("--presence-grace {}ms", GRACE.as_millis());
    let server = product.start_with(&grace)?;
    match load {
        Presence::Track { members } => tracking(&server, members, time),
        Presence::List { members } => listing(&server, members, time),
        Presence::Count { few, many } => counting(&server, few, many, time),
        Presence::Watch { members, watchers, changes_per_second } => {
            watching(&server, members, watchers, changes_per_second, time)
        }
        Presence::Crowd { members, watchers } => crowding(&server, members, watchers, time),
        Presence::Lost { members } => losing(&server, members, time),
    }
}

fn tracking(server: &Running, members: u64, time: Duration) -> io::Result<Sample> {
    let next = AtomicU64::new(0);
    let request = || {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        (nth < members).then(|| track(&format!("room:{}", nth / TOPIC_MEMBERS), &key(nth), nth))
    };
    let flood = Flood { connections: 4, pipeline: 64, answer: Answer::Ref };
    let mut sample = flooded(server, &flood, time, &request)?;
    sample.set(Metric::Resident, server.resident()?.map(|bytes| bytes as f64));
    Ok(sample)
}

fn listing(server: &Running, members: u64, time: Duration) -> io::Result<Sample> {
    let mut holder = Holder::connect(server.address())?;
    holder.track_all("room", 0..members)?;
    let list = Resp::array(&["PRESENCE.LIST", "room"]);
    let answer = holder.ask(&list)?;
    let texts = answer.windows(9).filter(|window| window == b"\"phx_ref\"").count();
    if texts != members as usize {
        return Err(io::Error::other(format!("{texts} of {members} members in the list")));
    }
    let text = "x".repeat(answer.len());
    let echo = Resp::array(&["ECHO", &text]);
    let echoed = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
    compared(server, time, (&list, answer), (&echo, echoed), 1)
}

fn counting(server: &Running, few: u64, many: u64, time: Duration) -> io::Result<Sample> {
    let mut holder = Holder::connect(server.address())?;
    holder.track_all("few", 0..few)?;
    holder.track_all("many", 0..many)?;
    let count = |topic| Resp::array(&["PRESENCE.COUNT", topic]);
    let answer = |members| format!("*1\r\n*2\r\n:{members}\r\n:{members}\r\n").into_bytes();
    compared(server, time, (&count("many"), answer(many)), (&count("few"), answer(few)), 64)
}

/// Floods the server with one request and then with another one. The ratio is that of the time on the processor.
fn compared(
    server: &Running,
    time: Duration,
    (request, answer): (&[u8], Vec<u8>),
    (other_request, other_answer): (&[u8], Vec<u8>),
    pipeline: usize,
) -> io::Result<Sample> {
    let flood = |answer| Flood { connections: 4, pipeline, answer: Answer::Exactly(answer) };
    let other = flooded(server, &flood(other_answer), time / 2, &|| Some(other_request.to_vec()))?;
    let mut sample = flooded(server, &flood(answer), time / 2, &|| Some(request.to_vec()))?;
    let ratio = sample.get(Metric::Cpu).zip(other.get(Metric::Cpu)).map(|(this, other)| this / other);
    sample.set(Metric::Ratio, ratio);
    Ok(sample)
}

fn flooded(
    server: &Running,
    flood: &Flood,
    time: Duration,
    request: &(dyn Fn() -> Option<Vec<u8>> + Sync),
) -> io::Result<Sample> {
    let cpu = server.cpu_time()?;
    let (answered, elapsed) = flood.run(server.address(), time, request)?;
    let cpu = server.cpu_time()?.saturating_sub(cpu);
    let mut sample = Sample::default();
    sample.set(Metric::Rate, Some(answered as f64 / elapsed.as_secs_f64()));
    sample.set(Metric::Cpu, Some(cpu.as_nanos() as f64 / answered as f64));
    Ok(sample)
}

fn watching(
    server: &Running,
    members: u64,
    watchers: usize,
    changes_per_second: u64,
    time: Duration,
) -> io::Result<Sample> {
    let mut holder = Holder::connect(server.address())?;
    holder.track_all("room", 0..members)?;
    let mut watchers = Watchers::connect(server.address(), "room", watchers)?;
    watchers.subscribe()?;
    watchers.wait(PATIENCE, |watchers| watchers.know(members as usize))?;
    watchers.skip();

    let (start, cpu) = (Instant::now(), server.cpu_time()?);
    let changes = changes_per_second * time.as_secs().max(1);
    for nth in 0..changes {
        let due = start + Duration::from_nanos(1_000_000_000 / changes_per_second * nth);
        while let Some(rest) = due.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            watchers.poll_once(rest)?;
        }
        watchers.expect(nth, due);
        holder.change("room", members, nth)?;
    }
    let expected = holder.present();
    watchers.wait(PATIENCE, |watchers| watchers.shows(&expected))?;
    let elapsed = start.elapsed();
    let delivered = (watchers.frames() * watchers.len()) as f64;
    let mut sample = Sample::default();
    sample.set(Metric::Rate, Some(delivered / elapsed.as_secs_f64()));
    sample.set(Metric::Cpu, Some((server.cpu_time()? - cpu).as_nanos() as f64 / delivered));
    sample.set_latency(&watchers.latency);
    sample.set(Metric::Resident, server.resident()?.map(|bytes| bytes as f64));
    Ok(sample)
}

fn crowding(server: &Running, members: u64, watchers: usize, time: Duration) -> io::Result<Sample> {
    let mut holder = Holder::connect(server.address())?;
    holder.track_all("room", 0..members)?;
    let mut watchers = Watchers::connect(server.address(), "room", watchers)?;
    let pinger = Pinger::start(connect(server.address(), &Resp)?, Resp.ping(), Resp.heartbeat());
    let (start, cpu) = (Instant::now(), server.cpu_time()?);
    watchers.subscribe()?;
    watchers.wait(PATIENCE, |watchers| watchers.know(members as usize))?;
    let elapsed = start.elapsed();
    thread::sleep(time.saturating_sub(elapsed));
    let states = own_count(TcpStream::connect(server.address())?, "presence_states_sent")?;
    let mut sample = Sample::default();
    sample.set(Metric::Rate, Some(watchers.len() as f64 / elapsed.as_secs_f64()));
    sample.set(Metric::Cpu, Some((server.cpu_time()? - cpu).as_nanos() as f64 / watchers.len() as f64));
    sample.set(Metric::P999, pinger.stop()?.quantile(0.999));
    sample.set(Metric::Resident, server.resident()?.map(|bytes| bytes as f64));
    sample.set(Metric::Messages, Some(states as f64));
    Ok(sample)
}

fn losing(server: &Running, members: u64, time: Duration) -> io::Result<Sample> {
    let address = server.address();
    let mut session = Watchers::connect_to(address, "__presence_session__:s", 1)?;
    session.subscribe()?;
    session.wait(PATIENCE, |session| session.frames() > 0)?;
    let mut holder = Holder::connect(address)?;
    holder.track_all_in_session("room", 0..members)?;
    let mut watchers = Watchers::connect(address, "room", 1)?;
    watchers.subscribe()?;
    watchers.wait(PATIENCE, |watchers| watchers.know(members as usize))?;
    let before = watchers.frames();

    let pinger = Pinger::start(connect(address, &Resp)?, Resp.ping(), Resp.heartbeat());
    let publisher =
        Pinger::start(connect(address, &Resp)?, Resp.publish("news", "text", 0), Resp.heartbeat());
    let (start, cpu) = (Instant::now(), server.cpu_time()?);
    drop(session);
    watchers.wait(PATIENCE, |watchers| watchers.know(0))?;
    let elapsed = start.elapsed();
    thread::sleep(time.saturating_sub(elapsed));
    let mut sample = Sample::default();
    let quantile = |latency: Histogram, part| latency.quantile(part);
    sample.set(Metric::Rate, Some(members as f64 / elapsed.saturating_sub(GRACE).as_secs_f64()));
    sample.set(Metric::Cpu, Some((server.cpu_time()? - cpu).as_nanos() as f64 / members as f64));
    sample.set(Metric::P99, quantile(publisher.stop()?, 0.99));
    sample.set(Metric::P999, quantile(pinger.stop()?, 0.999));
    sample.set(Metric::Messages, Some((watchers.frames() - before) as f64));
    Ok(sample)
}

/// Bytes of the strings that each member has for itself.
pub(crate) fn bytes_of_strings() -> usize {
    key(0).len() + META_BYTES
}
