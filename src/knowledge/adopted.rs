//! The Python service's rows of destinations and dive sites as documents, so that they are found and cited.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt::Write as _;

use dovvybuddy_core::store::Document;
use serde_json::{Map, Value, json};

use crate::document;
use crate::front_matter::text_of;

/// Makes a document of each row. Rows are as that service's tables hold them; one it had switched off is kept as
/// data and has no words to be found by.
///
/// # Errors
/// When a row has no name.
pub fn documents_of_places(
    destinations: &[Value],
    dive_sites: &[Value],
) -> Result<Vec<Document>, Box<dyn Error + Send + Sync>> {
    let sites: Vec<&Map<String, Value>> = dive_sites.iter().filter_map(Value::as_object).collect();
    let mut places: HashMap<&str, Place> = HashMap::new();
    let mut taken = HashSet::new();
    let mut documents = Vec::new();
    for row in destinations.iter().filter_map(Value::as_object) {
        let place = Place::read(row)?;
        let there =
            sites.iter().filter(|site| is_active(site) && same_id(site, row)).filter_map(|site| name(site).ok());
        let document = place.document(row, &there.collect::<Vec<_>>(), &mut taken)?;
        documents.push(document);
        if let Some(id) = row.get("id").and_then(Value::as_str) {
            places.insert(id, place);
        }
    }
    for site in sites {
        let place = site.get("destination_id").and_then(Value::as_str).and_then(|id| places.get(id));
        documents.push(site_document(site, place, &mut taken)?);
    }
    Ok(documents)
}

type Failed = Box<dyn Error + Send + Sync>;

/// A destination as its sites need it.
struct Place {
    name: String,
    country: String,
    slug: String,
}

impl Place {
    fn read(row: &Map<String, Value>) -> Result<Self, Failed> {
        let name = name(row)?;
        Ok(Self { slug: slug(&name), country: text_of(row, "country").unwrap_or_default(), name })
    }

    fn shown(&self) -> String {
        if self.country.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.country) }
    }

    fn document(
        &self,
        row: &Map<String, Value>,
        sites: &[String],
        taken: &mut HashSet<String>,
    ) -> Result<Document, Failed> {
        let Self { name, country, slug } = self;
        let front = json!({ "doc_type": "destination", "title": name, "destination_id": slug,
            "country": country, "region": name, "last_updated": day(row) });
        let mut words = format!("{name} is a dive destination");
        if !country.is_empty() {
            let _ = write!(words, " in {country}");
        }
        words.push('.');
        if !sites.is_empty() {
            let _ = write!(words, " Its dive sites on record are {}.", sites.join(", "));
        }
        written(row, &free(format!("adopted/{slug}"), taken), name, &front, &words)
    }
}

fn site_document(
    row: &Map<String, Value>,
    place: Option<&Place>,
    taken: &mut HashSet<String>,
) -> Result<Document, Failed> {
    let name = name(row)?;
    let id = text_of(row, "dive_site_id").unwrap_or_else(|| slug(&name));
    let depth = [number(row, "depth_min_m"), number(row, "depth_max_m")];
    let range = if let [Some(from), Some(to)] = depth { json!([from, to]) } else { Value::Null };
    let front = json!({ "doc_type": "dive_site", "title": name, "site_id": id, "last_updated": day(row),
        "destination": place.map(|place| &place.slug), "tags": row.get("tags"), "depth_range_m": range,
        "data_quality": text_of(row, "data_quality"),
        "min_certification": text_of(row, "min_certification_level").and_then(|level| level_word(&level)) });
    let mut words = text_of(row, "description").unwrap_or_default();
    if !words.is_empty() {
        words.push_str("\n\n");
    }
    let _ = write!(words, "{name} is a dive site");
    if let Some(place) = place {
        let _ = write!(words, " at {}", place.shown());
    }
    words.push('.');
    if let [Some(from), Some(to)] = depth {
        let _ = write!(words, " {name} lies at depths of {from} to {to} m.");
    }
    if let Some(level) = text_of(row, "min_certification_level") {
        let _ = write!(words, " The level usually expected at {name} is {level}.");
    }
    if let Some(dives) = number(row, "min_logged_dives") {
        let _ = write!(words, " Divers at {name} are expected to have at least {dives} logged dives.");
    }
    if let Some(band) = text_of(row, "difficulty_band") {
        let _ = write!(words, " The difficulty of {name} is rated {band}.");
    }
    if let Some(access) = text_of(row, "access_type") {
        let _ = write!(words, " {name} is dived by {access}.");
    }
    let folder = place.map_or("places", |place| place.slug.as_str());
    written(row, &free(format!("adopted/{folder}/{}", slug(&id)), taken), &name, &front, &words)
}

/// A document as if it had been a file with this front matter.
fn written(row: &Map<String, Value>, path: &str, title: &str, front: &Value, words: &str) -> Result<Document, Failed> {
    let mut text = String::from("---\n");
    for (key, value) in front.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        // JSON on one line is YAML.
        let _ = writeln!(text, "{key}: {value}");
    }
    let _ = write!(text, "---\n\n# {title}\n\n{words}\n");
    let (mut document, _) = document::read(path, &text)?;
    if !is_active(row) {
        document.passages.clear();
    }
    Ok(document)
}

fn name(row: &Map<String, Value>) -> Result<String, Failed> {
    text_of(row, "name").filter(|name| !name.trim().is_empty()).ok_or_else(|| "a place has no name".into())
}

fn is_active(row: &Map<String, Value>) -> bool {
    row.get("is_active").and_then(Value::as_bool).unwrap_or(true)
}

fn same_id(site: &Map<String, Value>, destination: &Map<String, Value>) -> bool {
    site.get("destination_id").is_some_and(|id| Some(id) == destination.get("id"))
}

fn number(row: &Map<String, Value>, field: &str) -> Option<f64> {
    row.get(field).and_then(Value::as_f64)
}

/// The day of its last revision.
fn day(row: &Map<String, Value>) -> Option<String> {
    let moment = ["last_updated", "updated_at", "created_at"].iter().find_map(|field| text_of(row, field))?;
    moment.get(..10).map(str::to_owned)
}

/// Our words for levels and those that say as much. The service wrote levels as divers do; what stands between two of
/// our words counts as the stricter one.
const LEVELS: [(&str, &[&str]); 5] = [
    ("technical", &["tec", "cave"]),
    ("deep", &["rescue", "deep", "master", "instructor"]),
    ("advanced", &["aow", "advanced"]),
    ("try_dive", &["discover", "try", "dsd"]),
    ("open_water", &["ow", "open water"]),
];

fn level_word(level: &str) -> Option<&'static str> {
    let level = level.to_lowercase();
    let says_so = |(_, words): &&(&'static str, &[&str])| words.iter().any(|word| level.contains(word));
    LEVELS.iter().find(says_so).map(|(word, _)| *word)
}

/// Lower-case letters and digits with hyphens between.
fn slug(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join("-")
}

/// The path, or one like it that nothing has yet.
fn free(path: String, taken: &mut HashSet<String>) -> String {
    let candidates = (1_u32..).map(|n| if n == 1 { path.clone() } else { format!("{path}-{n}") });
    let free = candidates.into_iter().find(|path| !taken.contains(path)).unwrap_or(path);
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> (Vec<Value>, Vec<Value>) {
        let destination = json!({ "id": "d1", "name": "Tioman Island", "country": "Malaysia", "is_active": true,
            "created_at": "2026-01-02T03:04:05+00:00" });
        let site = |name: &str, active: bool| {
            json!({ "id": name, "destination_id": "d1", "name": name, "dive_site_id": slug(name), "is_active": active,
                "description": "Two pinnacles: \"the best\" # of all.", "min_certification_level": "AOW",
                "min_logged_dives": 20, "difficulty_band": "intermediate", "access_type": "boat",
                "depth_min_m": 8, "depth_max_m": 25.5, "tags": ["reef", "pinnacle"], "data_quality": "compiled",
                "updated_at": null, "created_at": "2026-01-02T03:04:05+00:00" })
        };
        (vec![destination], vec![site("Tiger Reef", true), site("Closed Rock", false)])
    }

    #[test]
    fn a_site_is_described_by_its_row() {
        let (destinations, sites) = rows();
        let documents = documents_of_places(&destinations, &sites).unwrap();
        assert_eq!(documents.len(), 3);
        let site = documents[1].dive_site.as_ref().unwrap();
        assert_eq!((&site["site_id"], &site["destination"]), (&json!("tiger-reef"), &json!("tioman-island")));
        assert_eq!((&site["depth_range_m"], &site["min_certification"]), (&json!([8.0, 25.5]), &json!("advanced")));
        let words = &documents[1].passages[0].text;
        for said in ["\"the best\" # of all", "at Tioman Island, Malaysia", "8 to 25.5 m", "20 logged dives", "by boat"]
        {
            assert!(words.contains(said), "{said}: {words}");
        }
        assert_eq!(documents[1].front_matter["last_updated"], "2026-01-02");
    }

    #[test]
    fn a_destination_names_its_sites_and_not_those_switched_off() {
        let (destinations, sites) = rows();
        let documents = documents_of_places(&destinations, &sites).unwrap();
        let place = documents[0].destination.as_ref().unwrap();
        assert_eq!((&place["destination_id"], &place["country"]), (&json!("tioman-island"), &json!("Malaysia")));
        let words = &documents[0].passages[0].text;
        assert!(words.contains("Tiger Reef") && !words.contains("Closed Rock"), "{words}");
        assert!(documents[2].dive_site.is_some() && documents[2].passages.is_empty());
    }

    #[test]
    fn two_of_one_name_are_two_documents() {
        let twice = json!({ "name": "Blue Hole" });
        let documents = documents_of_places(&[twice.clone(), twice], &[]).unwrap();
        assert_ne!(documents[0].path, documents[1].path);
        assert!(documents_of_places(&[json!({ "name": " " })], &[]).is_err());
    }
}
