//! Which persona is on duty: who gives way to whom.

use super::{PersonaDefinition, PersonaDefinitionId, PersonaEmergency};

/// From this priority on, a definition takes over in an emergency.
pub const EMERGENCY_PRIORITY: i32 = 100;

/// What becomes of a wish to put a persona on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is on duty.
    Switch,
    /// It is on duty, and an emergency begins; what was there before comes back after it.
    Preempt,
    /// It is the emergency that goes on already: nothing changes.
    Already,
    /// An emergency of a higher priority goes on: refused.
    Refused,
}

/// Decides, given the emergencies that go on there.
///
/// Emergencies nest: one of the same or a higher priority takes over from the one before, and
/// gives back to it when it is over. Everything else waits until they are over.
pub fn decide(wanted: &PersonaDefinition, open: &[PersonaEmergency]) -> Verdict {
    let highest = open.iter().map(|it| it.priority).max();
    match highest {
        Some(highest) if highest > wanted.priority => Verdict::Refused,
        Some(_) if in_force(open) == Some(wanted.id) => Verdict::Already,
        // Its priority is at least that of an emergency, so it is one.
        Some(_) => Verdict::Preempt,
        None if wanted.is_emergency() => Verdict::Preempt,
        None => Verdict::Switch,
    }
}

/// The definition of the emergency that took over last.
pub fn in_force(open: &[PersonaEmergency]) -> Option<PersonaDefinitionId> {
    newest(open)?.definition_id
}

fn newest(open: &[PersonaEmergency]) -> Option<&PersonaEmergency> {
    open.iter().max_by_key(|it| (it.started_at, it.id))
}
