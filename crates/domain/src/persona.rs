//! Persona: authored definitions of a role, and personas generated from a mindscape.

id!(
    /// An authored, versioned character role.
    PersonaDefinitionId, "definition"
);
