//! README.md's programs do what it says, as they stand there but for the port: an application server in each language and what
//! a browser runs.

use std::process::Command;

use super::environment::{frameworks_modules, python};
use crate::support::{Running, Server, differs_from_oracle};

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

/// Waits until it prints this line.
#[track_caller]
fn until(program: &Running, expected: &str) {
    loop {
        let line = program.line().unwrap_or_else(|| panic!("it has ended and did not print {expected:?}"));
        if line == expected {
            return;
        }
        println!("before {expected:?}: {line}");
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
    until(&browser, "");
    let mut in_python =
        Running::start(Command::new(python).arg("-c").arg(program("python", "", server.port)));
    until(&browser, "ada (1), bob (1)");
    let mut in_node = node("randomUUID");
    until(&browser, "ada (2), bob (2)");

    server.restart();
    until(&browser, "ada (2), bob (2)");
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
    until(&browser, "ada (1), bob (1)");
    in_node.kill();
    until(&browser, "");
}
