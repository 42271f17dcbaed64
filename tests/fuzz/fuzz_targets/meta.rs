//! Any bytes as metas: reading, comparing and patching never panic and end in time, and agree with a library that makes values
//! of the same texts.
//!
//! The input is a meta, a zero byte, and another one, which is compared with it and is a patch for it.

#![no_main]

use hereabouts::presence::{Invalid, Meta};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

const BYTES_MAX: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let middle = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let (one, other) = (&input[..middle], input.get(middle + 1..).unwrap_or_default());
    let (Some(one), Some(other)) = (read(one), read(other)) else { return };

    assert!(one.is_equal(&one) && other.is_equal(&other));
    assert_eq!(one.is_equal(&other), other.is_equal(&one));
    let values = value(one.as_str()).zip(value(other.as_str()));
    if let Some((first, second)) = &values {
        match one.is_equal(&other) {
            true => assert!(is_close(first, second)),
            // The library rounds what is no integer.
            false => assert!(first != second || has_fractions(first)),
        }
    }

    let merged = one.merged(&other, usize::MAX).unwrap();
    let text = merged.as_str();
    assert_eq!(Meta::parse(text.as_bytes(), text.len()).as_ref(), Ok(&merged));
    assert_eq!(one.merged(&other, text.len() - 1), Err(Invalid::TooLong(text.len() - 1)));
    assert!(merged.merged(&other, usize::MAX).unwrap().is_equal(&merged));
    if let Some((target, patch)) = values {
        assert_eq!(value(text), Some(patched(target, &patch)));
    }
});

/// Reads a meta, from a client and from a peer. What the library takes is taken, and the other way round, our limits aside.
fn read(text: &[u8]) -> Option<Meta> {
    let meta = Meta::parse(text, BYTES_MAX);
    let library: Option<Map<String, Value>> = serde_json::from_slice(text).ok();
    let is_ours =
        |library: &Map<_, _>| library.contains_key("phx_ref") || library.contains_key("phx_ref_prev");
    match &meta {
        Ok(meta) => {
            assert!(serde_json::from_str::<&RawValue>(meta.as_str()).is_ok());
            assert!(!library.as_ref().is_some_and(is_ours));
            assert!(meta.as_str().starts_with('{') && meta.as_str().ends_with('}'));
            assert_eq!(Meta::received(text).as_ref(), Some(meta));
        }
        Err(Invalid::TooLong(_)) => assert!(text.len() > BYTES_MAX),
        Err(Invalid::Reserved(_)) => assert!(library.as_ref().is_none_or(is_ours)),
        Err(_) => assert!(library.is_none()),
    }
    meta.ok()
}

/// What the library makes of a text; nothing where it has limits that we have not.
fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Patches as RFC 7396 has it, section 2.
fn patched(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(target) = target { target } else { Map::new() };
    for (name, value) in patch {
        let old = target.remove(name);
        if !value.is_null() {
            target.insert(name.clone(), patched(old.unwrap_or(Value::Null), value));
        }
    }
    Value::Object(target)
}

/// Whether two values are the same, up to how the library rounds numbers that are written differently.
fn is_close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12 + f64::MIN_POSITIVE
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_close(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|other| is_close(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

fn has_fractions(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fractions),
        Value::Object(members) => members.values().any(has_fractions),
        _ => false,
    }
}
