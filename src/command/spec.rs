//! What a row of the command table says.
//!
//! Owns the row's type. Dispatch, COMMAND, statistics and documentation read rows and repeat nothing of them. The facts
//! (name, arity, flags, positions) are those of Redis's own command table where the command is Redis's.

use super::categories::Categories;
use super::keys::KeySpec;
use super::names::{Names, bits, names_of};
use super::{Context, Error, Flow};
use crate::config::Config;
use crate::resp::request::Request;

/// Does what the command says. The table has checked arity, authentication and permission, and a handler never
/// checks them again; it never waits.
pub type Handler = fn(&mut Context<'_>, Request<'_>) -> Result<Flow, Error>;

/// A set of facts about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// No facts.
    pub const NONE: Flags = Flags(0);
    /// Redis `pubsub`.
    pub const PUBSUB: Flags = Flags(1);
    /// Redis `noscript`.
    pub const NOSCRIPT: Flags = Flags(1 << 1);
    /// Redis `loading`.
    pub const LOADING: Flags = Flags(1 << 2);
    /// Redis `stale`.
    pub const STALE: Flags = Flags(1 << 3);
    /// Redis `fast`.
    pub const FAST: Flags = Flags(1 << 4);
    /// Redis `admin`.
    pub const ADMIN: Flags = Flags(1 << 5);
    /// Redis `no_auth`: allowed before authentication.
    pub const NO_AUTH: Flags = Flags(1 << 6);
    /// Redis `no_multi`: not allowed inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 7);
    /// Redis `allow_busy`.
    pub const ALLOW_BUSY: Flags = Flags(1 << 8);
    /// Redis `blocking`.
    pub const BLOCKING: Flags = Flags(1 << 9);
    /// Redis `skip_slowlog`.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 10);
    /// Redis `sentinel`.
    pub const SENTINEL: Flags = Flags(1 << 11);
    /// Redis `write`.
    pub const WRITE: Flags = Flags(1 << 12);
    /// Redis `readonly`.
    pub const READONLY: Flags = Flags(1 << 13);
    /// Redis `no_async_loading`.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 14);
    /// Redis `skip_monitor`: not shown to clients in MONITOR mode. Administrative commands are not either.
    pub const SKIP_MONITOR: Flags = Flags(1 << 15);
    /// Allowed to a RESP2 client that has subscriptions.
    pub const SUBSCRIBED_MODE: Flags = Flags(1 << 16);
    /// Executed inside MULTI at once instead of being queued.
    pub const NOT_QUEUED: Flags = Flags(1 << 17);
    /// May deliver messages to the client that sends it: those must come behind the reply.
    pub const DELIVERS: Flags = Flags(1 << 18);
    /// Replies with confirmations, which CLIENT REPLY does not silence.
    pub const CONFIRMS: Flags = Flags(1 << 19);
    /// Redis `no_mandatory_keys`: may be called without keys.
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 20);
    /// Redis `may_replicate`, which COMMAND INFO does not show: held up by CLIENT PAUSE WRITE.
    pub const MAY_REPLICATE: Flags = Flags(1 << 22);
    /// Redis `protected`, which COMMAND INFO does not show: an option says who may use it.
    pub const PROTECTED: Flags = Flags(1 << 23);
    /// Redis `denyoom`.
    pub const DENY_OOM: Flags = Flags(1 << 21);
    /// Redis `asking`.
    pub const ASKING: Flags = Flags(1 << 24);

    /// Those that COMMAND shows, in Redis's order.
    const NAMES: Names = &[
        ("write", Flags::WRITE.0),
        ("readonly", Flags::READONLY.0),
        ("denyoom", Flags::DENY_OOM.0),
        ("admin", Flags::ADMIN.0),
        ("pubsub", Flags::PUBSUB.0),
        ("noscript", Flags::NOSCRIPT.0),
        ("blocking", Flags::BLOCKING.0),
        ("loading", Flags::LOADING.0),
        ("stale", Flags::STALE.0),
        ("skip_monitor", Flags::SKIP_MONITOR.0),
        ("skip_slowlog", Flags::SKIP_SLOWLOG.0),
        ("asking", Flags::ASKING.0),
        ("fast", Flags::FAST.0),
        ("no_auth", Flags::NO_AUTH.0),
        ("no_mandatory_keys", Flags::NO_MANDATORY_KEYS.0),
        ("no_async_loading", Flags::NO_ASYNC_LOADING.0),
        ("no_multi", Flags::NO_MULTI.0),
        ("allow_busy", Flags::ALLOW_BUSY.0),
    ];

    /// The flags with these of Redis's names, separated by spaces.
    pub(super) const fn of(names: &str) -> Flags {
        Flags(bits(names, Flags::NAMES))
    }

    /// Redis's names of those that have one, in Redis's order.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        names_of(self.0, Flags::NAMES)
    }

    /// Both sets of facts.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` hold.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` holds.
    pub const fn has_any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

/// What happens when the command is called.
#[derive(Clone, Copy)]
pub enum Action {
    /// The handler runs.
    Run(Handler),
    /// The first argument names one of these.
    Subcommands(&'static [Row]),
    /// It is known, and answered with an error that says why it is not done.
    Refuse(fn(&Config) -> Error),
    /// The handler runs if the configuration makes this look like a Redis Cluster; otherwise it is refused as by a Redis that
    /// is not part of one.
    RunInCluster(Handler),
    /// The same, and without an argument the handler runs.
    RunOrSubcommands(Handler, &'static [Row]),
    /// It is Redis's, and answered as if nobody knew it.
    Unserved,
}

/// Redis's grouping of commands, by which COMMAND DOCS and help are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    /// Ours.
    Presence,
    Pubsub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// Its name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Presence => "presence",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// One command, or one subcommand of a container.
pub struct Row {
    /// Lower case; a subcommand's is `container|subcommand`.
    pub name: &'static str,
    /// Number of arguments, the command's name included (of a subcommand: both names); negative: at least so many.
    pub arity: i32,
    /// Facts about it.
    pub flags: Flags,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What happens.
    pub action: Action,
    /// Where it belongs.
    pub group: Group,
    /// Version in which it came: Redis's, or ours if the command is.
    pub since: &'static str,
    /// Its arguments, as COMMAND DOCS and help show them; the notation is that of `syntax`.
    pub syntax: &'static str,
    /// How the time it takes grows, where that is worth a line.
    pub complexity: &'static str,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// Redis's hints for proxies in front of a cluster.
    pub tips: &'static [&'static str],
    /// ACL categories that do not follow from the flags: usually the group's.
    pub explicit_categories: Categories,
}

impl Row {
    /// A row without anything but its group, for the rest of another. One that is served says at least its name, arity,
    /// flags, summary, action and since when it is; its syntax if it has arguments, and what else Redis says of it: keys,
    /// tips and categories, which stand in `redis` until it is served.
    pub(super) const fn of(group: Group) -> Row {
        Row {
            name: "",
            arity: 0,
            flags: Flags::NONE,
            summary: "",
            action: Action::Unserved,
            group,
            since: "",
            syntax: "",
            complexity: "",
            keys: &[],
            tips: &[],
            explicit_categories: group.categories(),
        }
    }

    /// The subcommands that are served.
    pub fn subcommands(&self) -> &'static [Row] {
        match self.action {
            Action::Subcommands(rows) | Action::RunOrSubcommands(_, rows) => rows,
            Action::Run(_) | Action::RunInCluster(_) | Action::Refuse(_) | Action::Unserved => &[],
        }
    }

    /// Whether it stands in a container.
    pub fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }

    /// Whether it, or a subcommand of it, does something.
    pub fn is_served(&self) -> bool {
        self.is_called() || self.subcommands().iter().any(Row::is_called)
    }

    /// Whether it is answered as if nobody knew it.
    pub fn is_unserved(&self) -> bool {
        matches!(self.action, Action::Unserved)
    }

    /// In these ACL categories instead of the group's.
    pub(super) const fn in_categories(self, names: &str) -> Row {
        Row { explicit_categories: Categories::of(names), ..self }
    }

    /// With hints for proxies.
    pub(super) const fn with_tips(self, tips: &'static [&'static str]) -> Row {
        Row { tips, ..self }
    }

    /// Whether it can be called, and not only one of its subcommands.
    pub fn is_called(&self) -> bool {
        matches!(self.action, Action::Run(_) | Action::RunInCluster(_) | Action::RunOrSubcommands(..))
    }

    /// The name without that of the container.
    pub fn own_name(&self) -> &'static str {
        self.name.rsplit_once('|').map_or(self.name, |(_, own)| own)
    }

    /// Whether so many arguments are right. (Redis `commandCheckArity`.)
    pub fn accepts(&self, arguments: usize) -> bool {
        match usize::try_from(self.arity) {
            Ok(exactly) => arguments == exactly,
            Err(_) => arguments >= self.arity.unsigned_abs() as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_has_a_bit_of_its_own() {
        let own =
            [Flags::SUBSCRIBED_MODE, Flags::NOT_QUEUED, Flags::DELIVERS, Flags::CONFIRMS, Flags::SENTINEL];
        let bits = Flags::NAMES.iter().map(|(_, bit)| *bit).chain(own.map(|flag| flag.0));
        let all = bits.fold(0, |all: u32, bit| {
            assert!(bit.is_power_of_two() && all & bit == 0, "{bit:b}");
            all | bit
        });
        assert_eq!(Flags::of("pubsub fast").names().collect::<Vec<_>>(), ["pubsub", "fast"]);
        assert_ne!(all, 0);
    }
}
