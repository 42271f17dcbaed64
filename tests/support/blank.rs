//! Takes out of a Rust source what is not code, and leaves every line where it was.
//!
//! Owns as much of Rust's lexing as that needs. Must not know what the code is then searched for. Start
//! reading at [`comments_and_literals`].

/// The source with its comments, and what its strings and characters hold, as spaces.
pub(crate) fn comments_and_literals(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let blanked = comment_length(rest).or_else(|| literal_length(rest, code.chars().next_back()));
        let (part, after) = rest.split_at(blanked.unwrap_or(first.len_utf8()));
        match blanked {
            Some(_) => code.extend(part.chars().map(blank)),
            None => code.push(first),
        }
        rest = after;
    }
    code
}

fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let mark = rest[at..].find("*/")?;
        let opened = rest[at..].find("/*").filter(|&opened| opened < mark);
        depth += if opened.is_some() { 1 } else { -1 };
        at += opened.unwrap_or(mark) + 2;
    }
    Some(at)
}

/// The length of the string or character that `rest` begins with, after the character `before`.
fn literal_length(rest: &str, before: Option<char>) -> Option<usize> {
    let bytes = rest.as_bytes();
    match bytes[0] {
        b'"' => Some(quoted_length(rest, '"')),
        b'\'' => {
            // `'a` without a closing quote is a lifetime.
            let mut characters = rest[1..].chars();
            let is_character =
                matches!((characters.next(), characters.next()), (Some('\\'), _) | (Some(_), Some('\'')));
            is_character.then(|| quoted_length(rest, '\''))
        }
        b'r' if !before.is_some_and(|before| before.is_alphanumeric() && before != 'b' || before == '_') => {
            let hashes = bytes[1..].iter().take_while(|&&byte| byte == b'#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let text = rest[1 + hashes..].strip_prefix('"')?;
            Some(2 + hashes + text.find(&end)? + end.len())
        }
        _ => None,
    }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = rest[1..].find(|character| {
        let ends = character == quote && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    end.map_or(rest.len(), |end| 1 + end + 1)
}

/// The code with each item under `#[cfg(test)]` as spaces, and how many lines those items take.
pub(crate) fn test_items(code: &str) -> (String, usize) {
    let mut kept = String::with_capacity(code.len());
    let (mut rest, mut lines) = (code, 0);
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        let head = item.find(['{', ';']).unwrap_or(item.len());
        let length = if item[head..].starts_with('{') { head + block_length(&item[head..]) } else { head };
        kept.push_str(before);
        kept.extend(item[..length].chars().map(blank));
        lines += item[..length].lines().count();
        rest = &item[length..];
    }
    (kept + rest, lines)
}

fn blank(character: char) -> char {
    if character == '\n' { '\n' } else { ' ' }
}

/// The length of the block in braces that `code` begins with.
pub(crate) fn block_length(code: &str) -> usize {
    let mut depth = 0;
    let end = code.find(|character| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        depth == 0
    });
    end.map_or(code.len(), |end| end + 1)
}
