//! A service in a person's place.

use domain::identity::UserId;
use persistence::identity::users;
use sea_orm::EntityTrait;

use crate::{Access, Cx, Error, Result, Viewer};

/// The viewer of a service that acts for a person: reaches what is theirs, and is named with
/// them in the log (`actsFor`) for whatever it does. It borrows what is the person's own, never
/// their role: for an administrator it is no administrator.
///
/// # Errors
/// [`Error::Forbidden`] for anyone but a service, [`Error::NotFound`] for nobody active.
pub async fn act_as(cx: &Cx, person: UserId) -> Result<Viewer> {
    cx.viewer.require(Access::Read)?;
    if !cx.viewer.is_service() {
        return Err(Error::Forbidden("only a service acts for a person"));
    }
    let user = users::Entity::find_by_id(person).one(cx.reader()).await?;
    match user {
        Some(user) if user.is_active => {
            let mut viewer = cx.viewer.clone();
            viewer.acts_for = Some(person);
            Ok(viewer)
        }
        _ => Err(Error::not_found("actAs")),
    }
}
