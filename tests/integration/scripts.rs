//! EVAL and its relatives: one script is known, the one with which Laravel broadcasts. What is published with it obeys
//! all that holds of PUBLISH. There are no functions.

use crate::support::{Client, Protocol, Server, both_protocols, differs_from_oracle, encode};

const BROADCAST: &str = "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend";
const DIGEST: &str = "6f799f6e3f4ab9f8b891f6405d5fc1348a6a0595";

/// EVAL of the script with these further arguments.
fn eval(arguments: &[&str]) -> Vec<u8> {
    encode(["EVAL", BROADCAST].iter().chain(arguments))
}

#[track_caller]
fn load(client: &mut Client) {
    client.send(encode(["SCRIPT", "LOAD", BROADCAST]));
    client.expect(format!("$40\r\n{DIGEST}\r\n"));
}

#[test]
fn laravel_broadcasts() {
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("PSUBSCRIBE", "laravel_database_*", 1);
        let mut client = server.speaking(protocol);
        // Byte for byte what phpredis and Predis send for a broadcast to two channels.
        client.send(
            "*6\r\n$4\r\nEVAL\r\n$65\r\nfor i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend\r\n$1\r\n0\r\n\
             $67\r\n{\"event\":\"App\\\\Events\\\\OrderShipped\",\"data\":{\"id\":7},\"socket\":null}\r\n\
             $31\r\nlaravel_database_private-orders\r\n$22\r\nlaravel_database_staff\r\n",
        );
        client.expect(protocol.null());
        let payload = r#"{"event":"App\\Events\\OrderShipped","data":{"id":7},"socket":null}"#;
        for channel in ["laravel_database_private-orders", "laravel_database_staff"] {
            listener.expect_pmessage("laravel_database_*", channel, payload);
        }
        listener.expect_nothing_more();
        client.expect_nothing_more();
    });
}

#[test]
fn the_first_argument_goes_to_each_of_the_others_in_order() {
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        for (count, channel) in ["a", "b", "c"].iter().enumerate() {
            listener.subscribe("SUBSCRIBE", channel, count + 1);
        }
        let mut client = server.speaking(protocol);
        client.send(eval(&["0", "x", "c", "a", "nobody", "a", "b"]));
        client.expect(protocol.null());
        for channel in ["c", "a", "a", "b"] {
            listener.expect_message(channel, "x");
        }
        // Nothing to publish, or nobody to publish it to. Keys are of no use to the script.
        for (arguments, heard) in [
            (&["0"][..], false),
            (&["0", "x"], false),
            (&["2", "a", "b"], false),
            (&["2", "a", "b", "x"], false),
            (&["2", "k", "x", "y", "a"], true),
        ] {
            client.send(eval(arguments));
            client.expect(protocol.null());
            if heard {
                listener.expect_message("a", "y");
            }
            listener.expect_nothing_more();
        }
    });
}

#[test]
fn the_variants_of_the_script() {
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        let windows = BROADCAST.replace('\n', "\r\n");
        let indented = format!("    {}", BROADCAST.replace('\n', "\n    "));
        for (script, digest) in [
            (BROADCAST, DIGEST),
            (&*windows, "42ddae4004bcb33cdf6bc941e217da0f95090cac"),
            (&*indented, "c282db1ef9c4d114be646b16f5b8988de35e1563"),
        ] {
            client.send(encode(["SCRIPT", "LOAD", script]));
            client.expect(format!("$40\r\n{digest}\r\n"));
            client.send(encode(["EVAL", script, "0", "text", "a"]));
            client.expect(protocol.null());
            listener.expect_message("a", "text");
            client.call(&format!("EVALSHA {digest} 0 digest a"), protocol.null());
            listener.expect_message("a", "digest");
        }
        listener.expect_nothing_more();
    });
}

#[test]
fn a_loaded_script_is_known_by_its_digest() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        load(&mut client);
        let unknown = "f".repeat(40);
        let upper = DIGEST.to_uppercase();
        client.call(&format!("SCRIPT EXISTS {DIGEST} {unknown} {upper} x"), "*4\r\n:1\r\n:0\r\n:1\r\n:0\r\n");
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        client.call(&format!("EVALSHA {upper} 0 x a"), protocol.null());
        listener.expect_message("a", "x");
        for digest in [&*unknown, "x", ""] {
            client.call(
                &format!("EVALSHA {digest} 0 x a"),
                "-NOSCRIPT No matching script. Please use EVAL.\r\n",
            );
        }
        listener.expect_nothing_more();
    });
}

#[test]
fn the_script_is_built_in() {
    if differs_from_oracle("Redis knows what was loaded, until it is flushed") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call(&format!("EVALSHA {DIGEST} 0 x a"), protocol.null());
        client.call("SCRIPT FLUSH", "+OK\r\n");
        client.call(&format!("SCRIPT EXISTS {DIGEST}"), "*1\r\n:1\r\n");
    });
}

#[test]
fn no_other_script_is_known() {
    if differs_from_oracle("Redis has an interpreter") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.command_of(&[b"EVAL", b"return 1", b"0"]);
        client.expect("-ERR unknown command 'EVAL', with args beginning with: 'return 1' '0' \r\n");
        client.command_of(&[b"script", b"load", b"return 1"]);
        client.expect("-ERR unknown command 'script', with args beginning with: 'load' 'return 1' \r\n");
        // Nearly is not enough: it could be another one.
        client.send(encode(["EVAL", &format!("{BROADCAST} return 1"), "0"]));
        assert!(client.read_line().starts_with(b"-ERR unknown command 'EVAL'"));
        client.call("EVAL_RO x 0", "-ERR unknown command 'EVAL_RO', with args beginning with: 'x' '0' \r\n");
    });
}

#[test]
fn the_number_of_keys() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let digest = "f".repeat(40);
        for name in ["EVAL x".to_owned(), format!("EVALSHA {digest}")] {
            for (number, error) in [
                ("x", "value is not an integer or out of range"),
                ("1.5", "value is not an integer or out of range"),
                ("99999999999999999999", "value is not an integer or out of range"),
                ("-1", "Number of keys can't be negative"),
                ("1", "Number of keys can't be greater than number of args"),
                ("9223372036854775807", "Number of keys can't be greater than number of args"),
                ("3 a b", "Number of keys can't be greater than number of args"),
            ] {
                client.call(&format!("{name} {number}"), format!("-ERR {error}\r\n"));
            }
        }
        // What cannot be a digest is not looked at any further.
        client.call("EVALSHA x -1", "-NOSCRIPT No matching script. Please use EVAL.\r\n");
        for (line, name) in [("EVAL", "eval"), ("EVAL x", "eval"), ("EVALSHA x", "evalsha")] {
            client.call(line, format!("-ERR wrong number of arguments for '{name}' command\r\n"));
        }
    });
}

#[test]
fn who_publishes_to_itself_gets_the_reply_first() {
    if differs_from_oracle("7.0 sends the message before the reply") {
        return;
    }
    let server = Server::start();
    let mut client = server.speaking(Protocol::Resp3);
    client.subscribe("SUBSCRIBE", "a", 1);
    client.send(eval(&["0", "x", "a", "a"]));
    client.expect("_\r\n");
    client.expect_message("a", "x");
    client.expect_message("a", "x");
    client.send("MULTI\r\n");
    client.send(eval(&["0", "y", "a"]));
    client.send("PING\r\nEXEC\r\n");
    client.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n_\r\n+PONG\r\n");
    client.expect_message("a", "y");
    client.expect_nothing_more();
}

#[test]
fn in_subscribed_mode_it_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    client.subscribe("SUBSCRIBE", "a", 1);
    client.send(eval(&["0", "x", "a"]));
    client.expect(
        "-ERR Can't execute 'eval': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context\r\n",
    );
    client.expect_nothing_more();
}

/// More than is published in one turn.
const MANY: usize = 10_000;

#[test]
fn one_message_to_many_channels() {
    both_protocols(|server, protocol| {
        let names: Vec<String> = (0..MANY).map(|number| format!("channel-{number}")).collect();
        let mut listener = server.speaking(protocol);
        listener.command(&format!("SUBSCRIBE {}", names.join(" ")));
        for (index, name) in names.iter().enumerate() {
            listener.expect_confirmation("subscribe", name, index + 1);
        }
        let mut publisher = server.speaking(protocol);
        let arguments: Vec<&str> = ["0", "x"].into_iter().chain(names.iter().map(String::as_str)).collect();
        publisher.send(eval(&arguments));
        publisher.send("MULTI\r\n");
        publisher.send(eval(&arguments));
        publisher.send("PING\r\nEXEC\r\nPUBLISH channel-0 last\r\n");
        let null = protocol.null();
        publisher.expect(format!("{null}+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n{null}+PONG\r\n:1\r\n"));
        for name in names.iter().chain(&names) {
            listener.expect_message(name, "x");
        }
        listener.expect_message("channel-0", "last");
        listener.expect_nothing_more();
    });
}

#[test]
fn a_large_message_to_several_channels() {
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        listener.subscribe("SUBSCRIBE", "b", 2);
        let payload = "x".repeat(1_000_000);
        let mut client = server.speaking(protocol);
        client.send(eval(&["0", &payload, "a", "b", "a"]));
        client.expect(protocol.null());
        for channel in ["a", "b", "a"] {
            listener.expect_message(channel, &payload);
        }
        listener.expect_nothing_more();
    });
}

#[test]
fn a_channel_that_is_too_long_refuses_all() {
    if differs_from_oracle("max-channel-length is ours") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.send(eval(&["0", "x", "a", &"c".repeat(4097)]));
        client.expect("-ERR channel name is longer than 4096 bytes (max-channel-length)\r\n");
        listener.expect_nothing_more();
    });
}

#[test]
fn script() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["SCRIPT FLUSH", "SCRIPT FLUSH SYNC", "SCRIPT FLUSH async"] {
            client.call(line, "+OK\r\n");
        }
        for (line, error) in [
            ("SCRIPT FLUSH x", "ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
            ("SCRIPT FLUSH SYNC x", "ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
            ("SCRIPT KILL", "NOTBUSY No scripts in execution right now."),
            ("SCRIPT KILL x", "ERR wrong number of arguments for 'script|kill' command"),
            ("SCRIPT EXISTS", "ERR wrong number of arguments for 'script|exists' command"),
            ("SCRIPT LOAD", "ERR wrong number of arguments for 'script|load' command"),
            ("SCRIPT LOAD a b", "ERR wrong number of arguments for 'script|load' command"),
            ("SCRIPT HELP x", "ERR wrong number of arguments for 'script|help' command"),
            ("SCRIPT", "ERR wrong number of arguments for 'script' command"),
            ("SCRIPT NoSuch", "ERR unknown subcommand 'NoSuch'. Try SCRIPT HELP."),
        ] {
            client.call(line, format!("-{error}\r\n"));
        }
        let help = client.ask("SCRIPT HELP");
        assert_eq!(
            help.elements()[0].text(),
            "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        );
    });
}

#[test]
fn function() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["FUNCTION FLUSH", "FUNCTION FLUSH SYNC", "FUNCTION FLUSH async"] {
            client.call(line, "+OK\r\n");
        }
        for line in ["FUNCTION LIST", "FUNCTION LIST withcode", "FUNCTION LIST LIBRARYNAME * WITHCODE"] {
            client.call(line, "*0\r\n");
        }
        for (line, error) in [
            ("FUNCTION FLUSH x", "FUNCTION FLUSH only supports SYNC|ASYNC option"),
            (
                "FUNCTION FLUSH SYNC x",
                "unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.",
            ),
            ("FUNCTION LIST x", "Unknown argument x"),
            ("FUNCTION LIST LIBRARYNAME", "library name argument was not given"),
            ("FUNCTION LIST LIBRARYNAME a LIBRARYNAME b", "Unknown argument LIBRARYNAME"),
            ("FUNCTION LIST WITHCODE WITHCODE", "Unknown argument WITHCODE"),
            ("FUNCTION HELP x", "wrong number of arguments for 'function|help' command"),
            ("FUNCTION", "wrong number of arguments for 'function' command"),
            ("FUNCTION NoSuch", "unknown subcommand 'NoSuch'. Try FUNCTION HELP."),
        ] {
            client.call(line, format!("-ERR {error}\r\n"));
        }
        let help = client.ask("FUNCTION HELP");
        assert_eq!(
            help.elements()[0].text(),
            "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        );
    });
}
