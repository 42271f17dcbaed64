//! The table as a whole, and each kind of value through it.

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::config::Config;

fn set(name: &str, values: &[&str]) -> Result<String, String> {
    let mut config = Config::default();
    let row = find(name.as_bytes()).unwrap();
    row.set(&mut config, values)?;
    Ok(String::from_utf8(row.get(&config)).unwrap())
}

fn accepts(name: &str, value: &str, shown: &str) {
    assert_eq!(set(name, &[value]).as_deref(), Ok(shown), "{name} {value}");
}

fn refuses(name: &str, value: &str, rule: &str) {
    assert_eq!(set(name, &[value]), Err(rule.to_owned()), "{name} {value}");
}

#[test]
fn names_are_distinct_and_lower_case() {
    let mut seen = HashSet::new();
    for name in all().flat_map(|row| [Some(row.name), row.alias]).flatten() {
        assert!(seen.insert(name), "{name} is there twice");
        assert_eq!(name, name.to_ascii_lowercase());
    }
}

#[test]
fn every_row_is_documented() {
    for row in all() {
        assert!(row.doc.ends_with('.'), "{}: {}", row.name, row.doc);
        assert_eq!(row.values.is_empty(), !row.is_served(), "{}", row.name);
    }
}

#[test]
fn table_and_struct_agree_on_defaults() {
    for row in all() {
        let mut config = Config::default();
        assert_eq!(row.get(&config), row.default.as_bytes(), "{}", row.name);
        row.set(&mut config, &[row.default]).unwrap_or_else(|rule| panic!("{}: {rule}", row.name));
        assert_eq!(row.get(&config), row.default.as_bytes(), "{}", row.name);
        config.ignored.clear();
        assert_eq!(config, Config::default(), "{}", row.name);
    }
}

#[test]
fn setting_what_is_shown_changes_nothing() {
    let mut config = Config::default();
    let odd = [
        ("bind", "::1 -10.0.0.1"),
        ("port", "auto"),
        ("unixsocket", "/run/a b"),
        ("unixsocketperm", "770"),
        ("client-output-buffer-limit", "pubsub 1mb 0 7"),
        ("client-write-timeout", "90s"),
        ("enable-debug-command", "LOCAL"),
        ("save", "900 1"),
        ("maxmemory", "1gb"),
    ];
    for (name, value) in odd {
        find(name.as_bytes()).unwrap().set(&mut config, &[value]).unwrap();
    }
    let mut again = config.clone();
    for row in all().filter(|row| !matches!(row.fate, Fate::Refused(_))) {
        row.set(&mut again, &[row.get(&config)]).unwrap();
    }
    again.ignored.retain(|name, _| config.ignored.contains_key(name));
    assert_eq!(again, config);
}

#[test]
fn find_knows_aliases_and_any_case() {
    assert_eq!(find(b"MaxClients").unwrap().name, "maxclients");
    assert_eq!(find(b"SLAVEOF").unwrap().name, "replicaof");
    assert!(find(b"").is_none());
    assert!(find(b"max-clients").is_none());
}

#[test]
fn yes_and_no() {
    accepts("protected-mode", "NO", "no");
    refuses("protected-mode", "maybe", "argument must be 'yes' or 'no'");
}

#[test]
fn integers() {
    accepts("maxclients", "4294967295", "4294967295");
    for (value, rule) in [
        ("abc", "argument couldn't be parsed into an integer"),
        ("", "argument couldn't be parsed into an integer"),
        ("007", "argument couldn't be parsed into an integer"),
        ("+5", "argument couldn't be parsed into an integer"),
        ("9223372036854775808", "argument couldn't be parsed into an integer"),
        ("0", "argument must be between 1 and 4294967295 inclusive"),
        ("-1", "argument must be between 1 and 4294967295 inclusive"),
    ] {
        refuses("maxclients", value, rule);
    }
    accepts("list-max-listpack-size", "-5", "-5");
    accepts("unixsocketperm", "0700", "700");
    refuses("unixsocketperm", "888", "argument couldn't be parsed as an octal number");
    refuses("unixsocketperm", "1000", "argument must be between 0 and 777 inclusive");
    assert_eq!(set("timeout", &["1", "2"]), Err("wrong number of arguments".into()));
}

#[test]
fn memory() {
    for (value, shown) in [
        ("2000000", "2000000"),
        ("2m", "2000000"),
        ("2MB", "2097152"),
        ("1g", "1000000000"),
        ("1gb", "1073741824"),
    ] {
        accepts("proto-max-bulk-len", value, shown);
    }
    accepts("maxmemory", "100b", "100");
    accepts("maxmemory", "1k", "1000");
    for (value, shown) in [("0", "0"), ("1gb", "1073741824"), ("5%", "5%"), ("100%", "100%"), ("0%", "0")] {
        accepts("maxmemory-clients", value, shown);
    }
    for value in ["-1", "-5%", "x", "%", "1.5%", "5 %", "5mb%", "05%"] {
        refuses("maxmemory-clients", value, "argument must be a memory or percent value");
    }
    refuses("maxmemory-clients", "101%", "percentage argument must be less or equal to 100");
    for value in ["-1", "5x", "1.5mb", "mb", "99999999999gb", "5 mb"] {
        refuses("proto-max-bulk-len", value, "argument must be a memory value");
    }
    refuses("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive");
}

#[test]
fn durations() {
    accepts("timeout", "60", "60");
    refuses("timeout", "60s", "argument couldn't be parsed into an integer");
    refuses("timeout", "-1", "argument must be between 0 and 2147483647 inclusive");
    for (value, shown) in
        [("1500", "1500"), ("1500ms", "1500"), ("2s", "2000"), ("5m", "300000"), ("1h", "3600000")]
    {
        accepts("client-write-timeout", value, shown);
    }
    refuses(
        "client-write-timeout",
        "2w",
        "argument must be in milliseconds, or have the unit ms, s, m, h or d",
    );
    refuses("client-write-timeout", "366d", "argument must be between 0 and 31536000000 inclusive");
}

#[test]
fn names() {
    accepts("loglevel", "NOTHING", "nothing");
    let rule = "argument(s) must be one of the following: debug, verbose, notice, warning, nothing";
    refuses("loglevel", "foo", rule);
    refuses("appendfsync", "zz", "argument(s) must be one of the following: everysec, always, no");
}

#[test]
fn addresses_and_ports() {
    accepts("bind", "127.0.0.1  -::1", "127.0.0.1 -::1");
    accepts("bind", "", "");
    assert_eq!(set("bind", &["::1", "*"]).as_deref(), Ok("::1 *"));
    assert_eq!(set("bind", &["a"; 17]), Err("Too many bind addresses specified.".into()));
    accepts("port", "0", "0");
    accepts("port", "AUTO", "auto");
    refuses("port", "65536", "argument must be between 0 and 65535 inclusive");
}

#[test]
fn passwords_may_be_any_bytes() {
    let mut config = Config::default();
    let row = find(b"requirepass").unwrap();
    row.set(&mut config, &[b"p \xff"]).unwrap();
    assert_eq!(config.requirepass, b"p \xff");
    assert_eq!(row.get(&config), b"p \xff");
}

#[test]
fn output_limits_merge() {
    let mut config = Config::default();
    let row = find(b"client-output-buffer-limit").unwrap();
    row.set(&mut config, &["PUBSUB", "1mb", "512kb", "10", "normal", "1", "2", "3"]).unwrap();
    let shown = "normal 1 2 3 slave 268435456 67108864 60 pubsub 1048576 524288 10";
    assert_eq!(row.get(&config), shown.as_bytes());
    row.set(&mut config, &["replica 0 0 0"]).unwrap();
    assert_eq!(config.client_output_buffer_limit.replica.soft_duration, Duration::ZERO);
    assert_eq!(config.client_output_buffer_limit.pubsub.hard_bytes, 1 << 20);
}

#[test]
fn output_limits_change_as_a_whole_or_not_at_all() {
    for (value, rule) in [
        ("normal 1 2 3 pubsub 1 2", "Wrong number of arguments in buffer limit configuration."),
        ("normal 1 2 3 master 1 2 3", "Invalid client class specified in buffer limit configuration."),
        (
            "normal 1 2 3 pubsub x 2 3",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        (
            "normal 1 2 3 pubsub 1 2 -3",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ] {
        let mut config = Config::default();
        let row = find(b"client-output-buffer-limit").unwrap();
        assert_eq!(row.set(&mut config, &[value]), Err(rule.to_owned()));
        assert_eq!(config, Config::default());
    }
}

#[test]
fn what_must_not_be_ignored_is_refused() {
    assert!(set("aclfile", &["/etc/redis/users.acl"]).is_err());
}

#[test]
fn percentiles() {
    let name = "latency-tracking-info-percentiles";
    accepts(name, "50.5 99.99 100.0", "50.5 99.99 100");
    accepts(name, "", "");
    refuses(name, "a", "Invalid latency-tracking-info-percentiles parameters");
    for outside in ["50 101", "-1", "nan"] {
        refuses(name, outside, "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    }
}
