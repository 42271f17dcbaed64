//! Commands of Redis that are not served: nobody knows them, and the log says what client takes this for a database.

use crate::support::{Server, both_protocols, both_protocols_with, differs_from_oracle};

#[test]
fn are_answered_as_unknown_whatever_their_arguments() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("Redis serves them") {
            return;
        }
        let mut client = server.speaking(protocol);
        client.call("ZADD a", "-ERR unknown command 'ZADD', with args beginning with: 'a' \r\n");
        client.call("zadd a 1 b", "-ERR unknown command 'zadd', with args beginning with: 'a' '1' 'b' \r\n");
        client.call("XGROUP", "-ERR unknown command 'XGROUP', with args beginning with: \r\n");
        client.call("XGROUP HELP", "-ERR unknown command 'XGROUP', with args beginning with: 'HELP' \r\n");
    });
}

#[test]
fn are_unknown_before_authentication_too() {
    both_protocols_with(&["--requirepass", "secret"], |server, _| {
        if differs_from_oracle("Redis serves them") {
            return;
        }
        let mut client = server.client();
        client.call("ZADD a 1 b", "-ERR unknown command 'ZADD', with args beginning with: 'a' '1' 'b' \r\n");
        client.call("COMMAND", "-NOAUTH Authentication required.\r\n");
    });
}

#[test]
fn spoil_a_transaction() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("Redis serves them") {
            return;
        }
        let mut client = server.speaking(protocol);
        client.send("MULTI\r\nLPUSH a b\r\nPING\r\nEXEC\r\n");
        client
            .expect("+OK\r\n-ERR unknown command 'LPUSH', with args beginning with: 'a' 'b' \r\n+QUEUED\r\n");
        client.expect("-EXECABORT Transaction discarded because of previous errors.\r\n");
    });
}

#[test]
fn are_logged_once_for_each_library_and_what_nobody_knows_is_not() {
    if differs_from_oracle("Redis serves them") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    let mut other = server.client();
    client.call("CLIENT SETINFO LIB-NAME some-lib", "+OK\r\n");
    for _ in 0..3 {
        client.ask("zadd a 1 b");
        other.ask("ZADD a 1 b");
        other.ask("ZADD");
        client.ask("nosuch a");
        client.ask("xgroup|create a");
        client.ask("CLIENT nosuch");
    }
    client.ask("XGROUP CREATE a b c");
    let address = client.address();
    let last = server.wait_for_log(|line| line.contains("command=xgroup "));
    assert!(last.contains(&format!("library=some-lib id=1 addr={address}")), "{last}");
    let log = server.log();
    let mut told: Vec<&str> = log
        .iter()
        .filter_map(|line| line.split_once("uses data commands: point only its pub/sub connection here."))
        .map(|(_, rest)| rest.split(" id=").next().unwrap().trim())
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["command=xgroup library=some-lib", "command=zadd library=", "command=zadd library=some-lib"]
    );
}
