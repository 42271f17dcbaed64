//! What an operator is told who starts instances.

use std::process::Command;

use crate::support::{Server, differs_from_oracle, free_port};

fn refused(flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hereabouts"));
    let mut server = Server::spawn(command.args(["--port", "auto"]).args(flags));
    assert_eq!(server.wait_for_exit().code(), Some(1));
    server.log().join("\n")
}

#[test]
fn without_a_secret_there_are_only_instances_on_this_machine() {
    if differs_from_oracle("options of our own") {
        return;
    }
    let text = refused(&["--cluster-peer", "192.0.2.1:16379"]);
    assert!(text.contains("cluster-peer 192.0.2.1:16379: without a cluster-secret only instances"), "{text}");
}

#[test]
fn who_is_his_own_only_peer_does_not_wait_for_others() {
    if differs_from_oracle("options of our own") {
        return;
    }
    let port = free_port().to_string();
    let peer = format!("127.0.0.1:{port}");
    let server = Server::start_with(&["--cluster-port", &port, "--cluster-peer", &peer]);
    assert!(!server.log().iter().any(|line| line.contains("cluster-join-timeout")), "{:#?}", server.log());
    server.client().call("PING", "+PONG\r\n");
}

#[test]
fn whoever_is_not_there_is_waited_for_in_vain() {
    if differs_from_oracle("options of our own") {
        return;
    }
    let server = Server::start_with(&[
        "--cluster-port",
        "auto",
        "--cluster-peer",
        "127.0.0.1:1",
        "--cluster-join-timeout",
        "50ms",
    ]);
    server.wait_for_log(|line| line.contains("within 50 ms (cluster-join-timeout)"));
    server.client().call("PING", "+PONG\r\n");
}
