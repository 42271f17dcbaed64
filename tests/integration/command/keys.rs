//! COMMAND GETKEYS and GETKEYSANDFLAGS; all kinds of command lines are compared with redis-server in `oracle`.

use crate::support::{Protocol, both_protocols, differs_from_oracle, encode};

#[test]
fn the_keys_of_a_command() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        client.call("COMMAND GETKEYS eval script 2 a b c", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        client.call("COMMAND GETKEYS XREAD COUNT 1 STREAMS a b 0 0", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        client.call("COMMAND GETKEYS EVAL script 0", "*0\r\n");
        client.command_of(&[b"COMMAND", b"GETKEYS", b"GET", b"\0\r\n"]);
        client.expect("*1\r\n$3\r\n\0\r\n\r\n");
    });
}

#[test]
fn what_is_done_with_them() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let set = if protocol == Protocol::Resp3 { '~' } else { '*' };
        client.call(
            "COMMAND GETKEYSANDFLAGS SET a b GET",
            format!("*1\r\n*2\r\n$1\r\na\r\n{set}3\r\n+RW\r\n+access\r\n+update\r\n"),
        );
        client.call(
            "COMMAND GETKEYSANDFLAGS SORT a STORE b",
            format!(
                "*2\r\n*2\r\n$1\r\na\r\n{set}2\r\n+RO\r\n+access\r\n*2\r\n$1\r\nb\r\n{set}2\r\n+OW\r\n+update\r\n"
            ),
        );
    });
}

#[test]
fn what_is_wrong_is_said() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for (command, text) in [
            ("nosuch a", "Invalid command specified"),
            ("client nosuch", "Invalid command specified"),
            ("config|get a", "Invalid command specified"),
            ("publish a b", "The command has no key arguments"),
            ("client id", "The command has no key arguments"),
            ("get a b", "Invalid number of arguments specified for command"),
            ("object freq", "Invalid number of arguments specified for command"),
            ("zunion 0 a", "Invalid arguments specified for command"),
            ("zunion 9223372036854775807 a", "Invalid arguments specified for command"),
        ] {
            client.call(&format!("COMMAND GETKEYS {command}"), format!("-ERR {text}\r\n"));
            client.call(&format!("COMMAND GETKEYSANDFLAGS {command}"), format!("-ERR {text}\r\n"));
        }
        let arity = "-ERR wrong number of arguments for 'command|getkeys' command\r\n";
        client.call("COMMAND GETKEYS", arity);
        if !differs_from_oracle("since 7.2 one word is enough") {
            client.call("COMMAND GETKEYS ping", "-ERR The command has no key arguments\r\n");
            client.call("COMMAND GETKEYS get", "-ERR Invalid number of arguments specified for command\r\n");
        }
    });
}

#[test]
fn many_keys_take_many_turns_and_give_one_reply() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let keys: Vec<String> = (0..10_000).map(|number| format!("key{number}")).collect();
        let words = ["COMMAND", "GETKEYS", "DEL"].into_iter().chain(keys.iter().map(String::as_str));
        client.send(encode(words));
        client.send("PING\r\n");
        let texts: Vec<String> = client.value().elements().iter().map(crate::support::Value::text).collect();
        assert_eq!(texts, keys);
        client.expect("+PONG\r\n");
    });
}
