//! HELLO: the first thing that most clients send, and the one that none of them forgives.

use crate::support::{Client, Protocol, Server, Value, both_protocols, differs_from_oracle};

const EARLY_NAME: &str = "7.0 sets the name before it has looked at the options that follow";

/// The reply of HELLO in the protocol it asks for, with the parts that vary taken out of it.
#[track_caller]
fn hello(client: &mut Client, line: &str, protocol: Protocol) -> Value {
    let reply = client.ask(line);
    match protocol {
        Protocol::Resp2 => assert!(matches!(reply, Value::Array(_)), "{reply:?}"),
        Protocol::Resp3 => assert!(matches!(reply, Value::Map(_)), "{reply:?}"),
    }
    client.protocol = protocol;
    let keys: Vec<_> = reply.elements().chunks(2).map(|pair| pair[0].text()).collect();
    assert_eq!(keys, ["server", "version", "proto", "id", "mode", "role", "modules"]);
    reply
}

#[test]
fn the_reply_comes_in_the_protocol_that_was_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    for (line, protocol, number) in
        [("HELLO", Protocol::Resp2, 2), ("HELLO 3", Protocol::Resp3, 3), ("hello", Protocol::Resp3, 3)]
            .into_iter()
            .chain([("HELLO 2", Protocol::Resp2, 2), ("HELLO 2", Protocol::Resp2, 2)])
    {
        let reply = hello(&mut client, line, protocol);
        assert_eq!(reply.field("proto"), &Value::Integer(number));
        assert_eq!(reply.field("server").text(), "redis");
        assert_eq!(reply.field("mode").text(), "standalone");
        assert_eq!(reply.field("role").text(), "master");
        assert_eq!(reply.field("modules"), &Value::Array(Vec::new()));
        assert_eq!(reply.field("id"), &client.ask("CLIENT ID"));
    }
}

#[test]
fn the_version_is_one_that_clients_know() {
    if differs_from_oracle("it has another version") {
        return;
    }
    let server = Server::start();
    let reply = hello(&mut server.client(), "HELLO 3", Protocol::Resp3);
    assert_eq!(reply.field("version").text(), "7.2.4");
}

#[test]
fn the_first_bytes() {
    let server = Server::start();
    let mut client = server.client();
    client.command("HELLO 3");
    client.expect("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$");
    let mut client = server.client();
    client.command("HELLO 2");
    client.expect("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$");
}

#[test]
fn nulls_are_those_of_the_protocol() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT GETNAME", protocol.null());
    });
}

#[test]
fn versions_that_do_not_exist() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for version in ["1", "4", "0", "-1", "99999999999"] {
            client.call(&format!("HELLO {version}"), "-NOPROTO unsupported protocol version\r\n");
        }
        for version in ["x", "3.0", "", "99999999999999999999"] {
            client.command_of(&[b"HELLO", version.as_bytes()]);
            client.expect("-ERR Protocol version is not an integer or out of range\r\n");
        }
        client.call("CLIENT GETNAME", protocol.null());
    });
}

#[test]
fn options_that_do_not_exist() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let other = if protocol == Protocol::Resp2 { 3 } else { 2 };
        for (options, named) in [
            ("FOO", "FOO"),
            ("Foo bar", "Foo"),
            ("AUTH", "AUTH"),
            ("AUTH default", "AUTH"),
            ("SETNAME", "SETNAME"),
            ("SETNAME a SETNAME", "SETNAME"),
            ("SETNAME a b", "b"),
        ] {
            client.call(
                &format!("HELLO {other} {options}"),
                format!("-ERR Syntax error in HELLO option '{named}'\r\n"),
            );
        }
        client.call("HELLO AUTH default x", "-ERR Protocol version is not an integer or out of range\r\n");
        if !differs_from_oracle(EARLY_NAME) {
            client.call("CLIENT GETNAME", protocol.null());
        }
    });
}

#[test]
fn setname_is_applied() {
    both_protocols(|server, protocol| {
        let mut client = server.client();
        let version = if protocol == Protocol::Resp2 { 2 } else { 3 };
        hello(&mut client, &format!("HELLO {version} SETNAME me"), protocol);
        client.call("CLIENT GETNAME", "$2\r\nme\r\n");
        // The last one counts.
        hello(&mut client, &format!("HELLO {version} setname one SetName two"), protocol);
        client.call("CLIENT GETNAME", "$3\r\ntwo\r\n");
        client.command_of(&[b"HELLO", version.to_string().as_bytes(), b"SETNAME", b"a b"]);
        client.expect("-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
        client.call("CLIENT GETNAME", "$3\r\ntwo\r\n");
    });
}

#[test]
fn a_password_is_required_when_there_is_one() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    if !differs_from_oracle("7.0 says it without <proto>") {
        let refused = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> \
                       AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
                       version at the same time\r\n";
        client.call("HELLO", refused);
        client.call("HELLO 3", refused);
        client.call("HELLO 3 SETNAME me", refused);
    }
    client.call("HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    // RESP2 still, and without a name.
    let reply = hello(&mut client, "HELLO 2 AUTH default secret", Protocol::Resp2);
    assert_eq!(reply.field("proto").integer(), 2);
    client.call("CLIENT GETNAME", "$-1\r\n");
}

#[test]
fn nothing_is_applied_when_the_password_is_wrong() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    for options in [
        "AUTH default wrong",
        "AUTH nobody secret",
        "AUTH default wrong SETNAME me",
        "SETNAME me AUTH default x",
    ] {
        client.call(
            &format!("HELLO 3 {options}"),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        );
        client.call("PING", "-NOAUTH Authentication required.\r\n");
    }
    client.call("AUTH secret", "+OK\r\n");
    if !differs_from_oracle(EARLY_NAME) {
        client.call("CLIENT GETNAME", "$-1\r\n");
    }
}

#[test]
fn auth_and_setname_in_one_hello() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    for options in [
        "AUTH default secret SETNAME me",
        "SETNAME me AUTH default secret",
        // No more than ten arguments are allowed here.
        "SETNAME you AUTH default secret SETNAME me",
    ] {
        let mut client = server.client();
        hello(&mut client, &format!("HELLO 3 {options}"), Protocol::Resp3);
        client.call("CLIENT GETNAME", "$2\r\nme\r\n");
    }
}

#[test]
fn of_two_passwords_the_last_one_counts() {
    if differs_from_oracle("7.0 tries each and stops at the first that is wrong") {
        return;
    }
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.client();
    client.call(
        "HELLO 3 AUTH default secret AUTH default wrong",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    );
    client.call("PING", "-NOAUTH Authentication required.\r\n");
    hello(&mut client, "HELLO 3 AUTH default wrong AUTH default secret", Protocol::Resp3);
}

#[test]
fn without_a_password_any_is_accepted_for_the_default_user() {
    let server = Server::start();
    let mut client = server.client();
    hello(&mut client, "HELLO 3 AUTH default anything", Protocol::Resp3);
    client.call(
        "HELLO 3 AUTH nobody anything",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    );
}

#[test]
fn the_protocol_changes_in_the_middle_of_a_pipeline() {
    let server = Server::start();
    let mut client = server.client();
    client.send("CLIENT GETNAME\r\nHELLO 3\r\nCLIENT GETNAME\r\nHELLO 2\r\nCLIENT GETNAME\r\n");
    client.expect("$-1\r\n");
    assert!(matches!(client.value(), Value::Map(_)));
    client.expect("_\r\n");
    assert!(matches!(client.value(), Value::Array(_)));
    client.expect("$-1\r\n");
}
