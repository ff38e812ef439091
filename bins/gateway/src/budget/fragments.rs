//! Fragments, before anything follows them: none contains itself, none is unused.

use std::collections::HashSet;

use async_graphql::{
    ServerError,
    parser::types::{ExecutableDocument, Selection, SelectionSet},
};

use crate::refusal::Refusal;

/// No fragment contains itself, and each is used by some operation: an unused one would be
/// validated without having been measured.
pub(super) fn fragments_are_sound(document: &ExecutableDocument) -> Result<(), Refusal> {
    if document.fragments.is_empty() {
        return Ok(());
    }
    let mut reached: HashSet<&str> = HashSet::new();
    for (_, operation) in document.operations.iter() {
        for name in spreads(&operation.node.selection_set.node) {
            reach(document, name, &mut reached)?;
        }
    }
    match document
        .fragments
        .iter()
        .find(|it| !reached.contains(it.0.as_str()))
    {
        None => Ok(()),
        Some((name, fragment)) => Err(Refusal::document(ServerError::new(
            format!("fragment \"{name}\" is not used"),
            Some(fragment.pos),
        ))),
    }
}

/// Follows spreads depth first, without recursion; each fragment is entered once.
fn reach<'a>(
    document: &'a ExecutableDocument,
    start: &'a str,
    done: &mut HashSet<&'a str>,
) -> Result<(), Refusal> {
    let inner = |name: &str| {
        document
            .fragments
            .get(name)
            .map(|it| spreads(&it.node.selection_set.node))
            .unwrap_or_default()
    };
    if !done.insert(start) {
        return Ok(());
    }
    let mut open: Vec<(&str, Vec<&str>)> = vec![(start, inner(start))];
    let mut on_path: HashSet<&str> = HashSet::from([start]);
    while let Some((name, todo)) = open.last_mut() {
        let Some(next) = todo.pop() else {
            on_path.remove(name);
            open.pop();
            continue;
        };
        if on_path.contains(next) {
            let message = format!("fragment \"{next}\" contains itself");
            return Err(Refusal::document(ServerError::new(message, None)));
        }
        if done.insert(next) {
            on_path.insert(next);
            open.push((next, inner(next)));
        }
    }
    Ok(())
}

/// The fragments that a selection set spreads, at any depth within itself.
fn spreads(set: &SelectionSet) -> Vec<&str> {
    let mut names = Vec::new();
    let mut todo = vec![set];
    while let Some(set) = todo.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(it) => todo.push(&it.node.selection_set.node),
                Selection::InlineFragment(it) => todo.push(&it.node.selection_set.node),
                Selection::FragmentSpread(it) => names.push(it.node.fragment_name.node.as_str()),
            }
        }
    }
    names
}
