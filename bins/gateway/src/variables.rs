//! Checks the variables of a request against their declared types, before execution.
//!
//! The library checks them as part of validating the document. We do it by ourselves first,
//! so that a document once proven valid need not be validated again, and a wrong variable is
//! the same request error either way.

use std::collections::HashSet;

use async_graphql::{
    ServerError, Value, Variables,
    parser::types::OperationDefinition,
    registry::{MetaType, MetaTypeName},
};

use crate::model::Model;

/// What the check learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provided {
    /// One bit for each declared variable that the request gives, in order of declaration.
    /// `None` past 64 of them, or when one is null though it has a default: such a null may
    /// still be a fault of the document, which only full validation finds.
    pub mask: Option<u64>,
}

/// Checks `variables` against what `operation` declares.
///
/// # Errors
/// One for each variable that is missing, or not of its type.
pub fn check(
    model: &Model,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<Provided, Vec<ServerError>> {
    let mut errors = Vec::new();
    let mut mask = Some(0_u64);
    for (i, definition) in operation.variable_definitions.iter().enumerate() {
        let name = definition.node.name.node.as_str();
        let declared = &definition.node.var_type.node;
        let default = definition.node.default_value.is_some();
        match variables.get(name) {
            None if !declared.nullable && !default => errors.push(ServerError::new(
                format!("variable \"${name}\" of type \"{declared}\" is required"),
                Some(definition.pos),
            )),
            None => {}
            Some(value) => {
                mask = mask
                    .filter(|_| !(default && *value == Value::Null))
                    .and_then(|it| Some(it | 1_u64.checked_shl(u32::try_from(i).ok()?)?));
                let mut path = vec![Step::Field(name)];
                if let Some(reason) = fault(model, &declared.to_string(), value, &mut path) {
                    errors.push(ServerError::new(
                        format!("variable \"${}\": {reason}", shown(&path)),
                        Some(definition.pos),
                    ));
                }
            }
        }
    }
    // A NUL is valid JSON and no text that PostgreSQL could store.
    if variables.values().any(has_nul) {
        errors.push(ServerError::new(
            "a variable holds a NUL character, which is not text",
            None,
        ));
    }
    if errors.is_empty() {
        Ok(Provided { mask })
    } else {
        Err(errors)
    }
}

enum Step<'a> {
    Field(&'a str),
    Index(usize),
}

fn shown(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Index(i) => {
                text.push('.');
                text.push_str(&i.to_string());
            }
        }
    }
    text
}

/// What is wrong with `value` as a `ty`; `path` then leads to the fault.
fn fault<'a>(
    model: &'a Model,
    ty: &str,
    value: &'a Value,
    path: &mut Vec<Step<'a>>,
) -> Option<String> {
    match MetaTypeName::create(ty) {
        MetaTypeName::NonNull(inner) => match value {
            Value::Null => Some(format!("expected type \"{ty}\", found null")),
            _ => fault(model, inner, value, path),
        },
        MetaTypeName::List(inner) => match value {
            Value::Null => None,
            Value::List(items) => items.iter().enumerate().find_map(|(i, item)| {
                path.push(Step::Index(i));
                let reason = fault(model, inner, item, path);
                if reason.is_none() {
                    path.pop();
                }
                reason
            }),
            one => fault(model, inner, one, path),
        },
        MetaTypeName::Named(name) => named_fault(model, name, value, path),
    }
}

fn named_fault<'a>(
    model: &'a Model,
    name: &str,
    value: &'a Value,
    path: &mut Vec<Step<'a>>,
) -> Option<String> {
    if *value == Value::Null {
        return None;
    }
    // A type that is not there, or not for input, is found by validating the document.
    match model.type_named(name)? {
        MetaType::Scalar {
            is_valid: Some(is_valid),
            ..
        } if !is_valid(value) => Some(format!("expected type \"{name}\"")),
        MetaType::Enum { enum_values, .. } => match value {
            Value::Enum(it) if enum_values.contains_key(it.as_str()) => None,
            Value::String(it) if enum_values.contains_key(it.as_str()) => None,
            _ => Some(format!("expected a value of the enum \"{name}\"")),
        },
        MetaType::InputObject {
            input_fields,
            oneof,
            ..
        } => {
            let Value::Object(values) = value else {
                return Some(format!("expected an object of type \"{name}\""));
            };
            if *oneof && (values.len() != 1 || values.values().any(|it| *it == Value::Null)) {
                return Some(format!(
                    "expected exactly one field of \"{name}\", not null"
                ));
            }
            let mut unknown: HashSet<&str> = values.keys().map(AsRef::as_ref).collect();
            for field in input_fields.values() {
                unknown.remove(field.name.as_str());
                match values.get(field.name.as_str()) {
                    Some(value) => {
                        path.push(Step::Field(&field.name));
                        if let Some(reason) = fault(model, &field.ty, value, path) {
                            return Some(reason);
                        }
                        path.pop();
                    }
                    None if field.ty.ends_with('!') && field.default_value.is_none() => {
                        return Some(format!(
                            "field \"{}\" of type \"{}\" is required",
                            field.name, field.ty
                        ));
                    }
                    None => {}
                }
            }
            let first = unknown.into_iter().min()?;
            Some(format!("\"{name}\" has no field \"{first}\""))
        }
        _ => None,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(it) => it.contains('\0'),
        Value::List(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}
