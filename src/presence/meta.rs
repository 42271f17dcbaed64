//! What an application says about a member: a JSON object, kept as it was sent.
//!
//! Owns what is accepted, when two metas are equal, and how one is patched. Must not know members.

use serde_json::value::RawValue;

use super::json::{DEPTH_MAX, Json, is_too_deep};

/// What we put in front of a meta, by the names that Phoenix has for it. The first is part of the others.
const RESERVED: [&str; 2] = ["phx_ref", "phx_ref_prev"];

/// A JSON object as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta(Box<str>);

/// Why something is no meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is longer than so many bytes.
    TooLong(usize),
    /// It is not UTF-8.
    NotUtf8,
    /// It is no JSON, or another JSON value.
    NotAnObject,
    /// Its objects and arrays are nested deeper than so many levels.
    TooDeep(usize),
    /// It has a member of this name, which is ours.
    Reserved(&'static str),
}

impl Default for Meta {
    /// `{}`.
    fn default() -> Self {
        Meta("{}".into())
    }
}

impl Meta {
    /// Takes what a client has sent, without white space around it. If a name stands several times in an object, the last one
    /// counts, as nearly everywhere; the text keeps all.
    ///
    /// # Errors
    /// It is none, or longer than `bytes_max`.
    pub fn parse(text: &[u8], bytes_max: usize) -> Result<Self, Invalid> {
        if text.len() > bytes_max {
            return Err(Invalid::TooLong(bytes_max));
        }
        let text = object(text)?;
        match reserved(text) {
            Some(name) => Err(Invalid::Reserved(name)),
            None => Ok(Meta(text.into())),
        }
    }

    /// Takes what another instance has sent, which has parsed it.
    pub fn received(text: &[u8]) -> Option<Self> {
        object(text).ok().map(|text| Meta(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same JSON value: the order of members does not count, nor how a string or a number is written. Numbers
    /// are compared as they stand, however long: none is rounded.
    pub fn is_equal(&self, other: &Meta) -> bool {
        let is_same_value =
            || Json::read(&self.0).zip(Json::read(&other.0)).is_some_and(|(one, other)| one == other);
        self == other || is_same_value()
    }

    /// This one with a patch applied to it. (RFC 7396.) What the patch does not name stays as it was written.
    ///
    /// # Errors
    /// The result is longer than `bytes_max`.
    pub fn merged(&self, patch: &Meta, bytes_max: usize) -> Result<Self, Invalid> {
        let (Some(target), Some(patch)) = (Json::read(&self.0), Json::read(&patch.0)) else {
            return Err(Invalid::NotAnObject);
        };
        let mut text = String::with_capacity(self.0.len());
        target.append_patched(&patch, &mut text);
        if text.len() > bytes_max {
            return Err(Invalid::TooLong(bytes_max));
        }
        Ok(Meta(text.into()))
    }
}

/// A text that is a JSON object, without white space around it.
fn object(text: &[u8]) -> Result<&str, Invalid> {
    let text = std::str::from_utf8(text).map_err(|_| Invalid::NotUtf8)?;
    // The library does not recurse here: it makes nothing of what it reads.
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Invalid::NotAnObject)?;
    let text = value.get();
    if !text.starts_with('{') {
        return Err(Invalid::NotAnObject);
    }
    if is_too_deep(text) {
        return Err(Invalid::TooDeep(DEPTH_MAX));
    }
    Ok(text)
}

/// The reserved name that a member of an object has. Nearly always a look at the text tells that none has.
fn reserved(text: &str) -> Option<&'static str> {
    if !text.contains(RESERVED[0]) && !text.contains('\\') {
        return None;
    }
    let object = Json::read(text)?;
    RESERVED.into_iter().find(|name| object.has(name))
}

#[cfg(test)]
#[path = "meta_tests.rs"]
mod tests;
