//! The program: command line, log, signals, exit code.

use std::process::ExitCode;

use hereabouts::config::{self, Launch, Stop};
use hereabouts::net::Server;
use hereabouts::net::logging::{self, Logging};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Idle connections are many and small, and messages short-lived: both cost less here than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let launch = match config::load(std::env::args_os(), &config::read_file) {
        Ok(launch) => launch,
        Err(Stop::Done(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Failed(text)) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let logging = match logging::start(launch.config.loglevel, &launch.config.logfile) {
        Ok(logging) => logging,
        Err(error) => {
            eprintln!("logfile {}: {error}", launch.config.logfile);
            return ExitCode::FAILURE;
        }
    };
    match run(launch, &logging) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(launch: Launch, logging: &Logging) -> Result<(), String> {
    tracing::info!("Hereabouts {} starts, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
    match &launch.file {
        Some(file) => tracing::info!("Configuration loaded from {}", file.display()),
        None => tracing::info!("No configuration file: these are the defaults; see --help for options"),
    }
    for notice in &launch.notices {
        tracing::info!("{notice}");
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if launch.config.worker_threads > 0 {
        builder.worker_threads(launch.config.worker_threads);
    }
    let runtime = builder.build().map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(serve(launch, logging))
}

async fn serve(launch: Launch, logging: &Logging) -> Result<(), String> {
    let listen_for =
        |kind: SignalKind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let mut hangup = listen_for(SignalKind::hangup())?;
    let timeout = launch.config.shutdown_timeout;
    let file = launch.file.map_or_else(String::new, |file| file.display().to_string());
    let server = Server::start(launch.config, &file)?;
    match server.port() {
        Some(port) => tracing::info!("Ready to accept connections port={port}"),
        None => tracing::info!("Ready to accept connections"),
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("Received SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("Received SIGINT: stopping"),
        () = reopen_on(&mut hangup, logging) => {}
    }
    match server.stop(timeout).await {
        0 => tracing::info!("All clients have their output. Bye"),
        cut_off => tracing::warn!("{cut_off} clients did not take their output within shutdown-timeout. Bye"),
    }
    Ok(())
}

/// Reopens the log at each signal, as logrotate expects it.
async fn reopen_on(hangup: &mut Signal, logging: &Logging) {
    while hangup.recv().await.is_some() {
        match logging.reopen() {
            Ok(()) => tracing::info!("Received SIGHUP: the log is reopened"),
            Err(error) => tracing::error!("Received SIGHUP, but the log cannot be reopened: {error}"),
        }
    }
    std::future::pending().await
}
