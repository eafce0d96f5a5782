//! Emergency numbers by region: content with a source and a date.

use std::time::Duration;

use dovvybuddy_core::Timestamp;
use serde::Deserialize;

use super::ReplyError;
use crate::text::Text;

/// The numbers file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotlines {
    /// The day the whole file was last checked, as `2026-11-01`.
    pub checked: String,
    /// The regions, the international one named `international`.
    pub region: Vec<Region>,
}

/// A region and whom to call there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// A stable name.
    pub id: String,
    /// ISO 3166 codes of the countries, upper case.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Names by which divers mention the region.
    #[serde(default)]
    pub places: Vec<String>,
    /// The general emergency numbers, with what each is for, which the reply files say in the diver's language.
    #[serde(default)]
    pub services: Vec<Service>,
    /// The same as text, said as it stands; for operators who put the numbers in their own words.
    #[serde(default)]
    pub emergency: String,
    /// The dive-medicine hotlines, nearest first.
    #[serde(default)]
    pub dive: Vec<Hotline>,
    /// A line for people in a mental-health crisis.
    #[serde(default)]
    pub crisis: Option<Hotline>,
}

/// A number of the emergency services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The number as dialled; empty where only words say what to do.
    #[serde(default)]
    pub number: String,
    /// What it is for, by a name under `[numbers]` in the reply files; empty where it needs no word.
    #[serde(default, rename = "for")]
    pub of: String,
}

/// A number, with where it comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotline {
    /// Who answers.
    pub name: String,
    /// The number as dialled.
    pub number: String,
    /// Where the number was published.
    pub source: String,
    /// The day it was last checked, as `2026-11-01`.
    pub checked: String,
}

impl Hotlines {
    /// Reads the file.
    pub(super) fn parse(file: &str, source: &str) -> Result<Self, ReplyError> {
        let hotlines: Self = toml::from_str(source)
            .map_err(|source| ReplyError::Toml { file: file.to_owned(), source: Box::new(source) })?;
        if !hotlines.region.iter().any(|region| region.id == INTERNATIONAL) {
            return Err(ReplyError::NoInternational { file: file.to_owned() });
        }
        let empty = |region: &&Region| region.emergency.is_empty() && region.services.is_empty();
        if let Some(region) = hotlines.region.iter().find(empty) {
            return Err(ReplyError::NoNumber { file: file.to_owned(), region: region.id.clone() });
        }
        Ok(hotlines)
    }

    /// The hotlines that were last checked longer than `age` before `now`, by name.
    pub fn older_than(&self, now: Timestamp, age: Duration) -> Vec<String> {
        let since = now.minus(age).day();
        let all = self.region.iter().flat_map(|region| region.dive.iter().chain(&region.crisis));
        // Dates of this form are in order as text; what has another form says nothing.
        all.filter(|hotline| !is_date(&hotline.checked) || hotline.checked < since)
            .map(|hotline| hotline.name.clone())
            .collect()
    }

    /// The region with this id.
    pub(super) fn by_id(&self, id: &str) -> Option<&Region> {
        self.region.iter().find(|region| region.id == id)
    }

    /// The region of a country, by its code.
    pub(super) fn of_country(&self, country: &str) -> Option<&Region> {
        self.region.iter().find(|region| region.countries.iter().any(|code| code.eq_ignore_ascii_case(country)))
    }

    /// The region that a text names.
    pub(super) fn named_in(&self, words: &str) -> Option<&Region> {
        let spoken = joined(words);
        let mut best: Option<(usize, &Region)> = None;
        for region in &self.region {
            for place in &region.places {
                let place = joined(place);
                if place.len() > 2 && spoken.contains(&place) && best.is_none_or(|(length, _)| place.len() > length) {
                    best = Some((place.len(), region));
                }
            }
        }
        best.map(|(_, region)| region)
    }
}

/// Whether a text has the form `2026-11-01`.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// The units with one space around each, so that a place is found as a whole word, or as a run of
/// characters where words have no spaces.
fn joined(words: &str) -> String {
    let mut out = String::from(" ");
    for unit in Text::new(words).units {
        out.push_str(&unit);
        out.push(' ');
    }
    out
}

/// The region that always exists.
pub(super) const INTERNATIONAL: &str = "international";
