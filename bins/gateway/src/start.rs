//! Starting and stopping the process: connect, look at the schema, migrate, first start, serve
//! until a signal.

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use app::{Services, Settings, identity::first_start};
use chrono::TimeDelta;
use domain::dna::voice::Catalogue;
use persistence::{Db, engine::Options};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    commands,
    config::{Config, LogFormat},
    serve::{ServeError, serve, work},
    shutdown::Signals,
};

/// Why the gateway does not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be followed.
    #[error("{0}")]
    Config(String),
    /// The database cannot be reached, or not be written.
    #[error("the database {url} (--database-url, ANIMA_DATABASE_URL) {what}: {cause}")]
    Database {
        /// Which, without its password.
        url: String,
        /// What it does wrong.
        what: &'static str,
        /// In its own words.
        cause: String,
    },
    /// The schema is not this version's.
    #[error("{0}")]
    Schema(String),
    /// Nothing can be listened to.
    #[error(transparent)]
    Listen(ServeError),
    /// A use case failed.
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// What the process ends with; `--help` lists them.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Config(_) => 2,
            Self::Database { .. } => 3,
            Self::Schema(_) => 4,
            Self::Listen(_) => 5,
        })
    }

    fn database(config: &Config, what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Database {
            url: config.database_url.to_string(),
            what,
            cause: cause.to_string(),
        }
    }
}

impl From<ServeError> for StartError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(message) => Self::Config(message),
            listen @ ServeError::Listen { .. } => Self::Listen(listen),
        }
    }
}

impl From<app::Error> for StartError {
    fn from(error: app::Error) -> Self {
        match error {
            app::Error::Persistence(cause) => Self::Failed(with_causes(&cause)),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Sets up the log, on standard error: standard output is for what was asked for.
///
/// # Errors
/// When `--log` is no filter.
pub fn log(config: &Config) -> Result<(), StartError> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| StartError::Config(format!("--log (ANIMA_LOG): {error}")))?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Already set up, in a test: that one stays.
    let _ = match config.log_format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(text, place, "panic");
    }));
    Ok(())
}

/// Connects, and brings the schema up to this version unless told not to.
///
/// # Errors
/// When the database cannot be reached or written, or its schema is not this version's.
pub async fn services(config: &Config) -> Result<Arc<Services>, StartError> {
    let options = Options {
        replica_url: config.replica_url.as_ref().map(|it| it.reveal().to_owned()),
        connections: config.database_connections,
        statement_timeout: config.statement_timeout,
        ..Options::new(config.database_url.reveal())
    };
    let db = Db::connect(&options)
        .await
        .map_err(|error| StartError::database(config, "cannot be opened", with_causes(&error)))?;
    schema(config, &db).await?;
    db.check_writable()
        .await
        .map_err(|error| StartError::database(config, "cannot be written", with_causes(&error)))?;
    let settings = Settings {
        policy_version: config.policy_version.clone(),
        voices: voices(config)?,
        events_kept: (config.events_retention_days > 0)
            .then(|| TimeDelta::days(config.events_retention_days.into())),
        ..Settings::default()
    };
    Ok(Services::system(db, settings))
}

/// The built-in voices and those of the operator's file.
fn voices(config: &Config) -> Result<Arc<Catalogue>, StartError> {
    let Some(file) = &config.voices else {
        return Ok(Arc::new(Catalogue::built_in().clone()));
    };
    let wrong = |cause: &dyn std::fmt::Display| {
        StartError::Config(format!(
            "--voices (ANIMA_VOICES): {}: {cause}",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let catalogue = Catalogue::with_file(&text).map_err(|error| wrong(&error))?;
    Ok(Arc::new(catalogue))
}

async fn schema(config: &Config, db: &Db) -> Result<(), StartError> {
    use migration::Error;
    let failed = |error: Error| match error {
        newer @ Error::Newer(_) => StartError::Schema(newer.to_string()),
        other => StartError::database(config, "cannot be migrated", with_causes(&other)),
    };
    let state = migration::state(db.reader()).await.map_err(failed)?;
    if !state.unknown.is_empty() {
        return Err(StartError::Schema(Error::Newer(state.unknown).to_string()));
    }
    if state.pending.is_empty() {
        return Ok(());
    }
    if config.no_migrate {
        return Err(StartError::Schema(format!(
            "the database's schema is not this version's: {} is pending; run anima-migration up, \
             or start without --no-migrate (ANIMA_NO_MIGRATE)",
            state.pending.join(", ")
        )));
    }
    let applied = migration::migrate(db.writer()).await.map_err(failed)?;
    tracing::info!(
        applied = applied.len(),
        "the schema was brought up to this version"
    );
    Ok(())
}

/// Serves until a signal, and stops in order.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), StartError> {
    config.check().map_err(StartError::Config)?;
    let mut signals = Signals::listen()
        .map_err(|error| StartError::Failed(format!("signals cannot be received: {error}")))?;
    let starting = async {
        let services = services(&config).await?;
        let first = first_start(&services).await?;
        app::persona::ship(&services).await?;
        if config.demo {
            app::demo::fill(&services).await?;
        }
        let running = serve(config.clone(), Arc::clone(&services)).await?;
        Ok::<_, StartError>((services, first, running))
    };
    let (services, first, running) = tokio::select! {
        started = starting => started?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it had started");
            return Ok(());
        }
    };
    tracing::info!(address = %running.address, database = %config.database_url, "ready");
    if let Some(first) = first {
        let token = first.token.reveal();
        println!("This is the first start. The administrator \"admin\" has been made.");
        println!("API key, shown this once: {token}");
        if !config.no_graphiql {
            let address = commands::local(running.address);
            println!("GraphiQL: http://{address}/graphiql#token={token}");
        }
    }

    until_stopped(signals, &services, running.stop()).await;
    Ok(())
}

/// Does outbox tasks and sweeps until a signal, and stops in order.
///
/// # Errors
/// When it cannot start.
pub async fn run_worker(config: Config) -> Result<(), StartError> {
    config.check().map_err(StartError::Config)?;
    let mut signals = Signals::listen()
        .map_err(|error| StartError::Failed(format!("signals cannot be received: {error}")))?;
    let starting = async {
        let services = services(&config).await?;
        let working = work(config.clone(), Arc::clone(&services)).await?;
        Ok::<_, StartError>((services, working))
    };
    let (services, working) = tokio::select! {
        started = starting => started?,
        signal = signals.next() => {
            tracing::info!(signal, "stopped before it had started");
            return Ok(());
        }
    };
    tracing::info!(database = %config.database_url, "ready");
    until_stopped(signals, &services, working.stop()).await;
    Ok(())
}

/// Waits for a signal, stops, and closes the database.
async fn until_stopped(
    mut signals: Signals,
    services: &Services,
    stop: impl Future<Output = bool>,
) {
    let signal = signals.next().await;
    tracing::info!(
        signal,
        "stopping: finishing what runs; a second signal stops at once"
    );
    tokio::select! {
        finished = stop => if !finished {
            tracing::warn!("what still ran after the time configured was given up");
        },
        signal = signals.next() => {
            tracing::warn!(signal, "stopped at once");
            return;
        }
    }
    if let Err(error) = services.db.clone().close().await {
        tracing::warn!(%error, "the database could not be closed");
    }
}

/// An error with what caused it. Ours do not repeat their cause; a driver's do, and that
/// repetition is left out.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
