//! COMMAND DOCS and COMMAND HELP.

use crate::support::{Protocol, Value, both_protocols, differs_from_oracle};

#[test]
fn the_documentation_of_a_command() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("our own words") {
            return;
        }
        let mut client = server.speaking(protocol);
        let [map1, map4, map5] = match protocol {
            Protocol::Resp2 => ["*2", "*8", "*10"],
            Protocol::Resp3 => ["%1", "%4", "%5"],
        };
        let (map3, set) = match protocol {
            Protocol::Resp2 => ("*6", "*"),
            Protocol::Resp3 => ("%3", "~"),
        };
        client.call(
            "COMMAND DOCS client|SETNAME",
            format!(
                "{map1}\r\n$14\r\nclient|setname\r\n{map4}\r\n$7\r\nsummary\r\n$25\r\nSets the connection name.\r\n\
                 $5\r\nsince\r\n$5\r\n2.6.9\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n$9\r\narguments\r\n*1\r\n\
                 {map3}\r\n$4\r\nname\r\n$15\r\nconnection-name\r\n$4\r\ntype\r\n$6\r\nstring\r\n\
                 $12\r\ndisplay_text\r\n$15\r\nconnection-name\r\n"
            ),
        );
        client.command("COMMAND DOCS watch");
        client.expect(format!("{map1}\r\n$5\r\nwatch\r\n{map4}\r\n"));
        client.expect("$7\r\nsummary\r\n$50\r\nDoes nothing: there are no keys that could change.\r\n");
        client.expect(
            "$5\r\nsince\r\n$5\r\n2.2.0\r\n$5\r\ngroup\r\n$12\r\ntransactions\r\n$9\r\narguments\r\n*1\r\n",
        );
        client.expect(format!("{map5}\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n"));
        client.expect("$12\r\ndisplay_text\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n$5\r\nflags\r\n");
        client.expect(format!("{set}1\r\n+multiple\r\n"));
    });
}

#[test]
fn arguments_inside_arguments() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("7.2 names the display text") {
            return;
        }
        let mut client = server.speaking(protocol);
        let reply = client.ask("COMMAND DOCS hello");
        let whole = &reply.field("hello").field("arguments").elements()[0];
        assert_eq!(whole.field("type").text(), "block");
        assert_eq!(whole.field("flags").sorted_texts(), ["optional"]);
        let parts = whole.field("arguments").elements();
        let names: Vec<String> = parts.iter().map(|part| part.field("name").text()).collect();
        assert_eq!(names, ["protover", "username-password", "clientname"]);
        assert_eq!(parts[0].field("type").text(), "integer");
        assert_eq!(parts[1].field("token").text(), "AUTH");
        assert_eq!(parts[1].field("arguments").elements().len(), 2);
        assert_eq!(parts[2].field("token").text(), "SETNAME");
        let reply = client.ask("COMMAND DOCS client|reply");
        let choice = &reply.field("client|reply").field("arguments").elements()[0];
        assert_eq!(choice.field("type").text(), "oneof");
        let words = choice.field("arguments").elements();
        assert!(words.iter().all(|word| word.field("type").text() == "pure-token"));
        assert_eq!(
            words.iter().map(|word| word.field("token").text()).collect::<Vec<_>>(),
            ["ON", "OFF", "SKIP"]
        );
    });
}

#[test]
fn all_that_is_served_has_some_and_nothing_else() {
    both_protocols(|server, protocol| {
        if differs_from_oracle("Redis serves other commands") {
            return;
        }
        let mut client = server.speaking(protocol);
        let all = client.ask("COMMAND DOCS");
        let mut names: Vec<String> = Vec::new();
        for pair in all.elements().chunks(2) {
            names.push(pair[0].text());
            let fields: Vec<String> = pair[1].elements().chunks(2).map(|field| field[0].text()).collect();
            assert_eq!(fields[..3], ["summary", "since", "group"]);
            if fields.iter().any(|field| field == "subcommands") {
                let subcommands = pair[1].field("subcommands").elements().chunks(2);
                names.extend(subcommands.map(|subcommand| subcommand[0].text()));
            }
        }
        names.sort();
        assert_eq!(names, client.ask("COMMAND LIST").sorted_texts());
        assert_eq!(client.ask("COMMAND DOCS mpublish").field("mpublish").field("group").text(), "pubsub");
        let empty = match protocol {
            Protocol::Resp2 => Value::Array(Vec::new()),
            Protocol::Resp3 => Value::Map(Vec::new()),
        };
        assert_eq!(client.ask("COMMAND DOCS zadd nosuch xgroup|create"), empty);
        assert_eq!(client.ask("COMMAND DOCS nosuch Publish").elements()[0].text(), "publish");
    });
}

#[test]
fn help() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let lines: Vec<String> = client.ask("COMMAND HELP").elements().iter().map(Value::text).collect();
        assert_eq!(lines[0], "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        assert_eq!(lines[lines.len() - 2..], ["HELP", "    Prints this help."]);
        for line in
            ["COUNT", "INFO [<command-name> ...]", "DOCS [<command-name> ...]", "GETKEYS <full-command>"]
        {
            assert!(lines.iter().any(|other| other == line), "{line}");
        }
    });
}
