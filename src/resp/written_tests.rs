//! What the writers of replies and pushes write, another implementation of the protocol reads back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use redis_protocol::resp2::types::OwnedFrame as Frame2;
use redis_protocol::resp3::types::{OwnedFrame as Frame3, VerbatimStringFormat};
use redis_protocol::{resp2, resp3};

use super::Protocol;
use super::push::{ChannelKind, Frame, FrameBuffer, Payload, Payloads, share};
use super::reply::Reply;

type Words = Vec<u8>;

/// A reply before it is written.
#[derive(Clone, Debug)]
enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Words),
    Verbatim(Words),
    Null,
    NullArray,
    Array(Vec<Value>),
    Push(Vec<Value>),
    /// Keys and elements are all different, as the other implementation drops doubles.
    Map(BTreeMap<Words, Value>),
    Set(BTreeSet<Words>),
    /// Written by a writer of its own first.
    Raw(Box<Value>),
}

fn words() -> impl Strategy<Value = Words> {
    let telling = proptest::sample::select(b"\r\n$*:+-_%~>=\0\xff09az".as_slice());
    proptest::collection::vec(prop_oneof![telling, any::<u8>()], 0..20)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[^\r\n]{0,12}".prop_map(Value::Simple),
        "([^\r\n]|\r|\n){0,12}".prop_map(Value::Error),
        prop_oneof![any::<i64>(), -20i64..20, Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Integer),
        words().prop_map(Value::Bulk),
        words().prop_map(Value::Verbatim),
        Just(Value::Null),
        Just(Value::NullArray),
        proptest::collection::btree_set(words(), 0..12).prop_map(Value::Set),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::Array),
            proptest::collection::btree_map(words(), inner.clone(), 0..6).prop_map(Value::Map),
            inner.prop_map(|value| Value::Raw(Box::new(value))),
        ]
    })
}

/// What a client may be sent: a push has no place inside of something else.
fn reply() -> impl Strategy<Value = Value> {
    prop_oneof![4 => value(), 1 => proptest::collection::vec(value(), 1..5).prop_map(Value::Push)]
}

fn write(value: &Value, protocol: Protocol, buffer: &mut Vec<u8>) {
    let mut reply = Reply::new(buffer, protocol);
    match value {
        Value::Simple(text) => reply.simple(text),
        Value::Error(text) => reply.error(text.as_bytes()),
        Value::Integer(number) => reply.integer(*number),
        Value::Bulk(bytes) => reply.bulk(bytes),
        Value::Verbatim(text) => reply.verbatim(text),
        Value::Null => reply.null(),
        Value::NullArray => reply.null_array(),
        Value::Array(values) => {
            reply.array(values.len());
            values.iter().for_each(|value| write(value, protocol, buffer));
        }
        Value::Push(values) => {
            reply.push(values.len());
            values.iter().for_each(|value| write(value, protocol, buffer));
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            for (key, value) in pairs {
                Reply::new(buffer, protocol).bulk(key);
                write(value, protocol, buffer);
            }
        }
        Value::Set(elements) => {
            reply.set(elements.len());
            elements.iter().for_each(|element| reply.bulk(element));
        }
        Value::Raw(value) => {
            let mut encoded = Vec::new();
            write(value, protocol, &mut encoded);
            reply.raw(&encoded);
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// What RESP2 has for a value.
fn in_resp2(value: &Value) -> Frame2 {
    match value {
        Value::Simple(text) => Frame2::SimpleString(text.clone().into_bytes()),
        Value::Error(text) => Frame2::Error(one_line(text)),
        Value::Integer(number) => Frame2::Integer(*number),
        Value::Bulk(bytes) | Value::Verbatim(bytes) => Frame2::BulkString(bytes.clone()),
        Value::Null | Value::NullArray => Frame2::Null,
        Value::Array(values) | Value::Push(values) => Frame2::Array(values.iter().map(in_resp2).collect()),
        Value::Map(pairs) => {
            let flat =
                pairs.iter().flat_map(|(key, value)| [Frame2::BulkString(key.clone()), in_resp2(value)]);
            Frame2::Array(flat.collect())
        }
        Value::Set(elements) => Frame2::Array(elements.iter().cloned().map(Frame2::BulkString).collect()),
        Value::Raw(value) => in_resp2(value),
    }
}

fn bulk3(bytes: &[u8]) -> Frame3 {
    Frame3::BlobString { data: bytes.to_vec(), attributes: None }
}

fn in_resp3(value: &Value) -> Frame3 {
    let attributes = None;
    match value {
        Value::Simple(text) => Frame3::SimpleString { data: text.clone().into_bytes(), attributes },
        Value::Error(text) => Frame3::SimpleError { data: one_line(text), attributes },
        Value::Integer(number) => Frame3::Number { data: *number, attributes },
        Value::Bulk(bytes) => bulk3(bytes),
        Value::Verbatim(text) => {
            let format = VerbatimStringFormat::Text;
            Frame3::VerbatimString { data: text.clone(), format, attributes }
        }
        Value::Null | Value::NullArray => Frame3::Null,
        Value::Array(values) => Frame3::Array { data: values.iter().map(in_resp3).collect(), attributes },
        Value::Push(values) => Frame3::Push { data: values.iter().map(in_resp3).collect(), attributes },
        Value::Map(pairs) => {
            let data = pairs.iter().map(|(key, value)| (bulk3(key), in_resp3(value))).collect();
            Frame3::Map { data, attributes }
        }
        Value::Set(elements) => {
            Frame3::Set { data: elements.iter().map(|element| bulk3(element)).collect(), attributes }
        }
        Value::Raw(value) => in_resp3(value),
    }
}

/// All frames of `bytes`, to the last byte.
fn read2(mut bytes: &[u8]) -> Vec<Frame2> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = resp2::decode::decode(bytes).unwrap().expect("a whole frame");
        frames.push(frame);
        bytes = &bytes[length..];
    }
    frames
}

fn read3(mut bytes: &[u8]) -> Vec<Frame3> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = resp3::decode::complete::decode(bytes).unwrap().expect("a whole frame");
        frames.push(frame);
        bytes = &bytes[length..];
    }
    frames
}

/// A published message's forms.
#[derive(Clone, Debug)]
enum Published {
    Small(Words),
    Shared(Words),
    Several(Vec<Words>),
}

fn published() -> impl Strategy<Value = Published> {
    prop_oneof![
        words().prop_map(Published::Small),
        words().prop_map(Published::Shared),
        proptest::collection::vec(words(), 1..4).prop_map(Published::Several),
    ]
}

impl Published {
    fn messages(&self) -> Vec<Words> {
        match self {
            Published::Small(payload) | Published::Shared(payload) => vec![payload.clone()],
            Published::Several(payloads) => payloads.clone(),
        }
    }

    /// Shows the payload as the encoder takes it.
    fn with<R>(&self, show: impl FnOnce(Payload<'_>) -> R) -> R {
        match self {
            Published::Small(payload) => show(Payload::Small(payload)),
            Published::Shared(payload) => show(Payload::Shared(&share(payload))),
            Published::Several(several) => {
                let mut payloads = Payloads::default();
                several.iter().for_each(|payload| payloads.push(payload));
                show(Payload::Several(&payloads))
            }
        }
    }
}

/// A frame's bytes as a client gets them, behind something else.
fn sent(frame: Frame<'_>, protocol: Protocol) -> Vec<u8> {
    let before = b"+before\r\n";
    let mut bytes = before.to_vec();
    frame.append_head(&mut bytes, protocol);
    bytes.extend_from_slice(frame.shared.map_or(&[][..], Bytes::as_ref));
    assert_eq!(bytes.len() - before.len(), frame.len());
    bytes.split_off(before.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn replies_are_read_back(values in proptest::collection::vec(reply(), 1..4)) {
        let (mut bytes2, mut bytes3) = (Vec::new(), Vec::new());
        for value in &values {
            write(value, Protocol::Resp2, &mut bytes2);
            write(value, Protocol::Resp3, &mut bytes3);
        }
        prop_assert_eq!(read2(&bytes2), values.iter().map(in_resp2).collect::<Vec<_>>());
        prop_assert_eq!(read3(&bytes3), values.iter().map(in_resp3).collect::<Vec<_>>());
    }

    #[test]
    fn messages_are_read_back(published in published(), channel in words(), pattern in words()) {
        let bulk = |bytes: &[u8]| Value::Bulk(bytes.to_vec());
        let forms: [(&[u8], Option<ChannelKind>); 3] =
            [(b"message", Some(ChannelKind::Global)), (b"smessage", Some(ChannelKind::Shard)), (b"pmessage", None)];
        for (kind, channel_kind) in forms {
            let expected: Vec<Value> = published.messages().iter().map(|payload| {
                let mut parts = vec![bulk(kind), bulk(&channel), bulk(payload)];
                if channel_kind.is_none() {
                    parts.insert(1, bulk(&pattern));
                }
                Value::Push(parts)
            }).collect();
            let mut buffer = FrameBuffer::default();
            let (bytes2, bytes3) = published.with(|payload| {
                let frame = match channel_kind {
                    Some(kind) => payload.message(kind, &channel, &mut buffer),
                    None => payload.pattern_message(&pattern, &channel, &mut buffer),
                };
                (sent(frame, Protocol::Resp2), sent(frame, Protocol::Resp3))
            });
            prop_assert_eq!(read2(&bytes2), expected.iter().map(in_resp2).collect::<Vec<_>>());
            prop_assert_eq!(read3(&bytes3), expected.iter().map(in_resp3).collect::<Vec<_>>());
        }
    }
}
