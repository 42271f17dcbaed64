//! Medians, spreads and the tables, in Markdown. Must not know how anything was measured.

use crate::loads::{Bound, Goal, Row};
use crate::sample::{Metric, Sample};
use crate::servers::OURS;

/// The name under which the blaster appears.
pub(crate) const CEILING: &str = "ceiling";

/// What all runs of a row have measured of one server.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) samples: Vec<Sample>,
}

impl Entry {
    fn sorted(&self, metric: Metric) -> Vec<f64> {
        let mut values: Vec<f64> = self.samples.iter().filter_map(|sample| sample.get(metric)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, metric: Metric) -> Option<f64> {
        let values = self.sorted(metric);
        values.get(values.len() / 2).copied()
    }

    fn cell(&self, metric: Metric) -> String {
        let Some(median) = self.median(metric) else { return "-".to_owned() };
        match self.sorted(metric).as_slice() {
            [lowest, .., highest] => {
                let spread = (highest - lowest) / 2.0 / median.abs() * 100.0;
                format!("{} ±{spread:.0} %", show(metric, median))
            }
            _ => show(metric, median),
        }
    }
}

/// The measurements of one row.
pub(crate) fn print_row(row: &Row, entries: &[Entry]) {
    let measured = |metric: &Metric| entries.iter().any(|entry| entry.median(*metric).is_some());
    let metrics: Vec<Metric> = Metric::ALL.into_iter().filter(measured).collect();
    let head: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    println!("\n{}\n\n| server | {} |\n|{}", row.name, head.join(" | "), "---|".repeat(head.len() + 1));
    for entry in entries {
        let cells: Vec<String> = metrics.iter().map(|metric| entry.cell(*metric)).collect();
        println!("| {} | {} |", format!("{} {}", entry.name, entry.version).trim(), cells.join(" | "));
    }
}

/// The head of the table of goals.
pub(crate) fn print_goals_head() {
    println!(
        "\n| load | measured | {OURS} | best of the others | ratio | to reach | |\n|{}",
        "---|".repeat(7)
    );
}

/// The row's goals, if our server was driven.
pub(crate) fn print_goals(row: &Row, entries: &[Entry]) {
    let Some(ours) = entries.iter().find(|entry| entry.name == OURS) else { return };
    for goal in &row.goals {
        let Some(value) = ours.median(goal.metric) else { continue };
        let best = best_of_others(entries, goal.metric);
        let shown =
            best.map_or("-".to_owned(), |(name, best)| format!("{} ({name})", show(goal.metric, best)));
        let ratio = best.map_or("-".to_owned(), |(_, best)| format!("{:.2}", value / best));
        println!(
            "| {} | {} | {} | {shown} | {ratio} | {} | {} |",
            row.name,
            goal.metric.name(),
            show(goal.metric, value),
            show_bound(goal),
            verdict(goal, value, best.map(|(_, best)| best), entries),
        );
    }
}

fn best_of_others(entries: &[Entry], metric: Metric) -> Option<(&'static str, f64)> {
    let others = entries.iter().filter(|entry| entry.name != OURS && entry.name != CEILING);
    let medians = others.filter_map(|entry| Some((entry.name, entry.median(metric)?)));
    if metric == Metric::Rate {
        medians.max_by(|left, right| left.1.total_cmp(&right.1))
    } else {
        medians.min_by(|left, right| left.1.total_cmp(&right.1))
    }
}

/// A rate near the generator's own ceiling counts as reached: nothing more could be shown.
fn verdict(goal: &Goal, value: f64, best: Option<f64>, entries: &[Entry]) -> &'static str {
    let bound = match (goal.bound, best) {
        (Bound::Absolute(bound), _) => bound,
        (Bound::TimesBest(factor), Some(best)) => factor * best,
        (Bound::TimesBest(_), None) => return "nothing to compare with",
    };
    if goal.metric != Metric::Rate {
        return if value <= bound { "reached" } else { "MISSED" };
    }
    // Its best run: whatever slowed the others was not the generator.
    let ceiling = entries.iter().find(|entry| entry.name == CEILING);
    let ceiling = ceiling.and_then(|entry| entry.sorted(goal.metric).last().copied());
    match ceiling {
        _ if value >= bound => "reached",
        Some(ceiling) if value >= 0.8 * ceiling => "reached: above 80 % of the ceiling",
        _ => "MISSED",
    }
}

fn show_bound(goal: &Goal) -> String {
    let sign = if goal.metric == Metric::Rate { ">=" } else { "<=" };
    match goal.bound {
        Bound::Absolute(value) => format!("{sign} {}", show(goal.metric, value)),
        Bound::TimesBest(factor) => format!("{sign} {factor} x"),
    }
}

fn show(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Rate if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Metric::Rate if value >= 1e4 => format!("{:.1} k/s", value / 1e3),
        Metric::Rate => format!("{value:.0} /s"),
        Metric::Cpu => format!("{:.3} us", value / 1e3),
        Metric::P50 | Metric::P99 | Metric::P999 if value >= 1e6 => format!("{:.2} ms", value / 1e6),
        Metric::P50 | Metric::P99 | Metric::P999 => format!("{:.0} us", value / 1e3),
        Metric::Resident => format!("{:.1} MB", value / 1e6),
        Metric::BytesEach => format!("{value:.0} B"),
        Metric::Messages => format!("{value:.0}"),
        Metric::Ratio => format!("{value:.2}"),
    }
}
