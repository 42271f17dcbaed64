//! INFO.
//!
//! Owns which sections there are and how they are asked for; the fields of each stand in the files beside this one.
//! Names and order are Redis 7.2's, since monitoring reads them. What does not exist here has the value that it has in
//! an idle Redis; nothing is invented.

mod cluster;
mod idle;
pub(super) mod memory;
mod presence;
mod server;
mod stats;

use std::fmt::{Display, Write};
use std::sync::Arc;

use memory::Memory;

use super::categories::Categories;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, SURVEY_COST};
use crate::broker::gauges::Reading;
use crate::broker::stats::Counter;
use crate::broker::{Broker, ProcessorTime};
use crate::config::Config;
use crate::resp::request::Request;
use crate::time::Now;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
    summary: "Returns information and statistics about the server.",
    action: Action::Run(info),
    since: "1.0.0",
    syntax: "[section [section ...]]",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    explicit_categories: Categories::of("dangerous"),
    ..Row::of(Group::Server)
}];

/// Arguments that are looked at: more than there are sections can only repeat some.
const ARGUMENTS_MAX: usize = 1024;

/// A section of INFO.
struct Section {
    name: &'static str,
    /// INFO without arguments shows it.
    by_default: bool,
    write: fn(&mut String, &View<'_>),
}

const SECTIONS: &[Section] = &[
    Section { name: "Server", by_default: true, write: server::server },
    Section { name: "Clients", by_default: true, write: server::clients },
    Section { name: "Memory", by_default: true, write: memory::section },
    Section { name: "Persistence", by_default: true, write: idle::persistence },
    Section { name: "Stats", by_default: true, write: stats::stats },
    Section { name: "Replication", by_default: true, write: idle::replication },
    Section { name: "CPU", by_default: true, write: server::processor },
    Section { name: "Modules", by_default: true, write: |_, _| () },
    Section { name: "Commandstats", by_default: false, write: stats::commands },
    Section { name: "Errorstats", by_default: true, write: stats::errors },
    Section { name: "Latencystats", by_default: false, write: stats::latencies },
    Section { name: "Cluster", by_default: true, write: cluster::section },
    Section { name: "Keyspace", by_default: true, write: |_, _| () },
    Section { name: "Presence", by_default: true, write: presence::section },
];

/// What sections are written from.
struct View<'a> {
    broker: &'a Broker,
    config: Arc<Config>,
    now: Now,
    reading: Reading,
    memory: Memory,
    processor: ProcessorTime,
}

/// Where the value of a field comes from.
enum Source {
    /// It is always this, as there is nothing that could change it.
    Fixed(&'static str),
    Number(fn(&View<'_>) -> u64),
    Counter(Counter),
    Text(fn(&View<'_>) -> String),
}

/// Fields in the order in which they are shown.
type Fields = [(&'static str, Source)];

fn info(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.workspace.spend(SURVEY_COST);
    context.settle();
    let wanted = wanted(request);
    let view = View {
        broker: context.broker,
        config: context.broker.config(),
        now: context.now,
        reading: context.broker.gauges.read(),
        memory: Memory::of(context.broker),
        processor: (context.broker.identity.processor_time)(),
    };
    let mut text = String::new();
    for section in SECTIONS.iter().zip(wanted).filter_map(|(section, wanted)| wanted.then_some(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(section.name);
        text.push_str("\r\n");
        (section.write)(&mut text, &view);
    }
    context.reply().verbatim(text.as_bytes());
    Ok(Flow::Done)
}

/// Which sections the arguments ask for.
fn wanted(request: Request<'_>) -> [bool; SECTIONS.len()] {
    let mut wanted = [false; SECTIONS.len()];
    let (mut default, mut all) = (request.len() == 1, false);
    for argument in request.arguments_from(1).take(ARGUMENTS_MAX) {
        let is = |name: &str| argument.eq_ignore_ascii_case(name.as_bytes());
        default |= is("default");
        all |= is("all") || is("everything");
        for (section, wanted) in SECTIONS.iter().zip(&mut wanted) {
            *wanted |= is(section.name);
        }
        if all {
            break;
        }
    }
    for (section, wanted) in SECTIONS.iter().zip(&mut wanted) {
        *wanted |= all || (default && section.by_default);
    }
    wanted
}

fn field(text: &mut String, name: &str, value: impl Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{name}:{value}\r\n");
}

fn fields(text: &mut String, fields: &Fields, view: &View<'_>) {
    for (name, source) in fields {
        match source {
            Source::Fixed(value) => field(text, name, value),
            Source::Number(read) => field(text, name, read(view)),
            Source::Counter(counter) => field(text, name, view.broker.stats.total(*counter)),
            Source::Text(read) => field(text, name, read(view)),
        }
    }
}
