//! A naive matcher of Redis's patterns, to compare the product's with.
//!
//! Owns the rules once more, written from what redis-server was seen to do: a pattern becomes a list of
//! elements, a class the plain set of its bytes, and a star tries everything. It must not share code with the
//! product, and takes exponential time: keep inputs small. Start reading at `matches`.

enum Element {
    Star,
    OneOf(Box<[bool; 256]>),
}

/// Whether `pattern` matches the whole of `text`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    matches_elements(&elements(pattern), text)
}

fn matches_elements(elements: &[Element], text: &[u8]) -> bool {
    match (elements, text) {
        ([], _) => text.is_empty(),
        ([Element::Star, rest @ ..], []) => matches_elements(rest, text),
        ([Element::Star, rest @ ..], [_, text_rest @ ..]) => {
            matches_elements(rest, text) || matches_elements(elements, text_rest)
        }
        ([Element::OneOf(_), ..], []) => false,
        ([Element::OneOf(set), rest @ ..], [byte, text_rest @ ..]) => {
            set[usize::from(*byte)] && matches_elements(rest, text_rest)
        }
    }
}

fn elements(pattern: &[u8]) -> Vec<Element> {
    let mut left: std::collections::VecDeque<u8> = pattern.iter().copied().collect();
    let mut elements = Vec::new();
    while let Some(byte) = left.pop_front() {
        elements.push(match byte {
            b'*' => Element::Star,
            b'?' => Element::OneOf(Box::new([true; 256])),
            b'[' => Element::OneOf(class(&mut left)),
            b'\\' => one(left.pop_front().unwrap_or(b'\\')),
            literal => one(literal),
        });
    }
    elements
}

fn one(byte: u8) -> Element {
    let mut set = Box::new([false; 256]);
    set[usize::from(byte)] = true;
    Element::OneOf(set)
}

fn class(left: &mut std::collections::VecDeque<u8>) -> Box<[bool; 256]> {
    let mut set = Box::new([false; 256]);
    let negated = left.front() == Some(&b'^');
    if negated {
        left.pop_front();
    }
    while let Some(byte) = left.pop_front() {
        if byte == b'\\' && !left.is_empty() {
            set[usize::from(left.pop_front().unwrap_or_default())] = true;
        } else if byte == b']' {
            break;
        } else if left.len() >= 2 && left[0] == b'-' {
            let (from, to) = (byte as i8, left[1] as i8);
            left.drain(..2);
            for member in i8::MIN..=i8::MAX {
                if from <= member && member <= to || to <= member && member <= from {
                    set[usize::from(member as u8)] = true;
                }
            }
        } else {
            set[usize::from(byte)] = true;
        }
    }
    if negated {
        set.iter_mut().for_each(|member| *member = !*member);
    }
    set
}
