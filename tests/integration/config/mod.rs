//! CONFIG.

// Which options a pattern finds, and how they are shown; RESETSTAT, HELP.
mod get;

// What is refused, and that nothing has changed then.
mod set;

// That a change takes effect, option by option.
mod effect;

// That port and bind move the server.
mod address;

// The file: CONFIG REWRITE and a restart.
mod rewrite;

use crate::support::{Client, Value};

/// The value of an option.
#[track_caller]
fn value(client: &mut Client, name: &str) -> String {
    client.ask(&format!("CONFIG GET {name}")).field(name).text()
}

/// Changes an option, whose value may have blanks.
#[track_caller]
fn set(client: &mut Client, name: &str, value: &str) {
    client.command_of(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
    client.expect("+OK\r\n");
}

/// Every option and its value.
#[track_caller]
fn all(client: &mut Client) -> Vec<(String, Vec<u8>)> {
    let reply = client.ask("CONFIG GET *");
    let pairs = reply.elements().chunks(2);
    let bytes = |value: &Value| match value {
        Value::Bulk(bytes) => bytes.clone(),
        other => panic!("a bulk string, not {other:?}"),
    };
    let mut all: Vec<_> = pairs.map(|pair| (pair[0].text(), bytes(&pair[1]))).collect();
    all.sort();
    all
}
