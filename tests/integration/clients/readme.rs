//! README.md's programs do what it says, as they stand there but for the port: an application server in each language and what
//! a browser runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::environment::{frameworks_modules, python};
use crate::support::{DEADLINE, Server, differs_from_oracle};

const README: &str = include_str!("../../../README.md");

/// The program in this language in which this stands, for a server at this port.
fn program(language: &str, with: &str, port: u16) -> String {
    let blocks = README.split("\n```").skip(1).step_by(2);
    let program = blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .find(|program| program.contains(with))
        .unwrap_or_else(|| panic!("README.md has no {language} with {with}"));
    assert_eq!(program.matches("6379").count(), 1);
    program.replace("6379", &port.to_string())
}

/// A program that is running, whose output is read line by line.
struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("start the program");
        let stdout = BufReader::new(process.stdout.take().expect("stdout"));
        let mut stderr = process.stderr.take().expect("stderr");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            // Nobody listens any more when a test has failed.
            let _ = lines.try_for_each(|line| sender.send(line));
        });
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            eprintln!("{}", String::from_utf8_lossy(&text));
        });
        Running { process, lines }
    }

    /// Waits until it prints this line.
    #[track_caller]
    fn until(&self, expected: &str) {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line == expected => return,
                Ok(line) => println!("before {expected:?}: {line}"),
                Err(error) => panic!("{expected:?} was not printed: {error}"),
            }
        }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn its_programs_show_who_is_there() {
    let (Some(python), Some(modules)) = (python(), frameworks_modules()) else { return };
    if differs_from_oracle("Redis does not know who is present") {
        return;
    }
    let mut server = Server::start_restartable();
    let node = |with| {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &modules).arg("-e").arg(program("js", with, server.port));
        Running::start(&mut command)
    };
    let browser = node("phoenix");
    browser.until("");
    let mut in_python =
        Running::start(Command::new(python).arg("-c").arg(program("python", "", server.port)));
    browser.until("ada (1), bob (1)");
    let mut in_node = node("randomUUID");
    browser.until("ada (2), bob (2)");

    server.restart();
    browser.until("ada (2), bob (2)");
    let mut client = server.client();
    client.call("PRESENCE.COUNT lobby", "*1\r\n*2\r\n:2\r\n:4\r\n");
    let metas = client.ask("PRESENCE.GET lobby ada");
    for meta in metas.elements() {
        assert!(
            meta.text().ends_with(r#""device":"phone"}"#) || meta.text().ends_with(r#""device": "phone"}"#)
        );
    }

    client.call("CONFIG SET presence-grace 100", "+OK\r\n");
    in_python.kill();
    browser.until("ada (1), bob (1)");
    in_node.kill();
    browser.until("");
}
