//! That a change takes effect at once, for those who are connected as for those who come.

use rustix::process::Signal;

use crate::support::{Client, Server, both_protocols, both_protocols_with, differs_from_oracle, eventually};

use super::set;

const OURS: &str = "these options are ours";

#[test]
fn clients_at_once() {
    both_protocols(|server, protocol| {
        let mut first = server.speaking(protocol);
        let mut second = server.speaking(protocol);
        set(&mut first, "maxclients", "2");
        let mut refused = server.client();
        refused.expect("-ERR max number of clients reached\r\n");
        assert!(first.ask("INFO clients").text().contains("\r\nmaxclients:2\r\n"));
        set(&mut second, "maxclients", "3");
        server.client().call("PING", "+PONG\r\n");
        // Nobody is sent away by a lower number.
        set(&mut second, "maxclients", "1");
        first.call("PING", "+PONG\r\n");
    });
}

#[test]
fn idle_clients() {
    both_protocols(|server, protocol| {
        let mut idle = server.speaking(protocol);
        idle.call("PING", "+PONG\r\n");
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        set(&mut server.client(), "timeout", "1");
        idle.expect_closed();
        server.client().call("PUBLISH a x", ":1\r\n");
        subscriber.expect_message("a", "x");
    });
}

#[test]
fn the_password() {
    both_protocols(|server, protocol| {
        let mut before = server.speaking(protocol);
        before.call("PING", "+PONG\r\n");
        set(&mut server.client(), "requirepass", "secret");
        let mut after = server.client();
        after.call("PING", "-NOAUTH Authentication required.\r\n");
        // Who was let in stays in.
        before.call("PING", "+PONG\r\n");
        after.call("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
        after.call("AUTH secret", "+OK\r\n");
        after.call("PING", "+PONG\r\n");
        set(&mut after, "requirepass", "another");
        after.call("PING", "+PONG\r\n");
        let mut third = server.client();
        third.call("AUTH secret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
        third.call("PING", "-NOAUTH Authentication required.\r\n");
        set(&mut before, "requirepass", "");
        third.call("PING", "+PONG\r\n");
        // It counts for what follows in the same pipeline.
        third.send("CONFIG SET requirepass x\r\nRESET\r\nPING\r\n");
        third.expect("+OK\r\n+RESET\r\n-NOAUTH Authentication required.\r\n");
    });
}

#[test]
fn output_limits() {
    both_protocols_with(&["--client-output-buffer-limit", "pubsub 0 0 0"], |server, protocol| {
        let mut slow = Client::connect_slow(server.address(), "slow").speak(protocol);
        slow.subscribe("SUBSCRIBE", "a", 1);
        let mut publisher = server.client();
        let payload = "x".repeat(1_000_000);
        for _ in 0..20 {
            publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
        }
        set(&mut publisher, "client-output-buffer-limit", "pubsub 1mb 0 0");
        publisher.ask(&format!("PUBLISH a {payload}"));
        eventually("it is gone", || publisher.ask("PUBLISH a x").integer() == 0);
    });
}

#[test]
fn soft_output_limits_without_traffic() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 0 0 0"]);
    let mut slow = Client::connect_slow(server.address(), "slow");
    slow.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    publisher.call(&format!("PUBLISH a {}", "x".repeat(20_000_000)), ":1\r\n");
    set(&mut publisher, "client-output-buffer-limit", "pubsub 0 1mb 1");
    eventually("it is gone", || publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 0);
}

#[test]
fn clients_that_take_no_output() {
    if differs_from_oracle(OURS) {
        return;
    }
    let server = Server::start();
    let mut slow = Client::connect_slow(server.address(), "slow");
    slow.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    publisher.call(&format!("PUBLISH a {}", "x".repeat(20_000_000)), ":1\r\n");
    set(&mut publisher, "client-write-timeout", "100ms");
    eventually("it is gone", || publisher.ask("PUBSUB NUMSUB a").elements()[1].integer() == 0);
    assert_eq!(server.info("client_write_timeout_disconnections"), "1");
}

#[test]
fn sizes_of_requests() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let argument = "x".repeat(2_000_000);
        client.call(&format!("ECHO {argument}"), format!("$2000000\r\n{argument}\r\n"));
        set(&mut server.client(), "proto-max-bulk-len", "1mb");
        client.send("*2\r\n$4\r\nECHO\r\n$1048577\r\n");
        client.expect("-ERR Protocol error: invalid bulk length\r\n");
        client.expect_closed();
        set(&mut server.client(), "proto-max-bulk-len", "512mb");
        let mut client = server.speaking(protocol);
        client.call(&format!("ECHO {argument}"), format!("$2000000\r\n{argument}\r\n"));
        set(&mut server.client(), "client-query-buffer-limit", "1mb");
        client.try_send(format!("*2\r\n$4\r\nECHO\r\n$2000000\r\n{argument}"));
        client.expect_closed();
    });
}

#[test]
fn limits_of_ours() {
    if differs_from_oracle(OURS) {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut operator = server.client();
        client.subscribe("SUBSCRIBE", "a", 1);
        set(&mut operator, "max-subscriptions-per-client", "1");
        client.call(
            "SUBSCRIBE b",
            "-ERR max number of subscriptions per client reached (max-subscriptions-per-client 1)\r\n",
        );
        set(&mut operator, "max-subscriptions-per-client", "2");
        client.subscribe("SUBSCRIBE", "b", 2);
        set(&mut operator, "max-subscriptions-per-client", "10");
        set(&mut operator, "max-patterns-per-client", "0");
        client.call(
            "PSUBSCRIBE b",
            "-ERR max number of patterns per client reached (max-patterns-per-client 0)\r\n",
        );
        set(&mut operator, "max-patterns-per-client", "1");
        set(&mut operator, "max-pattern-length", "3");
        client.call("PSUBSCRIBE abcd", "-ERR pattern is longer than 3 bytes (max-pattern-length)\r\n");
        set(&mut operator, "max-channel-length", "3");
        client.call("SUBSCRIBE abcd", "-ERR channel name is longer than 3 bytes (max-channel-length)\r\n");
        operator.call("PUBLISH abcd x", "-ERR channel name is longer than 3 bytes (max-channel-length)\r\n");
        set(&mut operator, "max-multi-commands", "1");
        operator.send("MULTI\r\nPING\r\nPING\r\n");
        operator.expect(
            "+OK\r\n+QUEUED\r\n-ERR transaction queue is longer than 1 commands (max-multi-commands)\r\n",
        );
    });
}

#[test]
fn unread_replies() {
    if differs_from_oracle(OURS) {
        return;
    }
    let server = Server::start();
    let mut listener = server.client();
    listener.subscribe("SUBSCRIBE", "done", 1);
    let mut operator = server.client();
    set(&mut operator, "client-reply-backlog", "64kb");
    let mut greedy = Client::connect_slow(server.address(), "greedy");
    // Less than the default would hold, and more than the kernel does.
    let argument = "x".repeat(100_000);
    let mut writer = greedy.writer();
    let request = format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{argument}\r\n").repeat(100) + "PUBLISH done x\r\n";
    let writing = std::thread::spawn(move || writer.write_all(request.as_bytes()).is_ok());
    eventually("replies pile up", || {
        let list = operator.ask("CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains(" name=greedy ")).unwrap().to_owned();
        let waiting = line.split(' ').find_map(|field| field.strip_prefix("omem=")).unwrap();
        waiting.parse::<u64>().unwrap() > 64 * 1024
    });
    let early = listener.peek(std::time::Duration::from_millis(300)).to_vec();
    assert_eq!(early, b"", "the last request waits until the replies are read");
    for _ in 0..100 {
        greedy.expect(format!("$100000\r\n{argument}\r\n"));
    }
    listener.expect_message("done", "x");
    assert!(writing.join().unwrap());
}

#[test]
fn what_is_logged() {
    let server = Server::start();
    let mut client = server.client();
    let refuse = |client: &mut Client, port: &str| {
        client.command(&format!("CONFIG SET bind {port}"));
        client.value();
    };
    set(&mut client, "loglevel", "warning");
    assert_eq!(super::value(&mut client, "loglevel"), "warning");
    refuse(&mut client, "203.0.113.1");
    server.wait_for_log(|line| line.contains("203.0.113.1"));
    if !differs_from_oracle("its 7.0 has no level that says nothing") {
        set(&mut client, "loglevel", "nothing");
        refuse(&mut client, "203.0.113.2");
        set(&mut client, "loglevel", "notice");
        refuse(&mut client, "203.0.113.3");
        server.wait_for_log(|line| line.contains("203.0.113.3"));
        assert!(!server.log().iter().any(|line| line.contains("203.0.113.2")));
    }
}

#[test]
fn keepalive_of_those_who_come() {
    let server = Server::start();
    let mut before = server.client();
    set(&mut before, "tcp-keepalive", "0");
    let mut after = server.client();
    after.call("PING", "+PONG\r\n");
    let timer = |client: &mut Client| {
        let address = client.address();
        let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // The server's end: its own port, then the client's; the sixth field begins with the kind of timer.
        let (local, remote) = (format!(":{:04X}", server.port), format!(":{port:04X}"));
        let ends = |field: &str, end: &str| field.ends_with(end);
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut sockets = fields.filter(|fields| ends(fields[1], &local) && ends(fields[2], &remote));
        sockets.next().expect("the socket")[5][..2].to_owned()
    };
    eventually("02 is the kernel's timer of keepalive", || timer(&mut before) == "02");
    eventually("and 00 none", || timer(&mut after) == "00");
}

#[test]
fn the_working_directory() {
    let server = Server::start_with(&["--enable-protected-configs", "yes"]);
    let mut client = server.client();
    let before = super::value(&mut client, "dir");
    client.call(
        "CONFIG SET timeout 7 dir /no/such/directory",
        "-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory\r\n",
    );
    assert_eq!(super::value(&mut client, "dir"), before);
    assert_eq!(super::value(&mut client, "timeout"), "0");
    client.call(
        "CONFIG SET dir / bind 203.0.113.7",
        "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.\r\n",
    );
    let current = || std::fs::read_link(format!("/proc/{}/cwd", server.pid())).unwrap().display().to_string();
    assert_eq!(current(), before);
    set(&mut client, "dir", "/");
    assert_eq!(super::value(&mut client, "dir"), "/");
    assert_eq!(current(), "/");
}

#[test]
fn how_long_a_stop_may_take() {
    if differs_from_oracle("it does not wait for clients") {
        return;
    }
    // Longer than a test waits.
    let mut server = Server::start_with(&["--shutdown-timeout", "100000"]);
    let mut stuck = Client::connect_slow(server.address(), "stuck");
    stuck.subscribe("SUBSCRIBE", "a", 1);
    let mut operator = server.client();
    operator.call(&format!("PUBLISH a {}", "x".repeat(20_000_000)), ":1\r\n");
    set(&mut operator, "shutdown-timeout", "1");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
