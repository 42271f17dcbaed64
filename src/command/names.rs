//! Facts that have names, kept as bits.
//!
//! Owns the way from names to bits, which is taken when the program is compiled: a name that is not known does not
//! compile.

/// A set's names with their bits, in the order in which Redis lists them.
pub(super) type Names = &'static [(&'static str, u32)];

/// The bits of names that are separated by spaces.
pub(super) const fn bits(text: &str, names: Names) -> u32 {
    let text = text.as_bytes();
    let mut bits = 0;
    let mut start = 0;
    let mut end = 0;
    while end <= text.len() {
        if end == text.len() || text[end] == b' ' {
            if end > start {
                bits |= bit(text, start, end, names);
            }
            start = end + 1;
        }
        end += 1;
    }
    bits
}

const fn bit(text: &[u8], start: usize, end: usize, names: Names) -> u32 {
    let mut index = 0;
    while index < names.len() {
        let name = names[index].0.as_bytes();
        let mut same = 0;
        while name.len() == end - start && same < name.len() && name[same] == text[start + same] {
            same += 1;
        }
        if same == name.len() && same == end - start {
            return names[index].1;
        }
        index += 1;
    }
    panic!("a name that is not known")
}

/// The names of bits.
pub(super) fn names_of(bits: u32, names: Names) -> impl Iterator<Item = &'static str> + Clone {
    names.iter().filter(move |(_, bit)| bits & bit != 0).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = &[("one", 1), ("on", 2), ("four", 4)];

    #[test]
    fn names_and_bits() {
        assert_eq!(bits("", NAMES), 0);
        assert_eq!(bits("four one", NAMES), 5);
        assert_eq!(bits("on", NAMES), 2);
        assert_eq!(names_of(6, NAMES).collect::<Vec<_>>(), ["on", "four"]);
    }

    #[test]
    #[should_panic(expected = "not known")]
    fn other_names_do_not_compile() {
        bits("one o", NAMES);
    }
}
