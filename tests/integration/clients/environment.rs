//! Gets the client libraries: a virtual environment for Python, `node_modules` for Node, each made once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::unavailable;

/// How long an installation or a script may take.
const PATIENCE: Duration = Duration::from_secs(300);

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
    available(
        "redis-py",
        PYTHON.get_or_init(|| {
            let home = directory().join("python");
            let python = home.join("bin/python");
            once(&home, &scripts().join("requirements.txt"), |list| {
                run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
                let mut pip = Command::new(&python);
                run(pip
                    .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                    .arg(list))
            })?;
            Ok(python)
        }),
    )
}

/// The directory of the Node libraries, or nothing and a line that says why.
pub(super) fn node_modules() -> Option<PathBuf> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    available(
        "ioredis and node-redis",
        NODE.get_or_init(|| {
            let home = directory().join("node");
            once(&home, &scripts().join("package-lock.json"), |list| {
                run(Command::new("node").arg("--version"))?;
                std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
                for file in [list, &scripts().join("package.json")] {
                    let copy = home.join(file.file_name().expect("a name"));
                    std::fs::copy(file, copy).map_err(|error| error.to_string())?;
                }
                run(Command::new("npm")
                    .args(["ci", "--no-audit", "--no-fund", "--silent"])
                    .current_dir(&home))
            })?;
            Ok(home.join("node_modules"))
        }),
    )
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

/// Runs a script to its end, and fails with all that it printed when it fails.
#[track_caller]
pub(super) fn run_script(command: &mut Command) {
    match run(command) {
        Ok(()) => {}
        Err(output) => panic!("{output}"),
    }
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
