//! The program: command line, log, signals, exit code.

use std::process::ExitCode;

use hereabouts::config::Config;
use hereabouts::net::Server;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut config = Config::default();
    tracing_subscriber::fmt().init();
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        if a == "--port" {
            config.port = Some(args.next().unwrap_or_default().parse().unwrap_or(0));
        }
        if a == "--maxclients" {
            config.maxclients = args.next().unwrap_or_default().parse().unwrap_or(0);
        }
    }
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if config.worker_threads > 0 {
        builder.worker_threads(config.worker_threads);
    }
    let runtime = builder.build().map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(async {
        let timeout = config.shutdown_timeout;
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let server = Server::start(config, "")?;
        match server.port() {
            Some(port) => tracing::info!("Ready to accept connections port={port}"),
            None => tracing::info!("Ready to accept connections"),
        }
        tokio::select! {
            _ = terminate.recv() => tracing::info!("Received SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("Received SIGINT: stopping"),
        }
        match server.stop(timeout).await {
            0 => tracing::info!("All clients have their output. Bye"),
            cut_off => tracing::warn!("{cut_off} clients did not take their output in time. Bye"),
        }
        Ok(())
    })
}
