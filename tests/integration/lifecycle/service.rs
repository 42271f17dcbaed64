//! The service manager: told when the server is ready and when it stops.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use hereabouts::config::Config;
use rustix::process::Signal;

use crate::support::{DEADLINE, Directory, Server, differs_from_oracle};

/// What the next datagram says, in lines.
#[track_caller]
fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a datagram before the deadline");
    String::from_utf8(buffer[..length].to_vec()).expect("text").lines().map(String::from).collect()
}

#[test]
fn systemd_is_told_when_clients_are_served_and_when_not() {
    if differs_from_oracle("it tells only a systemd, and only with `supervised`") {
        return;
    }
    let directory = Directory::new("notify");
    let path = directory.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    command.args(["--port", "auto", "--shutdown-timeout", "60"]).env("NOTIFY_SOCKET", &path);
    let mut server = Server::spawn(&mut command);
    let ready = told(&socket);
    assert_eq!(ready[0], "READY=1");
    let port =
        ready[1].strip_prefix("STATUS=Ready to accept connections: port ").expect("a status with the port");
    server.port = port.parse().unwrap();
    // From here on, not only some time later.
    server.client().call("PING", "+PONG\r\n");
    server.signal(Signal::TERM);
    let stopping = told(&socket);
    assert_eq!(stopping[0], "STOPPING=1");
    assert_eq!(stopping[2], "EXTEND_TIMEOUT_USEC=65000000");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_service_manager_that_does_not_listen_is_no_obstacle() {
    if differs_from_oracle("it tells only a systemd, and only with `supervised`") {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    command.args(["--port", "auto"]).env("NOTIFY_SOCKET", "/nonexistent/notify");
    let server = Server::run(command);
    server.wait_for_log(|line| line.contains("# The service manager does not listen at NOTIFY_SOCKET"));
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn the_unit_waits_for_as_long_as_the_server_takes() {
    let unit = include_str!("../../../conf/hereabouts.service");
    let value = |name: &str| {
        unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("the setting")
    };
    assert_eq!(value("Type"), "notify");
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > Config::default().shutdown_timeout.as_secs());
    assert!(value("LimitNOFILE").parse::<usize>().unwrap() > Config::default().maxclients);
}
