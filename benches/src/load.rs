//! A load generator: keeps a number of HTTP/1.1 connections busy on loopback, as cheaply as
//! it can, since it shares the cores with what it measures.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests, whole and ready to be written.
pub type Requests = Arc<Vec<Vec<u8>>>;

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// Half of the answers took at most so long.
    pub p50: Duration,
    /// All but one in a hundred took at most so long.
    pub p99: Duration,
    /// How many answers there were.
    pub answers: f64,
    /// Bytes of an answer's body, on average.
    pub bytes: f64,
}

/// Builds a POST of JSON.
pub fn post(path: &str, address: SocketAddr, bearer: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/graphql-response+json\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends the requests in turn over so many connections for so long.
///
/// # Errors
/// When a connection fails or an answer is not 200.
pub async fn run(
    address: SocketAddr,
    requests: Requests,
    connections: usize,
    lasts: Duration,
) -> io::Result<Outcome> {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|n| {
            tokio::spawn(connection(
                address,
                Arc::clone(&requests),
                n * 7,
                begin + lasts,
            ))
        })
        .collect();
    let mut times = Vec::new();
    let mut bytes = 0;
    for task in tasks {
        let (of_one, read) = task.await.map_err(io::Error::other)??;
        times.extend(of_one);
        bytes += read;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "far below 2^52 answers and bytes"
    )]
    let (answers, bytes) = (times.len() as f64, bytes as f64);
    Ok(Outcome {
        rate: answers / elapsed,
        p50: at(50),
        p99: at(99),
        answers,
        bytes: bytes / answers.max(1.0),
    })
}

async fn connection(
    address: SocketAddr,
    requests: Requests,
    offset: usize,
    end: Instant,
) -> io::Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 * 1_024);
    let mut times = Vec::new();
    let mut bytes = 0;
    for request in requests.iter().cycle().skip(offset % requests.len()) {
        let begin = Instant::now();
        if begin >= end {
            break;
        }
        stream.write_all(request).await?;
        bytes += answer(&mut stream, &mut buffer).await?.len();
        times.push(begin.elapsed());
    }
    Ok((times, bytes))
}

/// One answer to one request; gives its body.
///
/// # Errors
/// When the connection fails or the answer is not 200.
pub async fn once(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut buffer = Vec::new();
    Ok(answer(&mut stream, &mut buffer).await?.to_vec())
}

/// Reads an answer with a `Content-Length` into the buffer; gives its body.
async fn answer<'a>(stream: &mut TcpStream, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed amid an answer",
            ));
        }
        let Some(head) = buffer.windows(4).position(|it| it == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|it| it.trim().parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other(format!("no length: {text}")))?;
        while buffer.len() < head + 4 + length {
            stream.read_buf(buffer).await?;
        }
        let body = &buffer[head + 4..head + 4 + length];
        if !text.starts_with("http/1.1 200") {
            return Err(io::Error::other(format!(
                "{text}\n{}",
                String::from_utf8_lossy(body)
            )));
        }
        return Ok(body);
    }
}
