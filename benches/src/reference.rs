//! The hand-written handler to compare with: axum and sqlx, rows to structs to JSON.
//!
//! It answers `POST` with `{ "id": UUID }` in the very bytes that the gateway gives for the
//! GraphQL query of the benchmark, after the same check of the token, from the same database
//! with the same settings, in a process of its own with the same allocator. It knows no
//! GraphQL, no scopes and no limits: it is what a gateway can at best come near to.
//!
//! | route | how |
//! |---|---|
//! | `/entity` | one entity: one joined statement |
//! | `/owner` | an owner and their entities: one joined statement |
//! | `/owner/levels` | the same, one statement per level and relation, all on one connection |

use std::{
    collections::HashMap,
    error::Error,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use data_encoding::HEXLOWER;
use domain::identity::TokenText;
use sea_orm::sqlx::{
    self, ConnectOptions, Row,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use uuid::Uuid;

/// How long a token is believed, as in the gateway.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// Of whom or what.
#[derive(Debug, Deserialize)]
struct Ask {
    id: Uuid,
}

#[derive(Debug, Serialize)]
struct Answer<T> {
    data: T,
}

#[derive(Debug, Serialize)]
struct OfUser {
    user: Option<User>,
}

#[derive(Debug, Serialize)]
struct OfEntity {
    entity: Option<Entity>,
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
#[serde(rename_all = "camelCase")]
struct Device {
    name: String,
    #[serde(rename = "deviceType")]
    kind: String,
    tier: i32,
}

/// The columns of an entity with what belongs to it, and where they come from.
macro_rules! joined {
    ($from:literal) => {
        concat!(
            "SELECT e.name, e.kind, a.anxiety_threshold, a.confidence_baseline, \
             a.weariness_accumulation_rate, a.resilience, a.service_orientation, \
             a.temporal_precision, a.generation, a.revision, o.origin_story, \
             o.narrative_context, d.name AS device_name, d.device_type, d.tier, u.name \
             AS user_name FROM ",
            $from
        )
    };
}

/// Newest first, as the gateway's list is.
const OWNER: &str = joined!(
    "users u JOIN entities e ON e.owner_id = u.id \
     LEFT JOIN entity_dna a ON a.entity_id = e.id \
     LEFT JOIN entity_origins o ON o.entity_id = e.id \
     LEFT JOIN devices d ON d.id = e.device_id \
     WHERE u.id = $1 ORDER BY e.created_at DESC, e.id DESC LIMIT 10"
);
const ENTITY: &str = joined!(
    "entities e JOIN users u ON e.owner_id = u.id \
     LEFT JOIN entity_dna a ON a.entity_id = e.id \
     LEFT JOIN entity_origins o ON o.entity_id = e.id \
     LEFT JOIN devices d ON d.id = e.device_id WHERE e.id = $1"
);

const USER: &str = "SELECT name FROM users WHERE id = $1";
const OF_OWNER: &str = "SELECT id, name, kind, device_id FROM entities WHERE owner_id = $1 \
     ORDER BY created_at DESC, id DESC LIMIT 10";
/// What belongs to a list of ids: the columns and table, and the column that the ids are of.
macro_rules! of_many {
    ($select:literal, $key:literal) => {
        [
            concat!($select, " WHERE ", $key, " = ANY($1)"),
            concat!(
                $select,
                " WHERE ",
                $key,
                " IN (SELECT unhex(value) FROM json_each($1))"
            ),
        ]
    };
}
const DNA: [&str; 2] = of_many!(
    "SELECT entity_id, anxiety_threshold, confidence_baseline, weariness_accumulation_rate, \
     resilience, service_orientation, temporal_precision, generation, revision FROM entity_dna",
    "entity_id"
);
const ORIGINS: [&str; 2] = of_many!(
    "SELECT entity_id, origin_story, narrative_context FROM entity_origins",
    "entity_id"
);
const DEVICES: [&str; 2] = of_many!("SELECT id, name, device_type, tier FROM devices", "id");

/// A pool of either engine.
#[derive(Clone, Debug)]
enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// Prefixes of tokens, with the hash of the secret and until when it is believed.
    tokens: Mutex<HashMap<String, (String, Instant)>>,
}

/// Serves on a free port of loopback, and says which on standard output; never returns.
///
/// # Errors
/// When the database or the port cannot be had.
pub async fn serve(url: &str) -> Result<(), Box<dyn Error>> {
    let pool = if url.starts_with("postgres") {
        let options: PgConnectOptions = url.parse()?;
        Pool::Postgres(
            PgPoolOptions::new()
                .max_connections(10)
                .test_before_acquire(false)
                .connect_with(options.disable_statement_logging())
                .await?,
        )
    } else {
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-16000")
            .pragma("mmap_size", "268435456")
            .disable_statement_logging();
        Pool::Sqlite(
            SqlitePoolOptions::new()
                .max_connections(10)
                .test_before_acquire(false)
                .connect_with(options)
                .await?,
        )
    };
    let shared = Shared {
        pool,
        tokens: Mutex::default(),
    };
    let app = Router::new()
        .route("/entity", post(entity))
        .route("/owner", post(owner))
        .route("/owner/levels", post(owner_by_levels))
        .with_state(Arc::new(shared));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// What a handler gives: anything that fails is a 500.
type Handled<T> = Result<Json<Answer<T>>, StatusCode>;

fn broken(_: sqlx::Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

impl Shared {
    /// Checks the bearer token, as cheaply as the gateway may: known for half a minute.
    async fn authorize(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let bearer = headers.get(header::AUTHORIZATION);
        let bearer = bearer.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
        let token: TokenText = bearer
            .and_then(|it| it.parse().ok())
            .ok_or(StatusCode::UNAUTHORIZED)?;
        let offered = HEXLOWER.encode(&Sha256::digest(token.secret.as_bytes()));
        let prefix = token.prefix.0;
        let known = |tokens: &HashMap<String, (String, Instant)>| {
            tokens
                .get(&prefix)
                .filter(|(_, at)| at.elapsed() < BELIEVED_FOR)
                .map(|(hash, _)| *hash == offered)
        };
        let found = known(&self.tokens.lock().unwrap_or_else(PoisonError::into_inner));
        let right = if let Some(right) = found {
            right
        } else {
            let sql = "SELECT secret_hash FROM access_tokens WHERE prefix = $1";
            let stored: Option<String> = match &self.pool {
                Pool::Postgres(pool) => {
                    let query = sqlx::query_scalar(sql).bind(&prefix);
                    query.fetch_optional(pool).await.map_err(broken)?
                }
                Pool::Sqlite(pool) => {
                    let query = sqlx::query_scalar(sql).bind(&prefix);
                    query.fetch_optional(pool).await.map_err(broken)?
                }
            };
            let stored = stored.ok_or(StatusCode::UNAUTHORIZED)?;
            let right = stored == offered;
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.insert(prefix, (stored, Instant::now()));
            right
        };
        right.then_some(()).ok_or(StatusCode::UNAUTHORIZED)
    }

    /// The rows of a joined statement: entities, each with its owner's name.
    async fn joined(
        &self,
        sql: &'static str,
        id: Uuid,
    ) -> Result<Vec<(String, Entity)>, StatusCode> {
        Ok(match &self.pool {
            Pool::Postgres(pool) => {
                let rows = sqlx::query(sql).bind(id).fetch_all(pool).await;
                rows.map_err(broken)?.iter().map(from_postgres).collect()
            }
            Pool::Sqlite(pool) => {
                let rows = sqlx::query(sql).bind(id).fetch_all(pool).await;
                rows.map_err(broken)?.iter().map(from_sqlite).collect()
            }
        })
    }
}

async fn entity(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(Ask { id }): Json<Ask>,
) -> Handled<OfEntity> {
    shared.authorize(&headers).await?;
    let rows = shared.joined(ENTITY, id).await?;
    let entity = rows.into_iter().next().map(|(_, it)| it);
    let data = OfEntity { entity };
    Ok(Json(Answer { data }))
}

async fn owner(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(Ask { id }): Json<Ask>,
) -> Handled<OfUser> {
    shared.authorize(&headers).await?;
    let rows = shared.joined(OWNER, id).await?;
    let name = rows.first().map(|(name, _)| name.clone());
    let nodes = rows.into_iter().map(|(_, entity)| entity).collect();
    let user = name.map(|name| User {
        name,
        entities: Entities { nodes },
    });
    let data = OfUser { user };
    Ok(Json(Answer { data }))
}

async fn owner_by_levels(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(Ask { id }): Json<Ask>,
) -> Handled<OfUser> {
    shared.authorize(&headers).await?;
    let user = match &shared.pool {
        Pool::Postgres(pool) => levels_postgres(pool, id).await,
        Pool::Sqlite(pool) => levels_sqlite(pool, id).await,
    };
    let data = OfUser {
        user: user.map_err(broken)?,
    };
    Ok(Json(Answer { data }))
}

fn hex_list(ids: &[Uuid]) -> String {
    let ids: Vec<_> = ids.iter().map(|it| it.simple().to_string()).collect();
    format!("[\"{}\"]", ids.join("\",\""))
}

/// Reads rows by position, which is the fastest way there is.
macro_rules! reading {
    ($from_row:ident, $levels:ident, $row:ty, $pool:ty, $which:literal, $list:expr) => {
        fn $from_row(row: &$row) -> (String, Entity) {
            let dna = row.get::<Option<f64>, _>(2).map(|anxiety_threshold| Dna {
                anxiety_threshold,
                confidence_baseline: row.get(3),
                weariness_accumulation_rate: row.get(4),
                resilience: row.get(5),
                service_orientation: row.get(6),
                temporal_precision: row.get(7),
                generation: row.get(8),
                revision: row.get(9),
            });
            let origin = row.get::<Option<String>, _>(10).map(|origin_story| Origin {
                origin_story,
                narrative_context: row.get(11),
            });
            let device = row.get::<Option<String>, _>(12).map(|name| Device {
                name,
                kind: row.get::<String, _>(13).to_uppercase(),
                tier: row.get(14),
            });
            let entity = Entity {
                name: row.get(0),
                kind: row.get::<String, _>(1).to_uppercase(),
                dna,
                origin,
                device,
            };
            (row.get(15), entity)
        }

        async fn $levels(pool: &$pool, id: Uuid) -> sqlx::Result<Option<User>> {
            let mut db = pool.acquire().await?;
            let user = sqlx::query(USER).bind(id).fetch_optional(&mut *db).await?;
            let Some(user) = user else { return Ok(None) };
            let rows = sqlx::query(OF_OWNER).bind(id).fetch_all(&mut *db).await?;
            let ids: Vec<Uuid> = rows.iter().map(|it| it.get(0)).collect();
            let list = $list(&ids);
            let dna = sqlx::query(DNA[$which]).bind(&list);
            let mut dna: HashMap<Uuid, Dna> = dna
                .fetch_all(&mut *db)
                .await?
                .iter()
                .map(|row| {
                    let dna = Dna {
                        anxiety_threshold: row.get(1),
                        confidence_baseline: row.get(2),
                        weariness_accumulation_rate: row.get(3),
                        resilience: row.get(4),
                        service_orientation: row.get(5),
                        temporal_precision: row.get(6),
                        generation: row.get(7),
                        revision: row.get(8),
                    };
                    (row.get(0), dna)
                })
                .collect();
            let origins = sqlx::query(ORIGINS[$which]).bind(&list);
            let mut origins: HashMap<Uuid, Origin> = origins
                .fetch_all(&mut *db)
                .await?
                .iter()
                .map(|row| {
                    let origin = Origin {
                        origin_story: row.get(1),
                        narrative_context: row.get(2),
                    };
                    (row.get(0), origin)
                })
                .collect();
            let wanted: Vec<Uuid> = rows.iter().filter_map(|it| it.get(3)).collect();
            let devices = sqlx::query(DEVICES[$which]).bind($list(&wanted));
            let mut devices: HashMap<Uuid, Device> = devices
                .fetch_all(&mut *db)
                .await?
                .iter()
                .map(|row| {
                    let device = Device {
                        name: row.get(1),
                        kind: row.get::<String, _>(2).to_uppercase(),
                        tier: row.get(3),
                    };
                    (row.get(0), device)
                })
                .collect();
            let nodes = rows
                .iter()
                .map(|row| {
                    let id = row.get(0);
                    Entity {
                        name: row.get(1),
                        kind: row.get::<String, _>(2).to_uppercase(),
                        dna: dna.remove(&id),
                        origin: origins.remove(&id),
                        device: row
                            .get::<Option<Uuid>, _>(3)
                            .and_then(|it| devices.remove(&it)),
                    }
                })
                .collect();
            let entities = Entities { nodes };
            Ok(Some(User {
                name: user.get(0),
                entities,
            }))
        }
    };
}
reading!(
    from_postgres,
    levels_postgres,
    PgRow,
    PgPool,
    0,
    <[Uuid]>::to_vec
);
reading!(
    from_sqlite,
    levels_sqlite,
    SqliteRow,
    SqlitePool,
    1,
    hex_list
);
