//! What must be noticed although nothing happens: clients that are idle, that take no output, or that are above a soft
//! limit; and that all of them together take too much memory.
//!
//! Owns the pace. Each client is looked at once a second, a part of them in each tick, so that no connection needs a
//! timer of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::broker::clients::{Client, Mark};
use crate::broker::eviction::Eviction;
use crate::broker::gauges::Round;
use crate::broker::stats::Counter;
use crate::command::describe;
use crate::config::Config;
use crate::outbox::CloseReason;
use crate::sync::atomic::Ordering;
use crate::time::Now;

const TICK: Duration = Duration::from_millis(100);
/// Every client is looked at once in so many ticks.
const TICKS_PER_ROUND: usize = 10;
/// Clients looked at before others have a turn.
const CLIENTS_PER_STEP: usize = 256;
/// Steps of a tick in which clients' memory is looked at, when it has a limit: one or two milliseconds of work.
const EVICTION_STEPS_PER_TICK: usize = 64;

/// Runs for as long as the server.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = 0;
    let mut eviction = Eviction::default();
    let mut round = Round::default();
    let mut last_round = None;
    loop {
        ticks.tick().await;
        evict(&shared, &mut eviction).await;
        shared.broker.sample(shared.clock.now(), last_round.take());
        let mut quota = shared.broker.clients.len().div_ceil(TICKS_PER_ROUND).max(1);
        while quota > 0 {
            let page = shared.broker.clients.after(after, quota.min(CLIENTS_PER_STEP));
            let Some(last) = page.last() else {
                after = 0;
                last_round = Some(std::mem::take(&mut round));
                break;
            };
            after = last.id;
            quota -= page.len();
            let (config, now) = (shared.broker.config(), shared.clock.now());
            for client in &page {
                check(&shared, &config, client, now);
                measure(&mut round, client);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Closes the clients that take most, if all together take too much: when a round over all of them has ended.
async fn evict(shared: &Shared, eviction: &mut Eviction) {
    for _ in 0..EVICTION_STEPS_PER_TICK {
        let Some(limit) = shared.broker.config().client_memory_limit() else {
            // Of a round that had begun nothing is to be kept, not even clients that have gone since.
            *eviction = Eviction::default();
            return;
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let chosen = eviction.step(&shared.broker, limit, CLIENTS_PER_STEP);
        let now = shared.clock.now();
        for client in chosen.iter().flatten() {
            let line = describe(client, now);
            tracing::info!("Evicting client: {}", String::from_utf8_lossy(&line).trim_end());
            end(shared, client, CloseReason::Evicted, Counter::ClientsEvicted);
        }
        if chosen.is_some() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Adds what a client takes.
fn measure(round: &mut Round, client: &Client) {
    let input = u64::from(client.query_bytes.load(Ordering::Relaxed));
    let output = client.outbox.waiting() as u64;
    round.largest_input = round.largest_input.max(input);
    round.largest_output = round.largest_output.max(output);
    round.bytes += client.memory() as u64;
    round.tracking += u64::from(client.is(Mark::Tracking));
}

fn check(shared: &Shared, config: &Config, client: &Client, now: Now) {
    if let Some(waker) = client.outbox.check_limit(&client.output_limit(config), now) {
        shared.broker.report_overflows(&mut vec![client.id]);
        waker.into_iter().for_each(std::task::Waker::wake);
        return;
    }
    let stalled = client.outbox.stalled_for(now).unwrap_or_default();
    if !config.client_write_timeout.is_zero() && stalled >= config.client_write_timeout {
        end(shared, client, CloseReason::WriteTimeout, Counter::WriteTimeoutDisconnections);
        tracing::warn!(
            "Closing client id={} addr={} name={}: it has taken none of the output that waits for it for {} ms; see \
             client-write-timeout",
            client.id,
            client.address,
            client.name(),
            stalled.as_millis(),
        );
        return;
    }
    let idle = now.monotonic_ms().saturating_sub(client.active_ms.load(Ordering::Relaxed));
    let may_be_idle = client.is_subscribed() || client.is(Mark::Monitor) || client.is(Mark::Postponed);
    if !config.timeout.is_zero() && u128::from(idle) > config.timeout.as_millis() && !may_be_idle {
        end(shared, client, CloseReason::Idle, Counter::IdleDisconnections);
        tracing::debug!("Closing idle client id={} addr={}", client.id, client.address);
    }
}

fn end(shared: &Shared, client: &Client, reason: CloseReason, counter: Counter) {
    if client.outbox.closed().is_none() {
        shared.broker.stats.add(client.id, counter, 1);
    }
    client.outbox.close(reason).into_iter().for_each(std::task::Waker::wake);
}
