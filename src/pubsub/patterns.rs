//! The patterns somebody is subscribed to, and the search for those that match a channel.
//!
//! Owns each distinct pattern once, under a small number that stays its own until it is removed. Must not
//! know who subscribed: the caller keeps that by number.
//!
//! A publish must not pay for patterns that cannot match. So each pattern stands in one bucket, that of its
//! longest literal end: all patterns which begin `news.` share a bucket, all which end `.uk` another, and
//! those whose ends are both wildcards (`*cat*`) the one of the empty prefix. Of a channel the buckets of its
//! own beginnings and endings are looked at, for those lengths only that some pattern has; what stands there
//! is matched in full.
//!
//! Start reading at [`PatternIndex::matching`].

use std::collections::BTreeSet;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::glob;
use crate::map::HashKeys;

/// The most bytes of a literal end that tell buckets apart. It bounds the lookups of a publish, and holds a
/// prefix with a UUID in it (36 bytes).
const END_LENGTH_MAX: usize = 63;

/// There are this many kinds of ends: prefixes of 0 to [`END_LENGTH_MAX`] bytes, then suffixes.
const KINDS: usize = 2 * SUFFIXES;

/// The kind of a suffix of no bytes, which no pattern has: it goes by its prefix then.
const SUFFIXES: usize = END_LENGTH_MAX + 1;

/// All patterns of one shard or one broker.
///
/// [`insert`](Self::insert) and [`remove`](Self::remove) take logarithmic time however many patterns share a
/// bucket.
pub struct PatternIndex {
    keys: HashKeys,
    /// The patterns by id; `None` where an id is free.
    patterns: Vec<Option<Pattern>>,
    free: Vec<u32>,
    /// The ids by the hash of their pattern.
    ids: HashTable<u32>,
    buckets: HashTable<Bucket>,
    /// How many patterns have an end of each kind, and as a bit whether any has.
    populations: [u32; KINDS],
    populated: u128,
}

/// A pattern with its hash, so that the growth of the table, which happens under somebody's lock, hashes
/// nothing.
struct Pattern {
    bytes: Box<[u8]>,
    hash: u64,
}

/// A literal end of patterns and channels: how long it is and on which side, and the hash of its bytes. Ends
/// whose hashes collide share a bucket, which costs a comparison and no more.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End {
    kind: usize,
    hash: u64,
}

struct Bucket {
    end: End,
    members: Members,
}

/// The ids of a bucket in order, which is how a search goes on where it stopped, whatever came and went
/// meanwhile. Most buckets have one, and a set takes much more memory.
enum Members {
    One(u32),
    Many(BTreeSet<u32>),
}

/// Where a search stands; the default is its beginning.
#[derive(Clone, Debug, Default)]
pub struct MatchCursor {
    kind: usize,
    /// The lowest id of that kind's bucket that has not been examined.
    id: u32,
}

impl MatchCursor {
    /// The beginning of a search for patterns that begin with so many literal bytes, or more. It finds others too, but
    /// looks at few of them.
    pub fn of_prefixes(length: usize) -> Self {
        MatchCursor { kind: length.min(END_LENGTH_MAX), id: 0 }
    }
}

impl PatternIndex {
    /// An index without patterns, which hashes with `keys`.
    pub fn new(keys: HashKeys) -> Self {
        PatternIndex {
            keys,
            patterns: Vec::new(),
            free: Vec::new(),
            ids: HashTable::new(),
            buckets: HashTable::new(),
            populations: [0; KINDS],
            populated: 0,
        }
    }

    /// How many distinct patterns there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of `pattern`, if it is here.
    pub fn find(&self, pattern: &[u8]) -> Option<u32> {
        self.find_hashed(self.keys.hash(pattern), pattern)
    }

    fn find_hashed(&self, hash: u64, pattern: &[u8]) -> Option<u32> {
        self.ids.find(hash, |&id| self.pattern(id) == pattern).copied()
    }

    /// The pattern with this id.
    ///
    /// # Panics
    ///
    /// When no pattern has it, which is the caller's bug.
    pub fn pattern(&self, id: u32) -> &[u8] {
        &stored(&self.patterns, id).bytes
    }

    /// Adds `pattern` unless it is here, and returns its id: a number below the most patterns there ever were
    /// at once, which may have been that of a removed pattern.
    pub fn insert(&mut self, pattern: &[u8]) -> u32 {
        let hash = self.keys.hash(pattern);
        if let Some(id) = self.find_hashed(hash, pattern) {
            return id;
        }
        // Memory ends long before the ids do.
        let id = self.free.pop().unwrap_or(self.patterns.len() as u32);
        if id as usize == self.patterns.len() {
            self.patterns.push(None);
        }
        self.patterns[id as usize] = Some(Pattern { bytes: pattern.into(), hash });
        self.ids.insert_unique(hash, id, |&id| stored(&self.patterns, id).hash);
        self.join_bucket(self.end(pattern), id);
        id
    }

    /// Removes the pattern with this id.
    ///
    /// # Panics
    ///
    /// When no pattern has it, which is the caller's bug.
    pub fn remove(&mut self, id: u32) {
        self.leave_bucket(self.end(self.pattern(id)), id);
        let hash = stored(&self.patterns, id).hash;
        if let Ok(entry) = self.ids.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.patterns[id as usize] = None;
        self.free.push(id);
        if self.is_empty() {
            // Gives back the memory of a crowd that has left.
            *self = PatternIndex::new(self.keys);
        }
    }

    /// Appends to `found` the ids of patterns that match `channel`, and returns whether that was all.
    ///
    /// `budget` goes down by one for each pattern that is examined, and by more for one that takes long; when it is
    /// used up, a further call with the same `cursor` goes on. Between calls the index may change: a pattern that is here throughout is found exactly once;
    /// one that was inserted or removed meanwhile may be found or not (a pattern removed and inserted again
    /// counts as another one). Ids are good until the next change, so use what was found before that.
    ///
    /// # Panics
    ///
    /// When `budget` is 0, as the search would never end.
    pub fn matching(
        &self,
        channel: &[u8],
        cursor: &mut MatchCursor,
        budget: &mut usize,
        found: &mut Vec<u32>,
    ) -> bool {
        assert!(*budget > 0, "BUG: a search needs a budget");
        while let Some(kind) = self.next_kind(cursor.kind) {
            let from = if kind == cursor.kind { cursor.id } else { 0 };
            for id in self.candidates(channel, kind, from) {
                if *budget == 0 {
                    *cursor = MatchCursor { kind, id };
                    return false;
                }
                if glob::matches_within(self.pattern(id), channel, budget) {
                    found.push(id);
                }
            }
            *cursor = MatchCursor { kind: kind + 1, id: 0 };
        }
        true
    }

    /// The first kind of ends, from `kind` on, that some pattern has.
    fn next_kind(&self, kind: usize) -> Option<usize> {
        let further = self.populated.checked_shr(kind as u32)?;
        (further != 0).then(|| kind + further.trailing_zeros() as usize)
    }

    /// The ids not below `from`, in order, of patterns whose end is of this kind and `channel`'s own.
    fn candidates(&self, channel: &[u8], kind: usize, from: u32) -> impl Iterator<Item = u32> {
        let end = match kind.checked_sub(SUFFIXES) {
            None => channel.get(..kind),
            Some(length) => channel.len().checked_sub(length).map(|start| &channel[start..]),
        };
        end.into_iter().flat_map(move |end| {
            let end = self.end_of_kind(kind, end);
            let bucket = self.buckets.find(end.hash, |bucket| bucket.end == end);
            bucket.into_iter().flat_map(move |bucket| bucket.members.from(from))
        })
    }

    fn join_bucket(&mut self, end: End, id: u32) {
        self.populations[end.kind] += 1;
        self.populated |= 1 << end.kind;
        match self.buckets.entry(end.hash, |bucket| bucket.end == end, |bucket| bucket.end.hash) {
            Entry::Occupied(mut bucket) => bucket.get_mut().members.insert(id),
            Entry::Vacant(place) => {
                place.insert(Bucket { end, members: Members::One(id) });
            }
        }
    }

    fn leave_bucket(&mut self, end: End, id: u32) {
        self.populations[end.kind] -= 1;
        if self.populations[end.kind] == 0 {
            self.populated &= !(1 << end.kind);
        }
        if let Ok(mut bucket) = self.buckets.find_entry(end.hash, |bucket| bucket.end == end)
            && bucket.get_mut().members.remove(id)
        {
            bucket.remove();
        }
    }

    /// The end that `pattern` goes by: the longer one.
    fn end(&self, pattern: &[u8]) -> End {
        let prefix = glob::literal_prefix(pattern);
        let suffix = glob::literal_suffix(pattern);
        let prefix = &prefix[..prefix.len().min(END_LENGTH_MAX)];
        let suffix = &suffix[suffix.len().saturating_sub(END_LENGTH_MAX)..];
        if suffix.len() > prefix.len() {
            self.end_of_kind(SUFFIXES + suffix.len(), suffix)
        } else {
            self.end_of_kind(prefix.len(), prefix)
        }
    }

    fn end_of_kind(&self, kind: usize, end: &[u8]) -> End {
        End { kind, hash: self.keys.hash(end) }
    }
}

impl Members {
    fn insert(&mut self, id: u32) {
        match self {
            Members::One(first) => *self = Members::Many(BTreeSet::from([*first, id])),
            Members::Many(ids) => {
                ids.insert(id);
            }
        }
    }

    /// Removes `id`, and returns whether nobody is left.
    fn remove(&mut self, id: u32) -> bool {
        match self {
            Members::One(_) => true,
            Members::Many(ids) => {
                ids.remove(&id);
                ids.is_empty()
            }
        }
    }

    /// The ids not below `least`, in order.
    fn from(&self, least: u32) -> impl Iterator<Item = u32> {
        let (one, many) = match self {
            Members::One(id) => (Some(*id).filter(|&id| id >= least), None),
            Members::Many(ids) => (None, Some(ids.range(least..).copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

fn stored(patterns: &[Option<Pattern>], id: u32) -> &Pattern {
    match patterns.get(id as usize) {
        Some(Some(pattern)) => pattern,
        _ => panic!("BUG: no pattern has the id {id}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn index_of(patterns: &[&[u8]]) -> PatternIndex {
        let mut index = PatternIndex::new(HashKeys::new([1, 2]));
        for pattern in patterns {
            index.insert(pattern);
        }
        index
    }

    fn matched<'a>(index: &'a PatternIndex, channel: &[u8]) -> BTreeSet<&'a [u8]> {
        let mut found = Vec::new();
        assert!(index.matching(channel, &mut MatchCursor::default(), &mut usize::MAX.clone(), &mut found));
        let patterns: BTreeSet<&[u8]> = found.iter().map(|&id| index.pattern(id)).collect();
        assert_eq!(patterns.len(), found.len(), "a pattern was found twice");
        patterns
    }

    /// How many patterns are examined for `channel`.
    fn examined(index: &PatternIndex, channel: &[u8]) -> usize {
        let (mut cursor, mut examined) = (MatchCursor::default(), 0);
        while !index.matching(channel, &mut cursor, &mut 1, &mut Vec::new()) {
            examined += 1;
        }
        examined + 1
    }

    #[test]
    fn finds_by_prefix_by_suffix_and_by_neither() {
        let index =
            index_of(&[b"news.*", b"*.uk", b"*ws*", b"news.uk", b"n[e]ws.u?", b"", b"sport.*", b"*.fr"]);
        let expected: [&[u8]; 5] = [b"news.*", b"*.uk", b"*ws*", b"news.uk", b"n[e]ws.u?"];
        assert_eq!(matched(&index, b"news.uk"), BTreeSet::from(expected));
        assert_eq!(matched(&index, b""), BTreeSet::from([&b""[..]]));
        assert_eq!(matched(&index, b"weather"), BTreeSet::new());
    }

    #[test]
    fn a_pattern_is_stored_once_under_an_id_of_its_own() {
        let mut index = index_of(&[]);
        let first = index.insert(b"a*");
        let second = index.insert(b"b*");
        assert_ne!(first, second);
        assert_eq!(index.insert(b"a*"), first);
        assert_eq!((index.len(), index.find(b"a*"), index.pattern(first)), (2, Some(first), &b"a*"[..]));

        index.remove(first);
        assert_eq!((index.len(), index.find(b"a*")), (1, None));
        assert_eq!(index.insert(b"c*"), first, "the free id is taken first");
        assert_eq!(index.pattern(second), b"b*");
    }

    #[test]
    fn the_same_bytes_as_prefix_and_as_suffix_are_kept_apart() {
        let index = index_of(&[b"ab*", b"*ab"]);
        assert_eq!(matched(&index, b"abxab").len(), 2);
        assert_eq!(examined(&index, b"abx"), 1);
    }

    #[test]
    fn escapes_are_resolved_before_the_lookup() {
        let index = index_of(&[b"a\\*b*", b"*\\[x\\]", b"\\h\\i"]);
        assert_eq!(matched(&index, b"a*b").len(), 1);
        assert_eq!(matched(&index, b"y[x]").len(), 1);
        assert_eq!(matched(&index, b"hi").len(), 1);
    }

    #[test]
    fn ends_longer_than_the_longest_told_apart_still_match() {
        let long = b"x".repeat(3 * END_LENGTH_MAX);
        let patterns = [long.clone(), [&long[..], b"*"].concat(), [b"*", &long[..]].concat()];
        let index = index_of(&patterns.each_ref().map(|pattern| &pattern[..]));
        assert_eq!(matched(&index, &long).len(), 3);
        assert_eq!(matched(&index, &long[1..]).len(), 0);
    }

    #[test]
    fn patterns_that_cannot_match_are_not_examined() {
        let mut index = index_of(&[b"*cat*"]);
        for number in 0..10_000 {
            index.insert(format!("user:{number}:*").as_bytes());
            index.insert(format!("*:room:{number}").as_bytes());
            index.insert(format!("*:{number}:typing:{number}").as_bytes());
        }
        assert_eq!(examined(&index, b"user:77:room:5"), 3);
        assert_eq!(examined(&index, b"news"), 1);
    }

    #[test]
    fn a_channel_with_many_lookups_stays_within_their_bound() {
        let mut index = index_of(&[]);
        for length in 0..200 {
            index.insert(&[&b"p".repeat(length)[..], b"*"].concat());
            index.insert(&[b"*", &b"s".repeat(length)[..]].concat());
        }
        assert_eq!(index.populated.count_ones() as usize, 2 * END_LENGTH_MAX + 1);
        assert_eq!(matched(&index, &b"p".repeat(300)).len(), 200);
    }

    #[test]
    fn an_emptied_index_starts_anew() {
        let mut index = index_of(&[]);
        let ids: Vec<u32> = (0..1000).map(|number| index.insert(format!("{number}*").as_bytes())).collect();
        for id in ids {
            index.remove(id);
        }
        assert!(index.is_empty());
        assert_eq!((index.patterns.capacity(), index.populated), (0, 0));
        assert_eq!(matched(&index, b"1x").len(), 0);
    }

    #[test]
    #[should_panic(expected = "BUG: no pattern has the id 0")]
    fn a_removed_id_names_nothing() {
        let mut index = index_of(&[b"a*", b"b*"]);
        index.remove(0);
        index.pattern(0);
    }

    /// Few letters, so that patterns share buckets and channels meet them.
    fn pattern() -> impl Strategy<Value = Vec<u8>> {
        let byte = proptest::sample::select(b"***?[]^\\aaabb".as_slice());
        proptest::collection::vec(byte, 0..7)
    }

    fn channel() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(b"aabb*".as_slice()), 0..7)
    }

    #[derive(Clone, Debug)]
    enum Change {
        Insert(Vec<u8>),
        Remove(proptest::sample::Index),
    }

    fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
        let insert = pattern().prop_map(Change::Insert);
        let remove = any::<proptest::sample::Index>().prop_map(Change::Remove);
        proptest::collection::vec(prop_oneof![3 => insert, 2 => remove], 0..most)
    }

    /// Applies a change to the index and to the naive model of it, and returns the pattern that was removed.
    fn apply(
        change: &Change,
        index: &mut PatternIndex,
        model: &mut BTreeMap<Vec<u8>, u32>,
    ) -> Option<Vec<u8>> {
        match change {
            Change::Insert(pattern) => {
                let id = index.insert(pattern);
                assert_eq!(*model.entry(pattern.clone()).or_insert(id), id);
                None
            }
            Change::Remove(_) if model.is_empty() => None,
            Change::Remove(which) => {
                let pattern = which.get(&model.keys().collect::<Vec<_>>()).to_vec();
                index.remove(model.remove(&pattern)?);
                Some(pattern)
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(changes in changes(80), channel in channel()) {
            let mut index = index_of(&[]);
            let mut model = BTreeMap::new();
            for change in &changes {
                apply(change, &mut index, &mut model);
            }
            prop_assert_eq!(index.len(), model.len());
            for (pattern, &id) in &model {
                prop_assert_eq!(index.find(pattern), Some(id));
                prop_assert_eq!(index.pattern(id), &pattern[..]);
            }
            let expected: BTreeSet<&[u8]> =
                model.keys().map(|pattern| &pattern[..]).filter(|pattern| glob::matches(pattern, &channel)).collect();
            prop_assert_eq!(matched(&index, &channel), expected);
        }

        #[test]
        fn a_search_survives_changes_between_its_calls(
            before in changes(60),
            between in proptest::collection::vec(changes(6), 12),
            channel in channel(),
            budget in 1usize..5,
        ) {
            let mut index = index_of(&[]);
            let mut model = BTreeMap::new();
            for change in &before {
                apply(change, &mut index, &mut model);
            }
            let mut throughout: BTreeSet<Vec<u8>> = model.keys().cloned().collect();
            let mut times_found: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            let (mut cursor, mut between) = (MatchCursor::default(), between.iter());
            loop {
                let mut found = Vec::new();
                let finished = index.matching(&channel, &mut cursor, &mut budget.clone(), &mut found);
                prop_assert!(found.len() <= budget);
                for id in found {
                    prop_assert!(glob::matches(index.pattern(id), &channel));
                    *times_found.entry(index.pattern(id).to_vec()).or_default() += 1;
                }
                if finished {
                    break;
                }
                for change in between.next().into_iter().flatten() {
                    if let Some(removed) = apply(change, &mut index, &mut model) {
                        throughout.remove(&removed);
                    }
                }
            }
            for pattern in throughout {
                let expected = usize::from(glob::matches(&pattern, &channel));
                prop_assert_eq!(times_found.get(&pattern).copied().unwrap_or(0), expected);
            }
        }
    }
}
