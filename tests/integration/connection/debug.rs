//! DEBUG: who may, and what the suites of others use.

use crate::support::{Protocol, Server, both_protocols_with, differs_from_oracle, eventually};

const ALLOWED: &[&str] = &["--enable-debug-command", "yes"];

const NOT_ALLOWED: &str = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you \
                           can run it from a local connection, otherwise you need to set this option in the \
                           configuration file, and then restart the server.\r\n";

#[test]
fn it_is_off_unless_switched_on() {
    both_protocols_with(&["--enable-debug-command", "no"], |server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["DEBUG SLEEP 0", "DEBUG HELP", "DEBUG NOSUCH", "debug protocol string x"] {
            client.call(line, NOT_ALLOWED);
        }
        client.call("DEBUG", "-ERR wrong number of arguments for 'debug' command\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("DEBUG SLEEP 0", NOT_ALLOWED);
        client.call("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    });
}

#[test]
fn local_clients_may_when_they_are_to() {
    both_protocols_with(&["--enable-debug-command", "local"], |server, protocol| {
        server.speaking(protocol).call("DEBUG ERROR x", "-x\r\n");
    });
}

#[test]
fn that_it_is_off_is_said_to_strangers_too() {
    let server = Server::start_with(&["--enable-debug-command", "no", "--requirepass", "secret"]);
    let mut client = server.client();
    client.call("DEBUG HELP", NOT_ALLOWED);
    let server = Server::start_with(&["--enable-debug-command", "yes", "--requirepass", "secret"]);
    server.client().call("DEBUG HELP", "-NOAUTH Authentication required.\r\n");
}

#[test]
fn a_value_of_each_type() {
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut client = server.speaking(protocol);
        for (kind, resp2, resp3) in [
            ("string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"),
            ("integer", ":12345\r\n", ":12345\r\n"),
            ("double", "$5\r\n3.141\r\n", ",3.141\r\n"),
            (
                "bignum",
                "$37\r\n1234567999999999999999999999999999999\r\n",
                "(1234567999999999999999999999999999999\r\n",
            ),
            ("null", "$-1\r\n", "_\r\n"),
            ("array", "*3\r\n:0\r\n:1\r\n:2\r\n", "*3\r\n:0\r\n:1\r\n:2\r\n"),
            ("set", "*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"),
            (
                "map",
                "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
                "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
            ),
            (
                "attrib",
                "$39\r\nSome real reply following the attribute\r\n",
                "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n\
                 $39\r\nSome real reply following the attribute\r\n",
            ),
            (
                "push",
                "-ERR RESP2 is not supported by this command\r\n",
                ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n",
            ),
            (
                "verbatim",
                "$25\r\nThis is a verbatim\nstring\r\n",
                "=29\r\ntxt:This is a verbatim\nstring\r\n",
            ),
            ("true", ":1\r\n", "#t\r\n"),
            ("false", ":0\r\n", "#f\r\n"),
        ] {
            let reply = if protocol == Protocol::Resp2 { resp2 } else { resp3 };
            client.call(&format!("DEBUG PROTOCOL {kind}"), reply);
            client.call(&format!("debug protocol {}", kind.to_uppercase()), reply);
        }
        client.call(
            "DEBUG PROTOCOL nosuch",
            "-ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n",
        );
    });
}

#[test]
fn an_error_of_any_text() {
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("DEBUG ERROR MYERR", "-MYERR\r\n");
        client.command_of(&[b"DEBUG", b"ERROR", b"CODE of\r\n+two lines"]);
        client.expect("-CODE of  +two lines\r\n");
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn what_there_is_nothing_to_do_for() {
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut client = server.speaking(protocol);
        for line in [
            "PAUSE-CRON 1",
            "PAUSE-CRON 0",
            "REPLYBUFFER PEAK-RESET-TIME NEVER",
            "REPLYBUFFER PEAK-RESET-TIME reset",
            "REPLYBUFFER PEAK-RESET-TIME 100",
            "REPLYBUFFER RESIZING 0",
            "SET-ACTIVE-EXPIRE 0",
            "SET-DISABLE-DENY-SCRIPTS 1",
            "LOG hello",
        ] {
            client.call(&format!("DEBUG {line}"), "+OK\r\n");
        }
        client
            .call("DEBUG REPLYBUFFER PEAK-RESET-TIME x", "-ERR value is not an integer or out of range\r\n");
        server.wait_for_log(|line| line.ends_with("DEBUG LOG: hello"));
    });
}

#[test]
fn resizing_of_dictionaries() {
    if differs_from_oracle("7.0 does not know DICT-RESIZING") {
        return;
    }
    both_protocols_with(ALLOWED, |server, protocol| {
        server.speaking(protocol).call("DEBUG DICT-RESIZING 0", "+OK\r\n");
    });
}

#[test]
fn what_it_does_not_know() {
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut client = server.speaking(protocol);
        for line in [
            "NOSUCH",
            "JMAP",
            "SLEEP",
            "SLEEP 0 0",
            "PROTOCOL",
            "ERROR",
            "ERROR a b",
            "LOG",
            "PAUSE-CRON",
            "REPLYBUFFER",
            "REPLYBUFFER RESIZING",
            "REPLYBUFFER NOSUCH 1",
            "HELP x",
        ] {
            let name = line.split(' ').next().unwrap();
            client.call(
                &format!("DEBUG {line}"),
                format!(
                    "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP.\r\n"
                ),
            );
        }
        let help = client.ask("DEBUG HELP");
        assert_eq!(
            help.elements()[0].text(),
            "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        );
    });
}

#[test]
fn what_follows_a_sleep_comes_after_it() {
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut client = server.speaking(protocol);
        client.send(
            "DEBUG SLEEP 0.05\r\nPING\r\nMULTI\r\nPING x\r\nDEBUG SLEEP 0.01\r\nPING y\r\nEXEC\r\nPING\r\n",
        );
        client.expect("+OK\r\n+PONG\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
        client.expect("*3\r\n$1\r\nx\r\n+OK\r\n$1\r\ny\r\n+PONG\r\n");
        // What is no number is none.
        for seconds in ["x", "-1", "nan", "0", ""] {
            client.call(&format!("DEBUG SLEEP {seconds}"), "+OK\r\n");
        }
    });
}

#[test]
fn others_go_on_while_one_sleeps() {
    if differs_from_oracle("Redis sleeps as a whole") {
        return;
    }
    for seconds in ["3600", "1e18"] {
        both_protocols_with(ALLOWED, |server, protocol| {
            let mut sleeper = server.speaking(Protocol::Resp3);
            sleeper.subscribe("SUBSCRIBE", "a", 1);
            sleeper.call("CLIENT SETNAME sleeper", "+OK\r\n");
            sleeper.command(&format!("DEBUG SLEEP {seconds}"));
            sleeper.send("PING\r\n");
            let mut other = server.speaking(protocol);
            eventually("it sleeps", || {
                let list = other.ask("CLIENT LIST").text();
                list.lines().any(|line| line.contains(" name=sleeper ") && line.contains(" cmd=debug "))
            });
            // It hears what is published meanwhile, and can be ended.
            other.call("PUBLISH a x", ":1\r\n");
            sleeper.expect_message("a", "x");
            other.call("CLIENT KILL TYPE pubsub", ":1\r\n");
            sleeper.expect_closed();
            other.call("PUBLISH a x", ":0\r\n");
        });
    }
}

#[test]
fn who_leaves_while_asleep_is_gone_at_once() {
    if differs_from_oracle("Redis sleeps as a whole") {
        return;
    }
    both_protocols_with(ALLOWED, |server, protocol| {
        let mut other = server.client();
        let mut sleepers = || {
            let list = other.ask("CLIENT LIST").text();
            list.lines().filter(|line| line.contains(" cmd=debug ")).count()
        };
        let mut sleeper = server.speaking(protocol);
        sleeper.command("DEBUG SLEEP 3600");
        eventually("it sleeps", || sleepers() == 1);
        drop(sleeper);
        eventually("it is gone", || sleepers() == 0);
    });
}
