//! The log, as those who watch it see it.

use std::process::Command;

use rustix::process::Signal;

use crate::support::{Directory, Server, differs_from_oracle, eventually};

const OURS: &str = "its log has other lines";

/// A server that logs to a file, which `--port auto` is then read from.
fn logging_to(file: &str) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    command.args(["--port", "auto", "--logfile", file]);
    let server = Server::spawn(&mut command);
    eventually("it is ready", || read(file).contains("Ready to accept connections tcp port="));
    server
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn sighup_opens_the_file_again() {
    if differs_from_oracle(OURS) {
        return;
    }
    let directory = Directory::new("logrotate");
    let (file, rotated) = (directory.file("log"), directory.file("log.1"));
    let mut server = logging_to(&file);
    std::fs::rename(&file, &rotated).unwrap();
    server.signal(Signal::HUP);
    eventually("the file is there again", || read(&file).contains("logfile"));
    assert!(read(&file).contains(&format!("* Received SIGHUP: logfile {file} is opened again\n")));
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(read(&file).contains("bye bye") && !read(&rotated).contains("bye bye"));
    eventually("both outputs end", || server.log().len() == 2);
    assert!(server.log().iter().all(|line| line == "(end of output)"), "{:?}", server.log());
}

#[test]
fn sighup_without_a_file_says_that_there_is_none() {
    if differs_from_oracle("SIGHUP does nothing") {
        return;
    }
    let server = Server::start();
    server.signal(Signal::HUP);
    server.wait_for_log(|line| {
        line.ends_with("* Received SIGHUP: nothing to do, as there is no logfile to open again")
    });
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn a_file_that_cannot_be_had_is_named_with_what_to_do() {
    if differs_from_oracle(OURS) {
        return;
    }
    let directory = Directory::new("nolog");
    let file = directory.file("missing/log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    let mut server = Server::spawn(command.args(["--port", "auto", "--logfile", &file]));
    assert_eq!(server.wait_for_exit().code(), Some(1));
    let line =
        server.wait_for_log(|line| line.starts_with(&format!("logfile {file}: No such file or directory")));
    assert!(line.contains(&format!("The directory {} must exist", directory.file("missing"))), "{line}");
    assert!(line.ends_with("log to standard output with logfile \"\""), "{line}");
    // A name alone is in the working directory, which is named then.
    std::fs::create_dir(directory.file("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    command.args(["--port", "auto", "--logfile", "log", "--dir", &directory.file(".")]);
    let mut server = Server::spawn(&mut command);
    assert_eq!(server.wait_for_exit().code(), Some(1));
    let line = server.wait_for_log(|line| line.starts_with("logfile log: Is a directory"));
    let here = directory.file("");
    assert!(line.contains(&format!("The directory {} must exist", here.trim_end_matches('/'))), "{line}");
}

#[test]
fn verbose_tells_of_each_connection() {
    let server = Server::start_with(&["--loglevel", "verbose"]);
    let mut client = server.client();
    let address = client.address();
    let id = client.ask("CLIENT ID").integer();
    server.wait_for_log(|line| line.contains(&format!(" - Accepted {address}")));
    drop(client);
    let closed = format!(" - Client closed connection id={id} addr={address} ");
    server.wait_for_log(|line| line.contains(&closed));
    let mut killed = server.client();
    let id = killed.ask("CLIENT ID").integer();
    server.client().call(&format!("CLIENT KILL ID {id}"), ":1\r\n");
    killed.expect_closed();
    if !differs_from_oracle("it does not tell of those") {
        let closing = format!(" - Closing client connection (Killed) id={id} addr=");
        server.wait_for_log(|line| line.contains(&closing));
    }
}

#[test]
fn by_default_connections_are_not_logged() {
    let mut server = Server::start();
    for _ in 0..3 {
        server.client().call("QUIT", "+OK\r\n");
        server.client().call("PING", "+PONG\r\n");
    }
    server.signal(Signal::TERM);
    server.wait_for_exit();
    server.wait_for_log(|line| line.contains("bye bye"));
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("Accepted") || line.contains("onnection id=")), "{log:#?}");
}

#[test]
fn json_goes_to_standard_output_or_to_the_file() {
    if differs_from_oracle("it has none") {
        return;
    }
    let directory = Directory::new("json");
    let file = directory.file("log");
    for to_file in [false, true] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
        command.args([
            "--port",
            "auto",
            "--log-format",
            "json",
            "--save",
            "60 1",
            "--replicaof",
            "127.0.0.1",
            "1",
        ]);
        if to_file {
            command.args(["--logfile", &file]);
        }
        let server = Server::spawn(&mut command);
        let is_ready = |line: &str| line.contains("Ready to accept connections tcp");
        let lines = if to_file {
            eventually("it is ready", || is_ready(&read(&file)));
            read(&file).lines().map(String::from).collect()
        } else {
            server.wait_for_log(is_ready);
            server.log()
        };
        let lines: Vec<serde_json::Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect();
        let said = |level: &str, message: &str| {
            lines
                .iter()
                .any(|line| line["level"] == level && line["message"].as_str().unwrap().contains(message))
        };
        assert!(said("INFO", "'save' has no meaning here"), "{lines:#?}");
        assert!(said("WARN", "'replicaof 127.0.0.1 1' is not done"), "{lines:#?}");
        assert!(lines.last().unwrap()["port"].as_u64().unwrap() > 0);
    }
}
