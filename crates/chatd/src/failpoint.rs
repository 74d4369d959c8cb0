//! Places where a drill ends or delays this process (threats 82), in debug builds only: a release build has neither the setting nor the
//! code behind it.
//!
//! `PATCHBAY_FAILPOINT=call_sent=abort@0.3,intent_committed=wait:200` aborts at three of ten calls that were sent, and holds every turn for
//! 200 ms after it has committed what it is about to send. Actions: `abort`, `wait:MILLISECONDS`, and `skip`, which leaves a hint out.

use domain::clock::Entropy;

/// What has just happened in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailPoint {
    /// A user's message is committed, and nobody was told yet. The one that can be skipped: the hint is lost.
    MessageCommitted,
    /// A piece of the model's answer was shown.
    ModelPart,
    /// The model's answer is complete and not committed.
    AnswerComplete,
    /// The answer is committed with the intents of its calls, and nothing was sent.
    IntentCommitted,
    /// A call was sent and carried out, and its outcome is not committed.
    CallSent,
    /// The outcome of a call is committed, and the message of the results is not.
    OutcomeCommitted,
    /// The results are committed, and the next step has not begun.
    ResultsCommitted,
}

#[cfg(debug_assertions)]
mod armed {
    use super::FailPoint;
    use std::{sync::OnceLock, time::Duration};

    /// The setting; read once.
    const VARIABLE: &str = "PATCHBAY_FAILPOINT";
    /// Longest delay.
    const WAIT_MAX: Duration = Duration::from_secs(60);

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Action {
        Abort,
        Skip,
        Wait(Duration),
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(super) struct Armed {
        pub(super) point: FailPoint,
        pub(super) action: Action,
        /// In 0..=1.
        pub(super) chance: f64,
    }

    impl FailPoint {
        const ALL: [Self; 7] = [
            Self::MessageCommitted,
            Self::ModelPart,
            Self::AnswerComplete,
            Self::IntentCommitted,
            Self::CallSent,
            Self::OutcomeCommitted,
            Self::ResultsCommitted,
        ];

        fn name(self) -> &'static str {
            match self {
                Self::MessageCommitted => "message_committed",
                Self::ModelPart => "model_part",
                Self::AnswerComplete => "answer_complete",
                Self::IntentCommitted => "intent_committed",
                Self::CallSent => "call_sent",
                Self::OutcomeCommitted => "outcome_committed",
                Self::ResultsCommitted => "results_committed",
            }
        }
    }

    /// Entries that cannot be read are left out, with a line in the log: a drill that does nothing is noticed by its own counts.
    pub(super) fn parse(text: &str) -> Vec<Armed> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .filter_map(|entry| {
                let armed = parse_one(entry);
                if armed.is_none() {
                    tracing::error!(entry, "{VARIABLE}: not a fail point");
                }
                armed
            })
            .collect()
    }

    fn parse_one(entry: &str) -> Option<Armed> {
        let (name, rest) = entry.split_once('=')?;
        let (action, chance) = match rest.split_once('@') {
            Some((action, chance)) => (action, chance.parse().ok()?),
            None => (rest, 1.0),
        };
        let action = match action.split_once(':') {
            Some(("wait", ms)) => Action::Wait(Duration::from_millis(ms.parse().ok()?).min(WAIT_MAX)),
            None if action == "abort" => Action::Abort,
            None if action == "skip" => Action::Skip,
            _ => return None,
        };
        let point = FailPoint::ALL.into_iter().find(|point| point.name() == name)?;
        (0.0..=1.0).contains(&chance).then_some(Armed { point, action, chance })
    }

    pub(super) fn all() -> &'static [Armed] {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        ARMED.get_or_init(|| {
            let text = std::env::var(VARIABLE).unwrap_or_default();
            if !text.is_empty() {
                tracing::warn!(setting = %text, "fail points are armed: this process may end at any time");
            }
            parse(&text)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn settings_are_read_and_nonsense_is_left_out() {
            let text = "call_sent=abort@0.25, model_part=wait:20,message_committed=skip,x=abort,call_sent=run,call_sent=abort@7,call_sent";
            let expected = [
                Armed { point: FailPoint::CallSent, action: Action::Abort, chance: 0.25 },
                Armed {
                    point: FailPoint::ModelPart,
                    action: Action::Wait(Duration::from_millis(20)),
                    chance: 1.0,
                },
                Armed { point: FailPoint::MessageCommitted, action: Action::Skip, chance: 1.0 },
            ];
            assert_eq!(parse(text), expected);
            assert!(parse("").is_empty());
        }

        #[test]
        fn every_point_has_a_name_of_its_own() {
            let names: std::collections::HashSet<_> = FailPoint::ALL.map(FailPoint::name).into();
            assert_eq!(names.len(), FailPoint::ALL.len());
        }
    }
}

/// True when what follows is to be left out. Ends the process where a drill asks for that. Delays are [`pause`]'s.
#[cfg(debug_assertions)]
pub(crate) fn hit(point: FailPoint, entropy: &dyn Entropy) -> bool {
    let mut skip = false;
    for armed in armed::all().iter().filter(|armed| armed.point == point) {
        match armed.action {
            armed::Action::Abort if falls(armed.chance, entropy) => {
                tracing::error!(?point, "a fail point ends this process");
                std::process::abort();
            }
            armed::Action::Skip if falls(armed.chance, entropy) => skip = true,
            _ => {}
        }
    }
    skip
}

/// [`hit`], and the delays of `point`.
#[cfg(debug_assertions)]
pub(crate) async fn pause(point: FailPoint, entropy: &dyn Entropy) {
    for armed in armed::all().iter().filter(|armed| armed.point == point) {
        if let armed::Action::Wait(wait) = armed.action
            && falls(armed.chance, entropy)
        {
            tokio::time::sleep(wait).await;
        }
    }
    hit(point, entropy);
}

#[cfg(debug_assertions)]
fn falls(chance: f64, entropy: &dyn Entropy) -> bool {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX) <= chance
}

#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn hit(_point: FailPoint, _entropy: &dyn Entropy) -> bool {
    false
}

#[cfg(not(debug_assertions))]
#[inline]
pub(crate) async fn pause(_point: FailPoint, _entropy: &dyn Entropy) {}
