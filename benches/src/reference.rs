//! The hand-written handler: axum and sqlx, one joined statement, rows to structs to JSON.
//!
//! It answers `POST /` with `{ "id": UUID }` in the very JSON that the gateway gives for the
//! GraphQL query of the benchmark, so that both do the same work. It checks no token and knows
//! no GraphQL: it is what a gateway can at best come near to.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use sea_orm::sqlx::{
    self, Row,
    postgres::{PgPool, PgPoolOptions, PgRow},
    sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Which owner.
#[derive(Debug, Deserialize)]
struct Ask {
    id: Uuid,
}

#[derive(Debug, Serialize)]
struct Answer {
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    user: Option<User>,
}

#[derive(Debug, Serialize)]
struct User {
    name: String,
    entities: Entities,
}

#[derive(Debug, Serialize)]
struct Entities {
    nodes: Vec<Entity>,
}

#[derive(Debug, Serialize)]
struct Entity {
    name: String,
    kind: String,
    dna: Option<Dna>,
    origin: Option<Origin>,
    device: Option<Device>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dna {
    anxiety_threshold: f64,
    confidence_baseline: f64,
    weariness_accumulation_rate: f64,
    resilience: f64,
    service_orientation: f64,
    temporal_precision: f64,
    generation: i32,
    revision: i32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    origin_story: String,
    narrative_context: Option<String>,
}

#[derive(Debug, Serialize)]
struct Device {
    name: String,
    #[serde(rename = "deviceType")]
    kind: String,
    tier: i32,
}

/// Newest first, as the gateway's list is.
const SQL: &str = "SELECT u.name AS user_name, e.name, e.kind, \
     a.anxiety_threshold, a.confidence_baseline, a.weariness_accumulation_rate, a.resilience, \
     a.service_orientation, a.temporal_precision, a.generation, a.revision, \
     o.origin_story, o.narrative_context, d.name AS device_name, d.device_type, d.tier \
     FROM users u \
     JOIN entities e ON e.owner_id = u.id \
     LEFT JOIN entity_dna a ON a.entity_id = e.id \
     LEFT JOIN entity_origins o ON o.entity_id = e.id \
     LEFT JOIN devices d ON d.id = e.device_id \
     WHERE u.id = $1 ORDER BY e.created_at DESC, e.id DESC LIMIT 10";

/// A pool of either engine.
#[derive(Clone, Debug)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Serves on a free port of loopback; gives the address.
///
/// # Errors
/// When the database or the port cannot be had.
pub async fn serve(url: &str) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    let pool = if url.starts_with("postgres") {
        Pool::Postgres(
            PgPoolOptions::new()
                .max_connections(10)
                .connect(url)
                .await?,
        )
    } else {
        let options: SqliteConnectOptions = url.parse()?;
        Pool::Sqlite(
            SqlitePoolOptions::new()
                .max_connections(10)
                .connect_with(options)
                .await?,
        )
    };
    let app = Router::new()
        .route("/", post(owner))
        .with_state(Arc::new(pool));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn owner(State(pool): State<Arc<Pool>>, Json(Ask { id }): Json<Ask>) -> Json<Answer> {
    let rows: Vec<(String, Entity)> = match &*pool {
        Pool::Postgres(pool) => {
            let rows = sqlx::query(SQL)
                .bind(id)
                .fetch_all(pool)
                .await
                .unwrap_or_default();
            rows.iter().map(from_postgres).collect()
        }
        Pool::Sqlite(pool) => {
            let rows = sqlx::query(SQL)
                .bind(id)
                .fetch_all(pool)
                .await
                .unwrap_or_default();
            rows.iter().map(from_sqlite).collect()
        }
    };
    let name = rows.first().map(|(name, _)| name.clone());
    let nodes = rows.into_iter().map(|(_, entity)| entity).collect();
    let user = name.map(|name| User {
        name,
        entities: Entities { nodes },
    });
    Json(Answer {
        data: Data { user },
    })
}

/// Reads a row by position, which is the fastest way there is.
macro_rules! from_row {
    ($name:ident, $row:ty) => {
        fn $name(row: &$row) -> (String, Entity) {
            let dna = row.get::<Option<f64>, _>(3).map(|anxiety_threshold| Dna {
                anxiety_threshold,
                confidence_baseline: row.get(4),
                weariness_accumulation_rate: row.get(5),
                resilience: row.get(6),
                service_orientation: row.get(7),
                temporal_precision: row.get(8),
                generation: row.get(9),
                revision: row.get(10),
            });
            let origin = row.get::<Option<String>, _>(11).map(|origin_story| Origin {
                origin_story,
                narrative_context: row.get(12),
            });
            let device = row.get::<Option<String>, _>(13).map(|name| Device {
                name,
                kind: row.get::<String, _>(14).to_uppercase(),
                tier: row.get(15),
            });
            let kind = row.get::<String, _>(2).to_uppercase();
            (
                row.get(0),
                Entity {
                    name: row.get(1),
                    kind,
                    dna,
                    origin,
                    device,
                },
            )
        }
    };
}
from_row!(from_postgres, PgRow);
from_row!(from_sqlite, SqliteRow);
