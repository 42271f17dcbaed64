//! Gets the client libraries: a virtual environment for Python, `node_modules` for Node, a crate for Rust; and the
//! sources of those whose own tests are run. Each is made once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::unavailable;

/// How long an installation may take. Building the Rust libraries takes two minutes of one core.
const PATIENCE: Duration = Duration::from_secs(900);

/// What has its own tests in its source package, at the version that `requirements.txt` has too.
const REDIS_PY: &str = "redis==8.1.0";

/// The scripts and the lists of what they need.
pub(super) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Where the libraries go: beside what cargo builds.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("clients")
}

/// The Python that has the libraries, or nothing and a line that says why.
pub(super) fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available("redis-py", PYTHON.get_or_init(|| virtual_environment("python", &scripts().join("python"))))
}

/// The directory of the Node libraries, or nothing and a line that says why.
pub(super) fn node_modules() -> Option<PathBuf> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available("ioredis and node-redis", NODE.get_or_init(|| packages("node", &scripts().join("node"))))
}

/// The Python that has the frameworks, or nothing and a line that says why.
pub(super) fn frameworks_python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available(
        "python-socketio and Django Channels",
        PYTHON.get_or_init(|| virtual_environment("frameworks-python", &scripts().join("frameworks"))),
    )
}

/// The directory of the Node frameworks, or nothing and a line that says why.
pub(super) fn frameworks_modules() -> Option<PathBuf> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available(
        "Socket.IO and graphql-redis-subscriptions",
        NODE.get_or_init(|| packages("frameworks-node", &scripts().join("frameworks"))),
    )
}

/// The directory of NestJS, or nothing and a line that says why.
pub(super) fn nestjs_modules() -> Option<PathBuf> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available(
        "NestJS",
        NODE.get_or_init(|| packages("frameworks-nestjs", &scripts().join("frameworks/nestjs"))),
    )
}

/// Makes a virtual environment of this name with what `requirements.txt` lists, and returns its interpreter.
fn virtual_environment(name: &str, lists: &Path) -> Result<PathBuf, String> {
    let home = directory().join(name);
    let python = home.join("bin/python");
    once(&home, &lists.join("requirements.txt"), |list| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = Command::new(&python);
        run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(list))
    })?;
    Ok(python)
}

/// Installs what `package-lock.json` lists below a directory of this name, and returns where it is.
fn packages(name: &str, lists: &Path) -> Result<PathBuf, String> {
    let home = directory().join(name);
    once(&home, &lists.join("package-lock.json"), |list| {
        run(Command::new("node").arg("--version"))?;
        std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        for file in [list, &lists.join("package.json")] {
            let copy = home.join(file.file_name().expect("a name"));
            std::fs::copy(file, copy).map_err(|error| error.to_string())?;
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&home))
    })?;
    Ok(home.join("node_modules"))
}

/// The source of redis-py with its own tests, or nothing and a line that says why.
pub(super) fn redis_py_source() -> Option<PathBuf> {
    static SOURCE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = python()?;
    available(
        "redis-py's own tests",
        SOURCE.get_or_init(|| {
            let home = directory().join("redis-py");
            once(&home, &scripts().join("python/requirements.txt"), |_| {
                run(Command::new(&python)
                    .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
                    .args(["--no-binary", ":all:", REDIS_PY, "--dest"])
                    .arg(&home))?;
                let package = home.join(format!("{}.tar.gz", REDIS_PY.replace("==", "-")));
                run(Command::new(&python).args(["-m", "tarfile", "--extract"]).args([&package, &home]))
            })?;
            Ok(home.join(REDIS_PY.replace("==", "-")))
        }),
    )
}

/// The crate of the Rust scripts with redis-rs's own tests beside them, or nothing and a line that says why.
///
/// It is made of links to our files and a copy of the tests in the package that cargo has unpacked, which it then builds
/// as the crate's own.
pub(super) fn rust_crate() -> Option<PathBuf> {
    static CRATE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available(
        "redis-rs and fred",
        CRATE.get_or_init(|| {
            let home = directory().join("rust/crate");
            std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
            for name in ["Cargo.toml", "Cargo.lock", "src", "test_macros"] {
                link(&scripts().join("rust").join(name), &home.join(name))?;
            }
            let metadata = output(cargo(&home).args(["metadata", "--format-version", "1", "--locked"]))?;
            let redis = manifest_directory(&metadata, "redis")
                .ok_or("cargo metadata does not tell where redis-rs is")?;
            copy_tests(&redis.join("tests"), &home.join("tests")).map_err(|error| error.to_string())?;
            let tests = RUST_TESTS.iter().flat_map(|test| ["--test", test]);
            run(cargo(&home).args(["build", "--quiet", "--locked", "--bins"]).args(tests))?;
            Ok(home)
        }),
    )
}

/// The files of redis-rs's own tests that are about pub/sub.
pub(super) const RUST_TESTS: [&str; 2] = ["test_async", "test_basic"];

/// Where redis-rs's tests set a key only to see that a connection still serves commands, an ECHO tells the same: file,
/// what stands there, what we put there.
const PROBES: &[(&str, &str, &str)] = &[
    (
        "support/pubsub.rs",
        r#"let _: () = conn.set(key, "value").await.unwrap();"#,
        r#"let _: Value = cmd("ECHO").arg(key).query_async(conn).await.unwrap();"#,
    ),
    (
        "support/pubsub.rs",
        "= conn.get(key).await.unwrap();",
        r#"= cmd("ECHO").arg("value").query_async(conn).await.unwrap();"#,
    ),
    (
        "support/pubsub.rs",
        "= get_conn.get(key).await;",
        r#"= cmd("ECHO").arg("value").query_async(&mut get_conn).await;"#,
    ),
    (
        "test_async.rs",
        r#"let _: () = conn.set("A", "1").await.unwrap();"#,
        r#"cmd("ECHO").arg("A").exec_async(&mut conn).await.unwrap();"#,
    ),
    (
        "test_basic.rs",
        r#"let _: () = con.set("A", "1").unwrap();"#,
        r#"cmd("ECHO").arg("A").exec(&mut con).unwrap();"#,
    ),
    ("test_basic.rs", r#"= con.set("A", "1");"#, r#"= cmd("ECHO").arg("A").exec(&mut con);"#),
    (
        "test_basic.rs",
        " con.set(\"foo\", \"bar\").unwrap();\n        let value = con.get(\"foo\").unwrap().unwrap();",
        r#" let value: String = cmd("ECHO").arg("bar").query(&mut con).unwrap();"#,
    ),
    (
        "test_basic.rs",
        " con.set(\"baz\", \"qux\").unwrap();\n        let value = con.get(\"baz\").unwrap().unwrap();",
        r#" let value: String = cmd("ECHO").arg("qux").query(&mut con).unwrap();"#,
    ),
    (
        "test_basic.rs",
        " pubsub_con.set(\"foo\", \"bar\").unwrap();\n        let value = pubsub_con.get(\"foo\").unwrap().unwrap();",
        r#" let value: String = cmd("ECHO").arg("bar").query(&mut pubsub_con).unwrap();"#,
    ),
];

/// Copies the tests with other probes; what is there already keeps its time, so that cargo does not build it again.
fn copy_tests(from: &Path, to: &Path) -> std::io::Result<()> {
    for part in ["", "support"] {
        std::fs::create_dir_all(to.join(part))?;
        for entry in std::fs::read_dir(from.join(part))? {
            let path = entry?.path();
            if path.is_dir() {
                continue;
            }
            let name = path.strip_prefix(from).expect("a path below");
            let mut text = std::fs::read_to_string(&path)?;
            for (_, theirs, ours) in PROBES.iter().filter(|(file, _, _)| Path::new(file) == name) {
                assert!(text.contains(theirs), "{} has changed: {theirs}", name.display());
                text = text.replace(theirs, ours);
            }
            if std::fs::read_to_string(to.join(name)).ok().as_ref() != Some(&text) {
                std::fs::write(to.join(name), text)?;
            }
        }
    }
    Ok(())
}

/// The directory of the Rust scripts' programs.
pub(super) fn rust_scripts() -> Option<PathBuf> {
    rust_crate().map(|_| directory().join("rust/target/debug"))
}

/// Cargo for the crate of the Rust scripts, with a place of its own for what it builds.
pub(super) fn cargo(home: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(home).env("CARGO_TARGET_DIR", directory().join("rust/target"));
    command
}

/// A directory in which our program has the name of Redis's, for what starts a server by that name.
pub(super) fn as_redis_server() -> PathBuf {
    let home = directory().join("bin");
    std::fs::create_dir_all(&home).expect("create a directory");
    link(Path::new(env!("CARGO_BIN_EXE_hereabouts")), &home.join("redis-server")).expect("link");
    home
}

/// Where cargo has the package of this name.
fn manifest_directory(metadata: &str, package: &str) -> Option<PathBuf> {
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let version = |directory: &Path| {
        directory.file_name()?.to_str()?.strip_prefix(package)?.strip_prefix('-')?.chars().next()
    };
    manifests
        .filter_map(|manifest| Path::new(manifest).parent())
        .find(|directory| version(directory).is_some_and(|first| first.is_ascii_digit()))
        .map(Path::to_owned)
}

/// Makes a link; two tests may do so at once.
fn link(to: &Path, from: &Path) -> Result<(), String> {
    if std::fs::read_link(from).is_ok_and(|target| target == to) {
        return Ok(());
    }
    let fresh = from.with_extension(format!("{:?}", std::thread::current().id()));
    let made = std::os::unix::fs::symlink(to, &fresh).and_then(|()| std::fs::rename(&fresh, from));
    made.map_err(|error| format!("{}: {error}", from.display()))
}

/// Does the work unless it was done before for the same list.
fn once(home: &Path, list: &Path, work: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let wanted = std::fs::read(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let done = home.join("installed");
    if std::fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    work(list)?;
    std::fs::write(done, wanted).map_err(|error| error.to_string())
}

fn available(what: &str, found: &Result<PathBuf, String>) -> Option<PathBuf> {
    match found {
        Ok(path) => Some(path.clone()),
        Err(error) => {
            unavailable(what, error);
            None
        }
    }
}

/// What a command prints on its standard output.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end; the error holds all that it printed.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = directory().join(format!("output-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(directory()).map_err(|error| error.to_string())?;
    let file = std::fs::File::create(&output).map_err(|error| error.to_string())?;
    let both = file.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(file).stderr(both);
    let mut child = command.spawn().map_err(|error| format!("{shown}: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(status)) => break format!("{status}"),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break format!("not done after {PATIENCE:?}");
            }
        }
    };
    let text = std::fs::read(&output).unwrap_or_default();
    let _ = std::fs::remove_file(&output);
    if status == "exit status: 0" {
        return Ok(());
    }
    Err(format!("{shown}: {status}\n{}", String::from_utf8_lossy(&text)))
}

/// Also the way to have them all before anything else is tested.
#[test]
fn the_libraries_can_be_installed() {
    let _ = (python(), node_modules(), redis_py_source(), rust_crate());
    let _ = (frameworks_python(), frameworks_modules(), nestjs_modules());
}
