//! Access tokens, logging in and out.

use app::identity::{self as cases, Password};
use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::identity::{self, AccessTokenId, TokenKind, UserId};
use persistence::identity::person as rows;

use super::person::User;
use crate::{Result, connection, cx, device::Device, loader, payload, payload::answer};

/// An access token, without its secret.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The row, with the hash: never shown as it is.
    pub row: identity::AccessToken,
}

impl From<identity::AccessToken> for AccessToken {
    fn from(row: identity::AccessToken) -> Self {
        Self { row }
    }
}

connection!(
    AccessTokenConnection,
    AccessTokenEdge,
    AccessToken,
    "access tokens"
);

/// The tokens of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokensOf;

impl loader::Children for TokensOf {
    type Table = persistence::identity::access_tokens::Entity;
    type Row = identity::AccessToken;

    fn children(&self, cx: &app::Cx) -> app::Result<persistence::page::Children<Self::Table>> {
        Ok(rows::tokens_under(cx.viewer.accounts(app::Access::Read)?))
    }
}

/// An access token, without its secret.
#[Object]
impl AccessToken {
    /// Stable identifier; not the secret.
    async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }

    /// What it was made for.
    async fn kind(&self) -> TokenKind {
        self.row.kind
    }

    /// What it is for, in the owner's words.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// The eight characters after `anima_`, to tell tokens apart.
    async fn prefix(&self) -> &str {
        &self.row.prefix
    }

    /// What it may be used for: `read`, `write`, `admin`, and `entity:ID` for no entity but
    /// this one.
    async fn scopes(&self) -> Vec<String> {
        self.row.scopes.iter().map(ToString::to_string).collect()
    }

    /// The person it speaks for; null for a device's.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.row.user_id {
            Some(id) => loader::one(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The device it speaks for; null for a person's.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match self.row.device_id {
            Some(id) => loader::one(ctx, id).await,
            None => Ok(None),
        }
    }

    /// When it was last used, to the minute.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.row.last_used_at
    }

    /// When it ends by itself.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.row.expires_at
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<DateTime<Utc>> {
        self.row.revoked_at
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// An API key to be made.
#[derive(Clone, Debug, InputObject)]
pub struct TokenCreateInput {
    /// Whose; yours when not said. Anyone's for an administrator.
    pub user: Option<UserId>,
    /// What it is for, 1–100 characters.
    pub name: String,
    /// At least one of `read`, `write` and `admin`; `entity:ID` for no entity but this one.
    /// Never more than the token you use has itself.
    pub scopes: Vec<String>,
    /// When it ends by itself; never when not said.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Who wants in.
#[derive(Clone, InputObject)]
pub struct LoginInput {
    /// E-mail address or user name.
    pub user: String,
    /// The password.
    #[graphql(secret)]
    pub password: String,
}

payload! {
    /// Answer of `tokenCreate`.
    TokenCreatePayload {
        /// The new token.
        token: AccessToken,
        /// The token's text, to be sent as `Authorization: Bearer …`. Shown this once: a
        /// repeat with the same `idempotencyKey` does not have it.
        secret: Option<String>,
    }
}
payload! {
    /// Answer of `tokenRevoke`.
    TokenRevokePayload {
        /// The token, revoked.
        token: AccessToken,
    }
}
payload! {
    /// Answer of `login`.
    LoginPayload {
        /// Who is in.
        user: User,
        /// The login's token: ends 12 hours after its last use.
        token: AccessToken,
        /// The token's text, to be sent as `Authorization: Bearer …`. Shown this once.
        secret: String,
    }
}
payload! {
    /// Answer of `logout`.
    LogoutPayload {
        /// The login's token, revoked.
        token: AccessToken,
    }
}

/// Mutations of tokens.
#[derive(Debug, Default)]
pub struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Makes an API key: for yourself or, as an administrator, for anyone.
    async fn token_create(
        &self,
        ctx: &Context<'_>,
        input: TokenCreateInput,
        #[graphql(
            desc = "The same key and input again give the first answer without the secret, for \
                    24 hours."
        )]
        idempotency_key: Option<String>,
    ) -> Result<TokenCreatePayload> {
        let TokenCreateInput {
            user,
            name,
            scopes,
            expires_at,
        } = input;
        let input = cases::TokenCreate {
            user,
            name,
            scopes,
            expires_at,
        };
        let made = cases::token_create(cx(ctx), idempotency_key, input).await;
        answer(
            made.map(|(token, text)| {
                TokenCreatePayload::of(token.into(), text.map(|it| it.reveal()))
            }),
        )
    }

    /// Revokes a token: your own, your device's, or as an administrator any.
    async fn token_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] token: AccessTokenId,
    ) -> Result<TokenRevokePayload> {
        let revoked = cases::token_revoke(cx(ctx), token).await;
        answer(revoked.map(|it| TokenRevokePayload::of(it.into())))
    }

    /// A token for whoever knows a person's password. Needs no token.
    async fn login(&self, ctx: &Context<'_>, input: LoginInput) -> Result<LoginPayload> {
        let LoginInput { user, password } = input;
        let input = cases::Login {
            user,
            password: Password(password),
        };
        let done = cases::login(cx(ctx), input).await;
        let done = match done {
            Ok(it) => it,
            Err(error) => return answer(Err(error)),
        };
        // The one who is in sees themself, though this request has no viewer who does.
        let cases::LoggedIn { user, token, text } = done;
        Ok(LoginPayload::of(user.into(), token.into(), text.reveal()))
    }

    /// Ends the login that this request came by.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload> {
        let done = cases::logout(cx(ctx)).await;
        answer(done.map(|it| LogoutPayload::of(it.into())))
    }
}
