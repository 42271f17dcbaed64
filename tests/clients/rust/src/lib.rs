//! What the scripts of all Rust libraries need: the command line, the line to whoever can restart the server, and waiting
//! for what no event tells. Usage of each: PORT (default|2|3)

use std::io::BufRead;
use std::time::{Duration, Instant};

/// Far more than anything takes.
pub const DEADLINE: Duration = Duration::from_secs(50);

/// The server's port.
pub fn port() -> u16 {
    argument(1).parse().expect("a port")
}

/// The protocol to ask for; nothing for the one that the library has by default.
pub fn protocol() -> Option<u8> {
    match argument(2).as_str() {
        "default" => None,
        number => Some(number.parse().expect("2 or 3")),
    }
}

fn argument(index: usize) -> String {
    std::env::args().nth(index).expect("usage: PORT (default|2|3)")
}

/// Has the server killed and started again on the same port.
pub fn restart_server() {
    println!("restart");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("an answer");
    assert_eq!(line, "restarted\n");
}

/// Tries until it gives something.
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < until, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same for what is asked asynchronously.
#[macro_export]
macro_rules! eventually {
    ($what:expr, $attempt:expr) => {{
        let until = std::time::Instant::now() + $crate::DEADLINE;
        loop {
            if $attempt {
                break;
            }
            assert!(std::time::Instant::now() < until, "did not happen: {}", $what);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }};
}

/// The value, or the end of the script when it does not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen: {what}"),
    }
}

/// Runs asynchronous checks in order and says which one begins.
#[macro_export]
macro_rules! run_async {
    ($($check:ident),* $(,)?) => {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            $(
                println!("{}", stringify!($check));
                $crate::within(stringify!($check), $check()).await;
            )*
        })
    };
}

/// Runs checks in order and says which one begins.
#[macro_export]
macro_rules! run {
    ($($check:ident),* $(,)?) => {
        $(
            println!("{}", stringify!($check));
            $check();
        )*
    };
}
