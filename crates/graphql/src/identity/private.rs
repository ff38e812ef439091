//! Preferences and consents.

use std::collections::HashMap;

use app::{Access, identity as cases};
use async_graphql::{Context, InputObject, Object, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use domain::identity::{self, ConsentKind, UserId};
use persistence::identity::private as rows;

use super::person::User;
use crate::{
    Failure, Result, connection, cx,
    loader::{self, Loaders},
    payload,
    payload::answer,
    scalar::Json,
};

/// One preference of a person: a key and any JSON.
#[derive(Clone, Debug, SimpleObject)]
pub struct Preference {
    /// What it is about, 1–100 characters; unique for the person.
    pub key: String,
    /// Its value.
    pub value: Json,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When it was last set.
    pub updated_at: DateTime<Utc>,
}

impl From<identity::UserPreference> for Preference {
    fn from(row: identity::UserPreference) -> Self {
        let identity::UserPreference {
            id: _,
            user_id: _,
            key,
            value,
            created_at,
            updated_at,
        } = row;
        Self {
            key,
            value: Json(value.0),
            created_at,
            updated_at,
        }
    }
}

/// One consent: open while `revokedAt` is empty.
#[derive(Clone, Debug, SimpleObject)]
pub struct Consent {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::Consent,
}

impl From<identity::Consent> for Consent {
    fn from(row: identity::Consent) -> Self {
        Self { row }
    }
}

connection!(ConsentConnection, ConsentEdge, Consent, "consents");

/// The consents of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsentsOf;

impl loader::Children for ConsentsOf {
    type Table = persistence::identity::consents::Entity;
    type Row = identity::Consent;

    fn children(&self, cx: &app::Cx) -> app::Result<persistence::page::Children<Self::Table>> {
        Ok(rows::consents_under(cx.viewer.private(Access::Read)?))
    }
}

/// The preferences of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PreferencesOf(pub UserId);

impl Loader<PreferencesOf> for Loaders {
    type Value = Vec<identity::UserPreference>;
    type Error = Failure;

    async fn load(&self, keys: &[PreferencesOf]) -> Result<HashMap<PreferencesOf, Self::Value>> {
        let scope = self.cx.viewer.private(Access::Read)?;
        let persons: Vec<UserId> = keys.iter().map(|it| it.0).collect();
        let mut found: HashMap<_, Self::Value> = HashMap::new();
        for row in rows::preferences_of(self.cx.reader(), scope, &persons).await? {
            found
                .entry(PreferencesOf(row.user_id))
                .or_default()
                .push(row);
        }
        Ok(found)
    }
}

/// A preference to be set.
#[derive(Clone, Debug, InputObject)]
pub struct UserPreferenceSetInput {
    /// Whose; yours, or of the one you act for, when not said.
    pub user: Option<UserId>,
    /// What it is about, 1–100 characters.
    pub key: String,
    /// Any JSON of at most 16 KiB.
    pub value: Json,
}

/// A preference to be removed.
#[derive(Clone, Debug, InputObject)]
pub struct UserPreferenceDeleteInput {
    /// Whose; yours, or of the one you act for, when not said.
    pub user: Option<UserId>,
    /// What it is about.
    pub key: String,
}

/// Preferences to be set together.
#[derive(Clone, Debug, InputObject)]
pub struct UserPreferencesSetInput {
    /// Whose; yours, or of the one you act for, when not said.
    pub user: Option<UserId>,
    /// A JSON object: each member is set, a null removes; what is not mentioned stays.
    pub preferences: Json,
}

/// A consent to be given or withdrawn.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct ConsentInput {
    /// Whose; yours, or of the one you act for, when not said.
    pub user: Option<UserId>,
    /// To what.
    pub kind: ConsentKind,
}

payload! {
    /// Answer of `userPreferenceSet`.
    UserPreferenceSetPayload {
        /// The preference as it is now.
        preference: Preference,
    }
}
payload! {
    /// Answer of `userPreferenceDelete`.
    UserPreferenceDeletePayload {
        /// Whether there was one.
        deleted: bool,
    }
}
payload! {
    /// Answer of `userPreferencesSet`.
    UserPreferencesSetPayload {
        /// The person.
        user: Option<User>,
    }
}
payload! {
    /// Answer of `consentGrant`.
    ConsentGrantPayload {
        /// The open consent.
        consent: Consent,
    }
}
payload! {
    /// Answer of `consentRevoke`.
    ConsentRevokePayload {
        /// The consent that was withdrawn, now or before; null when there never was one.
        consent: Option<Consent>,
    }
}

/// Mutations of preferences and consents.
#[derive(Debug, Default)]
pub struct PrivateMutation;

#[Object]
impl PrivateMutation {
    /// Sets one preference.
    async fn user_preference_set(
        &self,
        ctx: &Context<'_>,
        input: UserPreferenceSetInput,
    ) -> Result<UserPreferenceSetPayload> {
        let UserPreferenceSetInput { user, key, value } = input;
        let set = cases::user_preference_set(cx(ctx), user, key, value.0).await;
        answer(set.map(|it| UserPreferenceSetPayload::of(it.into())))
    }

    /// Removes one preference.
    async fn user_preference_delete(
        &self,
        ctx: &Context<'_>,
        input: UserPreferenceDeleteInput,
    ) -> Result<UserPreferenceDeletePayload> {
        let UserPreferenceDeleteInput { user, key } = input;
        let deleted = cases::user_preference_delete(cx(ctx), user, key).await;
        answer(deleted.map(UserPreferenceDeletePayload::of))
    }

    /// Merges a document into the preferences, member by member; all or nothing.
    async fn user_preferences_set(
        &self,
        ctx: &Context<'_>,
        input: UserPreferencesSetInput,
    ) -> Result<UserPreferencesSetPayload> {
        let UserPreferencesSetInput { user, preferences } = input;
        let set = cases::user_preferences_set(cx(ctx), user, preferences.0).await;
        match set {
            Ok(user) => Ok(UserPreferencesSetPayload::of(loader::one(ctx, user).await?)),
            Err(error) => answer(Err(error)),
        }
    }

    /// Gives a consent to the policy in force. Giving it again changes nothing.
    async fn consent_grant(
        &self,
        ctx: &Context<'_>,
        input: ConsentInput,
    ) -> Result<ConsentGrantPayload> {
        let ConsentInput { user, kind } = input;
        let given = cases::consent_grant(cx(ctx), user, kind).await;
        answer(given.map(|it| ConsentGrantPayload::of(it.into())))
    }

    /// Withdraws a consent. Withdrawing it again changes nothing.
    async fn consent_revoke(
        &self,
        ctx: &Context<'_>,
        input: ConsentInput,
    ) -> Result<ConsentRevokePayload> {
        let ConsentInput { user, kind } = input;
        let withdrawn = cases::consent_revoke(cx(ctx), user, kind).await;
        answer(withdrawn.map(|it| ConsentRevokePayload::of(it.map(Consent::from))))
    }
}
