//! What is a meta.

use proptest::prelude::*;

use super::*;

fn meta(text: &str) -> Meta {
    Meta::parse(text.as_bytes(), 4096).unwrap_or_else(|invalid| panic!("{text}: {invalid:?}"))
}

#[test]
fn an_object_is_kept_as_it_was_sent() {
    for text in [
        "{}",
        "{ }",
        r#"{"b":1,"a":1.00,"b":123456789012345678901234567890}"#,
        r#"{"a":"\ud83d","\ud83d":1e999}"#,
        r#"{"a":{"phx_ref":1},"b":"phx_ref","phx":"\u0061","phx_refs":1}"#,
        "{\"é\":\"\u{10ffff}\"}",
    ] {
        assert_eq!(meta(text).as_str(), text);
        assert_eq!(meta(&format!(" \t\r\n{text}\n ")).as_str(), text);
        assert_eq!(Meta::received(text.as_bytes()).unwrap().as_str(), text);
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "null",
        "\"{}\"",
        "{}{}",
        "{} x",
        "{a:1}",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":NaN}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1"b":2}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\n\"}",
        "\u{feff}{}",
        "\u{c}{}",
        "{}\0",
    ] {
        assert_eq!(Meta::parse(text.as_bytes(), 100), Err(Invalid::NotAnObject), "{text}");
        assert_eq!(Meta::received(text.as_bytes()), None);
    }
    assert_eq!(Meta::parse(b"{\"a\":\"\xff\"}", 100), Err(Invalid::NotUtf8));
    assert_eq!(Meta::parse(b"{\"a\":\"\xed\xa0\x80\"}", 100), Err(Invalid::NotUtf8));
    assert_eq!(Meta::received(b"{\"a\":\"\xff\"}"), None);
}

#[test]
fn length_and_depth_are_limited() {
    let text = r#"{"a":"bcd"}"#;
    assert!(Meta::parse(text.as_bytes(), text.len()).is_ok());
    assert_eq!(Meta::parse(text.as_bytes(), text.len() - 1), Err(Invalid::TooLong(text.len() - 1)));
    let nested = |levels: usize| format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1));
    assert_eq!(meta(&nested(DEPTH_MAX)).as_str(), nested(DEPTH_MAX));
    for levels in [DEPTH_MAX + 1, 100_000] {
        let text = nested(levels);
        assert_eq!(Meta::parse(text.as_bytes(), text.len()), Err(Invalid::TooDeep(DEPTH_MAX)));
        assert_eq!(Meta::received(text.as_bytes()), None);
    }
    let unclosed = r#"{"a":"#.repeat(100_000);
    assert_eq!(Meta::parse(unclosed.as_bytes(), unclosed.len()), Err(Invalid::NotAnObject));
}

#[test]
fn our_names_are_refused() {
    for (text, name) in [
        (r#"{"phx_ref":"1"}"#, "phx_ref"),
        (r#"{"a":1,"phx_ref_prev":null}"#, "phx_ref_prev"),
        (r#"{"phx_ref_prev":1,"phx_ref":1}"#, "phx_ref"),
        (r#"{"phx\u005fref":1}"#, "phx_ref"),
        (r#"{"\u0070hx_re\u0066_prev" : 1}"#, "phx_ref_prev"),
    ] {
        assert_eq!(Meta::parse(text.as_bytes(), 100), Err(Invalid::Reserved(name)), "{text}");
    }
}

#[test]
fn equal_and_merged() {
    assert!(meta(r#"{"a":1,"b":"é"}"#).is_equal(&meta(r#"{ "b":"\u00e9", "a":1.0 }"#)));
    assert!(!meta(r#"{"a":9007199254740993}"#).is_equal(&meta(r#"{"a":9007199254740992}"#)));
    let target = meta(r#"{"z":1.10,"a":{"b":1,"c":2}}"#);
    let merged = target.merged(&meta(r#"{"a":{"b":null},"n":12345678901234567890123}"#), 4096).unwrap();
    assert_eq!(merged.as_str(), r#"{"z":1.10,"a":{"c":2},"n":12345678901234567890123}"#);
    let bytes = merged.as_str().len();
    assert!(target.merged(&meta(r#"{"a":{"b":null},"n":12345678901234567890123}"#), bytes).is_ok());
    assert_eq!(
        target.merged(&meta(r#"{"a":{"b":null},"n":12345678901234567890123}"#), bytes - 1),
        Err(Invalid::TooLong(bytes - 1))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_are_judged_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = Meta::parse(&bytes, 1000);
    }

    #[test]
    fn a_merge_is_a_meta(one in "(\\{|\\}|\"a\"|:|,|1|null|\\[|\\]){0,12}", other in "(\"a\"|\"b\"):(1|null|\\{\\}|\\{\"c\":null\\})") {
        let target = Meta::parse(format!("{{\"x\":[{one}]}}").as_bytes(), 1000).unwrap_or_default();
        let patch = meta(&format!("{{{other}}}"));
        let merged = target.merged(&patch, 1000).unwrap();
        prop_assert_eq!(Meta::parse(merged.as_str().as_bytes(), 1000), Ok(merged.clone()));
        prop_assert!(merged.merged(&patch, 1000).unwrap().is_equal(&merged), "patching twice changes nothing");
    }
}
