//! COMMAND INFO of every name that redis-server knows, field by field.

use super::Pair;
use crate::support::{Protocol, Value};

const FIELDS: [&str; 9] =
    ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications"];

/// Where we differ from 7.0, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("command|getkeys", "arity", "7.2: one word is enough"),
    ("command|getkeysandflags", "arity", "7.2: one word is enough"),
    ("client|setname", "tips", "7.2: has them"),
    ("wait", "flags", "7.2: blocks, and says so"),
    ("wait", "categories", "7.2: they follow from the flags"),
    ("scan", "tips", "7.2: says how to join the replies, too"),
];

/// Subcommands that Redis 7.0 does not have.
const ADDED: &[&str] = &[
    "client|capa",             // Valkey
    "pubsub|shardsubscribers", // ours
    "pubsub|stats",            // ours
    "pubsub|subscribers",      // ours
    "client|no-touch",         // 7.2
    "client|setinfo",          // 7.2
    "cluster|myshardid",       // 7.2
];

/// A value whose sets and maps are in one order, without the notes in prose that key specifications may have.
fn comparable(value: &Value) -> Value {
    let list: Vec<Value> = value_elements(value).iter().map(comparable).collect();
    match value {
        Value::Map(_) => {
            let notes = Value::Bulk(b"notes".to_vec());
            Value::Map(list.chunks(2).filter(|pair| pair[0] != notes).flatten().cloned().collect())
        }
        Value::Set(_) => {
            let mut list = list;
            list.sort_by_key(|value| format!("{value:?}"));
            Value::Set(list)
        }
        Value::Array(_) => Value::Array(list),
        other => other.clone(),
    }
}

fn value_elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) | Value::Set(list) | Value::Map(list) => list,
        _ => &[],
    }
}

fn subcommand_names(entry: &Value) -> Vec<String> {
    let entries = entry.elements()[9].elements().iter();
    let mut names: Vec<String> = entries.map(|entry| entry.elements()[0].text()).collect();
    names.sort();
    names
}

#[test]
fn every_name_of_redis() {
    let Some(pair) = Pair::start("catalog") else { return };
    let [mut ours, mut theirs] = pair.clients().map(|client| client.speak(Protocol::Resp3));
    let names = theirs.ask("COMMAND LIST").sorted_texts();
    assert!(names.len() > 300, "{names:?}");
    let mut unexpected = Vec::new();
    let mut found: Vec<(&str, &str)> = Vec::new();
    for name in &names {
        let [our, their] = [&mut ours, &mut theirs].map(|client| client.ask(&format!("COMMAND INFO {name}")));
        let [our, their] = [&our.elements()[0], &their.elements()[0]];
        if *our == Value::Null {
            unexpected.push(format!("{name} is not known"));
            continue;
        }
        for (index, field) in FIELDS.iter().enumerate() {
            let [our, their] = [our, their].map(|entry| comparable(&entry.elements()[index]));
            let known = DIFFERENCES.iter().find(|known| known.0 == *name && known.1 == *field);
            match known {
                _ if our == their => {}
                Some(known) => found.push((known.0, known.1)),
                None => unexpected.push(format!("{name}: {field}\nredis {their:?}\n ours {our:?}")),
            }
        }
        let mut own = subcommand_names(our);
        own.retain(|name| !ADDED.contains(&name.as_str()));
        if own != subcommand_names(their) {
            unexpected.push(format!("{name}: subcommands {own:?}"));
        }
    }
    let gone: Vec<_> = DIFFERENCES.iter().filter(|known| !found.contains(&(known.0, known.1))).collect();
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(gone.is_empty(), "no difference any more: {gone:?}");
}

#[test]
fn the_form_in_resp2() {
    let Some(pair) = Pair::start("catalog2") else { return };
    let mut clients = pair.clients();
    // One of each kind; without subcommands, whose order is that of a hash table.
    for name in
        ["get", "publish", "zunionstore", "xread", "client|id", "nosuch", "multi", "geohash", "lolwut"]
    {
        let [ours, theirs] = clients.each_mut().map(|client| client.ask(&format!("COMMAND INFO {name}")));
        assert_eq!(ours, theirs, "{name}");
    }
}
