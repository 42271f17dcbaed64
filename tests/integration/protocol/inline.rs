//! Inline requests: a line of words with quotes and escapes.

use crate::support::{Server, both_protocols};

#[test]
fn a_line_is_a_request() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in
            ["PING\r\n", "PING\n", "ping\n", "  PING  \r\n", "\tPING\t\r\n", "\"PING\"\r\n", "'PING'\n"]
        {
            client.send(line);
            client.expect("+PONG\r\n");
        }
    });
}

#[test]
fn words_may_be_quoted_and_escaped() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let cases: [(&str, &[u8]); 14] = [
            ("ECHO hello", b"hello"),
            ("ECHO   hello  ", b"hello"),
            ("ECHO \"hello world\"", b"hello world"),
            ("ECHO 'hello world'", b"hello world"),
            ("ECHO \"\"", b""),
            ("ECHO ''", b""),
            ("ECHO \"a\\r\\n\\t\\b\\ab\"", b"a\r\n\t\x08\x07b"),
            ("ECHO \"\\x00\\xff\\x41\"", b"\0\xffA"),
            ("ECHO \"\\xzz\"", b"xzz"),
            ("ECHO \"a\\\"b\"", b"a\"b"),
            ("ECHO \"\\\\\"", b"\\"),
            ("ECHO 'it\\'s'", b"it's"),
            ("ECHO 'a\\nb'", b"a\\nb"),
            ("ECHO a\\x41", b"a\\x41"),
        ];
        for (line, text) in cases {
            client.send(line);
            client.send("\r\n");
            client.expect(format!("${}\r\n", text.len()));
            client.expect(text);
            client.expect("\r\n");
        }
    });
}

#[test]
fn a_quote_may_open_in_the_middle_of_a_word() {
    let server = Server::start();
    let mut client = server.client();
    client.send("ECHO a\"b c\"\r\n");
    client.expect("$4\r\nab c\r\n");
    client.send("ECHO a'b c'\r\n");
    client.expect("$4\r\nab c\r\n");
}

#[test]
fn empty_lines_are_skipped() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("\r\n\n   \r\n\r\nPING\r\n");
        client.expect("+PONG\r\n");
        client.expect_nothing_more();
    });
}

#[test]
fn inline_and_arrays_mix() {
    let server = Server::start();
    let mut client = server.client();
    client.send("PING\r\n*1\r\n$4\r\nPING\r\nPING a\n*2\r\n$4\r\nPING\r\n$1\r\nb\r\n");
    client.expect("+PONG\r\n+PONG\r\n$1\r\na\r\n$1\r\nb\r\n");
}

#[test]
fn unbalanced_quotes_close_the_connection() {
    both_protocols(|server, protocol| {
        for line in ["ECHO \"a\r\n", "ECHO 'a\r\n", "ECHO \"a\"b\r\n", "ECHO 'a'b\n", "ECHO \"\\\"\r\n"] {
            let mut client = server.speaking(protocol);
            client.send(line);
            client.expect("-ERR Protocol error: unbalanced quotes in request\r\n");
            client.expect_closed();
        }
    });
}

#[test]
fn a_line_may_be_long_but_not_too_long() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let long = "x".repeat(60_000);
        client.send(format!("ECHO {long}\r\n"));
        client.expect(format!("$60000\r\n{long}\r\n"));

        // A line that does not end. Not more than 64 KiB and a little, so that everything is read and the close is clean.
        let mut client = server.speaking(protocol);
        client.send("x".repeat(65_537));
        client.expect("-ERR Protocol error: too big inline request\r\n");
        client.expect_closed();
    });
}
