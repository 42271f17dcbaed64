//! Files: syntax, `include`, what is wrong with them, and a file of Redis's own.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn read(files: &[(&str, &[u8])], check: impl FnOnce(Reading<'_>)) {
    let files: HashMap<&Path, &[u8]> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
    let open = |path: &Path| files.get(path).map(|text| text.to_vec()).ok_or(io::ErrorKind::NotFound.into());
    let mut reading = Reading::new(&open);
    reading.file(Path::new("main"));
    check(reading);
}

fn config(text: &str) -> Config {
    let mut config = None;
    read(&[("main", text.as_bytes())], |reading| {
        assert_eq!(reading.problems, Vec::<String>::new());
        config = Some(reading.config);
    });
    config.unwrap()
}

fn problems(text: &[u8]) -> Vec<String> {
    let mut problems = Vec::new();
    read(&[("main", text)], |reading| problems = reading.problems);
    problems
}

#[test]
fn lines() {
    let config = config("# comment\n\n  port 1\r\n\tMAXCLIENTS  5 \nlogfile \"a\\tb\"\nrequirepass 'x y'");
    assert_eq!((config.port, config.maxclients), (Some(1), 5));
    assert_eq!((config.logfile.as_str(), config.requirepass.as_slice()), ("a\tb", &b"x y"[..]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(text: Vec<u8>, name in "port|bind|save|include|maxmemory|logfile") {
        problems(&text);
        problems(&[name.as_bytes(), b" ", &text].concat());
    }
}

#[test]
fn comments_need_not_be_utf8() {
    assert_eq!(problems(b"# caf\xe9\nrequirepass caf\xe9"), Vec::<String>::new());
}

#[test]
fn repeated_directives() {
    let limits = "client-output-buffer-limit normal 1 1 1\nclient-output-buffer-limit pubsub 2 2 2";
    let config = config(&format!("port 1\nport 2\nbind a\nbind b c\n{limits}\nsave 900 1\nsave 300 10"));
    assert_eq!(config.port, Some(2));
    assert_eq!(config.bind, ["b", "c"]);
    assert_eq!(config.client_output_buffer_limit.normal.hard_bytes, 1);
    assert_eq!(config.client_output_buffer_limit.pubsub.hard_bytes, 2);
    assert_eq!(config.ignored["save"], b"900 1 300 10");
}

#[test]
fn an_empty_save_takes_back_what_came_before() {
    assert_eq!(config("save 900 1\nsave \"\"").ignored["save"], b"");
    assert_eq!(config("save 900 1\nsave \"\"\nsave 5 5").ignored["save"], b"5 5");
}

#[test]
fn problems_name_the_file_the_line_and_the_rule() {
    assert_eq!(
        problems(b"port 1\n  maxclients abc  \nfoo 1"),
        [
            "Reading the configuration file 'main', at line 2\n>>> 'maxclients abc'\n\
             argument couldn't be parsed into an integer",
            "Reading the configuration file 'main', at line 3\n>>> 'foo 1'\nthere is no option 'foo'",
        ]
    );
    for (text, rule) in [
        (&b"port \"1"[..], "Unbalanced quotes in configuration line"),
        (b"port", "wrong number of arguments"),
        (b"port 1 2", "wrong number of arguments"),
        (b"bind", "wrong number of arguments"),
        (b"include", "wrong number of arguments"),
        (b"include gone", "can't open the configuration file 'gone': entity not found"),
        (
            b"rename-command CONFIG \"\"",
            "not supported: Commands keep their names and cannot be switched off.",
        ),
        (
            b"user alice on +@all",
            "not supported: There are no ACL users besides the default one: see requirepass.",
        ),
    ] {
        let problem = problems(text).remove(0);
        assert!(problem.ends_with(&format!("\n{rule}")), "{problem}");
    }
}

#[test]
fn include_stands_for_the_lines_of_the_file() {
    let main = b"port 1\ninclude \"other\"\nmaxclients 7";
    let other = b"port 2\nmaxclients 5\nfoo";
    read(&[("main", main), ("other", other)], |reading| {
        assert_eq!((reading.config.port, reading.config.maxclients), (Some(2), 7));
        assert_eq!(reading.problems.len(), 1);
        assert!(reading.problems[0].starts_with("Reading the configuration file 'other', at line 3"));
    });
}

#[test]
fn include_of_itself_ends() {
    let problems = problems(b"include main");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("files include each other more than 10 deep"));
}

#[test]
fn include_takes_patterns() {
    let directory = std::env::temp_dir().join(format!("hereabouts-include-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in [("a.conf", "port 1"), ("b.conf", "port 2"), ("c.txt", "port 3")] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let mut reading = Reading::new(&read_file);
    let line = format!("include {}/*.conf", directory.display());
    assert_eq!(reading.line(line.as_bytes(), 0), Ok(()));
    assert_eq!(reading.config.port, Some(2));
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(reading.line(line.as_bytes(), 0), Ok(()), "a pattern may match nothing");
}

#[test]
fn notices_tell_once_why_a_directive_has_no_meaning() {
    let text = b"port 1\nappendonly yes\nappendonly no\nlua-replicate-commands yes";
    read(&[("main", text)], |reading| {
        let notices: Vec<String> = reading.notices.iter().map(Notice::to_string).collect();
        assert_eq!(
            notices,
            [
                "'appendonly' has no meaning here: Nothing is stored on disk.",
                "'lua-replicate-commands' has no meaning here: Redis passes over it as well.",
            ]
        );
    });
}

/// The lines of the file that Debian installs for Redis 7.0, without its comments.
#[test]
fn a_configuration_file_of_redis_loads() {
    let config = config(include_str!("redis.conf"));
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(config.logfile, "/var/log/redis/redis-server.log");
    assert_eq!(config.client_output_buffer_limit, Config::default().client_output_buffer_limit);
}

#[test]
fn the_files_of_three_instances_load_and_differ_in_port_and_id() {
    let files = [
        include_str!("../../../conf/three-instances/one.conf"),
        include_str!("../../../conf/three-instances/two.conf"),
        include_str!("../../../conf/three-instances/three.conf"),
    ];
    for (text, port) in files.into_iter().zip(6380..) {
        let config = config(text);
        assert_eq!(config.port, Some(port));
        assert_eq!(config.cluster.peers, ["127.0.0.1:16380", "127.0.0.1:16381", "127.0.0.1:16382"]);
        assert_eq!(config.cluster.node_id, Some(u64::from(port) - 6379));
    }
}

#[test]
fn the_annotated_file_documents_every_served_option_with_its_default() {
    let text = include_str!("../../../conf/hereabouts.conf");
    assert_eq!(config(text), Config::default());
    let comments: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let comments = comments.join(" ");
    for row in options::all().filter(|row| row.is_served()) {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{} ", row.name))),
            "no line for {}",
            row.name
        );
        let comment = format!("{}: {} {}", row.name, row.values, row.doc);
        assert!(comments.contains(&comment), "the file should say: {comment}");
    }
}
