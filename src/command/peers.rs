//! HEREABOUTS.PEERS: the other instances and the links to them.
//!
//! Owns its syntax and reply.

use super::categories::Categories;
use super::spec::{Action, Flags, Group, Row};
use super::{Context, Error, Flow};
use crate::broker::roster::Peer;
use crate::link::{Counts, Loss, Standing};
use crate::resp::reply::Reply;
use crate::resp::request::Request;

/// The rows of this group.
pub(super) const ROWS: &[Row] = &[Row {
    name: "hereabouts.peers",
    arity: 1,
    flags: Flags::LOADING.and(Flags::STALE),
    summary: "Returns the other instances of the cluster, and how the links to them are.",
    action: Action::Run(peers),
    since: "0.1.0",
    complexity: "O(N) where N is the number of instances.",
    tips: &["nondeterministic_output"],
    explicit_categories: Categories::of("dangerous"),
    ..Row::of(Group::Cluster)
}];

fn peers(context: &mut Context<'_>, _: Request<'_>) -> Result<Flow, Error> {
    let roster = context.broker.roster();
    let mut reply = context.reply();
    reply.array(roster.peers.len());
    roster.peers.iter().for_each(|peer| write_peer(&mut reply, peer));
    Ok(Flow::Done)
}

fn write_peer(reply: &mut Reply<'_>, peer: &Peer) {
    let report = &peer.report;
    let (ip, ports) = match report.clients {
        Some(clients) => (clients.ip.unwrap_or(peer.link.ip()).to_string(), [clients.port, clients.tls_port]),
        None => (String::new(), [0, 0]),
    };
    reply.map(18);
    for (name, value) in [
        ("node", &*peer.owner.node.to_string()),
        ("incarnation", &format!("{:016x}", peer.owner.incarnation.0)),
        ("state", peer.state.name()),
        ("gossip-address", &peer.gossip.to_string()),
        ("link-address", &peer.link.to_string()),
        ("client-ip", &ip),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, port) in [("client-port", ports[0]), ("client-tls-port", ports[1])] {
        number(reply, name, port.into());
    }
    reply.bulk(b"link");
    reply.bulk(standing(report.standing).as_bytes());
    number(reply, "link-epoch", report.epoch);
    number(reply, "link-connections", report.connections as u64);
    let microseconds = peer.round_trip.map(|time| time.as_micros() as u64);
    number_or_null(reply, "round-trip-usec", microseconds);
    number(reply, "queued-bytes", report.queued_bytes as u64);
    number(reply, "queued-messages", report.queued_messages);
    losses(reply, "dropped", &report.dropped);
    losses(reply, "lost", &report.lost);
    number_or_null(reply, "interest-lag", peer.interest_lag);
    number(reply, "presence-lag", peer.presence_lag);
}

/// How links are, as operators see it.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Down => "down",
        Standing::Connecting => "connecting",
        Standing::Up => "up",
    }
}

fn number(reply: &mut Reply<'_>, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.integer(value as i64);
}

fn number_or_null(reply: &mut Reply<'_>, name: &str, value: Option<u64>) {
    match value {
        Some(value) => number(reply, name, value),
        None => {
            reply.bulk(name.as_bytes());
            reply.null();
        }
    }
}

fn losses(reply: &mut Reply<'_>, name: &str, counts: &Counts) {
    reply.bulk(name.as_bytes());
    reply.map(Loss::ALL.len());
    Loss::ALL.iter().for_each(|loss| number(reply, loss.name(), counts[*loss as usize]));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::broker::roster::State;
    use crate::command::cluster::tests::peer;
    use crate::resp::Protocol;

    fn written(protocol: Protocol, peer: &Peer) -> String {
        let mut bytes = Vec::new();
        write_peer(&mut Reply::new(&mut bytes, protocol), peer);
        String::from_utf8(bytes).unwrap().replace("\r\n", " ")
    }

    #[test]
    fn a_peer_is_a_map_or_its_fields_in_a_list() {
        let peer = Peer {
            round_trip: Some(Duration::from_micros(250)),
            interest_lag: Some(3),
            presence_lag: 4,
            ..peer(2)
        };
        let fields = |four: &str| {
            format!(
                "$4 node $16 0000000000000002 $11 incarnation $16 0000000000000005 $5 state $2 up \
                 $14 gossip-address $14 10.0.0.2:16379 $12 link-address $14 10.0.0.2:16379 \
                 $9 client-ip $8 10.0.0.2 $11 client-port :6379 $15 client-tls-port :6390 \
                 $4 link $2 up $10 link-epoch :3 $16 link-connections :3 $15 round-trip-usec :250 \
                 $12 queued-bytes :17 $15 queued-messages :2 \
                 $7 dropped {four} $5 limit :1 $9 too-large :0 $9 reconnect :0 $8 given-up :0 \
                 $4 lost {four} $5 limit :0 $9 too-large :0 $9 reconnect :4 $8 given-up :0 \
                 $12 interest-lag :3 $12 presence-lag :4 "
            )
        };
        assert_eq!(written(Protocol::Resp2, &peer), format!("*36 {}", fields("*8")));
        assert_eq!(written(Protocol::Resp3, &peer), format!("%18 {}", fields("%4")));
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        let mut gone = Peer { state: State::Down, ..peer(2) };
        (gone.report.clients, gone.report.standing) = (None, Standing::Down);
        let fields = written(Protocol::Resp3, &gone);
        for field in [
            "$9 client-ip $0  $11 client-port :0 ",
            "$4 link $4 down ",
            "round-trip-usec _ ",
            "interest-lag _ ",
        ] {
            assert!(fields.contains(field), "{field} in {fields}");
        }
    }
}
