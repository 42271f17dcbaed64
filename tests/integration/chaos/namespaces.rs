//! Network namespaces: each instance on a machine of its own, as far as it can tell, and a firewall in each.
//!
//! Owns what it makes with `ip` and `nft`, and removes it. The namespaces are joined by a bridge in one more of them, to which
//! this process is connected too, so that clients reach all instances whatever is cut between these. Start with [`create`].

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::{installed, unavailable};

/// One machine.
#[derive(Clone)]
pub(crate) struct Namespace {
    name: String,
    ip: Ipv4Addr,
    /// All of them are removed when the last one is dropped.
    _network: Arc<Network>,
}

/// What is to be removed.
struct Network {
    names: Vec<String>,
    leg: String,
}

impl Drop for Network {
    fn drop(&mut self) {
        // One end of a pair takes the other one with it.
        let _ = Command::new("ip").args(["link", "del", &self.leg]).stderr(Stdio::null()).status();
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

/// So many, connected with each other and with us. Nothing, and says so, where this is not allowed or the programs are missing.
pub(crate) fn create(count: usize) -> Option<Vec<Namespace>> {
    let network = format!("hb{}", std::process::id());
    let hub = format!("{network}-hub");
    // To be allowed to is up to the machine, also in CI; the programs are not.
    let probe = Command::new("ip").args(["netns", "add", &hub]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        let why = "`ip netns add` is not allowed, or there is no `ip`\n";
        // Not through the macros: the harness hides their output when a test passes.
        let _ = write!(std::io::stderr(), "\nSKIPPED: no partition of network namespaces: {why}\n");
        return None;
    }
    let names = (0..count).map(|number| format!("{network}-{number}"));
    let network = Network {
        names: [hub.clone()].into_iter().chain(names.clone()).collect(),
        leg: format!("{network}leg"),
    };
    if !installed("nft") {
        unavailable("nft", "the package nftables");
        return None;
    }
    // For tests of devices (RFC 2544): nobody's, anywhere.
    let subnet = std::process::id() as u8;
    let address = |last: usize| Ipv4Addr::new(198, 18, subnet, last as u8);
    ip(&format!("-n {hub} link add bridge type bridge"));
    ip(&format!("-n {hub} link set bridge up"));
    ip(&format!("link add {} type veth peer name leg netns {hub}", network.leg));
    ip(&format!("addr add {}/24 dev {}", address(254), network.leg));
    ip(&format!("link set {} up", network.leg));
    ip(&format!("-n {hub} link set leg master bridge up"));
    for (number, name) in names.clone().enumerate() {
        ip(&format!("netns add {name}"));
        ip(&format!("-n {hub} link add port{number} type veth peer name eth0 netns {name}"));
        ip(&format!("-n {hub} link set port{number} master bridge up"));
        ip(&format!("-n {name} addr add {}/24 dev eth0", address(number + 1)));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} link set lo up"));
    }
    let network = Arc::new(network);
    let namespace = |(number, name)| Namespace { name, ip: address(number + 1), _network: network.clone() };
    Some(names.enumerate().map(namespace).collect())
}

#[track_caller]
fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Namespace {
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// A program that runs there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Nothing that these send arrives here.
    #[track_caller]
    pub(crate) fn drop_from(&self, others: &[Namespace]) {
        let mut rules =
            "flush ruleset\ntable ip cut {\nchain input {\ntype filter hook input priority 0;\n".to_owned();
        others.iter().for_each(|other| rules += &format!("ip saddr {} drop\n", other.ip));
        rules += "}\n}\n";
        let mut command = self.command("nft");
        let mut process = command.args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft");
        process.stdin.take().expect("stdin").write_all(rules.as_bytes()).expect("rules");
        assert!(process.wait().expect("nft").success(), "nft refuses:\n{rules}");
    }
}
