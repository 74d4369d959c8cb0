//! The form of *Try a tool*: the schema of a tool's arguments as fields, and what is typed into them as JSON. No signals, no markup: what
//! a server writes into its schemas is met here, by tables of tests.
//!
//! A schema that says more than fields can show is never half obeyed: such a member is typed as JSON, and the server checks the
//! whole in the end.

mod limits;
mod read;
#[cfg(test)]
mod tests;
mod values;

pub(super) use values::json;

use limits::Limits;
use serde_json::{Map, Value};

/// Inputs of one form; what comes after them is typed as JSON.
pub(super) const INPUTS_MAX: usize = 60;

/// The fields of an object of arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub(super) fields: Vec<Field>,
    /// Members without a field, because there are too many.
    pub(super) left_out: usize,
    /// The schema does not describe an object by its members.
    pub(super) undescribed: bool,
    inputs: usize,
}

/// One member of the arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Byte for byte as the server wrote it.
    pub(super) name: String,
    /// The name with everything in it visible, on one line.
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    One(Slot),
    /// An object whose members have fields of their own; never nested further.
    Group(Vec<Field>),
}

/// A place for one entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    /// Its place among the entries of the form.
    pub(super) at: usize,
    pub(super) input: Input,
    limits: Limits,
    /// Left empty it is `null` where it must be there.
    nullable: bool,
    /// Filled in beforehand.
    preset: Entry,
}

/// What a slot takes. Whatever it is, it is typed as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    Text,
    Number {
        integer: bool,
    },
    /// `true` or `false`.
    Boolean,
    /// The text is the index of the value.
    Choice(Vec<Value>),
    /// One item a line.
    Lines(Scalar),
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Number { integer: bool },
    Boolean,
}

/// What stands in a slot; empty is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) text: String,
    /// The value is none that the input could show, so it is typed as JSON.
    pub(super) as_json: bool,
}

/// What the entries say.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Collected {
    pub(super) arguments: Map<String, Value>,
    pub(super) problems: Vec<Problem>,
}

/// Why an entry cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) text: String,
    /// It says something that is not understood; otherwise it is missing, or does not fit.
    pub(super) unreadable: bool,
}

impl Form {
    /// Never fails: a schema that no field fits gives a form without fields.
    pub(super) fn of(schema: &Value) -> Self {
        read::form(schema)
    }

    /// What a new form holds.
    pub(super) fn fresh(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::default(); self.inputs];
        for slot in self.slots() {
            entries[slot.at] = slot.preset.clone();
        }
        entries
    }

    /// Every slot, in the order of the page.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.fields.iter().flat_map(|field| match &field.kind {
            Kind::One(slot) => vec![slot],
            Kind::Group(members) => members.iter().filter_map(Field::slot).collect(),
        })
    }

    /// The slot that a refusal of the server belongs to: `arguments/labels/0` stands at `labels`. None for the whole, and for what
    /// has no slot.
    pub(super) fn slot_of(&self, pointer: &str) -> Option<usize> {
        let mut steps = pointer.strip_prefix("arguments/")?.split('/').map(unescaped);
        let first = steps.next()?;
        let field = self.fields.iter().find(|field| field.name == first)?;
        match &field.kind {
            Kind::One(slot) => Some(slot.at),
            Kind::Group(members) => {
                let second = steps.next()?;
                members.iter().find(|member| member.name == second)?.slot().map(|slot| slot.at)
            }
        }
    }
}

impl Field {
    fn slot(&self) -> Option<&Slot> {
        match &self.kind {
            Kind::One(slot) => Some(slot),
            Kind::Group(_) => None,
        }
    }
}

/// A step of a JSON pointer (RFC 6901).
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}
