//! PRESENCE: every command in both protocols, each error to the letter, and what the limits do.

// Members: tracked, updated, untracked.
mod members;

// What is listed, and how.
mod lists;

// Topics, keys and instances: how many, where.
mod topics;

// Members that outlive connections.
mod sessions;

// What is refused, and that nothing changes then.
mod refused;

// How much there may be.
mod limits;

// The channels on which only the server speaks.
mod reserved;

// Who holds a session, and what becomes of it and of a connection's members afterwards.
mod attachment;

// Several brokers in one process.
mod brokers;

// What watchers of a topic are told.
mod watching;

// What comes before what, and whom it reaches.
mod order;

use crate::support::{Client, Protocol, encode};

const OURS: &str = "Redis does not know who is present";

/// Sends a command and returns the text of its reply, usually a ref.
#[track_caller]
fn text(client: &mut Client, arguments: &[&str]) -> String {
    client.send(encode(arguments));
    client.value().text()
}

/// Sends a command of several words, some with blanks in them, and expects this reply.
#[track_caller]
fn call(client: &mut Client, arguments: &[&str], reply: &str) {
    client.send(encode(arguments));
    client.expect(reply);
}

/// A bulk string.
fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Keys with their metas, as LIST replies.
fn listed(protocol: Protocol, keys: &[(&str, &[&str])]) -> String {
    let mut reply = match protocol {
        Protocol::Resp2 => format!("*{}\r\n", keys.len() * 2),
        Protocol::Resp3 => format!("%{}\r\n", keys.len()),
    };
    for (key, metas) in keys {
        reply += &bulk(key);
        reply += &format!("*{}\r\n", metas.len());
        metas.iter().for_each(|meta| reply += &bulk(meta));
    }
    reply
}

/// A meta as it is shown: behind its ref.
fn meta(reference: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"phx_ref":"{reference}"{comma}{members}}}"#)
}
