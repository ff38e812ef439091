//! The demonstration world of `--demo`: made by the same use cases as anything else, always the
//! same, and only into a database that has nobody in it but the administrator.
//!
//! Two owners. Frank, the coffee maker of the Soven seed, and Junior, who descends from him;
//! Luna, a lamp; a community with members; three weeks of conversation that end yesterday.
//! Observations and voice sessions come with their contexts.

mod talk;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::{
    device::{DeviceProfile, DeviceType, ZoneProfile, default_capabilities},
    dna::EntityKind,
    identity::{ConsentKind, UserId},
};
use persistence::{identity::person, scope::PersonScope};
use serde_json::json;

use self::talk::Cast;
use crate::{
    Clock, Cx, Random, Result, Services,
    device::{DeviceRegister, ZoneCreate, device_register, zone_create},
    dna::{Descend, EntityCreate, VoiceAssign},
    identity::{
        GetOrCreate, GuildUpsert, MemberUpsert, UserCreate, consent_grant, guild_member_upsert,
        guild_upsert, user_create, user_get_or_create, user_preference_set,
    },
};

/// Frank's story, as the Soven document tells it.
const FRANK: &str = "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
                     Frank grew up helping in the kitchen from age 7.";
const LUNA: &str = "Luna grew up in a lighthouse by the sea, an only child. Her grandmother read \
                    to her every night and painted the changing light, and never hurried her. The \
                    seasons came and went, and she learned to wait.";
const JUNIOR: &str = "Junior was trusted with the till when he was nine, and praised for it. When \
                      the bakery failed they laughed, and began again.";
/// How many days the world has lived when somebody first looks at it.
const DAYS: i64 = 21;

/// Fills the database, unless somebody lives in it. Says whether it did.
///
/// # Errors
/// When the database fails, or a use case refuses what it should not.
pub async fn fill(services: &Arc<Services>) -> Result<bool> {
    let everybody = person::PersonFilter::default();
    if person::count(services.db.reader(), PersonScope::All, &everybody).await? > 1 {
        tracing::info!("the database is in use: no demonstration world was made");
        return Ok(false);
    }
    let stage = Stage::new(services);
    let world = &stage.cx;
    let mut cast = Cast::default();
    let ann = owner(
        world,
        &mut cast,
        "Ann Achieng",
        "ann",
        chrono_tz::Africa::Nairobi,
    )
    .await?;
    let ben = owner(
        world,
        &mut cast,
        "Ben Moreau",
        "ben",
        chrono_tz::Europe::Paris,
    )
    .await?;
    frank(world, &mut cast, ann).await?;
    luna(world, &mut cast, ben).await?;
    community(world, &mut cast).await?;
    let talks = talk::play(&stage, &cast).await?;
    tracing::info!(
        talks,
        "made the demonstration world: two owners, three entities, a community, three weeks of talk"
    );
    Ok(true)
}

/// The services with a clock of the play's own, and drawn numbers that repeat: the same world
/// every time, counted from its first day.
struct Stage {
    cx: Cx,
    /// The first day, at midnight.
    begins: DateTime<Utc>,
    /// Microseconds since 1970; a millisecond passes with every look.
    now: Arc<AtomicI64>,
}

impl Stage {
    fn new(services: &Arc<Services>) -> Self {
        let today = services.clock.now().date_naive().and_time(NaiveTime::MIN);
        let begins = today.and_utc() - TimeDelta::days(DAYS);
        let now = Arc::new(AtomicI64::new(begins.timestamp_micros()));
        let seen = Arc::clone(&now);
        let clock = Clock::new(move || {
            let now = seen.fetch_add(1_000, Ordering::Relaxed);
            DateTime::from_timestamp_micros(now).unwrap_or_default()
        });
        let staged = Services {
            db: services.db.clone(),
            clock,
            ids: services.ids.clone(),
            random: Random::seeded([1; 32]),
            bus: services.bus.clone(),
            sessions: crate::identity::Sessions::new(),
            llm: None,
            settings: services.settings.clone(),
        };
        Self {
            cx: Arc::new(staged).system_cx(),
            begins,
            now,
        }
    }

    /// The time is this from now on.
    fn set(&self, now: DateTime<Utc>) {
        self.now.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// Time passes.
    fn pass(&self, time: TimeDelta) {
        let time = time.num_microseconds().unwrap_or_default();
        self.now.fetch_add(time, Ordering::Relaxed);
    }
}

async fn owner(
    cx: &Cx,
    cast: &mut Cast,
    name: &str,
    user_name: &str,
    time_zone: Tz,
) -> Result<UserId> {
    let input = UserCreate {
        name: name.to_owned(),
        user_name: Some(user_name.to_owned()),
        email: Some(format!("{user_name}@example.com")),
        custom_name: None,
        role: None,
        locale: None,
        time_zone: Some(time_zone.name().to_owned()),
        password: None,
    };
    let user = user_create(cx, None, input).await?;
    user_preference_set(cx, Some(user.id), "theme".to_owned(), json!("warm")).await?;
    consent_grant(cx, Some(user.id), ConsentKind::SocialAssociation).await?;
    cast.people
        .insert(user_name.to_owned(), (user.id, time_zone));
    Ok(user.id)
}

async fn frank(cx: &Cx, cast: &mut Cast, owner: UserId) -> Result<()> {
    let device = appliance(
        cx,
        cast,
        owner,
        "Kitchen counter",
        (DeviceType::CoffeeMaker, "Kitchen"),
    )
    .await?;
    let speaker = (DeviceType::SmartSpeaker, "Living room");
    appliance(cx, cast, owner, "Living room speaker", speaker).await?;
    let frank = crate::dna::create(
        cx,
        None,
        EntityCreate {
            owner: Some(owner),
            name: Some("Frank".to_owned()),
            device: Some(device),
            personality: Some("Dry, kind, always up before you are.".to_owned()),
            interests: ["coffee", "hospitality", "sustainability"]
                .map(str::to_owned)
                .to_vec(),
            story: Some(FRANK.to_owned()),
            ..EntityCreate::default()
        },
    )
    .await?;
    cast.entities.insert("Frank".to_owned(), frank.entity.id);
    let assign = VoiceAssign {
        entity: frank.entity.id,
        speaker: Some("p360".to_owned()),
    };
    crate::dna::voice_assign(cx, assign).await?;
    let junior = Descend {
        parent: frank.entity.id,
        co_parent: None,
        name: "Junior".to_owned(),
        story: Some(JUNIOR.to_owned()),
        extractor: None,
        seed: Some(7),
    };
    crate::dna::descend(cx, None, junior).await?;
    Ok(())
}

async fn luna(cx: &Cx, cast: &mut Cast, owner: UserId) -> Result<()> {
    let device = appliance(
        cx,
        cast,
        owner,
        "Reading lamp",
        (DeviceType::Lamp, "Living room"),
    )
    .await?;
    let luna = crate::dna::create(
        cx,
        None,
        EntityCreate {
            owner: Some(owner),
            name: Some("Luna".to_owned()),
            kind: EntityKind::Appliance,
            device: Some(device),
            personality: Some("Unhurried; notices the light.".to_owned()),
            interests: ["poetry", "weather"].map(str::to_owned).to_vec(),
            story: Some(LUNA.to_owned()),
            ..EntityCreate::default()
        },
    )
    .await?;
    cast.entities.insert("Luna".to_owned(), luna.entity.id);
    crate::dna::voice_assign(
        cx,
        VoiceAssign {
            entity: luna.entity.id,
            speaker: None,
        },
    )
    .await?;
    Ok(())
}

/// A device in a zone of its own.
async fn appliance(
    cx: &Cx,
    cast: &mut Cast,
    owner: UserId,
    name: &str,
    (device_type, room): (DeviceType, &str),
) -> Result<domain::device::DeviceId> {
    let zone = ZoneCreate {
        owner: Some(owner),
        profile: ZoneProfile {
            name: room.to_owned(),
            description: None,
        },
        parent: None,
    };
    let zone = zone_create(cx, None, zone).await?;
    let input = DeviceRegister {
        owner: Some(owner),
        profile: DeviceProfile {
            name: name.to_owned(),
            device_type,
            model: None,
            serial_number: Some(format!("DEMO-{}", device_type.as_str().to_uppercase())),
            ble_address: None,
            led_count: 5,
            tier: 1,
            location: Some(room.to_owned()),
            capabilities: default_capabilities(),
            onboarding: json!({}),
        },
        zone: Some(zone.id),
        group: None,
    };
    let (device, _) = device_register(cx, None, input).await?;
    cast.devices.insert(name.to_owned(), device.id);
    Ok(device.id)
}

async fn community(cx: &Cx, cast: &mut Cast) -> Result<()> {
    let guild = GuildUpsert {
        provider: "discord".to_owned(),
        external_id: "900000000000000001".to_owned(),
        name: "The Breakfast Club".to_owned(),
        joined_at: None,
    };
    let guild = guild_upsert(cx, guild).await?;
    cast.guild = Some(guild.id);
    for (n, name, nickname) in [
        (1, "Marisol", Some("Mari")),
        (2, "Teo", None),
        (3, "Wanjiru", Some("Ciru")),
    ] {
        let member = GetOrCreate {
            provider: "discord".to_owned(),
            external_id: format!("90000000000000010{n}"),
            username: Some(name.to_lowercase()),
            display_name: Some(name.to_owned()),
            locale: None,
            time_zone: None,
        };
        let user = user_get_or_create(cx, member).await?;
        cast.people.insert(name.to_owned(), (user.id, Tz::UTC));
        let member = MemberUpsert {
            guild: guild.id,
            user: user.id,
            nickname: nickname.map(str::to_owned),
            roles: if n == 1 {
                vec!["moderator".to_owned()]
            } else {
                Vec::new()
            },
            joined_guild_at: None,
        };
        guild_member_upsert(cx, member).await?;
    }
    Ok(())
}
