//! Counters of what has happened since the start or the last CONFIG RESETSTAT.
//!
//! Owns the numbers; must not know how they are shown. Connections add what a turn came to, into one of a few copies
//! chosen by their id, so that busy connections on different threads do not write to one cache line.

use std::time::Duration;

use crossbeam::utils::CachePadded;

use crate::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections accepted. (INFO `total_connections_received`.)
    ConnectionsReceived,
    /// Connections refused because of `maxclients`. (INFO `rejected_connections`.)
    ConnectionsRejected,
    /// Commands executed. (INFO `total_commands_processed`.)
    CommandsProcessed,
    /// Bytes read from clients. (INFO `total_net_input_bytes`.)
    InputBytes,
    /// Bytes written to clients. (INFO `total_net_output_bytes`.)
    OutputBytes,
    /// Error replies. (INFO `total_error_replies`.)
    ErrorReplies,
    /// Messages published. (INFO `pubsub_messages_published`.)
    MessagesPublished,
    /// Messages queued for a subscriber, one for each. (INFO `pubsub_messages_delivered`.)
    MessagesDelivered,
    /// Clients closed at `client-output-buffer-limit`. (INFO `client_output_buffer_limit_disconnections`.)
    OutputLimitDisconnections,
    /// Clients closed at `client-query-buffer-limit`. (INFO `client_query_buffer_limit_disconnections`.)
    QueryLimitDisconnections,
    /// Clients closed at `client-write-timeout`. (INFO `client_write_timeout_disconnections`.)
    WriteTimeoutDisconnections,
    /// Clients closed at `timeout`. (INFO `client_idle_disconnections`.)
    IdleDisconnections,
    /// Clients closed at `maxmemory-clients`. (INFO `evicted_clients`.)
    ClientsEvicted,
    /// Connections closed because a handler of ours panicked. (INFO `client_panics`.)
    Panics,
    /// Times that a connection could not be accepted, for want of descriptors for instance.
    /// (INFO `accept_errors`.)
    AcceptErrors,
}

const COUNTERS: usize = Counter::AcceptErrors as usize + 1;
const COPIES: usize = 16;

type Counters = [AtomicU64; COUNTERS];

/// All counters.
#[derive(Default)]
pub struct Stats {
    copies: [CachePadded<Counters>; COPIES],
    longest_turn_us: AtomicU64,
}

impl Stats {
    /// Adds to a counter, on behalf of the client with this id.
    pub fn add(&self, id: u64, counter: Counter, amount: u64) {
        self.copies[id as usize % COPIES][counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn total(&self, counter: Counter) -> u64 {
        self.copies.iter().map(|copy| copy[counter as usize].load(Ordering::Relaxed)).sum()
    }

    /// Adds what one turn of a connection came to.
    pub fn add_turn(&self, id: u64, turn: &mut TurnCounts) {
        let turn = std::mem::take(turn);
        for (counter, amount) in [
            (Counter::CommandsProcessed, turn.commands),
            (Counter::ErrorReplies, turn.errors),
            (Counter::MessagesPublished, turn.published),
            (Counter::MessagesDelivered, turn.delivered),
        ] {
            if amount > 0 {
                self.add(id, counter, amount);
            }
        }
    }

    /// Notes how long a turn took. No lock is held for longer than the longest of them.
    pub fn note_turn(&self, time: Duration) {
        let time_us = time.as_micros() as u64;
        // Most turns are shorter: only one that is not writes to the line that all threads read.
        if time_us > self.longest_turn_us.load(Ordering::Relaxed) {
            self.longest_turn_us.fetch_max(time_us, Ordering::Relaxed);
        }
    }

    /// The longest turn so far, in microseconds. (INFO `longest_turn_usec`.)
    pub fn longest_turn_us(&self) -> u64 {
        self.longest_turn_us.load(Ordering::Relaxed)
    }

    /// Sets all to zero. (CONFIG RESETSTAT.)
    pub fn reset(&self) {
        for counter in self.copies.iter().flat_map(|copy| copy.iter()) {
            counter.store(0, Ordering::Relaxed);
        }
        self.longest_turn_us.store(0, Ordering::Relaxed);
    }
}

/// What one turn of a connection came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnCounts {
    /// Commands executed.
    pub commands: u64,
    /// Error replies.
    pub errors: u64,
    /// Messages published.
    pub published: u64,
    /// Messages delivered, one for each receiver.
    pub delivered: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_add_up() {
        let stats = Stats::default();
        for id in 0..100 {
            stats.add(id, Counter::InputBytes, 2);
        }
        assert_eq!(stats.total(Counter::InputBytes), 200);
        assert_eq!(stats.total(Counter::OutputBytes), 0);
        let mut turn = TurnCounts { commands: 3, delivered: 5, ..TurnCounts::default() };
        stats.add_turn(7, &mut turn);
        stats.add_turn(7, &mut turn);
        assert_eq!(stats.total(Counter::CommandsProcessed), 3);
        assert_eq!(stats.total(Counter::MessagesDelivered), 5);
        stats.reset();
        assert_eq!(stats.total(Counter::InputBytes), 0);
    }
}
