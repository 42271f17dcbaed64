//! The task that lets clients go on when the time of a pause is over. (CLIENT PAUSE.)
//!
//! Owns the wait. Who waits is the broker's; a pause that nobody waits for ends without this task.

use std::sync::Arc;
use std::task::Waker;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::Shared;
use super::client::WAKES_PER_TURN;
use crate::broker::pause::Released;

/// Runs for as long as the server.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let Some(end) = shared.broker.pause.awaited_end() else {
            shared.postponed.notified().await;
            continue;
        };
        let now = shared.clock.now().monotonic;
        if end > now {
            // Another client may wait for the end of another pause, which is over sooner.
            let _ = timeout(end - now, shared.postponed.notified()).await;
        } else if let Some(released) = shared.broker.pause.end_if_over(now) {
            wake(released).await;
        }
    }
}

async fn wake(mut released: Released) {
    loop {
        let mut count = 0;
        for waker in released.by_ref().take(WAKES_PER_TURN) {
            count += 1;
            waker.into_iter().for_each(Waker::wake);
        }
        if count < WAKES_PER_TURN {
            return;
        }
        yield_now().await;
    }
}
