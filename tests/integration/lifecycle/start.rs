//! The command line and the files that it names, as an operator meets them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use hereabouts::config::options;
use rustix::process::Signal;

use crate::support::{Client, Directory, Server, differs_from_oracle, eventually, free_port, oracle};

/// Debian's file for Redis 7.0, without its comments.
const REDIS_CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/parse/redis.conf");
/// The same where it is installed.
const INSTALLED_REDIS_CONF: &str = "/etc/redis/redis.conf";

fn hereabouts() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hereabouts"))
}

/// The program by the name of Redis's, or the oracle.
fn redis_server(directory: &Directory) -> Command {
    if let Some(path) = oracle() {
        return Command::new(path);
    }
    let path = directory.file("redis-server");
    if !Path::new(&path).exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hereabouts"), &path).unwrap();
    }
    Command::new(path)
}

fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn the_version_is_one_line() {
    if differs_from_oracle("our own name") {
        return;
    }
    for flag in ["-v", "--version"] {
        assert_eq!(printed(hereabouts().arg(flag)), concat!("hereabouts ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    let help = printed(hereabouts().arg("-h"));
    assert!(
        help.contains("hereabouts [CONFIG_FILE] [--option value ...]") && !help.ends_with("\n\n"),
        "{help}"
    );
}

#[test]
fn help_that_nobody_reads_to_its_end_is_no_failure() {
    if differs_from_oracle("its help goes to standard error") {
        return;
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let Output { status, stderr, .. } = hereabouts().arg("--help").stdout(writer).output().unwrap();
    assert_eq!((status.code(), String::from_utf8_lossy(&stderr).as_ref()), (Some(0), ""));
    // What could not be told has not been.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let Output { status, stderr, .. } = hereabouts().arg("--version").stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1));
    assert!(stderr.starts_with("cannot write to standard output: No space left on device"), "{stderr}");
}

#[test]
fn as_redis_server_the_version_is_that_of_a_redis() {
    let directory = Directory::new("redis-v");
    for flag in ["-v", "--version"] {
        let line = printed(redis_server(&directory).arg(flag));
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let [redis, server, version, sha, malloc, bits, build] = words[..] else { panic!("{line}") };
        assert_eq!((redis, server, sha, bits), ("Redis", "server", "sha=00000000:0", "bits=64"));
        assert!(
            malloc.strip_prefix("malloc=").unwrap().split_once('-').unwrap().1.starts_with(char::is_numeric)
        );
        assert!(build.starts_with("build="));
        if !differs_from_oracle("it is another version") {
            assert_eq!((version, build.len()), ("v=7.2.4", "build=".len() + 16));
            assert!(malloc.starts_with("malloc=mimalloc-"), "{malloc}");
        }
    }
}

#[test]
fn as_redis_server_it_takes_flags_as_redis_does() {
    let directory = Directory::new("redis-flags");
    let port = free_port().to_string();
    let mut command = redis_server(&directory);
    command.args(["--requirepass", "--secret"]).args(["--save", ""]).args(["--bind 127.0.0.1"]);
    command.args(["--port", &port]).args(["--maxclients", "77", "--save"]);
    let server = Server::run(command);
    let mut client = server.client();
    client.call("PING", "-NOAUTH Authentication required.\r\n");
    client.call("AUTH --secret", "+OK\r\n");
    let info = client.ask("INFO clients").text();
    assert!(info.contains("maxclients:77\r\n"), "{info}");
}

/// What a test suite of Redis looks for in the output of the server that it starts.
#[test]
fn as_redis_server_it_says_what_suites_wait_for() {
    let directory = Directory::new("redis-suite");
    let port = free_port().to_string();
    let config = directory.file("redis.conf");
    let socket = directory.file("socket");
    let text = format!(
        "always-show-logo yes\nport {port}\nsave \"\"\nunixsocket {socket}\ndir {}\n",
        directory.file(".")
    );
    std::fs::write(&config, text).unwrap();
    let mut command = redis_server(&directory);
    // The port for `Server::run`.
    command.args([&config, "--port", &port]);
    let server = Server::run(command);
    let log = server.log().join("\n");
    let process = log.find(&format!(" PID: {}", server.pid())).expect("the process id");
    let initialized = log.find("Server initialized").expect("initialized");
    let ready = log.find("Ready to accept connections").expect("ready");
    assert!(process < initialized && initialized < ready, "{log}");
    for text in [
        "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo",
        "Redis version=7.",
        "just started",
        "Configuration loaded",
    ] {
        assert!(log.contains(text), "{text}: {log}");
    }
    if !differs_from_oracle("7.0 does not say it") {
        assert!(log.contains("* Ready to accept connections tcp"), "{log}");
        server.wait_for_log(|line| line.contains("* Ready to accept connections unix"));
    }
    Client::connect_unix(&socket).call("PING", "+PONG\r\n");
    // And when the port is taken, so that they try another one.
    let mut command = redis_server(&directory);
    let mut second = Server::spawn(command.args(["--port", &port, "--save", ""]));
    second.wait_for_log(|line| line.contains(&format!("Failed listening on port {port}")));
    assert_eq!(second.wait_for_exit().code(), Some(1));
}

#[test]
fn only_as_redis_server_it_passes_over_what_nobody_knows() {
    if differs_from_oracle("it refuses") {
        return;
    }
    let directory = Directory::new("redis-unknown");
    let flags = ["--port", "auto", "--io-threads-always-active", "yes", "--nosuch", "1", "2"];
    let mut command = redis_server(&directory);
    command.args(flags);
    let server = Server::run(command);
    for name in ["nosuch", "io-threads-always-active"] {
        let text = format!(" # '{name}' is not an option of this server and is passed over.");
        server.wait_for_log(|line| line.ends_with(&text));
    }
    server.client().call("PING", "+PONG\r\n");
    let mut refusing = Server::spawn(hereabouts().args(flags));
    assert_eq!(refusing.wait_for_exit().code(), Some(1));
}

#[test]
fn what_an_operator_would_miss_is_a_warning() {
    if differs_from_oracle("it does these") {
        return;
    }
    let server = Server::start_with(&["--tls-cluster", "yes", "--replicaof", "127.0.0.1", "1"]);
    server.wait_for_log(|line| line.contains(" # 'tls-cluster yes' is not done: Links between instances"));
    server.wait_for_log(|line| {
        line.contains(" # 'replicaof 127.0.0.1 1' is not done: This server follows no master")
    });
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn the_pid_file_is_there_while_the_server_runs() {
    let directory = Directory::new("pidfile");
    let path = directory.file("pid");
    let mut server = Server::start_with(&["--pidfile", &path]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_pid_file_that_cannot_be_written_is_a_warning() {
    let directory = Directory::new("nopidfile");
    let path = directory.file("missing/pid");
    let server = Server::start_with(&["--pidfile", &path]);
    server.client().call("PING", "+PONG\r\n");
    if !differs_from_oracle("7.0 says nothing") {
        server.wait_for_log(|line| line.contains(&format!(" # pidfile {path}: No such file or directory")));
    }
}

#[test]
fn relative_paths_are_seen_from_dir() {
    let directory = Directory::new("dir");
    let mut server = {
        let mut command = match oracle() {
            None => hereabouts(),
            Some(path) => Command::new(path),
        };
        let flags =
            ["--port", "0", "--logfile", "log", "--unixsocket", "socket", "--pidfile", "pid", "--save", ""];
        Server::spawn(command.args(["--dir", &directory.file(".")]).args(flags))
    };
    // The pid file is there before, or soon after.
    eventually("it is ready", || {
        std::fs::read_to_string(directory.file("log"))
            .is_ok_and(|log| log.contains("eady to accept connections"))
    });
    eventually("the pid file is there", || Path::new(&directory.file("pid")).exists());
    Client::connect_unix(directory.file("socket")).call("PING", "+PONG\r\n");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!Path::new(&directory.file("pid")).exists() && !Path::new(&directory.file("socket")).exists());
}

#[test]
fn the_socket_goes_from_where_it_was_made_although_dir_has_changed() {
    if differs_from_oracle("it removes what has the name in the new directory") {
        return;
    }
    let (old, new) = (Directory::new("olddir"), Directory::new("newdir"));
    std::fs::write(new.file("socket"), "somebody else's").unwrap();
    let flags = ["--unixsocket", "socket", "--enable-protected-configs", "yes", "--dir", &old.file("")];
    let mut server = Server::start_with(&flags);
    Client::connect_unix(old.file("socket")).call(&format!("CONFIG SET dir {}", new.file("")), "+OK\r\n");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert!(!Path::new(&old.file("socket")).exists() && Path::new(&new.file("socket")).exists());
}

#[test]
fn a_directory_that_cannot_be_entered_is_a_warning() {
    if differs_from_oracle("it refuses to start") {
        return;
    }
    let server = Server::start_with(&["--dir", "/nonexistent/redis"]);
    let line =
        server.wait_for_log(|line| line.contains(" # dir /nonexistent/redis: No such file or directory"));
    let here = std::env::current_dir().unwrap();
    assert!(line.contains(&format!("Relative paths are seen from {} instead", here.display())), "{line}");
    server.client().call("PING", "+PONG\r\n");
}

/// The directives of a file, with their first values.
fn directives(file: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, values)| (name.to_owned(), values.to_owned()))
        .collect()
}

#[test]
fn a_configuration_file_of_redis_starts_it_unchanged() {
    if differs_from_oracle("it has a meaning for all of it") {
        return;
    }
    let installed = std::fs::File::open(INSTALLED_REDIS_CONF).is_ok();
    for file in [Some(REDIS_CONF), installed.then_some(INSTALLED_REDIS_CONF)].into_iter().flatten() {
        let directory = Directory::new("redis-conf");
        let mut command = hereabouts();
        // What another server on this machine may have taken.
        command.args([file, "--port", "auto", "--logfile", ""]).args(["--pidfile", &directory.file("pid")]);
        let server = Server::run(command);
        assert!(Path::new(&directory.file("pid")).exists());
        server.client().call("PING", "+PONG\r\n");
        let log = server.log();
        // What waits for the program to come back, as with Redis, waits for ever.
        let daemonize = " # 'daemonize yes' is not done: The server stays in the foreground";
        let told = |name: &str| {
            let line = match name {
                "daemonize" => daemonize.to_owned(),
                name => format!(" * '{name}' has no meaning here: "),
            };
            log.iter().filter(|told| told.contains(&line)).count()
        };
        let directives = directives(file);
        assert!(directives.len() > 50, "{file}: {directives:?}");
        for name in directives.keys() {
            let served = options::find(name.as_bytes()).unwrap().is_served();
            assert_eq!(told(name), usize::from(!served), "{name}: {log:#?}");
        }
        let warned =
            |line: &&String| line.contains(" # ") && !line.contains("# dir ") && !line.contains(daemonize);
        assert_eq!(log.iter().find(warned), None);
    }
}
