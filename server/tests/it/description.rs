//! The description that the running server gives of itself, and whether answers keep to it (behaviour 3, "Do better").

use crate::support::TestServer;
use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, sync::Mutex};
use testkit::http::{Answer, Ask};

pub(crate) const DOCUMENT: &str = "/api/v2/openapi.json";

pub(crate) struct Description {
    pub(crate) document: Value,
    /// By the JSON of the schema: most answers share few.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// One operation of the description.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With its placeholders: `/api/v2/users/{user}`.
    pub(crate) path: String,
    pub(crate) described: Value,
}

impl Operation {
    /// `GET /api/v2/users/{user}`.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.described.get("security").is_some()
    }
}

impl Description {
    pub(crate) async fn of(server: &TestServer) -> Self {
        let document = server.anonymous().get(DOCUMENT).await.expect(200).json();
        Self { document, validators: Mutex::default() }
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().iter().map(|(method, described)| Operation {
                    method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    path: path.clone(),
                    described: described.clone(),
                })
            })
            .collect()
    }

    /// Follows one `$ref` into the components.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        reference.map_or(schema, |pointer| self.document.pointer(pointer).unwrap())
    }

    /// Why an answer is not as described, or nothing.
    pub(crate) fn objection(&self, method: &Method, path: &str, answer: &Answer) -> Option<String> {
        let operation = &self.document["paths"][path][method.as_str().to_lowercase()];
        let described = &operation["responses"][answer.status.to_string()];
        if described.is_null() {
            return Some(format!("the description knows no {} here: {}", answer.status, answer.body));
        }
        let Some(content) = described["content"].as_object() else {
            return (!answer.body.is_empty())
                .then(|| format!("a body that is not described: {}", answer.body));
        };
        let essence = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let Some(media) = content.get(essence) else {
            return Some(format!(
                "{} comes as {essence:?}, described is {:?}",
                answer.status,
                content.keys()
            ));
        };
        if essence != "application/json" {
            return None;
        }
        let Ok(body) = serde_json::from_str::<Value>(&answer.body) else {
            return Some(format!("no JSON: {}", answer.body));
        };
        let validator = self.validator(&media["schema"]);
        let problem = validator.iter_errors(&body).next()?;
        Some(format!("{} at {}: {body}", problem, problem.instance_path()))
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut known = self.validators.lock().unwrap();
        let validator = known.entry(schema.to_string()).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["components"] = json!({"schemas": self.document["components"]["schemas"]});
            Arc::new(jsonschema::options().should_validate_formats(true).build(&whole).unwrap())
        });
        Arc::clone(validator)
    }
}

/// The answer; of a live stream only its beginning, which has no end.
pub(crate) async fn answer_to(ask: Ask) -> Answer {
    let response = ask.open().await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let live =
        headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let body = if live { String::new() } else { response.text().await.unwrap() };
    Answer { status, headers, body }
}
