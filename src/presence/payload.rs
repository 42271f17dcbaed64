//! What users are told, as JSON: versions, keys, states and diffs.
//!
//! Owns the text, which is that of Phoenix Channels, so that phoenix.js takes it as it is. Must not know when it is sent. Everything
//! is appended, so that a large state can be written in steps. The parts of a state are `begin_state`, `append_key` for each key,
//! `end_state`; those of a diff `begin_diff`, the keys of the joins, `begin_leaves`, the keys of the leaves, `end_diff`.

use std::io::Write as _;

use super::{Stamp, Version};
use crate::crdt::NodeId;

/// Why a version is in the leaves of a diff although its member has not left.
pub const UPDATE: &str = "update";

/// Of a ref as a string.
const REF_BYTES: usize = 34;

/// Appends a version: its meta as it was sent, behind its ref and that of the version before it.
pub fn append_meta(out: &mut Vec<u8>, version: &Version) {
    append_meta_after(out, version, version.previous());
}

/// Appends a version as one that has replaced `previous`, which is for the reader to know.
pub fn append_meta_after(out: &mut Vec<u8>, version: &Version, previous: Option<Stamp>) {
    const BEGIN: &[u8; 11] = br#"{"phx_ref":"#;
    let mut begin = [0; BEGIN.len() + REF_BYTES];
    begin[..BEGIN.len()].copy_from_slice(BEGIN);
    begin[BEGIN.len()..].copy_from_slice(&ref_text(version.reference()));
    out.extend_from_slice(&begin);
    if let Some(previous) = previous {
        out.extend_from_slice(br#","phx_ref_prev":"#);
        append_ref(out, previous);
    }
    let members = version.meta.as_str().strip_prefix('{').unwrap_or("}");
    if members.trim_ascii_start().len() > 1 {
        out.push(b',');
    }
    out.extend_from_slice(members.as_bytes());
}

/// Appends a ref as a string.
pub fn append_ref(out: &mut Vec<u8>, stamp: Stamp) {
    out.extend_from_slice(&ref_text(stamp));
}

fn ref_text(stamp: Stamp) -> [u8; REF_BYTES] {
    let Stamp { time, node: NodeId(node) } = stamp;
    let mut text = [b'"'; REF_BYTES];
    for (at, number) in [(1, time), (17, node)] {
        text[at..at + 8].copy_from_slice(&hexadecimal((number >> 32) as u32));
        text[at + 8..at + 16].copy_from_slice(&hexadecimal(number as u32));
    }
    text
}

/// The digits of a number, all at once: one by one they would be a third of what a list costs.
fn hexadecimal(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let number = u64::from(number);
    let pairs = (number & 0xffff_0000) << 16 | number & 0xffff;
    let bytes = (pairs & 0x0000_ff00_0000_ff00) << 8 | pairs & 0x0000_00ff_0000_00ff;
    let digits = (bytes & 0x00f0_00f0_00f0_00f0) << 4 | bytes & 0x000f_000f_000f_000f;
    let letters = (digits + 6 * ONES) >> 4 & ONES;
    (digits + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// Appends a string.
pub fn append_string(out: &mut Vec<u8>, text: &str) {
    // A vector takes all that is written to it, and a string is always JSON.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a key with its versions, behind a comma unless it is the first of its object.
pub fn append_key<'a>(out: &mut Vec<u8>, key: &str, versions: impl Iterator<Item = &'a Version>) {
    begin_key(out, key);
    versions.for_each(|version| {
        separate(out);
        append_meta(out, version);
    });
    end_key(out);
}

/// Begins a key, behind a comma unless it is the first of its object. Its metas follow, each behind [`separate`].
pub fn begin_key(out: &mut Vec<u8>, key: &str) {
    separate(out);
    append_string(out, key);
    out.extend_from_slice(br#":{"metas":["#);
}

/// Ends a key that has its metas.
pub fn end_key(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}");
}

/// Ends a key that has its metas, with the reasons why they left.
pub fn end_left_key<'a>(out: &mut Vec<u8>, reasons: impl Iterator<Item = (Stamp, &'a str)>) {
    out.extend_from_slice(br#"],"reasons":{"#);
    reasons.for_each(|(reference, reason)| {
        separate(out);
        append_ref(out, reference);
        out.push(b':');
        append_string(out, reason);
    });
    out.extend_from_slice(b"}}");
}

/// Appends a comma unless an object or array has just begun.
pub fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[')) {
        out.push(b',');
    }
}

/// Begins a state, or a part of one. Keys follow.
pub fn begin_state(out: &mut Vec<u8>, topic: &str, seq: u64) {
    begin_event(out, "presence_state", topic, seq);
}

/// Ends a state; `more`: only a part of it, and others follow.
pub fn end_state(out: &mut Vec<u8>, more: bool) {
    out.extend_from_slice(if more { br#"},"more":true}"# } else { b"}}" });
}

/// Begins a diff. The keys of those who joined follow.
pub fn begin_diff(out: &mut Vec<u8>, topic: &str, seq: u64) {
    begin_event(out, "presence_diff", topic, seq);
    out.extend_from_slice(br#""joins":{"#);
}

/// The joins of a diff end. The keys of those who left follow.
pub fn begin_leaves(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"},"leaves":{"#);
}

/// Ends a diff.
pub fn end_diff(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}}}");
}

fn begin_event(out: &mut Vec<u8>, event: &str, topic: &str, seq: u64) {
    out.extend_from_slice(br#"{"event":"#);
    append_string(out, event);
    out.extend_from_slice(br#","topic":"#);
    append_string(out, topic);
    // A vector takes all that is written to it.
    let _ = write!(out, r#","seq":{seq},"payload":{{"#);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::presence::Meta;

    fn stamp(time: u64) -> Stamp {
        Stamp { time, node: NodeId(0xab) }
    }

    fn version(time: u64, previous: Option<u64>, meta: &str) -> Version {
        let meta = Meta::parse(meta.as_bytes(), 1000).unwrap();
        Version::live(stamp(time), meta, stamp(time), previous.map(stamp))
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_meta_is_as_it_was_sent_behind_its_refs() {
        let meta = |time, previous, text| written(|out| append_meta(out, &version(time, previous, text)));
        assert_eq!(meta(1, None, " {} "), r#"{"phx_ref":"000000000000000100000000000000ab"}"#);
        assert_eq!(meta(1, None, "{ }"), r#"{"phx_ref":"000000000000000100000000000000ab" }"#);
        assert_eq!(
            meta(0xfedc_ba98_7654_3210, Some(1), r#"{ "b":1e999, "a": "é" }"#),
            concat!(
                r#"{"phx_ref":"fedcba987654321000000000000000ab","phx_ref_prev":"000000000000000100000000000000ab","#,
                r#" "b":1e999, "a": "é" }"#
            )
        );
    }

    #[test]
    fn a_state_is_one_of_phoenix() {
        let (one, two) = (version(1, None, r#"{"a":1}"#), version(2, Some(1), "{}"));
        let state = written(|out| {
            begin_state(out, "the \"lobby\"", 412);
            append_key(out, "u1", [&one, &two].into_iter());
            append_key(out, "u\n2", [&two].into_iter());
            end_state(out, true);
        });
        let (first, second) = (stamp(1).to_string(), stamp(2).to_string());
        let two = json!({"phx_ref": second, "phx_ref_prev": first});
        let expected = json!({
            "event": "presence_state",
            "topic": "the \"lobby\"",
            "seq": 412,
            "payload": {
                "u1": {"metas": [{"phx_ref": first, "a": 1}, two]},
                "u\n2": {"metas": [two]},
            },
            "more": true,
        });
        assert_eq!(serde_json::from_str::<Value>(&state).unwrap(), expected);
        let empty = written(|out| {
            begin_state(out, "t", 0);
            end_state(out, false);
        });
        assert_eq!(empty, r#"{"event":"presence_state","topic":"t","seq":0,"payload":{}}"#);
    }

    #[test]
    fn a_diff_is_one_of_phoenix() {
        let (one, two) = (version(1, None, r#"{"a":1}"#), version(2, Some(1), "{}"));
        let (first, second) = (stamp(1).to_string(), stamp(2).to_string());
        let diff = written(|out| {
            begin_diff(out, "t", 7);
            append_key(out, "u1", [&two].into_iter());
            begin_leaves(out);
            begin_key(out, "u1");
            append_meta(out, &one);
            end_left_key(out, [(stamp(1), UPDATE), (stamp(2), "lost")].into_iter());
            end_diff(out);
        });
        let expected = json!({
            "event": "presence_diff",
            "topic": "t",
            "seq": 7,
            "payload": {
                "joins": {"u1": {"metas": [{"phx_ref": second, "phx_ref_prev": first}]}},
                "leaves": {"u1": {
                    "metas": [{"phx_ref": first, "a": 1}],
                    "reasons": {first: "update", second: "lost"},
                }},
            },
        });
        assert_eq!(serde_json::from_str::<Value>(&diff).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_string_is_read_back(text in any::<String>(), time: u64, node: u64) {
            let string = written(|out| append_string(out, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&string).unwrap(), text);
            let stamp = Stamp { time, node: NodeId(node) };
            prop_assert_eq!(written(|out| append_ref(out, stamp)), format!("\"{stamp}\""));
        }
    }
}
