//! A tool's JSON Schema in the words of a model provider (behaviour 14, protocol.md J6).
//!
//! Providers take different parts of JSON Schema and refuse a whole request over one tool they cannot read. Each adapter here says as
//! much of a schema as its provider takes; what cannot be said goes into descriptions as words, or into notes for the admin. The
//! adapted schema only guides the model: arguments are validated against the original, which nothing here changes.
//!
//! To add a provider: a variant of [`Dialect`], a file with its rules and their source, a line in [`adapt`].

mod anthropic;
mod gemini;
mod lint;
mod merge;
mod modern;
mod nulls;
mod openai;
mod reduce;
mod root;
mod strict;
mod walk;

pub use lint::{Lint, Severity, lint};
pub use nulls::without_added_nulls;

use crate::limits::PROVIDER_NOTES;
use serde_json::Value;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Function parameters of OpenAI and of the many servers that speak like it.
    OpenAi,
    /// The same with `strict: true`: the answer always fits, at the price of most keywords.
    OpenAiStrict,
    /// `input_schema` of Anthropic.
    Anthropic,
    /// `parameters` of Gemini: a subset of OpenAPI 3.0.
    Gemini,
}

impl Dialect {
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::OpenAiStrict, Self::Anthropic, Self::Gemini];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::OpenAiStrict => "OpenAI in strict mode",
            Self::Anthropic => "Anthropic",
            Self::Gemini => "Gemini",
        }
    }
}

/// A schema that the provider takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapted {
    pub schema: Value,
    /// What was lost on the way; empty when the schema means what it meant.
    pub notes: Vec<Note>,
}

/// Something of the original that the model is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// JSON pointer into the original; empty for its root.
    pub path: String,
    /// A part of a sentence: "`not` was left out".
    pub text: String,
}

/// The provider cannot be told of this tool at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// JSON pointer into the original; empty for its root.
    pub path: String,
    /// A part of a sentence about the tool's schema: "it refers to …, which is not fetched".
    pub why: String,
}

impl Refused {
    fn new(path: &str, why: impl Into<String>) -> Self {
        Self { path: path.to_owned(), why: why.into() }
    }
}

/// The schema of a tool's arguments for one provider. Nothing is ever fetched; depth, size and the growth from references that
/// are written out are bounded.
///
/// # Errors
/// Why the tool cannot be offered to this provider. It must then be left out, or the provider would refuse the whole request.
pub fn adapt(schema: &Value, dialect: Dialect) -> Result<Adapted, Refused> {
    walk::check(schema)?;
    let mut notes = Notes::default();
    let mut schema = modern::modernise(schema, &mut notes);
    root::make_object(&mut schema, &mut notes)?;
    // What pointed into a part that is gone would now point at nothing.
    walk::check(&schema)?;
    let schema = match dialect {
        Dialect::OpenAi => openai::adapt(schema, &mut notes),
        Dialect::OpenAiStrict => strict::adapt(&schema, &mut notes)?,
        Dialect::Anthropic => anthropic::adapt(schema, &mut notes)?,
        Dialect::Gemini => gemini::adapt(&schema, &mut notes)?,
    };
    Ok(Adapted { schema, notes: notes.0 })
}

/// The first few notes; a schema that is wrong throughout needs no thousand of them.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, path: &str, text: impl Into<String>) {
        let note = Note { path: path.to_owned(), text: text.into() };
        if self.0.len() < PROVIDER_NOTES && !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}

#[cfg(test)]
mod tests;
