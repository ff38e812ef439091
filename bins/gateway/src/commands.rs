//! What the program does besides serving.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use app::{
    Access, Cx, Services,
    identity::{TokenCreate, UserCreate, first_start, token_create, token_revoke, user_create},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::{AccessTokenId, Role, User, UserId};
use persistence::identity::{person, persons_by_ids};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    config::{Config, TokenCommand, UserCommand},
    start::{self, StartError},
    value::duration,
};

/// How long the gateway may take to say how it is.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// Prints the contract.
pub fn schema() {
    print!("{}", graphql::sdl());
}

/// Asks the gateway on this machine whether it is ready.
///
/// # Errors
/// When it is not, or does not answer.
pub async fn health(config: &Config) -> Result<(), StartError> {
    let address = local(config.listen);
    let asked = tokio::time::timeout(HEALTH_PATIENCE, ask(address)).await;
    match asked {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.0 200 ") => Ok(()),
        Ok(Ok(answer)) => {
            let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
            Err(StartError::Failed(format!(
                "{address} is not ready: {body}"
            )))
        }
        Ok(Err(error)) => Err(StartError::Failed(format!("{address}: {error}"))),
        Err(_) => Err(StartError::Failed(format!("{address} does not answer"))),
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // 1.0, so that the answer ends with the connection.
    let request = format!("GET /health/ready HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(16 << 10).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Where a program on this machine reaches what listens there.
pub fn local(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(it) if it.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(it) if it.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(address, listen.port())
}

/// Makes, lists or revokes tokens; gives what to print.
///
/// # Errors
/// When the input is faulty, or the database does not do it.
pub async fn token(config: &Config, command: TokenCommand) -> Result<String, StartError> {
    let cx = system(config).await?;
    match command {
        TokenCommand::Create {
            user,
            name,
            scopes,
            expires,
        } => {
            let user = find_user(&cx, &user).await?;
            let scopes = if scopes.is_empty() {
                let all = ["read", "write", "admin"];
                let allowed = if user.role == Role::Admin { 3 } else { 2 };
                all[..allowed].iter().map(ToString::to_string).collect()
            } else {
                scopes
            };
            let input = TokenCreate {
                user: Some(user.id),
                name,
                scopes,
                expires_at: expires.map(|it| when(&cx, &it)).transpose()?,
            };
            let (_, text) = token_create(&cx, None, input).await?;
            let text = text.ok_or_else(|| StartError::Failed("no token was made".to_owned()))?;
            Ok(format!("{}\n", text.reveal()))
        }
        TokenCommand::List { user } => {
            let user = find_user(&cx, &user).await?;
            let tokens = person::unrevoked_tokens(cx.reader(), user.id)
                .await
                .map_err(app::Error::from)?;
            let mut lines = String::new();
            for it in tokens {
                let time = |at: Option<DateTime<Utc>>| at.map(|it| it.to_rfc3339());
                let last_use = time(it.last_used_at).unwrap_or_else(|| "never".to_owned());
                let ends = time(it.expires_at).unwrap_or_else(|| "never".to_owned());
                let _ = writeln!(
                    lines,
                    "{}\tanima_{}_…\t{}\tused {last_use}\tends {ends}\t{}",
                    it.id, it.prefix, it.kind, it.name
                );
            }
            Ok(lines)
        }
        TokenCommand::Revoke { id } => {
            let id: AccessTokenId = id
                .parse()
                .map_err(|error| StartError::Config(format!("{id}: {error}")))?;
            let token = token_revoke(&cx, id).await?;
            Ok(format!("revoked {}\n", token.id))
        }
    }
}

/// Makes a person; gives what to print.
///
/// # Errors
/// As [`token`].
pub async fn user(config: &Config, command: UserCommand) -> Result<String, StartError> {
    let cx = system(config).await?;
    let UserCommand::Create {
        name,
        user_name,
        email,
        role,
    } = command;
    let role: Role = role
        .parse()
        .map_err(|error| StartError::Config(format!("--role: {error}")))?;
    let input = UserCreate {
        name,
        user_name,
        email,
        custom_name: None,
        role: Some(role),
        locale: None,
        time_zone: None,
        password: None,
    };
    let user = user_create(&cx, None, input).await?;
    Ok(format!("{}\n", user.id))
}

/// The operator at this machine: who can run the program on the database may do everything.
async fn system(config: &Config) -> Result<Cx, StartError> {
    let services: Arc<Services> = start::services(config).await?;
    // `token create --user admin` works on a new database too.
    if let Some(first) = first_start(&services).await? {
        eprintln!(
            "the administrator \"admin\" has been made; API key, shown this once: {}",
            first.token.reveal()
        );
    }
    Ok(services.system_cx())
}

/// A person by handle, e-mail address or id.
async fn find_user(cx: &Cx, text: &str) -> Result<User, StartError> {
    let found = match text.parse::<UserId>() {
        Ok(id) => {
            let scope = cx.viewer.persons(Access::Read)?;
            persons_by_ids(cx.reader(), scope, &[id])
                .await
                .map_err(app::Error::from)?
                .pop()
        }
        Err(_) => person::by_login(cx.reader(), &text.to_lowercase())
            .await
            .map_err(app::Error::from)?,
    };
    found.ok_or_else(|| StartError::Failed(format!("there is no user {text}")))
}

/// An RFC 3339 time, or a duration from now.
fn when(cx: &Cx, text: &str) -> Result<DateTime<Utc>, StartError> {
    let after = duration(text)
        .ok()
        .and_then(|it| TimeDelta::from_std(it).ok());
    match (after, DateTime::parse_from_rfc3339(text)) {
        (Some(after), _) => Ok(cx.now() + after),
        (None, Ok(at)) => Ok(at.to_utc()),
        (None, Err(_)) => Err(StartError::Config(format!(
            "--expires is {text}: expected a time such as 2030-01-31T00:00:00Z, or a duration \
             such as 30d"
        ))),
    }
}
