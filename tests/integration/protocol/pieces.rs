//! How the bytes are cut must not matter: one request in many pieces, many requests in one.

use std::io::Write;

use crate::support::{Protocol, Server, both_protocols};

/// Some of every kind of request, and the replies.
const REQUESTS: &str = concat!(
    "*1\r\n$4\r\nPING\r\n",
    "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n",
    "PING inline\r\n",
    "*0\r\n*-1\r\n\r\n",
    "*2\r\n$4\r\nPING\r\n$0\r\n\r\n",
    "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$3\r\nxyz\r\n",
    "ECHO \"quoted \\x41\"\n",
    "*1\r\n$6\r\nnosuch\r\n",
    "*10\r\n$4\r\nPING\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n",
);

const REPLIES: &str = concat!(
    "+PONG\r\n",
    "$4\r\n\r\n\r\n\r\n",
    "$6\r\ninline\r\n",
    "$0\r\n\r\n",
    ":0\r\n",
    "$8\r\nquoted A\r\n",
    "-ERR unknown command 'nosuch', with args beginning with: \r\n",
    "-ERR wrong number of arguments for 'ping' command\r\n",
);

#[test]
fn a_request_may_be_split_at_every_byte() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for split in 0..REQUESTS.len() {
            let (head, tail) = REQUESTS.split_at(split);
            client.send(head);
            // A reply of another connection means that the server had a turn, and most probably has read the head.
            server.client().call("PING", "+PONG\r\n");
            client.send(tail);
            client.expect(REPLIES);
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut other = server.client();
        for byte in REQUESTS.bytes() {
            client.send([byte]);
            other.call("PING", "+PONG\r\n");
        }
        client.expect(REPLIES);
        client.expect_nothing_more();
    });
}

#[test]
fn many_requests_may_come_at_once() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut writer = client.writer();
        let sending = std::thread::spawn(move || writer.write_all(REQUESTS.repeat(1000).as_bytes()).unwrap());
        client.expect(REPLIES.repeat(1000));
        sending.join().unwrap();
        client.expect_nothing_more();
    });
}

#[test]
fn a_hundred_thousand_requests_may_be_under_way() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut writer = client.writer();
        let sending = std::thread::spawn(move || {
            let requests: String = (0..100_000).map(|number| format!("PING {number:05}\r\n")).collect();
            writer.write_all(requests.as_bytes()).unwrap();
        });
        // All is sent before anything is read: the replies wait at the server or on the way.
        sending.join().unwrap();
        let replies: String = (0..100_000).map(|number| format!("$5\r\n{number:05}\r\n")).collect();
        client.expect(replies);
        client.expect_nothing_more();
    });
}

#[test]
fn large_arguments_may_be_followed_by_more_requests_in_the_same_piece() {
    let server = Server::start();
    let mut client = server.client();
    for size in [16_383, 16_384, 32_767, 32_768, 32_769, 100_000, 1_000_000] {
        let argument = "y".repeat(size);
        let mut requests = format!("PING\r\n*2\r\n$4\r\nECHO\r\n${size}\r\n{argument}\r\n").repeat(3);
        requests.push_str("PING end\r\n");
        let mut writer = client.writer();
        let sending = std::thread::spawn(move || writer.write_all(requests.as_bytes()).unwrap());
        for _ in 0..3 {
            client.expect(format!("+PONG\r\n${size}\r\n{argument}\r\n"));
        }
        client.expect("$3\r\nend\r\n");
        sending.join().unwrap();
    }
}

#[test]
fn replies_to_what_came_before_the_end_of_input_are_sent() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let server = Server::start();
        let mut client = server.speaking(protocol);
        client.send("PING\r\nECHO a\r\nPIN");
        client.end_of_input();
        client.expect("+PONG\r\n$1\r\na\r\n");
        client.expect_closed();
    }
}

#[test]
fn what_follows_quit_is_not_executed() {
    both_protocols(|server, protocol| {
        let mut listener = server.client();
        listener.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.send("PUBLISH a 1\r\nQUIT\r\nPUBLISH a 2\r\nPING\r\n");
        client.expect(":1\r\n+OK\r\n");
        client.expect_closed();
        listener.expect_message("a", "1");
        listener.expect_nothing_more();
    });
}

#[test]
fn the_two_bytes_after_an_argument_are_not_looked_at() {
    let server = Server::start();
    let mut client = server.client();
    client.send("*2\r\n$4\r\nECHOxx$1\r\nayy*1\r\n$4\r\nPING\n\n");
    client.expect("$1\r\na\r\n+PONG\r\n");
}

#[test]
fn empty_arrays_are_skipped() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("*0\r\n*-1\r\n*-10\r\n*1\r\n$4\r\nPING\r\n");
        client.expect("+PONG\r\n");
        client.expect_nothing_more();
    });
}
