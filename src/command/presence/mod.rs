//! PRESENCE: who is in which topic.
//!
//! Owns the rows. `writes.rs` has what applications say of members and sessions, `lists.rs` and `topics.rs` what they ask,
//! `arguments.rs` what the arguments have in common.

mod arguments;
mod channels;
mod lists;
mod topics;
mod writes;

pub(super) use channels::{check_channels, finish_unsubscribe};

use super::Flow;
use super::help::help_about;
use super::spec::{Action, Flags, Group, Handler, Row};

/// A change may be delivered to the client itself, which watches.
const WRITE: Flags = Flags::WRITE.and(Flags::DELIVERS);
const FAST_WRITE: Flags = WRITE.and(Flags::FAST);
const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = READ.and(Flags::FAST);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        syntax: "topic key [meta] [SESSION sid] [ID id] [NX]",
        ..row(
            "presence.track",
            -3,
            FAST_WRITE,
            writes::track,
            "Makes a member present in a topic, or gives it another meta.",
        )
    },
    Row {
        syntax: "topic key meta [SESSION sid] [ID id] [MERGE] [REF ref]",
        ..row(
            "presence.update",
            -4,
            FAST_WRITE,
            writes::update,
            "Gives a present member another meta, or patches its meta.",
        )
    },
    Row {
        syntax: "topic key [SESSION sid] [ID id] [REF ref]",
        ..row("presence.untrack", -3, FAST_WRITE, writes::untrack, "Removes a member from a topic.")
    },
    Row {
        syntax: "[SESSION sid] [TOPIC topic]",
        complexity: "O(N) where N is the number of members of the session.",
        ..row(
            "presence.untrackall",
            -1,
            WRITE,
            writes::untrack_all,
            "Removes all members of a session or of this connection.",
        )
    },
    Row {
        syntax: "topic [JSON]",
        complexity: "O(N) where N is the number of members of the topic.",
        ..row("presence.list", -2, READ, lists::list, "Returns the keys present in a topic with their metas.")
    },
    Row {
        syntax: "topic key",
        complexity: "O(N) where N is the number of members of the key in the topic.",
        ..row("presence.get", 3, FAST_READ, lists::get, "Returns the metas of a key in a topic.")
    },
    Row {
        syntax: "topic [topic ...]",
        complexity: "O(N) where N is the number of topics asked for.",
        ..row(
            "presence.count",
            -2,
            FAST_READ,
            topics::count,
            "Returns the numbers of keys and of members in topics.",
        )
    },
    Row {
        syntax: "key",
        complexity: "O(N) where N is the number of topics that the key is present in.",
        ..row("presence.where", 2, READ, topics::places, "Returns the topics that a key is present in.")
    },
    Row {
        syntax: "topic cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        complexity: "O(N) where N is the number of keys looked at.",
        ..row(
            "presence.scan",
            -3,
            READ,
            lists::scan,
            "Iterates over the keys present in a topic, with their metas.",
        )
    },
    Row {
        syntax: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        complexity: "O(N) where N is the number of topics looked at.",
        ..row("presence.topics", -2, READ, topics::topics, "Iterates over the topics that have members.")
    },
    Row {
        syntax: "sid [TTL milliseconds:integer] [GRACE milliseconds:integer]",
        ..row("presence.touch", -2, FAST_WRITE, writes::touch, "Opens or renews the lease of a session.")
    },
    Row {
        syntax: "sid",
        complexity: "O(N) where N is the number of members of the session.",
        ..row("presence.end", 2, WRITE, writes::end, "Ends a session: its members leave.")
    },
    Row {
        complexity: "O(N) where N is the number of instances.",
        ..row(
            "presence.nodes",
            1,
            READ,
            topics::nodes,
            "Returns what is known of each instance that knows members.",
        )
    },
    row(
        "presence.help",
        1,
        Flags::LOADING.and(Flags::STALE),
        |context, _| {
            help_about(context, "PRESENCE.<subcommand>", HELP);
            Ok(Flow::Done)
        },
        "Returns helpful text about the commands.",
    ),
];

const fn row(name: &'static str, arity: i32, flags: Flags, handler: Handler, summary: &'static str) -> Row {
    Row {
        name,
        arity,
        flags,
        summary,
        action: Action::Run(handler),
        since: "0.1.0",
        complexity: "O(1)",
        ..Row::of(Group::Presence)
    }
}

const HELP: &[&str] = &[
    "COUNT <topic> [<topic> ...]",
    "    Return the number of keys and the number of members of each topic.",
    "END <sid>",
    "    End a session: its members leave. Return their number.",
    "GET <topic> <key>",
    "    Return the metas of a key.",
    "LIST <topic> [JSON]",
    "    Return all keys of a topic with their metas; as one JSON object with JSON.",
    "NODES",
    "    Return what is known of each instance.",
    "SCAN <topic> <cursor> [MATCH <pattern>] [COUNT <count>]",
    "    Return the next cursor and some keys of a topic with their metas (default: 10).",
    "TOPICS <cursor> [MATCH <pattern>] [COUNT <count>]",
    "    Return the next cursor and some topics that have members (default: 10).",
    "TOUCH <sid> [TTL <milliseconds>] [GRACE <milliseconds>]",
    "    Keep a session for TTL (default: 30000), and its members for GRACE after it (default: presence-grace).",
    "    Return 1 if it was alive, or 0 if its members must be tracked again.",
    "TRACK <topic> <key> [<meta>] [SESSION <sid>] [ID <id>] [NX]",
    "    Make a member present, as long as this connection or the session lasts. Return its ref. With NX only if it",
    "    is not present yet.",
    "UNTRACK <topic> <key> [SESSION <sid>] [ID <id>] [REF <ref>]",
    "    Remove a member. Return 1 or 0.",
    "UNTRACKALL [SESSION <sid>] [TOPIC <topic>]",
    "    Remove all members of this connection or of the session, or those in the topic. Return their number.",
    "UPDATE <topic> <key> <meta> [SESSION <sid>] [ID <id>] [MERGE] [REF <ref>]",
    "    Give a member that is present another meta, or with MERGE patch it (RFC 7396). Return its ref.",
    "WHERE <key>",
    "    Return the topics that a key is present in.",
];
