//! Questions of the model (`ask_user_question`): a form whose answer is the next message (behaviour 21).

use super::{
    plan::{is_open, send_from},
    shared::OpenChat,
    transcript::blocks::{Block, BlockKey},
};
use crate::{
    components::{Glyph, Icon},
    error::UiError,
};
use domain::questions::{Question, Questions};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// What the person has chosen and written for one question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Given {
    chosen: BTreeSet<usize>,
    own: String,
}

impl Given {
    /// In words: the choices in their order, then the person's own.
    fn text(&self, question: &Question) -> String {
        let chosen = self.chosen.iter().filter_map(|at| question.choices.get(*at)).map(String::as_str);
        let own = Some(self.own.trim()).filter(|own| !own.is_empty());
        chosen.chain(own).collect::<Vec<_>>().join(", ")
    }

    fn choose(&mut self, at: usize, on: bool, multiple: bool) {
        if !multiple {
            self.chosen.clear();
        }
        if on {
            self.chosen.insert(at);
        } else {
            self.chosen.remove(&at);
        }
    }
}

/// The questions; a form while they can be answered.
#[component]
pub(super) fn QuestionCard(key: BlockKey, block: Memo<Option<Block>>, chat: OpenChat) -> impl IntoView {
    let questions = Memo::new(move |_| {
        block.with(|block| match block {
            Some(Block::Questions(call)) => {
                call.call.args.as_ref().and_then(|args| Questions::read(args).ok())
            }
            _ => None,
        })
    });
    let open = Memo::new(move |_| is_open(chat, key));
    view! {
        <section class="chat-plan chat-questions" aria-label="Questions for you" data-testid="questions">
            <h3 class="chat-plan-title"><Icon glyph=Glyph::Question />"Questions for you"</h3>
            {move || {
                let questions = questions.get()?;
                Some(match open.get() {
                    true => view! { <AnswerForm key questions chat /> }.into_any(),
                    false => view! { <Asked questions /> }.into_any(),
                })
            }}
        </section>
    }
}

/// What was asked, when it cannot be answered here any more.
#[component]
fn Asked(questions: Questions) -> impl IntoView {
    let asked = questions
        .questions
        .into_iter()
        .map(|question| {
            let choices = question.choices.join(", ");
            view! {
                <li dir="auto">
                    {question.text}
                    {(!choices.is_empty()).then(|| view! { <span class="chat-faint">" (" {choices} ")"</span> })}
                </li>
            }
        })
        .collect_view();
    view! { <ul class="chat-asked">{asked}</ul> }
}

#[component]
fn AnswerForm(key: BlockKey, questions: Questions, chat: OpenChat) -> impl IntoView {
    let given = RwSignal::new(vec![Given::default(); questions.questions.len()]);
    let sending = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let fields = questions
        .questions
        .iter()
        .enumerate()
        .map(|(at, question)| {
            let name = format!("question-{}-{}-{at}", key.turn, key.ordinal);
            view! { <QuestionField at name question=question.clone() given /> }
        })
        .collect_view();
    let questions = StoredValue::new(questions);
    let answer = move |given: &[Given]| {
        questions.with_value(|questions| {
            let texts: Vec<String> =
                questions.questions.iter().zip(given).map(|(question, given)| given.text(question)).collect();
            questions.answer(&texts)
        })
    };
    let nothing = Memo::new(move |_| given.with(|given| answer(given).is_none()));
    view! {
        <form
            on:submit=move |event| {
                event.prevent_default();
                if let Some(text) = given.with_untracked(|given| answer(given)) {
                    send_from(chat, text, chat.servers.plan_mode(), sending, refused);
                }
            }
        >
            {fields}
            <p class="chat-field-error" role="alert">{move || refused.get().map(|error| error.to_string())}</p>
            <div class="chat-plan-foot">
                <button type="submit" class="btn btn-primary" disabled=move || nothing.get() || sending.get()>
                    "Send answer"
                </button>
                <p class="chat-faint">"Or answer below in your own words."</p>
            </div>
        </form>
    }
}

#[component]
fn QuestionField(
    at: usize,
    /// Unique on the page: groups the choices.
    name: String,
    question: Question,
    given: RwSignal<Vec<Given>>,
) -> impl IntoView {
    let multiple = question.multiple;
    let kind = if multiple { "checkbox" } else { "radio" };
    let set = move |change: &dyn Fn(&mut Given)| {
        given.update(|given| {
            if let Some(given) = given.get_mut(at) {
                change(given);
            }
        });
    };
    let free = question.choices.is_empty();
    let choices = question
        .choices
        .into_iter()
        .enumerate()
        .map(|(choice, words)| {
            view! {
                <label class="check">
                    <input
                        type=kind
                        name=name.clone()
                        on:change=move |event| {
                            let on = event_target_checked(&event);
                            set(&|given: &mut Given| given.choose(choice, on, multiple));
                        }
                    />
                    <span class="check-label" dir="auto">{words}</span>
                </label>
            }
        })
        .collect_view();
    let label = if free { "Your answer" } else { "Something else" };
    view! {
        <fieldset class="chat-question">
            <legend dir="auto">{question.text}</legend>
            {choices}
            <input
                type="text"
                class="input"
                dir="auto"
                aria-label=label
                placeholder=label
                maxlength="4000"
                on:input=move |event| {
                    let own = event_target_value(&event);
                    set(&|given: &mut Given| given.own.clone_from(&own));
                }
            />
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_what_was_chosen_and_what_was_written() {
        let question = Question {
            text: "Which?".to_owned(),
            choices: vec!["a".to_owned(), "b".to_owned()],
            multiple: true,
        };
        let mut given = Given::default();
        assert_eq!(given.text(&question), "");
        given.choose(1, true, true);
        given.choose(0, true, true);
        given.own = " c ".to_owned();
        assert_eq!(given.text(&question), "a, b, c");
        given.choose(1, false, true);
        assert_eq!(given.text(&question), "a, c");
        // One of them.
        given.choose(1, true, false);
        assert_eq!(given.text(&question), "b, c");
    }
}
