//! The table of answers to repeated requests.

use domain::values::Json;
use sea_orm::{entity::prelude::*, sea_query::OnConflict};
use serde::{Deserialize, Serialize};

use crate::Result;

/// Table `idempotency_keys`.
pub mod idempotency_keys {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// Whose key it is: a TypeID, or two joined by `:` when one acts for the other.
        pub principal: String,
        pub key: String,
        pub mutation: String,
        pub response: Json<Response>,
        pub expires_at: DateTimeUtc,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What is kept of the first answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// SHA-256 of the input, in hexadecimal.
    pub fingerprint: String,
    /// The TypeID of what was made; empty until the transaction that claims the key has made it.
    pub answer: Option<String>,
}

/// Claims a key: true when it was free. Waits for a transaction that is claiming the same one.
pub async fn claim(db: &impl ConnectionTrait, row: idempotency_keys::Model) -> Result<bool> {
    use idempotency_keys::Column;
    idempotency_keys::Entity::delete_many()
        .filter(Column::Principal.eq(&row.principal))
        .filter(Column::Key.eq(&row.key))
        .filter(Column::ExpiresAt.lte(row.created_at))
        .exec(db)
        .await?;
    let inserted =
        idempotency_keys::Entity::insert(idempotency_keys::ActiveModel::from(row).reset_all())
            .on_conflict(
                OnConflict::columns([Column::Principal, Column::Key])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
    Ok(inserted == 1)
}

/// What is kept under a key.
pub async fn find(
    db: &impl ConnectionTrait,
    principal: &str,
    key: &str,
) -> Result<Option<idempotency_keys::Model>> {
    use idempotency_keys::Column;
    Ok(idempotency_keys::Entity::find()
        .filter(Column::Principal.eq(principal))
        .filter(Column::Key.eq(key))
        .one(db)
        .await?)
}

/// Keeps the answer of a claimed key.
pub async fn keep(db: &impl ConnectionTrait, id: Uuid, response: Response) -> Result<()> {
    use idempotency_keys::Column;
    idempotency_keys::Entity::update_many()
        .col_expr(Column::Response, Expr::value(Json(response)))
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Forgets what has expired; gives how many.
pub async fn prune(db: &impl ConnectionTrait, now: DateTimeUtc) -> Result<u64> {
    let deleted = idempotency_keys::Entity::delete_many()
        .filter(idempotency_keys::Column::ExpiresAt.lte(now))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}

/// Forgets the keys of a principal that is no more, its own and those used for it.
pub async fn forget_principal(db: &impl ConnectionTrait, principal: &str) -> Result<()> {
    use idempotency_keys::Column;
    use sea_orm::Condition;
    idempotency_keys::Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::Principal.eq(principal))
                .add(Column::Principal.ends_with(format!(":{principal}"))),
        )
        .exec(db)
        .await?;
    Ok(())
}
