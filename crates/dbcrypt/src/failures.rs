//! Where values did not open.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use crate::{binding::Binding, limits::FAILURES};

/// The place of a value that did not open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenFailure {
    /// Table name.
    pub table: String,
    /// Column name.
    pub column: String,
    /// The row's id.
    pub row: String,
}

/// Collected until somebody takes them. Touched on failures only, so a lock costs nobody anything.
#[derive(Default)]
pub(crate) struct Failures(Mutex<BTreeSet<OpenFailure>>);

impl Failures {
    pub(crate) fn note(&self, binding: &Binding<'_>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < FAILURES {
            kept.insert(OpenFailure {
                table: binding.table.to_owned(),
                column: binding.column.to_owned(),
                row: binding.row.to_owned(),
            });
        }
    }

    pub(crate) fn take(&self) -> Vec<OpenFailure> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
