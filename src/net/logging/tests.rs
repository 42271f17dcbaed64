//! What stands in the file.

use std::path::Path;

use tracing::{debug, error, info, trace, warn};

use std::os::unix::net::UnixDatagram;

use super::*;

/// A directory of a test's own.
fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("hereabouts-log-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Runs `log` with a log of its own; what then stands in the file.
fn written(name: &str, mut config: Config, log: impl FnOnce(&Logging, &Path)) -> String {
    let directory = directory(name);
    let path = directory.join("log");
    config.logfile = path.to_str().unwrap().to_owned();
    let (subscriber, logging) = subscriber(&config, &directory.join("syslog")).unwrap();
    tracing::subscriber::with_default(subscriber, || log(&logging, &path));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    text
}

/// The same in lines, without process and time.
fn lines(name: &str, level: LogLevel, log: impl FnOnce(&Logging, &Path)) -> Vec<String> {
    let text = written(name, Config { loglevel: level, ..Config::default() }, log);
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
        assert_eq!(logging.reopen().unwrap(), Some(path));
        info!("new");
        assert_eq!(std::fs::read_to_string(path.with_extension("1")).unwrap().lines().count(), 2);
    });
    assert_eq!(lines, ["* new"]);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let config = Config { logfile: "/dev/null/log".to_owned(), ..Config::default() };
    let error = start(&config).err().unwrap();
    assert!(error.starts_with("logfile /dev/null/log: Not a directory"), "{error}");
    assert!(error.contains("The directory /dev/null must exist"), "{error}");
}

#[test]
fn without_a_file_nothing_is_reopened() {
    let (_, logging) = subscriber(&Config::default(), Path::new("")).unwrap();
    assert_eq!(logging.reopen().unwrap(), None);
}

#[test]
fn json_has_an_object_a_line() {
    let config = Config { log_format: LogFormat::Json, ..Config::default() };
    let text = written("json", config, |_, _| {
        info!(port = 6379, name = "a \"b\"\n", "Ready");
        warn!("second\nline");
        debug!("unseen");
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(time).unwrap();
    }
    let first = lines[0].as_object().unwrap();
    let mut names: Vec<&str> = first.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["level", "message", "name", "port", "timestamp"]);
    assert_eq!((&first["level"], &first["message"]), (&"INFO".into(), &"Ready".into()));
    assert_eq!((&first["port"], &first["name"]), (&6379.into(), &"a \"b\"\n".into()));
    assert_eq!((&lines[1]["level"], &lines[1]["message"]), (&"WARN".into(), &"second\nline".into()));
}

/// Takes what has arrived at a syslog.
fn received(syslog: &UnixDatagram) -> Vec<String> {
    syslog.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let mut lines = Vec::new();
    while let Ok(length) = syslog.recv(&mut buffer) {
        lines.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    lines
}

#[test]
fn syslog_gets_each_line_as_well() {
    let config = Config {
        syslog_enabled: true,
        syslog_ident: "broker".to_owned(),
        syslog_facility: 17,
        loglevel: LogLevel::Debug,
        ..Config::default()
    };
    let text = written("syslog", config, |_, path| {
        let syslog = UnixDatagram::bind(path.with_file_name("syslog")).unwrap();
        trace!("a");
        debug!("b");
        info!(port = 1, "c");
        warn!("d\nforged");
        error!("e");
        let lines = received(&syslog);
        let process = std::process::id();
        for (line, (priority, end)) in
            lines.iter().zip([(143, "a"), (142, "b"), (141, "c port=1"), (140, "d\\nforged"), (139, "e")])
        {
            let rest = line.strip_prefix(&format!("<{priority}>")).unwrap_or_else(|| panic!("{line}"));
            // A time of its own year, such as `Nov  4 04:53:32`.
            chrono::NaiveDateTime::parse_from_str(&format!("2028 {}", &rest[..15]), "%Y %b %e %H:%M:%S")
                .unwrap();
            assert_eq!(&rest[15..], format!(" broker[{process}]: {end}"));
        }
        assert_eq!(lines.len(), 5);
    });
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn a_syslog_that_is_away_is_told_how_much_it_missed() {
    let config = Config { syslog_enabled: true, ..Config::default() };
    let text = written("syslog-away", config, |_, path| {
        let path = path.with_file_name("syslog");
        info!("before it starts");
        let syslog = UnixDatagram::bind(&path).unwrap();
        info!("there");
        let lines = received(&syslog);
        assert!(lines.len() == 2 && lines[0].ends_with("]: there"), "{lines:?}");
        assert!(lines[1].ends_with("]: 1 lines before this one are lost here"), "{lines:?}");
        drop(syslog);
        std::fs::remove_file(&path).unwrap();
        let syslog = UnixDatagram::bind(&path).unwrap();
        info!("restarted");
        let lines = received(&syslog);
        assert!(lines.len() == 1 && lines[0].ends_with("]: restarted"), "{lines:?}");
        // Nobody reads: what does not fit is lost, and nobody waits.
        for _ in 0..10_000 {
            info!("flood");
        }
        let taken = received(&syslog).len();
        info!("read again");
        let lines = received(&syslog);
        assert!(
            lines[1].ends_with(&format!("]: {} lines before this one are lost here", 10_000 - taken)),
            "{lines:?}"
        );
    });
    assert_eq!(text.lines().count(), 10_004);
}

#[test]
fn what_is_not_logged_is_not_even_looked_at() {
    for (loglevel, hint) in [(LogLevel::Notice, LevelFilter::INFO), (LogLevel::Nothing, LevelFilter::OFF)] {
        for syslog_enabled in [false, true] {
            let config = Config { loglevel, syslog_enabled, ..Config::default() };
            let (subscriber, _) = subscriber(&config, Path::new("")).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(hint), "syslog {syslog_enabled}");
        }
    }
}
