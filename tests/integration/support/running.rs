//! A program that runs while the test goes on: what it prints, line by line, and its end with the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::DEADLINE;

pub(crate) struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    /// What it says of errors the test prints when it has ended.
    pub(crate) fn start(command: &mut Command) -> Running {
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
            eprint!("{}", String::from_utf8_lossy(&text));
        });
        Running { process, lines }
    }

    /// The next line that it prints; nothing when it has ended.
    #[track_caller]
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("another line, or the end, did not come in {DEADLINE:?}")
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
