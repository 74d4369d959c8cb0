//! The questions of `ask_user_question` (behaviour 21): read from the arguments of the call, by the daemon that accepts it and by the
//! browser that shows it, and the message that an answer becomes.

use crate::text::neutralise;
use serde_json::Value;

/// Name of the built-in that asks.
pub const ASK_USER_QUESTION: &str = "ask_user_question";
/// Questions of one call, and choices of one question.
pub const QUESTIONS: usize = 8;
pub const CHOICES: usize = 12;
/// Characters of a question and of a choice.
pub const QUESTION_CHARS: usize = 1000;
pub const CHOICE_CHARS: usize = 200;

/// What the model asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// 1 to [`QUESTIONS`].
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    /// Empty: a free answer. The person can always answer in their own words.
    pub choices: Vec<String>,
    /// Several choices may be taken together.
    pub multiple: bool,
}

impl Questions {
    /// Of the arguments of a call.
    ///
    /// # Errors
    /// A sentence for the model that says what is wrong.
    pub fn read(arguments: &Value) -> Result<Self, String> {
        let list = arguments.get("questions").and_then(Value::as_array);
        let list = list.ok_or(
            "Give `questions`: a list of objects with `question` and, where there are some, `choices`.",
        )?;
        if list.is_empty() || list.len() > QUESTIONS {
            return Err(format!("Ask 1 to {QUESTIONS} questions at once."));
        }
        let questions = list.iter().map(Question::read).collect::<Result<_, _>>()?;
        Ok(Self { questions })
    }

    /// The person's answers as a message, one per question in their order; empty answers are left out. `None`: nothing is answered.
    pub fn answer(&self, answers: &[String]) -> Option<String> {
        let answered: Vec<(&str, &str)> = self
            .questions
            .iter()
            .zip(answers)
            .map(|(question, answer)| (question.text.as_str(), answer.trim()))
            .filter(|(_, answer)| !answer.is_empty())
            .collect();
        match (answered.as_slice(), self.questions.len()) {
            ([], _) => None,
            ([(_, answer)], 1) => Some((*answer).to_owned()),
            (many, _) => {
                let lines: Vec<String> =
                    many.iter().map(|(question, answer)| format!("{question}\n{answer}")).collect();
                Some(lines.join("\n\n"))
            }
        }
    }
}

impl Question {
    fn read(value: &Value) -> Result<Self, String> {
        let text = value.get("question").and_then(Value::as_str).map_or("", str::trim);
        if text.is_empty() {
            return Err("Each of the `questions` needs a `question`, a sentence.".to_owned());
        }
        if text.chars().count() > QUESTION_CHARS {
            return Err(format!("A question has at most {QUESTION_CHARS} characters."));
        }
        let choices = match value.get("choices") {
            None | Some(Value::Null) => &Vec::new(),
            Some(Value::Array(choices)) => choices,
            Some(_) => return Err("`choices` is a list of short texts.".to_owned()),
        };
        if choices.len() > CHOICES {
            return Err(format!("A question has at most {CHOICES} choices."));
        }
        let mut kept: Vec<String> = Vec::with_capacity(choices.len());
        for choice in choices {
            let choice = choice.as_str().map(str::trim).filter(|choice| !choice.is_empty());
            let choice = choice.ok_or("`choices` is a list of short texts.")?;
            if choice.chars().count() > CHOICE_CHARS {
                return Err(format!("A choice has at most {CHOICE_CHARS} characters."));
            }
            let choice = neutralise(choice).into_owned();
            if !kept.contains(&choice) {
                kept.push(choice);
            }
        }
        let multiple = value.get("multiple").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { text: neutralise(text).into_owned(), choices: kept, multiple })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_read_and_bounded() {
        let asked = json!({"questions": [
            {"question": " Which one? ", "choices": ["a", " b ", "a"], "multiple": true},
            {"question": "Why?"},
        ]});
        let read = Questions::read(&asked).unwrap();
        assert_eq!(read.questions[0].text, "Which one?");
        assert_eq!(read.questions[0].choices, ["a", "b"]);
        assert!(read.questions[0].multiple && read.questions[1].choices.is_empty());
        for wrong in [
            json!({}),
            json!({"questions": "Which?"}),
            json!({"questions": []}),
            json!({"questions": [{"question": " "}]}),
            json!({"questions": [{"question": "x".repeat(QUESTION_CHARS + 1)}]}),
            json!({"questions": [{"question": "q", "choices": "a"}]}),
            json!({"questions": [{"question": "q", "choices": [1]}]}),
            json!({"questions": [{"question": "q", "choices": vec!["a"; CHOICES + 1]}]}),
            json!({"questions": [{"question": "q", "choices": ["x".repeat(CHOICE_CHARS + 1)]}]}),
            json!({"questions": vec![json!({"question": "q"}); QUESTIONS + 1]}),
        ] {
            let text = Questions::read(&wrong).unwrap_err();
            assert!(text.ends_with('.'), "{wrong}: {text}");
        }
    }

    #[test]
    fn answers_become_one_message() {
        let read = |count: usize| {
            let list: Vec<_> = (0..count).map(|n| json!({"question": format!("Q{n}?")})).collect();
            Questions::read(&json!({"questions": list})).unwrap()
        };
        let answers = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(1).answer(&answers(&[" yes "])).as_deref(), Some("yes"));
        assert_eq!(read(2).answer(&answers(&["a", "b"])).as_deref(), Some("Q0?\na\n\nQ1?\nb"));
        assert_eq!(read(2).answer(&answers(&["", "b"])).as_deref(), Some("Q1?\nb"));
        assert_eq!(read(2).answer(&answers(&["", " "])), None);
    }
}
