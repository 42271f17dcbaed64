//! Commands that wait until a pause is over. (CLIENT PAUSE.)
//!
//! Owns what is paused until when, and the clients whose next command waits, in the order in which they came. Must not
//! know commands; whoever waits for the end of a pause is in `net`. Without a pause, a command costs one load.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::clients::{Client, Mark};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, Ordering};

/// What is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Paused {
    /// Nothing.
    #[default]
    Nothing,
    /// Commands that change something, or publish.
    Writes,
    /// All commands.
    All,
}

/// The pause, and who waits for its end.
#[derive(Default)]
pub struct Pause {
    paused: AtomicU8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    paused: Paused,
    /// When it is over, by the monotonic clock.
    end: Duration,
    /// Clients by their turn.
    waiting: BTreeMap<u64, Arc<Client>>,
    /// Turns by client.
    turns: BTreeMap<u64, u64>,
    last_turn: u64,
}

impl Pause {
    /// Whether a command must be postponed unless the pause turns out to be over.
    pub fn concerns(&self, writes: bool) -> bool {
        let least = if writes { Paused::Writes } else { Paused::All };
        self.paused.load(Ordering::Relaxed) >= least as u8
    }

    /// Begins a pause. One that is not over keeps its end if that is later, and goes on to be one of all commands.
    pub fn begin(&self, paused: Paused, end: Duration, now: Duration) {
        let mut state = self.state.lock();
        if state.end <= now {
            state.paused = Paused::Nothing;
        }
        state.paused = state.paused.max(paused);
        state.end = state.end.max(end);
        self.paused.store(state.paused as u8, Ordering::Relaxed);
    }

    /// Postpones what the client does next; false if the pause is over, or has become one that does not concern it.
    pub fn postpone(&self, client: &Arc<Client>, writes: bool, now: Duration) -> bool {
        let mut state = self.state.lock();
        if state.end <= now {
            self.paused.store(Paused::Nothing as u8, Ordering::Relaxed);
            return false;
        }
        if !self.concerns(writes) {
            return false;
        }
        client.mark(Mark::Postponed, true);
        state.last_turn += 1;
        let turn = state.last_turn;
        state.waiting.insert(turn, client.clone());
        state.turns.insert(client.id, turn);
        true
    }

    /// When the pause is over that somebody waits for.
    pub fn awaited_end(&self) -> Option<Duration> {
        let state = self.state.lock();
        (!state.waiting.is_empty()).then_some(state.end)
    }

    /// Number of clients that wait.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Ends the pause. Who waited goes on as the result is gone through.
    pub fn end(&self) -> Released {
        self.release(&mut self.state.lock())
    }

    /// Ends the pause if its time is over.
    pub fn end_if_over(&self, now: Duration) -> Option<Released> {
        let mut state = self.state.lock();
        (state.end <= now).then(|| self.release(&mut state))
    }

    fn release(&self, state: &mut State) -> Released {
        self.paused.store(Paused::Nothing as u8, Ordering::Relaxed);
        state.end = Duration::ZERO;
        state.turns = BTreeMap::new();
        Released(std::mem::take(&mut state.waiting).into_values())
    }

    /// Forgets a client that is gone.
    pub fn forget(&self, client: &Client) {
        if !client.is(Mark::Postponed) {
            return;
        }
        let mut state = self.state.lock();
        if let Some(turn) = state.turns.remove(&client.id) {
            state.waiting.remove(&turn);
        }
    }
}

/// Clients that waited, in the order in which they came. Each goes on when it is returned and its waker, if there is
/// one, is called.
pub struct Released(btree_map::IntoValues<u64, Arc<Client>>);

impl Iterator for Released {
    type Item = Option<Waker>;

    fn next(&mut self) -> Option<Option<Waker>> {
        let client = self.0.next()?;
        // In this order: who is woken must find that it may go on.
        client.mark(Mark::Postponed, false);
        Some(client.outbox.take_waker())
    }
}

impl Drop for Released {
    /// Whoever began to go through them is gone: the others must not wait for ever.
    fn drop(&mut self) {
        self.flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::clients::Address;
    use crate::time::Now;

    fn client(id: u64) -> Arc<Client> {
        Arc::new(Client::new(id, Address::Internal, Address::Internal, -1, Now::default()))
    }

    const LATE: Duration = Duration::from_secs(10);
    const LATER: Duration = Duration::from_secs(20);

    #[test]
    fn a_pause_concerns_what_it_is_about() {
        let pause = Pause::default();
        assert!(!pause.concerns(true) && !pause.concerns(false));
        pause.begin(Paused::Writes, LATE, Duration::ZERO);
        assert!(pause.concerns(true) && !pause.concerns(false));
        pause.begin(Paused::All, LATE, Duration::ZERO);
        assert!(pause.concerns(true) && pause.concerns(false));
        drop(pause.end());
        assert!(!pause.concerns(true) && !pause.concerns(false));
    }

    #[test]
    fn the_wider_and_the_longer_stay_until_it_is_over() {
        let pause = Pause::default();
        let client = client(1);
        pause.begin(Paused::All, LATE, Duration::ZERO);
        pause.begin(Paused::Writes, Duration::from_secs(5), Duration::ZERO);
        assert!(pause.concerns(false));
        assert!(pause.postpone(&client, false, Duration::from_secs(9)));
        assert_eq!(pause.awaited_end(), Some(LATE));
        assert!(pause.end_if_over(Duration::from_secs(9)).is_none());
        assert_eq!(pause.end_if_over(LATE).unwrap().count(), 1);
        pause.begin(Paused::Writes, LATER, LATE);
        assert!(!pause.concerns(false));
    }

    #[test]
    fn one_that_is_over_postpones_nobody() {
        let pause = Pause::default();
        pause.begin(Paused::All, LATE, Duration::ZERO);
        assert!(!pause.postpone(&client(1), true, LATE));
        assert!(!pause.concerns(true));
        assert_eq!(pause.waiting(), 0);
    }

    #[test]
    fn who_leaves_does_not_wait() {
        let pause = Pause::default();
        let clients: Vec<_> = (1..=3).map(client).collect();
        pause.begin(Paused::All, LATE, Duration::ZERO);
        for client in &clients {
            assert!(pause.postpone(client, false, Duration::ZERO));
            assert!(client.is(Mark::Postponed));
        }
        pause.forget(&clients[1]);
        pause.forget(&client(9));
        assert_eq!(pause.waiting(), 2);
        let mut released = pause.end();
        assert_eq!(pause.waiting(), 0);
        released.next();
        assert!(!clients[0].is(Mark::Postponed) && clients[2].is(Mark::Postponed));
        // Whoever lets them go on may be gone half way.
        drop(released);
        assert!(!clients[2].is(Mark::Postponed));
    }
}
