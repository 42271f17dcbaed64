//! CLIENT: what a connection says about itself, and what others are told about it.

use std::collections::HashMap;

use crate::support::{Client, Protocol, Server, Value, both_protocols, differs_from_oracle};

const BAD_NAME: &str = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";

#[test]
fn ids_grow_and_are_not_used_again() {
    both_protocols(|server, protocol| {
        let mut last = 0;
        for _ in 0..20 {
            let id = server.speaking(protocol).ask("CLIENT ID").integer();
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    });
}

#[test]
fn names() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT GETNAME", protocol.null());
        client.call("CLIENT SETNAME worker:1!", "+OK\r\n");
        client.call("CLIENT GETNAME", "$9\r\nworker:1!\r\n");
        for name in [&b"a b"[..], b"a\n", b" ", b"\0", b"\x7f", b"caf\xc3\xa9"] {
            client.command_of(&[b"CLIENT", b"SETNAME", name]);
            client.expect(BAD_NAME);
        }
        client.call("CLIENT GETNAME", "$9\r\nworker:1!\r\n");
        client.command_of(&[b"CLIENT", b"SETNAME", b""]);
        client.expect("+OK\r\n");
        client.call("CLIENT GETNAME", protocol.null());
    });
}

#[test]
fn setinfo() {
    if differs_from_oracle("7.0 has no SETINFO") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT SETINFO LIB-NAME my-lib(x_v1)", "+OK\r\n");
        client.call("client setinfo lib-ver 1.2.3", "+OK\r\n");
        let fields = fields(&client.ask("CLIENT INFO").text());
        assert_eq!(fields["lib-name"], "my-lib(x_v1)");
        assert_eq!(fields["lib-ver"], "1.2.3");
        client.command_of(&[b"CLIENT", b"SETINFO", b"Lib-Name", b"a b"]);
        client.expect("-ERR Lib-Name cannot contain spaces, newlines or special characters.\r\n");
        client.command_of(&[b"CLIENT", b"SETINFO", b"LIB-VER", b"1\n2"]);
        client.expect("-ERR LIB-VER cannot contain spaces, newlines or special characters.\r\n");
        client.call("CLIENT SETINFO LIB-FOO x", "-ERR Unrecognized option 'LIB-FOO'\r\n");
        client.call(
            "CLIENT SETINFO LIB-NAME",
            "-ERR wrong number of arguments for 'client|setinfo' command\r\n",
        );
        client.command_of(&[b"CLIENT", b"SETINFO", b"LIB-NAME", b""]);
        client.expect("+OK\r\n");
        let fields = self::fields(&client.ask("CLIENT INFO").text());
        assert_eq!(fields["lib-name"], "");
        // RESET takes the name of the client and leaves that of its library.
        client.call("RESET", "+RESET\r\n");
        let fields = self::fields(&client.ask("CLIENT INFO").text());
        assert_eq!(fields["lib-ver"], "1.2.3");
    });
}

/// The fields of a line in this order, because tools cut it by position.
const FIELDS: &str = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem \
                      multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";

#[test]
fn info_is_one_line_with_all_fields_in_order() {
    if differs_from_oracle("7.0 lacks watch, lib-name, lib-ver") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT SETNAME me", "+OK\r\n");
        let reply = client.ask("CLIENT INFO");
        match protocol {
            Protocol::Resp2 => assert!(matches!(reply, Value::Bulk(_)), "{reply:?}"),
            Protocol::Resp3 => assert!(matches!(reply, Value::Verbatim(_)), "{reply:?}"),
        }
        let text = reply.text();
        assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text:?}");
        let names: Vec<_> =
            text.trim_end_matches('\n').split(' ').map(|field| field.split('=').next().unwrap()).collect();
        assert_eq!(names.join(" "), FIELDS);
        assert_eq!(fields(&text)["cmd"], "client|info");
    });
}

#[test]
fn info_tells_the_truth() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let id = client.ask("CLIENT ID").integer();
        client.call("CLIENT SETNAME me", "+OK\r\n");
        client.call("SELECT 2", "+OK\r\n");
        let told = fields(&client.ask("CLIENT INFO").text());
        assert_eq!(told["id"], id.to_string());
        assert_eq!(told["name"], "me");
        assert_eq!(told["db"], "2");
        assert_eq!(told["flags"], "N");
        assert_eq!(told["multi"], "-1");
        assert_eq!(told["user"], "default");
        assert_eq!(told["redir"], "-1");
        assert_eq!(told["resp"], if protocol == Protocol::Resp2 { "2" } else { "3" });
        assert_eq!(told["laddr"], format!("127.0.0.1:{}", server.port));
        assert!(told["addr"].starts_with("127.0.0.1:") && told["addr"] != told["laddr"], "{told:?}");
        assert_eq!(told["cmd"], "client|info");
        assert_eq!(told["events"], "r");
    });
}

#[test]
fn list_shows_subscriptions_and_transactions_of_others() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        let id = subscriber.ask("CLIENT ID").integer();
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        subscriber.subscribe("SUBSCRIBE", "b", 2);
        subscriber.subscribe("PSUBSCRIBE", "p*", 3);
        subscriber.subscribe("SSUBSCRIBE", "s", 1);
        let mut queueing = server.speaking(protocol);
        let queueing_id = queueing.ask("CLIENT ID").integer();
        queueing.call("MULTI", "+OK\r\n");
        queueing.call("PING", "+QUEUED\r\n");
        queueing.call("PING", "+QUEUED\r\n");
        let mut asker = server.speaking(protocol);
        let list = list(&mut asker, "CLIENT LIST");
        assert_eq!(list.len(), 3);
        let told = &list[&id];
        assert_eq!((&*told["sub"], &*told["psub"], &*told["ssub"]), ("2", "1", "1"));
        assert_eq!(told["flags"], "P");
        assert_eq!(told["cmd"], "ssubscribe");
        let told = &list[&queueing_id];
        assert_eq!(told["multi"], "2");
        assert_eq!(told["flags"], "x");
    });
}

#[test]
fn list_by_type_and_by_id() {
    both_protocols(|server, protocol| {
        let mut subscriber = server.speaking(protocol);
        let subscribed = subscriber.ask("CLIENT ID").integer();
        subscriber.subscribe("SUBSCRIBE", "a", 1);
        let mut asker = server.speaking(protocol);
        let own = asker.ask("CLIENT ID").integer();
        let ids = |list: HashMap<i64, HashMap<String, String>>| {
            let mut ids: Vec<_> = list.into_keys().collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(list(&mut asker, "CLIENT LIST")), [subscribed, own]);
        assert_eq!(ids(list(&mut asker, "CLIENT LIST TYPE pubsub")), [subscribed]);
        assert_eq!(ids(list(&mut asker, "CLIENT LIST TYPE normal")), [own]);
        assert_eq!(ids(list(&mut asker, "client list type NORMAL")), [own]);
        assert!(list(&mut asker, "CLIENT LIST TYPE master").is_empty());
        assert!(list(&mut asker, "CLIENT LIST TYPE replica").is_empty());
        assert_eq!(ids(list(&mut asker, &format!("CLIENT LIST ID {own}"))), [own]);
        assert_eq!(
            ids(list(&mut asker, &format!("CLIENT LIST ID {own} {subscribed} 99999"))),
            [subscribed, own]
        );
        assert!(list(&mut asker, "CLIENT LIST ID 99999").is_empty());
        asker.call("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'\r\n");
        asker.call("CLIENT LIST TYPE", "-ERR syntax error\r\n");
        asker.call("CLIENT LIST FOO", "-ERR syntax error\r\n");
        asker.call("CLIENT LIST ID x", "-ERR Invalid client ID\r\n");
        asker.call("CLIENT LIST ID", "-ERR syntax error\r\n");
    });
}

#[test]
fn reply_off_and_skip() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send("CLIENT REPLY OFF\r\nPING 1\r\nnosuch\r\nPING 2\r\nCLIENT REPLY ON\r\nPING 3\r\n");
        client.expect("+OK\r\n$1\r\n3\r\n");
        client.send("CLIENT REPLY SKIP\r\nPING 1\r\nPING 2\r\n");
        client.expect("$1\r\n2\r\n");
        client.call("CLIENT REPLY FOO", "-ERR syntax error\r\n");
        client.call("CLIENT REPLY ON", "+OK\r\n");
    });
}

#[test]
fn reply_off_does_not_silence_messages_and_confirmations() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.send(
            "CLIENT REPLY OFF\r\nPING\r\nSUBSCRIBE a\r\nPSUBSCRIBE p*\r\nSSUBSCRIBE s\r\nPUNSUBSCRIBE p*\r\n",
        );
        client.expect_confirmation("subscribe", "a", 1);
        client.expect_confirmation("psubscribe", "p*", 2);
        client.expect_confirmation("ssubscribe", "s", 1);
        client.expect_confirmation("punsubscribe", "p*", 1);
        let mut publisher = server.client();
        publisher.call("PUBLISH a x", ":1\r\n");
        publisher.call("SPUBLISH s y", ":1\r\n");
        client.expect_message("a", "x");
        client.expect_smessage("s", "y");
        client.send("PING\r\nUNSUBSCRIBE a\r\nSUNSUBSCRIBE s\r\n");
        client.expect_confirmation("unsubscribe", "a", 0);
        client.expect_confirmation("sunsubscribe", "s", 0);
        client.send("PING\r\nCLIENT REPLY ON\r\nPING\r\n");
        client.expect("+OK\r\n+PONG\r\n");
    });
}

#[test]
fn errors() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT", "-ERR wrong number of arguments for 'client' command\r\n");
        client.call("CLIENT NoSuch a", "-ERR unknown subcommand 'NoSuch'. Try CLIENT HELP.\r\n");
        for name in ["id", "getname", "info"] {
            client.call(
                &format!("CLIENT {} x", name.to_uppercase()),
                format!("-ERR wrong number of arguments for 'client|{name}' command\r\n"),
            );
        }
        client.call("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n");
        client.call("CLIENT SETNAME a b", "-ERR wrong number of arguments for 'client|setname' command\r\n");
        client.call("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command\r\n");
        client.call("CLIENT REPLY", "-ERR wrong number of arguments for 'client|reply' command\r\n");
    });
}

#[test]
fn a_name_does_not_break_the_list() {
    let server = Server::start();
    let mut client = server.client();
    // The characters that a name may hold include the one that separates a field from its value.
    client.call("CLIENT SETNAME a=b", "+OK\r\n");
    assert_eq!(fields(&client.ask("CLIENT INFO").text())["name"], "a=b");
}

fn fields(line: &str) -> HashMap<String, String> {
    let pairs = line.trim_end_matches('\n').split(' ').map(|field| field.split_once('=').expect("key=value"));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The lines of CLIENT LIST by id.
#[track_caller]
fn list(client: &mut Client, line: &str) -> HashMap<i64, HashMap<String, String>> {
    let text = client.ask(line).text();
    let lines = text.lines().filter(|line| !line.is_empty()).map(fields);
    lines.map(|fields| (fields["id"].parse().expect("a number"), fields)).collect()
}

#[test]
fn list_by_very_many_ids() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let id = client.ask("CLIENT ID").integer();
        let many = (1000..9000).map(|id| format!(" {id}")).collect::<String>();
        let list = list(&mut client, &format!("CLIENT LIST ID{many} {id}"));
        assert_eq!(list.keys().copied().collect::<Vec<_>>(), [id]);
        client.call(&format!("CLIENT LIST ID{many} x"), "-ERR Invalid client ID\r\n");
    });
}
