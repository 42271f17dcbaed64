//! The same requests to us and to redis-server, and the replies compared: what nobody thought of writing a test for. Runs
//! where redis-server is installed. The requests are drawn from a seed that a failure prints; `HEREABOUTS_TEST_SEED` sets
//! another one. What we answer differently on purpose is left out of what is drawn, with the reason beside it.

// Whole sessions of a publisher and two subscribers.
mod sessions;

// Lines with quotes and escapes, and bytes that are nearly requests.
mod bytes;

// Options: which there are, and what each takes.
mod options;

// What MONITOR shows.
mod monitor;

// Patterns and channels.
mod patterns;

// What is known of each command of Redis.
mod catalog;

// Keys in command lines.
mod keys;

// INFO, and what is counted of the same commands.
mod statistics;

// Each command and each of its errors.
mod replies;

use std::process::Command;

use crate::support::{Client, Directory, Server, installed, oracle};

/// Our server and Redis.
struct Pair {
    ours: Server,
    _theirs: Server,
    /// Where Redis listens: a TCP port that is free now may be taken when Redis wants it.
    socket: String,
    /// Where we listen, for what must not differ because of how a client is connected.
    socket_of_ours: String,
    // Last: the sockets are in it.
    _directory: Directory,
}

impl Pair {
    /// Nothing where there is no redis-server to compare with.
    fn start(name: &str) -> Option<Pair> {
        Pair::start_with(name, &[])
    }

    /// The same with flags for both.
    fn start_with(name: &str, flags: &[&str]) -> Option<Pair> {
        // With an oracle in our place Redis would be compared with itself.
        if oracle().is_some() || !installed("redis-server") {
            return None;
        }
        let directory = Directory::new(name);
        let [socket, socket_of_ours] = ["redis", "ours"].map(|name| directory.file(name));
        let mut command = Command::new("redis-server");
        // What it may be told to write is gone with the directory.
        command.args(["--port", "0", "--save", "", "--unixsocket", &socket, "--dir", &directory.file("")]);
        command.args(flags);
        let ours = Server::start_with(&[&["--unixsocket", &socket_of_ours], flags].concat());
        Some(Pair { ours, _theirs: Server::run(command), socket, socket_of_ours, _directory: directory })
    }

    fn clients(&self) -> [Client; 2] {
        [self.ours.client(), Client::connect_unix(&self.socket)]
    }
}

/// Numbers from a seed: the same seed gives the same numbers everywhere.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = std::env::var("HEREABOUTS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(0x9e37_79b9_7f4a_7c15);
        println!("HEREABOUTS_TEST_SEED={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Some of the parts in a row, `most` at most.
    fn some_of(&mut self, parts: &[&[u8]], most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).flat_map(|_| self.pick(parts).to_vec()).collect()
    }
}
