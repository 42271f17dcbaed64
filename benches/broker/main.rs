//! Side by side with other servers: `cargo bench --bench broker`.
//!
//! Starts this server and every other one that is installed, drives all with the same loads in turns, and prints what
//! was measured. Absolute figures mean little on a shared machine; ratios from one run do. Every message is counted
//! and compared with what was published: a run that lost or mangled one fails, and so does this program.
//!
//! The whole takes about half an hour. `cargo bench --bench broker -- --help` tells how to do a part of it.
//!
//! Reading order: [`loads`] says what is done and what is to be reached, [`traffic`] what that means on the wire,
//! [`generator`] does it.

mod blaster;
mod connect;
mod generator;
mod histogram;
mod in_process;
mod loads;
mod memory;
mod ping;
mod presence;
mod process;
mod report;
mod sample;
mod servers;
mod tape;
mod traffic;
mod wire;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use blaster::Blaster;
use loads::{Load, Row};
use memory::Growth;
use report::{CEILING, Entry};
use sample::Sample;
use servers::{OURS, Product};

/// As in the program, since its server runs here as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line asks for.
struct Options {
    runs: usize,
    time: Duration,
    smoke: bool,
    only: String,
    /// Empty for all.
    servers: Vec<String>,
}

fn main() -> ExitCode {
    let options = options(&command().get_matches());
    if let Err(error) = raise_descriptor_limit() {
        eprintln!("cannot raise the limit of open files: {error}");
    }
    let rows = loads::rows(options.smoke).into_iter().filter(|row| row.name.contains(&options.only));
    let contenders = contenders(&options);
    let mut failures = Vec::new();
    let mut results = Vec::new();
    for row in rows {
        let entries = run_row(&row, &contenders, &options, &mut failures);
        report::print_row(&row, &entries);
        results.push((row, entries));
    }
    // At the small scale of a smoke test there is nothing to be reached.
    if !options.smoke {
        report::print_goals_head();
        for (row, entries) in &results {
            report::print_goals(row, entries);
        }
    }
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command() -> Command {
    let number = |name: &'static str, default, help| {
        Arg::new(name).long(name).value_parser(value_parser!(u64)).default_value(default).help(help)
    };
    Command::new("broker")
        .arg(number("runs", "5", "Runs of each row; the table has the median and the spread"))
        .arg(number("seconds", "3", "Time of each run"))
        .arg(
            Arg::new("smoke")
                .long("smoke")
                .action(ArgAction::SetTrue)
                .help("One short run of each row at a small scale: whether everything arrives, not how fast"),
        )
        .arg(Arg::new("only").long("only").default_value("").help("Only rows whose name contains this"))
        .arg(
            Arg::new("servers")
                .long("servers")
                .value_delimiter(',')
                .help("Only these of: hereabouts, redis, valkey, nats, ceiling"),
        )
        // Cargo passes it to every bench.
        .arg(Arg::new("bench").long("bench").action(ArgAction::SetTrue).hide(true))
}

fn options(matches: &ArgMatches) -> Options {
    let number = |name| matches.get_one::<u64>(name).copied().unwrap_or_default();
    let smoke = matches.get_flag("smoke");
    let servers = matches.get_many::<String>("servers").unwrap_or_default().cloned().collect();
    Options {
        runs: if smoke { 1 } else { number("runs") as usize },
        time: Duration::from_secs(if smoke { 1 } else { number("seconds") }),
        smoke,
        only: matches.get_one::<String>("only").cloned().unwrap_or_default(),
        servers,
    }
}

/// Every socket of a load is a descriptor here and another one in the server, which inherits the limit.
fn raise_descriptor_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Who takes part: servers, and the blaster.
enum Contender {
    Server(Product),
    Ceiling,
}

impl Contender {
    fn name(&self) -> &'static str {
        match self {
            Contender::Server(product) => product.name,
            Contender::Ceiling => CEILING,
        }
    }

    /// The protocol may lack what the load needs; the blaster plays the plain loads only.
    fn suits(&self, load: &Load) -> bool {
        match (self, load) {
            (Contender::Server(product), Load::Traffic(traffic)) => {
                traffic.subscribe_patterns(product.wire).is_some()
            }
            (Contender::Server(product), Load::InProcess(_) | Load::Presence(_)) => product.name == OURS,
            (Contender::Server(product), Load::Memory { growth: Growth::Members { .. }, .. }) => {
                product.name == OURS
            }
            (Contender::Server(_), Load::Memory { .. }) => true,
            (Contender::Ceiling, Load::Traffic(traffic)) => traffic.patterns == 0 && !traffic.pinged,
            (Contender::Ceiling, _) => false,
        }
    }

    fn measure(&self, load: &Load, time: Duration) -> io::Result<Sample> {
        match (self, load) {
            (Contender::Server(product), Load::Traffic(traffic)) => {
                generator::drive(traffic, &product.start()?, time)
            }
            (Contender::Server(product), Load::Memory { growth, settling }) => {
                memory::measure(*growth, &product.start()?, *settling)
            }
            (Contender::Ceiling, Load::Traffic(traffic)) => {
                generator::drive(traffic, &Blaster::start(traffic)?, time)
            }
            (Contender::Server(product), Load::Presence(load)) => presence::measure(*load, product, time),
            (_, Load::InProcess(traffic)) => in_process::measure(traffic, time),
            (Contender::Ceiling, _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn contenders(options: &Options) -> Vec<Contender> {
    let mut all: Vec<Contender> = servers::installed().into_iter().map(Contender::Server).collect();
    all.push(Contender::Ceiling);
    if !options.servers.is_empty() {
        all.retain(|contender| options.servers.iter().any(|name| name == contender.name()));
    }
    all
}

/// All runs of a row. The servers take turns, so that what else happens on the machine meets all of them.
fn run_row(row: &Row, contenders: &[Contender], options: &Options, failures: &mut Vec<String>) -> Vec<Entry> {
    let suitable: Vec<&Contender> =
        contenders.iter().filter(|contender| contender.suits(&row.load)).collect();
    let mut entries: Vec<Entry> = suitable.iter().map(|contender| entry(contender)).collect();
    let runs = match row.load {
        Load::Traffic(_) | Load::InProcess(_) | Load::Presence(_) => options.runs,
        // They take long and hardly vary.
        Load::Memory { .. } => options.runs.min(2),
    };
    for run in 1..=runs {
        for (contender, entry) in suitable.iter().zip(&mut entries) {
            eprintln!("{}: {}, run {run}", row.name, entry.name);
            match contender.measure(&row.load, options.time) {
                Ok(sample) => entry.samples.push(sample),
                Err(error) => failures.push(format!("{}: {}: {error}", row.name, entry.name)),
            }
        }
    }
    entries
}

fn entry(contender: &Contender) -> Entry {
    let version = match contender {
        Contender::Server(product) => product.version.clone(),
        Contender::Ceiling => String::new(),
    };
    Entry { name: contender.name(), version, samples: Vec::new() }
}
