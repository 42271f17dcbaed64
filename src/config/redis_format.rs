//! The syntax of those of Redis's options that have one of their own, and no meaning here.
//!
//! Owns what Redis accepts, refuses and prints for each, to the letter. Must not know what rows use them.

use super::format::{Check, Format, Integer, Memory, between, index_of, integer, only};

/// The canonical text, or the rule that the values break.
type Canonical = Result<Vec<u8>, String>;

/// A syntax of its own.
pub(super) struct Custom(pub(super) fn(&[&[u8]]) -> Canonical);

impl Check for Custom {
    fn canonical(&self, values: &[&[u8]]) -> Canonical {
        (self.0)(values)
    }
}

/// `save`: pairs of seconds, at least one, and changes.
pub(super) fn save(values: &[&[u8]]) -> Canonical {
    let invalid = || "Invalid save parameters".to_owned();
    if !values.len().is_multiple_of(2) {
        return Err(invalid());
    }
    for (index, value) in values.iter().enumerate() {
        let least = if index.is_multiple_of(2) { 1 } else { 0 };
        if integer(value).ok().is_none_or(|number| number < least) {
            return Err(invalid());
        }
    }
    Ok(values.join(&b' '))
}

/// `notify-keyspace-events`: a letter for each class of events; `A` stands for all of the first ten.
pub(super) fn keyspace_events(values: &[&[u8]]) -> Canonical {
    const ALL: &[u8] = b"g$lshzxetd";
    let given = only(values)?;
    if given.iter().any(|class| !b"AKEmn".contains(class) && !ALL.contains(class)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
    }
    let has = |class: &u8| given.contains(class) || given.contains(&b'A') && ALL.contains(class);
    let all = ALL.iter().all(has);
    let mut shown = if all { b"A".to_vec() } else { ALL.iter().copied().filter(has).collect() };
    // Redis shows `n` only beside single classes.
    let others: &[u8] = if all { b"KEm" } else { b"nKEm" };
    shown.extend(others.iter().filter(|class| given.contains(class)));
    Ok(shown)
}

/// `oom-score-adj-values`: three numbers.
pub(super) fn oom_scores(values: &[&[u8]]) -> Canonical {
    if values.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    for value in values {
        integer(value)
            .and_then(|score| between(score, -2000, 2000))
            .map_err(|_| "Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
    }
    Ok(values.join(&b' '))
}

/// `shutdown-on-sigint`, `shutdown-on-sigterm`: some of a few words.
pub(super) fn shutdown_flags(values: &[&[u8]]) -> Canonical {
    const WORDS: [&str; 5] = ["default", "save", "nosave", "now", "force"];
    if values.is_empty() {
        index_of(&WORDS, b"")?;
    }
    let mut given = [false; WORDS.len()];
    for value in values {
        given[index_of(&WORDS, value)?] = true;
    }
    if given[1] && given[2] {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    let shown: Vec<&str> = (1..WORDS.len()).filter(|index| given[*index]).map(|index| WORDS[index]).collect();
    Ok(if shown.is_empty() { WORDS[0].into() } else { shown.join(" ").into_bytes() })
}

/// `proc-title-template`: text with `{variables}` of a few names.
pub(super) fn process_title(values: &[&[u8]]) -> Canonical {
    const NAMES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    let template = only(values)?;
    let invalid = || "template format is invalid or contains unknown variables".to_owned();
    if template.trim_ascii().is_empty() {
        return Err(invalid());
    }
    for part in template.split(|byte| *byte == b'{').skip(1) {
        let name = part.iter().position(|byte| *byte == b'}').map(|end| &part[..end]);
        if name.is_none_or(|name| !NAMES.contains(&name)) {
            return Err(invalid());
        }
    }
    Ok(template.to_vec())
}

/// `cluster-announce-hostname`.
pub(super) fn host_name(values: &[&[u8]]) -> Canonical {
    let name = only(values)?;
    if name.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte)) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(name.to_vec())
}

/// `dbfilename`: no path.
pub(super) fn file_name(values: &[&[u8]]) -> Canonical {
    let name = only(values)?;
    if name.contains(&b'/') {
        return Err("dbfilename can't be a path, just a filename".into());
    }
    Ok(name.to_vec())
}

/// `hz`: brought between 1 and 500.
pub(super) fn hz(values: &[&[u8]]) -> Canonical {
    let mut hz = 0;
    Integer { least: 0, most: i32::MAX.unsigned_abs() }.read(&mut hz, values)?;
    Ok(hz.clamp(1, 500).to_string().into_bytes())
}

/// `repl-backlog-size`: at least 16 KiB.
pub(super) fn backlog_size(values: &[&[u8]]) -> Canonical {
    let mut bytes = 0;
    Memory { least: 1, most: i64::MAX.unsigned_abs() }.read(&mut bytes, values)?;
    Ok(bytes.max(16 * 1024).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis-server 7.0.15 makes of it.
    fn accepts(check: fn(&[&[u8]]) -> Canonical, text: &str, shown: &str) {
        assert_eq!(check(&words(text)), Ok(shown.into()), "{text}");
    }

    fn refuses(check: fn(&[&[u8]]) -> Canonical, text: &str, rule: &str) {
        assert_eq!(check(&words(text)), Err(rule.into()), "{text}");
    }

    fn words(text: &str) -> Vec<&[u8]> {
        text.split_ascii_whitespace().map(str::as_bytes).collect()
    }

    #[test]
    fn save_points() {
        accepts(save, "10 10 20 30", "10 10 20 30");
        accepts(save, "", "");
        for text in ["abc", "1", "0 1", "1 -1", "1 2 3"] {
            refuses(save, text, "Invalid save parameters");
        }
    }

    #[test]
    fn event_classes() {
        for (text, shown) in
            [("KEA", "AKE"), ("AKEnm", "AKEm"), ("x", "x"), ("Kxe", "xeK"), ("g$lshzxetdKEnm", "AKEm")]
        {
            accepts(keyspace_events, text, shown);
        }
        assert_eq!(keyspace_events(&[b""]), Ok(Vec::new()));
        refuses(keyspace_events, "q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    }

    #[test]
    fn words_of_the_process() {
        accepts(shutdown_flags, "now save", "save now");
        accepts(shutdown_flags, "default now", "now");
        accepts(shutdown_flags, "default", "default");
        for text in ["x", ""] {
            let rule = "argument(s) must be one of the following: default, save, nosave, now, force";
            refuses(shutdown_flags, text, rule);
        }
        accepts(oom_scores, "300 200 100", "300 200 100");
        refuses(oom_scores, "1 2", "wrong number of arguments");
        accepts(process_title, "{title}:{port}", "{title}:{port}");
        refuses(process_title, "{x}", "template format is invalid or contains unknown variables");
        assert!(process_title(&[b" "]).is_err());
        refuses(process_title, "{title", "template format is invalid or contains unknown variables");
    }

    #[test]
    fn names_and_numbers() {
        refuses(host_name, "a_b", "Hostnames may only contain alphanumeric characters, hyphens or dots");
        refuses(file_name, "a/b", "dbfilename can't be a path, just a filename");
        accepts(hz, "1000", "500");
        accepts(hz, "0", "1");
        accepts(backlog_size, "1", "16384");
        refuses(backlog_size, "0", "argument must be between 1 and 9223372036854775807 inclusive");
    }
}
