//! CLUSTER, READONLY, READWRITE, ASKING: several instances as clients of a Redis Cluster want to see them.
//!
//! Owns their syntax and replies. Without `cluster-enabled` all of them are refused as by a Redis that is not part of a cluster:
//! client libraries ask for them to learn what they are connected to, and a success would tell them that it is a Redis
//! Cluster. With it slots only tell clients where to go, as each instance serves all channels.

mod map;
mod show;
mod slots;

use super::help::help;
use super::spec::{Action, Flags, Group, Handler, Row};
use super::{Context, Error, Flow};
use crate::config::Config;
use crate::resp::request::{Request, parse_integer};
use map::{Map, long_id};
use slots::{SLOTS, slot_of};

#[cfg(test)]
pub(super) use map::tests;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "cluster",
        arity: -2,
        summary: "A container for commands about a Redis Cluster.",
        action: Action::Subcommands(CLUSTER),
        since: "3.0.0",
        ..Row::of(Group::Cluster)
    },
    accepted("readonly", MODE, "Allows reads from a replica, of which there are none."),
    accepted("readwrite", MODE, "Takes READONLY back."),
    accepted(
        "asking",
        Flags::FAST,
        "Accepts the next command about a slot that is on its way here: none ever is.",
    ),
];

/// The reply is another one each time.
const CHANGES: &[&str] = &["nondeterministic_output"];
const MODE: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);
const READING: Flags = Flags::STALE;
const ADMIN: Flags = Flags::ADMIN.and(Flags::STALE);
const CHANGING: Flags = ADMIN.and(Flags::NO_ASYNC_LOADING);

const CLUSTER: &[Row] = &[
    served("cluster|slots", 2, show::slots, "Returns the instances by range of slots.").with_tips(CHANGES),
    served("cluster|shards", 2, show::shards, "Returns the instances with their slots.")
        .of_version("7.0.0")
        .with_tips(CHANGES),
    served("cluster|nodes", 2, show::nodes, "Returns the instances, one to a line.").with_tips(CHANGES),
    served("cluster|info", 2, show::info, "Returns the state of the cluster.").with_tips(CHANGES),
    served("cluster|links", 2, show::links, "Returns the links to the other instances.")
        .of_version("7.0.0")
        .with_tips(CHANGES),
    served("cluster|myid", 2, my_id, "Returns the id of this instance."),
    served("cluster|myshardid", 2, my_id, "Returns the id of this instance's shard: its own.")
        .of_version("7.2.0")
        .with_tips(CHANGES),
    served("cluster|keyslot", 3, key_slot, "Returns the slot of a key or shard channel.").with("key"),
    served("cluster|countkeysinslot", 3, count_keys, "Returns the number of keys in a slot: 0.")
        .with("slot:integer"),
    served("cluster|getkeysinslot", 4, keys, "Returns keys of a slot: none.")
        .with("slot:integer count:integer")
        .with_tips(CHANGES),
    served("cluster|replicas", 3, replicas, "Returns the replicas of an instance: none.")
        .of_version("5.0.0")
        .flagged(ADMIN)
        .with("node-id")
        .with_tips(CHANGES),
    served("cluster|slaves", 3, replicas, "The same by its former name.")
        .flagged(ADMIN)
        .with("node-id")
        .with_tips(CHANGES),
    served(
        "cluster|count-failure-reports",
        3,
        failures,
        "Counts the reports that an instance has failed: 0.",
    )
    .flagged(ADMIN)
    .with("node-id")
    .with_tips(CHANGES),
    served("cluster|help", 2, helped, "Returns helpful text about the subcommands.")
        .of_version("5.0.0")
        .flagged(Flags::LOADING.and(Flags::STALE)),
    refused("cluster|addslots", -3, CHANGING, "Assigns slots to this node."),
    refused("cluster|addslotsrange", -4, CHANGING, "Assigns ranges of slots to this node."),
    refused("cluster|bumpepoch", 2, CHANGING, "Advances the configuration epoch.").with_tips(CHANGES),
    refused("cluster|delslots", -3, CHANGING, "Takes slots from this node."),
    refused("cluster|delslotsrange", -4, CHANGING, "Takes ranges of slots from this node."),
    refused("cluster|failover", -2, CHANGING, "Makes a replica the master."),
    refused("cluster|flushslots", 2, CHANGING, "Takes all slots from this node."),
    refused("cluster|forget", 3, CHANGING, "Removes a node from the cluster."),
    refused("cluster|meet", -4, CHANGING, "Joins a node to the cluster."),
    refused("cluster|replicate", 3, CHANGING, "Makes this node a replica."),
    refused("cluster|reset", -2, ADMIN.and(Flags::NOSCRIPT), "Makes this node forget the cluster."),
    refused("cluster|saveconfig", 2, CHANGING, "Saves the configuration of the cluster."),
    refused("cluster|set-config-epoch", 3, CHANGING, "Sets the configuration epoch of a new node."),
    refused("cluster|setslot", -4, CHANGING, "Assigns a slot to a node."),
];

/// What it is told only with `cluster-enabled`.
const fn served(name: &'static str, arity: i32, handler: Handler, summary: &'static str) -> Row {
    let action = Action::RunInCluster(handler);
    Row { name, arity, flags: READING, summary, action, since: "3.0.0", ..Row::of(Group::Cluster) }
}

/// Has nothing to do but to say so.
const fn accepted(name: &'static str, flags: Flags, summary: &'static str) -> Row {
    let row = served(name, 1, |context, _| context.ok(), summary);
    Row { flags, ..row }.in_categories("connection")
}

/// Nobody decides here whose slots are whose, or who is in the cluster.
const fn refused(name: &'static str, arity: i32, flags: Flags, summary: &'static str) -> Row {
    const fn refusal(config: &Config) -> Error {
        if config.face.enabled { Error::ClusterDecides } else { Error::ClusterDisabled }
    }
    Row { name, arity, flags, summary, action: Action::Refuse(refusal), ..Row::of(Group::Cluster) }
}

impl Row {
    const fn of_version(self, since: &'static str) -> Row {
        Row { since, ..self }
    }

    const fn flagged(self, flags: Flags) -> Row {
        Row { flags, ..self }
    }

    const fn with(self, syntax: &'static str) -> Row {
        Row { syntax, ..self }
    }
}

const HELP: &[&str] = &[
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port@bus-port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
];

fn helped(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    help(context, "CLUSTER", HELP);
    Ok(Flow::Done)
}

/// What the client sees of the cluster.
fn map(context: &Context<'_>) -> Map {
    Map::new(&context.broker.roster(), context.session.config(), &context.session.client.local_address)
}

fn my_id(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let id = long_id(context.broker.identity.node);
    context.reply().bulk(id.as_bytes());
    Ok(Flow::Done)
}

fn key_slot(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    context.reply().integer(slot_of(request.argument(2)).into());
    Ok(Flow::Done)
}

fn is_slot(number: i64) -> bool {
    (0..i64::from(SLOTS)).contains(&number)
}

fn count_keys(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let slot = parse_integer(request.argument(2)).ok_or(Error::NotInteger)?;
    if !is_slot(slot) {
        return Err(Error::InvalidSlot);
    }
    context.reply().integer(0);
    Ok(Flow::Done)
}

fn keys(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    let slot = parse_integer(request.argument(2)).ok_or(Error::NotInteger)?;
    let count = parse_integer(request.argument(3)).ok_or(Error::NotInteger)?;
    if !is_slot(slot) || count < 0 {
        return Err(Error::InvalidSlotOrCount);
    }
    context.reply().array(0);
    Ok(Flow::Done)
}

/// The node that is asked about must be there.
fn check_node(context: &Context<'_>, request: Request<'_>) -> Result<(), Error> {
    let id = request.argument(2);
    let known = map(context).nodes.iter().any(|node| node.id.as_bytes() == id);
    if known { Ok(()) } else { Err(Error::UnknownNode(id.to_vec())) }
}

fn replicas(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    check_node(context, request)?;
    context.reply().array(0);
    Ok(Flow::Done)
}

fn failures(context: &mut Context<'_>, request: Request<'_>) -> Result<Flow, Error> {
    check_node(context, request)?;
    context.reply().integer(0);
    Ok(Flow::Done)
}
