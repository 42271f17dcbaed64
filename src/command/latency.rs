//! LATENCY: what took too long, and how long each command takes.
//!
//! Owns its syntax and replies.

use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, SURVEY_COST, table};
use crate::broker::command_stats::Distribution;
use crate::broker::latency::{Sample, Samples};
use crate::resp::request::Request;

const OPERATING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "latency",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for latency diagnostics commands.",
    action: Action::Subcommands(LATENCY),
    since: "2.8.13",
    ..Row::of(Group::Server)
}];

const LATENCY: &[Row] = &[
    Row {
        name: "latency|latest",
        arity: 2,
        flags: OPERATING,
        summary: "Returns the latest latency samples for all events.",
        action: Action::Run(latest),
        since: "2.8.13",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|history",
        arity: 3,
        flags: OPERATING,
        summary: "Returns timestamp-latency samples for an event.",
        action: Action::Run(history),
        since: "2.8.13",
        syntax: "event",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|reset",
        arity: -2,
        flags: OPERATING,
        summary: "Resets the latency data for one or more events.",
        action: Action::Run(reset),
        since: "2.8.13",
        syntax: "[event [event ...]]",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|graph",
        arity: 3,
        flags: OPERATING,
        summary: "Returns a latency graph for an event.",
        action: Action::Run(|context, request| {
            let event = request.argument(2);
            let samples = context.broker.latency.find(event).ok_or(Error::NoSamples(event.to_vec()))?;
            let text = graph(&String::from_utf8_lossy(event), &samples, context.now.unix_seconds());
            context.reply().verbatim(text.as_bytes());
            Ok(Flow::Done)
        }),
        since: "2.8.13",
        syntax: "event",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|doctor",
        arity: 2,
        flags: OPERATING,
        summary: "Returns a human-readable latency analysis report.",
        action: Action::Run(|context, _| {
            let is_on = context.session.config().latency_monitor_threshold > 0;
            let text = diagnose(&context.broker.latency.all(), is_on, context.now.unix_seconds());
            context.reply().verbatim(text.as_bytes());
            Ok(Flow::Done)
        }),
        since: "2.8.13",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|histogram",
        arity: -2,
        flags: OPERATING,
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        action: Action::Run(histogram),
        since: "7.0.0",
        syntax: "[command [command ...]]",
        tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "latency|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            super::help::help(context, "LATENCY", HELP);
            Ok(Flow::Done)
        }),
        since: "2.8.13",
        ..Row::of(Group::Server)
    },
];

const HELP: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

/// Names that RESET and HISTOGRAM look at: more than there are events or commands can only repeat some.
const NAMES_MAX: usize = 1024;

fn latest(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let events = context.broker.latency.all();
    let mut reply = context.reply();
    reply.array(events.len());
    for (event, samples) in &events {
        let Some(latest) = samples.samples.back() else { continue };
        reply.array(4);
        reply.bulk(event.as_bytes());
        for number in [latest.unix_seconds, latest.milliseconds, samples.longest_ms] {
            reply.integer(number as i64);
        }
    }
    Ok(Flow::Done)
}

fn history(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let samples = context.broker.latency.find(request.argument(2)).unwrap_or_default().samples;
    let mut reply = context.reply();
    reply.array(samples.len());
    for sample in samples {
        reply.array(2);
        reply.integer(sample.unix_seconds as i64);
        reply.integer(sample.milliseconds as i64);
    }
    Ok(Flow::Done)
}

fn reset(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let monitor = &context.broker.latency;
    let forgotten = if request.len() == 2 {
        monitor.reset()
    } else {
        request.arguments_from(2).take(NAMES_MAX).filter(|event| monitor.forget(event)).count()
    };
    context.reply().integer(forgotten as i64);
    Ok(Flow::Done)
}

/// Of each command the calls up to 1, 2, 4... microseconds, as far as each has more than the one before.
fn histogram(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.workspace.spend(SURVEY_COST);
    context.settle();
    let rows = table::rows();
    let mut wanted = vec![request.len() == 2; rows.len()];
    for name in request.arguments_from(2).take(NAMES_MAX) {
        let subcommand = || {
            let (container, own) = name.split_at_checked(name.iter().position(|byte| *byte == b'|')?)?;
            table::find_subcommand(table::find(container)?.row, &own[1..])
        };
        let Some(found) = table::find(name).or_else(subcommand) else { continue };
        wanted[found.number as usize] = true;
        // They stand behind their container.
        wanted[found.number as usize..][..=found.row.subcommands().len()].fill(true);
    }
    let stats = &context.broker.stats.commands;
    let known: Vec<(&str, Distribution)> = (0..)
        .zip(rows)
        .filter(|(number, _)| wanted[usize::from(*number)])
        .filter_map(|(number, row)| Some((row.name, stats.distribution(number)?)))
        .collect();
    let mut reply = context.reply();
    reply.map(known.len());
    for (name, distribution) in known {
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(distribution.total as i64);
        reply.bulk(b"histogram_usec");
        let steps = steps(&distribution);
        reply.map(steps.len());
        for (microseconds, calls) in steps {
            reply.integer(microseconds as i64);
            reply.integer(calls as i64);
        }
    }
    Ok(Flow::Done)
}

/// The times that Redis shows are the ends of its ranges, which are a 128th of the time wide: 1, 2, ... 16, 33, 66.
fn steps(distribution: &Distribution) -> Vec<(u64, u64)> {
    let mut steps = Vec::new();
    let (mut limit_ns, mut before) = (1024, 0);
    while before < distribution.total {
        let calls = distribution.calls_below(limit_ns);
        if calls > before {
            steps.push(((limit_ns + limit_ns / 128 - 1) / 1000, calls));
        }
        before = calls;
        limit_ns *= 2;
    }
    steps
}

/// Rows of a graph.
const GRAPH_ROWS: usize = 4;
/// How full a cell is, from the bottom; above its top a column is empty, below it is a bar. (Redis.)
const CELLS: [char; 3] = ['_', 'o', '#'];

/// A column for each sample between the lowest and the highest, and below it how long ago it was.
fn graph(event: &str, samples: &Samples, now: u64) -> String {
    let times = || samples.samples.iter().map(|sample| sample.milliseconds);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text =
        format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", samples.longest_ms);
    text += &"-".repeat(80);
    text.push('\n');
    let levels = GRAPH_ROWS * CELLS.len();
    let level = |sample: &Sample| {
        let share = (sample.milliseconds - low) as f64 / (high - low).max(1) as f64;
        ((share * levels as f64) as usize).min(levels - 1)
    };
    for row in (0..GRAPH_ROWS).rev() {
        let cell = |sample: &Sample| match level(sample).checked_sub(row * CELLS.len()) {
            None => ' ',
            Some(within) => CELLS.get(within).copied().unwrap_or('|'),
        };
        text.extend(samples.samples.iter().map(cell));
        text.push('\n');
    }
    text += &" ".repeat(samples.samples.len());
    text.push('\n');
    let ages: Vec<String> = samples.samples.iter().map(|sample| age(sample, now)).collect();
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.chars().nth(row).unwrap_or(' ')));
        text.push('\n');
    }
    text
}

fn age(sample: &Sample, now: u64) -> String {
    let seconds = now.saturating_sub(sample.unix_seconds);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// What each event means here, and what to look at.
fn advice(event: &str) -> &'static str {
    match event {
        "command" | "fast-command" => {
            "A command took so long by itself. SLOWLOG GET shows which (see slowlog-log-slower-than); long patterns and \
             long names of channels cost most."
        }
        _ => {
            "A connection had the processor for so long without a break: for many commands in a row, or because the \
             machine had others to serve. See longest_turn_usec, worker-threads and the load of the machine."
        }
    }
}

fn diagnose(events: &[(&'static str, Samples)], is_on: bool, now: u64) -> String {
    if events.is_empty() {
        return String::from(if is_on {
            "Nothing has taken as long as latency-monitor-threshold so far.\n"
        } else {
            "The latency monitor is off. Set latency-monitor-threshold to the number of milliseconds that is too long.\n"
        });
    }
    let mut text = String::new();
    for (event, samples) in events {
        let count = samples.samples.len() as u64;
        let sum: u64 = samples.samples.iter().map(|sample| sample.milliseconds).sum();
        let first = samples.samples.front().map_or(now, |sample| sample.unix_seconds);
        text += &format!(
            "{event}: {count} samples in {} seconds, {} ms on average, {} ms at worst. {}\n",
            now.saturating_sub(first),
            sum / count.max(1),
            samples.longest_ms,
            advice(event),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(times: &[(u64, u64)]) -> Samples {
        let sample = |&(unix_seconds, milliseconds)| Sample { unix_seconds, milliseconds };
        let longest_ms = times.iter().map(|time| time.1).max().unwrap();
        Samples { samples: times.iter().map(sample).collect(), longest_ms }
    }

    #[test]
    fn a_graph_has_a_column_for_each_sample() {
        let samples = samples(&[(0, 10), (100, 20), (190, 15), (195, 18)]);
        let shown = graph("command", &samples, 200);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "command - high 20 ms, low 10 ms (all time high 20 ms)");
        assert_eq!(&lines[2..6], [" # _", " |_|", " |||", "_|||"]);
        assert_eq!(&lines[7..], ["3115", "mm0s", "  s "]);
    }

    #[test]
    fn the_doctor_tells_of_every_event() {
        assert!(diagnose(&[], false, 0).contains("latency-monitor-threshold"));
        assert!(diagnose(&[], true, 0).starts_with("Nothing"));
        let text = diagnose(&[("command", samples(&[(10, 4), (20, 8)]))], true, 30);
        assert!(
            text.starts_with("command: 2 samples in 20 seconds, 6 ms on average, 8 ms at worst."),
            "{text}"
        );
    }
}
