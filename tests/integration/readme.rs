//! README.md is true: its `console` blocks print what they say, and its tables say what the command and option tables do.
//!
//! A block's lines with `$ ` are commands for the shell, those below what a terminal shows then. The blocks below one
//! heading have a server of their own. A command that subscribes goes on running; a block that begins without a command
//! is what the latest of these shows next. One that starts an instance goes on running too: it is waited for until it is linked
//! with those before it, and what it logs is not compared. Refs of presence are others each time, but the same ones where the same stand.
//!
//! Its programs are run in `clients/readme.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hereabouts::command::table;
use hereabouts::config::{Config, options};

use crate::support::{Running, Server, differs_from_oracle, installed};

const README: &str = include_str!("../../README.md");

/// A command with its expected lines; no command: what the running subscriber shows next.
struct Step {
    line: usize,
    command: Option<String>,
    expected: Vec<String>,
}

/// The steps of each heading that has any.
fn scenarios() -> Vec<Vec<Step>> {
    let mut scenarios = vec![Vec::new()];
    // The language of the block that the line is in.
    let mut block = None;
    for (index, line) in README.lines().enumerate() {
        let number = index + 1;
        if let Some(language) = line.strip_prefix("```") {
            block = block.is_none().then_some(language);
            if block == Some("console") {
                scenarios.last_mut().unwrap().push(Step {
                    line: number + 1,
                    command: None,
                    expected: Vec::new(),
                });
            }
        } else if block.is_none() && line.starts_with('#') {
            scenarios.push(Vec::new());
        } else if block == Some("console") {
            let steps = scenarios.last_mut().unwrap();
            match line.strip_prefix("$ ") {
                Some(command) => {
                    let command = Some(command.to_owned());
                    steps.push(Step { line: number, command, expected: Vec::new() });
                }
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            }
        }
    }
    for steps in &mut scenarios {
        steps.retain(|step| step.command.is_some() || !step.expected.is_empty());
    }
    scenarios.retain(|steps| !steps.is_empty());
    scenarios
}

/// A line as it is compared: the end is invisible to readers, and the line with which redis-cli begins to wait is another
/// one in each of its versions.
fn shown(line: &str) -> Option<String> {
    (!line.starts_with("Reading messages...")).then(|| line.trim_end().to_owned())
}

/// The refs of one side, in the order in which they first appear.
#[derive(Default)]
struct Refs(Vec<String>);

impl Refs {
    /// The line with a number in place of each ref, which is 32 hexadecimal digits.
    fn number(&mut self, line: &str) -> String {
        let is_digit = |letter: char| letter.is_ascii_hexdigit();
        let words = line.split_inclusive(|letter| !is_digit(letter));
        let number = |word: &str| {
            let digits = word.trim_end_matches(|letter| !is_digit(letter));
            if digits.len() != 32 {
                return word.to_owned();
            }
            let known = self.0.iter().position(|known| known == digits);
            let index = known.unwrap_or_else(|| {
                self.0.push(digits.to_owned());
                self.0.len() - 1
            });
            word.replace(digits, &format!("<ref {index}>"))
        };
        words.map(number).collect()
    }
}

/// Starts a command, for which `hereabouts` is our binary, and redis-cli talks to this server and prints what it prints on a
/// terminal.
fn start(command: &str, port: u16) -> Running {
    let binary = Path::new(env!("CARGO_BIN_EXE_hereabouts")).parent().expect("a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let command = command.replace("redis-cli", &format!("redis-cli -p {port} --no-raw"));
    // A single command takes the shell's place, so that to end the one is to end the other.
    let exec = if command.contains('|') { "" } else { "exec " };
    let mut shell = Command::new("sh");
    shell.env("PATH", format!("{}:{path}", binary.display()));
    Running::start(shell.arg("-c").arg(format!("exec 2>&1; {exec}{command}")))
}

/// The next lines: so many of them, or as many as come before the end.
#[track_caller]
fn next(command: &Running, count: usize) -> Vec<String> {
    let lines = std::iter::from_fn(|| command.line());
    lines.filter_map(|line| shown(&line)).take(count).collect()
}

/// Ends a command, and fails if it printed more than was asked for.
#[track_caller]
fn end(mut command: Running) {
    command.kill();
    let rest = next(&command, usize::MAX);
    assert!(rest.is_empty(), "it prints more than README.md says: {rest:?}");
}

/// Starts an instance, and waits until it is linked with so many others.
#[track_caller]
fn start_instance(command: &str, port: u16, others: usize) -> Running {
    let instance = start(command, port);
    let (mut ready, mut linked) = (false, 0);
    while !ready || linked < others {
        let line = instance.line().unwrap_or_else(|| panic!("it ends: {command}"));
        ready |= line.contains("Ready to accept connections");
        linked += usize::from(line.contains("Linked with instance"));
    }
    instance
}

fn run(steps: &[Step]) {
    let server = Server::start();
    let mut subscriber: Option<Running> = None;
    let mut instances: Vec<Running> = Vec::new();
    let (mut said, mut read) = (Refs::default(), Refs::default());
    for step in steps {
        let expected: Vec<String> = step.expected.iter().filter_map(|line| shown(line)).collect();
        let actual = match &step.command {
            None => next(subscriber.as_ref().expect("a subscriber above it"), expected.len()),
            Some(command) if command.starts_with("hereabouts --port") => {
                instances.push(start_instance(command, server.port, instances.len()));
                Vec::new()
            }
            Some(command) => {
                let running = start(command, server.port);
                if command.split(' ').any(|word| word.ends_with("subscribe")) {
                    let lines = next(&running, expected.len());
                    subscriber.replace(running).into_iter().for_each(end);
                    lines
                } else {
                    next(&running, usize::MAX)
                }
            }
        };
        let actual: Vec<_> = actual.iter().map(|line| said.number(line)).collect();
        let expected: Vec<_> = expected.iter().map(|line| read.number(line)).collect();
        assert_eq!(actual, expected, "README.md:{}", step.line);
    }
    subscriber.into_iter().for_each(end);
}

#[test]
fn its_commands_print_what_it_says() {
    if !installed("redis-cli") || differs_from_oracle("README.md tells about us") {
        return;
    }
    let scenarios = scenarios();
    assert!(scenarios.len() >= 3, "the blocks are not found any more");
    scenarios.iter().for_each(|steps| run(steps));
}

/// The rows of the table that begins with this head, as cells.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let lines = README.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows: Vec<Vec<_>> = lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn it_names_the_commands_that_are_served_and_no_others() {
    let named: BTreeSet<String> =
        rows("| served |").iter().flat_map(|row| quoted(row[0])).map(str::to_owned).collect();
    let served: BTreeSet<String> = table::rows()
        .iter()
        .filter(|row| row.is_called())
        .map(|row| row.name.to_ascii_uppercase().replace('|', " "))
        .collect();
    let missing: Vec<_> = served.difference(&named).collect();
    let invented: Vec<_> = named.difference(&served).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
    assert!(invented.is_empty(), "README.md names commands that are not served: {invented:?}");
}

#[test]
fn its_limits_are_the_defaults() {
    let mut named = BTreeSet::new();
    for row in rows("| option |") {
        let name = quoted(row[0]).next().expect("an option");
        let option = options::find(name.as_bytes()).unwrap_or_else(|| panic!("there is no option {name}"));
        let default = quoted(row[1]).next().expect("a default");
        let mut config = Config::default();
        option.set(&mut config, &[default]).unwrap_or_else(|rule| panic!("{name} {default}: {rule}"));
        assert!(option.is_served() && config == Config::default(), "{default} is not the default of {name}");
        named.insert(name);
    }
    // What an option is for cannot be seen, but those that limit clients are named alike.
    let limits = |name: &&str| name.starts_with("max") || name.starts_with("client-");
    let served = options::all().filter(|option| option.is_served()).map(|option| option.name);
    let missing: Vec<_> = served.filter(limits).filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

#[test]
fn its_info_fields_are_there() {
    if differs_from_oracle("the fields are ours") {
        return;
    }
    let server = Server::start();
    for row in rows("| field |") {
        server.info(quoted(row[0]).next().expect("a field"));
    }
}

#[test]
fn the_files_that_it_links_to_are_there() {
    for link in README.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if let Some(heading) = link.strip_prefix('#') {
            let is_it =
                |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == heading;
            assert!(
                README.lines().any(|line| line.starts_with('#') && is_it(line)),
                "README.md links to {link}"
            );
            continue;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(link.contains("://") || path.exists(), "README.md links to {link}");
    }
}
