//! One thing under way at the server: waiting, then done or refused.

use crate::error::UiError;
use leptos::{prelude::*, task::spawn_local};
use std::{future::Future, pin::Pin, sync::Arc};

/// Waiting and refusal of one button or form. Copy it into handlers and views.
#[derive(Clone, Copy)]
pub struct Task {
    pub busy: RwSignal<bool>,
    /// Why the last attempt was refused.
    pub error: RwSignal<Option<UiError>>,
}

impl Task {
    #[expect(clippy::new_without_default, reason = "makes signals, which belong to the component that asks")]
    pub fn new() -> Self {
        Self { busy: RwSignal::new(false), error: RwSignal::new(None) }
    }

    /// Runs unless something runs already. A component that is gone by the time of the answer is left in peace.
    pub fn run<T: 'static>(
        self,
        work: impl Future<Output = Result<T, UiError>> + 'static,
        done: impl FnOnce(T) + 'static,
    ) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.error.set(None);
        spawn_local(async move {
            let answer = work.await;
            self.busy.try_set(false);
            match answer {
                Ok(value) => done(value),
                Err(error) => {
                    self.error.try_set(Some(error));
                }
            }
        });
    }

    /// The message that stands at a field.
    pub fn error_at(self, field: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || self.error.with(|error| error.as_ref().and_then(|error| error.field(field))))
    }

    /// The refusal, without what stands at these fields; None when nothing remains.
    pub(crate) fn error_beside(self, fields: &[&str]) -> Option<UiError> {
        self.error.get()?.without(|field| fields.contains(&field))
    }

    /// The message at `field` is not true any more.
    pub(crate) fn forgive(self, field: &'static str) {
        self.error
            .try_update(|error| *error = error.take().and_then(|error| error.without(|at| at == field)));
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), UiError>>>>;

/// Something that a dialog does when confirmed.
#[derive(Clone)]
pub struct Deed(Arc<dyn Fn() -> Work + Send + Sync>);

impl Deed {
    pub fn new<F: Future<Output = Result<(), UiError>> + 'static>(
        work: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move || Box::pin(work())))
    }

    pub(crate) fn run(&self) -> Work {
        (self.0)()
    }
}
