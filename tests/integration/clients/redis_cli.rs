//! redis-cli: the first client that anybody tries.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{Protocol, Server, both_protocols, eventually, installed};

/// A running redis-cli whose output is read line by line.
struct Cli {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Cli {
    #[track_caller]
    fn start(server: &Server, protocol: Protocol, arguments: &[&str]) -> Cli {
        let mut process = command(server, protocol, arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start redis-cli");
        let lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        Cli { process, lines }
    }

    #[track_caller]
    fn expect_lines(&mut self, expected: &[&str]) {
        for expected in expected {
            let line = self.lines.next().expect("another line").expect("text");
            assert_eq!(line, *expected);
        }
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(server: &Server, protocol: Protocol, arguments: &[&str]) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &server.port.to_string()]);
    if protocol == Protocol::Resp3 {
        command.arg("-3");
    }
    command.args(arguments);
    command
}

/// What redis-cli prints for a command, fed from a pipe where there is input.
#[track_caller]
fn output(server: &Server, protocol: Protocol, arguments: &[&str], input: &str) -> String {
    let mut process = command(server, protocol, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start redis-cli");
    process.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("write");
    let output = process.wait_with_output().expect("output");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn subscribe_and_publish() {
    if !installed("redis-cli") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut subscriber = Cli::start(server, protocol, &["subscribe", "news", "weather"]);
        subscriber.expect_lines(&["subscribe", "news", "1", "subscribe", "weather", "2"]);
        assert_eq!(output(server, protocol, &["publish", "news", "hello world"], ""), "1\n");
        assert_eq!(output(server, protocol, &["publish", "nobody", "x"], ""), "0\n");
        assert_eq!(output(server, protocol, &["publish", "weather", "rain"], ""), "1\n");
        subscriber.expect_lines(&["message", "news", "hello world", "message", "weather", "rain"]);
    });
}

#[test]
fn patterns() {
    if !installed("redis-cli") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut subscriber = Cli::start(server, protocol, &["psubscribe", "news.*"]);
        subscriber.expect_lines(&["psubscribe", "news.*", "1"]);
        assert_eq!(output(server, protocol, &["publish", "news.uk", "hello"], ""), "1\n");
        subscriber.expect_lines(&["pmessage", "news.*", "news.uk", "hello"]);
    });
}

#[test]
fn commands_from_a_pipe() {
    if !installed("redis-cli") {
        return;
    }
    both_protocols(|server, protocol| {
        let input = "PING\nECHO \"a\\nb\"\nPUBLISH a 'x y'\nPUBSUB NUMSUB a\nNOSUCH a\n";
        let printed = output(server, protocol, &[], input);
        let expected =
            "PONG\na\nb\n0\na\n0\nERR unknown command 'NOSUCH', with args beginning with: 'a' \n\n";
        assert_eq!(printed, expected);
    });
}

#[test]
fn mass_insertion() {
    if !installed("redis-cli") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut listener = server.speaking(protocol);
        listener.subscribe("SUBSCRIBE", "a", 1);
        let input = "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$1\r\nx\r\n".repeat(10_000);
        let printed = output(server, protocol, &["--pipe"], &input);
        assert!(printed.ends_with("errors: 0, replies: 10000\n"), "{printed}");
        for _ in 0..10_000 {
            listener.expect_message("a", "x");
        }
    });
}

#[test]
fn info_and_help_are_readable() {
    if !installed("redis-cli") {
        return;
    }
    both_protocols(|server, protocol| {
        let info = output(server, protocol, &["info", "server"], "");
        assert!(info.contains("redis_version:") && info.starts_with("# Server"), "{info}");
        let list = output(server, protocol, &["client", "list"], "");
        assert!(list.starts_with("id="), "{list}");
        let help = output(server, protocol, &["pubsub", "help"], "");
        assert!(help.starts_with("PUBSUB <subcommand>"), "{help}");
    });
}

#[test]
fn shutdown() {
    if !installed("redis-cli") {
        return;
    }
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut server = Server::start();
        assert_eq!(output(&server, protocol, &["shutdown"], ""), "");
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn a_password_on_the_command_line() {
    if !installed("redis-cli") {
        return;
    }
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let server = Server::start_with(&["--requirepass", "secret"]);
        assert_eq!(output(&server, protocol, &["-a", "secret", "--no-auth-warning", "ping"], ""), "PONG\n");
        let with_user = ["--user", "default", "-a", "secret", "--no-auth-warning", "-n", "3", "ping"];
        assert_eq!(output(&server, protocol, &with_user, ""), "PONG\n");
    }
}

#[test]
fn a_subscriber_that_is_killed_ends() {
    if !installed("redis-cli") {
        return;
    }
    let server = Server::start();
    let mut subscriber = Cli::start(&server, Protocol::Resp2, &["subscribe", "news"]);
    subscriber.expect_lines(&["subscribe", "news", "1"]);
    let mut client = server.client();
    client.call("CLIENT KILL TYPE pubsub", ":1\r\n");
    assert!(subscriber.lines.next().is_none(), "it ends and says nothing more on its output");
    eventually("nobody is subscribed", || client.ask("PUBLISH news x").integer() == 0);
}
