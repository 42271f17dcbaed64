//! Several processes that are one broker: messages, counts and presence cross, and what happens when one of them dies.

mod face;
mod lives;
mod messages;
mod start;

use std::ops::Index;

use crate::support::{Protocol, Server, Value, eventually};

/// Instances that know each other. The first has node id 1, and so on.
pub(crate) struct Instances {
    servers: Vec<Server>,
    flags: Vec<String>,
    /// Where the first one is found by others.
    seed: u16,
}

impl Instances {
    /// Starts so many, and waits until all are linked.
    #[track_caller]
    pub(crate) fn start(count: usize) -> Instances {
        Instances::start_with(count, &[])
    }

    #[track_caller]
    pub(crate) fn start_with(count: usize, flags: &[&str]) -> Instances {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut instances = Instances { servers: Vec::new(), flags, seed: 0 };
        for node in 1..=count {
            let server = instances.start_one(node);
            instances.servers.push(server);
        }
        for at in 0..count {
            for other in (1..=count).filter(|node| *node != at + 1) {
                instances.wait_for_link(at, other);
            }
        }
        instances
    }

    /// One of them, which ends when the caller has done with it. The others stay.
    pub(crate) fn take(&mut self, at: usize) -> Server {
        self.servers.remove(at)
    }

    /// Starts one that has this node id.
    #[track_caller]
    fn start_one(&mut self, node: usize) -> Server {
        let (node, seed) = (node.to_string(), format!("127.0.0.1:{}", self.seed));
        let mut flags = vec!["--cluster-port", "auto", "--node-id", &node];
        if self.seed != 0 {
            flags.extend(["--cluster-peer", &seed]);
        }
        flags.extend(self.flags.iter().map(String::as_str));
        let server = Server::start_with(&flags);
        if self.seed == 0 {
            self.seed = cluster_port(&server);
        }
        server
    }

    #[track_caller]
    pub(crate) fn wait_for_link(&self, at: usize, node: usize) {
        self.servers[at].wait_for_log(|line| line.contains(&format!("Linked with instance {node:016x}")));
    }

    /// Waits until a channel has so many subscribers, as seen everywhere.
    #[track_caller]
    pub(crate) fn wait_for_subscribers(&self, command: &str, channel: &str, count: usize) {
        for server in &self.servers {
            let mut client = server.client();
            let name = Value::Bulk(channel.as_bytes().to_vec());
            let expected = Value::Array(vec![name, Value::Integer(count as i64)]);
            eventually(&format!("{command} says {count}"), || {
                client.ask(&format!("PUBSUB {command} {channel}")) == expected
            });
        }
    }
}

impl Index<usize> for Instances {
    type Output = Server;

    fn index(&self, index: usize) -> &Server {
        &self.servers[index]
    }
}

/// The port at which others find this instance.
#[track_caller]
pub(crate) fn cluster_port(server: &Server) -> u16 {
    let line = server.wait_for_log(|line| line.contains("Other instances find this one"));
    let digits: String =
        line.split("port=").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Runs the body with so many instances and a protocol, once for each protocol.
#[track_caller]
pub(crate) fn both_protocols_over(count: usize, body: impl Fn(&mut Instances, Protocol)) {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        println!("with {protocol:?}");
        body(&mut Instances::start(count), protocol);
    }
}
