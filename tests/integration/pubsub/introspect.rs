//! PUBSUB and its subcommands.

use crate::support::{Value, both_protocols};

#[test]
fn channels_lists_what_has_an_exact_subscriber() {
    both_protocols(|server, protocol| {
        let mut asker = server.speaking(protocol);
        asker.call("PUBSUB CHANNELS", "*0\r\n");
        let mut first = server.speaking(protocol);
        first.subscribe("subscribe", "a", 1);
        first.subscribe("subscribe", "bb", 2);
        first.subscribe("psubscribe", "pattern*", 3);
        first.subscribe("ssubscribe", "shard", 1);
        let mut second = server.speaking(protocol);
        second.subscribe("subscribe", "a", 1);
        second.subscribe("subscribe", "bc", 2);
        assert_eq!(asker.ask("PUBSUB CHANNELS").sorted_texts(), ["a", "bb", "bc"]);
        assert_eq!(asker.ask("PUBSUB CHANNELS b*").sorted_texts(), ["bb", "bc"]);
        assert_eq!(asker.ask("PUBSUB CHANNELS b[^b]").sorted_texts(), ["bc"]);
        asker.call("PUBSUB CHANNELS x*", "*0\r\n");
        asker.call("PUBSUB SHARDCHANNELS", "*1\r\n$5\r\nshard\r\n");
        asker.call("PUBSUB SHARDCHANNELS s*", "*1\r\n$5\r\nshard\r\n");
        asker.call("PUBSUB SHARDCHANNELS a", "*0\r\n");
        first.command("UNSUBSCRIBE a");
        first.expect_confirmation("unsubscribe", "a", 2);
        assert_eq!(asker.ask("pubsub channels").sorted_texts(), ["a", "bb", "bc"]);
        second.command("UNSUBSCRIBE a");
        second.expect_confirmation("unsubscribe", "a", 1);
        assert_eq!(asker.ask("PUBSUB CHANNELS").sorted_texts(), ["bb", "bc"]);
    });
}

#[test]
fn numsub_counts_exact_subscribers_in_argument_order() {
    both_protocols(|server, protocol| {
        let mut asker = server.speaking(protocol);
        asker.call("PUBSUB NUMSUB", "*0\r\n");
        asker.call("PUBSUB SHARDNUMSUB", "*0\r\n");
        let mut clients: Vec<_> = (0..3).map(|_| server.speaking(protocol)).collect();
        for client in &mut clients {
            client.subscribe("subscribe", "a", 1);
            client.subscribe("psubscribe", "a*", 2);
        }
        clients[0].subscribe("subscribe", "b", 3);
        clients[0].subscribe("ssubscribe", "s", 1);
        asker.call(
            "PUBSUB NUMSUB b none a a",
            "*8\r\n$1\r\nb\r\n:1\r\n$4\r\nnone\r\n:0\r\n$1\r\na\r\n:3\r\n$1\r\na\r\n:3\r\n",
        );
        asker.call("PUBSUB NUMSUB s", "*2\r\n$1\r\ns\r\n:0\r\n");
        asker.call("PUBSUB SHARDNUMSUB s a", "*4\r\n$1\r\ns\r\n:1\r\n$1\r\na\r\n:0\r\n");
    });
}

#[test]
fn numpat_counts_different_patterns_once() {
    both_protocols(|server, protocol| {
        let mut asker = server.speaking(protocol);
        asker.call("PUBSUB NUMPAT", ":0\r\n");
        let mut first = server.speaking(protocol);
        first.subscribe("psubscribe", "a*", 1);
        first.subscribe("psubscribe", "b*", 2);
        let mut second = server.speaking(protocol);
        second.subscribe("psubscribe", "a*", 1);
        second.subscribe("subscribe", "c", 2);
        asker.call("PUBSUB NUMPAT", ":2\r\n");
        first.command("PUNSUBSCRIBE");
        first.value();
        first.value();
        asker.call("PUBSUB NUMPAT", ":1\r\n");
        second.command("PUNSUBSCRIBE a*");
        second.expect_confirmation("punsubscribe", "a*", 1);
        asker.call("PUBSUB NUMPAT", ":0\r\n");
    });
}

#[test]
fn help_is_an_array_of_simple_strings() {
    both_protocols(|server, protocol| {
        let help = server.speaking(protocol).ask("PUBSUB HELP");
        assert!(matches!(help, Value::Array(_)), "{help:?}");
        let lines = help.elements();
        assert_eq!(lines[0].text(), "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        assert!(lines.iter().all(|line| matches!(line, Value::Simple(_))), "{lines:?}");
        for name in ["CHANNELS", "NUMPAT", "NUMSUB", "SHARDCHANNELS", "SHARDNUMSUB"] {
            assert!(
                lines.iter().any(|line| line.text().starts_with(name)),
                "no line about {name}: {lines:?}"
            );
        }
    });
}

#[test]
fn errors() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("PUBSUB", "-ERR wrong number of arguments for 'pubsub' command\r\n");
        client.call("PUBSUB Nope", "-ERR unknown subcommand 'Nope'. Try PUBSUB HELP.\r\n");
        client.call("PUBSUB Nope with args", "-ERR unknown subcommand 'Nope'. Try PUBSUB HELP.\r\n");
        client.call("PUBSUB NUMPAT x", "-ERR wrong number of arguments for 'pubsub|numpat' command\r\n");
        client.call("PUBSUB HELP x", "-ERR wrong number of arguments for 'pubsub|help' command\r\n");
    });
}

#[test]
fn channels_with_too_many_arguments() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for name in ["CHANNELS", "SHARDCHANNELS"] {
            client.call(
                &format!("PUBSUB {name} a b"),
                format!(
                    "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try PUBSUB HELP.\r\n"
                ),
            );
        }
    });
}
