//! CLIENT: who is connected, what a connection says about itself, and when clients may go on.
//!
//! Owns the rows of its subcommands.

mod list;
mod own;
mod pause;
mod tracking;

use crate::broker::clients::Mark;
use crate::command::Flow;
use crate::command::help::help;
use crate::command::spec::{Action, Flags, Group, Row};

pub use list::describe;
pub(super) use pause::{WRITING, postpone};
pub(super) use tracking::forget_caching;

const ORDINARY: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL);
const OPERATING: Flags = ORDINARY.and(Flags::ADMIN);

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "client",
    arity: -2,
    flags: Flags::NONE,
    summary: "A container for client connection commands.",
    action: Action::Subcommands(CLIENT),
    since: "2.4.0",
    ..Row::of(Group::Connection)
}];

const CLIENT: &[Row] = &[
    Row {
        name: "client|id",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the unique client ID of the connection.",
        action: Action::Run(|context, _| {
            let id = context.session.id();
            context.reply().integer(id as i64);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|getname",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the name of the connection.",
        action: Action::Run(|context, _| {
            let name = context.session.client.names().name;
            if name.is_empty() {
                context.reply().null()
            } else {
                context.reply().bulk(&name)
            }
            Ok(Flow::Done)
        }),
        since: "2.6.9",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|setname",
        arity: 3,
        flags: ORDINARY,
        summary: "Sets the connection name.",
        action: Action::Run(own::set_name),
        since: "2.6.9",
        syntax: "connection-name",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|setinfo",
        arity: 4,
        flags: ORDINARY,
        summary: "Sets information specific to the client library.",
        action: Action::Run(own::set_info),
        since: "7.2.0",
        syntax: "<LIB-NAME libname | LIB-VER libver>",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|info",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns information about the connection.",
        action: Action::Run(list::info),
        since: "6.2.0",
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|list",
        arity: -2,
        flags: OPERATING,
        summary: "Lists open connections.",
        action: Action::Run(list::list),
        since: "2.4.0",
        syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id:integer [client-id:integer ...]]",
        complexity: "O(N) where N is the number of clients.",
        tips: &["nondeterministic_output"],
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|kill",
        arity: -3,
        flags: OPERATING,
        summary: "Terminates open connections.",
        action: Action::Run(list::kill),
        since: "2.4.0",
        syntax: "<ip:port | [ID client-id:integer] [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES | NO>] [MAXAGE seconds:integer]>",
        complexity: "O(N) where N is the number of clients.",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|reply",
        arity: 3,
        flags: ORDINARY,
        summary: "Instructs the server whether to reply to commands.",
        action: Action::Run(own::reply),
        since: "3.2.0",
        syntax: "<ON | OFF | SKIP>",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|pause",
        arity: -3,
        flags: OPERATING,
        summary: "Suspends commands processing.",
        action: Action::Run(pause::pause),
        since: "3.0.0",
        syntax: "timeout:integer [WRITE | ALL]",
        complexity: "O(1)",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|unpause",
        arity: 2,
        flags: OPERATING,
        summary: "Resumes processing commands from paused clients.",
        action: Action::Run(pause::unpause),
        since: "6.2.0",
        complexity: "O(N) where N is the number of paused clients.",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|unblock",
        arity: -3,
        flags: OPERATING,
        summary: "Does nothing: no command here waits with a time-out.",
        action: Action::Run(own::unblock),
        since: "5.0.0",
        syntax: "client-id:integer [TIMEOUT | ERROR]",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|tracking",
        arity: -3,
        flags: ORDINARY,
        summary: "Keeps the settings and does nothing: there are no keys that could change.",
        action: Action::Run(tracking::tracking),
        since: "6.0.0",
        syntax: "<ON | OFF> [REDIRECT client-id:integer] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|trackinginfo",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the settings of CLIENT TRACKING.",
        action: Action::Run(tracking::info),
        since: "6.2.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|getredir",
        arity: 2,
        flags: ORDINARY,
        summary: "Returns the client that CLIENT TRACKING redirects to.",
        action: Action::Run(tracking::redirect),
        since: "6.0.0",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|caching",
        arity: 3,
        flags: ORDINARY,
        summary: "Keeps the choice and does nothing: there are no keys that could change.",
        action: Action::Run(tracking::caching),
        since: "6.0.0",
        syntax: "<YES | NO>",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|no-evict",
        arity: 3,
        flags: OPERATING,
        summary: "Sets whether maxmemory-clients may close this connection.",
        action: Action::Run(|context, request| own::mark(context, request, Mark::NoEvict)),
        since: "7.0.0",
        syntax: "<ON | OFF>",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|no-touch",
        arity: 3,
        flags: ORDINARY,
        summary: "Keeps the choice and does nothing: there are no keys to touch.",
        action: Action::Run(|context, request| own::mark(context, request, Mark::NoTouch)),
        since: "7.2.0",
        syntax: "<ON | OFF>",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|capa",
        arity: -3,
        flags: ORDINARY,
        summary: "Does nothing: no reply depends on what the client is capable of, which is a command of Valkey's.",
        action: Action::Run(|context, _| context.ok()),
        since: "0.1.0",
        syntax: "capability [capability ...]",
        ..Row::of(Group::Connection)
    },
    Row {
        name: "client|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::SENTINEL),
        summary: "Returns helpful text about the subcommands.",
        action: Action::Run(|context, _| {
            help(context, "CLIENT", HELP);
            Ok(Flow::Done)
        }),
        since: "5.0.0",
        ..Row::of(Group::Connection)
    },
];

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "CAPA <capability> [<capability> ...]",
    "    Declare what the client is capable of.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill the connection with the specified id.",
    "    * MAXAGE <seconds>",
    "      Kill connections older than the specified age.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <client-id> [<client-id> ...]",
    "      Return clients of specified IDs only.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Set the name or the version of the client library.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];
