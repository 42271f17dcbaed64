//! The one table of all commands.
//!
//! Owns the look-up; each group's rows stand in its own file beside their handlers. Must not know what a command does.

use std::sync::LazyLock;

use hashbrown::HashTable;

use super::spec::Row;
use super::{
    catalog, client, cluster, config, connection, debug, info, keyspace, latency, memory, monitor, peers,
    presence, publish, pubsub, redis, scripting, server, shutdown, slowlog, subscribe, transaction,
};

/// The rows of every group, in the order in which a reader meets them.
static GROUPS: &[&[Row]] = &[
    subscribe::ROWS,
    publish::ROWS,
    pubsub::ROWS,
    presence::ROWS,
    connection::ROWS,
    client::ROWS,
    config::ROWS,
    transaction::ROWS,
    scripting::ROWS,
    info::ROWS,
    slowlog::ROWS,
    latency::ROWS,
    memory::ROWS,
    server::ROWS,
    monitor::ROWS,
    cluster::ROWS,
    peers::ROWS,
    keyspace::ROWS,
    catalog::ROWS,
    debug::ROWS,
    shutdown::ROWS,
];

/// No command's name is longer; longer ones need not be looked up.
const NAME_BYTES_MAX: usize = 32;

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

struct Table {
    /// Every row, subcommands behind their container.
    rows: Vec<&'static Row>,
    by_name: HashTable<u16>,
}

/// A row with its number, by which counters and client records know it.
#[derive(Clone, Copy)]
pub struct Found {
    /// Position in the table.
    pub number: u16,
    /// The row.
    pub row: &'static Row,
}

impl Table {
    fn new() -> Self {
        let mut table = Table { rows: Vec::new(), by_name: HashTable::new() };
        for row in GROUPS.iter().copied().flatten() {
            table.add(row);
            row.subcommands().iter().for_each(|subcommand| table.add(subcommand));
        }
        table
    }

    fn add(&mut self, row: &'static Row) {
        assert!(row.name.len() <= NAME_BYTES_MAX, "{} is longer than NAME_BYTES_MAX", row.name);
        let number = self.rows.len() as u16;
        self.rows.push(row);
        let rows = &self.rows;
        self.by_name.insert_unique(hash(row.name.as_bytes()), number, |&number| {
            hash(rows[number as usize].name.as_bytes())
        });
    }

    fn find(&self, lower_case_name: &[u8]) -> Option<Found> {
        let number = *self.by_name.find(hash(lower_case_name), |&number| {
            self.rows[number as usize].name.as_bytes() == lower_case_name
        })?;
        Some(Found { number, row: self.rows[number as usize] })
    }
}

/// The command with this name, in upper or lower case.
pub fn find(name: &[u8]) -> Option<Found> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    // A `|` would find a subcommand, which is not a command.
    if lower.contains(&b'|') { None } else { TABLE.find(lower) }
}

/// The subcommand of a container with this name, in upper or lower case.
pub fn find_subcommand(container: &'static Row, name: &[u8]) -> Option<Found> {
    let mut lower = [0; NAME_BYTES_MAX];
    TABLE.find(full_name(container, name, &mut lower)?)
}

/// What this name stands for, also if it is not served: a command, or `container|subcommand`, in upper or lower case.
pub fn find_known(name: &[u8]) -> Option<&'static Row> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    TABLE.find(lower).map(|found| found.row).or_else(|| redis::find(lower))
}

/// The subcommand of a container with this name, also if it is not served.
pub fn find_known_subcommand(container: &'static Row, name: &[u8]) -> Option<&'static Row> {
    let mut lower = [0; NAME_BYTES_MAX];
    find_known(full_name(container, name, &mut lower)?)
}

/// `container|name`, in lower case.
fn full_name<'a>(container: &Row, name: &[u8], buffer: &'a mut [u8; NAME_BYTES_MAX]) -> Option<&'a [u8]> {
    let prefix = container.name.len() + 1;
    let lower = buffer.get_mut(..prefix + name.len())?;
    lower[..prefix - 1].copy_from_slice(container.name.as_bytes());
    lower[prefix - 1] = b'|';
    lower[prefix..].copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// The row with this number.
pub fn row(number: u16) -> Option<&'static Row> {
    TABLE.rows.get(number as usize).copied()
}

/// Every row.
pub fn rows() -> &'static [&'static Row] {
    &TABLE.rows
}

/// FNV-1a, since names are short and our own: what a client sends is only looked up, never stored.
fn hash(name: &[u8]) -> u64 {
    let fnv = name.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    // The table tells entries apart by the upper bits, which FNV mixes least.
    fnv ^ fnv.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find(b"PuBLisH").unwrap().row.name, "publish");
        let container = find(b"client").unwrap().row;
        assert_eq!(find_subcommand(container, b"SETNAME").unwrap().row.name, "client|setname");
        assert!(find(b"client|setname").is_none());
        assert!(find(b"").is_none());
        assert!(find(&[b'x'; 100]).is_none());
        assert!(find_subcommand(container, &[b'x'; 100]).is_none());
    }

    #[test]
    fn the_table_has_no_slips() {
        let mut names: Vec<&str> = rows().iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "two rows of one name"));
        for row in rows() {
            assert_eq!(row.name, row.name.to_ascii_lowercase());
            assert_ne!(row.arity, 0, "{}", row.name);
            assert!(row.summary.ends_with('.'), "{}", row.name);
            for subcommand in row.subcommands() {
                assert_eq!(subcommand.name.split_once('|').unwrap().0, row.name);
                assert!(subcommand.arity.abs() >= 2, "{}", subcommand.name);
            }
        }
    }
}
