//! Any bytes as a frame from another instance: reading never panics, and what is read is the same when it is written and read
//! again.
//!
//! Run with `-malloc_limit_mb=4`: memory is taken for what has arrived, never for what was announced.

#![no_main]

use hereabouts::crdt::message::Message;
use hereabouts::presence::{Entry, Name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let Ok(message) = Message::<Name, Entry>::decode(frame) else { return };
    let (taken, arrived) = match &message {
        Message::Update(update) => (update.changes.capacity(), update.changes.len()),
        Message::Digest(_, held) => (held.capacity(), held.len()),
        Message::Pull { .. } | Message::Stale(_) => (0, 0),
    };
    assert!(taken <= 2 * arrived + 4, "memory for {taken} after {arrived}");

    let written = message.encode();
    let read = Message::decode(&written);
    assert_eq!(read.as_ref(), Ok(&message));
    // A number may be written longer than it need be, never shorter.
    assert!(written.len() <= frame.len());
    // Cut short, it is none.
    for end in 0..written.len().min(64) {
        assert!(Message::<Name, Entry>::decode(&written[..end]).is_err());
    }
});
