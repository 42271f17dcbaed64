//! A publisher and two subscribers do what comes to their minds, in the same order on both servers.

use std::collections::VecDeque;

use super::{Pair, Random};
use crate::support::{Client, Value, encode};

const STEPS: usize = 3000;

const NAMES: &[&str] = &["a", "b", "ab", "abc", ""];
const PATTERNS: &[&str] = &["a*", "*", "?", "b", "", "[ab]", "x*"];

/// What any client may do at any time, because the reply does not depend on the server.
const ANYBODY: &[&str] = &[
    "PING",
    "PING x",
    "PING x y",
    "ECHO x",
    "ECHO",
    "SELECT 3",
    "SELECT 99",
    "SELECT x",
    "CLIENT GETNAME",
    "CLIENT SETNAME me",
    "CLIENT SETNAME \u{e9}",
    "CLIENT NOSUCH",
    "CLIENT",
    "CLIENT ID x",
    "CLIENT KILL 1.2.3.4:5",
    "CLIENT KILL ID 99999999",
    "CLIENT KILL TYPE nosuch",
    "CLIENT REPLY NOSUCH",
    "CLIENT LIST TYPE nosuch",
    "CLIENT PAUSE x",
    "CLIENT PAUSE -1",
    "CLIENT PAUSE 1 NOSUCH",
    "CLIENT PAUSE 0",
    "CLIENT UNPAUSE",
    "CLIENT UNBLOCK x",
    "CLIENT UNBLOCK 99999",
    "CLIENT TRACKING ON",
    "CLIENT TRACKING OFF",
    "CLIENT TRACKING ON OPTIN",
    "CLIENT TRACKING ON OPTOUT NOLOOP",
    "CLIENT TRACKING ON BCAST",
    "CLIENT TRACKING ON BCAST PREFIX a PREFIX b",
    "CLIENT TRACKING ON BCAST PREFIX ab",
    "CLIENT TRACKING ON REDIRECT 99999",
    "CLIENT TRACKINGINFO",
    "CLIENT TRACKINGINFO",
    "CLIENT GETREDIR",
    "CLIENT CACHING YES",
    "CLIENT CACHING NO",
    "CLIENT CACHING NOSUCH",
    "CLIENT NO-EVICT ON",
    "CLIENT NO-EVICT NOSUCH",
    "MONITOR x",
    "NOSUCH a b",
    "HELLO",
    "HELLO 2",
    "HELLO 3",
    "HELLO 4",
    "HELLO x",
    "HELLO 3 NOSUCH",
    "RESET",
    "RESET x",
    "AUTH x",
    "AUTH default x",
    "AUTH a b c",
    "EXEC",
    "DISCARD",
    "MULTI x",
    "WATCH",
    "WATCH a",
    "UNWATCH",
    "FLUSHALL",
    "FLUSHALL x",
    "SCAN 0",
    "SCAN x",
    "GET a",
    "DEL a b",
    "XRANGE a - + COUNT x",
    "OBJECT FREQ a",
    "OBJECT NOSUCH",
    "CLUSTER NODES",
    "CLUSTER NODES x",
    "READONLY",
    "ROLE",
    "WAIT 0 x",
    "SCRIPT EXISTS x",
    "SCRIPT FLUSH x",
    "FUNCTION LIST",
    "EVAL x -1",
    "EVALSHA x 0",
    "PUBLISH a",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "PUBSUB",
    "PUBSUB NOSUCH",
    "PUBSUB CHANNELS",
    "PUBSUB CHANNELS a*",
    "PUBSUB SHARDCHANNELS",
    "PUBSUB NUMPAT",
    "PUBSUB NUMPAT x",
    "PUBSUB NUMSUB",
    "PUBSUB NUMSUB a ab nobody",
    "PUBSUB SHARDNUMSUB a ab nobody",
];

pub(super) type Arguments = Vec<String>;

fn words(line: &str) -> Arguments {
    line.split(' ').map(str::to_owned).collect()
}

/// A command with some names.
fn named(random: &mut Random, command: &str, names: &[&str], least: usize) -> Arguments {
    let mut arguments = vec![command.to_owned()];
    for _ in 0..least + random.below(3) {
        arguments.push(random.pick(names).to_owned());
    }
    arguments
}

const BROADCAST: &str = "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend";

fn publish(random: &mut Random) -> Arguments {
    if random.below(5) == 0 {
        let mut arguments = vec!["EVAL".to_owned(), BROADCAST.to_owned(), "0".to_owned()];
        arguments.extend((0..random.below(4)).map(|_| random.pick(NAMES).to_owned()));
        return arguments;
    }
    let command = random.pick(&["PUBLISH", "PUBLISH", "SPUBLISH"]);
    vec![command.to_owned(), random.pick(NAMES).to_owned(), random.pick(&["x", "", "\r\n"]).to_owned()]
}

fn subscribe(random: &mut Random) -> Arguments {
    match random.below(9) {
        0 | 1 => named(random, "SUBSCRIBE", NAMES, 1),
        2 => named(random, "PSUBSCRIBE", PATTERNS, 1),
        3 => named(random, "SSUBSCRIBE", NAMES, 1),
        4 | 5 => named(random, "UNSUBSCRIBE", NAMES, 0),
        6 => named(random, "PUNSUBSCRIBE", PATTERNS, 0),
        7 => named(random, "SUNSUBSCRIBE", NAMES, 0),
        _ => words("UNSUBSCRIBE"),
    }
}

/// What a client does next: commands that go out together, at the end of which it is in no transaction and is answered.
/// A subscriber does not publish: the order in which it hears itself is another one since 7.2.
pub(super) fn step(random: &mut Random, publisher: bool) -> Vec<Arguments> {
    let own = |random: &mut Random| if publisher { publish(random) } else { subscribe(random) };
    let any = |random: &mut Random| {
        if random.below(3) == 0 { words(random.pick(ANYBODY)) } else { own(random) }
    };
    match random.below(12) {
        0 => {
            let mut commands = vec![words("MULTI")];
            for _ in 0..random.below(5) {
                let mut command = any(random);
                // An EXEC that holds confirmations in the order of a hash table could not be compared.
                if command.len() == 1 && command[0].ends_with("UNSUBSCRIBE") {
                    command.push(random.pick(NAMES).to_owned());
                }
                commands.push(command);
            }
            commands.push(words(random.pick(&["EXEC", "EXEC", "EXEC", "DISCARD", "RESET"])));
            commands
        }
        1 => vec![words("CLIENT REPLY SKIP"), any(random), any(random)],
        2 => {
            // Neither SUBSCRIBE nor HELLO: in subscribed mode ON is refused, and nothing would be answered ever after.
            let [first, second] =
                [(); 2].map(|()| words(random.pick(&["PING", "ECHO x", "NOSUCH", "RESET", "EXEC"])));
            vec![words("CLIENT REPLY OFF"), first, second, words("CLIENT REPLY ON")]
        }
        3 => (0..5).map(|_| own(random)).collect(),
        _ => vec![any(random)],
    }
}

/// Everything that came before the reply of a PING with this argument.
pub(super) fn read_until(client: &mut Client, token: &str) -> Vec<Value> {
    let pong = Value::Bulk(token.as_bytes().to_vec());
    let in_subscribed_mode = Value::Array(vec![Value::Bulk(b"pong".to_vec()), pong.clone()]);
    let mut values = Vec::new();
    loop {
        let value = client.value();
        if value == pong || value == in_subscribed_mode {
            return values;
        }
        values.push(value);
    }
}

/// Takes out what may differ: the server's version, the client's number, the order of a hash table.
fn comparable(mut values: Vec<Value>) -> Vec<Value> {
    for value in &mut values {
        if let Value::Array(list) | Value::Map(list) | Value::Push(list) = value {
            *list = comparable(std::mem::take(list));
        }
    }
    let kind = |value: &Value| match value {
        Value::Array(list) | Value::Push(list) => match list.first() {
            Some(Value::Bulk(kind)) => String::from_utf8_lossy(kind).into_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    for run in values.chunk_by_mut(|left, right| kind(left) == kind(right)) {
        match kind(&run[0]).as_str() {
            "pmessage" => run.sort_by_key(|frame| format!("{frame:?}")),
            "unsubscribe" | "punsubscribe" | "sunsubscribe" => sort_names(run),
            _ => {}
        }
    }
    if let [Value::Bulk(first), ..] = &values[..] {
        let first = first.clone();
        if first == b"server" {
            values[3] = Value::Null;
            values[7] = Value::Null;
        }
        let is_list = values.iter().all(|value| matches!(value, Value::Bulk(_)));
        if is_list && !first.ends_with(b"message") && first != b"pong" {
            values.sort_by_key(|value| format!("{value:?}"));
        }
    }
    values
}

/// Sorts the names of confirmations and leaves the counts where they are.
fn sort_names(frames: &mut [Value]) {
    let mut names: Vec<Value> = frames.iter().map(|frame| frame.elements()[1].clone()).collect();
    names.sort_by_key(|name| format!("{name:?}"));
    for (frame, name) in frames.iter_mut().zip(names) {
        if let Value::Array(list) | Value::Push(list) = frame {
            list[1] = name;
        }
    }
}

/// The last things that were done, printed when the test fails in whatever way.
#[derive(Default)]
struct History {
    steps: VecDeque<String>,
    /// Whose reply is awaited.
    awaited: &'static str,
}

impl History {
    fn push(&mut self, step: String) {
        self.steps.push_back(step);
        if self.steps.len() > 15 {
            self.steps.pop_front();
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("reading from {}, after {:#?}", self.awaited, self.steps);
        }
    }
}

#[test]
fn a_publisher_and_two_subscribers() {
    let Some(pair) = Pair::start("sessions") else { return };
    let mut random = Random::new();
    let mut clients = [pair.clients(), pair.clients(), pair.clients()];
    let mut history = History::default();
    for number in 0..STEPS {
        let actor = random.below(3);
        let commands = step(&mut random, actor == 0);
        history.push(format!("{number}: client {actor}: {commands:?}"));
        let request: Vec<u8> = commands.iter().flat_map(encode).collect();
        for client in &mut clients[actor] {
            client.send(&request);
        }
        // First the one that acted: what it published is with the others when it is answered.
        let token = format!("step-{number}");
        for index in [actor, (actor + 1) % 3, (actor + 2) % 3] {
            let mut read = |server, client: &mut Client| {
                history.awaited = server;
                client.command(&format!("PING {token}"));
                comparable(read_until(client, &token))
            };
            let [ours, theirs] = &mut clients[index];
            let (theirs, ours) = (read("redis", theirs), read("us", ours));
            assert!(ours == theirs, "client {index}\nredis {theirs:?}\n ours {ours:?}");
        }
    }
}
