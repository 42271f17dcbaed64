//! CLIENT TRACKING, TRACKINGINFO, GETREDIR, CACHING, NO-EVICT, NO-TOUCH, CAPA: settings that are kept and told again.

use crate::support::{Client, Protocol, both_protocols, differs_from_oracle, eventually};

/// TRACKINGINFO as text: flags, redirection, prefixes.
fn tracking(client: &mut Client) -> String {
    let info = client.ask("CLIENT TRACKINGINFO");
    let texts =
        |name| info.field(name).elements().iter().map(|text| text.text()).collect::<Vec<_>>().join(" ");
    format!("{} / {} / {}", texts("flags"), info.field("redirect").integer(), texts("prefixes"))
}

fn field(client: &mut Client, name: &str) -> String {
    let info = client.ask("CLIENT INFO").text();
    info.split(' ').find_map(|field| field.strip_prefix(&format!("{name}="))).unwrap().to_owned()
}

#[test]
fn trackinginfo_has_its_types() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call(
            "CLIENT TRACKINGINFO",
            match protocol {
                Protocol::Resp2 => {
                    "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
                }
                Protocol::Resp3 => {
                    "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
                }
            },
        );
    });
}

#[test]
fn settings_are_kept_and_told() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let mut other = server.speaking(protocol);
        let id = other.ask("CLIENT ID").integer();
        client.call("CLIENT GETREDIR", ":-1\r\n");
        assert_eq!((field(&mut client, "redir"), field(&mut client, "flags")), ("-1".into(), "N".into()));
        for (line, told) in [
            ("ON".to_owned(), "on / 0 / ".to_owned()),
            ("on optin noloop".to_owned(), "on optin noloop / 0 / ".to_owned()),
            // Without an option its setting ends.
            ("ON".to_owned(), "on / 0 / ".to_owned()),
            (format!("ON REDIRECT {id} OPTOUT"), format!("on optout / {id} / ")),
            ("OFF".to_owned(), "off / -1 / ".to_owned()),
            ("ON BCAST".to_owned(), "on bcast / 0 / ".to_owned()),
            ("OFF".to_owned(), "off / -1 / ".to_owned()),
            ("ON BCAST PREFIX b PREFIX a NOLOOP".to_owned(), "on bcast noloop / 0 / a b".to_owned()),
            // Prefixes are added to those that were there.
            ("ON BCAST PREFIX c".to_owned(), "on bcast / 0 / a b c".to_owned()),
        ] {
            client.call(&format!("CLIENT TRACKING {line}"), "+OK\r\n");
            assert_eq!(tracking(&mut client), told, "after {line}");
        }
        assert_eq!((field(&mut client, "redir"), field(&mut client, "flags")), ("0".into(), "tB".into()));
        client.call("CLIENT GETREDIR", ":0\r\n");
        eventually("the server has counted it", || {
            other.ask("INFO clients").text().contains("tracking_clients:1\r\n")
        });
        client.call("RESET", "+RESET\r\n");
        assert_eq!(tracking(&mut client), "off / -1 / ");
        eventually("the server has counted it no more", || {
            other.ask("INFO clients").text().contains("tracking_clients:0\r\n")
        });
    });
}

#[test]
fn caching_is_for_the_next_command() {
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT TRACKING ON OPTIN", "+OK\r\n");
        client.call("CLIENT CACHING YES", "+OK\r\n");
        // Those of CLIENT do not count.
        assert_eq!(tracking(&mut client), "on optin caching-yes / 0 / ");
        assert_eq!(tracking(&mut client), "on optin caching-yes / 0 / ");
        client.call("PING", "+PONG\r\n");
        assert_eq!(tracking(&mut client), "on optin / 0 / ");
        client.call("CLIENT TRACKING OFF", "+OK\r\n");
        client.call("CLIENT TRACKING ON OPTOUT", "+OK\r\n");
        client.call("CLIENT CACHING NO", "+OK\r\n");
        assert_eq!(tracking(&mut client), "on optout caching-no / 0 / ");
        client.call("CLIENT TRACKING OFF", "+OK\r\n");
        client.call("CLIENT TRACKING ON OPTOUT", "+OK\r\n");
        assert_eq!(tracking(&mut client), "on optout / 0 / ");
    });
}

#[test]
fn errors() {
    const SWITCH_BCAST: &str = "You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                                re-enabling it with a different mode.";
    const SWITCH_CHOICE: &str = "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                                 re-enabling it with a different mode.";
    const OVERLAP: &str = "Prefixes for a single client must not overlap.";
    const CACHING: &str = "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT \
                           mode enabled";
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let id = client.ask("CLIENT ID").integer();
        let mut refused = |line: &str, error: &str| client.call(line, format!("-ERR {error}\r\n"));
        refused("CLIENT TRACKING", "wrong number of arguments for 'client|tracking' command");
        refused("CLIENT TRACKINGINFO x", "wrong number of arguments for 'client|trackinginfo' command");
        refused("CLIENT GETREDIR x", "wrong number of arguments for 'client|getredir' command");
        refused("CLIENT CACHING", "wrong number of arguments for 'client|caching' command");
        for line in ["FOO", "ON FOO", "ON REDIRECT", "ON PREFIX", "ON BCAST PREFIX"] {
            refused(&format!("CLIENT TRACKING {line}"), "syntax error");
        }
        let tracking = |rest: &str| format!("CLIENT TRACKING ON {rest}");
        refused(&tracking("REDIRECT x"), "value is not an integer or out of range");
        refused(&tracking("REDIRECT 99999"), "The client ID you want redirect to does not exist");
        refused(&tracking("REDIRECT 0"), "The client ID you want redirect to does not exist");
        refused(
            &tracking(&format!("REDIRECT {id} REDIRECT {id}")),
            "A client can only redirect to a single other client",
        );
        refused(&tracking("PREFIX a"), "PREFIX option requires BCAST mode to be enabled");
        refused(&tracking("OPTIN OPTOUT"), "You can't specify both OPTIN mode and OPTOUT mode");
        refused(&tracking("BCAST OPTIN"), "OPTIN and OPTOUT are not compatible with BCAST");
        refused(
            &tracking("BCAST PREFIX a PREFIX ab"),
            &format!("Prefix 'a' overlaps with another provided prefix 'ab'. {OVERLAP}"),
        );
        refused("CLIENT CACHING YES", CACHING);

        client.call("CLIENT TRACKING ON OPTIN", "+OK\r\n");
        let mut refused = |line: &str, error: &str| client.call(line, format!("-ERR {error}\r\n"));
        refused(&tracking("BCAST"), SWITCH_BCAST);
        refused(&tracking("OPTOUT"), SWITCH_CHOICE);
        refused(
            "CLIENT CACHING NO",
            "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        );
        refused("CLIENT CACHING FOO", "syntax error");

        client.call("CLIENT TRACKING OFF", "+OK\r\n");
        client.call("CLIENT TRACKING ON BCAST PREFIX b PREFIX dd", "+OK\r\n");
        let mut refused = |line: &str, error: &str| client.call(line, format!("-ERR {error}\r\n"));
        for (prefix, other) in [("bc", "b"), ("b", "b"), ("d", "dd")] {
            refused(
                &tracking(&format!("BCAST PREFIX {prefix}")),
                &format!("Prefix '{prefix}' overlaps with an existing prefix '{other}'. {OVERLAP}"),
            );
        }
        refused(
            "CLIENT CACHING YES",
            "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        );
    });
}

#[test]
fn prefixes_are_bounded() {
    if differs_from_oracle("Redis has no bound") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let prefixes: String = (0..10_001).map(|number| format!(" PREFIX {number:06}")).collect();
        client.call(
            &format!("CLIENT TRACKING ON BCAST{prefixes}"),
            "-ERR max number of patterns per client reached (max-patterns-per-client 10000)\r\n",
        );
        client.call(
            &format!("CLIENT TRACKING ON BCAST PREFIX {}", "x".repeat(1025)),
            "-ERR pattern is longer than 1024 bytes (max-pattern-length)\r\n",
        );
        assert_eq!(tracking(&mut client), "off / -1 / ");
    });
}

#[test]
fn no_evict_and_no_touch_are_flags() {
    if differs_from_oracle("7.0 has no NO-TOUCH, and its RESET leaves NO-EVICT") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT NO-EVICT on", "+OK\r\n");
        assert_eq!(field(&mut client, "flags"), "e");
        client.call("CLIENT NO-TOUCH ON", "+OK\r\n");
        assert_eq!(field(&mut client, "flags"), "eT");
        client.call("CLIENT NO-EVICT OFF", "+OK\r\n");
        assert_eq!(field(&mut client, "flags"), "T");
        client.call("CLIENT NO-EVICT ON", "+OK\r\n");
        client.call("RESET", "+RESET\r\n");
        assert_eq!(field(&mut client, "flags"), "N");
        for name in ["no-evict", "no-touch"] {
            let line = format!("CLIENT {}", name.to_uppercase());
            client.call(&format!("{line} FOO"), "-ERR syntax error\r\n");
            for wrong in [line.clone(), format!("{line} ON x")] {
                let error = format!("-ERR wrong number of arguments for 'client|{name}' command\r\n");
                client.call(&wrong, error);
            }
        }
    });
}

#[test]
fn capabilities_are_taken_and_notifications_are_unknown() {
    if differs_from_oracle("CAPA is Valkey's") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        client.call("CLIENT CAPA redirect", "+OK\r\n");
        client.call("CLIENT CAPA redirect whatever", "+OK\r\n");
        client.call("CLIENT CAPA", "-ERR wrong number of arguments for 'client|capa' command\r\n");
        client.call(
            "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
        );
    });
}

#[test]
fn thousands_of_prefixes_take_turns() {
    if differs_from_oracle("Redis serves a client for as long as it has sent something") {
        return;
    }
    both_protocols(|server, protocol| {
        let mut client = server.speaking(protocol);
        let prefixes = (0..5000).map(|number| format!(" PREFIX {number:04}")).collect::<String>();
        client.call(&format!("CLIENT TRACKING ON BCAST{prefixes}"), "+OK\r\n");
        let turns = || server.info("eventloop_cycles").parse::<u64>().expect("a number");
        for line in ["CLIENT CACHING NO", "CLIENT TRACKING ON BCAST"] {
            let before = turns();
            client.send(format!("{line}\r\n").repeat(100));
            (0..100).for_each(|_| drop(client.value()));
            assert!(turns() - before >= 100, "{line}");
        }
    });
}
