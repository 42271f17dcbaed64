//! Commands that took long, the latest of them.
//!
//! Owns the entries and how much of a command each keeps. Must not know what is slow, nor what must not be shown.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::Mutex;

/// Arguments of an entry at most; the last one then tells how many there were. (Redis.)
const ARGUMENTS_MAX: usize = 32;
/// Bytes of an argument at most; what follows tells how many there were. (Redis.)
const ARGUMENT_BYTES_MAX: usize = 128;

/// A command that took long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Counts up from zero, RESET or not.
    pub id: u64,
    /// When it ended, in seconds since the Unix epoch.
    pub unix_seconds: u64,
    /// How long it took.
    pub microseconds: u64,
    /// The command as it was sent, clipped.
    pub arguments: Vec<Vec<u8>>,
    /// Where the client connected from.
    pub address: String,
    /// The client's name, clipped.
    pub name: Vec<u8>,
}

/// What an entry keeps of a command.
pub fn clip<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let count = arguments.len();
    let kept = if count > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { count };
    let clipped = |argument: &[u8]| {
        let more = argument.len().saturating_sub(ARGUMENT_BYTES_MAX);
        let mut kept = argument[..argument.len() - more].to_vec();
        if more > 0 {
            kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
        }
        kept
    };
    let mut shown: Vec<Vec<u8>> = arguments.take(kept).map(clipped).collect();
    if kept < count {
        shown.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    shown
}

/// The beginning of a name: it may be as long as a request, and an entry outlives its client.
pub fn clip_name(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(ARGUMENT_BYTES_MAX);
    name.shrink_to_fit();
    name
}

/// The latest entries.
#[derive(Default)]
pub struct SlowLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The latest first.
    entries: VecDeque<Arc<Entry>>,
    next_id: u64,
}

impl SlowLog {
    /// Adds an entry, whose id is drawn here; the oldest go until there are `most`.
    pub fn push(&self, entry: Entry, most: usize) {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(Arc::new(Entry { id, ..entry }));
        state.entries.truncate(most);
    }

    /// The latest `most` entries, the latest first.
    pub fn latest(&self, most: usize) -> Vec<Arc<Entry>> {
        self.state.lock().entries.iter().take(most).cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all. (SLOWLOG RESET.)
    pub fn reset(&self) {
        self.state.lock().entries = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clipped(arguments: &[&[u8]]) -> Vec<String> {
        let shown = clip(arguments.iter().copied());
        shown.into_iter().map(|argument| String::from_utf8(argument).unwrap()).collect()
    }

    #[test]
    fn entries_are_clipped() {
        assert_eq!(clipped(&[b"PING"]), ["PING"]);
        assert_eq!(clipped(&[&[b'x'; 128]]), ["x".repeat(128)]);
        assert_eq!(clipped(&[&[b'x'; 130]]), [format!("{}... (2 more bytes)", "x".repeat(128))]);
        assert_eq!(clipped(&[&b"x"[..]; 32]).len(), 32);
        let many = clipped(&[&b"x"[..]; 33]);
        assert_eq!((many.len(), many[31].as_str()), (32, "... (2 more arguments)"));
    }

    #[test]
    fn a_name_of_any_length_takes_little() {
        let name = clip_name(vec![b'x'; 1024 * 1024]);
        assert_eq!(name.len(), ARGUMENT_BYTES_MAX);
        assert!(name.capacity() < 2 * ARGUMENT_BYTES_MAX);
        assert_eq!(clip_name(b"short".to_vec()), b"short");
    }

    #[test]
    fn the_oldest_goes() {
        let log = SlowLog::default();
        (0..5).for_each(|_| log.push(Entry::default(), 3));
        let ids = || log.latest(usize::MAX).iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(), [4, 3, 2]);
        assert_eq!(log.latest(1).len(), 1);
        log.reset();
        assert!(log.is_empty());
        log.push(Entry::default(), 3);
        assert_eq!(ids(), [5]);
        log.push(Entry::default(), 0);
        assert!(log.is_empty());
    }
}
