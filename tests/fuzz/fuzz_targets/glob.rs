//! Patterns and texts of any bytes: matching never panics, ends in time, and agrees with the naive reference.
//!
//! The input is a pattern, a line feed, and a text.

#![no_main]

use hereabouts::glob;
use libfuzzer_sys::fuzz_target;

#[path = "../../support/glob_reference.rs"]
mod glob_reference;

fuzz_target!(|input: &[u8]| {
    let middle = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (pattern, text) = (&input[..middle], input.get(middle + 1..).unwrap_or_default());

    let is_match = glob::matches(pattern, text);
    if is_match {
        assert!(text.starts_with(&glob::literal_prefix(pattern)));
        assert!(text.ends_with(&glob::literal_suffix(pattern)));
    }
    // The reference takes exponential time in the number of stars.
    let stars = pattern.iter().filter(|&&byte| byte == b'*').count();
    if stars <= 4 && text.len() <= 24 {
        assert_eq!(is_match, glob_reference::matches(pattern, text));
    }
});
