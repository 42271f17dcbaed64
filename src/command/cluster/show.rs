//! CLUSTER SLOTS, SHARDS, NODES, INFO and LINKS.
//!
//! Owns their replies, which are Redis 7.2's to the letter.

use std::fmt::Write;

use super::map::{Map, Node, long_id};
use super::slots::SLOTS;
use crate::broker::roster::Roster;
use crate::command::{Context, Error, Flow};
use crate::link::Loss;
use crate::resp::reply::Reply;
use crate::resp::request::Request;

pub(super) fn slots(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let map = super::map(context);
    write_slots(&mut context.reply(), &map);
    Ok(Flow::Done)
}

fn write_slots(reply: &mut Reply<'_>, map: &Map) {
    reply.array(map.up().count());
    for node in map.up() {
        let (first, last) = node.slots.unwrap_or_default();
        reply.array(3);
        reply.integer(first.into());
        reply.integer(last.into());
        reply.array(4);
        reply.bulk(node.ip.to_string().as_bytes());
        reply.integer(map.port(node).into());
        reply.bulk(node.id.as_bytes());
        reply.map(0);
    }
}

pub(super) fn shards(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let map = super::map(context);
    write_shards(&mut context.reply(), &map);
    Ok(Flow::Done)
}

fn write_shards(reply: &mut Reply<'_>, map: &Map) {
    reply.array(map.up().count());
    for node in map.up() {
        reply.map(2);
        reply.bulk(b"slots");
        let (first, last) = node.slots.unwrap_or_default();
        reply.array(2);
        reply.integer(first.into());
        reply.integer(last.into());
        reply.bulk(b"nodes");
        reply.array(1);
        write_shard_node(reply, node);
    }
}

fn write_shard_node(reply: &mut Reply<'_>, node: &Node) {
    let ports = [("port", node.port), ("tls-port", node.tls_port)];
    let ports = ports.iter().filter(|(_, port)| *port != 0);
    reply.map(6 + ports.clone().count());
    text(reply, "id", &node.id);
    for (name, port) in ports {
        reply.bulk(name.as_bytes());
        reply.integer((*port).into());
    }
    let ip = node.ip.to_string();
    text(reply, "ip", &ip);
    text(reply, "endpoint", &ip);
    text(reply, "role", "master");
    reply.bulk(b"replication-offset");
    reply.integer(0);
    text(reply, "health", "online");
}

fn text(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

pub(super) fn nodes(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let lines = node_lines(&super::map(context));
    context.reply().verbatim(lines.as_bytes());
    Ok(Flow::Done)
}

fn node_lines(map: &Map) -> String {
    let mut lines = String::new();
    for node in &map.nodes {
        let flags = match (node.is_me, node.is_up) {
            (true, _) => "myself,master",
            (false, true) => "master",
            (false, false) => "master,fail",
        };
        let link = if node.is_linked { "connected" } else { "disconnected" };
        let Node { id, ip, bus_port, epoch, .. } = node;
        let port = map.port(node);
        // Writing to a string does not fail.
        let _ = write!(lines, "{id} {ip}:{port}@{bus_port} {flags} - 0 0 {epoch} {link}");
        match node.slots {
            Some((first, last)) if first == last => _ = write!(lines, " {first}"),
            Some((first, last)) => _ = write!(lines, " {first}-{last}"),
            None => {}
        }
        lines.push('\n');
    }
    lines
}

pub(super) fn info(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let roster = context.broker.roster();
    let lines = info_lines(&super::map(context), &roster);
    context.reply().verbatim(lines.as_bytes());
    Ok(Flow::Done)
}

fn info_lines(map: &Map, roster: &Roster) -> String {
    let size = map.up().count();
    let my_epoch = map.nodes.iter().find(|node| node.is_me).map_or(0, |node| node.epoch);
    let fields = [
        ("slots_assigned", SLOTS.into()),
        ("slots_ok", SLOTS.into()),
        ("slots_pfail", 0),
        ("slots_fail", 0),
        ("known_nodes", map.nodes.len() as u64),
        ("size", size as u64),
        ("current_epoch", map.nodes.len() as u64),
        ("my_epoch", my_epoch as u64),
        ("stats_messages_sent", 0),
        ("stats_messages_received", 0),
    ];
    let mut lines = String::from("cluster_state:ok\r\n");
    for (name, value) in fields {
        let _ = write!(lines, "cluster_{name}:{value}\r\n");
    }
    let exceeded = roster.losses.dropped[Loss::Limit as usize];
    let _ = write!(lines, "total_cluster_links_buffer_limit_exceeded:{exceeded}\r\n");
    lines
}

pub(super) fn links(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let roster = context.broker.roster();
    write_links(&mut context.reply(), &roster);
    Ok(Flow::Done)
}

/// One for each set of connections: they go both ways.
fn write_links(reply: &mut Reply<'_>, roster: &Roster) {
    let linked = roster.peers.iter().filter_map(|peer| Some((peer, peer.linked_since?)));
    reply.array(linked.clone().count());
    for (peer, since) in linked {
        reply.map(6);
        text(reply, "direction", if roster.me.node < peer.owner.node { "to" } else { "from" });
        text(reply, "node", &long_id(peer.owner.node));
        reply.bulk(b"create-time");
        reply.integer(since.as_millis() as i64);
        text(reply, "events", if peer.report.queued_bytes > 0 { "rw" } else { "r" });
        for name in ["send-buffer-allocated", "send-buffer-used"] {
            reply.bulk(name.as_bytes());
            reply.integer(peer.report.queued_bytes as i64);
        }
    }
}

#[cfg(test)]
#[path = "show_tests.rs"]
mod tests;
