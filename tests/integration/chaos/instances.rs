//! The processes of a cluster: started so that they find each other, killed, stopped, restarted.
//!
//! Owns the processes and, where a test wants to do something to the links, a proxy in front of each. Ports are found by the
//! instances themselves; the address at which others find one behind a proxy stays the same over restarts. Knows no client but
//! its own, by which it finds out who sees whom. Start with [`Instances::start`].

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use super::history::Kind;
use super::load::{Addresses, Load};
use super::namespaces::Namespace;
use super::proxy::Proxy;
use super::verdict::Losses;
use crate::support::{Client, Server, Value, eventually, port_in};

/// What stands in the log when an instance has found its port.
const FOUND: &str = "Other instances find this one at";

pub(crate) struct Instances {
    list: Vec<Instance>,
    flags: Vec<String>,
    pub(crate) addresses: Addresses,
    /// Those that have ended, for their logs.
    ended: Vec<Server>,
    /// What they had counted of subscriptions confirmed early.
    ended_unheard: u64,
}

struct Instance {
    /// Nothing while it is down.
    server: Option<Server>,
    /// Subscribed to a channel of the instance's own: who sees that sees the instance.
    probe: Option<Client>,
    node: u64,
    /// Where the others find it.
    bus: Option<SocketAddr>,
    proxy: Option<Proxy>,
    namespace: Option<Namespace>,
}

/// Under which id an instance is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Same,
    New,
}

impl Instances {
    /// So many that know each other.
    #[track_caller]
    pub(crate) fn start(count: usize, flags: &[&str]) -> Instances {
        let mut instances = Instances::new(count, flags);
        for instance in 0..count {
            instances.launch(instance);
            instances.await_ready(instance);
        }
        instances.await_mesh();
        instances
    }

    /// The same with a proxy in front of each. Of two instances the one with the lower number dials: the links between them pass
    /// the proxy of the one with the higher number.
    #[track_caller]
    pub(crate) fn behind_proxies(count: usize, flags: &[&str]) -> Instances {
        let mut instances = Instances::new(count, flags);
        for instance in &mut instances.list {
            let proxy = Proxy::new();
            instance.bus = Some(proxy.address());
            instance.proxy = Some(proxy);
        }
        // All at once: each may wait for another one before it is ready.
        (0..count).for_each(|instance| instances.launch(instance));
        (0..count).for_each(|instance| instances.await_ready(instance));
        instances.await_mesh();
        instances
    }

    /// One in each network namespace.
    #[track_caller]
    pub(crate) fn in_namespaces(namespaces: Vec<Namespace>, flags: &[&str]) -> Instances {
        let mut instances = Instances::new(namespaces.len(), flags);
        for (number, namespace) in namespaces.into_iter().enumerate() {
            instances.list[number].namespace = Some(namespace);
            instances.launch(number);
            instances.await_ready(number);
        }
        instances.await_mesh();
        instances
    }

    fn new(count: usize, flags: &[&str]) -> Instances {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // An instance that is gone is looked for at its port, where another test's may be now.
        let name = format!("chaos-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend(["--cluster-name".to_owned(), name]);
        let list = (0..count).map(|instance| Instance {
            server: None,
            probe: None,
            node: 0x1000 * (instance as u64 + 1),
            bus: None,
            proxy: None,
            namespace: None,
        });
        Instances {
            list: list.collect(),
            flags,
            addresses: Addresses::new(vec![None; count]),
            ended: Vec::new(),
            ended_unheard: 0,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The numbers of those that are there, standing still or not.
    pub(crate) fn alive(&self) -> Vec<usize> {
        (0..self.count()).filter(|instance| self.list[*instance].server.is_some()).collect()
    }

    pub(crate) fn server(&self, instance: usize) -> &Server {
        self.list[instance].server.as_ref().expect("an instance that is up")
    }

    pub(crate) fn client(&self, instance: usize) -> Client {
        self.server(instance).client()
    }

    pub(crate) fn proxy(&self, instance: usize) -> &Proxy {
        self.list[instance].proxy.as_ref().expect("an instance behind a proxy")
    }

    /// The instance's id, as others show it.
    pub(crate) fn node(&self, instance: usize) -> String {
        format!("{:016x}", self.list[instance].node)
    }

    fn launch(&mut self, number: usize) {
        let peers: Vec<String> = (0..self.count())
            .filter(|other| *other != number)
            .filter_map(|other| Some(self.list[other].bus?.to_string()))
            .collect();
        let instance = &mut self.list[number];
        let program = env!("CARGO_BIN_EXE_hereabouts");
        let mut command = match &instance.namespace {
            None => Command::new(program),
            Some(namespace) => namespace.command(program),
        };
        command.args([
            "--port",
            "auto",
            "--cluster-port",
            "auto",
            "--node-id",
            &format!("{:x}", instance.node),
        ]);
        command.args(&self.flags);
        if !peers.is_empty() {
            command.arg("--cluster-peer").args(&peers);
        }
        if let Some(namespace) = &instance.namespace {
            // There is no way out of it by which the address could be found.
            command.args(["--cluster-announce-ip", &namespace.ip().to_string()]);
        }
        if let Some(proxy) = &instance.proxy {
            command.args(["--cluster-announce-bus-port", &proxy.address().port().to_string()]);
        }
        let mut server = Server::spawn(&mut command);
        let ip = instance.namespace.as_ref().map_or(Ipv4Addr::LOCALHOST, Namespace::ip);
        server.set_host(&ip.to_string());
        let found = server.wait_for_log(|line| line.contains(FOUND));
        let bus = SocketAddr::new(ip.into(), port_in(&found).expect("the cluster's port"));
        match &instance.proxy {
            Some(proxy) => proxy.set_target(Some(bus)),
            None => instance.bus = Some(bus),
        }
        instance.server = Some(server);
    }

    /// Clients may come.
    #[track_caller]
    fn await_ready(&mut self, number: usize) {
        let instance = &mut self.list[number];
        let server = instance.server.as_mut().expect("an instance that is up");
        server.wait_until_ready();
        let mut probe = server.client();
        probe.subscribe("SUBSCRIBE", &format!("probe.{number}"), 1);
        instance.probe = Some(probe);
        let address = server.address().to_socket_addrs().expect("an address").next();
        self.addresses.set(number, address);
    }

    /// Which of the others this one knows to be connected, by their probes.
    pub(crate) fn seen_by(&self, instance: usize) -> Vec<usize> {
        let channels: Vec<String> = (0..self.count()).map(|other| format!("probe.{other}")).collect();
        let counts = self.client(instance).ask(&format!("PUBSUB NUMSUB {}", channels.join(" ")));
        let counts = counts.elements().chunks(2).map(|pair| pair[1] == Value::Integer(1));
        let seen = counts.enumerate().filter(|(other, is_seen)| *is_seen && *other != instance);
        seen.map(|(other, _)| other).collect()
    }

    /// Waits until each of those that are there sees all the others, and nobody else.
    #[track_caller]
    pub(crate) fn await_mesh(&self) {
        let alive = self.alive();
        self.await_groups(&[&alive]);
    }

    /// Waits until everybody sees all of his group, and nobody else.
    #[track_caller]
    pub(crate) fn await_groups(&self, groups: &[&[usize]]) {
        for group in groups {
            for instance in *group {
                let others: Vec<usize> = group.iter().copied().filter(|other| other != instance).collect();
                eventually(&format!("instance {instance} sees {others:?}"), || {
                    self.seen_by(*instance) == others
                });
            }
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, number: usize) {
        let mut server = self.remove(number);
        server.kill();
        self.forget(number, server);
    }

    /// SIGTERM, and the end.
    #[track_caller]
    pub(crate) fn terminate(&mut self, number: usize) {
        let mut server = self.remove(number);
        server.signal(Signal::TERM);
        assert!(server.wait_for_exit().success(), "it should have ended well");
        self.forget(number, server);
    }

    /// Clients do not look for it any more.
    fn remove(&mut self, number: usize) -> Server {
        self.addresses.set(number, None);
        self.ended_unheard += self.unheard(number);
        self.list[number].server.take().expect("an instance that is up")
    }

    fn forget(&mut self, number: usize, server: Server) {
        let instance = &mut self.list[number];
        instance.probe = None;
        match &instance.proxy {
            Some(proxy) => proxy.set_target(None),
            None => instance.bus = None,
        }
        self.ended.push(server);
    }

    /// Starts it again, and returns when clients may come.
    #[track_caller]
    pub(crate) fn restart(&mut self, number: usize, id: Id) {
        if id == Id::New {
            self.list[number].node += 1;
        }
        self.launch(number);
        self.await_ready(number);
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self, instance: usize) {
        self.server(instance).signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self, instance: usize) {
        self.server(instance).signal(Signal::CONT);
    }

    /// Waits until these have this in their logs about that one.
    #[track_caller]
    pub(crate) fn await_log(&self, instances: &[usize], about: usize, words: &str) {
        let node = self.node(about);
        for instance in instances {
            self.server(*instance).wait_for_log(|line| line.contains(&node) && line.contains(words));
        }
    }

    /// Nobody had to find out by himself that somebody was gone.
    #[track_caller]
    pub(crate) fn assert_nobody_was_called_down(&self) {
        self.alive().into_iter().for_each(|instance| self.assert_log_has_no(instance, "is down"));
    }

    #[track_caller]
    pub(crate) fn assert_log_has_no(&self, instance: usize, words: &str) {
        let line = self.server(instance).log().into_iter().find(|line| line.contains(words));
        assert_eq!(line, None, "in the log of instance {instance}");
    }

    /// Waits until each instance counts the load's subscribers everywhere.
    #[track_caller]
    pub(crate) fn await_counts(&self, load: &Load) {
        for (kind, command) in [(Kind::Channel, "NUMSUB"), (Kind::Shard, "SHARDNUMSUB")] {
            let expected = load.subscribers(kind);
            let names: Vec<&str> = expected.keys().map(String::as_str).collect();
            for instance in self.alive() {
                let mut client = self.client(instance);
                eventually(&format!("instance {instance} counts {expected:?}"), || {
                    let counts = client.ask(&format!("PUBSUB {command} {}", names.join(" ")));
                    let counts = counts.elements().chunks(2).map(|pair| (pair[0].text(), pair[1].integer()));
                    counts.collect::<BTreeMap<_, _>>() == expected
                });
            }
        }
        let patterns = load.subscribers(Kind::Pattern).len() as i64;
        for instance in self.alive() {
            let mut client = self.client(instance);
            eventually(&format!("instance {instance} counts {patterns} patterns"), || {
                client.ask("PUBSUB NUMPAT") == Value::Integer(patterns)
            });
        }
    }

    /// Messages that never got here, and those that were dropped on their way from here, from and to which instance.
    fn report(&self, instance: usize, what: &str) -> BTreeMap<usize, u64> {
        let peers = self.client(instance).ask("HEREABOUTS.PEERS");
        let counts = peers.elements().iter().filter_map(|peer| {
            let node = peer.field("node").text();
            let counts = peer.field(what).elements().chunks(2).map(|pair| pair[1].integer() as u64);
            let number = (0..self.count()).find(|other| self.node(*other) == node);
            // Former lives under other ids may be known, too.
            Some((number?, counts.sum()))
        });
        counts.collect()
    }

    /// All messages that an instance knows to have been lost on their way to it.
    pub(crate) fn lost(&self, instance: usize) -> u64 {
        self.report(instance, "lost").values().sum()
    }

    /// All messages that an instance did not send because too many waited.
    pub(crate) fn dropped(&self, instance: usize) -> u64 {
        self.report(instance, "dropped").values().sum()
    }

    /// Subscriptions that an instance has confirmed although another one had not heard of them.
    pub(crate) fn unheard(&self, instance: usize) -> u64 {
        self.server(instance).info("cluster_subscribe_ack_timeouts").parse().expect("a number")
    }

    /// All that was lost where a counter must know, a counter knows.
    #[track_caller]
    pub(crate) fn assert_counted(&self, losses: &Losses) {
        let alive = self.alive().into_iter().map(|instance| self.unheard(instance));
        let unheard = self.ended_unheard + alive.sum::<u64>();
        assert!(
            losses.unheard.len() as u64 <= unheard,
            "heard late: {:?}, and {unheard} are known",
            losses.unheard
        );
        for to in self.alive() {
            let known = self.report(to, "lost");
            for from in 0..self.count() {
                let (lost, counted) = (losses.counted(from, to), known.get(&from).copied().unwrap_or(0));
                println!("from {from} to {to}: {lost} lost, {counted} counted");
                assert!(
                    lost <= counted,
                    "{lost} were lost from {from} to {to}, and {counted} are known there"
                );
            }
        }
    }
}

/// From these to all others and to each other.
pub(crate) fn paths_from(from: &[usize], count: usize) -> Vec<(usize, usize)> {
    from.iter().flat_map(|from| (0..count).map(|to| (*from, to))).filter(|(from, to)| from != to).collect()
}

/// From these to all others, and back.
pub(crate) fn paths_with(these: &[usize], count: usize) -> Vec<(usize, usize)> {
    paths_from(these, count).into_iter().flat_map(|(from, to)| [(from, to), (to, from)]).collect()
}

/// From these to those, and back.
pub(crate) fn paths_between(these: &[usize], those: &[usize]) -> Vec<(usize, usize)> {
    these.iter().flat_map(|this| those.iter().flat_map(|that| [(*this, *that), (*that, *this)])).collect()
}
