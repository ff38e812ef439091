//! Persons, their accounts, tokens, consents and communities, as the API shows them.

use std::collections::HashMap;

use async_graphql::MergedObject;

use crate::connection::PageArgs;

/// Declares how a connection of a parent is loaded: a key for the page, a key for the count,
/// and the function that resolves it.
///
/// `children!(TokensOf, TokenCountOf, UserId => identity::AccessToken, accounts,
/// person::tokens_of, person::count_tokens_of)`, where `accounts` is the viewer's scope.
macro_rules! children {
    (
        $key:ident, $count:ident, $parent:ty => $row:ty,
        $scope:ident, $page_of:path, $count_of:path
    ) => {
        /// A page of the children of a parent.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub $parent, pub $crate::connection::PageArgs);

        /// How many children a parent has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $count(pub $parent);

        impl async_graphql::dataloader::Loader<$key> for $crate::loader::Loaders {
            type Value = persistence::page::Slice<$row>;
            type Error = $crate::Failure;

            async fn load(
                &self,
                keys: &[$key],
            ) -> $crate::Result<std::collections::HashMap<$key, Self::Value>> {
                let scope = self.cx.viewer.$scope(app::Access::Read)?;
                let keys = keys.iter().map(|it| (it.0, it.1.clone()));
                let mut found = std::collections::HashMap::new();
                for (args, parents) in $crate::identity::by_args(keys) {
                    let page = args.clone().page()?;
                    let slices = $page_of(self.cx.reader(), scope, &parents, &page).await?;
                    let slices = slices.into_iter();
                    found.extend(slices.map(|(id, it)| ($key(id, args.clone()), it)));
                }
                Ok(found)
            }
        }

        impl async_graphql::dataloader::Loader<$count> for $crate::loader::Loaders {
            type Value = i64;
            type Error = $crate::Failure;

            async fn load(
                &self,
                keys: &[$count],
            ) -> $crate::Result<std::collections::HashMap<$count, i64>> {
                let scope = self.cx.viewer.$scope(app::Access::Read)?;
                let parents: Vec<$parent> = keys.iter().map(|it| it.0).collect();
                let counts = $count_of(self.cx.reader(), scope, &parents).await?;
                Ok(counts.into_iter().map(|(id, n)| ($count(id), n)).collect())
            }
        }

        impl $key {
            /// The page, and the count if it is asked for.
            pub(crate) async fn load(
                self,
                ctx: &async_graphql::Context<'_>,
            ) -> $crate::Result<(persistence::page::Slice<$row>, Option<i64>)> {
                // Asked here too, so that bad arguments are this field's fault alone.
                let page = self.1.clone().page()?;
                let total = if $crate::connection::wants_total(ctx) {
                    Some($crate::loader::one(ctx, $count(self.0)).await?.unwrap_or(0))
                } else {
                    None
                };
                let slice = $crate::loader::one(ctx, self).await?;
                let slice =
                    slice.unwrap_or_else(|| persistence::page::Slice::of(Vec::new(), &page));
                Ok((slice, total))
            }
        }
    };
}

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

/// Parents by the arguments they are asked with. Siblings ask alike: one group, and so one
/// statement, a level.
fn by_args<P>(keys: impl IntoIterator<Item = (P, PageArgs)>) -> HashMap<PageArgs, Vec<P>> {
    let mut groups: HashMap<PageArgs, Vec<P>> = HashMap::new();
    for (parent, args) in keys {
        groups.entry(args).or_default().push(parent);
    }
    groups
}
