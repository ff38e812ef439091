//! The table of emergencies: who took over, from whom, until when.

use domain::{
    conversation::ConversationId,
    device::DeviceId,
    identity::UserId,
    persona::{PersonaDefinitionId, PersonaEmergency, PersonaEmergencyId},
};
use sea_orm::{
    Condition, QueryOrder, QuerySelect, Select, entity::prelude::*, sea_query::LockType,
};

use crate::{
    Result, Rows, engine,
    page::{self, Page, Slice},
    scope::EmergencyScope,
};

/// Table `persona_emergencies`.
pub mod persona_emergencies {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "persona_emergencies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PersonaEmergencyId,
        pub user_id: UserId,
        pub device_id: Option<DeviceId>,
        pub conversation_id: Option<ConversationId>,
        pub definition_id: Option<PersonaDefinitionId>,
        pub priority: i32,
        pub device_previous_id: Option<PersonaDefinitionId>,
        pub conversation_previous_id: Option<PersonaDefinitionId>,
        pub started_at: DateTimeUtc,
        pub resolved_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(persona_emergencies => PersonaEmergency {
    id, user_id, device_id, conversation_id, definition_id, priority, device_previous_id, conversation_previous_id, started_at, resolved_at, created_at, updated_at
});
table!(persona_emergencies => PersonaEmergency);

/// The emergencies that go on on this device or in this conversation. Who asks holds both.
pub async fn open_emergencies(
    db: &impl ConnectionTrait,
    device: Option<DeviceId>,
    conversation: Option<ConversationId>,
) -> Result<Vec<PersonaEmergency>> {
    use persona_emergencies::Column;
    let there = [
        device.map(|it| Column::DeviceId.eq(it)),
        conversation.map(|it| Column::ConversationId.eq(it)),
    ];
    let there = there
        .into_iter()
        .flatten()
        .fold(Condition::any(), Condition::add);
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let rows = persona_emergencies::Entity::find()
        .filter(Column::ResolvedAt.is_null())
        .filter(there)
        .order_by_asc(Column::StartedAt)
        .order_by_asc(Column::Id)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(PersonaEmergency::from).collect())
}

/// Those of the ids that are in scope; one statement with constant text.
pub async fn emergencies_by_ids(
    db: &impl ConnectionTrait,
    scope: EmergencyScope,
    ids: &[PersonaEmergencyId],
) -> Result<Vec<PersonaEmergency>> {
    let id = (persona_emergencies::Entity, persona_emergencies::Column::Id);
    let rows = scope
        .emergencies()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(PersonaEmergency::from).collect())
}

/// The emergency in scope, held until the transaction ends.
pub async fn emergency_to_change(
    db: &impl ConnectionTrait,
    scope: EmergencyScope,
    id: PersonaEmergencyId,
) -> Result<Option<PersonaEmergency>> {
    let row = scope
        .emergencies()
        .filter(persona_emergencies::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(PersonaEmergency::from))
}

/// Which emergencies; whatever is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmergencyFilter {
    /// Those that go on, or those that are over.
    pub is_open: Option<bool>,
    /// On this device.
    pub device: Option<DeviceId>,
    /// In this conversation.
    pub conversation: Option<ConversationId>,
}

impl EmergencyFilter {
    /// The emergencies in scope that it lets through.
    pub fn select(self, scope: EmergencyScope) -> Select<persona_emergencies::Entity> {
        use persona_emergencies::Column;
        let Self {
            is_open,
            device,
            conversation,
        } = self;
        let conditions = [
            is_open.map(|it| {
                if it {
                    Column::ResolvedAt.is_null()
                } else {
                    Column::ResolvedAt.is_not_null()
                }
            }),
            device.map(|it| Column::DeviceId.eq(it)),
            conversation.map(|it| Column::ConversationId.eq(it)),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(Condition::all(), Condition::add);
        scope.emergencies().filter(condition)
    }
}

/// One page of emergencies, the newest first.
pub async fn emergencies_page(
    db: &impl ConnectionTrait,
    select: Select<persona_emergencies::Entity>,
    page: &Page,
) -> Result<Slice<PersonaEmergency>> {
    use persona_emergencies::Column;
    let place = (Column::StartedAt, Column::Id);
    let slice = page::fetch(db, select, place, true, page).await?;
    Ok(slice.map(PersonaEmergency::from))
}
