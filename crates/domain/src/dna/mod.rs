//! DNA: the predispositions an entity has from its told backstory and its parents.

mod entity;

pub use entity::*;
