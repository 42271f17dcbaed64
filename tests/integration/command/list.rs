//! COMMAND LIST and its filters.

use crate::support::{both_protocols, differs_from_oracle};

#[test]
fn a_pattern_in_any_case() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for pattern in ["pubsub|*sub", "PubSub|*SUB"] {
            let names = client.ask(&format!("COMMAND LIST FILTERBY PATTERN {pattern}")).sorted_texts();
            assert_eq!(names, ["pubsub|numsub", "pubsub|shardnumsub"]);
        }
        client.call("COMMAND LIST FILTERBY PATTERN nosuch", "*0\r\n");
        if !differs_from_oracle("a limit of ours") {
            let long = "a".repeat(1025);
            let error = "-ERR pattern is longer than 1024 bytes (max-pattern-length)\r\n";
            client.call(&format!("COMMAND LIST FILTERBY PATTERN {long}"), error);
        }
    });
}

#[test]
fn a_category() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for category in ["transaction", "Transaction"] {
            let names = client.ask(&format!("COMMAND list filterby AclCat {category}")).sorted_texts();
            assert_eq!(names, ["discard", "exec", "multi", "unwatch", "watch"]);
        }
        client.call("COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n");
        client.call("COMMAND LIST FILTERBY ACLCAT @transaction", "*0\r\n");
    });
}

#[test]
fn there_are_no_modules() {
    both_protocols(|server, protocol| {
        server.speaking(protocol).call("COMMAND LIST FILTERBY MODULE x", "*0\r\n");
    });
}

#[test]
fn anything_else_is_a_syntax_error() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for rest in
            ["x", "FILTERBY", "FILTERBY PATTERN", "FILTERBY NOSUCH x", "FILTERBY PATTERN a b", "a b c"]
        {
            client.call(&format!("COMMAND LIST {rest}"), "-ERR syntax error\r\n");
        }
    });
}
