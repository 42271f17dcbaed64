//! Counters of what has happened since the start or the last CONFIG RESETSTAT.
//!
//! Owns the numbers; must not know how they are shown. Connections add what a turn came to, into one of a few copies
//! chosen by their id, so that busy connections on different threads do not write to one cache line.

use std::time::Duration;

use crossbeam::utils::CachePadded;

use super::command_stats::{CommandStats, Tallies};
use super::error_stats::{ErrorStats, ErrorTallies};
use crate::presence::events::Tally;
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
    /// Changes of topics that a pattern's subscriber was not sent because too much waited for it, one for each; all of a
    /// topic's count as one. (INFO `presence_diffs_lost`.)
    PresenceDiffsLost,
    /// Messages made that say what changed in a topic. (INFO `presence_diffs_sent`.)
    PresenceDiffs,
    /// Of those, taken by a watcher, one for each. (INFO `presence_diffs_delivered`.)
    PresenceDiffsDelivered,
    /// Changes that nobody was told because others made up for them in time. (INFO `presence_changes_coalesced`.)
    PresenceCoalesced,
    /// States encoded. (INFO `presence_states_sent`.)
    PresenceStates,
    /// States that watchers have begun to take. (INFO `presence_states_delivered`.)
    PresenceStatesDelivered,
    /// Of those, in place of what a slow watcher had not taken. (INFO `presence_states_resent`.)
    PresenceStatesResent,
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
    /// Times that something was read from a client. (INFO `total_reads_processed`.)
    Reads,
    /// Times that something was written to a client. (INFO `total_writes_processed`.)
    Writes,
    /// Turns, of connections and of the flush task. (INFO `eventloop_cycles`.)
    Turns,
    /// How long they took together. (INFO `eventloop_duration_sum`.)
    TurnNanoseconds,
    /// How long the commands in them took, each command of an EXEC with it. (INFO `eventloop_duration_cmd_sum`.)
    CommandNanoseconds,
    /// Passwords that were wrong. (INFO `acl_access_denied_auth`.)
    AuthenticationsDenied,
    /// TLS handshakes that failed or were given up. (INFO `tls_handshake_errors`.)
    TlsHandshakeErrors,
}

const COUNTERS: usize = Counter::TlsHandshakeErrors as usize + 1;
const COPIES: usize = 16;

type Counters = [AtomicU64; COUNTERS];

/// All counters.
#[derive(Default)]
pub struct Stats {
    copies: [CachePadded<Counters>; COPIES],
    longest_turn_us: AtomicU64,
    /// By row of the command table.
    pub commands: CommandStats,
    /// By first word of the reply.
    pub errors: ErrorStats,
}

impl Stats {
    /// Nothing has happened yet. The command table has so many rows.
    pub fn new(command_rows: usize) -> Self {
        Stats { commands: CommandStats::new(command_rows), ..Stats::default() }
    }

    /// Adds to a counter, on behalf of the client with this id.
    pub fn add(&self, id: u64, counter: Counter, amount: u64) {
        self.copies[id as usize % COPIES][counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// Adds what watchers were told, on behalf of the client with this id.
    pub fn add_presence(&self, id: u64, tally: Tally) {
        for (counter, amount) in [
            (Counter::PresenceDiffs, tally.diffs),
            (Counter::PresenceDiffsDelivered, tally.delivered),
            (Counter::PresenceCoalesced, tally.coalesced),
            (Counter::PresenceStates, tally.states),
            (Counter::PresenceStatesDelivered, tally.states_taken),
            (Counter::PresenceStatesResent, tally.states_resent),
        ] {
            if amount > 0 {
                self.add(id, counter, amount);
            }
        }
    }

    /// The sum so far.
    pub fn total(&self, counter: Counter) -> u64 {
        self.copies.iter().map(|copy| copy[counter as usize].load(Ordering::Relaxed)).sum()
    }

    /// Adds what one turn of a connection came to, and leaves nothing of it.
    pub fn add_turn(&self, id: u64, turn: &mut TurnCounts) {
        for (counter, amount) in [
            (Counter::CommandsProcessed, &mut turn.commands),
            (Counter::ErrorReplies, &mut turn.errors),
            (Counter::MessagesPublished, &mut turn.published),
            (Counter::MessagesDelivered, &mut turn.delivered),
            (Counter::CommandNanoseconds, &mut turn.command_ns),
        ] {
            if *amount > 0 {
                self.add(id, counter, std::mem::take(amount));
            }
        }
        self.commands.add(id, &mut turn.by_command);
        self.errors.add(&mut turn.by_error);
    }

    /// Notes how long a turn of the client with this id took. No lock is held for longer than the longest of them.
    pub fn note_turn(&self, id: u64, time: Duration) {
        self.add(id, Counter::Turns, 1);
        self.add(id, Counter::TurnNanoseconds, time.as_nanos() as u64);
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
        self.commands.reset();
        self.errors.reset();
    }
}

/// What one turn of a connection came to.
#[derive(Debug, Default)]
pub struct TurnCounts {
    /// Commands executed.
    pub commands: u64,
    /// Error replies.
    pub errors: u64,
    /// Messages published.
    pub published: u64,
    /// Messages delivered, one for each receiver.
    pub delivered: u64,
    /// How long the commands took together.
    pub command_ns: u64,
    /// What each command came to.
    pub by_command: Tallies,
    /// Error replies by their first word.
    pub by_error: ErrorTallies,
}

impl TurnCounts {
    /// There was an error reply with this text, which has no `-` before it.
    pub fn add_error(&mut self, text: &[u8]) {
        self.errors += 1;
        self.by_error.add(text);
    }
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
