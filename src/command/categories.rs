//! ACL categories.
//!
//! Owns which of them a command is in: some follow from its flags, the others from its group, as in Redis
//! (`setImplicitACLCategories`).

use super::names::{Names, bits, names_of};
use super::spec::{Action, Flags, Group, Row};

/// A set of categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Categories(u32);

const NAMES: Names = &[
    ("keyspace", 1),
    ("read", 1 << 1),
    ("write", 1 << 2),
    ("set", 1 << 3),
    ("sortedset", 1 << 4),
    ("list", 1 << 5),
    ("hash", 1 << 6),
    ("string", 1 << 7),
    ("bitmap", 1 << 8),
    ("hyperloglog", 1 << 9),
    ("geo", 1 << 10),
    ("stream", 1 << 11),
    ("pubsub", 1 << 12),
    ("admin", 1 << 13),
    ("fast", 1 << 14),
    ("slow", 1 << 15),
    ("blocking", 1 << 16),
    ("dangerous", 1 << 17),
    ("connection", 1 << 18),
    ("transaction", 1 << 19),
    ("scripting", 1 << 20),
    // Ours.
    ("presence", 1 << 21),
];

impl Categories {
    /// The categories with these names, separated by spaces.
    pub(super) const fn of(names: &str) -> Categories {
        Categories(bits(names, NAMES))
    }

    /// The category with this name in upper or lower case.
    pub fn parse(name: &[u8]) -> Option<Categories> {
        let found = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, bit)| Categories(*bit))
    }

    /// Whether all of `other` are among them.
    pub const fn has(self, other: Categories) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names without `@`, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        names_of(self.0, NAMES)
    }

    const fn and(self, other: Categories) -> Categories {
        Categories(self.0 | other.0)
    }
}

impl Group {
    /// The categories that its commands are in, whatever their flags.
    pub(super) const fn categories(self) -> Categories {
        Categories::of(match self {
            Group::Bitmap => "bitmap",
            Group::Connection => "connection",
            Group::Generic => "keyspace",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Presence => "presence",
            Group::Scripting => "scripting",
            Group::Set => "set",
            Group::SortedSet => "sortedset",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transaction",
            // PUBSUB's follows from a flag.
            Group::Cluster | Group::Pubsub | Group::Server => "",
        })
    }
}

impl Row {
    /// The categories that the command is in.
    pub fn categories(&self) -> Categories {
        const SCRIPTING: Categories = Categories::of("scripting");
        // A container that is nothing by itself is in none: its subcommands are.
        let is_container = matches!(self.action, Action::Subcommands(_));
        let mut categories = if is_container { Categories(0) } else { self.explicit_categories };
        let implied = [
            (Flags::WRITE, "write"),
            (Flags::ADMIN, "admin dangerous"),
            (Flags::PUBSUB, "pubsub"),
            (Flags::BLOCKING, "blocking"),
            (Flags::FAST, "fast"),
        ];
        for (flag, names) in implied {
            if self.flags.has(flag) {
                categories = categories.and(Categories::of(names));
            }
        }
        if self.flags.has(Flags::READONLY) && !categories.has(SCRIPTING) {
            categories = categories.and(Categories::of("read"));
        }
        if !self.flags.has(Flags::FAST) {
            categories = categories.and(Categories::of("slow"));
        }
        categories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories(name: &str) -> Vec<&'static str> {
        super::super::table::find_known(name.as_bytes()).unwrap().categories().names().collect()
    }

    #[test]
    fn follow_from_flags_and_group() {
        assert_eq!(categories("publish"), ["pubsub", "fast"]);
        assert_eq!(categories("client"), ["slow"]);
        assert_eq!(categories("client|kill"), ["admin", "slow", "dangerous", "connection"]);
        assert_eq!(categories("sort"), ["write", "set", "sortedset", "list", "slow", "dangerous"]);
        assert_eq!(categories("eval_ro"), ["slow", "scripting"]);
        assert_eq!(categories("blpop"), ["write", "list", "slow", "blocking"]);
        assert_eq!(categories("mpublish"), ["pubsub", "fast"]);
        assert_eq!(categories("presence.track"), ["write", "fast", "presence"]);
        assert_eq!(categories("presence.list"), ["read", "slow", "presence"]);
    }

    #[test]
    fn are_found_by_name() {
        let pubsub = Categories::parse(b"PubSub").unwrap();
        assert!(super::super::table::find(b"publish").unwrap().row.categories().has(pubsub));
        assert!(Categories::parse(b"@pubsub").is_none() && Categories::parse(b"").is_none());
    }
}
