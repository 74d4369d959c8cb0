//! How a server is doing: a dot and its word, the same wherever servers are listed.

use super::badge::Tone;
use api::fleet::{HealthState, ServerHealth};
use leptos::prelude::*;

/// The word of a state.
pub(crate) fn health_label(state: HealthState) -> &'static str {
    match state {
        HealthState::Failing => "Failing",
        HealthState::AuthTrouble => "Credential refused",
        HealthState::Slow => "Slow",
        HealthState::Changed => "Tools changed",
        HealthState::Ok => "Working",
        HealthState::Unknown => "Not used lately",
    }
}

fn tone(state: HealthState) -> Tone {
    match state {
        HealthState::Failing => Tone::Danger,
        HealthState::AuthTrouble | HealthState::Slow => Tone::Warn,
        HealthState::Changed => Tone::Info,
        HealthState::Ok => Tone::Ok,
        HealthState::Unknown => Tone::Neutral,
    }
}

/// Dot and word. The dot has a shape of its own for each state, so that colour is not all that tells them apart.
#[component]
pub fn HealthMark(#[prop(into)] state: Signal<HealthState>) -> impl IntoView {
    view! {
        <span class=move || format!("health {}", tone(state.get()).class()) data-health=move || state.get().as_str()>
            <span class="health-dot" aria-hidden="true"></span>
            {move || health_label(state.get())}
        </span>
    }
}

/// The error that belongs to the state: one of the past says nothing about a server that works.
pub(crate) fn error_now(health: &ServerHealth) -> Option<&str> {
    let troubled =
        matches!(health.state, HealthState::Failing | HealthState::AuthTrouble | HealthState::Slow);
    Some(health.last_error.as_str()).filter(|error| troubled && !error.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = HealthState::ALL.map(health_label).into();
        assert_eq!(words.len(), HealthState::ALL.len());
    }

    #[test]
    fn an_old_error_is_not_told_of_a_server_that_works() {
        let health = |state| ServerHealth {
            state,
            since: None,
            last_error: "Connection refused".into(),
            last_error_at: None,
            last_ok_at: None,
            latency_ms: None,
        };
        assert_eq!(error_now(&health(HealthState::Failing)), Some("Connection refused"));
        assert_eq!(error_now(&health(HealthState::Ok)), None);
    }
}
