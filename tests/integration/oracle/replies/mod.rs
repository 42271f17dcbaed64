//! Each command and each of its errors, byte by byte, in RESP2 and RESP3. The files `*.txt` here hold the sessions, and are
//! the list of what we answer otherwise than Redis 7.0 on purpose: a difference that is not in them fails, and so does
//! one that has gone. What fails is printed in the form in which it would stand there.

mod file;
mod generated;

use std::fmt::Write;

use super::Pair;
use crate::support::{Client, Protocol, Value, encode};
use file::{Mask, Session, expectation};

const PROTOCOLS: [Protocol; 2] = [Protocol::Resp2, Protocol::Resp3];

/// What one server answers to a session.
type Replies = [Vec<u8>; 2];

/// The sessions of a file of this name.
fn sessions_of(name: &str) -> Vec<Session> {
    let path = format!("{}/tests/integration/oracle/replies/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    file::parse(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// Runs the sessions of a file against servers with these options.
fn compare(name: &str, flags: &[&str]) {
    compare_and(name, flags, |_| Vec::new());
}

/// The same, and with others that are made up; those that are in the file, since they are answered otherwise, are not run
/// twice.
fn compare_and(name: &str, flags: &[&str], more: impl Fn(&Pair) -> Vec<Session>) {
    let Some(pair) = Pair::start_with(name, flags) else { return };
    let mut sessions = sessions_of(name);
    let mut more = more(&pair);
    more.retain(|session| sessions.iter().all(|known| known.lines != session.lines));
    sessions.extend(more);
    let [ours, theirs] = std::thread::scope(|scope| {
        let (pair, sessions) = (&pair, &sessions);
        let [ours, theirs] = [0, 1].map(|server| {
            scope.spawn(move || sessions.iter().map(|session| run(pair, server, session)).collect::<Vec<_>>())
        });
        [ours, theirs].map(|thread| thread.join().expect("a server that answers everything"))
    });
    let answers = sessions.iter().zip(ours.iter().zip(&theirs));
    let failures: Vec<String> =
        answers.filter_map(|(session, (ours, theirs))| difference(session, ours, theirs)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} sessions of {name}:\n\n{}",
        failures.len(),
        sessions.len(),
        failures.join("\n")
    );
}

fn run(pair: &Pair, server: usize, session: &Session) -> Replies {
    struct Shown<'a>(&'a Session);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("in the session {:#?}", self.0.lines);
            }
        }
    }
    let _shown = Shown(session);
    PROTOCOLS.map(|protocol| {
        let socket = [&pair.socket_of_ours, &pair.socket][server];
        let mut client = Client::connect_unix(socket);
        let hello: &[&str] = if protocol == Protocol::Resp3 { &["HELLO", "3"] } else { &[] };
        let mut bytes = if hello.is_empty() { Vec::new() } else { encode(hello) };
        bytes.extend_from_slice(&session.requests);
        bytes.extend(encode(["QUIT"]));
        client.try_send(bytes);
        let replies = client.read_to_end();
        // There is none when the connection is closed without a word.
        let hello = if hello.is_empty() { 0 } else { Value::parse(&replies).map_or(0, |(_, used)| used) };
        let replies = &replies[hello..];
        match session.mask {
            Mask::Nothing => replies.to_vec(),
            Mask::Numbers => without_numbers(replies, socket),
            Mask::Fields => without_values(replies),
        }
    })
}

/// Of lines `name:value` only the names.
fn without_values(replies: &[u8]) -> Vec<u8> {
    let lines = replies.split_inclusive(|byte| *byte == b'\n');
    let names = lines.map(|line| match line.iter().position(|byte| *byte == b':') {
        Some(colon) if colon > 0 => [&line[..=colon], b"?\r\n"].concat(),
        // The length of all.
        _ if line.starts_with(b"$") || line.starts_with(b"=") => [&line[..1], b"?\r\n"].concat(),
        _ => line.to_vec(),
    });
    names.flatten().collect()
}

/// Without digits, ids, and the path of the server's socket.
fn without_numbers(replies: &[u8], socket: &str) -> Vec<u8> {
    let mut masked = Vec::new();
    let mut rest = replies;
    while let Some(begin) = rest.windows(socket.len()).position(|bytes| bytes == socket.as_bytes()) {
        mask_numbers(&rest[..begin], &mut masked);
        masked.extend_from_slice(b"SOCKET");
        rest = &rest[begin + socket.len()..];
    }
    mask_numbers(rest, &mut masked);
    masked
}

fn mask_numbers(bytes: &[u8], masked: &mut Vec<u8>) {
    let words = bytes.chunk_by(|left, right| left.is_ascii_alphanumeric() == right.is_ascii_alphanumeric());
    for word in words {
        if word.len() == 40 && word.iter().all(u8::is_ascii_hexdigit) {
            masked.push(b'?');
            continue;
        }
        for run in word.chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit()) {
            masked.extend_from_slice(if run[0].is_ascii_digit() { b"?" } else { run });
        }
    }
}

/// What is wrong with the answers to a session, if something is.
fn difference(session: &Session, ours: &Replies, theirs: &Replies) -> Option<String> {
    let is_right = |protocol: Protocol| {
        let [ours, theirs] = [ours, theirs].map(|replies| &replies[protocol as usize]);
        match session.expected(protocol) {
            Some(expected) => ours == expected && ours != theirs,
            None => ours == theirs,
        }
    };
    // A reason without a difference is none.
    let explains = PROTOCOLS.iter().any(|protocol| session.expected(*protocol).is_some());
    if PROTOCOLS.into_iter().all(is_right) && session.reason.is_some() == explains {
        return None;
    }
    let mut text = format!("! {}\n", session.reason.as_deref().unwrap_or("?"));
    match session.mask {
        Mask::Nothing => {}
        Mask::Numbers => text.push_str("~ numbers\n"),
        Mask::Fields => text.push_str("~ fields\n"),
    }
    session.lines.iter().for_each(|line| text.extend([line, "\n"]));
    for (begin, replies) in [("# redis ", theirs), ("", ours)] {
        let mut write = |sign: &str, protocol: usize| {
            text.push_str(&expectation(&format!("{begin}{sign}"), &replies[protocol]))
        };
        match [0, 1].map(|protocol| ours[protocol] != theirs[protocol]) {
            [true, true] if replies[0] == replies[1] => write("=", 0),
            [second, third] => {
                second.then(|| write("=2", 0));
                third.then(|| write("=3", 1));
            }
        }
    }
    if ours == theirs {
        let _ = writeln!(text, "# They no longer differ.");
    }
    Some(text)
}

#[test]
fn connection() {
    compare("connection", &[]);
}

#[test]
fn client() {
    compare("client", &[]);
}

#[test]
fn pubsub() {
    compare_and("pubsub", &[], generated::long);
}

#[test]
fn transactions() {
    compare("transactions", &[]);
}

#[test]
fn keyspace() {
    compare("keyspace", &[]);
}

#[test]
fn unserved() {
    compare("unserved", &[]);
}

#[test]
fn scripting() {
    compare("scripting", &[]);
}

#[test]
fn server() {
    compare("server", &[]);
}

#[test]
fn command() {
    compare("command", &[]);
}

#[test]
fn statistics() {
    // What is slow depends on the machine.
    compare("statistics", &["--slowlog-log-slower-than", "-1"]);
}

#[test]
fn config() {
    compare_and("config", &[], generated::options);
}

#[test]
fn debug() {
    compare("debug", &["--enable-debug-command", "yes"]);
}

#[test]
fn password() {
    compare("password", &["--requirepass", "secret"]);
}

#[test]
fn arity() {
    compare_and("arity", &[], generated::arities);
}

#[test]
fn queued() {
    compare_and("queued", &[], generated::queued);
}

#[test]
fn subscribed() {
    compare_and("subscribed", &[], generated::subscribed);
}

#[test]
fn unauthenticated() {
    compare_and("unauthenticated", &["--requirepass", "secret"], generated::unauthenticated);
}
