//! foca on a clock that is handed to it.
//!
//! Owns the SWIM machine and the timers that it asks for. Must not know envelopes, nor what its notices lead to.

use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use bytes::Bytes;
use foca::{
    AccumulatingRuntime, Config, Foca, Member, NoCustomBroadcast, OwnedNotification, PeriodicParams, Timer,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::codec::Codec;
use super::identity::Peer;
use super::machine::Settings;
use crate::crdt::NodeId;

/// The SWIM machine, its timers, and what it wants done.
pub(super) struct Driver {
    foca: Foca<Peer, Codec, SmallRng, NoCustomBroadcast>,
    config: Config,
    runtime: AccumulatingRuntime<Peer>,
    /// By when they are due, and then in the order in which they were asked for.
    timers: BTreeMap<(u64, u64), Timer<Peer>>,
    asked: u64,
    faults: u64,
}

impl Driver {
    /// `packet_bytes` is the longest that it may send or take.
    pub(super) fn new(me: Peer, settings: &Settings, packet_bytes: usize, seed: u64) -> Self {
        let config = config(settings, packet_bytes);
        Driver {
            foca: Foca::new(me, config.clone(), SmallRng::seed_from_u64(seed), Codec::default()),
            config,
            runtime: AccumulatingRuntime::new(),
            timers: BTreeMap::new(),
            asked: 0,
            faults: 0,
        }
    }

    /// Who this instance is.
    pub(super) fn me(&self) -> &Peer {
        self.foca.identity()
    }

    /// How often foca has said that it is used wrongly: never.
    pub(super) fn faults(&self) -> u64 {
        self.faults
    }

    /// Who is called up, suspects among them.
    pub(super) fn active(&self) -> impl Iterator<Item = &Peer> {
        self.foca.iter_members().map(Member::id)
    }

    /// What is known of a node, be it up or down.
    pub(super) fn known(&self, node: NodeId) -> Option<&Peer> {
        self.foca.iter_membership_state().map(Member::id).find(|peer| peer.owner.node == node)
    }

    /// Takes what another instance's foca has sent.
    pub(super) fn handle_data(&mut self, now_ms: u64, data: &[u8]) -> Result<(), foca::Error> {
        let result = self.foca.handle_data(data, &mut self.runtime);
        self.schedule(now_ms);
        result
    }

    /// Fires what is due.
    pub(super) fn handle_timeout(&mut self, now_ms: u64) {
        while let Some(first) = self.timers.first_entry().filter(|first| first.key().0 <= now_ms) {
            let timer = first.remove();
            let result = self.foca.handle_timer(timer, &mut self.runtime);
            self.note(now_ms, result);
        }
    }

    /// When something is due.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.timers.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// All that is due becomes so later.
    pub(super) fn shift(&mut self, by_ms: u64) {
        let timers = std::mem::take(&mut self.timers);
        self.timers =
            timers.into_iter().map(|((due_ms, asked), timer)| ((due_ms + by_ms, asked), timer)).collect();
    }

    /// Asks an instance to be taken as a member.
    pub(super) fn announce(&mut self, now_ms: u64, to: Peer) {
        let result = self.foca.announce(to, &mut self.runtime);
        self.note(now_ms, result);
    }

    /// Tells everybody that these are gone.
    pub(super) fn call_down(&mut self, now_ms: u64, gone: Vec<Peer>) {
        let result = self.foca.apply_many(gone.into_iter().map(Member::down), true, &mut self.runtime);
        self.note(now_ms, result);
    }

    /// This instance is somebody else from now on.
    pub(super) fn become_another(&mut self, now_ms: u64, me: Peer) {
        let result = self.foca.change_identity(me, &mut self.runtime);
        self.note(now_ms, result);
    }

    /// Tells every member that this instance goes. From now on foca is to be given nothing: it would come back.
    pub(super) fn leave(&mut self, now_ms: u64) {
        let going = Peer { leaving: true, ..*self.me() };
        // What changing says is said better below; and by default three members would hear it.
        let result = self.foca.change_identity(going, AccumulatingRuntime::new());
        self.note(now_ms, result);
        let config = Config {
            num_indirect_probes: NonZeroUsize::MAX,
            max_transmissions: NonZeroU8::MAX,
            ..self.config.clone()
        };
        let result = self.foca.set_config(config);
        self.note(now_ms, result);
        let result = self.foca.leave_cluster(&mut self.runtime);
        self.note(now_ms, result);
        self.timers.clear();
    }

    /// Tells it once more.
    pub(super) fn repeat(&mut self, now_ms: u64) {
        let result = self.foca.gossip(&mut self.runtime);
        self.note(now_ms, result);
    }

    /// What is to be sent, and to whom.
    pub(super) fn poll_data(&mut self) -> Option<(Peer, Bytes)> {
        self.runtime.to_send()
    }

    /// What foca has to tell.
    pub(super) fn poll_notice(&mut self) -> Option<OwnedNotification<Peer>> {
        self.runtime.to_notify()
    }

    fn note(&mut self, now_ms: u64, result: Result<(), foca::Error>) {
        self.faults += u64::from(result.is_err());
        self.schedule(now_ms);
    }

    fn schedule(&mut self, now_ms: u64) {
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.timers.insert((now_ms + after.as_millis() as u64, self.asked), timer);
            self.asked += 1;
        }
    }
}

#[cfg(test)]
impl Driver {
    pub(super) fn len(&self) -> usize {
        self.foca.iter_membership_state().len()
    }
}

fn config(settings: &Settings, packet_bytes: usize) -> Config {
    let at_least_one = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    let duration = |ms: u64| Duration::from_millis(ms.max(1));
    let every =
        |ms, members| Some(PeriodicParams { frequency: duration(ms), num_members: at_least_one(members) });
    Config {
        probe_period: duration(settings.probe_period_ms.max(2)),
        probe_rtt: duration(settings.probe_timeout_ms.min(settings.probe_period_ms / 2)),
        suspect_to_down_after: duration(settings.suspicion_ms),
        remove_down_after: Some(duration(settings.remember_down_ms)),
        num_indirect_probes: at_least_one(3),
        // Each is sent on ten times, by everybody who hears it first: of 64 members all but surely every one does.
        max_transmissions: NonZeroU8::new(10).unwrap_or(NonZeroU8::MIN),
        max_packet_size: at_least_one(packet_bytes),
        notify_down_members: true,
        // A datagram holds some thirty members: who has just come asks others for the rest.
        periodic_announce: every(5_000, 1),
        // The machine knocks at their addresses instead: also when it is alone, and whoever is there now.
        periodic_announce_to_down_members: None,
        periodic_gossip: every(200, 3),
    }
}
