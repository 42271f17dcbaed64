//! What stands in the file.

use std::path::Path;

use tracing::{debug, error, info, trace, warn};

use super::*;

/// Runs `log` with a log of its own; the lines without process and time.
fn lines(name: &str, level: LogLevel, log: impl FnOnce(&Logging, &Path)) -> Vec<String> {
    let directory = std::env::temp_dir().join(format!("hereabouts-log-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("log");
    let (subscriber, logging) = subscriber(level, path.to_str().unwrap()).unwrap();
    tracing::subscriber::with_default(subscriber, || log(&logging, &path));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let start = format!("{}:M 24 Nov 2026 04:53:32.123 ", std::process::id()).len();
    text.lines().map(|line| line[start..].to_owned()).collect()
}

#[test]
fn levels_have_redis_marks() {
    let log = || {
        trace!("a");
        debug!("b");
        info!("c");
        warn!("d");
        error!("e");
    };
    assert_eq!(lines("debug", LogLevel::Debug, |_, _| log()), [". a", "- b", "* c", "# d", "# e"]);
    assert_eq!(lines("notice", LogLevel::Notice, |_, _| log()), ["* c", "# d", "# e"]);
    assert_eq!(lines("nothing", LogLevel::Nothing, |_, _| log()), Vec::<String>::new());
}

#[test]
fn a_line_begins_with_process_and_time() {
    lines("time", LogLevel::Notice, |_, path| {
        info!("ready");
        let line = std::fs::read_to_string(path).unwrap();
        let (process, rest) = line.split_once(":M ").unwrap();
        assert_eq!(process, std::process::id().to_string());
        chrono::NaiveDateTime::parse_from_str(&rest[..24], "%d %b %Y %H:%M:%S%.3f").unwrap();
        assert_eq!(&rest[24..], " * ready\n");
    });
}

#[test]
fn values_follow_the_message() {
    let lines = lines("values", LogLevel::Notice, |_, _| {
        info!(port = 6379, address = %"::1", name = "a b", empty = "", pattern = ?"x*", "Ready to accept");
        info!(name = "evil\n1:M # forged", "Closing {}", "a\r\nb");
        info!(alone = true);
    });
    assert_eq!(
        lines,
        [
            r#"* Ready to accept port=6379 address=::1 name="a b" empty="" pattern="x*""#,
            r#"* Closing a\r\nb name="evil\n1:M # forged""#,
            "* alone=true",
        ]
    );
}

#[test]
fn the_level_changes_at_run_time() {
    let lines = lines("level", LogLevel::Warning, |logging, _| {
        info!("unseen");
        logging.set_level(LogLevel::Verbose);
        debug!("seen");
        logging.set_level(LogLevel::Nothing);
        error!("unseen");
    });
    assert_eq!(lines, ["- seen"]);
}

#[test]
fn after_reopening_a_new_file_takes_the_lines() {
    let lines = lines("reopen", LogLevel::Notice, |logging, path| {
        info!("old");
        std::fs::rename(path, path.with_extension("1")).unwrap();
        info!("still old");
        logging.reopen().unwrap();
        info!("new");
        assert_eq!(std::fs::read_to_string(path.with_extension("1")).unwrap().lines().count(), 2);
    });
    assert_eq!(lines, ["* new"]);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    assert!(subscriber(LogLevel::Notice, "/dev/null/log").is_err());
}
