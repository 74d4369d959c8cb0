//! Tools that the client of a chat brings and runs itself (behaviour 17, `unsafe_dynamic_tools`).

use crate::{
    boundary,
    limits::{
        DESCRIPTION_CHARS, DYNAMIC_TOOL_SCHEMA_BYTES, DYNAMIC_TOOLS, DYNAMIC_TOOLS_BYTES, EXPOSED_NAME_CHARS,
    },
    tools::BUILT_IN_NAMES,
};
use api::{Validation, actions::DynamicTool};
use serde_json::Value;

/// What is wrong with the tools of a new chat; nothing when they can be offered.
pub fn check_dynamic_tools(tools: &[DynamicTool]) -> Vec<Validation> {
    let field = |at: usize, member: &str| format!("unsafe_dynamic_tools[{at}].{member}");
    let mut wrong = Vec::new();
    if tools.len() > DYNAMIC_TOOLS {
        let detail = format!("A chat has at most {DYNAMIC_TOOLS} tools of its client.");
        return vec![Validation::new("unsafe_dynamic_tools", detail)];
    }
    for (at, tool) in tools.iter().enumerate() {
        if let Err(detail) = check_name(&tool.name) {
            wrong.push(Validation::new(field(at, "name"), detail));
        } else if tools[..at].iter().any(|other| other.name == tool.name) {
            wrong.push(Validation::new(field(at, "name"), "Another tool has this name."));
        }
        if tool.description.chars().count() > DESCRIPTION_CHARS {
            let detail = format!("Use at most {DESCRIPTION_CHARS} characters.");
            wrong.push(Validation::new(field(at, "description"), detail));
        }
        if let Err(detail) = check_schema(&tool.input_schema) {
            wrong.push(Validation::new(field(at, "input_schema"), detail));
        }
    }
    let size = |tool: &DynamicTool| tool.description.len() + tool.input_schema.to_string().len();
    if tools.iter().map(size).sum::<usize>() > DYNAMIC_TOOLS_BYTES {
        let detail = format!("Use at most {} KiB in all.", DYNAMIC_TOOLS_BYTES / 1024);
        wrong.push(Validation::new("unsafe_dynamic_tools", detail));
    }
    wrong
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > EXPOSED_NAME_CHARS || !name.chars().all(fits) {
        return Err(format!("Use 1 to {EXPOSED_NAME_CHARS} letters a to z, digits, underscores and dashes."));
    }
    if name.contains("__") {
        return Err("Names with two underscores in a row belong to the tools of servers.".to_owned());
    }
    if BUILT_IN_NAMES.contains(&name) || [boundary::SUMMARIZED, boundary::CLEARED].contains(&name) {
        return Err("This is the name of a tool of Patchbay.".to_owned());
    }
    Ok(())
}

fn check_schema(schema: &Value) -> Result<(), String> {
    match schema {
        Value::Null => Ok(()),
        Value::Object(members) if members.get("type").is_some_and(|kind| kind == "object") => {
            if schema.to_string().len() > DYNAMIC_TOOL_SCHEMA_BYTES {
                return Err(format!("Use at most {} KiB.", DYNAMIC_TOOL_SCHEMA_BYTES / 1024));
            }
            Ok(())
        }
        _ => Err("Must be a JSON Schema with `\"type\": \"object\"`, or left out.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str, input_schema: Value) -> DynamicTool {
        DynamicTool { name: name.to_owned(), description: String::new(), input_schema }
    }

    #[test]
    fn names_are_plain_unique_and_nobody_elses() {
        for (name, good) in [
            ("open_file", true),
            ("a-B9", true),
            ("", false),
            ("a b", false),
            ("lab__echo", false),
            ("ä", false),
            (BUILT_IN_NAMES[0], false),
            (boundary::CLEARED, false),
        ] {
            assert_eq!(check_dynamic_tools(&[tool(name, Value::Null)]).is_empty(), good, "{name}");
        }
        let twice = check_dynamic_tools(&[tool("a", Value::Null), tool("a", Value::Null)]);
        assert_eq!(twice.len(), 1);
        assert_eq!(twice[0].field, "unsafe_dynamic_tools[1].name");
    }

    #[test]
    fn schemas_are_of_objects_and_everything_has_a_cap() {
        assert!(check_dynamic_tools(&[tool("a", json!({"type": "object", "properties": {}}))]).is_empty());
        for schema in [json!({}), json!([]), json!("x"), json!({"type": "string"})] {
            assert_eq!(
                check_dynamic_tools(&[tool("a", schema)])[0].field,
                "unsafe_dynamic_tools[0].input_schema"
            );
        }
        let large = json!({"type": "object", "description": "x".repeat(DYNAMIC_TOOL_SCHEMA_BYTES)});
        assert_eq!(check_dynamic_tools(&[tool("a", large)]).len(), 1);
        let half = json!({"type": "object", "description": "x".repeat(DYNAMIC_TOOL_SCHEMA_BYTES - 100)});
        let heavy: Vec<_> = ["a", "b", "c"].map(|name| tool(name, half.clone())).into();
        assert!(check_dynamic_tools(&heavy[..1]).is_empty());
        assert_eq!(check_dynamic_tools(&heavy)[0].field, "unsafe_dynamic_tools", "all of them together too");
        let many: Vec<_> = (0..=DYNAMIC_TOOLS).map(|n| tool(&format!("t{n}"), Value::Null)).collect();
        assert_eq!(check_dynamic_tools(&many)[0].field, "unsafe_dynamic_tools");
    }
}
