//! maxmemory-clients: who is closed when all clients together take too much.

use crate::support::{Client, Server, eventually};

/// A client of which so many bytes of a request have arrived, that is never finished.
fn half_a_request(server: &Server, bytes: usize) -> Client {
    let mut client = server.client();
    client.send("*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    client.send("x".repeat(bytes));
    client
}

#[test]
fn the_largest_is_closed_first() {
    let server = Server::start_with(&["--maxmemory-clients", "3mb"]);
    let mut small = half_a_request(&server, 500_000);
    let mut protected = server.client();
    protected.call("CLIENT NO-EVICT ON", "+OK\r\n");
    protected.send("*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    protected.send("x".repeat(1_000_000));
    let mut large = server.client();
    large.send("*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    large.try_send("x".repeat(2_000_000));
    large.read_to_end();
    assert_eq!(server.info("evicted_clients"), "1");
    server.wait_for_log(|line| line.contains("Evicting client: id=") && line.contains("flags=N"));
    // The others are there.
    let list = server.client().ask("CLIENT LIST").text();
    assert_eq!(
        list.lines().filter(|line| line.contains(" qbuf=5") || line.contains(" qbuf=1")).count(),
        2,
        "{list}"
    );
    for client in [&mut small, &mut protected] {
        client.send("x");
    }
}

#[test]
fn subscriptions_count() {
    let server = Server::start_with(&["--maxmemory-clients", "1mb"]);
    let mut subscriber = server.client();
    let names: Vec<String> = (0..20_000).map(|number| format!("channel:{number}")).collect();
    for part in names.chunks(1000) {
        if !subscriber.try_send(format!("SUBSCRIBE {}\r\n", part.join(" "))) {
            break;
        }
    }
    subscriber.read_to_end();
    assert_eq!(server.info("evicted_clients"), "1");
    let mut client = server.client();
    eventually("its channels are gone", || client.ask("PUBSUB CHANNELS").elements().is_empty());
}

#[test]
fn without_a_limit_nobody_is_closed() {
    for flags in
        [&["--maxmemory-clients", "50%"][..], &["--maxmemory-clients", "0", "--maxmemory", "1mb"], &[]]
    {
        let server = Server::start_with(flags);
        let _large = half_a_request(&server, 3_000_000);
        let mut client = server.client();
        eventually("it is all there", || client.ask("CLIENT LIST").text().contains(" qbuf=30000"));
        assert_eq!(server.info("evicted_clients"), "0");
    }
}

#[test]
fn a_percentage_is_one_of_maxmemory() {
    let server = Server::start_with(&["--maxmemory", "10mb", "--maxmemory-clients", "10%"]);
    let mut large = server.client();
    large.send("*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    large.try_send("x".repeat(1_500_000));
    large.read_to_end();
    assert_eq!(server.info("evicted_clients"), "1");
}
