//! CLIENT KILL, in its old form and with filters.

use crate::support::{Client, Protocol, Server, both_protocols, eventually};

fn id(client: &mut Client) -> i64 {
    client.ask("CLIENT ID").integer()
}

/// A client that the server certainly knows of: connecting alone only means that the kernel does.
fn connected(server: &Server, protocol: Protocol) -> Client {
    let mut client = server.speaking(protocol);
    client.call("PING", "+PONG\r\n");
    client
}

#[test]
fn by_address_in_the_old_form() {
    both_protocols(|server, protocol| {
        let mut victim = server.speaking(protocol);
        let address = victim.address();
        let mut client = server.speaking(protocol);
        client.call(&format!("CLIENT KILL {address}"), "+OK\r\n");
        victim.expect_closed();
        client.call(&format!("CLIENT KILL {address}"), "-ERR No such client\r\n");
        client.call("CLIENT KILL nonsense", "-ERR No such client\r\n");
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn by_id() {
    both_protocols(|server, protocol| {
        let mut victim = server.speaking(protocol);
        let id = id(&mut victim);
        let mut client = server.speaking(protocol);
        client.call("CLIENT KILL ID 99999", ":0\r\n");
        client.call(&format!("CLIENT KILL ID {id}"), ":1\r\n");
        victim.expect_closed();
        client.call(&format!("CLIENT KILL id {id}"), ":0\r\n");
    });
}

#[test]
fn by_addresses() {
    both_protocols(|server, protocol| {
        let mut victim = server.speaking(protocol);
        let theirs = victim.address();
        let mut client = server.speaking(protocol);
        client.call("CLIENT KILL ADDR 127.0.0.1:1", ":0\r\n");
        client.call(&format!("CLIENT KILL ADDR {theirs}"), ":1\r\n");
        victim.expect_closed();
        let mut victims: Vec<_> = (0..3).map(|_| connected(server, protocol)).collect();
        client.call(&format!("CLIENT KILL LADDR 127.0.0.1:{}", server.port), ":3\r\n");
        for victim in &mut victims {
            victim.expect_closed();
        }
    });
}

#[test]
fn by_type() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut shard_subscriber = server.speaking(protocol);
        shard_subscriber.subscribe("SSUBSCRIBE", "a", 1);
        let mut normal = connected(server, protocol);
        let mut client = server.speaking(protocol);
        client.call("CLIENT KILL TYPE pubsub", ":2\r\n");
        subscriber.expect_closed();
        shard_subscriber.expect_closed();
        normal.call("PING", "+PONG\r\n");
        client.call("CLIENT KILL TYPE master", ":0\r\n");
        client.call("CLIENT KILL TYPE replica", ":0\r\n");
        client.call("CLIENT KILL TYPE slave", ":0\r\n");
        client.call("CLIENT KILL TYPE normal", ":1\r\n");
        normal.expect_closed();
        eventually("nobody is subscribed any more", || client.ask("PUBLISH a x").integer() == 0);
    });
}

#[test]
fn by_user() {
    let server = Server::start();
    let mut victim = connected(&server, Protocol::Resp2);
    let mut client = server.client();
    client.call("CLIENT KILL USER default", ":1\r\n");
    victim.expect_closed();
    client.call("CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n");
}

#[test]
fn filters_are_combined() {
    both_protocols(|server, protocol| {
        let mut first = server.speaking(protocol);
        let mut second = server.speaking(protocol);
        let (first_id, second_id) = (id(&mut first), id(&mut second));
        second.subscribe("SUBSCRIBE", "a", 1);
        let mut client = server.speaking(protocol);
        client.call(&format!("CLIENT KILL ID {first_id} TYPE pubsub"), ":0\r\n");
        client.call(&format!("CLIENT KILL TYPE pubsub ID {second_id} SKIPME no"), ":1\r\n");
        second.expect_closed();
        first.call("PING", "+PONG\r\n");
    });
}

#[test]
fn the_killer_is_spared_unless_it_says_otherwise() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let own = id(&mut client);
        client.call(&format!("CLIENT KILL ID {own}"), ":0\r\n");
        client.call(&format!("CLIENT KILL ID {own} SKIPME yes"), ":0\r\n");
        // Its own reply still arrives; what follows it is not executed.
        client.send(format!("CLIENT KILL ID {own} SKIPME no\r\nPING\r\n"));
        client.expect(":1\r\n");
        client.expect_closed();

        let mut client = server.speaking(protocol);
        let address = client.address();
        client.call(&format!("CLIENT KILL {address}"), "+OK\r\n");
        client.expect_closed();
    });
}

#[test]
fn what_a_killed_client_had_subscribed_to_is_free() {
    both_protocols(|server, protocol| {
        let mut victim = server.speaking(protocol);
        let id = id(&mut victim);
        victim.subscribe("SUBSCRIBE", "a", 1);
        victim.subscribe("PSUBSCRIBE", "a*", 2);
        let mut client = server.speaking(protocol);
        client.call(&format!("CLIENT KILL ID {id}"), ":1\r\n");
        victim.expect_closed();
        eventually("nobody is subscribed any more", || client.ask("PUBLISH a x").integer() == 0);
        client.call("PUBSUB NUMPAT", ":0\r\n");
    });
}

#[test]
fn errors() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for id in ["x", "0", "-1"] {
            client.call(&format!("CLIENT KILL ID {id}"), "-ERR client-id should be greater than 0\r\n");
        }
        client.call("CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'\r\n");
        client.call("CLIENT KILL FOO bar", "-ERR syntax error\r\n");
        client.call("CLIENT KILL ID 5 SKIPME", "-ERR syntax error\r\n");
        client.call("CLIENT KILL ID 5 SKIPME maybe", "-ERR syntax error\r\n");
        client.call("PING", "+PONG\r\n");
    });
}

#[test]
fn a_client_that_does_not_read_can_be_killed() {
    let server = Server::start();
    let mut victim = server.speaking(Protocol::Resp3);
    let id = id(&mut victim);
    victim.subscribe("SUBSCRIBE", "a", 1);
    let mut publisher = server.client();
    let payload = "x".repeat(100_000);
    // More than the kernel takes, less than the limit for subscribers.
    for _ in 0..250 {
        publisher.call(&format!("PUBLISH a {payload}"), ":1\r\n");
    }
    publisher.call(&format!("CLIENT KILL ID {id}"), ":1\r\n");
    eventually("it is gone from the list", || {
        !publisher.ask("CLIENT LIST").text().contains(&format!("id={id} "))
    });
    publisher.call("PUBLISH a x", ":0\r\n");
}
