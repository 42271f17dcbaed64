//! Command lines.

use super::*;

fn start(line: &[&str]) -> Result<Launch, Stop> {
    start_as("hereabouts", line)
}

fn start_as(program: &str, line: &[&str]) -> Result<Launch, Stop> {
    let arguments = [program].into_iter().chain(line.iter().copied()).map(OsString::from);
    load(arguments, &|path| match path.to_str() {
        Some("file") => Ok(b"port 1\nmaxclients 5\nsave 900 1\nappendonly yes".to_vec()),
        Some("bad") => Ok(b"port x\nfoo 1".to_vec()),
        Some("-") => Ok(b"port 9".to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

fn launch(line: &[&str]) -> Launch {
    start(line).unwrap_or_else(|stop| panic!("{line:?}: {stop:?}"))
}

fn printed(line: &[&str]) -> String {
    match start(line) {
        Err(Stop::Done(text)) => text,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn problems(line: &[&str]) -> String {
    match start(line) {
        Err(Stop::Failed(text)) => text,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn without_arguments_all_is_default() {
    let launch = launch(&[]);
    assert_eq!((launch.config, launch.file, launch.notices), (Config::default(), None, vec![]));
}

#[test]
fn flags_override_the_file_and_the_last_one_counts() {
    let launch = launch(&["file", "--PORT", "2", "--port=3"]);
    assert_eq!((launch.config.port, launch.config.maxclients), (Some(3), 5));
    assert!(launch.file.unwrap().is_absolute());
}

#[test]
fn values_go_on_until_the_next_flag() {
    let config =
        launch(&["--bind", "::1", "-127.0.0.1", "--requirepass", "-p", "--save", "", "--logfile", ""]).config;
    assert_eq!(config.bind, ["::1", "-127.0.0.1"]);
    assert_eq!(config.requirepass, b"-p");
    assert_eq!(config.ignored["save"], b"");
}

#[test]
fn limits_of_several_classes() {
    let option = "--client-output-buffer-limit";
    let limits = launch(&[option, "pubsub", "1mb", "512kb", "10", option, "normal 1 2 3"]).config;
    assert_eq!(limits.client_output_buffer_limit.pubsub.hard_bytes, 1 << 20);
    assert_eq!(limits.client_output_buffer_limit.normal.hard_bytes, 1);
}

#[test]
fn save_on_the_command_line_replaces_the_files() {
    assert_eq!(launch(&["file"]).config.ignored["save"], b"900 1");
    assert_eq!(launch(&["file", "--save", "1", "1", "--save", "2 2"]).config.ignored["save"], b"1 1 2 2");
}

#[test]
fn standard_input_is_a_file_without_a_path() {
    let launch = launch(&["-", "--maxclients", "7"]);
    assert_eq!((launch.config.port, launch.config.maxclients, launch.file), (Some(9), 7, None));
}

#[test]
fn notices_come_from_files_and_flags() {
    let notices = launch(&["file", "--daemonize", "no"]).notices;
    assert_eq!(
        notices
            .iter()
            .map(|notice| notice.to_string().split('\'').nth(1).unwrap().to_owned())
            .collect::<Vec<_>>(),
        ["save", "appendonly", "daemonize"]
    );
}

#[test]
fn help_and_version() {
    for flag in ["--version", "-v", "-V"] {
        assert_eq!(printed(&[flag]), concat!("hereabouts ", env!("CARGO_PKG_VERSION")));
    }
    assert_eq!(printed(&["-h"]).lines().next(), printed(&["--help"]).lines().next());
    let help = printed(&["--help"]);
    for row in crate::config::options::all() {
        let listed = help.contains(&format!("--{} <", row.name));
        assert_eq!(listed, row.is_served(), "{}", row.name);
    }
}

#[test]
fn check_config() {
    assert_eq!(printed(&["--check-config"]), "ok");
    assert!(printed(&["file", "--check-config"]).ends_with("Nothing is stored on disk.\nok"));
    assert!(printed(&["--check-config", "file"]).ends_with("\nok"));
    let problems = problems(&["--check-config", "bad"]);
    assert!(problems.contains("'port x'") && problems.contains("'foo 1'"), "{problems}");
}

#[test]
fn problems_name_the_flag() {
    for (line, expected) in [
        (&["--foo", "3"][..], "unexpected argument '--foo' found"),
        (&["--port", "3", "4"], ">>> '--port 3 4'\nwrong number of arguments"),
        (&["--port", "x"], ">>> '--port x'\nargument couldn't be parsed into an integer"),
        (&["--port"], "a value is required for '--port <number|auto>'"),
        (&["--aclfile", "a"], ">>> '--aclfile a'\nnot supported"),
        (&["gone"], "can't open the configuration file 'gone'"),
        (&["file", "file"], "unexpected argument 'file' found"),
    ] {
        let problem = problems(line);
        assert!(problem.contains(expected), "{line:?}: {problem}");
    }
}

#[test]
fn a_warning_says_what_an_operator_misses() {
    let warnings = |line: &[&str]| -> Vec<String> {
        let notices = launch(line).notices;
        notices.iter().filter(|notice| notice.is_warning()).map(Notice::to_string).collect()
    };
    for (line, begin) in [
        (
            &["--replicaof", "10.0.0.1", "6379"][..],
            "'replicaof 10.0.0.1 6379' is not done: This server follows no",
        ),
        (&["--slaveof", "10.0.0.1 6379"], "'replicaof 10.0.0.1 6379' is not done"),
        (&["--daemonize", "yes"], "'daemonize yes' is not done: The server stays in the foreground"),
    ] {
        let warnings = warnings(line);
        assert!(warnings.len() == 1 && warnings[0].starts_with(begin), "{warnings:?}");
    }
    for line in [
        &["--replicaof", "no", "one"][..],
        &["--appendonly", "yes", "--save", "60 1"],
        // Debian's unit has the second, its file the first.
        &["--daemonize", "yes", "--daemonize", "no"],
    ] {
        assert_eq!(warnings(line), Vec::<String>::new());
        assert!(!launch(line).notices.is_empty());
    }
    assert!(problems(&["--replicaof", "a", "b"]).ends_with("Invalid master port"));
    assert!(problems(&["--replicaof", "a"]).ends_with("wrong number of arguments"));
}

#[test]
fn by_the_name_of_redis_what_nobody_knows_is_passed_over() {
    let as_redis = |line: &[&str]| start_as("/usr/bin/redis-server", line);
    let launch = as_redis(&["file", "--nosuch", "3", "--port", "7", "--save", "-"]).unwrap();
    assert!(launch.as_redis);
    // Standard input is read behind the file, flags behind both.
    assert_eq!((launch.config.port, launch.config.maxclients), (Some(7), 5));
    assert!(launch.file.unwrap().ends_with("file"));
    let warnings = launch.notices.iter().filter(|notice| notice.is_warning()).map(Notice::to_string);
    assert_eq!(
        warnings.collect::<Vec<_>>(),
        ["'nosuch' is not an option of this server and is passed over."]
    );
    assert_eq!(as_redis(&["-v"]).unwrap_err(), Stop::RedisVersion);
    assert!(
        matches!(as_redis(&["--help"]), Err(Stop::Done(text)) if text.starts_with("Usage: redis-server ["))
    );
    for (line, expected) in [
        (&["bad"][..], ">>> 'port x'"),
        (&["--port", "x"], ">>> '--port x'\nargument couldn't be parsed into an integer"),
        (&["--port", "1", "2"], ">>> '--port 1 2'\nwrong number of arguments"),
        (&["--aclfile", "a"], "not supported"),
        (&["gone"], "can't open the configuration file 'gone'"),
    ] {
        let Err(Stop::Failed(problem)) = as_redis(line) else { panic!("{line:?}") };
        assert!(problem.contains(expected) && !problem.contains("foo"), "{line:?}: {problem}");
    }
}
