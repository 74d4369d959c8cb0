//! Between what is typed and JSON, both ways. What goes through the fields and back is the same: a value that an input cannot show is
//! typed as JSON in its place, and members without a field are kept beside them.

use super::{Collected, Entry, Field, Form, Input, Kind, Problem, Scalar, Slot};
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are exact as a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Form {
    /// What the entries say, with the members that have no field. Everything that can be read is in the arguments, also beside
    /// problems.
    pub(in super::super) fn collect(&self, entries: &[Entry], rest: &Map<String, Value>) -> Collected {
        let mut found = Collected::default();
        for field in &self.fields {
            match &field.kind {
                Kind::One(slot) => found.take(&field.name, slot, field.required, entries),
                Kind::Group(members) => found.take_group(field, members, entries, rest.get(&field.name)),
            }
        }
        for (name, value) in rest {
            if !found.arguments.contains_key(name) {
                found.arguments.insert(name.clone(), value.clone());
            }
        }
        found
    }

    /// Entries that say the same as `arguments`, and what of it has no field.
    pub(in super::super) fn fill(&self, arguments: &Map<String, Value>) -> (Vec<Entry>, Map<String, Value>) {
        let mut entries = vec![Entry::default(); self.inputs];
        let mut rest = arguments.clone();
        for field in &self.fields {
            match &field.kind {
                Kind::One(slot) => {
                    if let Some(value) = rest.shift_remove(&field.name) {
                        entries[slot.at] = slot.entry(&value, field.required);
                    }
                }
                Kind::Group(members) => {
                    let Some(Value::Object(inner)) = rest.get_mut(&field.name) else { continue };
                    let mut any = false;
                    for member in members {
                        if let (Some(slot), Some(value)) = (member.slot(), inner.shift_remove(&member.name)) {
                            entries[slot.at] = slot.entry(&value, member.required);
                            any |= !entries[slot.at].text.is_empty();
                        }
                    }
                    // An empty object stays, to tell it from none.
                    if any && inner.is_empty() {
                        rest.shift_remove(&field.name);
                    }
                }
            }
        }
        (entries, rest)
    }
}

impl Collected {
    fn take(&mut self, name: &str, slot: &Slot, required: bool, entries: &[Entry]) {
        let Some(entry) = entries.get(slot.at) else { return };
        let problem = |text: String, unreadable| Problem { at: slot.at, text, unreadable };
        match slot.value(entry, required) {
            Ok(Some(value)) => {
                // With what is missing, not after it: one look at the form says all that it can say.
                self.problems.extend(slot.limits.misfit(&value).map(|why| problem(why, false)));
                self.arguments.insert(name.to_owned(), value);
            }
            Ok(None) if required => self.problems.push(problem("The tool needs it.".to_owned(), false)),
            Ok(None) => {}
            Err(why) => self.problems.push(problem(why, true)),
        }
    }

    /// An object that is not needed and of which nothing is entered is left out.
    fn take_group(&mut self, group: &Field, members: &[Field], entries: &[Entry], beside: Option<&Value>) {
        let mut inner = Map::new();
        match beside {
            // Something else than an object, typed as JSON: it goes as it is.
            Some(other) if !other.is_object() => return,
            Some(Value::Object(more)) => inner.extend(more.clone()),
            _ => {}
        }
        let entered = |member: &Field| {
            let entry = member.slot().and_then(|slot| entries.get(slot.at));
            entry.is_some_and(|entry| !entry.text.is_empty())
        };
        if !group.required && beside.is_none() && !members.iter().any(entered) {
            return;
        }
        let mut own = Collected::default();
        for member in members {
            if let Some(slot) = member.slot() {
                own.take(&member.name, slot, member.required, entries);
            }
        }
        own.arguments.extend(inner);
        self.arguments.insert(group.name.clone(), Value::Object(own.arguments));
        self.problems.append(&mut own.problems);
    }
}

impl Slot {
    /// None: nothing is entered.
    fn value(&self, entry: &Entry, required: bool) -> Result<Option<Value>, String> {
        if entry.text.is_empty() {
            return Ok((required && self.nullable).then_some(Value::Null));
        }
        let input = if entry.as_json { &Input::Json } else { &self.input };
        read(input, &entry.text)
    }

    fn entry(&self, value: &Value, required: bool) -> Entry {
        if value.is_null() && required && self.nullable {
            return Entry::default();
        }
        entry(&self.input, value)
    }
}

/// What the input shows for a value; JSON where it could not say the same.
pub(super) fn entry(input: &Input, value: &Value) -> Entry {
    match shown(input, value) {
        Some(text) if read(input, &text).is_ok_and(|back| back.as_ref() == Some(value)) => {
            Entry { text, as_json: false }
        }
        _ => Entry { text: pretty(value), as_json: *input != Input::Json },
    }
}

fn shown(input: &Input, value: &Value) -> Option<String> {
    match (input, value) {
        (Input::Text, Value::String(text)) => Some(text.clone()),
        (Input::Number { .. }, Value::Number(number)) => Some(number.to_string()),
        (Input::Boolean, Value::Bool(flag)) => Some(flag.to_string()),
        (Input::Choice(values), value) => {
            values.iter().position(|known| known == value).map(|at| at.to_string())
        }
        (Input::Lines(_), Value::Array(items)) => {
            let lines = items.iter().map(|item| match item {
                Value::String(text) => Some(text.clone()),
                Value::Number(_) | Value::Bool(_) => Some(item.to_string()),
                _ => None,
            });
            lines.collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"))
        }
        (Input::Json, value) => Some(pretty(value)),
        _ => None,
    }
}

fn pretty(value: &Value) -> String {
    // Fails for nothing that is JSON already.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Ok(None): nothing is said.
fn read(input: &Input, text: &str) -> Result<Option<Value>, String> {
    match input {
        Input::Text => Ok((!text.is_empty()).then(|| Value::from(text))),
        Input::Number { integer } => scalar(Scalar::Number { integer: *integer }, text).map(Some),
        Input::Boolean => scalar(Scalar::Boolean, text).map(Some),
        Input::Choice(values) => Ok(text.parse::<usize>().ok().and_then(|at| values.get(at)).cloned()),
        Input::Lines(item) => {
            let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
            let items = lines
                .enumerate()
                .filter(|(_, line)| !line.is_empty())
                .map(|(at, line)| scalar(*item, line).map_err(|why| format!("Line {}: {why}", at + 1)))
                .collect::<Result<Vec<_>, _>>()?;
            Ok((!items.is_empty()).then_some(Value::Array(items)))
        }
        Input::Json if text.trim().is_empty() => Ok(None),
        Input::Json => json(text).map(Some),
    }
}

fn scalar(kind: Scalar, text: &str) -> Result<Value, String> {
    match kind {
        Scalar::Text => Ok(Value::from(text)),
        Scalar::Boolean => match text.trim() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("Enter true or false.".to_owned()),
        },
        Scalar::Number { integer } => {
            let number = serde_json::from_str::<Number>(text.trim()).ok();
            let number = number.filter(|number| !integer || is_whole(number));
            let what = if integer { "a whole number, such as 3" } else { "a number, such as 3 or 0.5" };
            number.map(Value::Number).ok_or_else(|| format!("Enter {what}."))
        }
    }
}

/// Whether a number is whole, 3.0 too, and as large as it was typed.
fn is_whole(number: &Number) -> bool {
    let float = || number.as_f64().is_some_and(|float| float.fract() == 0.0 && float.abs() < EXACT);
    number.is_i64() || number.is_u64() || float()
}

/// Any JSON, with where it stops being it.
pub(in super::super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("This is not JSON: {error}."))
}
