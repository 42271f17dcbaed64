//! Unknown commands: the text on which clients decide what the server can do, and how much of the request it repeats.

use crate::support::both_protocols;

#[test]
fn the_name_is_repeated_as_sent_and_the_arguments_are_listed() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("NoSuch", "-ERR unknown command 'NoSuch', with args beginning with: \r\n");
        client.call("nosuch a b", "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' \r\n");
        client.command_of(&[b"nosuch", b"", b"two words", b"it's"]);
        client.expect("-ERR unknown command 'nosuch', with args beginning with: '' 'two words' 'it's' \r\n");
    });
}

#[test]
fn the_connection_lives_on() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("nosuch\r\nPING\r\n");
        client.expect("-ERR unknown command 'nosuch', with args beginning with: \r\n+PONG\r\n");
    });
}

#[test]
fn line_ends_in_what_is_repeated_become_spaces() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.command_of(&[b"no\r\nsuch", b"a\nb\rc"]);
        client.expect("-ERR unknown command 'no  such', with args beginning with: 'a b c' \r\n");
        client.command_of(&[b"PUBSUB", b"a\r\n+OK"]);
        client.expect("-ERR unknown subcommand 'a  +OK'. Try PUBSUB HELP.\r\n");
    });
}

#[test]
fn only_128_bytes_of_name_and_of_arguments_are_repeated() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let long = "n".repeat(500);
        client.call(
            &long,
            format!("-ERR unknown command '{}', with args beginning with: \r\n", "n".repeat(128)),
        );
        client.call(
            &format!("nosuch {long}"),
            format!("-ERR unknown command 'nosuch', with args beginning with: '{}' \r\n", "n".repeat(128)),
        );
        // 43 times `'a' ` is more than 128: nothing is added once that much is there.
        let arguments = vec!["a"; 200].join(" ");
        client.call(
            &format!("nosuch {arguments}"),
            format!("-ERR unknown command 'nosuch', with args beginning with: {}\r\n", "'a' ".repeat(32)),
        );
    });
}

#[test]
fn an_empty_name_is_a_name() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("*1\r\n$0\r\n\r\n");
        client.expect("-ERR unknown command '', with args beginning with: \r\n");
    });
}

#[test]
fn a_name_of_any_bytes_is_repeated_as_it_is() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.command_of(&[b"\xff\xfe", b"\x01"]);
        client.expect(b"-ERR unknown command '\xff\xfe', with args beginning with: '\x01' \r\n");
    });
}
