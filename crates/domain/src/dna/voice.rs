//! The voice that fits an entity.
