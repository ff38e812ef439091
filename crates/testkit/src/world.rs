//! A small world for one test: a database, a clock, people, and the schema to ask.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use app::{Bus, Clock, Cx, Ids, Principal, Random, Request, Services, Settings, Viewer};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::Event,
    device::{Device, DeviceId, DeviceStatus, DeviceType, default_capabilities},
    dna::{DNA_VERSION, Dna, Entity, EntityDna, EntityId, EntityKind, Extractor},
    identity::{AccessTokenId, Role, Scope, User, UserId},
    values::Json,
};
use inference::llm::Llm;
use persistence::{
    Db,
    audit::events,
    device::devices,
    dna::{entities, entity_dna},
    identity::users,
};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::{Database, Engine};

/// A clock that stands still until the test moves it.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl TestClock {
    /// Stands at 2026-09-01 12:00 UTC, a Tuesday.
    #[expect(
        clippy::new_without_default,
        reason = "there is nothing default about a time"
    )]
    pub fn new() -> Self {
        let start = DateTime::from_timestamp(1_788_264_000, 0).unwrap_or_default();
        Self(Arc::new(Mutex::new(start)))
    }

    /// The time.
    ///
    /// # Panics
    /// When another thread of the test panicked.
    pub fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// When another thread of the test panicked.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

/// The statements that were sent, in order.
#[derive(Clone, Debug, Default)]
pub struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn note(&self, sql: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sql.to_owned());
    }

    /// Those sent since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A database, the services over it, and the schema.
pub struct World {
    /// The services that use cases work with.
    pub services: Arc<Services>,
    /// The services' clock.
    pub clock: TestClock,
    database: Database,
    schema: graphql::Schema,
}

impl World {
    /// Over a fresh database.
    pub async fn new(engine: Engine) -> Self {
        let database = Database::new(engine).await;
        let db = database.connect().await;
        Self::over(database, db)
    }

    /// Over a given connection, such as one that counts statements.
    pub fn over(database: Database, db: Db) -> Self {
        // What the server would log is shown with a failing test.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_max_level(tracing::Level::WARN)
            .try_init();
        let clock = TestClock::new();
        let moved = clock.clone();
        let count = AtomicU64::new(1);
        let services = Arc::new(Services {
            db,
            clock: Clock::new(move || moved.now()),
            ids: Ids::new(move |now| counted(now, count.fetch_add(1, Ordering::Relaxed))),
            random: Random::seeded([7; 32]),
            bus: Bus::new(),
            sessions: app::identity::Sessions::new(),
            llm: None,
            settings: Settings::default(),
        });
        Self {
            services,
            clock,
            database,
            schema: graphql::schema(),
        }
    }

    /// Over a fresh database whose statements are noted.
    pub async fn watched(engine: Engine) -> (Self, Statements) {
        let database = Database::new(engine).await;
        let mut db = database.connect().await;
        let statements = Statements::default();
        let noted = statements.clone();
        db.watch(move |info| noted.note(&info.statement.sql));
        (Self::over(database, db), statements)
    }

    /// The same world with a language model, whose time limit is a tenth of a second.
    #[must_use]
    pub fn with_llm(mut self, llm: Arc<dyn Llm>) -> Self {
        let old = &*self.services;
        self.services = Arc::new(Services {
            db: old.db.clone(),
            clock: old.clock.clone(),
            ids: old.ids.clone(),
            random: old.random.clone(),
            bus: old.bus.clone(),
            sessions: app::identity::Sessions::new(),
            llm: Some(llm),
            settings: Settings {
                llm_timeout: Duration::from_millis(100),
                ..old.settings.clone()
            },
        });
        self
    }

    /// Everything that was logged, in order.
    ///
    /// # Panics
    /// When the log cannot be read.
    pub async fn events(&self) -> Vec<Event> {
        let rows = events::Entity::find()
            .order_by_asc(events::Column::Id)
            .all(self.services.db.reader())
            .await
            .unwrap();
        rows.into_iter().map(Event::from).collect()
    }

    /// A line of entities, each the child of the one before, by rows alone; gives their ids,
    /// the eldest first.
    ///
    /// # Panics
    /// When a row cannot be added.
    pub async fn dynasty(&self, owner: UserId, generations: i32) -> Vec<String> {
        let cx = self.cx(&Viewer::system());
        let txn = cx.begin().await.unwrap();
        let now = cx.now();
        let mut parent: Option<EntityId> = None;
        let mut ids = Vec::new();
        for generation in 0..generations {
            let name = format!("G{generation}");
            let entity = Entity::new(cx.id(), owner, EntityKind::Virtual, name, now);
            let genome = EntityDna {
                id: cx.id(),
                entity_id: entity.id,
                dna: Dna::default(),
                generation,
                parent_id: parent,
                co_parent_id: None,
                dna_version: DNA_VERSION.to_owned(),
                extractor: Extractor::Inherited,
                seed: Some(1),
                evidence: Json(Vec::new()),
                revision: 1,
                created_at: now,
                updated_at: now,
            };
            parent = Some(entity.id);
            ids.push(entity.id.to_string());
            entities::Entity::add(&*txn, entity).await.unwrap();
            entity_dna::Entity::add(&*txn, genome).await.unwrap();
        }
        txn.commit().await.unwrap();
        ids
    }

    /// Adds a lamp of this owner, by its row alone.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn device(&self, owner: UserId, name: &str) -> DeviceId {
        let cx = self.cx(&Viewer::system());
        let now = cx.now();
        let device = Device {
            id: cx.id(),
            owner_id: owner,
            name: name.to_owned(),
            device_type: DeviceType::Lamp,
            model: None,
            status: DeviceStatus::Offline,
            serial_number: None,
            ble_address: None,
            led_count: 5,
            tier: 1,
            location: None,
            zone_id: None,
            group_id: None,
            capabilities: Json(default_capabilities()),
            first_boot_complete: false,
            onboarding: Json(Value::Object(serde_json::Map::new())),
            health: None,
            last_heartbeat_at: None,
            active_persona_definition_id: None,
            active_conversation_id: None,
            created_at: now,
            updated_at: now,
        };
        let id = device.id;
        devices::Entity::add(self.services.db.writer(), device)
            .await
            .unwrap();
        id
    }

    /// Its database, for a second connection or process.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The schema it asks.
    pub fn schema(&self) -> &graphql::Schema {
        &self.schema
    }

    /// A context for this viewer.
    pub fn cx(&self, viewer: &Viewer) -> Cx {
        self.services.cx(viewer.clone(), Request::default())
    }

    /// Adds a person, and gives a viewer who is that person with every scope.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn person(&self, name: &str) -> Viewer {
        self.with_role(name, Role::User).await
    }

    /// Adds an administrator.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn admin(&self) -> Viewer {
        self.with_role("Admin", Role::Admin).await
    }

    /// Adds a service: a bot adapter.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn service(&self) -> Viewer {
        self.with_role("Adapter", Role::Service).await
    }

    /// Adds a person of a role.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn with_role(&self, name: &str, role: Role) -> Viewer {
        let cx = self.cx(&Viewer::system());
        let id: UserId = cx.id();
        let user = User {
            id,
            name: name.to_owned(),
            user_name: None,
            email: None,
            custom_name: None,
            password_hash: None,
            role,
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            is_active: true,
            first_seen_at: None,
            last_seen_at: None,
            last_login_at: None,
            created_at: cx.now(),
            updated_at: cx.now(),
        };
        users::Entity::add(self.services.db.writer(), user)
            .await
            .unwrap();
        let principal = match role {
            Role::Service => Principal::Service { id },
            _ => Principal::User { id, role },
        };
        self.viewer(principal, &[Scope::Read, Scope::Write, Scope::Admin])
    }

    /// Adds an entity of a person, cast onto nothing.
    ///
    /// # Panics
    /// When the row cannot be added.
    pub async fn entity(&self, owner: UserId, name: &str) -> EntityId {
        let cx = self.cx(&Viewer::system());
        let id: EntityId = cx.id();
        let entity = Entity::new(id, owner, EntityKind::Appliance, name.to_owned(), cx.now());
        entities::Entity::add(self.services.db.writer(), entity)
            .await
            .unwrap();
        id
    }

    /// A viewer by a token with these scopes, without the token.
    pub fn viewer(&self, principal: Principal, scopes: &[Scope]) -> Viewer {
        Viewer::by_token(principal, AccessTokenId(Uuid::nil()), scopes)
    }

    /// Does the outbox tasks that are due, as a worker would; gives how many were tried.
    ///
    /// # Panics
    /// When the database fails.
    pub async fn work(&self) -> u64 {
        let cx = self.cx(&Viewer::system());
        app::outbox::drain(&cx).await.unwrap()
    }

    /// Sends an operation as this viewer.
    pub async fn run(&self, viewer: &Viewer, query: &str, variables: Value) -> Answer {
        let request = async_graphql::Request::new(query)
            .variables(async_graphql::Variables::from_json(variables));
        let request = graphql::prepare(request, self.cx(viewer));
        let response = graphql::execute(&self.schema, request).await;
        Answer(serde_json::to_value(response).unwrap_or_default())
    }
}

/// A UUIDv7 of this time with a counter where the randomness would be.
fn counted(now: DateTime<Utc>, count: u64) -> Uuid {
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&count.to_be_bytes());
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

/// What the schema answered.
#[derive(Clone, Debug)]
pub struct Answer(pub Value);

impl Answer {
    /// The data, of an answer without errors.
    ///
    /// # Panics
    /// When there were errors.
    pub fn data(&self) -> &Value {
        assert!(
            self.0.get("errors").is_none(),
            "unexpected errors: {:#}",
            self.0
        );
        &self.0["data"]
    }

    /// The value at a JSON pointer of the data, of an answer without errors.
    ///
    /// # Panics
    /// When there were errors or nothing is there.
    pub fn at(&self, pointer: &str) -> &Value {
        let data = self.data();
        data.pointer(pointer)
            .unwrap_or_else(|| panic!("nothing at {pointer}: {data:#}"))
    }

    /// The text at a JSON pointer of the data.
    ///
    /// # Panics
    /// When there were errors or no text is there.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer)
            .as_str()
            .unwrap_or_else(|| panic!("no text at {pointer}: {:#}", self.0))
    }

    /// The first top-level error as `CODE: message`.
    ///
    /// # Panics
    /// When there was none.
    pub fn error(&self) -> String {
        let error = self
            .0
            .pointer("/errors/0")
            .unwrap_or_else(|| panic!("no error: {:#}", self.0));
        let code = error
            .pointer("/extensions/code")
            .and_then(Value::as_str)
            .unwrap_or("-");
        format!("{code}: {}", error["message"].as_str().unwrap_or_default())
    }

    /// The `userErrors` of the only mutation, as lines of `CODE field.path: message`.
    ///
    /// # Panics
    /// When there were top-level errors or the answer has no payload.
    pub fn user_errors(&self) -> String {
        let payload = self.data().as_object().and_then(|it| it.values().next());
        let errors = payload.and_then(|it| it["userErrors"].as_array());
        let lines = errors
            .unwrap_or_else(|| panic!("no userErrors: {:#}", self.0))
            .iter()
            .map(|it| {
                let path: Vec<&str> = it["field"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                format!(
                    "{} {}: {}",
                    it["code"].as_str().unwrap_or_default(),
                    path.join("."),
                    it["message"].as_str().unwrap_or_default()
                )
            });
        lines.collect::<Vec<_>>().join("\n")
    }
}
