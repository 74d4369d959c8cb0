//! What the model has said so far in one generation.

use super::toolbox::Toolbox;
use api::{
    Timestamp, Uuid,
    messages::{Part, ToolCallPart, Usage},
};
use serde_json::Value;

/// The answer of one generation, growing while it streams.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) model_id: Uuid,
    pub(super) usage: Option<Usage>,
    pieces: Vec<Piece>,
    pub(super) calls: Vec<RawCall>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Reasoning(String),
    /// Which of `calls`.
    Call(usize),
}

/// A call as the model wrote it.
#[derive(Debug, Clone)]
pub(super) struct RawCall {
    /// The provider's index of it in this answer.
    pub(super) index: usize,
    /// What the message shows; `args` still missing.
    pub(super) part: ToolCallPart,
    pub(super) arguments: String,
    /// It was received to its end and may be run.
    pub(super) complete: bool,
}

impl Answer {
    pub(super) fn new(model_id: Uuid) -> Self {
        Self { model_id, usage: None, pieces: Vec::new(), calls: Vec::new() }
    }

    pub(super) fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(so_far)) => so_far.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    pub(super) fn push_reasoning(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Reasoning(so_far)) => so_far.push_str(text),
            _ => self.pieces.push(Piece::Reasoning(text.to_owned())),
        }
    }

    /// A call begins; what to show of it. Ids that were there already get a suffix: results are told apart by id.
    pub(super) fn start_call(
        &mut self,
        index: usize,
        id: String,
        name: String,
        toolbox: &Toolbox,
        at: Timestamp,
    ) -> ToolCallPart {
        let taken = |id: &str| self.calls.iter().any(|call| call.part.tool_call_id == id);
        let mut unique = id.clone();
        for n in 2.. {
            if !unique.is_empty() && !taken(&unique) {
                break;
            }
            unique = format!("{id}-{n}");
        }
        let mut part = ToolCallPart {
            tool_call_id: unique,
            tool_name: name,
            created_at: Some(at),
            ..ToolCallPart::default()
        };
        if let Some(offered) = toolbox.get(&part.tool_name) {
            offered.describe(&mut part);
        } else if let Some(own) = toolbox.built_in(&part.tool_name) {
            part.tool_title = Some(own.title().to_owned());
        }
        self.pieces.push(Piece::Call(self.calls.len()));
        self.calls.push(RawCall { index, part: part.clone(), arguments: String::new(), complete: false });
        part
    }

    /// The call under the provider's index.
    pub(super) fn call_mut(&mut self, index: usize) -> Option<&mut RawCall> {
        self.calls.iter_mut().rev().find(|call| call.index == index)
    }

    /// There is something for a person to read.
    pub(super) fn has_text(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty()))
    }

    /// There are calls to run.
    pub(super) fn has_calls(&self) -> bool {
        self.calls.iter().any(|call| call.complete)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_calls() && self.parts_without_calls().is_empty()
    }

    /// The parts of the message. Calls that were not received to their end are dropped (behaviour 18).
    pub(super) fn parts(&self) -> Vec<Part> {
        self.pieces.iter().filter_map(|piece| self.part(piece)).collect()
    }

    pub(super) fn parts_without_calls(&self) -> Vec<Part> {
        self.pieces
            .iter()
            .filter(|piece| !matches!(piece, Piece::Call(_)))
            .filter_map(|piece| self.part(piece))
            .collect()
    }

    fn part(&self, piece: &Piece) -> Option<Part> {
        match piece {
            Piece::Text(text) => (!text.is_empty()).then(|| Part::text(text)),
            Piece::Reasoning(text) => (!text.is_empty()).then(|| Part::reasoning(text)),
            Piece::Call(at) => {
                let call = self.calls.get(*at).filter(|call| call.complete)?;
                let args = Some(stored_arguments(&call.arguments));
                Some(Part::ToolCall(ToolCallPart { args, ..call.part.clone() }))
            }
        }
    }
}

/// Arguments as the message keeps them: JSON, or the text as it came when it is none.
fn stored_arguments(raw: &str) -> Value {
    if raw.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer::new(Uuid::nil())
    }

    #[test]
    fn pieces_join_in_the_order_in_which_they_came() {
        let mut answer = answer();
        answer.push_reasoning("a");
        answer.push_reasoning("b");
        answer.push_text("c");
        answer.start_call(0, "x".to_owned(), "t".to_owned(), &Toolbox::default(), Timestamp(1));
        answer.push_text("d");
        answer.call_mut(0).unwrap().arguments.push_str("{\"q\":1}");
        assert!(!answer.has_calls());
        assert_eq!(answer.parts(), [Part::reasoning("ab"), Part::text("c"), Part::text("d")]);
        answer.call_mut(0).unwrap().complete = true;
        assert!(answer.has_calls() && answer.parts().len() == 4 && answer.parts_without_calls().len() == 3);
        let Part::ToolCall(call) = &answer.parts()[2] else { panic!("order") };
        assert_eq!(call.args, Some(serde_json::json!({"q": 1})));
    }

    #[test]
    fn ids_are_unique_within_an_answer() {
        let mut answer = answer();
        let mut start = |index, id: &str| {
            answer
                .start_call(index, id.to_owned(), "t".to_owned(), &Toolbox::default(), Timestamp(1))
                .tool_call_id
        };
        assert_eq!(start(0, "a"), "a");
        assert_eq!(start(1, "a"), "a-2");
        assert_eq!(start(2, "a"), "a-3");
        assert_eq!(start(3, ""), "-2");
    }

    #[test]
    fn arguments_that_are_no_json_are_kept_as_text() {
        assert_eq!(stored_arguments(" "), serde_json::json!({}));
        assert_eq!(stored_arguments("{\"a\":"), serde_json::json!("{\"a\":"));
        assert_eq!(stored_arguments("[1]"), serde_json::json!([1]));
    }
}
