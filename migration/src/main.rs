//! The migration command, `anima-migration`: `up`, `down`, `fresh`, `status`.

use std::{fmt::Display, process::ExitCode, str::FromStr};

use anima_migration::{Error, Migrator, State, run};
use clap::{Parser, Subcommand};
use sea_orm_migration::{
    MigratorTrait,
    sea_orm::{
        DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
        sqlx::{
            self, ConnectOptions, Connection,
            postgres::{PgConnectOptions, PgPoolOptions},
            sqlite::{SqliteConnectOptions, SqlitePoolOptions},
        },
    },
};

/// Creates and upgrades the database of Anima.
///
/// A command is all or nothing: when it fails or is killed, the database is as it was before.
/// Two at once are harmless: the second waits for the first. A database that a later version of
/// Anima has migrated is refused.
#[derive(Parser)]
#[command(name = "anima-migration", version, arg_required_else_help = true)]
struct Arguments {
    /// The database: sqlite://<file>?mode=rwc (rwc creates the file) or
    /// postgres://<user>:<password>@<host>/<database>
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ANIMA_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://anima.db?mode=rwc"
    )]
    database_url: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Applies pending migrations; the data stays
    Up {
        /// Apply only so many, oldest first
        #[arg(short = 'n', long, value_name = "COUNT")]
        steps: Option<u32>,
    },
    /// Takes back the newest migrations: DELETES their tables and all data in them
    Down {
        /// How many to take back, newest first
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1)]
        steps: u32,
        /// Take back all of them, which leaves an empty database
        #[arg(long, conflicts_with = "steps")]
        all: bool,
    },
    /// DELETES every table in the database with all data, Anima's or not, and applies all migrations
    Fresh,
    /// Lists the migrations and whether each is applied; only reads
    Status {
        /// Exit with 1 unless exactly the migrations of this version are applied
        #[arg(long)]
        check: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments {
        database_url,
        command,
    } = Arguments::parse();
    match execute(&database_url, &command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", without_secrets(&error, &database_url));
            ExitCode::FAILURE
        }
    }
}

async fn execute(url: &str, command: &Command) -> Result<ExitCode, Error> {
    match *command {
        Command::Up { steps } => {
            report(
                "applied",
                &run::up::<Migrator>(&connect(url, false).await?, steps).await?,
            );
        }
        Command::Down { steps, all } => {
            let steps = (!all).then_some(steps);
            report(
                "taken back",
                &run::down::<Migrator>(&connect(url, false).await?, steps).await?,
            );
        }
        Command::Fresh => {
            report(
                "applied",
                &run::fresh::<Migrator>(&connect(url, false).await?).await?,
            );
        }
        Command::Status { check } => {
            let state = if is_missing_file(url)? {
                println!("the database does not exist yet");
                let pending = Migrator::migrations();
                State {
                    pending: pending.iter().map(|one| one.name().to_owned()).collect(),
                    ..State::default()
                }
            } else {
                run::state::<Migrator, _>(&connect(url, true).await?).await?
            };
            print_state(&state);
            if check && !state.is_current() {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(done: &str, names: &[String]) {
    if names.is_empty() {
        println!("nothing to do");
    }
    for name in names {
        println!("{done}: {name}");
    }
}

fn print_state(state: &State) {
    for (word, names) in [
        ("applied", &state.applied),
        ("pending", &state.pending),
        ("unknown", &state.unknown),
    ] {
        for name in names {
            println!("{word}: {name}");
        }
    }
    println!(
        "{} applied, {} pending, {} unknown to this version",
        state.applied.len(),
        state.pending.len(),
        state.unknown.len()
    );
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, Error> {
    if !url.starts_with("sqlite:") {
        let reason = "the database URL begins with neither sqlite: nor postgres:";
        return Err(Error::Connection(sqlx::Error::Configuration(reason.into())));
    }
    Ok(SqliteConnectOptions::from_str(url)?)
}

fn is_missing_file(url: &str) -> Result<bool, Error> {
    if is_postgres(url) || url.contains(":memory:") || url.contains("mode=memory") {
        return Ok(false);
    }
    Ok(!sqlite_options(url)?.get_filename().exists())
}

async fn connect(url: &str, read_only: bool) -> Result<DatabaseConnection, Error> {
    if is_postgres(url) {
        let mut options = PgConnectOptions::from_str(url)?.disable_statement_logging();
        if read_only {
            options = options.options([("default_transaction_read_only", "on")]);
        }
        // Alone first, for the reason of a refusal: a pool only says that it timed out.
        options.connect().await?.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    } else {
        let mut options = sqlite_options(url)?.disable_statement_logging();
        if read_only {
            options = options.read_only(true).create_if_missing(false);
        }
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
    }
}

/// The message, without the URL's password should a driver have quoted it.
fn without_secrets(error: &impl Display, url: &str) -> String {
    let mut message = error.to_string();
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let password = authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'));
    let in_query = url
        .split(['?', '&'])
        .filter_map(|part| part.strip_prefix("password="));
    for secret in password
        .map(|(_, secret)| secret)
        .into_iter()
        .chain(in_query)
    {
        if !secret.is_empty() {
            message = message.replace(secret, "***");
        }
    }
    message
}
