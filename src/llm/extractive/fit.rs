//! Whether a sentence has the kind of fact that is asked for.

use std::collections::HashSet;

use super::candidates::Candidate;
use super::kind::Kind;
use super::months::Months;
use super::question::Question;
use crate::text::terms;
use crate::text::units::Unit;

/// From this fit on a sentence has the fact, and not only words that stand near such facts.
pub(super) const HAS_IT: f32 = 0.4;

/// The bonus of a sentence that has the kind of fact asked for.
pub(super) fn fit(question: &Question, kind: Kind, candidate: &Candidate) -> f32 {
    let units = kind.units();
    let cue = kind.cues().iter().any(|cue| candidate.terms.contains(*cue));
    if !units.is_empty() {
        let measured = match kind {
            Kind::Depth => measures_depth(question, candidate),
            Kind::Age => tells_an_age(candidate),
            Kind::Visibility => cue && has_unit(candidate, units),
            _ => has_unit(candidate, units),
        };
        return match (measured, cue) {
            (true, true) => 0.55,
            (true, false) => 0.42,
            (false, true) => 0.05,
            (false, false) => -0.05,
        };
    }
    match kind {
        Kind::Count if counts(question, &candidate.text) => 0.45,
        Kind::Count if !candidate.quantities.is_empty() => 0.12,
        Kind::Year if tells_a_year(&candidate.text) => 0.5,
        Kind::Speed if tells_a_speed(&candidate.text) => 0.45,
        Kind::Ratio if tells_a_ratio(candidate) => 0.4,
        Kind::Who if names_somebody(&candidate.text) => 0.4,
        Kind::Country if names_a_country(question, &candidate.text) => {
            if cue {
                0.45
            } else {
                0.4
            }
        }
        Kind::Country if cue => 0.1,
        Kind::Where if locates(question, &candidate.text) => {
            if cue {
                0.4
            } else {
                0.3
            }
        }
        Kind::Name => {
            (if introduces(&candidate.text) { 0.15 } else { 0.0 }) + if calls(&candidate.text) { 0.2 } else { 0.0 }
        }
        Kind::Sites => 0.16 * names_of_sites(question, &candidate.text).min(4.0) + if cue { 0.05 } else { 0.0 },
        Kind::Level | Kind::Access | Kind::Sight if cue => 0.2,
        Kind::When if candidate.months.meet(question.months) => 0.5,
        Kind::When if !question.months.is_empty() => 0.0,
        Kind::When if !candidate.months.is_empty() => 0.4,
        Kind::Definition if spells_out(question, &candidate.text) => 0.45,
        Kind::Definition if defines(question, &candidate.text) => 0.2,
        Kind::Allowed if permits(&candidate.text) => 0.2,
        _ if cue => 0.15,
        _ => 0.0,
    }
}

fn has_unit(candidate: &Candidate, units: &[Unit]) -> bool {
    candidate.quantities.iter().any(|quantity| units.contains(&quantity.unit))
}

/// Metres of depth, not of swimming, sight, height or length.
fn measures_depth(question: &Question, candidate: &Candidate) -> bool {
    const OTHER: &[&str] = &["swim", "tow", "visibl", "altitud", "sea-level", "apart", "wide", "yard", "long"];
    let other = OTHER.iter().any(|word| candidate.terms.contains(*word) && !question.asks_for(word));
    !other && has_unit(candidate, &[Unit::Metre, Unit::Foot])
}

/// A number of years, or "from age 10", "at 15".
fn tells_an_age(candidate: &Candidate) -> bool {
    let speaks_of_age =
        ["age", "old", "older", "younger", "junior", "children"].iter().any(|w| candidate.terms.contains(*w));
    candidate
        .quantities
        .iter()
        .any(|q| q.unit == Unit::Year || q.unit == Unit::Bare && speaks_of_age && (5.0..100.0).contains(&q.value))
}

/// A number directly before what is counted: "at least 40 logged dives".
fn counts(question: &Question, text: &str) -> bool {
    const NUMBERS: &[&str] =
        &["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "no"];
    let Some(counted) = &question.counted else { return text.chars().any(|c| c.is_ascii_digit()) };
    let words: Vec<String> = words(text).map(str::to_lowercase).collect();
    words.iter().enumerate().any(|(at, word)| {
        let number = word.chars().all(|c| c.is_ascii_digit()) || NUMBERS.contains(&word.as_str());
        number && words.get(at + 1..).unwrap_or(&[]).iter().take(4).any(|next| terms::stem(next) == *counted)
    })
}

/// A year of the calendar: four digits that no unit follows.
fn tells_a_year(text: &str) -> bool {
    let words: Vec<&str> = words(text).collect();
    words.iter().enumerate().any(|(at, word)| {
        let year = word.len() == 4 && word.parse::<u16>().is_ok_and(|year| (1500..2100).contains(&year));
        let measure = words.get(at + 1).is_some_and(|next| matches!(*next, "m" | "ft" | "bar" | "psi" | "litres"));
        year && !measure
    })
}

/// So much in so much time.
fn tells_a_speed(text: &str) -> bool {
    let timed = ["per minute", "per second", "per hour", "a minute", "a second", "an hour", "km/h", "knot", "m/s"];
    let text = text.to_lowercase();
    text.contains(|c: char| c.is_ascii_digit()) && timed.iter().any(|words| text.contains(words))
}

/// How many times as much.
fn tells_a_ratio(candidate: &Candidate) -> bool {
    const WORDS: &[&str] =
        &["time", "twice", "doubl", "tripl", "third", "quarter", "half", "fold", "quadrupl", "thrice", "percent"];
    has_unit(candidate, &[Unit::Percent]) || WORDS.iter().any(|word| candidate.terms.contains(*word))
}

/// Two words in a row that are written like the name of a person: at the start of a sentence, or behind it.
fn names_somebody(text: &str) -> bool {
    let names: Vec<bool> = text.split_whitespace().map(is_name).collect();
    names.windows(2).any(|pair| pair == [true, true])
}

/// Whether a sentence says where something is: "lies off Larnaca", "between Sumbawa and Flores".
fn locates(question: &Question, text: &str) -> bool {
    const PLACING: &[&str] = &["in", "off", "near", "at", "on", "between", "from", "of"];
    const LYING: &[&str] = &[
        "is", "are", "lies", "lie", "sank", "located", "situated", "found", "belongs", "belong", "stands", "live",
        "lives", "runs", "takes",
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    let lies = words.iter().position(|word| LYING.contains(word));
    lies.is_some_and(|lies| {
        words.iter().enumerate().skip(lies).any(|(at, word)| {
            let place = words.get(at + 1..).unwrap_or(&[]).iter().take(3).find(|word| is_name(word));
            let new = |place: &&str| terms::terms(place).iter().any(|term| !question.asks_for(term));
            PLACING.contains(word) && place.is_some_and(new)
        })
    })
}

/// "A halocline is a boundary …": a sentence that begins with a name and says what it is.
fn introduces(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(10).collect();
    let says = |at: usize| {
        let next = words.get(at + 1).copied().unwrap_or_default();
        matches!(words.get(at), Some(&"is" | &"are")) && matches!(next, "a" | "an" | "the" | "called" | "known")
    };
    (1..words.len()).any(says)
}

/// Whether a sentence says what something is called.
fn calls(text: &str) -> bool {
    const WORDS: &[&str] = &["called ", "known as", "named ", "the name", "nickname", "stands for"];
    !text.contains("called off") && WORDS.iter().any(|word| text.contains(word))
}

/// Countries with diving, and what their ships and people are called.
const COUNTRIES: &str = "
    albania antigua argentina aruba australia austria bahamas bahrain barbados belgium belize bermuda bonaire brazil britain
    bulgaria cambodia canada chile china colombia comoros croatia cuba curacao curaçao cyprus denmark djibouti dominica
    dominican ecuador egypt england eritrea estonia fiji finland france germany greece grenada guam guatemala haiti hawaii
    honduras iceland india indonesia iran ireland israel italy jamaica japan jordan kenya kiribati korea kuwait lebanon
    lithuania madagascar malaysia maldives malta martinique mauritius mexico micronesia monaco montenegro morocco mozambique
    myanmar namibia nauru netherlands nicaragua norway oman pakistan palau panama guinea peru philippines poland polynesia
    portugal qatar romania russia samoa arabia scotland senegal seychelles singapore slovenia solomon africa spain lanka
    sudan sweden switzerland taiwan tanzania thailand timor-leste tonga trinidad tunisia turkey türkiye tuvalu ukraine
    emirates kingdom states uruguay vanuatu venezuela vietnam wales yemen zealand zanzibar
    american british german japanese italian french dutch swedish norwegian spanish greek danish australian russian polish
    swedish-built mexican indonesian
";

fn names_a_country(question: &Question, text: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic() && c != '-').any(|word| {
        let lower = word.to_lowercase();
        is_name(word)
            && COUNTRIES.split_whitespace().any(|country| country == lower)
            && !terms::terms(&lower).iter().any(|term| question.asks_for(term))
    })
}

fn is_name(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
}

/// Terms in the names of levels and agencies.
const LEVELS: &[&str] = &["open", "water", "advanc", "diver", "adventur", "rescu", "deep", "padi", "ssi"];

/// How many names there are that the question does not have, as in a list of dive sites.
#[allow(clippy::cast_precision_loss, reason = "counts of words in a sentence")]
fn names_of_sites(question: &Question, text: &str) -> f32 {
    let mut count = 0_usize;
    let mut within = false;
    for word in text.split_whitespace() {
        // What opens the sentence may be a name, too; what the question has tells nothing new.
        let told = terms::terms(word);
        let general = |term: &String| Months::names(term) || LEVELS.contains(&term.as_str());
        let known = told.iter().all(|term| question.asks_for(term) || general(term));
        let new = is_name(word) && !known;
        count += usize::from(new && !within);
        within = new && !word.ends_with([',', ';', '.']);
    }
    count as f32
}

/// "X is …", with X from the question.
fn defines(question: &Question, text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(9).collect();
    let Some(verb) = words.iter().position(|w| matches!(*w, "is" | "are" | "means" | "describes" | "shows")) else {
        return false;
    };
    // "A BCD is rinsed" tells what is done to it, not what it is.
    if words.get(verb + 1).is_some_and(|next| next.ends_with("ed")) {
        return false;
    }
    let before = terms::term_set(&words.get(..verb).unwrap_or(&[]).join(" "));
    question.terms.iter().any(|(term, weight)| *weight >= 1.0 && before.contains(term))
}

/// The words that a short form of the question stands for: "equivalent air depth" for EAD.
pub(super) fn spells_out(question: &Question, text: &str) -> bool {
    const BETWEEN: &[&str] = &["of", "the", "and", "for"];
    let words: Vec<String> = words(text).map(str::to_lowercase).filter(|w| !BETWEEN.contains(&w.as_str())).collect();
    question.short_forms.iter().any(|short| {
        let letters: Vec<char> = short.chars().collect();
        let spells = |run: &[String]| run.iter().zip(&letters).all(|(word, letter)| word.starts_with(*letter));
        let whole = |run: &[String]| run.iter().all(|word| word.chars().count() > 2 && !terms::is_stop(word));
        words.windows(letters.len()).any(|run| spells(run) && whole(run))
    })
}

fn permits(text: &str) -> bool {
    let words: HashSet<String> = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase).collect();
    ["may", "can", "cannot", "should", "must", "allow", "allows", "require", "requires", "need", "not", "minimum"]
        .iter()
        .any(|w| words.contains(*w))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::candidates::candidates;
    use super::*;
    use crate::testing::passage;

    /// How well a sentence fits a question.
    fn fits(asked: &str, sentence: &str) -> f32 {
        let question = Question::read(asked, asked);
        let found = candidates(&[passage("Title", "", sentence, 0.8)]);
        fit(&question, question.kind, &found[0])
    }

    #[test]
    fn a_question_for_a_measure_is_answered_by_one() {
        for (asked, right, wrong) in [
            ("how big is a whale shark", "Adults exceed 12 m (40 ft).", "The whale shark eats plankton."),
            ("how long is the Thistlegorm", "The ship is 126 m (410 ft) long.", "The trip there is long."),
            ("how fast may I ascend", "Divers rise 9 m (30 ft) per minute.", "Divers stop at 5 m (15 ft)."),
            ("what percentage of oxygen is in air", "Air has 21 % oxygen.", "Air has oxygen and nitrogen."),
            ("how much faster is sound in water", "Sound is four times faster in water.", "Sound is fast in water."),
            (
                "what is the visibility like",
                "Visibility is 10 to 30 m (33 to 100 ft).",
                "The wall falls to 30 m (100 ft).",
            ),
        ] {
            assert!(fits(asked, right) >= HAS_IT && fits(asked, wrong) < HAS_IT, "{asked}");
        }
    }

    #[test]
    fn who_and_which_year_are_answered_by_a_name_and_a_year() {
        let founded = "John Cronin and Ralph Erickson founded PADI in 1966.";
        assert!(fits("who founded padi", founded) >= HAS_IT);
        assert!(fits("what year was padi founded", founded) >= HAS_IT);
        assert!(fits("when did the ship sink", "The ship sank in March 1911.") >= HAS_IT);
        assert!(fits("when did the ship sink", "It lies at 1500 m today.") < HAS_IT);
        assert!(fits("who invented it", "The regulator was invented in France.") < HAS_IT);
    }

    #[test]
    fn a_short_form_is_answered_by_what_it_stands_for() {
        assert!(fits("EAD meaning in nitrox", "The equivalent air depth tells the nitrogen load.") >= HAS_IT);
        assert!(
            fits("what does padi stand for", "The Professional Association of Diving Instructors is old.") >= HAS_IT
        );
        assert!(fits("what is ead", "Nitrox is breathing gas with more oxygen than air.") < HAS_IT);
    }

    #[test]
    fn a_list_of_sites_is_better_than_a_season() {
        let list = "Blue Corner, German Channel and Ulong Channel are the famous dives of Palau.";
        let season = "Palau is dived all year, and November to April is the favoured time.";
        assert!(fits("best dive sites in palau", list) > fits("best dive sites in palau", season));
    }
}
