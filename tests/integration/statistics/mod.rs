//! What the server tells about itself to operators and their tools: the numbers of INFO, the slow log, the latency
//! monitor, MEMORY.

// Every field of INFO: that it moves, or why it does not.
mod constant;
mod fields;

// commandstats, errorstats, latencystats.
mod commands;

// SLOWLOG.
mod slowlog;

// LATENCY.
mod latency;

// MEMORY.
mod memory;

use std::collections::HashMap;

use crate::support::Client;

/// The fields of a section, or of several.
#[track_caller]
fn fields(client: &mut Client, sections: &str) -> HashMap<String, String> {
    let text = client.ask(&format!("INFO {sections}")).text();
    let lines = text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once(':').unwrap_or_else(|| panic!("name:value, not {line:?}")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The numbers of a line like `calls=1,usec=2`.
#[track_caller]
fn numbers(value: &str) -> HashMap<String, f64> {
    let pairs = value.split(',').map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{value}")));
    pairs.map(|(name, number)| (name.to_owned(), number.parse().expect("a number"))).collect()
}
