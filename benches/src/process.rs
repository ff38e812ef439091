//! The gateway as it is run, in a process of its own.

use std::{
    error::Error,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::load;

/// A running gateway, stopped when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// A token of an administrator.
    pub token: String,
}

impl Gateway {
    /// Starts one over a migrated database, with an administrator's token, without limits on
    /// rates, and with these flags besides; waits until it is ready.
    ///
    /// # Errors
    /// When there is no gateway built, or it does not start.
    pub async fn start(url: &str, flags: &[&str]) -> Result<Self, Box<dyn Error>> {
        let program = program()?;
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(["--database-url", url]).args(arguments);
            command
        };
        let user = ["user", "create", "--name", "bench", "--role", "admin"];
        let user = run(&user).args(["--user-name", "bench"]).output()?;
        if !user.status.success() {
            return Err(String::from_utf8_lossy(&user.stderr).into_owned().into());
        }
        let token = ["token", "create", "--user", "bench", "--name", "bench"];
        let token = run(&token).output()?;
        if !token.status.success() {
            return Err(String::from_utf8_lossy(&token.stderr).into_owned().into());
        }
        let token = String::from_utf8(token.stdout)?.trim().to_owned();
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = run(&["--listen", &address.to_string(), "--rate-limit", "off"])
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let gateway = Self {
            child,
            address,
            token,
        };
        gateway.ready().await?;
        Ok(gateway)
    }

    async fn ready(&self) -> Result<(), Box<dyn Error>> {
        let ready = format!(
            "GET /health/ready HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        );
        for _ in 0..100 {
            if load::once(self.address, ready.as_bytes()).await.is_ok() {
                return Ok(());
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

/// `ANIMA_GATEWAY`, or the release build beside this benchmark.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(path) = std::env::var_os("ANIMA_GATEWAY") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let release = here
        .parent()
        .and_then(|it| it.parent())
        .ok_or("no folder above this program")?;
    let program = release.join("anima-gateway");
    if program.exists() {
        Ok(program)
    } else {
        Err("no gateway to measure: run `cargo build --release` first".into())
    }
}
