//! A gateway in this process over a fresh SQLite file, and a client that says exactly what a
//! test wants said.

use std::{collections::HashMap, sync::Arc, time::Duration};

use app::{
    Services, Settings,
    identity::{Holder, NewToken, UserCreate, mint, user_create},
};
use chrono::{DateTime, Utc};
use domain::identity::{AccessToken, Role, Scope, User};
use gateway::{Config, Running, serve};
use persistence::{Db, engine::Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub struct Server {
    pub running: Running,
    pub services: Arc<Services>,
    _directory: TempDir,
}

impl Server {
    pub async fn start(flags: &[&str]) -> Self {
        Self::over(flags, |services| services).await
    }

    /// With services changed by the test.
    pub async fn over(flags: &[&str], change: impl FnOnce(Services) -> Services) -> Self {
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite://{}/anima.db?mode=rwc", directory.path().display());
        let db = Db::connect(&Options::new(url)).await.unwrap();
        migration::migrate(db.writer()).await.unwrap();
        let services = Arc::into_inner(Services::system(db, Settings::default())).unwrap();
        let services = Arc::new(change(services));
        let flags = ["--listen=127.0.0.1:0"].iter().chain(flags).copied();
        let config = Config::from_flags(flags).unwrap();
        let running = serve(config, Arc::clone(&services)).await.unwrap();
        Self {
            running,
            services,
            _directory: directory,
        }
    }

    /// A person and the text of a token of theirs.
    pub async fn person(&self, name: &str, role: Role) -> (User, String) {
        let cx = self.services.system_cx();
        let input = UserCreate {
            name: name.to_owned(),
            user_name: Some(name.to_lowercase()),
            email: None,
            custom_name: None,
            role: Some(role),
            locale: None,
            time_zone: None,
            password: None,
        };
        let user = user_create(&cx, None, input).await.unwrap();
        let (_, token) = self.token(&user, None).await;
        (user, token)
    }

    pub async fn token(
        &self,
        user: &User,
        expires_at: Option<DateTime<Utc>>,
    ) -> (AccessToken, String) {
        let cx = self.services.system_cx();
        let txn = cx.begin().await.unwrap();
        let mut scopes = vec![Scope::Read, Scope::Write];
        if user.role == Role::Admin {
            scopes.push(Scope::Admin);
        }
        let new = NewToken {
            holder: Holder::ApiKey(user.id),
            name: "test".to_owned(),
            scopes,
            expires_at,
        };
        let (token, text) = mint(&cx, &txn, new).await.unwrap();
        txn.commit().await.unwrap();
        (token, text.reveal())
    }

    pub async fn admin(&self) -> String {
        self.person("Root", Role::Admin).await.1
    }

    /// Logs an event, for subscriptions to see.
    pub async fn log_event(&self, event_type: &str) {
        let cx = self.services.system_cx();
        let txn = cx.begin().await.unwrap();
        let event = app::audit::event(&cx, event_type);
        app::audit::log(&cx, &txn, event).await.unwrap();
        txn.commit().await.unwrap();
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.running.address).await.unwrap()
    }

    /// Sends bytes, reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // A server that refuses early may close before all of it is sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Answer::parse(&answer)
    }

    /// Any request; `connection: close` comes by itself.
    pub async fn send(&self, head: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{head} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    /// `POST /graphql` with real status codes.
    pub async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![
            ("content-type", "application/json"),
            ("accept", "application/graphql-response+json"),
        ];
        all.extend_from_slice(headers);
        self.send("POST /graphql", &all, body).await
    }

    /// A query by somebody unknown.
    pub async fn query(&self, query: &str) -> Answer {
        self.post(&[], json!({ "query": query }).to_string().as_bytes())
            .await
    }

    /// A query by the holder of a token.
    pub async fn query_as(&self, token: &str, query: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let body = json!({ "query": query }).to_string();
        self.post(&[("authorization", &authorization)], body.as_bytes())
            .await
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|it| it.split(' ').nth(1)?.parse().ok())
            .unwrap_or(0);
        let headers = lines
            .filter_map(|it| it.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        let json = self.json();
        json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The message of the first error.
    pub fn message(&self) -> String {
        let json = self.json();
        json["errors"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Refused before execution: so many, with this code, and no `data`.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{self:?}"
        );
        assert!(self.json().get("data").is_none(), "{self:?}");
        assert_eq!(
            self.json()["errors"][0]["extensions"]["requestId"].as_str(),
            Some(self.header("x-request-id")),
            "{self:?}"
        );
    }
}

/// Until it holds, for at most ten seconds.
pub async fn eventually<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never held");
}
