//! Who is on duty, and emergencies, as the API shows them.

use app::{
    Access,
    persona::{Activation, activate, resolve},
};
use async_graphql::{ComplexObject, Context, InputObject, Object, SimpleObject};
use domain::{
    conversation::ConversationId,
    device::DeviceId,
    identity::UserId,
    persona::{self, PersonaEmergencyId},
};
use persistence::{
    page::{self, Key},
    persona as rows,
};

use super::{OnDuty, PersonaActivateInput, PersonaDefinition};
use crate::{
    Result, connection,
    connection::{PageArgs, wants_total},
    conversation::Conversation,
    cx,
    device::Device,
    identity::User,
    loader::{self, by_key},
    payload,
    payload::answer,
};

/// A persona that took over in an emergency, until somebody says that it is over.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct PersonaEmergency {
    /// The row.
    #[graphql(flatten)]
    pub row: persona::PersonaEmergency,
}

impl From<persona::PersonaEmergency> for PersonaEmergency {
    fn from(row: persona::PersonaEmergency) -> Self {
        Self { row }
    }
}

connection!(
    PersonaEmergencyConnection,
    PersonaEmergencyEdge,
    PersonaEmergency,
    "emergencies"
);

by_key!(PersonaEmergencyId => PersonaEmergency, |it: &PersonaEmergency| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.emergencies(Access::Read)?;
    let found = rows::emergencies_by_ids(loaders.cx.reader(), scope, ids).await?;
    found.into_iter().map(PersonaEmergency::from)
});

#[ComplexObject]
impl PersonaEmergency {
    /// Whose conversation, or whose device, if you can see them.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one::<UserId>(ctx, self.row.user_id).await
    }

    /// On which device, if you can see it.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.device_id).await
    }

    /// In which conversation, if you can see it.
    async fn conversation(&self, ctx: &Context<'_>) -> Result<Option<Conversation>> {
        loader::maybe(ctx, self.row.conversation_id).await
    }

    /// The persona that took over.
    async fn persona(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.definition_id.map(OnDuty)).await
    }
}

/// Which emergencies; whatever is given must hold.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub struct PersonaEmergencyFilter {
    /// Those that go on, or those that are over.
    is_open: Option<bool>,
    /// On this device.
    device: Option<DeviceId>,
    /// In this conversation.
    conversation: Option<ConversationId>,
}

/// Queries of duty.
#[derive(Debug, Default)]
pub struct DutyQuery;

#[Object]
impl DutyQuery {
    /// The emergencies that you can see, your own and those on your devices, the newest first.
    async fn persona_emergencies(
        &self,
        ctx: &Context<'_>,
        filter: Option<PersonaEmergencyFilter>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PersonaEmergencyConnection> {
        let cx = cx(ctx);
        let scope = cx.viewer.emergencies(Access::Read)?;
        let PersonaEmergencyFilter {
            is_open,
            device,
            conversation,
        } = filter.unwrap_or_default();
        let filter = rows::EmergencyFilter {
            is_open,
            device,
            conversation,
        };
        let select = filter.select(scope);
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::emergencies_page(cx.reader(), select, &args.page()?).await?;
        Ok(PersonaEmergencyConnection::of(
            slice.map(PersonaEmergency::from),
            total,
            |it| (Key::Time(it.row.started_at), it.row.id.0),
        ))
    }
}

payload! {
    /// Answer of `personaActivate`.
    PersonaActivatePayload {
        /// Who was on duty at the place named before; empty when nobody was.
        previous: PersonaDefinition,
        /// Who is on duty now.
        persona: PersonaDefinition,
        /// The conversation as it is now; empty when none goes on there.
        conversation: Conversation,
        /// The device as it is now; empty when there is none.
        device: Device,
        /// The emergency that began, or goes on, if the persona takes over in one.
        emergency: PersonaEmergency,
        /// How long it took, in milliseconds.
        latency_ms: i64,
    }
}

payload! {
    /// Answer of `emergencyResolve`.
    EmergencyResolvePayload {
        /// The emergency, which is over.
        emergency: PersonaEmergency,
        /// Who is on duty again; empty when nobody is.
        persona: PersonaDefinition,
        /// The conversation as it is now; empty when it is over or there was none.
        conversation: Conversation,
        /// The device as it is now; empty when there is none.
        device: Device,
        /// How long it took, in milliseconds.
        latency_ms: i64,
    }
}

/// Mutations of duty.
#[derive(Debug, Default)]
pub struct DutyMutation;

#[Object]
impl DutyMutation {
    /// Puts a persona on duty, in a conversation and on the device where it goes on: for the
    /// person who talks there, the device or its owner. Again what is on duty: nothing changes.
    ///
    /// A persona of priority 100 or more takes over in an emergency: at once, with a critical
    /// entry in the log and a command `emergency` to every device of the group. While it lasts, a
    /// lower priority is refused with `EMERGENCY_ACTIVE`; it ends by `emergencyResolve` alone.
    /// Emergencies nest: one of the same or a higher priority takes over, and gives back.
    async fn persona_activate(
        &self,
        ctx: &Context<'_>,
        input: PersonaActivateInput,
    ) -> Result<PersonaActivatePayload> {
        let done = activate(cx(ctx), input.into_activate()).await;
        answer(done.map(|it| {
            let Activation {
                previous,
                persona,
                conversation,
                device,
                emergency,
                latency,
            } = it;
            PersonaActivatePayload {
                previous: previous.map(Into::into),
                persona: persona.map(Into::into),
                conversation: conversation.map(Into::into),
                device: device.map(Into::into),
                emergency: emergency.map(Into::into),
                latency_ms: Some(latency.num_milliseconds()),
                user_errors: Vec::new(),
            }
        }))
    }

    /// Ends an emergency: whoever was on duty before it is again. For whom it concerns, the
    /// device or its owner. Again: nothing changes.
    async fn emergency_resolve(
        &self,
        ctx: &Context<'_>,
        id: PersonaEmergencyId,
    ) -> Result<EmergencyResolvePayload> {
        let done = resolve(cx(ctx), id).await;
        answer(done.map(|it| {
            let Activation {
                previous: _,
                persona,
                conversation,
                device,
                emergency,
                latency,
            } = it;
            EmergencyResolvePayload {
                emergency: emergency.map(Into::into),
                persona: persona.map(Into::into),
                conversation: conversation.map(Into::into),
                device: device.map(Into::into),
                latency_ms: Some(latency.num_milliseconds()),
                user_errors: Vec::new(),
            }
        }))
    }
}
