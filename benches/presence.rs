//! What presence costs by itself: time and memory of a member, and how long one call may hold up the others.
//!
//! `cargo bench --bench presence`, with a number behind `--` for other than a million members. Times are those of this thread
//! on the processor, since the machine may be shared. Memory is what the process has more of, without the member's own
//! strings. Owns no figure of the server as a whole: those come from `benches/broker`.
//!
//! The longest calls are those in which the kernel clears a huge page of two megabytes, or the allocator gives back at once what
//! has been free for a second. What our own code takes shows with `MIMALLOC_ALLOW_THP=0 MIMALLOC_PURGE_DELAY=10` set.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::process::{Command, exit};
use std::sync::Arc;
use std::time::Duration;

use hereabouts::crdt::{Incarnation, NodeId, Owner};
use hereabouts::map::HashKeys;
use hereabouts::presence::{KeyChange, Member, Meta, MetaChange, Places, Presence, Settings, Topics};
use hereabouts::time::Now;
use rustix::time::{ClockId, clock_gettime};

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: [u64; 2] = [1, 2];
const MEMBERS_OF_A_TOPIC: usize = 1_000;
const SESSION: &str = "0b3ad3a4-6b0f-4e0e-9d0c-6a0f5c1e2d3b";
const META_BYTES: usize = 40;
/// Calls between two turns, and members that are looked at in one.
const WORK: usize = 256;

fn main() {
    // Cargo passes `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let members = arguments.next().map_or(Ok(1_000_000), |number| number.parse());
    let Ok(members) = members else {
        eprintln!("the number of members is no number");
        exit(2);
    };
    match arguments.next().map(|number| number.parse::<usize>()) {
        Some(Ok(case)) => run(members, CASES[case]),
        Some(Err(_)) => exit(2),
        None => {
            println!("{members} members; times in nanoseconds on the processor");
            println!("{:<64} {:>8} {:>14}", "", "mean", "longest, us");
            // Each in a process of its own, so that none gets the memory that another one has left.
            for case in 0..CASES.len() {
                let this = std::env::current_exe().unwrap();
                let arguments = [members.to_string(), case.to_string()];
                assert!(Command::new(this).args(arguments).status().unwrap().success());
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    has_view: bool,
    sessions: Sessions,
}

#[derive(Clone, Copy)]
enum Sessions {
    One,
    Connections,
}

const CASES: [Case; 4] = [
    Case { name: "one session, the machine alone", has_view: false, sessions: Sessions::One },
    Case { name: "one session, with the view", has_view: true, sessions: Sessions::One },
    Case { name: "a connection each, the machine alone", has_view: false, sessions: Sessions::Connections },
    Case { name: "a connection each, with the view", has_view: true, sessions: Sessions::Connections },
];

/// The machine, and the view if it is to be fed.
struct Subject {
    machine: Presence,
    view: Option<(Topics, Places)>,
    topics: Vec<Arc<str>>,
    sessions: Sessions,
    changes: u64,
}

impl Subject {
    fn new(members: usize, sessions: Sessions, has_view: bool) -> Self {
        let me = Owner { node: NodeId(7), incarnation: Incarnation(1) };
        let keys = HashKeys::new(KEYS);
        let topics = members.div_ceil(MEMBERS_OF_A_TOPIC);
        Subject {
            machine: Presence::new(me, 1, Settings::default(), keys, now(0)),
            view: has_view.then(|| (Topics::new(keys), Places::new(keys))),
            topics: (0..topics).map(|topic| format!("room:{topic}").into()).collect(),
            sessions,
            changes: 0,
        }
    }

    fn member(&self, nth: usize) -> Member {
        let session = match self.sessions {
            Sessions::One => self.machine.named(SESSION),
            Sessions::Connections => self.machine.connection(nth as u64),
        };
        let topic = Arc::clone(&self.topics[nth % self.topics.len()]);
        Member::new(topic, &key(nth), session, "")
    }

    fn drain(&mut self) {
        while let Some(change) = self.machine.poll_change() {
            self.changes += 1;
            let Some((topics, places)) = &mut self.view else { continue };
            let Some(applied) = topics.apply(0, change) else { continue };
            match applied.key {
                KeyChange::Appeared => places.add(&applied.name),
                KeyChange::Disappeared => places.remove(&applied.name),
                KeyChange::Stayed => false,
            };
        }
    }

    /// What a turn of the server adds.
    fn work(&mut self, now: Now) {
        self.machine.handle_timeout(now);
        self.machine.work(now, WORK);
        self.drain();
    }
}

fn key(nth: usize) -> String {
    format!("user:{nth:07}")
}

fn meta(nth: usize, name: &str) -> Meta {
    let text = format!(r#"{{"{name}":"{nth:0width$}"}}"#, width = META_BYTES - 7 - name.len());
    assert_eq!(text.len(), META_BYTES);
    Meta::parse(text.as_bytes(), META_BYTES).unwrap()
}

fn now(nth: usize) -> Now {
    // 200,000 a second.
    let elapsed = Duration::from_nanos(5_000 * nth as u64);
    Now { monotonic: elapsed, unix: Duration::from_secs(1_700_000_000) + elapsed }
}

fn run(members: usize, case: Case) {
    let mut subject = Subject::new(members, case.sessions, case.has_view);
    if matches!(case.sessions, Sessions::One) {
        subject.machine.attach(now(0), SESSION, 1);
    }
    let before = resident();
    let measure = |name: &str, subject: &mut Subject, call: &dyn Fn(&mut Subject, usize) -> bool| {
        let (mut longest, start) = (Duration::ZERO, processor_time());
        let mut last = start;
        for nth in 0..members {
            assert!(call(subject, nth), "{name} {nth}");
            subject.drain();
            if nth % WORK == 0 {
                subject.work(now(nth));
            }
            let at = processor_time();
            longest = longest.max(at - last);
            last = at;
        }
        let mean = (last - start).as_nanos() as f64 / members as f64 - clock_cost();
        println!(
            "{:<64} {mean:>8.0} {:>14.0}",
            format!("{}: {name}", case.name),
            longest.as_secs_f64() * 1e6
        );
    };
    measure("track", &mut subject, &|subject, nth| {
        let member = subject.member(nth);
        subject.machine.track(now(nth), member, meta(nth, "a"), false).is_ok()
    });
    let strings = (key(0).len() + META_BYTES) as f64;
    let each = (resident() - before) as f64 / members as f64;
    println!("{:<64} {:>8.0}", format!("{}: bytes beside {strings} of strings", case.name), each - strings);
    measure("track again", &mut subject, &|subject, nth| {
        let member = subject.member(nth);
        subject.machine.track(now(members + nth), member, meta(nth, "a"), false).is_ok()
    });
    measure("update", &mut subject, &|subject, nth| {
        let member = subject.member(nth);
        let change = MetaChange::Replace(meta(nth, "b"));
        subject.machine.update(now(2 * members + nth), member, change, None).is_ok()
    });
    assert_eq!(subject.machine.counts().members, members);
    measure("untrack", &mut subject, &|subject, nth| {
        let member = subject.member(nth);
        subject.machine.untrack(now(3 * members + nth), member, None)
    });
    assert_eq!((subject.machine.counts().members, subject.changes), (0, 3 * members as u64));
}

/// What asking for the time costs.
fn clock_cost() -> f64 {
    const CALLS: u32 = 100_000;
    let start = processor_time();
    (1..CALLS).for_each(|_| _ = processor_time());
    (processor_time() - start).as_nanos() as f64 / f64::from(CALLS)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident bytes of this process.
fn resident() -> i64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024
}
