//! Persons, their accounts, tokens, consents and communities, as the API shows them.

use async_graphql::MergedObject;

pub mod community;
pub mod leave;
pub mod person;
pub mod private;
pub mod token;

pub use community::{Guild, GuildMember};
pub use person::{User, UserIdentity};
pub use private::Consent;
pub use token::AccessToken;

/// Queries of identity.
#[derive(Debug, Default, MergedObject)]
pub struct IdentityQuery(person::PersonQuery, community::CommunityQuery);

/// Mutations of identity.
#[derive(Debug, Default, MergedObject)]
pub struct IdentityMutation(
    person::PersonMutation,
    person::PlatformMutation,
    token::TokenMutation,
    private::PrivateMutation,
    community::CommunityMutation,
    leave::LeaveMutation,
);

/// How many rows, as GraphQL counts.
fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
