//! The list of all fields of INFO: each moves in a test, follows from others, or is constant by nature. A field that is in
//! no list fails the test, so that none is there only for show.

use std::collections::{BTreeMap, BTreeSet};

use super::constant::CONSTANT;
use super::fields;
use crate::support::{Client, Server, differs_from_oracle, encode, eventually};

/// What is done to a server, and which fields it changes.
struct Mover {
    what: &'static str,
    flags: &'static [&'static str],
    fields: &'static [&'static str],
    /// Does it, again and again if need be; what it returns is dropped when the fields have changed.
    act: fn(&Server, &mut Vec<Client>),
}

const MOVERS: &[Mover] = &[
    Mover {
        what: "clients that come and work",
        flags: &[],
        fields: &[
            "connected_clients",
            "eventloop_cycles",
            "eventloop_duration_cmd_sum",
            "eventloop_duration_sum",
            "instantaneous_eventloop_cycles_per_sec",
            "instantaneous_eventloop_duration_usec",
            "instantaneous_input_kbps",
            "instantaneous_ops_per_sec",
            "instantaneous_output_kbps",
            "longest_turn_usec",
            "lru_clock",
            "server_time_usec",
            "total_commands_processed",
            "total_connections_received",
            "total_net_input_bytes",
            "total_net_output_bytes",
            "total_reads_processed",
            "total_writes_processed",
            "uptime_in_seconds",
            "used_cpu_sys",
            "used_cpu_user",
        ],
        act: |server, clients| {
            let mut client = server.client();
            client.send(encode(["PING"]).repeat(1000));
            client.expect("+PONG\r\n".repeat(1000));
            if clients.is_empty() {
                clients.push(client);
            }
        },
    },
    Mover {
        what: "subscribers and messages",
        flags: &[],
        fields: &[
            "pubsub_channels",
            "pubsub_clients",
            "pubsub_messages_delivered",
            "pubsub_messages_published",
            "pubsub_patterns",
            "pubsubshard_channels",
        ],
        act: |server, clients| {
            let mut client = server.client();
            client.subscribe("SUBSCRIBE", "a", 1);
            client.subscribe("PSUBSCRIBE", "a*", 2);
            client.subscribe("SSUBSCRIBE", "a", 1);
            server.client().call("PUBLISH a x", ":2\r\n");
            clients.push(client);
        },
    },
    Mover {
        what: "who is present",
        flags: &["--presence-grace", "1"],
        fields: &["presence_members", "presence_sessions", "presence_sessions_given_up", "presence_topics"],
        act: |server, clients| {
            let mut client = server.client();
            client.command("PRESENCE.TRACK lobby ann");
            client.command("PRESENCE.TRACK lobby bob SESSION s");
            client.command("PRESENCE.TOUCH t");
            (0..3).for_each(|_| drop(client.value()));
            clients.push(client);
        },
    },
    Mover {
        what: "what watchers are told",
        flags: &[],
        fields: &[
            "presence_diffs_delivered",
            "presence_diffs_sent",
            "presence_states_delivered",
            "presence_states_sent",
        ],
        act: |server, clients| {
            let mut client = server.client();
            client.subscribe("SUBSCRIBE", "__presence__:lobby", 1);
            // The state, and then the change.
            client.value();
            let mut other = server.client();
            other.command("PRESENCE.TRACK lobby ann");
            client.value();
            clients.push(other);
        },
    },
    Mover {
        what: "errors",
        flags: &[],
        fields: &["acl_access_denied_auth", "total_error_replies"],
        act: |server, _| {
            let denied = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
            server.client().call("AUTH nobody x", denied);
        },
    },
    Mover {
        what: "too many clients",
        flags: &["--maxclients", "3"],
        fields: &["rejected_connections"],
        act: |server, clients| {
            while clients.len() < 2 {
                clients.push(server.client());
            }
            // The fourth, with the one that asks.
            server.client().read_to_end();
        },
    },
    Mover {
        what: "a request that is too long",
        flags: &["--client-query-buffer-limit", "1mb"],
        fields: &["client_query_buffer_limit_disconnections"],
        act: |server, _| {
            let mut client = server.client();
            client.try_send("*2\r\n$4\r\nECHO\r\n$3000000\r\n");
            client.try_send(vec![b'x'; 1_500_000]);
            client.read_to_end();
        },
    },
    Mover {
        what: "a subscriber that does not read",
        flags: &["--client-output-buffer-limit", "pubsub 1mb 0 0"],
        fields: &["client_output_buffer_limit_disconnections"],
        act: |server, clients| {
            if clients.is_empty() {
                clients.push(Client::connect_slow(server.address(), "slow"));
                clients[0].subscribe("SUBSCRIBE", "a", 1);
            }
            server.client().command(&format!("PUBLISH a {}", "x".repeat(500_000)));
        },
    },
    Mover {
        what: "buffers that are full",
        flags: &[],
        fields: &[
            "client_recent_max_input_buffer",
            "client_recent_max_output_buffer",
            "mem_clients_normal",
            "used_memory",
            "used_memory_human",
            "used_memory_overhead",
            "used_memory_peak",
            "used_memory_peak_human",
            "used_memory_rss",
            "used_memory_rss_human",
        ],
        act: |server, clients| {
            if clients.is_empty() {
                let mut unfinished = server.client();
                unfinished.send(format!("*2\r\n$4\r\nECHO\r\n$3000000\r\n{}", "x".repeat(1_000_000)));
                let mut deaf = Client::connect_slow(server.address(), "deaf");
                deaf.subscribe("SUBSCRIBE", "a", 1);
                clients.extend([unfinished, deaf]);
                (0..20)
                    .for_each(|_| server.client().command(&format!("PUBLISH a {}", "x".repeat(1_000_000))));
            }
        },
    },
    Mover {
        what: "a client that idles",
        flags: &["--timeout", "1"],
        fields: &["client_idle_disconnections"],
        act: |server, clients| {
            if clients.is_empty() {
                clients.push(server.client());
            }
        },
    },
    Mover {
        what: "a client that takes nothing",
        flags: &["--client-write-timeout", "100ms"],
        fields: &["client_write_timeout_disconnections"],
        act: |server, clients| {
            if clients.is_empty() {
                let mut deaf = Client::connect_slow(server.address(), "deaf");
                deaf.subscribe("SUBSCRIBE", "a", 1);
                clients.push(deaf);
                (0..10)
                    .for_each(|_| server.client().command(&format!("PUBLISH a {}", "x".repeat(1_000_000))));
            }
        },
    },
    Mover {
        what: "clients that take too much together",
        flags: &["--maxmemory-clients", "1mb"],
        fields: &["evicted_clients"],
        act: |server, _| {
            let mut client = server.client();
            client.try_send("*2\r\n$4\r\nECHO\r\n$3000000\r\n");
            client.try_send(vec![b'x'; 2_000_000]);
            client.read_to_end();
        },
    },
    Mover {
        what: "a client that tracks, and one that is postponed",
        flags: &[],
        fields: &["blocked_clients", "tracking_clients"],
        act: |server, clients| {
            if clients.is_empty() {
                let mut tracking = server.client();
                tracking.call("CLIENT TRACKING ON", "+OK\r\n");
                tracking.call("CLIENT PAUSE 1000000 WRITE", "+OK\r\n");
                let mut postponed = server.client();
                postponed.send("PUBLISH a x\r\n");
                clients.extend([tracking, postponed]);
            }
        },
    },
    Mover {
        what: "a handler that panics",
        flags: &["--enable-debug-command", "yes"],
        fields: &["client_panics"],
        act: |server, _| {
            let mut client = server.client();
            client.command("DEBUG PANIC");
            client.read_to_end();
        },
    },
];

/// Fields that move in a test of their own: the file and the test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "presence_changes_coalesced",
        include_str!("../presence/watching.rs"),
        "fn what_comes_and_goes_between_two_messages_is_not_told(",
    ),
    (
        "presence_states_resent",
        include_str!("../presence/watching.rs"),
        "fn who_does_not_read_gets_a_state_instead_and_is_not_cut_off(",
    ),
    (
        "presence_diffs_lost",
        include_str!("../presence/order.rs"),
        "fn a_pattern_that_is_not_read_loses_what_changes_and_its_client_is_not_cut_off(",
    ),
    (
        "accept_errors",
        include_str!("../lifecycle/survive.rs"),
        "fn without_descriptors_for_new_connections_the_others_are_served(",
    ),
    (
        "tls_handshake_errors",
        include_str!("../tls/handshake.rs"),
        "fn plain_bytes_end_the_connection_and_no_other(",
    ),
];

/// Fields that say what others say, which `what_follows_from_others` checks.
const DERIVED: &[&str] = &[
    "allocator_active",
    "allocator_allocated",
    "allocator_resident",
    "total_system_memory_human",
    "uptime_in_days",
    "used_memory_dataset",
    "used_memory_dataset_perc",
    "used_memory_peak_perc",
];

fn is_of_a_command_or_an_error(name: &str) -> bool {
    ["cmdstat_", "errorstat_", "latency_percentiles_usec_"].iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn every_field_is_in_one_list() {
    if differs_from_oracle("the list is ours") {
        return;
    }
    let server = Server::start();
    let told = fields(&mut server.client(), "everything");
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    let moved = MOVERS.iter().flat_map(|mover| mover.fields);
    let constant = CONSTANT.iter().flat_map(|(_, names)| *names);
    let elsewhere = ELSEWHERE.iter().map(|(name, _, _)| name);
    for name in moved.chain(constant).chain(elsewhere).chain(DERIVED) {
        *listed.entry(name).or_default() += 1;
    }
    let twice: Vec<_> = listed.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "listed twice: {twice:?}");
    let told: BTreeSet<&str> =
        told.keys().map(String::as_str).filter(|name| !is_of_a_command_or_an_error(name)).collect();
    let listed: BTreeSet<&str> = listed.into_keys().collect();
    let unlisted: Vec<_> = told.difference(&listed).collect();
    let missing: Vec<_> = listed.difference(&told).collect();
    assert!(unlisted.is_empty(), "nothing is known of {unlisted:?}");
    assert!(missing.is_empty(), "INFO does not show {missing:?}");
    for (name, file, test) in ELSEWHERE {
        assert!(file.contains(test) && file.contains(name), "{name} does not move in {test})");
    }
}

#[test]
fn what_can_move_moves() {
    if differs_from_oracle("some of the fields are ours") {
        return;
    }
    for mover in MOVERS {
        let server = Server::start_with(mover.flags);
        let mut asker = server.client();
        // A subscriber is never closed for being idle.
        if mover.fields == ["client_idle_disconnections"] {
            asker = server.client().speak(crate::support::Protocol::Resp3);
            asker.subscribe("SUBSCRIBE", "own", 1);
        }
        let before = fields(&mut asker, "everything");
        let mut clients = Vec::new();
        let mut still: Vec<&str> = Vec::new();
        println!("{}: waiting for {:?}", mover.what, mover.fields);
        eventually("the fields move", || {
            (mover.act)(&server, &mut clients);
            let after = fields(&mut asker, "everything");
            let unmoved: Vec<&str> =
                mover.fields.iter().filter(|name| before[**name] == after[**name]).copied().collect();
            if unmoved != still {
                println!("{}: these do not move yet: {unmoved:?}", mover.what);
                still = unmoved;
            }
            still.is_empty()
        });
    }
}

#[test]
fn what_follows_from_others() {
    if differs_from_oracle("its allocator tells more") {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    (0..1000).for_each(|number| client.command(&format!("SUBSCRIBE channel-{number}")));
    let told = fields(&mut server.client(), "everything");
    let number = |name: &str| told[name].trim_end_matches('%').parse::<f64>().unwrap();
    let used = number("used_memory");
    assert_eq!(number("used_memory_rss"), used);
    for name in ["allocator_active", "allocator_allocated", "allocator_resident"] {
        assert_eq!(number(name), used, "{name}");
    }
    assert!(number("used_memory_peak") >= used && number("used_memory_startup") <= used);
    let about = |name: &str, expected: f64| {
        assert!((number(name) - expected).abs() <= 0.01, "{name}: {} and not {expected}", told[name]);
    };
    about("used_memory_peak_perc", used * 100.0 / number("used_memory_peak"));
    about("used_memory_dataset", used - number("used_memory_overhead"));
    let grown = used - number("used_memory_startup");
    about("used_memory_dataset_perc", number("used_memory_dataset") * 100.0 / grown);
    about("uptime_in_days", (number("uptime_in_seconds") / 86_400.0).floor());
    assert!(
        told["total_system_memory_human"].ends_with('G') || told["total_system_memory_human"].ends_with('M')
    );
    assert!(number("total_system_memory") > used);
    assert!(told["os"].starts_with("Linux "), "{}", told["os"]);
    assert!(told["mem_allocator"].starts_with("mimalloc-3."), "{}", told["mem_allocator"]);
    assert_eq!(told["listener0"], format!("name=tcp,bind=*,bind=-::*,port={}", server.port));
}
