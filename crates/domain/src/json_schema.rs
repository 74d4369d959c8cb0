//! Where subschemas stand in a JSON Schema, over all dialects from draft-04 to 2020-12: for everything that walks one.

/// Keywords whose value is one subschema.
pub const ONE: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of subschemas. `items` was one before 2020-12.
pub const LIST: &[&str] = &["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords whose value maps names to subschemas: a name there is no keyword. Values of `dependencies` can be lists of names.
pub const MAP: &[&str] =
    &["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose value is data: what looks like a schema in there is none.
pub const DATA: &[&str] = &["const", "enum", "default", "examples", "example"];
