//! The program: command line, log, signals, exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use hereabouts::broker::StopRequest;
use hereabouts::config::{self, Launch, Stop};
use hereabouts::net::Server;
use hereabouts::net::logging::{self, Logging};
use hereabouts::net::measure::allocator_name;
use hereabouts::net::process::{self, PidFile};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Idle connections are many and small, and messages short-lived: both cost less here than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut launch = match config::load(std::env::args_os(), &config::read_file) {
        Ok(launch) => launch,
        Err(Stop::Done(text)) => return print(&text),
        Err(Stop::RedisVersion) => return print(&config::version_line(&allocator_name())),
        Err(Stop::Failed(text)) => return complain(&text),
    };
    // Before anything else that has a path.
    let entered = process::enter(&launch.config.dir);
    if let Ok(directory) = std::env::current_dir() {
        launch.config.dir = directory.display().to_string();
    }
    let logging = match logging::start(&launch.config) {
        Ok(logging) => logging,
        Err(error) => return complain(&error),
    };
    announce(&launch, entered);
    run(launch, &logging).unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::FAILURE
    })
}

/// Prints what was asked for. `println!` would panic where the reader has gone, as `head` does, or the disk is full.
fn print(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&format!("cannot write to standard output: {error}")),
    }
}

/// Says why there is no server.
fn complain(text: &str) -> ExitCode {
    // Nobody may be reading: the exit code says it as well.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// The first lines of the log. Redis's own suites wait for ` PID: ` and `Server initialized`, in this order.
fn announce(launch: &Launch, entered: Result<(), String>) {
    let (process, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
    if launch.as_redis {
        let (redis, bits) = (config::REDIS_VERSION, usize::BITS);
        tracing::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
        tracing::info!(
            "Redis version={redis}, bits={bits}, commit=00000000, modified=0, pid={process}, just started"
        );
    }
    tracing::info!("Hereabouts {version} starts, PID: {process}");
    match &launch.file {
        Some(file) => tracing::info!("Configuration loaded from {}", file.display()),
        None => tracing::info!("Configuration loaded without a file; see --help for options"),
    }
    if let Err(warning) = entered {
        tracing::warn!("{warning}");
    }
    for notice in &launch.notices {
        match notice.is_warning() {
            true => tracing::warn!("{notice}"),
            false => tracing::info!("{notice}"),
        }
    }
}

fn run(launch: Launch, logging: &Logging) -> Result<ExitCode, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if launch.config.worker_threads > 0 {
        builder.worker_threads(launch.config.worker_threads);
    }
    let runtime = builder.build().map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(serve(launch, logging))
}

async fn serve(launch: Launch, logging: &Logging) -> Result<ExitCode, String> {
    let mut signals = Signals::new()?;
    let mut hangup = listen_for(SignalKind::hangup())?;
    let file = launch.file.map_or_else(String::new, |file| file.display().to_string());
    let server = Server::start(launch.config, &file, Some(logging.clone()))?;
    let _pid_file = write_pid_file(&server);
    let told = async {
        server.joined().await;
        tell_ready(&server);
        std::future::pending().await
    };
    let request = tokio::select! {
        request = told => request,
        name = signals.stop() => {
            tracing::info!("Received {name} scheduling shutdown...");
            StopRequest::Graceful
        }
        request = server.stop_requested() => request,
        () = follow_hangups(&mut hangup, logging, &server) => StopRequest::Graceful,
    };
    let timeout = match request {
        StopRequest::Graceful => server.broker().config().shutdown_timeout,
        StopRequest::Now => Duration::ZERO,
    };
    tracing::info!("User requested shutdown...");
    process::tell_stopping(timeout);
    tokio::select! {
        cut_off = server.stop(timeout) => match cut_off {
            0 => tracing::info!("All clients have their output. Ready to exit, bye bye..."),
            cut_off => tracing::warn!("{cut_off} clients did not take their output in time. Ready to exit, bye bye..."),
        },
        name = signals.stop() => {
            tracing::warn!("Received {name} while stopping: clients are cut off. You insist... exiting now.");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the file that `pidfile` names; without it the server can do its work.
fn write_pid_file(server: &Server) -> Option<PidFile> {
    let config = server.broker().config();
    let path = config.pidfile.as_deref()?;
    PidFile::write(path)
        .map_err(|error| {
            tracing::warn!(
                "pidfile {}: {error}. The server runs without it: create the directory and let this user write there",
                path.display()
            );
        })
        .ok()
}

/// Says that clients are served, in the log and to the service manager.
fn tell_ready(server: &Server) {
    let config = server.broker().config();
    tracing::info!("Server initialized");
    let mut addresses = Vec::new();
    if let Some(port) = server.port() {
        tracing::info!(port, "Ready to accept connections tcp");
        addresses.push(format!("port {port}"));
    }
    if let Some(port) = server.tls_port() {
        tracing::info!(port, "Ready to accept connections tls");
        addresses.push(format!("TLS port {port}"));
    }
    if let Some(path) = &config.unixsocket {
        tracing::info!(path = %path.display(), "Ready to accept connections unix");
        addresses.push(path.display().to_string());
    }
    process::tell_ready(&format!("Ready to accept connections: {}", addresses.join(", ")));
}

/// The signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let terminate = listen_for(SignalKind::terminate())?;
        Ok(Signals { terminate, interrupt: listen_for(SignalKind::interrupt())? })
    }

    /// Waits for the next one and returns its name.
    async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}

/// At each signal opens the log again, as logrotate expects it, and reads the certificates again, as whoever renews them
/// does.
async fn follow_hangups(hangup: &mut Signal, logging: &Logging, server: &Server) {
    while hangup.recv().await.is_some() {
        let certificates = server.read_certificates();
        match &certificates {
            Ok(true) => {
                tracing::info!("Received SIGHUP: new connections get the certificate in tls-cert-file")
            }
            Ok(false) => {}
            Err(_) => {
                tracing::error!("Received SIGHUP, but new connections go on to get the certificate of before")
            }
        }
        match logging.reopen() {
            Ok(Some(path)) => tracing::info!("Received SIGHUP: logfile {} is opened again", path.display()),
            Ok(None) if certificates == Ok(false) => {
                tracing::info!("Received SIGHUP: nothing to do, as there is no logfile to open again")
            }
            Ok(None) => {}
            Err(error) => tracing::error!(
                "Received SIGHUP, but logfile cannot be opened again: {error}. The log goes on where it was"
            ),
        }
    }
    std::future::pending().await
}
