//! The question as it would be asked without its history, with English words for the search.

use std::borrow::Cow;

use dovvybuddy_core::Lang;
use dovvybuddy_core::questions;

use super::search_words::{self, Found};
use crate::concept::Concept;
use crate::emergency::Reading;
use crate::gloss;
use crate::language;
use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::text::Text;

/// Words by which a message says something of its own.
const FEWEST_OWN: usize = 2;
/// Who asks in so few words leaves out what is meant.
const TERSE: usize = 3;
/// A sentence of more units says something besides its thanks.
const LONGEST_COURTESY: usize = 12;

/// The search query: the earlier message before a follow-up, and of other languages the `english` rendering with the
/// names that it lacks.
pub(super) fn standalone(text: &str, earlier: Option<&str>, reading: &Reading, english: Option<&str>) -> String {
    let mut query = String::new();
    if let Some(earlier) = earlier {
        query.push_str(earlier.trim());
        query.push(' ');
    }
    let pointed = if reading.lang() == Lang::En { to_the_point(text, reading) } else { Cow::Borrowed(text) };
    let text = &*pointed;
    query.push_str(&without_asides(text, reading));
    let found = search_words::find(&Message::read(text).text, reading.lang());
    if reading.lang() == Lang::En {
        query = in_months(&without_what_is_excluded(&query));
        let said = text.to_lowercase();
        let of_a_thing = is_of_a_thing(&said);
        let before = earlier.map(|earlier| Message::read(earlier).reading(Lang::En));
        let of_a_level = before.is_some_and(|before| before.has(Concept::Level));
        if of_a_thing {
            query.push_str(" history invented founded year");
        }
        for found in &found {
            query.push(' ');
            query.push_str(found.words);
        }
        // "Galápagos when" asks for the season.
        if reading.has(Concept::When) && reading.any(&[Concept::Place, Concept::Species]) && reading.len() <= TERSE {
            query.push_str(" best season months");
        }
        for (concept, words) in PLAINLY {
            let stem = |word: &'static str| word.get(..6).unwrap_or(word);
            let named = match concept {
                // Much is needed; a level's prerequisites are asked for by its name.
                Concept::Prereq => (reading.has(Concept::Level) || of_a_level) && said.contains("need"),
                // The level's own page says its age.
                Concept::AgeLimit if of_a_thing => false,
                Concept::AgeLimit => {
                    let else_asked = [Concept::Level, Concept::Course, Concept::Medical, Concept::Medicine];
                    // Children are told of in talks about other things.
                    !reading.any(&else_asked) && (earlier.is_none() || said.contains("age") || said.contains("old"))
                }
                Concept::HowDeep => !said.contains("deep down"),
                // Who asks for the airport of a place does not ask about nitrogen.
                Concept::NoFly => !said.contains("airport") || said.contains("after") || said.contains("before"),
                Concept::Ears => reading.any(&[Concept::Pain, Concept::EarMild]) || said.contains("hurt"),
                Concept::Month => reading.has(Concept::Place),
                _ => true,
            };
            if reading.has(*concept) && named && !words.split(' ').any(|word| said.contains(stem(word))) {
                query.push(' ');
                query.push_str(words);
            }
        }
    } else {
        other_words(&mut query, english, earlier, reading, &found);
    }
    query
}

/// Makes the query of a message in another language: its English rendering, or if there is none the message itself, with
/// what the lexicon knows besides.
fn other_words(query: &mut String, english: Option<&str>, earlier: Option<&str>, reading: &Reading, found: &[Found]) {
    let lexicon = Lexicon::of(reading.lang());
    let table = || found.iter().map(|found| found.words.to_owned());
    let mut known: Vec<String> = Vec::new();
    if let Some(english) = english {
        *query = earlier.map(|earlier| format!("{} ", in_latin(earlier.trim()))).unwrap_or_default() + english;
        // The glossary says better than a concept's general word what is meant; names it may not know, and what
        // documents on levels are called.
        let glossed = reading.hits().iter().filter_map(|hit| lexicon.gloss(hit)).map(written_out).map(str::to_owned);
        known.extend(glossed.chain(table()));
        if reading.has(Concept::Level) {
            known.extend(terms(reading).into_iter().filter(|term| is_of_levels(term)));
        }
        known.retain(|term| !has_words(query, term));
    } else {
        known.extend(terms(reading).into_iter().chain(table()));
        if let Some(earlier) = earlier {
            let before = Message::read(earlier);
            known.extend(terms(&before.reading(before.signs.detect(Some(reading.lang())).lang)));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for term in known {
        if !seen.contains(&term) {
            query.push(' ');
            query.push_str(&term);
            seen.push(term);
        }
    }
}

/// Whether documents on levels and courses call something so.
fn is_of_levels(term: &str) -> bool {
    let of_levels = [Concept::HowDeep, Concept::AgeLimit, Concept::Prereq];
    of_levels.into_iter().any(|concept| general_term(concept) == Some(term))
}

/// Whether a text has these words in a row.
fn has_words(text: &str, words: &str) -> bool {
    format!(" {} ", text.to_lowercase()).contains(&format!(" {} ", words.to_lowercase()))
}

/// The text without greetings, times of day and what it tells of dives done: none of it is asked about.
fn without_asides(text: &str, reading: &Reading) -> String {
    without_dives_done(&without_times_of_day(&without_courtesies(text, reading)))
}

/// A message word by word in English, if it is in another language of which enough is known.
pub(super) fn in_english(text: &str, reading: &Reading) -> Option<String> {
    let pointed = to_the_point(text, reading);
    let rendered = gloss::render(&without_asides(&pointed, reading), reading.lang())?;
    rendered.says_enough().then_some(rendered.english)
}

/// The questions of a message that asks several, in words of the search; none where it asks one, or where its language
/// tells too little of one.
pub(super) fn one_by_one(text: &str, lang: Lang) -> Vec<String> {
    let asked = questions::questions(text);
    if lang == Lang::En {
        return asked.into_iter().map(str::to_owned).collect();
    }
    let rendered = asked.into_iter().map(|part| {
        let message = Message::read(part);
        let reading = message.reading(lang);
        if let Some(english) = in_english(part, &reading) {
            return english;
        }
        let mut english = terms(&reading);
        english.extend(search_words::find(&message.text, lang).iter().map(|found| found.words.to_owned()));
        let mut said = in_latin(part);
        said.retain(|c| c.is_ascii());
        let latin = if crate::text::unspaced(lang) || lang == Lang::Ar { said } else { String::new() };
        format!("{latin} {}", english.join(" ")).trim().to_owned()
    });
    let rendered: Vec<String> = rendered.collect();
    if rendered.iter().any(String::is_empty) { Vec::new() } else { rendered }
}

/// Whether a message says enough by itself to be asked without what went before.
pub(super) fn says_enough(units: &[String], reading: &Reading) -> bool {
    let common = language::function_words(reading.lang());
    let own = units.iter().filter(|unit| !common.contains(unit.as_str())).count();
    own >= FEWEST_OWN || reading.count(super::features::is_topic) > 1
}

/// The question of a wordy message, with the subjects that its story names: "it feels like a needle in my ear. … What is
/// the right reaction?" asks about an ear.
fn to_the_point<'t>(text: &'t str, reading: &Reading) -> Cow<'t, str> {
    let asking = questions::point(text);
    if asking.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut point = asking.join(" ");
    let message = Message::read(text);
    let lower = point.to_lowercase();
    let mut told: Vec<String> = Vec::new();
    let asked = Message::read(&point).reading(reading.lang());
    // "He had a collapsed lung. Can he dive with us in Koh Tao?" asks about the lung.
    let of_the_ill = reading.any(OF_THE_BODY) && asked.has(Concept::Allowed) && !asked.any(OF_THE_BODY);
    let anywhere = of_the_ill || asked.any(THE_SAME_ANYWHERE);
    let matters = |concept| SUBJECTS.contains(&concept) && !(anywhere && OF_A_PLACE.contains(&concept));
    for hit in reading.hits().iter().filter(|hit| matters(hit.concept)) {
        let said = message.text.units.get(hit.start..hit.end).map(|units| units.join(" ")).unwrap_or_default();
        if !said.is_empty() && !lower.contains(&said) && !told.contains(&said) && told.len() < MOST_SUBJECTS {
            told.push(said);
        }
    }
    if of_the_ill {
        point = without_places(&point, &asked);
    }
    for said in told {
        point.push(' ');
        point.push_str(&said);
    }
    Cow::Owned(point)
}

/// What a story may name that its question is about.
const SUBJECTS: &[Concept] = &[
    Concept::Agency,
    Concept::CardAdmin,
    Concept::Course,
    Concept::Dci,
    Concept::Deco,
    Concept::DiveSite,
    Concept::Ears,
    Concept::EarMild,
    Concept::Equivalence,
    Concept::Gas,
    Concept::GasHazard,
    Concept::Gear,
    Concept::Level,
    Concept::Medical,
    Concept::Medicine,
    Concept::NoFly,
    Concept::Place,
    Concept::Species,
];

/// What is the same wherever one dives: "back from Raja Ampat, any tricks for my ears?" asks nothing of Raja Ampat.
const THE_SAME_ANYWHERE: &[Concept] = &[
    Concept::CardAdmin,
    Concept::Deco,
    Concept::Ears,
    Concept::Equivalence,
    Concept::Fitness,
    Concept::Gas,
    Concept::Gear,
    Concept::GearCare,
    Concept::Medical,
    Concept::Medicine,
    Concept::NoFly,
    Concept::Physics,
];
const OF_A_PLACE: &[Concept] = &[Concept::DiveSite, Concept::Place];

/// What decides whether somebody may dive, wherever that is to be.
const OF_THE_BODY: &[Concept] = &[Concept::Medical, Concept::Medicine];

/// A question without the places that it names, where its script parts words.
fn without_places(asked: &str, reading: &Reading) -> String {
    let units = &Message::read(asked).text.units;
    let places = reading.hits().iter().filter(|hit| OF_A_PLACE.contains(&hit.concept));
    let named: Vec<&String> = places.filter_map(|hit| units.get(hit.start..hit.end)).flatten().collect();
    let is_named = |word: &&str| {
        let units = Text::new(word).units;
        !units.is_empty() && units.iter().all(|unit| named.contains(&unit))
    };
    asked.split_whitespace().filter(|word| !is_named(word)).collect::<Vec<_>>().join(" ")
}

/// The most of them; a longer list says nothing.
const MOST_SUBJECTS: usize = 5;

/// What a text has in Latin letters and digits: the names of agencies, places and gear.
fn in_latin(text: &str) -> String {
    let other = |c: char| c.is_alphabetic() && !c.is_ascii() && !matches!(c, '\u{c0}'..='\u{24f}');
    if !text.contains(other) {
        return text.to_owned();
    }
    let words = text.split(|c: char| other(c) || c.is_whitespace()).filter(|word| word.contains(char::is_alphanumeric));
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    words.map(bare).collect::<Vec<_>>().join(" ")
}

/// What English documents call what people ask for in words of their own: "what do I need for" asks for
/// prerequisites. Words that the question has already are not said again.
const PLAINLY: &[(Concept, &str)] = &[
    (Concept::HowDeep, "depth limit"),
    (Concept::AgeLimit, "minimum age Open Water Diver"),
    (Concept::Prereq, "prerequisites requirements"),
    (Concept::Refresher, "refresher long break"),
    (Concept::NoFly, "flying after diving"),
    (Concept::Dci, "decompression sickness"),
    (Concept::Ears, "barotrauma"),
    (Concept::Month, "best season"),
];

/// What documents call a concept that people ask for in words of their own.
pub(super) fn plainly(concept: Concept) -> Option<&'static str> {
    let listed = [Concept::HowDeep, Concept::Refresher, Concept::NoFly, Concept::Dci].contains(&concept);
    PLAINLY.iter().find(|(known, _)| listed && *known == concept).map(|(_, words)| *words)
}

/// The text without what it sets aside: "the scuba diver card, not open water" does not ask about Open Water.
fn without_what_is_excluded(text: &str) -> String {
    let Some((kept, excluded)) = text.split_once(", not ") else { return text.to_owned() };
    let ends = excluded.find([',', '.', '?', '!', ';']);
    let rest = ends.and_then(|at| excluded.get(at..)).unwrap_or_default();
    // "Not sure if…" and longer clauses say something of their own.
    let named = excluded.get(..ends.unwrap_or(excluded.len())).unwrap_or_default();
    if named.split_whitespace().count() > MOST_EXCLUDED { text.to_owned() } else { format!("{kept}{rest}") }
}

/// "How old is scuba diving" asks for a history and not for a minimum age.
fn is_of_a_thing(said: &str) -> bool {
    const THINGS: &[&str] =
        &["scuba", "diving", "the sport", "padi", "ssi", "naui", "bsac", "cmas", "snorkel", "freediving"];
    said.split("how old is ").skip(1).any(|after| THINGS.iter().any(|thing| after.starts_with(thing)))
}

/// The text with holidays as the months they fall in: who dives at Christmas does not ask about Christmas Island.
fn in_months(text: &str) -> String {
    const HOLIDAYS: &[(&str, &str)] = &[
        ("christmas", "December"),
        ("xmas", "December"),
        ("easter", "April"),
        ("halloween", "October"),
        ("thanksgiving", "November"),
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let named = |at: usize| {
        let next = words.get(at + 1).map(|word| bare(word)).unwrap_or_default();
        matches!(next.as_str(), "island" | "islands" | "point" | "tree" | "reef" | "day")
    };
    let replaced = words.iter().enumerate().map(|(at, word)| {
        let month = HOLIDAYS.iter().find(|(holiday, _)| *holiday == bare(word)).filter(|_| !named(at));
        month.map_or(*word, |(_, month)| month)
    });
    replaced.collect::<Vec<_>>().join(" ")
}

/// The words of a name that is set aside.
const MOST_EXCLUDED: usize = 4;

/// The text without "with 20 dives": it tells of the diver, and documents that have the number are about something else.
fn without_dives_done(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let told = |at: usize| {
        let word = |ahead: usize| words.get(at + ahead).map(|word| bare(word)).unwrap_or_default();
        let number = !word(1).is_empty() && word(1).chars().all(|c| c.is_ascii_digit());
        match (word(0) == "with" && number, word(2).as_str(), word(3).as_str()) {
            (true, "dives", _) => 3,
            (true, "logged", "dives") => 4,
            _ => 0,
        }
    };
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        match told(at) {
            0 => {
                kept.push(*word);
                at += 1;
            }
            length => at += length,
        }
    }
    if kept.len() < FEWEST_WORDS { text.to_owned() } else { kept.join(" ") }
}

/// A question of fewer words would say nothing without what is left out.
const FEWEST_WORDS: usize = 3;

/// The text without times of day: who flies at 18:00 does not ask about 18 m.
fn without_times_of_day(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let half = |word: &str| matches!(bare(word).as_str(), "am" | "pm" | "uhr" | "oclock" | "o'clock");
    let is_time = |at: usize, word: &str| {
        let word = bare(word);
        let clock = word.trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace());
        let written = clock
            .split_once([':', 'h'])
            .is_some_and(|(hours, minutes)| digits(hours, 2) && minutes.len() == 2 && digits(minutes, 2));
        let hour = digits(clock, 2);
        written
            || hour && matches!(word.get(clock.len()..), Some("am" | "pm" | "uhr"))
            || hour && word.len() == clock.len() && words.get(at + 1).is_some_and(|next| half(next))
            || at > 0 && half(&word) && words.get(at - 1).is_some_and(|before| digits(&bare(before), 2))
    };
    if !text.contains(|c: char| c.is_ascii_digit())
        || !(0..words.len()).any(|at| words.get(at).is_some_and(|word| is_time(at, word)))
    {
        return text.to_owned();
    }
    let kept: Vec<&str> =
        words.iter().enumerate().filter(|(at, word)| !is_time(*at, word)).map(|(_, word)| *word).collect();
    if kept.is_empty() { text.to_owned() } else { kept.join(" ") }
}

fn digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}

/// The text without sentences that only greet or thank: "thanks in advance" is no question about an
/// advanced course. A text that has nothing else stays as it is.
fn without_courtesies(text: &str, whole: &Reading) -> String {
    if !whole.any(&[Concept::Greeting, Concept::Thanks]) {
        return text.trim().to_owned();
    }
    let lang = whole.lang();
    let is_courtesy = |sentence: &&str| {
        let reading = Reading::new(&Text::new(sentence), lang);
        reading.any(&[Concept::Greeting, Concept::Thanks]) && !reading.question() && reading.len() <= LONGEST_COURTESY
    };
    let sentences = || text.split_inclusive(['.', '!', '?', '\n', '。', '！', '？', '؟']);
    let kept: String = sentences().filter(|sentence| !is_courtesy(sentence)).collect();
    if kept.trim().is_empty() { text.trim().to_owned() } else { kept.trim().to_owned() }
}

/// The English words for what a reading found.
fn terms(reading: &Reading) -> Vec<String> {
    let lexicon = Lexicon::of(reading.lang());
    reading
        .hits()
        .iter()
        .filter_map(|hit| {
            // What one must do or have is asked everywhere; prerequisites are those of a level or course.
            let meant = hit.concept != Concept::Prereq || reading.any(&[Concept::Level, Concept::Course]);
            let general = || general_term(hit.concept).filter(|_| meant);
            lexicon.gloss(hit).map(written_out).or_else(general).map(str::to_owned)
        })
        .collect()
}

/// A level as documents write it; the lexicons give the short names that profiles keep.
pub(super) fn written_out(gloss: &str) -> &str {
    match gloss {
        "OW" => "Open Water Diver",
        "JOW" => "Junior Open Water Diver",
        "AOW" => "Advanced Open Water Diver",
        "RESCUE" => "Rescue Diver",
        "DM" => "Divemaster",
        "MSD" => "Master Scuba Diver",
        "INSTRUCTOR" => "Instructor",
        "TEC" => "technical diving",
        gloss => gloss,
    }
}

/// The word under which English documents speak of a concept.
pub(super) const fn general_term(concept: Concept) -> Option<&'static str> {
    Some(match concept {
        Concept::Dive | Concept::PostDive => "diving",
        Concept::Course => "course certification",
        Concept::AgeLimit => "minimum age children",
        Concept::Prereq => "prerequisites requirements",
        Concept::Equivalence => "equivalent crossover",
        Concept::CardAdmin => "certification card",
        Concept::Refresher => "refresher",
        Concept::Season => "best season months",
        Concept::Liveaboard => "liveaboard",
        Concept::Conditions => "visibility water temperature current",
        Concept::NoFly => "flying after diving",
        Concept::Ears => "ear equalising",
        Concept::Gas => "gas planning reserve",
        Concept::Deco => "safety stop no-decompression limit ascent",
        Concept::Fitness => "fitness to dive physician",
        Concept::HowDeep => "depth limit",
        Concept::HowLong => "how long duration",
        Concept::Worry => "anxiety fear",
        Concept::Dci => "decompression sickness",
        Concept::Neuro => "numbness tingling decompression sickness symptoms",
        Concept::Joint => "joint pain",
        Concept::Dizzy => "dizziness",
        Concept::Headache => "headache",
        Concept::Nausea => "nausea seasickness",
        Concept::EarMild => "ear barotrauma squeeze",
        Concept::Sting => "sting first aid",
        Concept::Intox => "alcohol",
        Concept::Rent => "rental equipment",
        Concept::Price => "price cost",
        Concept::Hours => "opening hours",
        Concept::DiveSite => "dive site",
        Concept::GearCare => "choosing care service",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_dives_somebody_has_is_not_searched_for() {
        assert_eq!(without_dives_done("Where should I go in May with 20 dives?"), "Where should I go in May");
        assert_eq!(without_dives_done("with 12 logged dives, is Komodo ok"), "is Komodo ok");
        assert_eq!(without_dives_done("with 20 dives"), "with 20 dives");
        assert_eq!(without_dives_done("how many days with 3 dives"), "how many days");
    }

    fn query(text: &str, lang: Lang) -> String {
        let reading = Message::read(text).reading(lang);
        standalone(text, None, &reading, in_english(text, &reading).as_deref())
    }

    #[test]
    fn english_words_stand_for_what_is_understood_in_another_script() {
        let asked = query("オープンウォーターは何メートルまで潜れますか", Lang::Ja);
        assert!(asked.is_ascii() && asked.contains("how deep"), "{asked}");
        assert_eq!(in_latin("PADIの Open Water は何 18 m？"), "PADI Open Water 18 m");
        assert_eq!(in_latin("¿Qué profundidad con el Advanced?"), "¿Qué profundidad con el Advanced?");
    }

    #[test]
    fn holidays_are_searched_for_as_months() {
        assert_eq!(in_months("where to dive at Christmas?"), "where to dive at December");
        assert_eq!(in_months("Is Christmas Island good"), "Is Christmas Island good");
        assert!(!query("how old is scuba diving", Lang::En).contains("minimum age"));
    }

    #[test]
    fn times_of_day_are_not_searched_for() {
        for (text, left) in [
            ("dive at 9:30 and fly at 18:00?", "dive at and fly at"),
            ("last dive 4pm, flight 10 am", "last dive flight"),
            ("30 min at 18 m on 32", "30 min at 18 m on 32"),
            ("wait 18h", "wait 18h"),
        ] {
            assert_eq!(without_times_of_day(text), left, "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_is_said_plainly() {
        assert!(query("what do i need for divemaster", Lang::En).contains("prerequisites"));
        assert!(!query("which requirements does divemaster have", Lang::En).contains("prerequisites"));
    }

    #[test]
    fn what_is_set_aside_is_not_searched_for() {
        assert_eq!(without_what_is_excluded("my scuba diver card, not open water"), "my scuba diver card");
        assert_eq!(without_what_is_excluded("nitrox, not air, at 30 m?"), "nitrox, at 30 m?");
        let clause = "I like it, not that I would know much about that";
        assert_eq!(without_what_is_excluded(clause), clause);
    }

    #[test]
    fn whether_the_ill_may_dive_is_asked_of_no_place() {
        let told = "My brother had a collapsed lung when he was nineteen and is well since. ";
        let asked = |question: &str| query(&format!("{told}{question}"), Lang::En).to_lowercase();
        let query = asked("Can he learn to dive with us in Koh Tao?");
        assert!(query.contains("lung") && !query.contains("koh") && !query.contains("tao"), "{query}");
        assert!(asked("Is there a doctor for a diving medical in Koh Tao?").contains("koh tao"));
        let going = "We go to the Galápagos in May, and my sister has asthma since school. Can she do the open water course with us there?";
        assert!(!self::query(going, Lang::En).to_lowercase().contains("galápagos"));
    }

    #[test]
    fn what_is_not_understood_stays() {
        let asked = query("潜水艦の核融合炉の出力は何メガワットですか", Lang::Ja);
        assert!(asked.contains("核融合炉"), "{asked}");
    }
}
