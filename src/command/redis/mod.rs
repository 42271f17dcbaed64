//! Redis's commands that are not served here.
//!
//! Owns what is known of them, so that COMMAND INFO, COMMAND GETKEYS and access rules know every name of Redis 7.2, and
//! an operator is told which client takes this for a database. They are answered as if nobody knew them. A command that
//! comes to be served leaves this list: its own row is the one truth.

mod collections;
mod keyspace;
mod servers;
mod sorted_sets;
mod strings;

use std::sync::LazyLock;

use super::keys::KeySpec;
use super::spec::{Flags, Group, Row};
use super::{Context, table};
use crate::resp::request::Request;

static GROUPS: [&[Row]; 5] =
    [keyspace::ROWS, strings::ROWS, collections::ROWS, sorted_sets::ROWS, servers::ROWS];

/// Sorted by name, and so the subcommands of a container stand together.
static BY_NAME: LazyLock<Vec<&'static Row>> = LazyLock::new(|| {
    let mut rows: Vec<&'static Row> = GROUPS.into_iter().flatten().collect();
    rows.sort_unstable_by_key(|row| row.name);
    rows
});

/// Bytes by which the names of libraries are told apart.
const LIBRARY_BYTES: usize = 64;

/// A row with the facts alone.
const fn known(group: Group, name: &'static str, arity: i32, flags: &str, keys: &'static [KeySpec]) -> Row {
    Row { name, arity, flags: Flags::of(flags), keys, ..Row::of(group) }
}

/// The command or `container|subcommand` with this name, in lower case.
pub(super) fn find(name: &[u8]) -> Option<&'static Row> {
    let index = BY_NAME.binary_search_by(|row| row.name.as_bytes().cmp(name)).ok()?;
    Some(BY_NAME[index])
}

/// The subcommands of a container that are not served, whether the container is or not.
pub(super) fn subcommands(container: &str) -> impl Iterator<Item = &'static Row> + Clone {
    let is_before = |row: &&'static Row| {
        row.name.split_once('|').map_or((row.name, ""), |(container, own)| (container, own))
            <= (container, "")
    };
    let first = BY_NAME.partition_point(is_before);
    let belongs =
        move |row: &&&'static Row| row.name.split_once('|').is_some_and(|(name, _)| name == container);
    BY_NAME[first..].iter().take_while(belongs).copied()
}

/// Logs that a client uses what only a Redis has: once for each command and client library. Names that Redis does not
/// know are not logged, and memory for "once" is bounded, so that no stranger can fill the log.
pub(super) fn tell_about_unserved(context: &Context<'_>, request: Request<'_>) {
    let name = request.argument(0);
    let Some(mut row) = table::find_known(name).filter(|_| !name.contains(&b'|')) else { return };
    if !row.is_unserved() && request.len() > 1 {
        let Some(subcommand) = table::find_known_subcommand(row, request.argument(1)) else { return };
        row = subcommand;
    }
    if !row.is_unserved() {
        return;
    }
    let client = &context.session.client;
    let library = client.library(LIBRARY_BYTES);
    if context.broker.notices.is_first(&[row.name.as_bytes(), &library]) {
        let told = match row.group {
            Group::Cluster | Group::Connection | Group::Pubsub | Group::Server => {
                "This client uses a command that is not served here"
            }
            _ => "This client uses data commands: point only its pub/sub connection here",
        };
        tracing::info!(
            "{told}. command={} library={} id={} addr={}",
            row.name,
            String::from_utf8_lossy(&library),
            client.id,
            client.address,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_served_too() {
        let both: Vec<_> =
            BY_NAME.iter().filter(|row| table::rows().iter().any(|served| served.name == row.name)).collect();
        let both: Vec<_> = both.iter().map(|row| row.name).collect();
        assert!(both.is_empty(), "served now, so their lines in src/command/redis/ go: {both:?}");
    }

    #[test]
    fn names_are_unique_and_their_containers_known() {
        BY_NAME.windows(2).for_each(|pair| assert_ne!(pair[0].name, pair[1].name));
        for row in BY_NAME.iter() {
            assert_eq!(row.name, row.name.to_ascii_lowercase());
            assert_ne!(row.arity, 0, "{}", row.name);
            assert!(row.is_unserved());
            if let Some((container, _)) = row.name.split_once('|') {
                assert!(table::find_known(container.as_bytes()).is_some(), "{}", row.name);
                assert!(subcommands(container).any(|subcommand| subcommand.name == row.name), "{}", row.name);
            }
        }
    }

    #[test]
    fn are_found_with_the_served_ones() {
        assert_eq!(table::find_known(b"ZADD").unwrap().name, "zadd");
        assert_eq!(table::find_known(b"Client|SetName").unwrap().name, "client|setname");
        assert_eq!(table::find_known(b"xgroup|CREATE").unwrap().arity, -5);
        assert!(table::find(b"zadd").is_none());
        for unknown in [&b""[..], b"zad", b"xgroup|", b"|create", b"client|id|x", &[b'x'; 100]] {
            assert!(table::find_known(unknown).is_none());
        }
    }

    #[test]
    fn subcommands_stand_under_their_container() {
        let names: Vec<_> = subcommands("xgroup").map(Row::own_name).collect();
        assert_eq!(names, ["create", "createconsumer", "delconsumer", "destroy", "help", "setid"]);
        assert_eq!(subcommands("get").count() + subcommands("").count() + subcommands("zzz").count(), 0);
    }
}
