//! The shape of the report: figures with their goals.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::statistics::rounded;

/// One figure. Smaller is better for all of them.
#[derive(Serialize)]
pub(super) struct Figure {
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal_at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    /// What helps to judge the value: samples, parts.
    #[serde(flatten)]
    details: Map<String, Value>,
}

impl Figure {
    /// A figure that is only watched.
    pub(super) fn new(value: f64, unit: &'static str) -> Self {
        Self { value: rounded(value), unit, goal_at_most: None, met: None, details: Map::new() }
    }

    /// Sets the goal. It is compared with the value as shown, so that a reader sees the same as the program.
    pub(super) fn goal_at_most(mut self, goal: f64) -> Self {
        self.goal_at_most = Some(goal);
        self.met = Some(self.value <= goal);
        self
    }

    /// Adds a detail.
    pub(super) fn with(mut self, name: &str, detail: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), detail.into());
        self
    }
}

/// Figures in the order in which they are shown.
#[derive(Default)]
pub(super) struct Figures(Vec<(String, Figure)>);

impl Figures {
    pub(super) fn add(&mut self, name: impl Into<String>, figure: Figure) {
        self.0.push((name.into(), figure));
    }

    /// The whole report. `met` is true when no figure misses its goal.
    pub(super) fn report(&self, bench: &str, build: Value, machine: Value) -> Value {
        let met = self.0.iter().all(|(_, figure)| figure.met != Some(false));
        let figures: Map<String, Value> =
            self.0.iter().map(|(name, figure)| (name.clone(), json!(figure))).collect();
        json!({ "bench": bench, "met": met, "build": build, "machine": machine, "figures": figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_goal_shows_in_its_figure_and_at_the_top() {
        let mut figures = Figures::default();
        figures.add("start_ms", Figure::new(199.99996, "ms").goal_at_most(200.0));
        figures.add("watched_ms", Figure::new(9e9, "ms").with("samples", vec![1, 2]));
        let report = figures.report("smoke", json!({}), json!({}));
        assert_eq!(report["met"], true);
        assert_eq!(report["figures"]["start_ms"]["met"], true, "200.0 as shown is within 200");
        assert_eq!(report["figures"]["watched_ms"]["samples"], json!([1, 2]));
        assert!(report["figures"]["watched_ms"].get("met").is_none());

        figures.add("idle_mib", Figure::new(40.001, "MiB").goal_at_most(40.0));
        let report = figures.report("smoke", json!({}), json!({}));
        assert_eq!((&report["met"], &report["figures"]["idle_mib"]["met"]), (&json!(false), &json!(false)));
        assert_eq!(report["figures"]["idle_mib"]["goal_at_most"], 40.0);
    }
}
