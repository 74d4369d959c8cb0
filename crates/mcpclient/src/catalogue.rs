//! What a server offers: tools as the rest of Patchbay sees them, and what was left out.

use std::{collections::HashSet, fmt::Write as _, sync::Arc};

use domain::text::{cut_bytes, has_control, hex, quote};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Duration;

use crate::{
    limits::{DEFINITION, DESCRIPTION, PROBLEMS, TITLE, TOOL_NAME},
    param_header::{self, ParamHeader},
    protocol::Revision,
    redact::Secrets,
    schema::{self, Checker, Misfit},
    session::ServerIdentity,
};

/// The tools of one server, as it lists them to one user.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// In the server's order.
    pub tools: Vec<Arc<Tool>>,
    /// Definitions that were left out, and lists that were cut short.
    pub problems: Vec<ToolProblem>,
    /// Self-reported, one line; empty when the server gives none.
    pub server_name: String,
    /// Self-reported, one line.
    pub server_version: String,
    /// The negotiated revision.
    pub revision: Revision,
    /// How long the server lets its list be kept, within bounds; missing where it says nothing.
    pub fresh_for: Option<Duration>,
    /// Untrusted text for admins (protocol.md T14), at most 8 KiB.
    pub instructions: Option<String>,
    /// Of the definitions, as text.
    pub bytes: usize,
}

impl Catalogue {
    /// The tool with this original name.
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

/// Why something of a listing is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolProblem {
    /// The tool's name, one line, or a number where it has none; empty when it is about the whole list.
    pub name: String,
    /// One sentence.
    pub detail: String,
}

/// What a server claims about a tool. Never decides anything (protocol.md T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Annotations {
    /// `readOnlyHint`
    pub read_only: Option<bool>,
    /// `destructiveHint`
    pub destructive: Option<bool>,
    /// `idempotentHint`
    pub idempotent: Option<bool>,
    /// `openWorldHint`
    pub open_world: Option<bool>,
}

/// A usable tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// As the server names it; this goes on the wire.
    pub name: String,
    /// For people, one line.
    pub title: Option<String>,
    /// For the model; at most 8 KiB.
    pub description: String,
    /// Whole, as the server sent it.
    pub input_schema: Arc<Value>,
    /// Claims of the server.
    pub annotations: Annotations,
    /// Hex SHA-256 over name, title, description, schemas and annotations: a changed definition has another hash
    /// (behaviour 13).
    pub hash: String,
    /// As it came, for reports and reviews.
    pub definition: Arc<Value>,
    /// Arguments that a stateless server wants repeated in headers (protocol.md 4).
    pub(crate) mirrored: Vec<ParamHeader>,
    checker: Arc<Checker>,
    /// Checks structured content, where the tool declares its form.
    pub(crate) output: Option<Arc<Checker>>,
}

impl Tool {
    /// Reads one definition of a `tools/list` answer.
    ///
    /// # Errors
    /// One sentence on why the tool cannot be used.
    pub fn from_definition(definition: &Value) -> Result<Self, String> {
        let Value::Object(object) = definition else { return Err("the definition is not an object".into()) };
        let size = definition.to_string().len();
        if size > DEFINITION {
            return Err(format!("the definition has {size} bytes; at most {DEFINITION} are accepted"));
        }
        let name = object.get("name").and_then(Value::as_str).ok_or("it has no name")?;
        if name.is_empty() || name.chars().count() > TOOL_NAME {
            return Err(format!("the name must have 1 to {TOOL_NAME} characters"));
        }
        if has_control(name) {
            return Err("the name has control characters".into());
        }
        let input_schema = object.get("inputSchema").ok_or("it has no inputSchema")?;
        if input_schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("its inputSchema is not a schema of an object".into());
        }
        schema::inspect(input_schema)?;
        let mirrored = param_header::of_schema(input_schema)?;
        // A form that cannot be checked is no reason to lose the tool (protocol.md T11).
        let output = object.get("outputSchema").filter(|schema| schema::inspect(schema).is_ok());
        let output = output.map(|schema| Arc::new(Checker::new(Arc::new(schema.clone()))));
        if object.get("execution").and_then(|execution| execution.get("taskSupport")).and_then(Value::as_str)
            == Some("required")
        {
            return Err("it needs background tasks, which are not supported".into());
        }
        let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let claims = object.get("annotations");
        let title =
            text("title").or_else(|| claims.and_then(|claims| claims.get("title")).and_then(Value::as_str));
        let claim = |key: &str| claims.and_then(|claims| claims.get(key)).and_then(Value::as_bool);
        let input_schema = Arc::new(input_schema.clone());
        Ok(Self {
            name: name.to_owned(),
            title: title.map(|title| quote(title, TITLE)),
            description: cut_bytes(text("description").unwrap_or_default(), DESCRIPTION)
                .replace('\0', "\u{fffd}"),
            annotations: Annotations {
                read_only: claim("readOnlyHint"),
                destructive: claim("destructiveHint"),
                idempotent: claim("idempotentHint"),
                open_world: claim("openWorldHint"),
            },
            hash: definition_hash(object),
            mirrored,
            definition: Arc::new(definition.clone()),
            checker: Arc::new(Checker::new(Arc::clone(&input_schema))),
            output,
            input_schema,
        })
    }

    /// Whether the arguments fit the schema. The schema is compiled at the first call and kept; time and stack are
    /// bounded.
    ///
    /// # Errors
    /// What does not fit, with JSON pointers, for the model to correct.
    pub fn accepts(&self, arguments: &Value) -> Result<(), String> {
        self.checker.check(arguments)
    }

    /// The same, one by one, for a form: the first few things that do not fit.
    ///
    /// # Errors
    /// Why the schema cannot be asked.
    pub fn misfits(&self, arguments: &Value) -> Result<Vec<Misfit>, String> {
        self.checker.misfits(arguments).map(|(misfits, _)| misfits)
    }
}

/// Over what a call depends on and a person has approved; icons and `_meta` may change freely.
fn definition_hash(object: &Map<String, Value>) -> String {
    let keys = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];
    let relevant = json!(keys.map(|key| object.get(key)));
    let mut text = String::new();
    canonical(&relevant, &mut text);
    hex(&Sha256::digest(text.as_bytes()))
}

/// JSON with sorted keys: a server that shuffles its keys has not changed its tool. Depth is bounded by the message.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for key in keys {
                let _ = write!(out, "{}:", Value::String(key.clone()));
                canonical(&map[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        leaf => {
            let _ = write!(out, "{leaf}");
        }
    }
}

/// Collects definitions page by page.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    secrets: Secrets,
    tools: Vec<Arc<Tool>>,
    names: HashSet<String>,
    problems: Vec<ToolProblem>,
    more_problems: usize,
    seen: usize,
    bytes: usize,
}

impl Builder {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), ..Self::default() }
    }

    /// Takes in a definition as it came, without the secrets of the target.
    pub(crate) fn add(&mut self, mut definition: Value) {
        self.seen += 1;
        let allowed = self.without_secrets(&mut definition);
        let definition = &definition;
        let made = allowed.and_then(|()| Tool::from_definition(definition)).and_then(|tool| {
            if self.names.contains(&tool.name) {
                Err("another tool of this server has the same name".into())
            } else {
                Ok(tool)
            }
        });
        match made {
            Ok(tool) => {
                self.bytes += definition.to_string().len();
                self.names.insert(tool.name.clone());
                self.tools.push(Arc::new(tool));
            }
            Err(detail) => {
                let name = definition.get("name").and_then(Value::as_str);
                let name =
                    name.map_or_else(|| format!("number {}", self.seen), |name| quote(name, TOOL_NAME));
                self.problem(name, detail);
            }
        }
    }

    /// # Errors
    /// A secret where it cannot be taken out: name and schema go back to the server as they are.
    fn without_secrets(&self, definition: &mut Value) -> Result<(), String> {
        let mut kept = Ok(());
        if let Some(schema) = definition.get_mut("inputSchema") {
            self.secrets.clean_schema(schema);
            if self.secrets.is_in_value(schema) {
                kept = Err("its inputSchema repeats a header value of this server".to_owned());
            }
        }
        if definition.get("name").is_some_and(|name| self.secrets.is_in_value(name)) {
            kept = Err("its name repeats a header value of this server".to_owned());
        }
        self.secrets.clean_value(definition);
        kept
    }

    pub(crate) fn problem(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        if self.problems.len() < PROBLEMS {
            self.problems.push(ToolProblem { name: name.into(), detail: detail.into() });
        } else {
            self.more_problems += 1;
        }
    }

    /// Definitions seen so far, bad ones included.
    pub(crate) fn seen(&self) -> usize {
        self.seen
    }

    /// Bytes of the definitions kept so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn finish(mut self, server: &ServerIdentity, fresh_for: Option<Duration>) -> Catalogue {
        if self.more_problems > 0 {
            let detail = format!("{} more problems are not listed", self.more_problems);
            self.problems.push(ToolProblem { name: String::new(), detail });
        }
        Catalogue {
            tools: self.tools,
            problems: self.problems,
            server_name: server.name.clone(),
            server_version: server.version.clone(),
            revision: server.revision,
            fresh_for,
            instructions: server.instructions.clone(),
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Value {
        json!({"name": "search", "description": "Finds", "inputSchema": {"type": "object", "properties": {"q": {"type": "string"}}}})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut definition = definition();
        definition[key] = value;
        definition
    }

    #[test]
    fn bad_definitions_say_why() {
        for (definition, why) in [
            (json!(7), "not an object"),
            (with("name", json!("")), "1 to 128"),
            (with("name", json!("x".repeat(129))), "1 to 128"),
            (with("name", json!("a\u{7}b")), "control"),
            (with("name", json!(null)), "no name"),
            (with("inputSchema", json!(null)), "not a schema"),
            (with("inputSchema", json!({"type": "string"})), "not a schema"),
            (with("inputSchema", json!({})), "not a schema"),
            (with("description", json!("x".repeat(70_000))), "bytes"),
            (with("execution", json!({"taskSupport": "required"})), "background tasks"),
            (
                with(
                    "inputSchema",
                    json!({"type": "object", "properties": {"a": {"$ref": "https://evil.example/s"}}}),
                ),
                "not fetched",
            ),
        ] {
            let error = Tool::from_definition(&definition).expect_err(why);
            assert!(error.contains(why), "{error} / {why}");
        }
    }

    #[test]
    fn title_falls_back_and_annotations_are_claims() {
        let tool =
            Tool::from_definition(&with("annotations", json!({"title": "Find\nit", "readOnlyHint": true})))
                .unwrap();
        assert!(!tool.title.as_deref().unwrap().contains('\n'));
        assert_eq!(tool.annotations.read_only, Some(true));
        assert_eq!(tool.annotations.destructive, None);
        let tool = Tool::from_definition(&with("description", json!("ä".repeat(9000)))).unwrap();
        assert!(tool.description.len() <= DESCRIPTION && tool.description.ends_with('…'));
    }

    #[test]
    fn the_hash_follows_what_matters() {
        let hash = |definition: &Value| Tool::from_definition(definition).unwrap().hash;
        let shuffled: Value = serde_json::from_str(
            r#"{"inputSchema":{"properties":{"q":{"type":"string"}},"type":"object"},"description":"Finds","name":"search"}"#,
        )
        .unwrap();
        assert_eq!(hash(&definition()), hash(&shuffled));
        assert_eq!(hash(&definition()), hash(&with("icons", json!([{"src": "x"}]))));
        assert_ne!(hash(&definition()), hash(&with("description", json!("Finds all"))));
        assert_ne!(hash(&definition()), hash(&with("annotations", json!({"readOnlyHint": true}))));
        assert_ne!(hash(&definition()), hash(&with("outputSchema", json!({"type": "object"}))));
        assert_eq!(hash(&definition()).len(), 64);
    }

    #[test]
    fn the_second_of_two_equal_names_is_left_out() {
        let mut builder = Builder::default();
        builder.add(definition());
        builder.add(with("description", json!("another")));
        builder.add(json!({"name": 3}));
        assert_eq!((builder.tools.len(), builder.seen()), (1, 3));
        assert_eq!(builder.tools[0].description, "Finds");
        assert_eq!(builder.problems[0].name, "search");
        assert_eq!(builder.problems[1].name, "number 3");
    }

    #[test]
    fn secrets_are_taken_out_or_the_tool_is_left_out() {
        let mut builder = Builder::new(&crate::redact::tests::secrets(&["Bearer tok-12345678"]));
        let mut shown = with("description", json!("Your key is tok-12345678"));
        shown["title"] = json!("tok-12345678!");
        shown["inputSchema"]["properties"]["q"]["description"] = json!("not tok-12345678");
        builder.add(shown);
        builder.add(with("name", json!("tok-12345678")));
        builder
            .add(json!({"name": "b", "inputSchema": {"type": "object", "properties": {"tok-12345678": {}}}}));
        builder
            .add(json!({"name": "c", "inputSchema": {"type": "object", "$ref": "https://x/tok-12345678"}}));
        assert_eq!(builder.tools.len(), 1);
        assert_eq!(builder.tools[0].description, "Your key is [redacted]");
        assert_eq!(builder.tools[0].title.as_deref(), Some("[redacted]!"));
        assert_eq!(builder.tools[0].input_schema["properties"]["q"]["description"], "not [redacted]");
        assert_eq!(builder.problems.len(), 3);
        assert!(!format!("{:?}{:?}", builder.tools, builder.problems).contains("tok-"));
    }
}
