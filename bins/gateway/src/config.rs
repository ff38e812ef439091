//! What the operator can choose: command-line flags, each with an `ANIMA_…` variable.
//!
//! `anima-gateway --help` is the reference; a test holds `docs/operations.md` to it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::BoolishValueParser,
    error::{ContextKind, ContextValue},
};
use ipnet::IpNet;

use crate::value::{Amount, DatabaseUrl, Origin, RateLimit, bytes, duration, network};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "anima-gateway",
    version,
    about = "The gateway of Anima: GraphQL over HTTP, WebSocket and server-sent events.",
    after_help = "Every flag can also be given by its variable; the flag goes first. \
                  Durations: 500ms, 30s, 2m, 1h. Sizes: 1048576, 512KiB, 1MiB.\n\
                  Exit codes: 0 stopped as asked, 1 failed, 2 configuration, \
                  3 database not reachable or not writable, 4 schema newer or not migrated, \
                  5 address not available."
)]
pub struct Cli {
    /// How to serve.
    #[command(flatten)]
    pub config: Config,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Access tokens (API keys).
    #[command(subcommand)]
    Token(TokenCommand),
    /// Persons.
    #[command(subcommand)]
    User(UserCommand),
    /// Asks the gateway on this machine whether it is ready; exit code 0 when it is.
    Health,
    /// Does outbox tasks and sweeps, and serves nothing but --metrics-listen.
    Worker,
    /// Prints the GraphQL schema.
    Schema,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes an API key and prints it, alone, on standard output. It is shown once.
    Create {
        /// Whose: a user name or a user's id.
        #[arg(long)]
        user: String,
        /// What it is for, 1 to 100 characters.
        #[arg(long)]
        name: String,
        /// What it may do: read, write, admin, entity:ID. Repeatable; default: all that the
        /// user's role allows.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it ends: an RFC 3339 time, or a duration from now such as 30d. Default: never.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// Lists a person's tokens: id, prefix, name, last use. Never a secret.
    List {
        /// Whose: a user name or a user's id.
        #[arg(long)]
        user: String,
    },
    /// Revokes a token. Running gateways notice within 30 seconds.
    Revoke {
        /// The token's id, as `token list` shows it.
        id: String,
    },
}

/// What can be done with persons.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Makes a person and prints the id.
    Create {
        /// The person's name, 1 to 100 characters.
        #[arg(long)]
        name: String,
        /// A unique handle to log in by, [a-z0-9_.-]{1,50}.
        #[arg(long)]
        user_name: Option<String>,
        /// Unique e-mail address.
        #[arg(long)]
        email: Option<String>,
        /// admin, user, service or counselor.
        #[arg(long, default_value = "user")]
        role: String,
    },
}

/// How to serve.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where to listen.
    #[arg(
        long,
        env = "ANIMA_LISTEN",
        default_value = "127.0.0.1:8000",
        value_name = "ADDRESS:PORT",
        global = true,
        help_heading = "Server"
    )]
    pub listen: SocketAddr,

    /// A reverse proxy whose X-Forwarded-For is believed: an address or a network such as
    /// 10.0.0.0/8. Repeatable. Without it limits count by the address that connects.
    #[arg(
        long,
        env = "ANIMA_TRUSTED_PROXY",
        value_name = "NETWORK",
        value_delimiter = ',',
        value_parser = network,
        help_heading = "Server"
    )]
    pub trusted_proxy: Vec<IpNet>,

    /// An origin whose pages may use the API, such as `https://app.example.org`; `*` for every
    /// one. Repeatable. Without it no page but the gateway's own may.
    #[arg(
        long,
        env = "ANIMA_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Server"
    )]
    pub cors_origin: Vec<Origin>,

    /// How long running requests may take to finish after a stop was asked for.
    #[arg(
        long,
        env = "ANIMA_SHUTDOWN_TIMEOUT",
        default_value = "30s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Server"
    )]
    pub shutdown_timeout: Duration,

    /// `sqlite://FILE?mode=rwc` or `postgres://USER:PASSWORD@HOST:PORT/NAME` (14 or later,
    /// with pgvector).
    #[arg(
        long,
        env = "ANIMA_DATABASE_URL",
        default_value = "sqlite://anima.db?mode=rwc",
        value_name = "URL",
        hide_env_values = true,
        global = true,
        help_heading = "Database"
    )]
    pub database_url: DatabaseUrl,

    /// A read replica (PostgreSQL), for reads that tolerate lag.
    #[arg(
        long,
        env = "ANIMA_REPLICA_URL",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Database"
    )]
    pub replica_url: Option<DatabaseUrl>,

    /// Connections: of the pool of readers on SQLite, of the whole pool on PostgreSQL.
    #[arg(
        long,
        env = "ANIMA_DATABASE_CONNECTIONS",
        default_value_t = 10,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = "Database"
    )]
    pub database_connections: u32,

    /// A statement that runs longer is cancelled (PostgreSQL); on SQLite, how long to wait for
    /// a lock.
    #[arg(
        long,
        env = "ANIMA_STATEMENT_TIMEOUT",
        default_value = "10s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Database"
    )]
    pub statement_timeout: Duration,

    /// Do not migrate at start; refuse to start on a schema that is not this version's.
    #[arg(long, env = "ANIMA_NO_MIGRATE", value_parser = BoolishValueParser::new(), help_heading = "Database")]
    pub no_migrate: bool,

    /// Fill an empty database with a small demonstration world.
    #[arg(long, env = "ANIMA_DEMO", value_parser = BoolishValueParser::new(), help_heading = "Database")]
    pub demo: bool,

    /// A request that takes longer is ended.
    #[arg(
        long,
        env = "ANIMA_REQUEST_TIMEOUT",
        default_value = "30s",
        value_name = "DURATION",
        value_parser = duration,
        help_heading = "Limits"
    )]
    pub request_timeout: Duration,

    /// The largest body of a request, and message of a socket.
    #[arg(
        long,
        env = "ANIMA_MAX_BODY",
        default_value = "1MiB",
        value_name = "BYTES",
        value_parser = bytes,
        help_heading = "Limits"
    )]
    pub max_body: usize,

    /// How many operations may run at once; past it requests are refused with 503.
    #[arg(
        long,
        env = "ANIMA_MAX_IN_FLIGHT",
        default_value = "512",
        value_name = "NUMBER",
        help_heading = "Limits"
    )]
    pub max_in_flight: Amount,

    /// How many connections may be open at once; past it new ones wait.
    #[arg(
        long,
        env = "ANIMA_MAX_CONNECTIONS",
        default_value = "10000",
        value_name = "NUMBER",
        help_heading = "Limits"
    )]
    pub max_connections: Amount,

    /// Points that a person, a device or an anonymous address may spend at once, and how many
    /// come back each second; or off.
    #[arg(
        long,
        env = "ANIMA_RATE_LIMIT",
        default_value = "1000/50",
        value_name = "off|CAPACITY/REFILL",
        help_heading = "Limits"
    )]
    pub rate_limit: RateLimit,

    /// The same for services and administrators.
    #[arg(
        long,
        env = "ANIMA_SERVICE_RATE_LIMIT",
        default_value = "off",
        value_name = "off|CAPACITY/REFILL",
        help_heading = "Limits"
    )]
    pub service_rate_limit: RateLimit,

    /// Sockets and event streams that one principal (or anonymous address) may have open.
    #[arg(
        long,
        env = "ANIMA_MAX_SOCKETS_PER_PRINCIPAL",
        default_value = "50",
        value_name = "NUMBER",
        help_heading = "Limits"
    )]
    pub max_sockets_per_principal: Amount,

    /// Operations that may run at once on one socket.
    #[arg(
        long,
        env = "ANIMA_MAX_STREAMS_PER_SOCKET",
        default_value = "100",
        value_name = "NUMBER",
        help_heading = "Limits"
    )]
    pub max_streams_per_socket: Amount,

    /// A JSON file, { "SHA-256 in hexadecimal": "operation text" }: only these are accepted.
    #[arg(
        long,
        env = "ANIMA_TRUSTED_DOCUMENTS",
        value_name = "FILE",
        help_heading = "GraphQL"
    )]
    pub trusted_documents: Option<PathBuf>,

    /// Do not answer introspection.
    #[arg(long, env = "ANIMA_NO_INTROSPECTION", value_parser = BoolishValueParser::new(), help_heading = "GraphQL")]
    pub no_introspection: bool,

    /// Do not serve /graphiql.
    #[arg(long, env = "ANIMA_NO_GRAPHIQL", value_parser = BoolishValueParser::new(), help_heading = "GraphQL")]
    pub no_graphiql: bool,

    /// The version of the consent policy in force: a consent to another one is asked for again.
    #[arg(
        long,
        env = "ANIMA_POLICY_VERSION",
        default_value = "1",
        value_name = "TEXT",
        help_heading = "Application"
    )]
    pub policy_version: String,

    /// A CSV file of further voices, with the columns speaker, gender (F or M), age, accent, and
    /// optionally region and model.
    #[arg(
        long,
        env = "ANIMA_VOICES",
        value_name = "FILE",
        help_heading = "Application"
    )]
    pub voices: Option<PathBuf>,

    /// How many days entries of the event log are kept that are not critical; 0 for ever.
    #[arg(
        long,
        env = "ANIMA_EVENTS_RETENTION_DAYS",
        default_value_t = 90,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(0..=36_500),
        global = true,
        help_heading = "Application"
    )]
    pub events_retention_days: u32,

    /// Serve only: leave outbox tasks and sweeps to other processes.
    #[arg(long, env = "ANIMA_NO_WORKER", value_parser = BoolishValueParser::new(), help_heading = "Worker")]
    pub no_worker: bool,

    /// How many transactions the worker has open at once; each takes a connection.
    #[arg(
        long,
        env = "ANIMA_OUTBOX_CONCURRENCY",
        default_value = "4",
        value_name = "NUMBER",
        global = true,
        help_heading = "Worker"
    )]
    pub outbox_concurrency: Amount,

    /// How long a task belongs to a worker that no longer answers for it; one that does extends
    /// it in time.
    #[arg(
        long,
        env = "ANIMA_OUTBOX_LEASE",
        default_value = "60s",
        value_name = "DURATION",
        value_parser = duration,
        global = true,
        help_heading = "Worker"
    )]
    pub outbox_lease: Duration,

    /// What to log: a level, or directives such as `info,anima_app=debug`.
    #[arg(
        long,
        env = "ANIMA_LOG",
        default_value = "info,sea_orm_migration=warn",
        value_name = "FILTER",
        global = true,
        help_heading = "Observability"
    )]
    pub log: String,

    /// How to write the log, on standard error.
    #[arg(
        long,
        env = "ANIMA_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        global = true,
        help_heading = "Observability"
    )]
    pub log_format: LogFormat,

    /// Where to serve /metrics besides; without it the main address answers it, to loopback
    /// only.
    #[arg(
        long,
        env = "ANIMA_METRICS_LISTEN",
        value_name = "ADDRESS:PORT",
        global = true,
        help_heading = "Observability"
    )]
    pub metrics_listen: Option<SocketAddr>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For reading.
    Text,
    /// One JSON object a line.
    Json,
}

impl Cli {
    /// The command line and environment of this process.
    ///
    /// # Errors
    /// What is wrong, naming the flag, and the variable that the value came from.
    pub fn read() -> Result<Self, clap::Error> {
        Self::try_parse().map_err(name_variable)
    }
}

impl Config {
    /// The defaults and the environment, with these flags: for a gateway within a test or a
    /// benchmark.
    ///
    /// # Errors
    /// As [`Cli::read`].
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let flags = std::iter::once("anima-gateway").chain(flags);
        Ok(Cli::try_parse_from(flags).map_err(name_variable)?.config)
    }

    /// Checks what needs more than one value, or the file system.
    ///
    /// # Errors
    /// A sentence that names the flag and its variable.
    pub fn check(&self) -> Result<(), String> {
        if self.request_timeout.is_zero() {
            return Err("--request-timeout (ANIMA_REQUEST_TIMEOUT) must be more than 0".to_owned());
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&self.outbox_lease) {
            return Err("--outbox-lease (ANIMA_OUTBOX_LEASE) must be from 1s to 1h".to_owned());
        }
        if self.replica_url.is_some() && !self.database_url.is_postgres() {
            return Err(
                "--replica-url (ANIMA_REPLICA_URL) goes with a PostgreSQL --database-url only"
                    .to_owned(),
            );
        }
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            return Err(
                "--metrics-listen (ANIMA_METRICS_LISTEN) must differ from --listen (ANIMA_LISTEN)"
                    .to_owned(),
            );
        }
        if let Some(file) = &self.trusted_documents
            && !Path::new(file).is_file()
        {
            return Err(format!(
                "--trusted-documents (ANIMA_TRUSTED_DOCUMENTS) is {}: no such file",
                file.display()
            ));
        }
        Ok(())
    }
}

/// clap names the flag of a bad value; whoever set a variable never typed that flag.
fn name_variable(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg).cloned() else {
        return error;
    };
    if flag.contains("-url ") {
        // It may hold a password.
        error.insert(
            ContextKind::InvalidValue,
            ContextValue::String("…".to_owned()),
        );
    }
    let mut command = Cli::command();
    // Only a built command can name its arguments as the error does.
    command.build();
    let variable = command
        .get_arguments()
        .find(|arg| arg.to_string() == flag)
        .and_then(|arg| arg.get_env())
        .map(|it| it.to_string_lossy().into_owned());
    if let Some(variable) = variable {
        error.insert(
            ContextKind::InvalidArg,
            ContextValue::String(format!("{flag} ({variable})")),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bad_value_names_flag_and_variable() {
        let cases = [
            ("--listen=nowhere", "ANIMA_LISTEN"),
            ("--max-body=lots", "ANIMA_MAX_BODY"),
            ("--request-timeout=soon", "ANIMA_REQUEST_TIMEOUT"),
            ("--rate-limit=fast", "ANIMA_RATE_LIMIT"),
            ("--cors-origin=app.example.org/path", "ANIMA_CORS_ORIGIN"),
            ("--max-in-flight=0", "ANIMA_MAX_IN_FLIGHT"),
            ("--database-connections=0", "ANIMA_DATABASE_CONNECTIONS"),
            ("--log-format=xml", "ANIMA_LOG_FORMAT"),
            ("--trusted-proxy=everyone", "ANIMA_TRUSTED_PROXY"),
        ];
        for (flag, variable) in cases {
            let message = Config::from_flags([flag]).unwrap_err().to_string();
            assert!(message.contains(variable), "{flag}: {message}");
            let name = flag.split('=').next().unwrap();
            assert!(message.contains(name), "{flag}: {message}");
        }
    }

    #[test]
    fn a_bad_database_url_is_named_without_its_password() {
        let message = Config::from_flags(["--database-url=mysql://u:hunter2@h/d"])
            .unwrap_err()
            .to_string();
        assert!(message.contains("ANIMA_DATABASE_URL"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn a_password_is_not_in_the_debug_form() {
        let config = Config::from_flags(["--database-url=postgres://u:hunter2@h/d"]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_needs_two_values_is_checked() {
        let wrong = [
            vec!["--replica-url=postgres://h/d"],
            vec!["--listen=127.0.0.1:9000", "--metrics-listen=127.0.0.1:9000"],
            vec!["--trusted-documents=/no/such/file.json"],
            vec!["--request-timeout=0s"],
            vec!["--outbox-lease=999ms"],
            vec!["--outbox-lease=61m"],
        ];
        for flags in wrong {
            let config = Config::from_flags(flags.clone()).unwrap();
            let message = config.check().unwrap_err();
            assert!(message.contains("ANIMA_"), "{flags:?}: {message}");
        }
        assert_eq!(Config::from_flags([]).unwrap().check(), Ok(()));
    }

    #[test]
    fn every_flag_of_the_server_has_a_variable_named_after_it() {
        for arg in Cli::command().get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            if matches!(long, "help" | "version") {
                continue;
            }
            let variable = format!("ANIMA_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(
                arg.get_env().and_then(|it| it.to_str()),
                Some(variable.as_str()),
                "{long}"
            );
            assert!(arg.get_help_heading().is_some(), "{long} has no heading");
        }
    }

    #[test]
    fn the_operations_manual_names_every_flag_with_its_variable_and_default() {
        let manual = include_str!("../../../docs/operations.md");
        for arg in Cli::command().get_arguments() {
            let (Some(long), Some(variable)) = (arg.get_long(), arg.get_env()) else {
                continue;
            };
            let begin = format!("| `--{long}` | `{}` |", variable.to_string_lossy());
            let line = manual.lines().find(|it| it.starts_with(&begin));
            let line = line.unwrap_or_else(|| panic!("no row begins with {begin}"));
            for default in arg.get_default_values() {
                let default = format!("`{}`", default.to_string_lossy()).replace('|', "\\|");
                assert!(line.contains(&default), "{line} does not say {default}");
            }
        }
    }
}
