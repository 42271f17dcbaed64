//! What a watcher knows, by what it was told: states and diffs, as phoenix.js puts them together, but that nothing may be told
//! twice or be missing.
//!
//! Must not know sockets.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

/// Who is present: of each key, its metas by ref.
#[derive(Default)]
pub(crate) struct Picture {
    present: BTreeMap<String, BTreeMap<String, u64>>,
    /// That of the last message.
    sequence: Option<u64>,
    /// A state has begun of which there is more.
    is_partial: bool,
}

impl Picture {
    /// Takes a message. Returns the changes that it tells of.
    pub(crate) fn take(&mut self, payload: &[u8]) -> io::Result<Vec<u64>> {
        let message: Value = serde_json::from_slice(payload)?;
        let sequence = message["seq"].as_u64();
        let payload = &message["payload"];
        match message["event"].as_str() {
            Some("presence_state") => {
                if !self.is_partial {
                    self.present.clear();
                }
                self.is_partial = message["more"] == Value::Bool(true);
                self.sequence = sequence;
                self.join(payload)?;
                Ok(Vec::new())
            }
            Some("presence_diff") if sequence == self.sequence.map(|last| last + 1) && !self.is_partial => {
                self.sequence = sequence;
                let changes = self.join(&payload["joins"])?;
                self.leave(&payload["leaves"])?;
                Ok(changes)
            }
            // A session's own channel.
            Some("attached") => Ok(Vec::new()),
            _ => Err(wrong(&message)),
        }
    }

    fn join(&mut self, keys: &Value) -> io::Result<Vec<u64>> {
        let mut changes = Vec::new();
        for (key, reference, change) in metas(keys) {
            changes.push(change);
            if self.present.entry(key.to_owned()).or_default().insert(reference.to_owned(), change).is_some()
            {
                return Err(io::Error::other(format!("told twice that {key} has joined")));
            }
        }
        Ok(changes)
    }

    fn leave(&mut self, keys: &Value) -> io::Result<()> {
        for (key, reference, _) in metas(keys) {
            let known = self.present.get_mut(key);
            let is_last = known.as_ref().is_some_and(|known| known.len() == 1);
            if known.is_none_or(|known| known.remove(reference).is_none()) {
                return Err(io::Error::other(format!("told that {key} has left who was not there")));
            }
            if is_last {
                self.present.remove(key);
            }
        }
        Ok(())
    }

    /// Whether so many are present, and everything was told.
    pub(crate) fn has(&self, keys: usize) -> bool {
        !self.is_partial && self.sequence.is_some() && self.present.len() == keys
    }

    /// Whether just these are present, each with one meta.
    pub(crate) fn is(&self, expected: &BTreeMap<String, u64>) -> bool {
        let shown = self.present.iter().map(|(key, metas)| (key, metas.len(), metas.values().next()));
        self.has(expected.len()) && shown.eq(expected.iter().map(|(key, change)| (key, 1, Some(change))))
    }
}

/// Key, ref and number of each meta.
fn metas(keys: &Value) -> impl Iterator<Item = (&str, &str, u64)> {
    let keys = keys.as_object().into_iter().flatten();
    let metas = keys.flat_map(|(key, value)| {
        value["metas"].as_array().into_iter().flatten().map(move |meta| (key.as_str(), meta))
    });
    metas.map(|(key, meta)| {
        (key, meta["phx_ref"].as_str().unwrap_or_default(), meta["n"].as_u64().unwrap_or_default())
    })
}

fn wrong(message: &Value) -> io::Error {
    let text = message.to_string();
    io::Error::other(format!("not what comes next: {}", &text[..text.len().min(200)]))
}
