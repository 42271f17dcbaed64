//! CLUSTER, READONLY, READWRITE, ASKING, as a Redis answers them that is not part of a cluster.
//!
//! Owns that they are refused: client libraries ask for them to learn what they are connected to, and a success would
//! tell them that it is a Redis Cluster.

use super::Error;
use super::spec::{Action, Flags, Group, Row};

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
    refused("readonly", 1, MODE, "Allows reads from a replica of a Redis Cluster.")
        .in_categories("connection"),
    refused("readwrite", 1, MODE, "Takes READONLY back.").in_categories("connection"),
    refused("asking", 1, Flags::FAST, "Accepts the next command about a slot that is on its way here.")
        .in_categories("connection"),
];

/// The reply is another one each time.
const CHANGES: &[&str] = &["nondeterministic_output"];
const MODE: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);
const READING: Flags = Flags::STALE;
const ADMIN: Flags = Flags::ADMIN.and(Flags::STALE);
const CHANGING: Flags = ADMIN.and(Flags::NO_ASYNC_LOADING);

const CLUSTER: &[Row] = &[
    refused("cluster|addslots", -3, CHANGING, "Assigns slots to this node."),
    refused("cluster|addslotsrange", -4, CHANGING, "Assigns ranges of slots to this node."),
    refused("cluster|bumpepoch", 2, CHANGING, "Advances the configuration epoch.").with_tips(CHANGES),
    refused("cluster|count-failure-reports", 3, ADMIN, "Counts the reports that a node has failed.")
        .with_tips(CHANGES),
    refused("cluster|countkeysinslot", 3, READING, "Counts the keys of a slot."),
    refused("cluster|delslots", -3, CHANGING, "Takes slots from this node."),
    refused("cluster|delslotsrange", -4, CHANGING, "Takes ranges of slots from this node."),
    refused("cluster|failover", -2, CHANGING, "Makes a replica the master."),
    refused("cluster|flushslots", 2, CHANGING, "Takes all slots from this node."),
    refused("cluster|forget", 3, CHANGING, "Removes a node from the cluster."),
    refused("cluster|getkeysinslot", 4, READING, "Returns keys of a slot.").with_tips(CHANGES),
    refused(
        "cluster|help",
        2,
        Flags::LOADING.and(Flags::STALE),
        "Returns helpful text about the subcommands.",
    ),
    refused("cluster|info", 2, READING, "Returns the state of the cluster.").with_tips(CHANGES),
    refused("cluster|keyslot", 3, READING, "Returns the slot of a key."),
    refused("cluster|links", 2, READING, "Returns the connections between nodes.").with_tips(CHANGES),
    refused("cluster|meet", -4, CHANGING, "Joins a node to the cluster."),
    refused("cluster|myid", 2, READING, "Returns the id of this node."),
    refused("cluster|myshardid", 2, READING, "Returns the id of this node's shard.").with_tips(CHANGES),
    refused("cluster|nodes", 2, READING, "Returns the nodes of the cluster, one to a line.")
        .with_tips(CHANGES),
    refused("cluster|replicas", 3, ADMIN, "Returns the replicas of a node.").with_tips(CHANGES),
    refused("cluster|replicate", 3, CHANGING, "Makes this node a replica."),
    refused("cluster|reset", -2, ADMIN.and(Flags::NOSCRIPT), "Makes this node forget the cluster."),
    refused("cluster|saveconfig", 2, CHANGING, "Saves the configuration of the cluster."),
    refused("cluster|set-config-epoch", 3, CHANGING, "Sets the configuration epoch of a new node."),
    refused("cluster|setslot", -4, CHANGING, "Assigns a slot to a node."),
    refused("cluster|shards", 2, READING, "Returns the nodes by shard.").with_tips(CHANGES),
    refused("cluster|slaves", 3, ADMIN, "Returns the replicas of a node.").with_tips(CHANGES),
    refused("cluster|slots", 2, READING, "Returns the nodes by range of slots.").with_tips(CHANGES),
];

static DISABLED: Error = Error::ClusterDisabled;

const fn refused(name: &'static str, arity: i32, flags: Flags, summary: &'static str) -> Row {
    let action = Action::Refuse(&DISABLED);
    Row { name, arity, flags, summary, action, ..Row::of(Group::Cluster) }
}
