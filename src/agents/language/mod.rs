//! Which of the eleven languages a message is written in.

mod letters;
mod words;

use dovvybuddy_core::Lang;
use hashbrown::HashSet;

use crate::lexicon::Lexicon;
use crate::message::Message;
use crate::text::{self, Text};
use letters::Letters;
pub use letters::fit as fit_letters;
use words::english_subjects;
pub(crate) use words::function_words;

/// The languages of Latin script.
const LATIN: [Lang; 7] = [Lang::En, Lang::Es, Lang::De, Lang::Fr, Lang::Pt, Lang::It, Lang::Id];

/// What the words of a message say about its language.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detected {
    /// The likeliest language, or the hint's when the words say nothing.
    pub(crate) lang: Lang,
    /// Others nearly as likely, likeliest first.
    pub(crate) rivals: Vec<Lang>,
    /// Whether the words themselves decided.
    pub(crate) sure: bool,
}

/// From this score on the words themselves decide.
const SURE: f32 = 1.0;
/// Messages of at most so many units may have no small word, and are cheap to look up in every lexicon.
const FEW: usize = 6;
/// What a word counts that a language's lexicon knows.
const KNOWN_WORD: f32 = 0.5;
/// What the letters count, shared among the languages: less than would decide alone.
const LETTERS: f32 = 0.9;

/// How far another language must be ahead of English where the words don't decide. Names of places and wrecks look like
/// any language, and are asked about in English most of all.
const AHEAD: f32 = 0.35;

/// Detects the language of `raw`; `hint` decides when the words don't.
pub(crate) fn detect(raw: &str, hint: Option<Lang>) -> Detected {
    Message::read(raw).signs.detect(hint)
}

/// What speaks for each language, whatever was expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signs {
    /// The script alone tells.
    Script(Lang),
    /// How well each language of Latin script fits, the best first.
    Words(Vec<(Lang, f32)>),
}

impl Signs {
    /// Looks at a message and its units.
    pub(crate) fn of(raw: &str, text: &Text) -> Self {
        by_script(raw).map_or_else(|| Self::Words(scores(raw, text)), Self::Script)
    }

    /// The language; `hint` decides when the words don't.
    pub(crate) fn detect(&self, hint: Option<Lang>) -> Detected {
        let scores = match self {
            Self::Script(lang) => return Detected { lang: *lang, rivals: Vec::new(), sure: true },
            Self::Words(scores) => scores,
        };
        let best = scores.first().copied().unwrap_or((Lang::En, 0.0));
        let sure = best.1 >= SURE;
        let english = scores.iter().find(|(lang, _)| *lang == Lang::En).map_or(0.0, |(_, score)| *score);
        let lang = match hint {
            // Words that say nothing of their language are in the one expected, whatever its script.
            Some(hint) if !sure => hint,
            // Else a hint wins only against a language that is hardly likelier.
            Some(hint) if scores.iter().any(|(l, s)| *l == hint && *s + 0.3 >= best.1) => hint,
            _ if sure || best.1 > english + AHEAD => best.0,
            _ => Lang::En,
        };
        let rivals = scores
            .iter()
            .filter(|(l, s)| *l != lang && (*s >= best.1 * 0.6 || (*l == Lang::En && !sure)))
            .map(|(l, _)| *l)
            .take(3)
            .collect();
        Detected { lang, rivals, sure }
    }
}

fn scores(raw: &str, text: &Text) -> Vec<(Lang, f32)> {
    let known = (text.units.len() <= FEW).then(|| Known::of(text));
    let is_name = |at: usize| known.as_ref().is_some_and(|known| known.is_name(at));
    let all: Vec<&str> = text.units.iter().map(String::as_str).collect();
    // "Playa del Carmen" makes no message Spanish, but "dive" in the name of a course is English.
    let units: Vec<&str> = all.iter().enumerate().filter(|(at, _)| !is_name(*at)).map(|(_, unit)| *unit).collect();
    let counted = |lang| if lang == Lang::En { &all } else { &units };
    let mut scores: Vec<(Lang, f32)> = LATIN.iter().map(|&lang| (lang, score(lang, raw, counted(lang)))).collect();
    let shares = match known {
        Some(known) if scores.iter().all(|(_, score)| *score < SURE) => {
            for ((_, score), words) in scores.iter_mut().zip(known.words()) {
                *score += words;
            }
            Letters::shipped().shares(&units.join(" "))
        }
        _ => Letters::shipped().shares(raw),
    };
    for ((_, score), share) in scores.iter_mut().zip(shares) {
        *score += LETTERS * share;
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores
}

/// What the lexicons know of the words of a short message, per language of Latin script: "takut hiu" has no
/// small word that would tell. Words that all of them know are names and tell nothing.
struct Known([HashSet<usize>; LATIN.len()]);

impl Known {
    fn of(text: &Text) -> Self {
        Self(LATIN.map(|lang| {
            let hits = Lexicon::of(lang).find(text);
            hits.iter().flat_map(|hit| hit.start..hit.end).collect()
        }))
    }

    fn is_name(&self, unit: usize) -> bool {
        self.0.iter().all(|units| units.contains(&unit))
    }

    /// What the known words count in each language.
    fn words(&self) -> [f32; LATIN.len()] {
        let told = |units: &HashSet<usize>| units.iter().filter(|unit| !self.is_name(**unit)).map(|_| KNOWN_WORD).sum();
        std::array::from_fn(|at| self.0.get(at).map_or(0.0, told))
    }
}

/// The language when the script alone tells.
fn by_script(raw: &str) -> Option<Lang> {
    let (mut thai, mut kana, mut han, mut arabic, mut latin) = (0, 0, 0, 0, 0);
    for c in raw.chars() {
        match c {
            c if text::is_thai(c) => thai += 1,
            c if text::is_kana(c) => kana += 1,
            c if text::is_han(c) => han += 1,
            c if text::is_arabic(c) => arabic += 1,
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    // Agencies, places and gear are often left in Latin letters; a few letters of another script
    // weigh more than they do.
    let weight = |n: i32| n * 3 >= latin && n > 0;
    if weight(thai) {
        Some(Lang::Th)
    } else if weight(arabic) {
        Some(Lang::Ar)
    } else if kana > 0 && weight(kana + han) {
        Some(Lang::Ja)
    } else if weight(han) {
        Some(Lang::Zh)
    } else {
        None
    }
}

/// How well a Latin language fits: its function words, letters and endings.
fn score(lang: Lang, raw: &str, units: &[&str]) -> f32 {
    let (words, endings) = (function_words(lang), endings(lang));
    let mut score = 0.0;
    for unit in units {
        if words.contains(unit) {
            score += if unit.len() == 1 { 0.3 } else { 1.0 };
        } else if lang == Lang::En && english_subjects().contains(unit) {
            score += KNOWN_WORD;
        } else if unit.len() > 4 && endings.iter().any(|ending| unit.ends_with(ending)) {
            score += 0.4;
        }
    }
    let letters = letters(lang);
    #[allow(clippy::cast_precision_loss, reason = "a count of letters in one message")]
    let special = others(raw).filter(|c| letters.contains(*c)).count() as f32;
    score + 0.6 * special
}

/// The letters beyond those that all languages have, in lower case.
fn others(raw: &str) -> impl Iterator<Item = char> {
    raw.chars().filter(|c| !c.is_ascii()).flat_map(char::to_lowercase)
}

const fn letters(lang: Lang) -> &'static str {
    match lang {
        Lang::Es => "ñ¿¡áíóú",
        Lang::De => "äöüß",
        Lang::Fr => "çœêèàâîôûùë",
        Lang::Pt => "ãõçâêáéíóúà",
        Lang::It => "èòùàì",
        _ => "",
    }
}

const fn endings(lang: Lang) -> &'static [&'static str] {
    match lang {
        Lang::En => &["ing", "tion", "ness", "ght", "ould", "ly", "ed"],
        Lang::Es => &["cion", "ciones", "ando", "iendo", "miento", "dad", "ero", "illo"],
        Lang::De => &["ung", "keit", "lich", "chen", "tauchen", "schein", "heit", "isch"],
        Lang::Fr => &["tion", "ment", "eur", "euse", "ais", "ait", "ez", "eau", "aux"],
        Lang::Pt => &["cao", "coes", "mento", "ando", "endo", "dade", "eiro", "inho"],
        Lang::It => &["zione", "zioni", "mento", "ando", "endo", "ita", "iamo", "ione", "ezza"],
        Lang::Id => &["kan", "nya", "lah", "kah"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_messages_in_eleven_languages() {
        for (lang, text) in [
            (Lang::En, "how big do they get"),
            (Lang::En, "USAT Liberty wreck depth"),
            (Lang::En, "bull sharks playa del carmen season"),
            (Lang::En, "no stop time 60 feet"),
            (Lang::En, "fernando de noronha visibility"),
            (Lang::En, "sugar wreck perhentian"),
            (Lang::Id, "takut hiu"),
            (Lang::It, "corso nitrox"),
            (Lang::Es, "¿qué requisitos hay para el curso nitrox?"),
            (Lang::De, "Wo kann man im Dezember gut tauchen, max 6h Flug"),
            (Lang::Fr, "puis-je plonger avec des lentilles"),
            (Lang::Pt, "quais tubarões dá pra ver nas Bahamas"),
            (Lang::It, "migliore stagione per le Maldive"),
            (Lang::Id, "berapa lama kursus open water"),
            (Lang::Id, "takut hiu"),
            (Lang::De, "Haie Angst"),
            (Lang::En, "shark fear"),
            (Lang::It, "mi terrorizza togliere la maschera"),
            (Lang::Id, "cara merawat regulator"),
            (Lang::Pt, "quem inventou o aqualung"),
            (Lang::Es, "olvida mi nivel"),
            (Lang::En, "manta komodo"),
            (Lang::Ja, "アドバンスの受講条件は？"),
            (Lang::Th, "ดำน้ำแล้วหูอื้อทำไง"),
            (Lang::Ar, "هل الغوص آمن للحامل"),
            (Lang::Zh, "朋友潜水后半边身体没有知觉"),
        ] {
            assert_eq!(detect(text, None).lang, lang, "{text}");
        }
    }

    #[test]
    fn a_hint_decides_only_what_the_words_leave_open() {
        assert_eq!(detect("ok", Some(Lang::Pt)).lang, Lang::Pt);
        assert_eq!(detect("?", Some(Lang::Ja)).lang, Lang::Ja);
        assert_eq!(detect("my buddy is not breathing", Some(Lang::Ja)).lang, Lang::En);
        assert_eq!(detect("where can I dive in december", Some(Lang::De)).lang, Lang::En);
        assert_eq!(detect("PADI?", None).lang, Lang::En);
    }
}
