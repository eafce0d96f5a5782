//! Names that nothing in the content has. What is said of one reef is no answer about another, however alike the
//! two questions are: who asks about an unknown place, animal, card or product is told that it is unknown.
//!
//! The search tells which words stand nowhere. Most of them are common words all the same ("granddad", "jacuzzi");
//! what makes a name of one is how it is written and where it stands: with a capital, before "reef", behind "in".

use std::collections::HashSet;
use std::sync::LazyLock;

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::lang::Lang;

use super::months::Months;
use crate::text::terms;

/// Common words that the content may lack, and that are no names with a capital either.
const EVERYDAY: &str = include_str!("everyday.txt");

/// Whether a word is a common one, in whatever form.
fn is_everyday(word: &str) -> bool {
    static STEMS: LazyLock<HashSet<String>> = LazyLock::new(|| EVERYDAY.split_whitespace().map(terms::stem).collect());
    STEMS.contains(&terms::stem(word)) || STEMS.contains(&terms::stem(word.trim_end_matches('s')))
}

/// What follows the name of a place.
const FEATURES: &str = "
    point bay reef reefs rock rocks island islands isle atoll wreck wrecks wall pinnacle pinnacles lagoon pass shoal bank
    canyon cave caves cavern cenote quarry lake lagoons channel passage garden gardens beach harbour harbor cove head
    corner arch hole seamount bommie thila kandu giri cay caye key keys peninsula archipelago sea strait gulf fjord
    national marine dive diving divesite site sites
";

/// What follows the name of an animal, or ends it.
const ANIMALS: &str = "
    shark sharks ray rays fish whale whales dolphin dolphins turtle turtles eel eels crab crabs shrimp shrimps octopus
    squid seahorse seahorses wrasse grouper snapper goby blenny slug slugs nudibranch nudibranchs coral corals jellyfish
    anemone urchin starfish snail snake snakes lobster barracuda tuna seal seals sponge sponges worm worms
";

/// What follows the name of somebody who teaches, or of what they hand out.
const CARDS: &str = "
    level course courses certificate certification card cards rating agency federation guild association academy institute
    speciality specialty diver divers club method
";

/// What follows the name of a maker or a model.
const GEAR: &str = "
    computer computers regulator regulators reg bcd wing fins fin mask suit wetsuit drysuit torch light camera housing
    scooter compressor tank watch transmitter gauge octopus rebreather snorkel boots gloves hood
    resort hotel liveaboard yacht boat ship centre center shop school operator
";

/// Who may be spoken of by a name without being asked about.
const RELATIONS: &str = "
    buddy friend friends wife husband partner girlfriend boyfriend son daughter brother sister mother father mum mom dad
    uncle aunt cousin kid kids boy girl child niece nephew instructor guide divemaster doctor teacher boss colleague mate
    i'm im am name live lives living home based fly flying flight flights back born moved work working
";

/// Words before a name that is only mentioned.
const COMPANY: &str = "with for from";

/// A word of a question with what tells names apart.
struct Word<'a> {
    /// In lower case, without signs around it.
    bare: String,
    /// Written like a name: with a capital, or in capitals and too long for a short form.
    capital: bool,
    /// It opens a sentence.
    first: bool,
    /// A comma, colon or bracket ends it.
    parted: bool,
    /// As it was written.
    raw: &'a str,
}

/// The words of what is asked that no passage has and that are no common ones.
pub(super) fn unknown_words<'b>(brief: &'b Brief, asked: &str) -> Vec<&'b str> {
    let asked = asked.to_lowercase();
    let words = brief.unknown.iter().map(String::as_str);
    words.filter(|word| !word.contains(' ') && !is_everyday(word) && asked.contains(*word)).collect()
}

/// Whether a text writes one of these words like a name.
pub(super) fn names_any(text: &str, unknown: &[&str]) -> bool {
    read(text).iter().any(|word| {
        word.capital && !word.first && (unknown.contains(&&*word.bare) || unknown.contains(&&*folded(&word.bare)))
    })
}

/// Whether the question is about something by a name that nothing in the content has.
///
/// `text` is what asks in the message. Where that points back, what it points at may be named in the rest.
pub(super) fn names_a_stranger(brief: &Brief, text: &str, passages: &[Passage]) -> bool {
    let points = |word: &Word<'_>| lists("it its there that they this them those these one", &word.bare);
    let asking = read(text);
    let text = if asking.len() < FEWEST || asking.iter().any(points) { &*brief.asked.text } else { text };
    match brief.route.lang {
        Lang::En => {}
        Lang::Es | Lang::Fr | Lang::Pt | Lang::It | Lang::Id => return names_a_foreign_stranger(brief),
        _ => return false,
    }
    let words = read(text);
    let titled = is_titled(&words);
    let stranger = |word: &Word<'_>| {
        brief.unknown.contains(&word.bare) && !is_everyday(&word.bare) && !Months::names(&terms::stem(&word.bare))
    };
    // Medicines and illnesses have names that nobody lists in full; the answer is the physician all the same.
    let safety = brief.agent.id.as_str() == "safety";
    let trip = brief.agent.id.as_str() == "trip";
    words.iter().enumerate().any(|(at, word)| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| words.get(at)).map_or("", |word| &word.bare);
        let after = |on: usize| words.get(at + on);
        if !stranger(word) {
            return false;
        }
        let names_one = |next: &Word<'_>| next.bare.split('-').any(|part| lists(ANIMALS, part));
        // "Obsessed with sharks" names none.
        let verbal = !word.capital && (word.bare.ends_with("ed") || word.bare.ends_with("ing"));
        let animal = !verbal && after(1).is_some_and(names_one);
        if animal || ends_like_an_animal(&word.bare) {
            return true;
        }
        if safety || verbal || (1..=3).any(|back| lists(RELATIONS, before(back))) || lists(COMPANY, before(1)) {
            return false;
        }
        let led = after(1).is_some_and(|next| [FEATURES, CARDS, GEAR].iter().any(|list| lists(list, &next.bare)))
            || (2..=3).any(|on| after(on).is_some_and(|next| lists(CARDS, &next.bare) || lists(GEAR, &next.bare)));
        let place = if before(1) == "the" { before(2) } else { before(1) };
        let behind = trip && matches!(place, "in" | "at" | "off" | "near" | "around" | "to");
        let written = word.capital && !titled && (!word.first || word.parted || after(1).is_some_and(|w| w.capital));
        led || behind || written
    }) || (!titled && !safety && names_a_strange_pair(&words, &brief.unknown))
        || names_a_strange_model(&words, passages)
}

/// The same in languages that write only names with a capital: what their glossary renders is known, and of the rest a
/// name is known by the capital alone.
fn names_a_foreign_stranger(brief: &Brief) -> bool {
    if brief.route.context.english.is_none() {
        return false;
    }
    let words = read(&brief.asked.text);
    let told = |word: &Word<'_>| lists(ORIGINS, &word.bare);
    if brief.agent.id.as_str() == "safety" || is_titled(&words) || words.iter().any(told) {
        return false;
    }
    words.iter().any(|word| {
        let unknown = brief.unknown.contains(&folded(&word.bare)) || brief.unknown.contains(&word.bare);
        word.capital && !word.first && unknown && !is_everyday(&word.bare)
    })
}

/// Who says so tells of the own home or of somebody.
const ORIGINS: &str = "
    soy vivo somos llamo llama suis habite habitons m'appelle j'habite sou moro somos chamo sono vivo abito chiamo dari
    tinggal nama saya hijo hija fils fille figlio figlia filho filha anak
";

/// A word without its accents.
fn folded(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
            'ú' | 'ù' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            other => other,
        })
        .collect()
}

/// A question of fewer words leans on what is told around it.
const FEWEST: usize = 8;

/// Names put together from common words: "Abyss Ranger". Nothing is known of one if none of its pairs of words stands
/// anywhere.
fn names_a_strange_pair(words: &[Word<'_>], unknown: &[String]) -> bool {
    let named = |word: &Word<'_>| word.capital && !(word.first && lists(OPENERS, &word.bare));
    let related = |at: usize| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| words.get(at));
        (1..=3).any(|back| before(back).is_some_and(|word| lists(RELATIONS, &word.bare)))
            || before(1).is_some_and(|word| lists(COMPANY, &word.bare))
    };
    let mut at = 0;
    while at < words.len() {
        let rest = words.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|word| named(word)).count();
        let parted = rest.iter().take(length).position(|word| word.parted).map_or(length, |end| end + 1);
        let run = rest.get(..parted).unwrap_or_default();
        let pairs = run.iter().zip(run.iter().skip(1));
        let strange = pairs.clone().all(|(one, two)| unknown.contains(&format!("{} {}", one.bare, two.bare)));
        let level = run.iter().all(|word| lists(LEVELS, &word.bare));
        if run.len() >= 2 && strange && !level && !related(at) {
            return true;
        }
        at += parted.max(1);
    }
    false
}

/// Words in the names of levels, which people put together as they like.
const LEVELS: &str = "
    open water advanced adventure rescue diver divers dive master divemaster instructor nitrox enriched air deep junior
    scuba discover specialty course night drift wreck try exam examination exams test crew assistant staff specialist
    speciality referral update recreational technical tec diving freediver freediving mermaid programme program class
    licence license certificate certification number card logbook manual standard standards insurance medical form
    questionnaire computer regulator tank wetsuit drysuit mask fins buoyancy control device emergency first response
    oxygen provider aid ascent stop safety level rating trip holiday weekend cave cavern ice sidemount rebreather solo
    science
";

/// "Z-77", "MK25": a letter and a figure in one word, of a piece of equipment, that no passage has.
fn names_a_strange_model(words: &[Word<'_>], passages: &[Passage]) -> bool {
    let gear = words.iter().any(|word| lists(GEAR, &word.bare));
    let model = |word: &Word<'_>| {
        let letters = word.bare.chars().filter(|c| c.is_alphabetic()).count();
        let opens = word.raw.trim_start_matches(|c: char| !c.is_alphanumeric()).chars().next();
        opens.is_some_and(char::is_alphabetic)
            && word.bare.chars().any(|c| c.is_ascii_digit())
            && (1..=6).contains(&letters)
            && word.bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let unknown = |word: &Word<'_>| !passages.iter().any(|passage| passage.text.to_lowercase().contains(&word.bare));
    gear && words.iter().any(|word| model(word) && unknown(word))
}

/// Words that open a question with a capital.
const OPENERS: &str = "
    what whats what's which who whos who's whose where wheres where's when why how hows how's is are was were do does did
    can could may might should shall will would has have had am if in on at for from to of the a an and or but so i i'm
    i'll i've im my our we you please tell give name any hi hello hey best good top as after before with under during
    describe explain difference compare between ok okay once also this that these those there let's lets
";

/// A word of more letters, all of them capitals, is a name.
const LONGEST_SHORT_FORM: usize = 5;

fn read(text: &str) -> Vec<Word<'_>> {
    let mut out = Vec::new();
    let mut first = true;
    let shouted = !text.chars().any(char::is_lowercase);
    for raw in text.split(|c: char| c.is_whitespace() || c == '/') {
        let trimmed = raw.trim_matches(|c: char| !c.is_alphanumeric());
        if !trimmed.is_empty() {
            let mut letters = trimmed.chars();
            let small = trimmed.chars().skip(1).any(char::is_lowercase);
            // A short form is no name, and who shouts names nothing.
            let large = !shouted && trimmed.chars().count() > LONGEST_SHORT_FORM;
            let capital = letters.next().is_some_and(char::is_uppercase) && (small || large);
            let bare = trimmed.trim_end_matches("'s").trim_end_matches("’s").to_lowercase();
            let parted = raw.ends_with([',', ':', ')', ';', '.', '?', '!', '"', '\'']);
            out.push(Word { bare, capital, first, parted, raw });
        }
        first = raw.ends_with(['.', '!', '?', ':']) || (first && trimmed.is_empty());
    }
    out
}

/// Whether most words have a capital: then it says nothing.
fn is_titled(words: &[Word<'_>]) -> bool {
    let long = || words.iter().filter(|word| word.bare.chars().count() > 3);
    long().filter(|word| word.capital).count() * 10 > long().count() * 6 && long().count() > 4
}

fn ends_like_an_animal(word: &str) -> bool {
    ANIMALS.split_whitespace().any(|animal| animal.len() > 3 && word.len() > animal.len() + 2 && word.ends_with(animal))
}

fn lists(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::ids::AgentId;

    use super::*;
    use crate::testing::{brief, passage};

    fn stranger(text: &str, agent: &str, unknown: &[&str]) -> bool {
        let about = "The Liberty wreck lies at Tulamben. Blue Corner is a reef in Palau. Sharks and rays live there.";
        let mut asked = brief(text, vec![passage("Diving in Bali", "Where", about, 0.9)]);
        let mut spec = (*asked.agent).clone();
        spec.id = AgentId::new(agent);
        asked.agent = std::sync::Arc::new(spec);
        asked.unknown = unknown.iter().map(|word| (*word).to_owned()).collect();
        names_a_stranger(&asked, text, &asked.passages)
    }

    #[test]
    fn a_name_that_stands_nowhere_is_a_stranger() {
        assert!(stranger("is there a site called Krakenloch, how deep is it", "retrieval", &["krakenloch"]));
        assert!(stranger("best season for the zephyr atoll", "trip", &["zephyr"]));
        assert!(stranger("coral garden reef in sulpaya, how deep", "trip", &["sulpaya"]));
        assert!(stranger("is the crimson tuskwhale dangerous", "retrieval", &["tuskwhale"]));
        assert!(stranger("where is the lanternback wrasse found", "safety", &["lanternback"]));
        assert!(stranger("battery life of the nautikon z77 dive computer", "retrieval", &["nautikon"]));
        assert!(stranger("what do I need for the Abyss Ranger course", "certification", &["abyss ranger"]));
        assert!(stranger("whats the depth limit on a TRIDENTIA two star", "certification", &["tridentia"]));
        assert!(stranger("does the Z-77 computer have a compass", "retrieval", &[]));
    }

    #[test]
    fn a_common_word_that_stands_nowhere_is_none() {
        assert!(!stranger("is a jacuzzi after a dive ok", "retrieval", &["jacuzzi"]));
        assert!(!stranger("my granddad dived at Blue Corner", "trip", &["granddad"]));
        assert!(!stranger("My buddy Jake panics, what do I do in Palau?", "trip", &["jake"]));
        assert!(!stranger("I'm from Zwolle. How deep is the Liberty Wreck?", "trip", &["zwolle"]));
        assert!(!stranger("DEPTH LIMIT ON A TRIDENTIA", "certification", &["tridentia"]));
        assert!(!stranger("Can I dive on sertraline", "safety", &["sertraline"]));
        assert!(!stranger("How Deep Is The Blue Corner Reef In Palau", "trip", &[]));
        assert!(!stranger("Can Open Water Divers dive Great Blue Corner?", "trip", &["great blue", "water divers"]));
    }
}
