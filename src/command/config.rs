//! CONFIG: asks for options and changes them while the server runs.
//!
//! Owns the syntax and the error texts. Which options there are, what they take and whether they may change is in the
//! option table; what a change does to the process is the broker's host's to know.

use std::collections::BTreeSet;

use super::help::help;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow, Progress, Resume, SURVEY_COST, SYSTEM_COST, resume_now};
use crate::broker::configuration::Refusal;
use crate::config::Config;
use crate::config::options::{self, Change};
use crate::glob;
use crate::resp::request::Request;

const OPERATING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "config",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for server configuration commands.",
    action: Action::Subcommands(CONFIG),
    since: "2.0.0",
    ..Row::of(Group::Server)
}];

const CONFIG: &[Row] = &[
    Row {
        name: "config|get",
        arity: -3,
        flags: OPERATING,
        summary: "Returns the effective values of configuration parameters.",
        action: Action::Run(get),
        since: "2.0.0",
        syntax: "parameter [parameter ...]",
        ..Row::of(Group::Server)
    },
    Row {
        name: "config|set",
        arity: -4,
        flags: OPERATING,
        summary: "Sets configuration parameters in-flight.",
        action: Action::Run(set),
        since: "2.0.0",
        syntax: "parameter value [parameter value ...]",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Server)
    },
    Row {
        name: "config|resetstat",
        arity: 2,
        flags: OPERATING,
        summary: "Resets the server's statistics.",
        action: Action::Run(reset_statistics),
        since: "2.0.0",
        ..Row::of(Group::Server)
    },
    Row {
        name: "config|rewrite",
        arity: 2,
        flags: OPERATING,
        summary: "Persists the effective configuration to file.",
        action: Action::Run(rewrite),
        since: "2.8.0",
        ..Row::of(Group::Server)
    },
    Row {
        name: "config|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        action: Action::Run(|context, _| {
            help(context, "CONFIG", HELP);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Server)
    },
];

const HELP: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

/// Work of a turn's budget that it takes to look up a name.
const LOOK_UP_COST: usize = 32;

fn get(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let longest = context.session.config().max_pattern_length;
    let mut patterns: Vec<Vec<u8>> = Vec::with_capacity(request.len() - 2);
    for pattern in request.arguments_from(2) {
        if pattern.len() > longest {
            return Err(Error::PatternTooLong(longest));
        }
        patterns.push(pattern.to_vec());
    }
    patterns.reverse();
    resume_now(context, Get { patterns, compared: 0, asked: BTreeSet::new(), found: Vec::new() })
}

/// A CONFIG GET that has patterns left.
struct Get {
    /// The next one is the last.
    patterns: Vec<Vec<u8>>,
    /// Names with which that one has been compared.
    compared: usize,
    /// Names and older names that are in the reply.
    asked: BTreeSet<&'static str>,
    /// Those, as they will be shown.
    found: Vec<(Vec<u8>, &'static options::Row)>,
}

impl Get {
    /// Compares a pattern with names as far as the budget goes; true when that were all.
    fn find(&mut self, pattern: &[u8], budget: &mut usize) -> bool {
        if *budget == 0 {
            return false;
        }
        // As in Redis, a name that is no pattern is repeated as it was sent.
        if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
            *budget = budget.saturating_sub(LOOK_UP_COST);
            if let Some(row) = options::find(pattern)
                && self.asked.insert(row.name_as_asked(pattern))
            {
                self.found.push((pattern.to_vec(), row));
            }
            return true;
        }
        let pattern = pattern.to_ascii_lowercase();
        for (name, row) in options::names().skip(self.compared) {
            if *budget == 0 {
                return false;
            }
            if glob::matches_within(&pattern, name.as_bytes(), budget) && self.asked.insert(name) {
                self.found.push((name.into(), row));
            }
            self.compared += 1;
        }
        self.compared = 0;
        true
    }
}

impl Resume for Get {
    fn resume(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        while let Some(pattern) = self.patterns.pop() {
            if !self.find(&pattern, &mut context.workspace.budget) {
                self.patterns.push(pattern);
                return Ok(Progress::Yield);
            }
        }
        let config = context.broker.config();
        let mut reply = context.reply();
        reply.map(self.found.len());
        for (name, row) in &self.found {
            reply.bulk(name);
            reply.bulk(&row.get(&config));
        }
        Ok(Progress::Done)
    }
}

fn set(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    if !request.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    let permission = context.session.config().enable_protected_configs;
    let may_change_protected = permission.includes(context.session.client.address.is_local());
    // All names first: a value is not looked at while one of them is wrong.
    let mut changes: Vec<(&'static str, &'static options::Row, &[u8])> = Vec::new();
    let mut index = 2;
    while index < request.len() {
        let (asked, value) = (request.argument(index), request.argument(index + 1));
        let row = options::find(asked).ok_or_else(|| Error::UnknownConfigOption(asked.to_vec()))?;
        let refuse = |reason: &str| Err(refused(asked, reason.into()));
        match row.change {
            Change::Never => return refuse("can't set immutable config"),
            Change::Protected if !may_change_protected => return refuse("can't set protected config"),
            Change::Protected | Change::Free => {}
        }
        let name = row.name_as_asked(asked);
        if changes.iter().any(|(other, ..)| *other == name) {
            return refuse("duplicate parameter");
        }
        changes.push((name, row, value));
        index += 2;
    }
    let apply = |config: &mut Config| {
        changes.iter().try_for_each(|(name, row, value)| {
            row.set(config, &[value]).map_err(|reason| Refusal { option: (*name).into(), reason })
        })
    };
    context.workspace.spend(SYSTEM_COST);
    context.broker.change_config(apply).map_err(|Refusal { option, reason }| {
        // What is at fault may be another option, with which these do not go together.
        let at_fault = changes.iter().map(|(name, ..)| *name).find(|name| name.as_bytes() == option);
        refused(at_fault.unwrap_or(changes[0].0).as_bytes(), reason)
    })?;
    context.session.refresh(context.broker);
    context.ok()
}

fn refused(option: &[u8], reason: String) -> Error {
    Error::ConfigSet { option: option.to_vec(), reason }
}

fn reset_statistics(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    context.workspace.spend(SURVEY_COST);
    // What came before it in the same turn is forgotten as well.
    context.settle();
    context.broker.reset_stats();
    context.ok()
}

fn rewrite(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    context.workspace.spend(SYSTEM_COST);
    match context.broker.rewrite_config() {
        Ok(true) => context.ok(),
        Ok(false) => Err(Error::NoConfigFile),
        Err(error) => Err(Error::ConfigRewrite(error)),
    }
}
