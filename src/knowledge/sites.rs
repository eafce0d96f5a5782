//! Questions with conditions: "reef dives above 18 m in Komodo in May" is read into place, month,
//! depth, level and kind of site, and the dive sites' own data say which fit.

use std::collections::HashMap;

use dovvybuddy_core::session::DiverProfile;
use serde_json::{Map, Value};

use crate::front_matter::{list_of, text_of};
use crate::index::Indexed;
use crate::text;

pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const SITE_TYPES: [&str; 13] = [
    "reef", "wall", "wreck", "drift", "muck", "pinnacle", "cave", "cavern", "shore", "cenote", "kelp", "lagoon",
    "seamount",
];
/// Words that show that a place to dive is sought.
const SEEKING: [&str; 16] = [
    "where",
    "site",
    "sites",
    "destination",
    "destinations",
    "spot",
    "spots",
    "trip",
    "dives",
    "place",
    "places",
    "visit",
    "holiday",
    "travel",
    "liveaboard",
    "which",
];
/// Words for dive sites in a question that asks for several.
const SITES: [&str; 9] = ["sites", "spots", "dives", "wrecks", "reefs", "pinnacles", "walls", "caves", "wreck"];
/// Words by which a question asks for some of them.
const CHOOSING: [&str; 10] =
    ["best", "top", "good", "which", "what", "famous", "favourite", "recommend", "where", "list"];
/// Places and sites whose passages are added to the candidates.
const MOST_ADDED: usize = 48;

/// Destinations and dive sites as data, with the passages that describe them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sites {
    rows: Vec<Row>,
    /// The rows that have a name which begins with a word: a question is held against hundreds of names.
    by_first: hashbrown::HashMap<String, Vec<usize>>,
}

#[derive(Debug, Clone, Default)]
struct Row {
    path: String,
    destination: String,
    is_site: bool,
    /// Its names as words.
    names: Vec<Vec<String>>,
    months: Vec<u8>,
    depth: Option<(f32, f32)>,
    level: Option<u8>,
    kinds: Vec<String>,
    passages: Vec<u32>,
    /// Of a site the passage that introduces it, of a destination the one that names most of its sites.
    lead: Option<u32>,
}

/// The conditions in a question.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Conditions {
    months: Vec<u8>,
    deepest: Option<f32>,
    level: Option<u8>,
    kinds: Vec<&'static str>,
    seeking: bool,
    /// Dive sites are spoken of.
    sites: bool,
    /// Some of many are sought.
    chooses: bool,
}

/// How the documents of the fitting and the unfitting places are to be weighed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selection<'s> {
    /// Added to the order's score, by document path.
    pub(crate) boosts: hashbrown::HashMap<&'s str, f32>,
    /// Passages to be weighed even if no search finds them.
    pub(crate) passages: Vec<u32>,
    /// Those of them that name or introduce the dive sites of a place, where its sites are asked for.
    pub(crate) leads: Vec<u32>,
}

impl Sites {
    /// Reads the stored rows; what a row does not say does not limit it.
    pub(crate) fn new(destinations: &[Value], dive_sites: &[Value]) -> Self {
        let rows = destinations.iter().filter_map(Value::as_object).map(Row::destination);
        let sites = dive_sites.iter().filter_map(Value::as_object).map(Row::site);
        Self::of(rows.chain(sites).collect())
    }

    /// The same with each row's passages.
    pub(crate) fn located(&self, passages: &[Indexed]) -> Self {
        let mut by_path: HashMap<&str, Vec<u32>> = HashMap::new();
        for (number, passage) in (0_u32..).zip(passages) {
            by_path.entry(&passage.document.path).or_default().push(number);
        }
        let mut rows = self.rows.clone();
        for row in &mut rows {
            row.passages = by_path.get(row.path.as_str()).cloned().unwrap_or_default();
            row.lead = row.passages.first().copied().filter(|_| row.is_site);
        }
        let leads: Vec<Option<u32>> = rows.iter().map(|row| listing(row, &rows, passages)).collect();
        for (row, lead) in rows.iter_mut().zip(leads) {
            row.lead = row.lead.or(lead);
        }
        Self::of(rows)
    }

    fn of(rows: Vec<Row>) -> Self {
        let mut by_first: hashbrown::HashMap<String, Vec<usize>> = hashbrown::HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            for first in row.names.iter().filter_map(|name| name.first()) {
                by_first.entry_ref(first.as_str()).or_default().push(at);
            }
        }
        Self { rows, by_first }
    }

    /// The rows that are named in a question, in words.
    fn named(&self, words: &[String]) -> Vec<&Row> {
        let mut opened: Vec<usize> =
            words.iter().filter_map(|word| self.by_first.get(word)).flatten().copied().collect();
        opened.sort_unstable();
        opened.dedup();
        opened.into_iter().filter_map(|at| self.rows.get(at)).filter(|row| row.is_named(words)).collect()
    }

    /// Whether a destination or site goes by this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let words = words_of(name);
        !self.named(&words).is_empty()
    }

    /// Weighs the places for a question; nothing when it asks for no place.
    pub(crate) fn select(&self, question: &str, profile: &DiverProfile) -> Selection<'_> {
        let words = text::list_of_words(question);
        let mut conditions = Conditions::read(&words);
        let named = self.named(&words);
        if named.is_empty() && conditions.count() < 2 {
            return Selection::default();
        }
        let named_sites: Vec<&str> = named.iter().filter(|row| row.is_site).map(|row| row.path.as_str()).collect();
        let places: Vec<&str> = named.iter().filter(|row| !row.is_site).map(|row| row.destination.as_str()).collect();
        if conditions.seeking && conditions.level.is_none() {
            conditions.level = profile.cert_level.as_deref().and_then(level_of_card);
        }
        let mut selection = Selection::default();
        for row in &self.rows {
            let is_named = named_sites.contains(&row.path.as_str());
            let is_there = places.is_empty() || places.contains(&row.destination.as_str());
            let fit = conditions.fit(row);
            let boost = if is_named {
                0.45
            } else if !named_sites.is_empty() && places.is_empty() {
                0.0
            } else if !is_there {
                -0.25
            } else if conditions.count() == 0 {
                if row.is_site { 0.1 } else { 0.25 }
            } else {
                0.1 + 0.3 * fit
            };
            if boost != 0.0 {
                selection.boosts.insert(&row.path, boost);
            }
            if conditions.sites
                && conditions.chooses
                && !places.is_empty()
                && is_there
                && named_sites.is_empty()
                && boost > 0.0
            {
                selection.leads.extend(row.lead);
                selection.passages.extend(row.lead);
            }
            if boost > 0.2 && selection.passages.len() < MOST_ADDED {
                selection.passages.extend(row.passages.iter().take(MOST_ADDED - selection.passages.len()));
            }
        }
        selection
    }
}

impl Row {
    fn destination(row: &Map<String, Value>) -> Self {
        let id = text_of(row, "destination_id").unwrap_or_default();
        let mut names = vec![words_of(&id)];
        for key in ["region", "country"] {
            names.extend(text_of(row, key).iter().flat_map(|name| aliases(name)));
        }
        Self {
            path: text_of(row, "path").unwrap_or_default(),
            destination: id,
            names: distinct(names),
            months: months(row),
            kinds: list_of(row, "site_types"),
            level: list_of(row, "levels").iter().filter_map(|level| level_of_word(level)).min(),
            ..Self::default()
        }
    }

    fn site(row: &Map<String, Value>) -> Self {
        let title = text_of(row, "title").unwrap_or_default();
        let destination = text_of(row, "destination").unwrap_or_default();
        let own = aliases(&title).into_iter().next();
        let depth = row.get("depth_range_m").and_then(Value::as_array).and_then(|range| {
            let number = |at: usize| range.get(at)?.as_f64();
            #[allow(clippy::cast_possible_truncation, reason = "depths in metres")]
            Some((number(0)? as f32, number(1)? as f32))
        });
        Self {
            path: text_of(row, "path").unwrap_or_default(),
            is_site: true,
            // One common word ("Canyon") would match too much.
            names: distinct(
                own.into_iter().filter(|name| name.len() > 1 || name.iter().any(|word| word.len() > 6)).collect(),
            ),
            months: months(row),
            depth,
            level: text_of(row, "min_certification").and_then(|level| level_of_word(&level)),
            kinds: [list_of(row, "site_type"), list_of(row, "site_types")].concat(),
            destination,
            ..Self::default()
        }
    }

    fn is_named(&self, question: &[String]) -> bool {
        self.names.iter().any(|name| !name.is_empty() && question.windows(name.len()).any(|run| run == name))
    }
}

impl Conditions {
    fn read(words: &[String]) -> Self {
        let mut found = Self { deepest: depth_limit(words), ..Self::default() };
        for (at, word) in words.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", String::as_str);
            if let Some(month) = month(word, before) {
                found.months.push(month);
            }
            let singular = word.strip_suffix('s').unwrap_or(word);
            found.kinds.extend(SITE_TYPES.into_iter().filter(|kind| *kind == word || *kind == singular));
            found.seeking |= SEEKING.contains(&word.as_str());
            found.sites |= SITES.contains(&word.as_str());
            found.chooses |= CHOOSING.contains(&word.as_str());
            let level = match (before, word.as_str()) {
                (_, "beginner" | "beginners" | "novice" | "newbie" | "easy") | ("open", "water") => Some(1),
                ("advanced", "open") | (_, "advanced" | "aow") => Some(2),
                _ => None,
            };
            found.level = found.level.max(level);
        }
        found
    }

    /// How many kinds of conditions a question has.
    fn count(&self) -> usize {
        usize::from(!self.months.is_empty())
            + usize::from(self.deepest.is_some())
            + usize::from(self.level.is_some() && self.seeking)
            + usize::from(!self.kinds.is_empty())
    }

    /// From -1, against a condition, to 1, all of them known to be met.
    fn fit(&self, row: &Row) -> f32 {
        let mut sum = 0.0;
        let mut asked = 0.0;
        let mut judge = |fits: Option<f32>| {
            asked += 1.0;
            sum += fits.unwrap_or(0.0);
        };
        if !self.months.is_empty() {
            let fits = self.months.iter().all(|month| row.months.contains(month));
            judge((!row.months.is_empty()).then_some(if fits { 1.0 } else { -1.0 }));
        }
        if let Some(deepest) = self.deepest {
            judge(row.depth.map(|(from, to)| {
                if to <= deepest {
                    1.0
                } else if from < deepest * 0.7 {
                    0.5
                } else {
                    -1.0
                }
            }));
        }
        if let Some(level) = self.level {
            judge(row.level.map(|needed| if needed <= level { 1.0 } else { -1.0 }));
        }
        if !self.kinds.is_empty() {
            let fits = self.kinds.iter().any(|kind| row.kinds.iter().any(|known| known == kind));
            judge((!row.kinds.is_empty()).then_some(if fits { 1.0 } else { -1.0 }));
        }
        if asked > 0.0 { sum / asked } else { 0.0 }
    }
}

/// The passage of a destination that names most of its sites, if any names several.
fn listing(row: &Row, rows: &[Row], passages: &[Indexed]) -> Option<u32> {
    let sites: Vec<&Row> = rows.iter().filter(|site| site.is_site && site.destination == row.destination).collect();
    if sites.is_empty() {
        return None;
    }
    let named = |number: u32| {
        let words = passages.get(number as usize).map(|passage| words_of(&passage.text)).unwrap_or_default();
        sites.iter().filter(|site| site.is_named(&words)).count()
    };
    let counted = row.passages.iter().filter(|_| !row.is_site).map(|number| (named(*number), *number));
    counted.filter(|(count, _)| *count > 1).max_by_key(|(count, number)| (*count, u32::MAX - number)).map(|(_, n)| n)
}

fn months(row: &Map<String, Value>) -> Vec<u8> {
    let Some(Value::Array(months)) = row.get("best_months") else { return Vec::new() };
    months
        .iter()
        .filter_map(|month| u8::try_from(month.as_u64()?).ok())
        .filter(|month| (1..=12).contains(month))
        .collect()
}

fn month(word: &str, before: &str) -> Option<u8> {
    let number = MONTHS.iter().position(|name| *name == word || (word.len() == 3 && name.starts_with(word)))?;
    // "may" and "mar" are also other words: only after a word that leads to a time.
    let ambiguous = matches!(word, "may" | "march" | "mar" | "dec" | "jan");
    let led = matches!(
        before,
        "in" | "during" | "early" | "late" | "mid" | "of" | "until" | "from" | "to" | "and" | "or" | "this" | "next"
    );
    if ambiguous && !led {
        return None;
    }
    u8::try_from(number + 1).ok()
}

/// A depth limit in metres: "above 18 m", "no deeper than 60 ft", "max 20 m".
fn depth_limit(words: &[String]) -> Option<f32> {
    words.iter().enumerate().find_map(|(at, word)| {
        let number: f32 = word.parse().ok().filter(|number| (2.0..=400.0).contains(number))?;
        let unit = words.get(at + 1).map(String::as_str);
        let metres = match unit {
            Some("m" | "meter" | "meters" | "metre" | "metres") => number,
            Some("ft" | "feet" | "foot") => number * 0.3048,
            _ => return None,
        };
        let start = at.saturating_sub(3);
        let before = words.get(start..at).unwrap_or_default();
        let after = words.get(at + 2..(at + 4).min(words.len())).unwrap_or_default();
        let limits = |word: &String| {
            matches!(
                word.as_str(),
                "above"
                    | "under"
                    | "below"
                    | "max"
                    | "maximum"
                    | "within"
                    | "than"
                    | "to"
                    | "shallower"
                    | "less"
                    | "limit"
                    | "deep"
            )
        };
        let shallow = |word: &String| matches!(word.as_str(), "max" | "maximum" | "shallower");
        (before.iter().any(limits) || after.iter().any(shallow)).then_some(metres)
    })
}

fn level_of_word(word: &str) -> Option<u8> {
    match word {
        "try_dive" => Some(0),
        "open_water" => Some(1),
        "advanced" => Some(2),
        "deep" => Some(3),
        "technical" => Some(5),
        _ => None,
    }
}

fn level_of_card(card: &str) -> Option<u8> {
    match card.to_uppercase().as_str() {
        "OW" | "OWD" => Some(1),
        "AOW" | "AOWD" => Some(2),
        "RESCUE" | "RD" | "DEEP" | "DM" | "INSTRUCTOR" | "OWSI" => Some(4),
        "TEC" | "TECHNICAL" => Some(5),
        _ => None,
    }
}

/// The names in a title: "Crystal Bay, Nusa Penida" has two.
fn aliases(name: &str) -> Vec<Vec<String>> {
    name.split([',', '(', ')', ':', '–', '/']).map(words_of).filter(|words| !words.is_empty()).collect()
}

fn words_of(name: &str) -> Vec<String> {
    text::list_of_words(&name.replace('-', " "))
}

fn distinct(mut names: Vec<Vec<String>>) -> Vec<Vec<String>> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sites() -> Sites {
        Sites::new(
            &[
                json!({"path": "komodo/overview.md", "destination_id": "komodo", "country": "Indonesia", "best_months": [4, 5, 6], "site_types": ["reef", "drift"]}),
                json!({"path": "similan/overview.md", "destination_id": "similan-islands", "country": "Thailand", "best_months": [11, 12, 1]}),
            ],
            &[
                json!({"path": "komodo/siaba.md", "site_id": "k1", "destination": "komodo", "title": "Siaba Besar, Komodo", "depth_range_m": [3, 16], "best_months": [4, 5], "min_certification": "open_water", "site_type": ["reef"]}),
                json!({"path": "komodo/castle.md", "site_id": "k2", "destination": "komodo", "title": "Castle Rock", "depth_range_m": [15, 40], "best_months": [4, 5], "min_certification": "advanced", "site_type": ["pinnacle", "drift"]}),
                json!({"path": "similan/christmas.md", "site_id": "s1", "destination": "similan-islands", "title": "Christmas Point", "depth_range_m": [5, 16], "site_type": ["reef"]}),
            ],
        )
    }

    fn boosts(question: &str) -> HashMap<String, f32> {
        let boosts = sites().select(question, &DiverProfile::default()).boosts;
        boosts.into_iter().map(|(path, boost)| (path.to_owned(), boost)).collect()
    }

    #[test]
    fn conditions_select_the_sites_that_meet_them() {
        let boosts = boosts("reef dives above 18 m in Komodo in May");
        assert!(boosts["komodo/siaba.md"] > 0.3);
        assert!(boosts["komodo/castle.md"] < boosts["komodo/siaba.md"] - 0.3);
        assert!(boosts["similan/christmas.md"] < 0.0);
    }

    #[test]
    fn a_named_site_comes_before_all() {
        let boosts = boosts("What is Castle Rock like?");
        assert_eq!(boosts.keys().collect::<Vec<_>>(), ["komodo/castle.md"]);
    }

    #[test]
    fn the_divers_card_counts_when_a_place_is_sought() {
        let profile = DiverProfile { cert_level: Some("OW".into()), ..DiverProfile::default() };
        let sites = sites();
        let boosts = sites.select("which sites in Komodo suit me", &profile).boosts;
        assert!(boosts["komodo/siaba.md"] > boosts["komodo/castle.md"]);
    }

    #[test]
    fn other_questions_are_left_alone() {
        assert!(boosts("may I dive with asthma").is_empty());
        assert!(boosts("how deep can an open water diver go").is_empty());
    }

    #[test]
    fn limits_are_read_in_both_units() {
        let limit = |question: &str| depth_limit(&text::list_of_words(question));
        assert_eq!(limit("wrecks shallower than 20 m"), Some(20.0));
        assert!((limit("no deeper than 60ft").unwrap() - 18.288).abs() < 0.01);
        assert_eq!(limit("a 12 m visibility day"), None);
    }
}
