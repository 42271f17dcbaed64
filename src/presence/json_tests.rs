//! Equal values and patches.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn read(text: &str) -> Json<'_> {
    Json::read(text).unwrap_or_else(|| panic!("{text} is not read"))
}

fn patched(target: &str, patch: &str) -> String {
    let mut out = String::new();
    read(target).append_patched(&read(patch), &mut out);
    out
}

#[test]
fn the_examples_of_rfc_7396() {
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
        (r#"{"a":"foo"}"#, "null", "null"),
        (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ] {
        assert_eq!(patched(target, patch), result, "{target} patched with {patch}");
    }
    // That of section 3.
    let target = r#"{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},
        "tags":["example","sample"],"content":"This will be unchanged"}"#;
    let patch = r#"{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}"#;
    let result = r#"{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}"#;
    assert_eq!(patched(target, patch), result);
}

#[test]
fn what_a_patch_does_not_name_stays_as_it_was_written() {
    let target =
        r#" { "z" : 123456789012345678901234567890.10 , "\u0061":[ 1, 2 ], "b": {"y":1e9 ,"x":null} } "#;
    assert_eq!(
        patched(target, r#"{"new":1, "b":{"w":"é"}}"#),
        r#"{"z":123456789012345678901234567890.10,"\u0061":[ 1, 2 ],"b":{"y":1e9,"x":null,"w":"é"},"new":1}"#
    );
    // A name that is written in another way is the same name.
    assert_eq!(patched(r#"{"\u0061":1,"b":2}"#, r#"{"a":3}"#), r#"{"\u0061":3,"b":2}"#);
    // The last member of a name counts, in the place of the first.
    assert_eq!(
        patched(r#"{"a":1,"b":2,"a":3}"#, r#"{"c":null,"d":5,"c":4}"#),
        r#"{"a":3,"b":2,"c":4,"d":5}"#
    );
}

#[test]
fn equal_is_what_means_the_same() {
    let classes = [
        &["0", "-0", "0.00", "0e5", "0E-99999999999999999999"][..],
        &["1", "1.0", "1.00", "10e-1", "0.1e+1", "0.01E2", "1e0", "1e0000000000000000000000"],
        &["-1"],
        &["10"],
        &["-12.5", "-125e-1", "-0.0125e3"],
        &[
            "123456789012345678901234567890",
            "123456789012345678901234567890.0",
            "12345678901234567890123456789e1",
        ],
        &["123456789012345678901234567891"],
        &["9007199254740992"],
        &["9007199254740993"],
        &["1e400", "10e399"],
        &["1e401"],
        &["1e-400"],
        &["1e99999999999999999999"],
        &["1e99999999999999999998"],
        &[r#""é""#, r#""\u00e9""#, r#""\u00E9""#],
        &[r#""😀""#, r#""\ud83d\ude00""#],
        &[r#""\ud83d""#],
        &[r#""\ud83e""#],
        &[r#""\"\\ud83d\"""#],
        &[r#""/""#, r#""\/""#],
        &[r#""1""#],
        &["true"],
        &["false"],
        &["null"],
        &["[]", "[ ]"],
        &["{}", " { } "],
        &["[1]", "[1e0]"],
        &["[1,1]"],
        &["[1,2]", "[1.0, 2]"],
        &["[2,1]"],
        &[
            r#"{"a":1,"b":[{}]}"#,
            r#"{"b":[{}],"a":1}"#,
            r#"{"\u0061":10e-1,"b":[{}]}"#,
            r#"{"a":2,"b":[{}],"a":1}"#,
        ],
        &[r#"{"a":1}"#],
        &[r#"{"b":1}"#],
        &[r#"{"a":1,"b":null}"#],
    ];
    for (class, text) in
        classes.iter().enumerate().flat_map(|(class, texts)| texts.iter().map(move |text| (class, text)))
    {
        for (other_class, others) in classes.iter().enumerate() {
            for other in *others {
                assert_eq!(read(text) == read(other), class == other_class, "{text} and {other}");
            }
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Json::read(&nested(DEPTH_MAX)).is_some());
    assert!(Json::read(&nested(DEPTH_MAX + 1)).is_none());
    assert!(Json::read(&nested(100_000)).is_none());
    assert_eq!(depth(&nested(100_000)), 100_000);
    assert_eq!(depth(r#"{"[[[[\"[[[":[{}],"\\":{}}"#), 3);
}

/// Patches as RFC 7396 has it, section 2.
fn patch_value(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(target) = target { target } else { serde_json::Map::new() };
    for (name, value) in patch {
        let old = target.remove(name);
        if !value.is_null() {
            target.insert(name.clone(), patch_value(old.unwrap_or(Value::Null), value));
        }
    }
    Value::Object(target)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[ab\"\\\\é]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[abc\"]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A text of a value: members in another order, and white space.
fn written(value: &Value, pretty: bool) -> String {
    if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn patches_are_those_of_the_rfc(target in values(), patch in values(), pretty: bool) {
        let result = patched(&written(&target, pretty), &written(&patch, !pretty));
        let result: Value = serde_json::from_str(&result).unwrap();
        prop_assert_eq!(result, patch_value(target, &patch));
    }

    #[test]
    fn texts_are_equal_if_their_values_are(one in values(), other in values(), pretty: bool) {
        let (first, second) = (written(&one, pretty), written(&other, !pretty));
        prop_assert_eq!(read(&first) == read(&second), one == other);
        let third = written(&one, !pretty);
        prop_assert_eq!(read(&first), read(&third));
    }

    #[test]
    fn any_text_is_read_without_harm(text in "[\\[\\]{}\",:\\\\u0-9eE.+ntrue \n\u{e9}-]{0,40}") {
        let is_read = Json::read(&text).is_some();
        let is_valid = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert!(is_read || !is_valid, "{text} is valid");
    }
}
