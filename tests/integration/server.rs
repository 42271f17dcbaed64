//! What tools and client libraries ask a server beside INFO: its role, its time, whether all is replicated and saved.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Protocol, Value, both_protocols, differs_from_oracle};

#[test]
fn it_is_a_master_without_replicas() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
        client.call("ROLE x", "-ERR wrong number of arguments for 'role' command\r\n");
        for name in ["REPLICAOF", "SLAVEOF"] {
            client.call(&format!("{name} NO ONE"), "+OK\r\n");
            client.call(&format!("{name} no one"), "+OK\r\n");
            let arity = format!("-ERR wrong number of arguments for '{}' command\r\n", name.to_lowercase());
            client.call(&format!("{name} localhost"), arity);
        }
    });
}

#[test]
fn it_cannot_become_a_replica() {
    if differs_from_oracle("Redis can") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for name in ["REPLICAOF", "SLAVEOF"] {
            client.call(
                &format!("{name} localhost 6379"),
                "-ERR This server stores nothing, so that it cannot be a replica\r\n",
            );
        }
        client.call("ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    });
}

#[test]
fn its_time_is_ours() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let before = clock();
        let told = client.ask("TIME");
        let after = clock();
        let numbers: Vec<u128> =
            told.elements().iter().map(|number| number.text().parse().unwrap()).collect();
        let [seconds, microseconds] = numbers[..] else { panic!("{told:?}") };
        assert!(microseconds < 1_000_000);
        let told = seconds * 1_000_000 + microseconds;
        assert!((before..=after).contains(&told), "{before} {told} {after}");
        client.call("TIME x", "-ERR wrong number of arguments for 'time' command\r\n");
    });
}

#[test]
fn nobody_needs_to_be_waited_for() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("WAIT 0 0", ":0\r\n");
        client.call("WAIT 1 1", ":0\r\n");
        client.call("WAIT -1 1", ":0\r\n");
        client.call("WAIT x 0", "-ERR value is not an integer or out of range\r\n");
        client.call("WAIT 0 x", "-ERR timeout is not an integer or out of range\r\n");
        client.call("WAIT 0 1.5", "-ERR timeout is not an integer or out of range\r\n");
        client.call("WAIT 0 -1", "-ERR timeout is negative\r\n");
        client.call("WAIT 0", "-ERR wrong number of arguments for 'wait' command\r\n");
    });
}

#[test]
fn replicas_that_there_will_never_be_are_not_waited_for() {
    if differs_from_oracle("Redis waits for ever") {
        return;
    }
    both_protocols(|server, protocol| server.speaking(protocol).call("WAIT 1 0", ":0\r\n"));
}

#[test]
fn files_that_there_are_not_are_not_waited_for() {
    if differs_from_oracle("7.0 does not know WAITAOF") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("WAITAOF 0 0 0", "*2\r\n:0\r\n:0\r\n");
        client.call("WAITAOF 0 1 100", "*2\r\n:0\r\n:0\r\n");
        client.call(
            "WAITAOF 1 0 0",
            "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n",
        );
        client.call("WAITAOF x 0 0", "-ERR value is not an integer or out of range\r\n");
        client.call("WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1\r\n");
        client.call("WAITAOF 0 -1 0", "-ERR value is out of range, must be positive\r\n");
        client.call("WAITAOF 0 x 0", "-ERR value is out of range, must be positive\r\n");
        client.call("WAITAOF 1 0 -1", "-ERR timeout is negative\r\n");
        client.call("WAITAOF 0 0 x", "-ERR timeout is not an integer or out of range\r\n");
        client.call("WAITAOF 0 0", "-ERR wrong number of arguments for 'waitaof' command\r\n");
    });
}

#[test]
fn saving_is_done_at_once() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        if !differs_from_oracle("Redis would leave a file") {
            client.call("SAVE", "+OK\r\n");
        }
        client.call("SAVE x", "-ERR wrong number of arguments for 'save' command\r\n");
        for line in ["BGSAVE NOW", "BGSAVE SCHEDULE SCHEDULE"] {
            client.call(line, "-ERR syntax error\r\n");
        }
        client.call("BGREWRITEAOF x", "-ERR wrong number of arguments for 'bgrewriteaof' command\r\n");
        client.call("LASTSAVE x", "-ERR wrong number of arguments for 'lastsave' command\r\n");
        client.call("MULTI", "+OK\r\n");
        client.call("SAVE", "-ERR Command not allowed inside a transaction\r\n");
        client.call("DISCARD", "+OK\r\n");
    });
}

#[test]
fn saving_in_the_background_is_always_possible_and_has_just_ended() {
    if differs_from_oracle("Redis is still busy with the one before") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["BGSAVE", "BGSAVE SCHEDULE", "bgsave schedule"] {
            client.call(line, "+Background saving started\r\n");
        }
        client.call("BGREWRITEAOF", "+Background append only file rewriting started\r\n");
        client.send("TIME\r\nLASTSAVE\r\nTIME\r\n");
        let mut seconds = || match client.value() {
            Value::Integer(seconds) => seconds,
            time => time.elements()[0].text().parse().unwrap(),
        };
        let [before, saved, after] = [(); 3].map(|()| seconds());
        assert!((before..=after).contains(&saved));
    });
}

#[test]
fn lolwut_says_the_version() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        for line in ["LOLWUT", "LOLWUT VERSION 9", "LOLWUT 1 2 3"] {
            let reply = client.ask(line);
            match protocol {
                Protocol::Resp2 => assert!(matches!(reply, Value::Bulk(_))),
                Protocol::Resp3 => assert!(matches!(reply, Value::Verbatim(_))),
            }
            // redis-py's own tests look for this.
            assert!(reply.text().contains("Redis ver. ") && reply.text().ends_with('\n'), "{reply:?}");
        }
        client.call("LOLWUT VERSION x", "-ERR value is not an integer or out of range\r\n");
    });
}
