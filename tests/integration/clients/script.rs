//! Runs a script that uses a client library, and does what it asks for.
//!
//! A script prints what it is about to check. The line `restart` asks that the server be killed and started again; the
//! answer is `restarted`. It succeeds when its exit code is 0.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::environment::scripts;
use crate::support::Server;

/// How long a script may take, many times what it does; each of its waits has an end of its own.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a script with this Python, if there is one; `words` are its first arguments.
#[track_caller]
pub(super) fn run_python(interpreter: Option<PathBuf>, script: &str, words: &[&str], protocol: &str) {
    if let Some(mut command) = python_script(interpreter, script, words) {
        run_script(&mut command, protocol);
    }
}

/// Runs a script with Node and the libraries in this directory, if there are any; `words` are its first arguments.
#[track_caller]
pub(super) fn run_node(modules: Option<PathBuf>, script: &str, words: &[&str], protocol: &str) {
    if let Some(mut command) = node(modules, script, words) {
        run_script(&mut command, protocol);
    }
}

/// A script with this Python, if there is one; `words` are its first arguments.
pub(super) fn python_script(interpreter: Option<PathBuf>, script: &str, words: &[&str]) -> Option<Command> {
    let mut command = Command::new(interpreter?);
    // Nothing is to be left beside the scripts.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(scripts().join(script)).args(words);
    Some(command)
}

/// A script with Node and the libraries in this directory, if there are any; `words` are its first arguments.
pub(super) fn node(modules: Option<PathBuf>, script: &str, words: &[&str]) -> Option<Command> {
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules?).arg(scripts().join(script)).args(words);
    Some(command)
}

/// Runs a script against a server of its own; the arguments that follow are the port and the protocol.
#[track_caller]
pub(super) fn run_script(command: &mut Command, protocol: &str) {
    run_script_against(Server::start_restartable(), command, protocol);
}

/// The same against this server, which must be a [restartable](Server::start_restartable) one if the script has it restarted.
#[track_caller]
pub(super) fn run_script_against(mut server: Server, command: &mut Command, protocol: &str) {
    command.args([&server.port.to_string(), protocol]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("start the script");
    let mut input = process.stdin.take().expect("stdin");
    let output = process.stdout.take().expect("stdout");
    let mut errors = process.stderr.take().expect("stderr");
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    let deadline = Instant::now() + PATIENCE;
    let mut printed = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if line == "restart" {
                    server.restart();
                    input.write_all(b"restarted\n").expect("answer the script");
                }
                printed.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = process.kill();
                printed.push(format!("not done after {PATIENCE:?}"));
                break;
            }
        }
    }
    let status = process.wait().expect("wait for the script");
    let errors = errors.join().expect("read the errors");
    assert!(status.success(), "{command:?}: {status}\n{}\n{errors}", printed.join("\n"));
}
