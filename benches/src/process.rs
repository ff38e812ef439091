//! A gateway as it is run, in a process of its own.

use std::{
    env,
    error::Error,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::load;

/// What may go wrong.
pub type Failable<T = ()> = Result<T, Box<dyn Error>>;

/// A gateway over a database, ended when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Gateway {
    /// Starts it, without limits and with these further flags, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no program, or it is not ready in ten seconds.
    pub async fn start(url: &str, flags: &[&str]) -> Failable<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program()?)
            .args(["--database-url", url, "--listen", &address.to_string()])
            .args(["--rate-limit", "off"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let gateway = Self { child, address };
        let ready = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\n\r\n");
        for _ in 0..100 {
            if load::once(address, ready.as_bytes()).await.is_ok() {
                return Ok(gateway);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway did not become ready in ten seconds".into())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of the gateway's program over a database; gives what it prints.
///
/// # Errors
/// When there is no program, or it fails.
pub fn command(url: &str, arguments: &[&str]) -> Failable<String> {
    let output = Command::new(program()?)
        .args(["--database-url", url])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A token for a new person of this role, by the user name `bench`.
///
/// # Errors
/// When there is no program, or it fails.
pub fn token(url: &str, role: &str) -> Failable<String> {
    let create = ["user", "create", "--name", "bench", "--role", role];
    command(url, &[&create[..], &["--user-name", "bench"]].concat())?;
    command(
        url,
        &["token", "create", "--user", "bench", "--name", "bench"],
    )
}

/// `ANIMA_GATEWAY`, or the build beside this benchmark.
fn program() -> Failable<PathBuf> {
    if let Some(path) = env::var_os("ANIMA_GATEWAY") {
        return Ok(path.into());
    }
    let here = env::current_exe()?;
    let built = here
        .parent()
        .and_then(|it| it.parent())
        .ok_or("no folder above this program")?;
    let program = built.join("anima-gateway");
    if program.exists() {
        Ok(program)
    } else {
        Err("no gateway to measure: run `cargo build --release` first".into())
    }
}
