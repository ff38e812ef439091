//! What the program does besides serving.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{config::Config, start::StartError};

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
            Err(StartError::Failed(format!("{address} is not ready: {body}")))
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
