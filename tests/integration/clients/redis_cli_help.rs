//! redis-cli on a terminal: its `help` and its hints are what COMMAND DOCS says.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{DEADLINE, Server, differs_from_oracle, installed};

/// redis-cli on a terminal of its own.
struct Terminal {
    process: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    prompt: String,
    /// What has come since the last key, control sequences included: one may come in two pieces.
    output: Vec<u8>,
}

impl Terminal {
    fn start(server: &Server) -> Terminal {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&control).expect("grant");
        unlockpt(&control).expect("unlock");
        // Without a size redis-cli asks the terminal for it, and nobody would answer.
        let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&control, size).expect("window size");
        let name = ptsname(&control, Vec::new()).expect("its name");
        let end = || {
            Stdio::from(File::options().read(true).write(true).open(name.to_str().unwrap()).expect("open"))
        };
        let process = Command::new("redis-cli")
            .args(["-p", &server.port.to_string()])
            .envs([("TERM", "xterm"), ("REDISCLI_HISTFILE", "/dev/null"), ("REDISCLI_RCFILE", "/dev/null")])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("start redis-cli");
        let keyboard = File::from(control);
        let mut output = keyboard.try_clone().expect("a second handle");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // The end is an error: the other side is closed.
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let prompt = format!("127.0.0.1:{}> ", server.port);
        let mut terminal = Terminal { process, keyboard, screen, prompt: prompt.clone(), output: Vec::new() };
        terminal.wait_for(&prompt, 0);
        terminal
    }

    /// Types keys. The prompt has been awaited: what is typed before it is lost.
    fn press(&mut self, keys: &str) {
        self.output.clear();
        self.keyboard.write_all(keys.as_bytes()).expect("type");
    }

    /// Waits until this is shown behind the first `skip` bytes, and returns all that is shown there.
    #[track_caller]
    fn wait_for(&mut self, text: &str, skip: usize) -> String {
        loop {
            let shown = without_controls(&String::from_utf8_lossy(&self.output));
            if let Some(rest) = shown.get(skip..).filter(|rest| rest.contains(text)) {
                return rest.to_owned();
            }
            let bytes = self.screen.recv_timeout(DEADLINE);
            self.output.extend(bytes.unwrap_or_else(|_| panic!("{text:?} is not shown, but {shown}")));
        }
    }

    /// Types a line, and returns what is shown up to the next prompt.
    #[track_caller]
    fn ask(&mut self, line: &str) -> String {
        self.press(&format!("{line}\r"));
        // The line, with the prompt, is shown again at each key; what it is answered stands in the lines below.
        let typed = self.wait_for("\r\n", 0).find("\r\n").unwrap();
        let prompt = self.prompt.clone();
        self.wait_for(&prompt, typed)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Leaves out `ESC [ ... letter`.
fn without_controls(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shown, piece| {
        let end =
            piece.find(|character: char| character.is_ascii_alphabetic()).map_or(piece.len(), |end| end + 1);
        shown + &piece[end..]
    })
}

#[test]
fn help_of_our_command_and_of_redis_own() {
    if !installed("redis-cli") || differs_from_oracle("our own words") {
        return;
    }
    let server = Server::start();
    let mut terminal = Terminal::start(&server);
    let help = terminal.ask("help mpublish");
    assert!(help.contains("MPUBLISH message channel [channel ...]"), "{help}");
    assert!(help.contains("Posts one message to several channels."), "{help}");
    let help = terminal.ask("help client setname");
    assert!(help.contains("CLIENT SETNAME connection-name"), "{help}");
    let help = terminal.ask("help zadd");
    assert!(!help.contains("summary"), "what is not served is not explained: {help}");
}

#[test]
fn help_of_a_group() {
    if !installed("redis-cli") || differs_from_oracle("our own words") {
        return;
    }
    let server = Server::start();
    let help = Terminal::start(&server).ask("help @pubsub");
    for command in
        ["MPUBLISH message", "PUBLISH channel message", "SUBSCRIBE channel [channel ...]", "PUBSUB NUMPAT"]
    {
        assert!(help.contains(command), "{command} is not in {help}");
    }
}

#[test]
fn hints_while_typing() {
    if !installed("redis-cli") || differs_from_oracle("MPUBLISH is ours") {
        return;
    }
    let server = Server::start();
    let mut terminal = Terminal::start(&server);
    terminal.press("mpublish ");
    terminal.wait_for("mpublish message channel [channel ...]", 0);
    // Ctrl-U: an empty line.
    terminal.press("\x15hello ");
    terminal.wait_for("hello [protover [AUTH username password] [SETNAME clientname]]", 0);
}
