//! A corpus and questions that are the same on every machine: made by rule, not by chance.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

/// How many documents the corpus has; each is about one place.
pub const DOCUMENTS: usize = 500;
/// Every document's sections, and a question to which the daemon finds the section; each becomes one
/// passage, 10,000 in all.
const TOPICS: [(&str, &str); 20] = [
    ("Best season", "When is the best season to dive at {}?"),
    ("Currents", "How strong are the currents at {}?"),
    ("Visibility", "What visibility can divers expect at {}?"),
    ("Water temperature", "What is the water temperature at {}?"),
    ("Depth of the reef", "How deep is the reef at {}?"),
    ("Level usually expected", "Which level is usually expected at {}?"),
    ("Marine life", "What marine life lives at {}?"),
    ("Manta rays", "Which manta rays live at {}?"),
    ("At night", "What is {} like at night?"),
    ("Getting there", "How do I get to {}?"),
    ("Boats", "What are the boats like at {}?"),
    ("House reef", "How deep is the house reef at {}?"),
    ("Entry and exit", "How are entry and exit at {}?"),
    ("Macro photography", "Is {} good for macro photography?"),
    ("Sharks and rays", "Which sharks and rays live at {}?"),
    ("Corals", "How healthy are the corals at {}?"),
    ("Marine park rules", "Which marine park rules apply at {}?"),
    ("Surface conditions", "How rough is the sea at {}?"),
    ("Wind", "How strong is the wind at {}?"),
    ("Snorkelling", "How is the snorkelling at {}?"),
];
const SUBJECTS: [&str; 16] = [
    "the outer reef",
    "the sandy slope",
    "the northern wall",
    "the channel",
    "the lagoon",
    "the pinnacle",
    "the coral garden",
    "the cleaning station",
    "the drop-off",
    "the seagrass meadow",
    "the cavern mouth",
    "the shallow plateau",
    "the mooring line",
    "the house reef",
    "the southern point",
    "the swim-through",
];
const VERBS: [&str; 10] =
    ["shelters", "attracts", "hides", "feeds", "draws", "shows", "keeps", "supports", "offers", "holds"];
const OBJECTS: [&str; 20] = [
    "turtles",
    "reef sharks",
    "eagle rays",
    "schooling jacks",
    "barracuda",
    "nudibranchs",
    "frogfish",
    "garden eels",
    "soft corals",
    "gorgonians",
    "mantas",
    "octopus",
    "batfish",
    "lionfish",
    "moray eels",
    "sweetlips",
    "wrasse",
    "anemonefish",
    "pygmy seahorses",
    "bumphead parrotfish",
];
const TIMES: [&str; 12] = [
    "in the early morning",
    "around the new moon",
    "on the rising tide",
    "in the dry season",
    "from May to October",
    "after the rains",
    "at slack water",
    "in the late afternoon",
    "in calm weather",
    "during the spawning",
    "from November to March",
    "all year round",
];

/// Numbers that look random and are the same everywhere (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// A sequence of its own for each seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `most`, from 0.
    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next_number() % (most.max(1) as u64)).unwrap_or(0)
    }

    /// Between -1 and 1, denser around 0.
    pub fn centred(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            // 16 bits are exact in an f32.
            sum += f32::from(u16::try_from(self.next_number() & 0xFFFF).unwrap_or(0)) / 65_535.0;
        }
        (sum - 2.0) / 2.0
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices.get(self.below(choices.len())).copied().unwrap_or_default()
    }
}

/// The place a document is about.
pub fn place(document: usize) -> String {
    const FIRST: [&str; 25] = [
        "Ka", "Mo", "Ba", "Si", "Te", "Ra", "Lu", "Na", "Wa", "Pu", "Do", "Ma", "Ti", "Go", "Ha", "Be", "Sa", "Ro",
        "Le", "Ku", "Vi", "To", "Pa", "Ni", "Ja",
    ];
    const LAST: [&str; 20] = [
        "rokai", "lindu", "mbara", "petang", "silau", "nuwara", "garoa", "tobak", "windi", "falemo", "kasir", "dolan",
        "mengat", "pirua", "sondar", "tulawe", "benoa", "harang", "jelita", "vokeo",
    ];
    let first = FIRST.get(document % FIRST.len()).copied().unwrap_or_default();
    let last = LAST.get(document / FIRST.len() % LAST.len()).copied().unwrap_or_default();
    format!("{first}{last}")
}

/// Questions to ask, each about another place or topic of the corpus.
pub fn questions(count: usize) -> Vec<String> {
    let question = |i: usize| {
        let (_, form) = TOPICS.get(i % TOPICS.len()).copied().unwrap_or_default();
        form.replace("{}", &place(i * 7 % DOCUMENTS))
    };
    (0..count).map(question).collect()
}

/// Writes the corpus: 500 documents of 20 passages each.
pub fn write(dir: &Path) -> io::Result<()> {
    let folder = dir.join("destinations");
    fs::create_dir_all(&folder)?;
    for number in 0..DOCUMENTS {
        fs::write(folder.join(format!("{}.md", place(number).to_lowercase())), document(number))?;
    }
    Ok(())
}

fn document(number: usize) -> String {
    let place = place(number);
    let mut numbers = Numbers::new(number as u64);
    let mut text = format!(
        "---\ndoc_type: destination\ntitle: \"Diving at {place}\"\ndescription: \"What divers find at {place}.\"\n\
         tags: [{lower}, reef]\nkeywords: [{lower}, diving in {lower}]\nlast_updated: 2026-11-01\ndata_quality: compiled\n\
         destination_id: {lower}\ncountry: Benchland\nregion: asia\nbest_months: [5, 6, 7, 8]\nwater_temp_c: [26, 29]\n\
         levels: [open_water, advanced]\nsite_types: [reef, wall]\nhighlights: [reefs]\nairport: none\n\
         sources:\n  - title: \"Benchmark corpus\"\n    publisher: \"DovvyBuddy\"\n---\n\n# Diving at {place}\n",
        lower = place.to_lowercase(),
    );
    for (topic, _) in TOPICS {
        // Writing to a String can't fail.
        let _ = write!(text, "\n## {topic}\n{}\n", section(topic, &place, &mut numbers));
    }
    text
}

/// About a hundred words.
fn section(topic: &str, place: &str, numbers: &mut Numbers) -> String {
    let shallow = 3 + numbers.below(12);
    let deep = shallow + 5 + numbers.below(25);
    let mut text = format!("{topic} at {place} is best judged between {shallow} m and {deep} m.");
    for _ in 0..7 {
        let subject = numbers.one_of(&SUBJECTS);
        let verb = numbers.one_of(&VERBS);
        let (one, other) = (numbers.one_of(&OBJECTS), numbers.one_of(&OBJECTS));
        let time = numbers.one_of(&TIMES);
        let _ = write!(text, " Near {place}, {subject} {verb} {one} and {other} {time}, as local guides report.");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_is_another_and_questions_repeat_late() {
        let places: HashSet<String> = (0..DOCUMENTS).map(place).collect();
        assert_eq!(places.len(), DOCUMENTS);
        let asked: HashSet<String> = questions(500).into_iter().collect();
        assert_eq!(asked.len(), 500);
    }

    #[test]
    fn a_document_is_the_same_every_time_and_has_twenty_sections() {
        assert_eq!(document(3), document(3));
        assert_eq!(document(3).matches("\n## ").count(), 20);
        let longest = document(3).split("\n## ").map(|section| section.split_whitespace().count()).max();
        assert!(longest < Some(200), "a section must stay one passage");
    }

    #[test]
    fn centred_numbers_stay_within_bounds() {
        let mut numbers = Numbers::new(1);
        assert!((0..1000).all(|_| numbers.centred().abs() <= 1.0));
    }
}
