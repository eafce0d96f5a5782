//! What a message tells besides asking: statements that narrow the question before them, and the words that name
//! nothing and still matter to what follows.

use dovvybuddy_core::Lang;

use super::said::{Group, Mention, Said};
use super::search_words;
use super::talk::Kind;
use crate::concept::Concept;
use crate::language;

impl Said<'_> {
    /// Whether it only tells more of what is spoken of: "we did three dives a day", "my trip is to Egypt".
    pub(super) fn tells(&self) -> bool {
        let wants = [Kind::Suits, Kind::Limit, Kind::Next, Kind::Whole, Kind::Connect];
        if self.reading.question()
            || self.words() > LONGEST_TOLD
            || wants.into_iter().any(|kind| self.talk().has(kind))
            || self.reading.any(ASKED)
        {
            return false;
        }
        if self.reading.lang() != Lang::En {
            return self.tells_of_the_diver();
        }
        let units = &self.message.text.units;
        let reported = || units.iter().any(|unit| listed(unit, REPORTED));
        units.first().is_some_and(|first| listed(first, TELLING) || first == "the" && reported())
            && !units.iter().any(|unit| listed(unit, WISHING))
    }

    /// Whether it tells something without asking or complaining, whatever was said before: "we saw a turtle today", "my
    /// husband loves wrecks". That is read in English alone.
    pub(super) fn only_tells(&self) -> bool {
        let units = &self.message.text.units;
        let of_the_body =
            || self.reading.count(Concept::is_sign) > 0 || self.reading.any(&[Concept::Medical, Concept::Medicine]);
        self.reading.lang() == Lang::En
            && self.tells()
            && !units.iter().any(|unit| listed(unit, BEYOND_TELLING))
            && !of_the_body()
    }

    /// Whether it asks how cold the water is, or what to wear in it.
    pub(super) fn is_of_the_water(&self) -> bool {
        let worn = self.mentions.iter().any(|m| m.concept == Concept::Gear && m.words.contains("suit"));
        worn || self.reading.has(Concept::Conditions)
            || self.says(&["suit", "wetsuit", "cold", "warm", "temperature", "drysuit"])
    }

    /// Whether the table of the search knows what a message in another language asks.
    pub(super) fn is_known_to_the_search(&self) -> bool {
        let lang = self.reading.lang();
        let found = || search_words::find(&self.message.text, lang);
        lang != Lang::En
            && found().iter().any(|found| {
                !self.mentions.iter().any(|mention| mention.units.0 < found.units.1 && found.units.0 < mention.units.1)
            })
    }

    /// Whether it asks what is to be done.
    pub(super) fn asks_what_to_do(&self) -> bool {
        let lower = self.raw.to_lowercase();
        self.reading.lang() == Lang::En
            && ["what do i do", "what do you do", "what to do", "what should i do", "what do we do", "what can i do"]
                .iter()
                .any(|wording| lower.contains(wording))
    }

    /// Whether it asks for what is near a place, or for another.
    pub(super) fn looks_around(&self) -> bool {
        self.says(&["near", "nearby", "nearest", "instead", "another", "alternative", "alternatives", "elsewhere"])
            || self.looks_elsewhere()
    }

    /// Whether it asks for other places than the one that is spoken of.
    pub(super) fn looks_elsewhere(&self) -> bool {
        self.says(&["elsewhere"]) || self.says(&["else"]) && self.says(&["where"])
    }

    fn says(&self, words: &[&str]) -> bool {
        self.reading.lang() == Lang::En && self.message.text.units.iter().any(|unit| words.contains(&unit.as_str()))
    }

    /// What is said besides the things that are named, where nothing of it is known: "does it hurt when a lionfish gets
    /// you" asks whether it hurts.
    pub(super) fn besides(&self) -> String {
        if self.reading.lang() != Lang::En {
            return String::new();
        }
        let common = language::function_words(Lang::En);
        let of_a_mention = |at: usize| self.mentions.iter().any(|m| (m.units.0..m.units.1).contains(&at));
        let units = self.message.text.units.iter().enumerate();
        let told = units.filter(|(at, unit)| {
            !of_a_mention(*at) && !common.contains(unit.as_str()) && !listed(unit, SAYING_NOTHING)
        });
        let words: Vec<&str> = told.map(|(_, unit)| unit.as_str()).collect();
        if words.len() > MOST_BESIDES { String::new() } else { words.join(" ") }
    }

    /// A way of diving that is known by the same name everywhere.
    pub(super) fn pastime(&self) -> Option<Mention> {
        const PASTIMES: &[(&str, &str)] = &[
            ("freediv", "freediving"),
            ("apnea", "freediving"),
            ("apnoea", "freediving"),
            ("sidemount", "sidemount"),
            ("rebreather", "rebreather"),
            ("trimix", "trimix"),
            ("heliox", "heliox"),
            ("helium", "helium"),
        ];
        let mut units = self.message.text.units.iter().enumerate();
        let (at, words) = units.find_map(|(at, unit)| {
            let known = PASTIMES.iter().find(|(start, _)| unit.starts_with(start));
            known.map(|(_, words)| (at, (*words).to_owned()))
        })?;
        Some(Mention { group: Group::Thing, concept: Concept::Physics, words, name: None, units: (at, at + 1) })
    }
}

/// Whether a word stands in a list of words parted by spaces.
fn listed(unit: &str, list: &str) -> bool {
    list.split_whitespace().any(|word| word == unit)
}

/// A message of more words tells a story of its own.
const LONGEST_TOLD: usize = 12;
/// What is asked or wished for, if only in a few words.
const ASKED: &[Concept] = &[
    Concept::Allowed,
    Concept::HowDeep,
    Concept::HowWork,
    Concept::When,
    Concept::Where,
    Concept::Better,
    Concept::Hypo,
    Concept::Worry,
    Concept::Price,
    Concept::Biology,
];
/// Words with which people begin to tell of themselves and theirs.
const TELLING: &str = "
    i im ive we were weve my our he hes she shes they theyre it its was just only havent never not no wife husband
    girlfriend boyfriend buddy mate friend
";
/// Words that tell of something wrong, for which there may be help, and of what "what would you like to know" is no
/// answer to; "just" may begin a command.
const BEYOND_TELLING: &str = "
    just no not never cant cannot couldnt dont doesnt didnt wont isnt wasnt arent havent hasnt broken broke breaks lost
    error errors wrong problem problems trouble stuck leak leaks leaking fail fails failed failing cancelled missed
    stolen hurt hurts pain sick ill sad angry alone lonely died dead death dying passed lied
";
/// Words by which it is told what others say.
const REPORTED: &str = "said says told thinks claims";
/// Words by which something is wanted all the same.
const WISHING: &str = "
    want wanna wants like love need needs looking tell show explain wonder wondering recommend suggest help plan planning
    thinking interested should can could may would will what whats how which where when why who whos
    hope hoping dream
";
/// Words that ask for whatever there is to say.
const SAYING_NOTHING: &str = "
    tell show explain know want wanna think look please thanks thank hi hello good worth say ok okay info more details
    thing things really like idea happen happens happened if
";
/// More words besides a thing tell a story of it.
const MOST_BESIDES: usize = 5;
