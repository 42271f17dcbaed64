//! What the machine has: programs, descriptors, room for files.

use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Whether a program is there. When it is not, that is said, and is a failure in CI.
#[track_caller]
pub(crate) fn installed(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => true,
        Ok(status) => unavailable(program, &status.to_string()),
        Err(error) => unavailable(program, &error.to_string()),
    }
}

/// Says that something is missing, in a way that cannot be overlooked, and is false. With `CI=true` nothing may be missing.
#[track_caller]
pub(crate) fn unavailable(what: &str, why: &str) -> bool {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} must be there in CI: {why}");
    // Not through the macros: the harness hides their output when a test passes.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: no test with {what}: {why}\n");
    false
}

/// Allows this process as many descriptors as the system does, and says how many that is.
pub(crate) fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit may be raised to the maximum");
    limit.current.map_or(usize::MAX, |count| count as usize)
}

/// An address of this machine that is not the loopback one, found without sending anything.
pub(crate) fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("203.0.113.7:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A directory of one test's own, removed with everything in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Directory {
        // Short: the path of a Unix socket has a hundred bytes.
        let path = std::env::temp_dir().join(format!("hereabouts-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("create a directory");
        Directory(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of text").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
