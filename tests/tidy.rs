//! The house rules as a test: which module may use which, where time, chance, locks and waiting are allowed,
//! how long things may get.
//!
//! Owns the rules. Reads the sources as text, with comments, strings and test modules blanked out: that is
//! enough for code that rustfmt has formatted, and no more is attempted. Each breach is reported with its
//! file, its line and the way out. Start reading at [`LAYERS`].

// The helpers of a test may panic as the test itself may.
#![allow(clippy::unwrap_used)]

use std::fmt;
use std::path::Path;

#[path = "support/blank.rs"]
mod blank;

/// The modules from left to right. A module uses only modules of the rows below its own; those of one row do
/// not know each other.
const LAYERS: &[&[&str]] = &[
    &["net"],
    &["command"],
    &["broker"],
    &["pubsub", "presence", "membership", "link", "acl"],
    &["crdt"],
    &["outbox"],
    &["config"],
    &["slots"],
    &["resp", "glob", "map", "time"],
    &["sync"],
];

/// Words that only some places may say.
const CONFINED: &[Confined] = &[
    Confined {
        words: &["async", ".await", "tokio::"],
        places: &["src/net/", "src/main.rs"],
        fix: "the core never waits: return what changed and let a shell in src/net/ wait",
    },
    Confined {
        words: &["Instant::now", "SystemTime", "thread::"],
        places: &["src/net/", "src/main.rs"],
        fix: "take the time as an argument (crate::time::Now), and leave threads to src/net/",
    },
    Confined {
        words: &["getrandom", "RandomState", "HashMap", "HashSet"],
        places: &["src/net/", "src/main.rs"],
        fix: "take entropy as an argument; tables hash with crate::map, std's maps at random",
    },
    Confined {
        words: &["Mutex", "RwLock", "parking_lot"],
        places: &["src/broker/", "src/outbox.rs", "src/sync.rs", "src/net/"],
        fix: "a state machine is a plain struct with `&mut self`; the broker holds its lock",
    },
    Confined {
        words: &["crate::sync", "std::sync::atomic"],
        places: &["src/broker/", "src/outbox.rs", "src/sync.rs", "src/net/", "src/command/"],
        fix: "what threads share lives in the broker and in outboxes, never in a state machine",
    },
];

struct Confined {
    words: &'static [&'static str],
    places: &'static [&'static str],
    fix: &'static str,
}

/// Lines of a file at most: in src without its test module, in tests and benches as a whole.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function at most, from its `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "looked in the wrong place");
    let breaches: Vec<String> = sources.iter().flat_map(breaches).map(|breach| breach.to_string()).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

struct Source {
    /// From the package's root.
    path: String,
    text: String,
    /// The text without comments, what strings hold, and tests; empty for a file of tests.
    code: String,
    /// Lines, tests within the file not counted.
    lines: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let (path, text, lines) = (path.to_owned(), text.to_owned(), text.lines().count());
        if is_test(&path) {
            return Source { path, text, code: String::new(), lines };
        }
        let (code, test_lines) = blank::test_items(&blank::comments_and_literals(&text));
        Source { path, text, code, lines: lines - test_lines }
    }

    /// The module directly below the crate that this file belongs to, unless it is the crate's root or tests.
    fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/").filter(|_| !is_test(&self.path))?;
        let module = below.split_once('/').map_or(below.strip_suffix(".rs")?, |(module, _)| module);
        (!["lib", "main"].contains(&module)).then_some(module)
    }
}

fn is_test(path: &str) -> bool {
    !path.starts_with("src/") || path.ends_with("tests.rs")
}

struct Breach {
    path: String,
    line: usize,
    problem: String,
    fix: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}\n    fix: {}", self.path, self.line, self.problem, self.fix)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut directories: Vec<_> = ["src", "tests", "benches"].map(|name| root.join(name)).into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source::new(&path.strip_prefix(root).unwrap().display().to_string(), &text));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn breaches(source: &Source) -> Vec<Breach> {
    let rules = [layers, roundabout_paths, confined_words, head, file_length, function_length];
    rules
        .iter()
        .flat_map(|rule| rule(source))
        .map(|(line, problem, fix)| Breach { path: source.path.clone(), line, problem, fix })
        .collect()
}

/// Line, problem, fix.
type Found = Vec<(usize, String, String)>;

fn layers(source: &Source) -> Found {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let row = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    let Some(own_row) = row(module) else {
        return vec![(
            1,
            format!("the module `{module}` has no layer"),
            "give it a row in LAYERS".to_owned(),
        )];
    };
    used_modules(&source.code)
        .into_iter()
        .filter(|(_, used)| used != module && row(used).is_none_or(|row| row <= own_row))
        .map(|(line, used)| {
            let fix = format!("`{module}` may use: {}", LAYERS[own_row + 1..].concat().join(", "));
            (line, format!("`{module}` uses `crate::{used}`, which is not to its right"), fix)
        })
        .collect()
}

/// The modules named behind `crate::`, single or as a group, with their lines.
fn used_modules(code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for at in occurrences(code, "crate::") {
        let rest = &code[at + "crate::".len()..];
        let line = line_of(code, at);
        let Some(group) = rest.strip_prefix('{') else {
            used.push((line, leading_name(rest)));
            continue;
        };
        let mut depth = 0;
        let is_end = |character: char| {
            depth += i32::from(character == '{') - i32::from(character == '}');
            depth < 0
        };
        let group = &group[..group.find(is_end).unwrap_or(group.len())];
        let mut depth = 0;
        let members = group.split(|character: char| {
            depth += i32::from(character == '{') - i32::from(character == '}');
            depth == 0 && character == ','
        });
        used.extend(members.map(|member| (line, leading_name(member.trim_start()))));
    }
    used.retain(|(_, name)| name.starts_with(|first: char| first.is_lowercase()));
    used
}

fn roundabout_paths(source: &Source) -> Found {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let is_top = [format!("src/{module}.rs"), format!("src/{module}/mod.rs")].contains(&source.path);
    let roundabout = if is_top { "super::" } else { "super::super::" };
    occurrences(&source.code, roundabout)
        .map(|at| {
            let problem = format!("`{roundabout}` leaves the module unseen");
            (line_of(&source.code, at), problem, "write `crate::`".to_owned())
        })
        .collect()
}

fn confined_words(source: &Source) -> Found {
    let mut found = Vec::new();
    for rule in CONFINED {
        if rule.places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for word in rule.words {
            found.extend(occurrences(&source.code, word).map(|at| {
                let problem = format!("`{word}` belongs in {} only", rule.places.join(", "));
                (line_of(&source.code, at), problem, rule.fix.to_owned())
            }));
        }
    }
    found
}

fn head(source: &Source) -> Found {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let fix = "open with `//!`: what it owns, what it must not know, where to start reading";
    vec![(1, "the file does not say what it is".to_owned(), fix.to_owned())]
}

fn file_length(source: &Source) -> Found {
    if source.lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let problem = format!("{} lines, {FILE_LINES_MAX} at most", source.lines);
    vec![(FILE_LINES_MAX, problem, "split it where its `//!` says \"and\"".to_owned())]
}

fn function_length(source: &Source) -> Found {
    let mut found = Vec::new();
    for at in occurrences(&source.code, "fn ") {
        let signature = &source.code[at..];
        let mut depth = 0;
        let body = signature.find(|character| {
            depth += i32::from("([".contains(character)) - i32::from(")]".contains(character));
            depth == 0 && "{;".contains(character)
        });
        let Some(body) = body.filter(|&body| signature[body..].starts_with('{')) else {
            continue;
        };
        let lines = signature[..body + blank::block_length(&signature[body..])].lines().count();
        if lines > FUNCTION_LINES_MAX {
            let name = leading_name(&signature["fn ".len()..]);
            let problem = format!("`{name}` has {lines} lines, {FUNCTION_LINES_MAX} at most");
            found.push((line_of(&source.code, at), problem, "give its parts names".to_owned()));
        }
    }
    found
}

/// Where `word` stands in `code`, not as a part of a longer name.
fn occurrences<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let joined_before = word.starts_with(is_name) && code[..at].ends_with(is_name);
        let joined_after = word.ends_with(is_name) && code[at + word.len()..].starts_with(is_name);
        !joined_before && !joined_after
    })
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

/// The lines at which a file of this path and text breaks a rule, and the problems.
fn problems(path: &str, text: &str) -> Vec<(usize, String)> {
    let text = format!("//! Head.\n{text}");
    breaches(&Source::new(path, &text)).into_iter().map(|breach| (breach.line, breach.problem)).collect()
}

fn assert_problem(path: &str, text: &str, line: usize, words: &str) {
    let problems = problems(path, text);
    let is_told = problems.len() == 1 && problems[0].0 == line && problems[0].1.contains(words);
    assert!(is_told, "{path}: {text}\nexpected line {line}: {words}\ngot {problems:?}");
}

fn assert_tidy(path: &str, text: &str) {
    assert_eq!(problems(path, text), [], "{path}: {text}");
}

#[test]
fn a_module_uses_only_what_stands_to_its_right() {
    assert_problem("src/pubsub/channels.rs", "\nuse crate::broker::Broker;", 3, "uses `crate::broker`");
    assert_problem("src/pubsub/mod.rs", "use crate::acl::Rule;", 2, "uses `crate::acl`");
    assert_problem("src/resp/reply.rs", "use crate::glob;", 2, "uses `crate::glob`");
    assert_problem(
        "src/broker/mod.rs",
        "fn f() {\n    crate::command::run();\n}",
        3,
        "uses `crate::command`",
    );
    assert_problem(
        "src/crdt/map.rs",
        "use crate::{map::HashKeys, presence::{a, b}};",
        2,
        "`crate::presence`",
    );
    assert_problem("src/helpers.rs", "", 1, "has no layer");
    assert_problem("src/acl/mod.rs", "use crate::helpers;", 2, "uses `crate::helpers`");
    assert_tidy("src/broker/mod.rs", "use crate::{map::HashKeys, presence::{a, b}};\nuse crate::broker::x;");
    assert_tidy("src/main.rs", "use hereabouts::net;");
    assert_tidy("src/crdt/map.rs", "#[cfg(test)]\nmod tests {\n    use crate::broker;\n}");
}

#[test]
fn paths_do_not_go_round_the_layers() {
    assert_problem("src/glob.rs", "use super::broker::Broker;", 2, "leaves the module unseen");
    assert_problem("src/pubsub/mod.rs", "use super::broker::Broker;", 2, "leaves the module unseen");
    assert_problem("src/pubsub/channels.rs", "use super::super::broker::Broker;", 2, "leaves the module");
    assert_tidy("src/pubsub/channels.rs", "use super::patterns::PatternIndex;");
}

#[test]
fn words_stay_where_they_are_confined() {
    for (text, word) in [
        ("async fn f() {}", "`async`"),
        ("let x = f().await;", "`.await`"),
        ("use tokio::net::TcpStream;", "`tokio::`"),
        ("let now = std::time::Instant::now();", "`Instant::now`"),
        ("use std::time::SystemTime;", "`SystemTime`"),
        ("std::thread::spawn(f);", "`thread::`"),
        ("getrandom::fill(&mut bytes);", "`getrandom`"),
        ("use std::hash::RandomState;", "`RandomState`"),
        ("use std::collections::HashMap;", "`HashMap`"),
        ("use std::collections::{BTreeMap, HashSet};", "`HashSet`"),
    ] {
        assert_problem("src/broker/mod.rs", text, 2, word);
        assert_tidy("src/net/client.rs", text);
        assert_tidy("src/main.rs", text);
    }
    for (text, word) in [
        ("struct S(Mutex<u8>);", "`Mutex`"),
        ("struct S(RwLock<u8>);", "`RwLock`"),
        ("use parking_lot::Once;", "`parking_lot`"),
        ("use crate::sync::atomic;", "`crate::sync`"),
        ("use std::sync::atomic::AtomicU8;", "`std::sync::atomic`"),
    ] {
        assert_problem("src/pubsub/mod.rs", text, 2, word);
        assert_tidy("src/broker/mod.rs", text);
        assert_tidy("src/outbox.rs", text);
    }
}

#[test]
fn what_is_not_code_breaks_no_rule() {
    assert_tidy("src/glob.rs", "// crate::broker\n/* async /* Mutex */ fn */\n/// HashMap");
    assert_tidy(
        "src/glob.rs",
        r##"const A: &str = "async \" Mutex"; const B: &str = r#"HashMap " Mutex"#;"##,
    );
    assert_tidy("src/glob.rs", "fn f<'a>(x: &'a u8) { let quote = '\"'; let other = b'\\''; } // async '");
    assert_tidy("src/glob.rs", "struct MyMutexLike; fn asynchronous() { thread_local(); }");
    assert_tidy("src/glob.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() { Mutex::new('{'); }\n}");
    assert_problem(
        "src/glob.rs",
        "#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nasync fn f() {}",
        6,
        "`async`",
    );
}

#[test]
fn every_file_says_what_it_is() {
    for path in ["src/glob.rs", "tests/tidy.rs", "benches/broker.rs"] {
        let breaches = breaches(&Source::new(path, "fn f() {}\n"));
        assert_eq!(breaches.len(), 1);
        assert!(
            breaches[0]
                .to_string()
                .starts_with(&format!("{path}:1: the file does not say what it is\n    fix: "))
        );
    }
}

#[test]
fn files_stay_short() {
    let lines = |count| "const A: u8 = 0;\n".repeat(count);
    let test_module = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(FILE_LINES_MAX));
    for path in ["src/glob.rs", "src/outbox_tests.rs", "tests/tidy.rs", "benches/broker.rs"] {
        assert_tidy(path, &lines(FILE_LINES_MAX - 1));
        assert_problem(path, &lines(FILE_LINES_MAX), FILE_LINES_MAX, "501 lines, 500 at most");
    }
    assert_tidy("src/glob.rs", &format!("{}{test_module}", lines(FILE_LINES_MAX - 10)));
    assert_problem("tests/glob.rs", &test_module, FILE_LINES_MAX, "lines, 500 at most");
}

#[test]
fn functions_stay_short() {
    let function =
        |count| format!("\nfn long(a: [u8; 4]) -> fn(u8) {{\n{}}}\n", "    { call(); }\n".repeat(count));
    assert_tidy("src/glob.rs", &function(FUNCTION_LINES_MAX - 2).repeat(3));
    assert_problem("src/glob.rs", &function(FUNCTION_LINES_MAX - 1), 3, "`long` has 71 lines, 70 at most");
    let declared = format!("trait T {{\n    fn declared();\n{}}}\n", "    const A: u8;\n".repeat(80));
    assert_tidy("src/glob.rs", &declared);
}
