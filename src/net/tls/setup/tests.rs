//! What lists of ciphers and versions mean.

use super::*;

fn names(list: &str, known: &'static [Named]) -> Result<Vec<&'static str>, String> {
    let name = |suite| known.iter().find(|(_, other)| *other == suite).map(|(name, _)| *name);
    chosen(list, known).map(|suites| suites.into_iter().filter_map(name).collect())
}
