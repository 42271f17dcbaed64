//! A server process of its own for each test, ended when the test ends. Usually our binary; with
//! `HEREABOUTS_TEST_ORACLE=/usr/bin/redis-server` (or `host:port` of a running one, for the tests that give no flags) it
//! is Redis itself, which tells whether what the tests expect is true.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, ToSocketAddrs};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};

use super::{Client, DEADLINE, Protocol, eventually};

pub(crate) struct Server {
    /// Nothing when the oracle is a running server.
    process: Option<Child>,
    host: String,
    pub(crate) port: u16,
    log: Arc<Log>,
}

/// What the process printed so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grew: Condvar,
}

impl Log {
    /// Waits for a line; nothing when the process has ended without it or the time is up.
    fn wait_for(&self, matches: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.lines.lock();
        loop {
            if let Some(line) = lines.iter().find(|line| matches(line)) {
                return Some(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // Both pipes have one; lines of one may still come when the other has ended.
            let ended = lines.iter().filter(|line| *line == END_OF_OUTPUT).count() == 2;
            if left.is_zero() || ended {
                return None;
            }
            self.grew.wait_for(&mut lines, left);
        }
    }
}

/// What `HEREABOUTS_TEST_ORACLE` says.
pub(crate) fn oracle() -> Option<String> {
    std::env::var("HEREABOUTS_TEST_ORACLE").ok().filter(|value| !value.is_empty())
}

/// A port that nothing listens on at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    listener.local_addr().expect("local address").port()
}

impl Server {
    #[track_caller]
    pub(crate) fn start() -> Server {
        Server::start_with(&[])
    }

    #[track_caller]
    pub(crate) fn start_with(flags: &[&str]) -> Server {
        match oracle() {
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
                command.args(["--port", "auto"]).args(flags);
                Server::run(command)
            }
            Some(address) if address.to_socket_addrs().is_ok() => {
                assert!(flags.is_empty(), "a running oracle cannot be given flags");
                let (host, port) = address.rsplit_once(':').expect("host:port");
                let port = port.parse().expect("a port number");
                Server { process: None, host: host.to_owned(), port, log: Arc::default() }
            }
            Some(path) => {
                let mut command = Command::new(path);
                let port = free_port().to_string();
                command.args(["--port", &port, "--save", "", "--enable-debug-command", "yes"]).args(flags);
                Server::run(command)
            }
        }
    }

    /// A server that can be restarted: on a port below those that the system gives out by itself, so that nothing is given
    /// its port while it is down.
    #[track_caller]
    pub(crate) fn start_restartable() -> Server {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Tests of two processes begin at different places; if they meet all the same, the next port is taken.
        let first = 16_000 + (std::process::id() % 1000) as u16 * 16;
        for _ in 0..1000 {
            let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
            if let Some(server) = Server::start_at(port) {
                return server;
            }
        }
        panic!("no port is free");
    }

    /// Kills the server and starts it again on the same port.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = self.port;
        eventually("the port is free", || {
            let again = Server::start_at(port);
            let started = again.is_some();
            if let Some(again) = again {
                *self = again;
            }
            started
        });
    }

    /// A server at this port; nothing when it does not start, since another has the port.
    #[track_caller]
    fn start_at(port: u16) -> Option<Server> {
        let port_text = port.to_string();
        let mut command = match oracle() {
            None => Command::new(env!("CARGO_BIN_EXE_hereabouts")),
            Some(path) => {
                let mut command = Command::new(path);
                command.args(["--save", "", "--enable-debug-command", "yes"]);
                command
            }
        };
        let mut server = Server::spawn(command.args(["--port", &port_text]));
        server.log.wait_for(is_ready)?;
        server.port = port;
        Some(server)
    }

    /// Starts a command and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn run(mut command: Command) -> Server {
        let mut server = Server::spawn(&mut command);
        if !server.wait_until_ready() {
            // Redis does not print it there, and got it as an argument.
            let arguments: Vec<_> =
                command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
            let flag = arguments.iter().position(|argument| argument == "--port").expect("--port");
            server.port = arguments[flag + 1].parse().unwrap_or(0);
        }
        server
    }

    /// Waits until a command that was spawned says that it is ready. Returns whether it has said at which port.
    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) -> bool {
        let ready = self.wait_for_log(is_ready);
        let port = port_in(&ready);
        self.port = port.unwrap_or(self.port);
        port.is_some()
    }

    /// Starts a command without waiting for anything, for servers that should refuse to start.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("start the server");
        let log = Arc::<Log>::default();
        collect(process.stdout.take().expect("stdout"), Arc::clone(&log));
        collect(process.stderr.take().expect("stderr"), Arc::clone(&log));
        Server { process: Some(process), host: "127.0.0.1".to_owned(), port: 0, log }
    }

    /// A new connection that has sent nothing yet.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// A new connection that speaks this protocol.
    #[track_caller]
    pub(crate) fn speaking(&self, protocol: Protocol) -> Client {
        self.client().speak(protocol)
    }

    /// Where it listens, if it is not this machine's loopback address.
    pub(crate) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a process of ours").id()
    }

    /// Waits for a line of the log and returns it.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, matches: impl Fn(&str) -> bool) -> String {
        match self.log.wait_for(matches) {
            Some(line) => line,
            None => panic!("the awaited line is not in the log: {:#?}", self.log()),
        }
    }

    /// Everything the process has printed so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines.lock().clone()
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("statm");
        let pages: usize = statm.split(' ').nth(1).expect("resident pages").parse().expect("a number");
        pages * 4096
    }

    /// Processor time that the process has used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("stat");
        // The name in parentheses may hold spaces; user and system time are fields 14 and 15 of the line.
        let after_name = stat.rsplit(')').next().expect("fields");
        let ticks = |index: usize| -> u64 {
            after_name.split_whitespace().nth(index).expect("field").parse().expect("a number")
        };
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal");
    }

    /// Whether the process has ended.
    #[track_caller]
    pub(crate) fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut().expect("a process of ours");
        process.try_wait().expect("wait").is_some()
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) {
        let process = self.process.as_mut().expect("a process of ours");
        process.kill().expect("kill");
        process.wait().expect("wait");
    }

    /// Waits until the process ends.
    #[track_caller]
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("a process of ours");
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = process.try_wait().expect("wait") {
                return status;
            }
            assert!(Instant::now() < deadline, "the process should have ended");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A field of INFO, as text.
    #[track_caller]
    pub(crate) fn info(&self, field: &str) -> String {
        let info = self.client().ask("INFO").text();
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("INFO has no {field}:\n{info}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        if std::thread::panicking() {
            println!("the server's log: {:#?}", self.log());
        }
    }
}

/// The port that a line of the log names.
pub(crate) fn port_in(line: &str) -> Option<u16> {
    let digits: String = line.split("port=").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    Some(digits.parse().expect("a port"))
}

fn is_ready(line: &str) -> bool {
    line.contains("eady to accept connections")
}

/// Stands in the log once for each output that the process has closed.
const END_OF_OUTPUT: &str = "(end of output)";

fn collect(pipe: impl std::io::Read + Send + 'static, log: Arc<Log>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { break };
            log.lines.lock().push(String::from_utf8_lossy(&line).into_owned());
            log.grew.notify_all();
        }
        log.lines.lock().push(END_OF_OUTPUT.to_owned());
        log.grew.notify_all();
    });
}
