//! Every option that redis-server 7.0.15 knows is known to us, with the same default, the same right to change it, and the
//! same opinion of values.

use std::collections::BTreeMap;

use super::Pair;
use crate::support::{Client, Value};

/// Options whose value is another one, with the reason.
pub(super) const OTHER_VALUES: &[(&str, &str)] = &[
    ("port", "each server has its own"),
    ("unixsocket", "Redis is asked through it"),
    ("save", "Redis was told to save nothing"),
    ("dir", "each server runs where it was started"),
];

/// Options that are not set to other values, with the reason.
const NOT_TRIED: &[(&str, &str)] = &[
    ("port", "another process could take it"),
    ("bind", "addresses are tried elsewhere"),
    ("client-output-buffer-limit", "the connections that ask would be closed"),
    ("oom-score-adj", "changes how the kernel sees the process"),
];

/// Values that are taken by one and refused by the other, or refused in other words, with the reason.
const OTHER_OPINIONS: &[(&str, &str, &str)] = &[
    ("loglevel", "*", "7.2 has the level nothing, and names it in the error"),
    ("activedefrag", "yes", "depends on the allocator with which Redis was built"),
    ("tls-cluster", "yes", "Redis wants a certificate then; there is no cluster to encrypt"),
    ("tls-replication", "yes", "the same"),
    ("latency-tracking-info-percentiles", "  ", "blanks separate values, also when there are too many"),
    ("oom-score-adj-values", "  ", "the same"),
    ("save", "  ", "the same"),
];

/// Options that Redis lets change while it runs and we do not, with the reason.
const NEED_RESTART: &[(&str, &str)] = &[
    ("cluster-announce-ip", "where an instance is found is a part of who it is to others"),
    ("cluster-announce-bus-port", "the same"),
];

const VALUES: &[&str] = &[
    "",
    "  ",
    "x",
    "-1",
    "-5",
    "0",
    "1",
    "5",
    "007",
    "+7",
    "1.5",
    "100",
    "1000",
    "65536",
    "9999999999",
    "yes",
    "no",
    "YES",
    "always",
    "1kb",
    "2GB",
    "5mb6",
    "5%",
    "101%",
    "a b",
    "1 2 3",
    "1 2",
    "/tmp",
];

fn all(client: &mut Client) -> BTreeMap<String, String> {
    let reply = client.ask("CONFIG GET *");
    reply.elements().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

fn set(client: &mut Client, name: &str, value: &str) -> Value {
    client.command_of(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
    client.value()
}

/// Redis takes nothing for 0 bytes, which is more likely a mistake than "no limit".
fn is_no_number(value: &str, ours: &Value) -> bool {
    let refused =
        |error: &str| error.ends_with("a memory value") || error.ends_with("a memory or percent value");
    value.is_empty() && matches!(ours, Value::Error(error) if refused(error))
}

#[test]
fn names_defaults_and_whether_they_may_change() {
    let Some(pair) = Pair::start("options") else { return };
    let [mut ours, mut theirs] = pair.clients();
    let (our_values, their_values) = (all(&mut ours), all(&mut theirs));
    for (name, theirs_is) in &their_values {
        let ours_is = our_values.get(name).unwrap_or_else(|| panic!("{name} is not known here"));
        let differs = OTHER_VALUES.iter().any(|(other, _)| other == name);
        assert_eq!(ours_is != theirs_is, differs, "{name}: redis {theirs_is:?}, ours {ours_is:?}");
        let set_back =
            [(&mut ours, ours_is), (&mut theirs, theirs_is)].map(|(client, is)| set(client, name, is));
        let needs_restart = NEED_RESTART.iter().any(|(other, _)| other == name);
        assert_eq!(set_back[0] != set_back[1], needs_restart, "{name}");
    }
}

#[test]
fn values() {
    let Some(pair) = Pair::start("values") else { return };
    let [mut ours, mut theirs] = pair.clients();
    let names: Vec<String> = all(&mut theirs).into_keys().collect();
    let not_tried = || NOT_TRIED.iter().chain(NEED_RESTART);
    for name in names.iter().filter(|name| !not_tried().any(|(not, _)| not == name)) {
        for value in VALUES {
            let [ours_says, theirs_says] = [&mut ours, &mut theirs].map(|client| {
                let reply = set(client, name, value);
                (reply, client.ask(&format!("CONFIG GET {name}")).elements()[1].text())
            });
            let excused =
                |given: &str| OTHER_OPINIONS.iter().any(|(other, on, _)| other == name && *on == given);
            if excused("*")
                || excused(value)
                || excused(&value.to_lowercase())
                || is_no_number(value, &ours_says.0)
            {
                continue;
            }
            assert_eq!(ours_says.0, theirs_says.0, "{name} {value:?}");
            if theirs_says.0 == Value::Simple("OK".into()) {
                assert_eq!(ours_says.1, theirs_says.1, "{name} {value:?}");
            }
        }
    }
}
