//! What MONITOR shows of the same commands on both servers, without time and address.

use super::{Pair, Random};
use crate::support::Client;

const PARTS: &[&[u8]] = &[
    b"a",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"\n",
    b"\r",
    b"\t",
    b"\x07",
    b"\x08",
    b"\0",
    b"\x1b",
    b"\x7f",
    b"\xc3\xa9",
];

const COMMANDS: &[&str] = &[
    "PING",
    "PING x y",
    "ECHO",
    "NOSUCH",
    "SELECT 3",
    "SELECT 0",
    "SELECT 99",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH a",
    "UNWATCH",
    "PUBLISH a b",
    "SPUBLISH a b",
    "PUBSUB NUMSUB a",
    "PUBSUB CHANNELS",
    "PUBSUB HELP",
    "CLIENT ID",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLIENT HELP",
    "CLIENT KILL 1.2.3.4:5",
    "CLIENT SETNAME x",
    "CLIENT GETNAME",
    "CLIENT NO-EVICT OFF",
    "CLIENT TRACKING ON",
    "CLIENT TRACKING OFF",
    "CLIENT TRACKINGINFO",
    "CLIENT GETREDIR",
    "CLIENT CACHING YES",
    "CLIENT UNBLOCK 99999",
    "CLIENT UNPAUSE",
    "CLIENT PAUSE 0",
    "CLIENT NOSUCH",
    "INFO server",
    "HELLO",
    "HELLO 2 AUTH default secret SETNAME x",
    "HELLO 2 SETNAME auth",
    "HELLO 2 NOSUCH",
    "AUTH x",
    "AUTH default x",
    "MONITOR x",
    "RESET",
];

/// The next line: the database and what is behind the address.
fn next(monitor: &mut Client) -> String {
    let line = String::from_utf8_lossy(&monitor.read_line()).into_owned();
    let (head, command) = line.split_once("] ").unwrap_or_else(|| panic!("{line:?}"));
    let database = head.split('[').nth(1).and_then(|place| place.split(' ').next()).expect("a database");
    let script = if head.ends_with(" lua") { "lua " } else { "" };
    format!("{database} {script}{command}")
}

#[test]
fn the_same_is_shown() {
    let Some(pair) = Pair::start("monitor") else { return };
    let mut random = Random::new();
    let [mut ours, mut theirs] = pair.clients().map(|mut monitor| {
        monitor.call("MONITOR", "+OK\r\n");
        monitor
    });
    let mut clients = pair.clients();
    for _ in 0..1500 {
        let mut arguments: Vec<Vec<u8>> =
            random.pick(COMMANDS).split(' ').map(|word| word.as_bytes().to_vec()).collect();
        if random.below(4) == 0 {
            arguments = vec![b"ECHO".to_vec(), random.some_of(PARTS, 10)];
        }
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        clients.iter_mut().for_each(|client| client.command_of(&arguments));
    }
    // The script that both know: what it calls is shown behind it, without an address.
    let script = b"for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend";
    for client in &mut clients {
        client.command_of(&[b"EVAL", script, b"0", b"message", b"a", b"b"]);
        client.command_of(&[b"EVALSHA", &[b'x'; 40], b"0"]);
        client.command("ECHO the-end");
    }
    loop {
        let (ours, theirs) = (next(&mut ours), next(&mut theirs));
        assert_eq!(ours, theirs);
        if ours.contains("the-end") {
            return;
        }
    }
}
