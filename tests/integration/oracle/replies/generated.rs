//! Sessions that follow from the table of commands: too few and too many arguments for each, each container with
//! something that it does not have, and each command where it is not run: in a transaction, in subscribed mode, before
//! authentication. Besides, each option that is asked for, and requests that take us more than one turn.

use super::super::Pair;
use super::super::options::OTHER_VALUES;
use super::file::Session;
use crate::support::{Client, Value};

/// A command that both servers have.
struct Command {
    /// As it is called: a container and its subcommand are two words.
    name: String,
    /// The least number of words, and whether it is also the greatest.
    least: usize,
    exact: bool,
    is_container: bool,
}

impl Command {
    fn of(entry: &Value) -> Command {
        let arity = entry.elements()[1].integer();
        Command {
            name: entry.elements()[0].text().replace('|', " "),
            least: arity.unsigned_abs() as usize,
            exact: arity > 0,
            is_container: !entry.elements()[9].elements().is_empty(),
        }
    }

    /// The command in so many words.
    fn in_words(&self, count: usize) -> String {
        let words = self.name.split(' ').map(str::to_owned);
        let all: Vec<String> = words.chain((0..).map(|number| format!("a{number}"))).take(count).collect();
        all.join(" ")
    }

    fn names(&self) -> usize {
        self.name.split(' ').count()
    }
}

/// The commands and subcommands that both servers have.
fn commands(pair: &Pair) -> Vec<Command> {
    let listed = |mut client: Client| {
        let mut commands = Vec::new();
        // Also where there is no password.
        client.ask("AUTH default secret");
        for entry in client.ask("COMMAND").elements() {
            commands.push(Command::of(entry));
            commands.extend(entry.elements()[9].elements().iter().map(Command::of));
        }
        commands
    };
    let [ours, theirs] = pair.clients().map(listed);
    let mut both: Vec<Command> =
        ours.into_iter().filter(|ours| theirs.iter().any(|theirs| theirs.name == ours.name)).collect();
    both.sort_by(|left, right| left.name.cmp(&right.name));
    assert!(both.len() > 80, "{} commands are in both tables", both.len());
    both
}

/// Too few arguments, too many, and subcommands that do not exist.
pub(super) fn arities(pair: &Pair) -> Vec<Session> {
    let mut sessions = Vec::new();
    for command in commands(pair) {
        if command.is_container {
            let name = &command.name;
            let rests = ["", " nosuch", " NoSuch a b", " \"\"", " HELP", " help a", " \"\\x00\\xff\\r\\n\""];
            // COMMAND alone is one, too, and answers with the whole table.
            for rest in rests.into_iter().filter(|rest| name != "command" || !rest.is_empty()) {
                sessions.push(Session::of(&[&format!("{name}{rest}")]));
            }
            continue;
        }
        if command.least > command.names() {
            sessions.push(Session::of(&[&command.in_words(command.names()).to_uppercase()]));
            sessions.push(Session::of(&[&command.in_words(command.least - 1)]));
        }
        if command.exact {
            sessions.push(Session::of(&[&command.in_words(command.least + 1)]));
            sessions.push(Session::of(&[&command.in_words(command.least + 20).to_uppercase()]));
        }
    }
    sessions
}

/// Each command with as many arguments as it wants, queued and thrown away.
pub(super) fn queued(pair: &Pair) -> Vec<Session> {
    each(pair, |right| Session::of(&["MULTI", right, "DISCARD"]))
}

/// Each command in the mode in which few are allowed.
pub(super) fn subscribed(pair: &Pair) -> Vec<Session> {
    // RESET, for in RESP3 all are allowed.
    each(pair, |right| Session::of(&["RESET", "SUBSCRIBE a", right]))
}

/// Each command of somebody who is not known.
pub(super) fn unauthenticated(pair: &Pair) -> Vec<Session> {
    each(pair, |right| Session::of(&[right]))
}

fn each(pair: &Pair, session: impl Fn(&str) -> Session) -> Vec<Session> {
    let single = commands(pair).into_iter().filter(|command| !command.is_container);
    single.map(|command| session(&command.in_words(command.least))).collect()
}

/// Each option of Redis asked for.
pub(super) fn options(pair: &Pair) -> Vec<Session> {
    let [_, mut theirs] = pair.clients();
    let all = theirs.ask("CONFIG GET *");
    let names = all.elements().chunks(2).map(|pair| pair[0].text());
    names
        .filter(|name| OTHER_VALUES.iter().all(|(other, _)| other != name))
        .map(|name| Session::of(&[&format!("CONFIG GET {name}")]))
        .collect()
}

/// What takes us several turns, which nobody must notice.
pub(super) fn long(_: &Pair) -> Vec<Session> {
    let names = |count: usize| (0..count).map(|number| format!(" n{number}")).collect::<String>();
    let (some, many) = (names(600), names(3000));
    let mut sessions = Vec::new();
    for kind in ["", "P", "S"] {
        let subscribe = format!("{kind}SUBSCRIBE{some}");
        let unsubscribe = format!("{kind}UNSUBSCRIBE{some}");
        sessions.push(Session::of(&[&subscribe, "PING", &unsubscribe, "ECHO x"]));
        sessions.push(Session::of(&["MULTI", "PING", &subscribe, "PING", &unsubscribe, "EXEC", "ECHO x"]));
        sessions.push(Session::of(&["CLIENT REPLY SKIP", &subscribe, "PING", &unsubscribe, "ECHO x"]));
        sessions.push(Session::of(&[&subscribe, "RESET", "ECHO x"]));
    }
    for command in ["PUBSUB NUMSUB", "PUBSUB SHARDNUMSUB", "EXISTS", "SCRIPT EXISTS", "NOSUCH"] {
        sessions.push(Session::of(&[&format!("{command}{many}"), "PING"]));
        sessions.push(Session::of(&["MULTI", "PING", &format!("{command}{many}"), "PING", "EXEC", "PING"]));
    }
    let pings = vec!["PING"; 3000];
    sessions.push(Session::of(&pings));
    sessions.push(Session::of(&[&["MULTI"], &pings[..], &["EXEC", "PING"]].concat()));
    sessions.push(Session::of(&[&["MULTI"], &pings[..], &["DISCARD", "PING"]].concat()));
    sessions.push(Session::of(&vec!["PUBLISH a x"; 3000]));
    sessions
}
