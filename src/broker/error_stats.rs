//! How many error replies there were of each kind.
//!
//! Owns the counts by the first word of the reply. There are not many such words, but a client may have a say in them
//! (DEBUG ERROR): the number of those that are told apart is bounded.

use std::collections::BTreeMap;

use crate::sync::Mutex;

/// Words that are counted apart. (Redis.)
const WORDS_MAX: usize = 128;
/// Stands for all further ones. (Redis.)
const OTHERS: &[u8] = b"ERRORSTATS_OVERFLOW";
/// Where the first word of a reply must have ended. (Redis.)
const WORD_BYTES_MAX: usize = 31;

/// Error replies of one turn.
#[derive(Debug, Default)]
pub struct ErrorTallies(Vec<(Vec<u8>, u64)>);

impl ErrorTallies {
    /// There was an error reply with this text, which has no `-` before it.
    pub fn add(&mut self, text: &[u8]) {
        let beginning = &text[..text.len().min(WORD_BYTES_MAX)];
        let word = beginning.iter().position(|byte| *byte == b' ').map_or(&b"ERR"[..], |end| &text[..end]);
        match self.0.iter_mut().find(|(known, _)| known == word) {
            Some((_, count)) => *count += 1,
            None => self.0.push((word.to_vec(), 1)),
        }
    }

    /// Whether it is time to add them to the others'.
    pub fn is_full(&self) -> bool {
        self.0.len() >= WORDS_MAX
    }
}

/// All error replies.
#[derive(Default)]
pub struct ErrorStats {
    counts: Mutex<BTreeMap<Vec<u8>, u64>>,
}

impl ErrorStats {
    /// Adds what a turn came to.
    pub fn add(&self, turn: &mut ErrorTallies) {
        if turn.0.is_empty() {
            return;
        }
        let mut counts = self.counts.lock();
        for (word, count) in turn.0.drain(..) {
            let is_full = counts.len() >= WORDS_MAX && !counts.contains_key(&word);
            *counts.entry(if is_full { OTHERS.to_vec() } else { word }).or_default() += count;
        }
    }

    /// Each word with its number, in alphabetical order.
    pub fn all(&self) -> Vec<(Vec<u8>, u64)> {
        self.counts.lock().iter().map(|(word, count)| (word.clone(), *count)).collect()
    }

    /// Forgets all.
    pub fn reset(&self) {
        self.counts.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_first_word_that_counts() {
        let (stats, mut turn) = (ErrorStats::default(), ErrorTallies::default());
        let long = format!("{} x", "y".repeat(40));
        for text in ["ERR a b", "ERR c", "NOAUTH x", "wordless", &long] {
            turn.add(text.as_bytes());
        }
        stats.add(&mut turn);
        assert_eq!(stats.all(), [(b"ERR".to_vec(), 4), (b"NOAUTH".to_vec(), 1)]);
        stats.reset();
        assert!(stats.all().is_empty());
    }

    #[test]
    fn words_beyond_the_limit_are_counted_together() {
        let (stats, mut turn) = (ErrorStats::default(), ErrorTallies::default());
        for number in 0..1000 {
            turn.add(format!("E{number} x").as_bytes());
            if turn.is_full() {
                stats.add(&mut turn);
            }
        }
        stats.add(&mut turn);
        let all = stats.all();
        assert_eq!(all.len(), WORDS_MAX + 1);
        assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), 1000);
        assert_eq!(all[WORDS_MAX].0, OTHERS);
    }
}
