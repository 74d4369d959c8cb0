//! `model_intent`: the model says, with each call, what the call is for; people see it, the server does not (behaviour 14).

mod label;
mod streaming;
mod unwrap;
mod wrap;

pub use label::{label, label_of_text};
pub use streaming::StreamingLabel;
pub use unwrap::{Declares, InvalidJson, Unwrapped, parse_arguments, unwrap_arguments};
pub use wrap::wrap_schema;

/// The member that carries the intent.
pub const INTENT_KEY: &str = "model_intent";
/// The member that carries the tool's own arguments.
pub const PROPERTIES_KEY: &str = "properties";

#[cfg(test)]
mod tests;
