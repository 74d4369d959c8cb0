//! `ask_user_question`: questions to the person, each with choices where the model has some. It ends the turn; the answer is the next
//! message (behaviour 21). Nothing is stored beside the call: its arguments are what the person sees.

use super::{BuiltIn, BuiltInCall, Failed, StepFacts, text};
use api::messages::ResultContent;
use async_trait::async_trait;
use domain::questions::Questions;
use serde_json::{Value, json};

pub(super) struct AskUserQuestion;

#[async_trait]
impl BuiltIn for AskUserQuestion {
    fn name(&self) -> &'static str {
        domain::questions::ASK_USER_QUESTION
    }

    fn title(&self) -> &'static str {
        "Questions for you"
    }

    fn description(&self) -> &'static str {
        "Ask the user questions that only they can answer, instead of writing them as text. Give choices where there are some; the \
         user can always answer in their own words. This ends your turn: the answer is the user's next message. Do not ask for \
         passwords, keys or other secrets."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "required": ["questions"],
            "properties": {
                "questions": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": domain::questions::QUESTIONS,
                    "items": {
                        "type": "object",
                        "required": ["question"],
                        "properties": {
                            "question": {"type": "string", "description": "One question, a sentence"},
                            "choices": {
                                "type": "array",
                                "maxItems": domain::questions::CHOICES,
                                "items": {"type": "string"},
                                "description": "Possible answers, short; leave it out for a free answer"
                            },
                            "multiple": {"type": "boolean", "description": "Several choices may be taken together"}
                        }
                    }
                }
            }
        })
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        step.root
    }

    fn ends_turn(&self) -> bool {
        true
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        let questions = Questions::read(&Value::Object(call.arguments.clone())).map_err(Failed::Refused)?;
        let what = if questions.questions.len() == 1 { "question" } else { "questions" };
        Ok(text(format!("The user sees the {what}. The answer is their next message.")))
    }
}
