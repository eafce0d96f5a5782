//! The figures: a table for people, JSON for comparing runs.

use std::fs;
use std::path::Path;

use dovvybuddy_bench::BoxError;
use dovvybuddy_bench::generator::Round;
use serde::Serialize;
use serde_json::{Value, json};

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Only to be known.
    None,
    /// The rounds were not sound, so the figure says nothing.
    Void,
}

impl Goal {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::None | Self::Void => None,
        }
    }

    /// This goal, or none when what was measured is not sound.
    pub(crate) const fn unless_void(self, sound: bool) -> Self {
        if sound { self } else { Self::Void }
    }
}

#[derive(Debug, Serialize)]
struct Figure {
    section: &'static str,
    name: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
    met: Option<bool>,
}

/// Everything a run found out.
pub(crate) struct Report {
    figures: Vec<Figure>,
    rounds: Vec<Value>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self { figures: Vec::new(), rounds: Vec::new(), notes: Vec::new() }
    }

    /// Adds a figure.
    pub(crate) fn figure(
        &mut self,
        section: &'static str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
    ) {
        self.figures.push(Figure { section, name: name.into(), value, unit, goal, met: goal.met(value) });
    }

    /// Adds a round as it was measured. Errors and replies that did without something are noted.
    pub(crate) fn round(
        &mut self,
        server: &str,
        conversations: usize,
        number: usize,
        round: &Round,
    ) -> Result<(), BoxError> {
        if round.errors > 0 || round.degraded > 0 {
            let why = round.first_error.as_deref().or(round.first_degraded.as_deref()).unwrap_or_default();
            self.note(format!(
                "{server} at {conversations}, round {number}: {} errors, {} degraded ({why})",
                round.errors, round.degraded
            ));
        }
        let measured = serde_json::to_value(round)?;
        self.rounds
            .push(json!({"server": server, "conversations": conversations, "number": number, "round": measured}));
        Ok(())
    }

    /// Adds something a reader must know.
    pub(crate) fn note(&mut self, note: String) {
        eprintln!("  note: {note}");
        self.notes.push(note);
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        let width = self.figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
        let mut sections: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !sections.contains(&figure.section) {
                sections.push(figure.section);
            }
        }
        for section in sections {
            println!("\n{section}");
            self.print_section(section, width);
        }
        for note in &self.notes {
            println!("\nnote: {note}");
        }
    }

    fn print_section(&self, section: &str, width: usize) {
        for figure in self.figures.iter().filter(|figure| figure.section == section) {
            let verdict = match (figure.goal, figure.met) {
                (Goal::AtLeast(least), Some(met)) => format!("≥ {least} {}", tick(met)),
                (Goal::AtMost(most), Some(met)) => format!("≤ {most} {}", tick(met)),
                (Goal::Void, _) => "VOID, see the notes".to_owned(),
                _ => String::new(),
            };
            let line = format!("  {:width$}  {:>10} {:12} {verdict}", figure.name, shown(figure.value), figure.unit);
            println!("{}", line.trim_end());
        }
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BoxError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let all = json!({
            "cores": cores,
            "processor": processor(),
            "figures": self.figures,
            "rounds": self.rounds,
            "notes": self.notes,
        });
        fs::write(path, serde_json::to_string_pretty(&all)?)?;
        Ok(())
    }
}

const fn tick(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_met_at_their_bound() {
        assert_eq!(Goal::AtLeast(0.6).met(0.6), Some(true));
        assert_eq!(Goal::AtMost(4.0).met(4.1), Some(false));
        assert_eq!(Goal::None.met(1.0), None);
    }

    #[test]
    fn rounds_that_are_not_sound_meet_no_goal() {
        assert_eq!(Goal::AtLeast(0.6).unless_void(true), Goal::AtLeast(0.6));
        assert_eq!(Goal::AtLeast(0.6).unless_void(false).met(1.0), None);
    }

    #[test]
    fn figures_keep_three_digits() {
        assert_eq!([shown(0.1234), shown(12.34), shown(1234.5)], ["0.123", "12.3", "1234"]);
    }
}
