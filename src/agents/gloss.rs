//! A message word by word in English, for a search whose documents and model of meanings are English.
//!
//! No translation: the English words stand in the order of the message, in whatever form the glossary has them. That is
//! enough to find what is asked about, and to tell what is not.

use dovvybuddy_core::Lang;
use hashbrown::HashMap;
use rust_stemmers::{Algorithm, Stemmer};

use crate::by_language::{ByLanguage, file_of};
use crate::language;
use crate::message::Message;
use crate::pattern::{Attached, attached};
use crate::text::{self, Text};
use crate::vocabulary::Vocabulary;

/// The most words of a phrase in a spaced script.
const LONGEST_PHRASE: usize = 6;
/// The most characters of a word in a script without spaces.
const LONGEST_RUN: usize = 24;
/// A word stands for at most so many English ones.
const MOST_SENSES: usize = 2;
/// The shortest part of a compound, and the longest compound that is taken apart, in bytes: of a longer one there are too
/// many ways.
const SHORTEST_PART: usize = 3;
const LONGEST_COMPOUND: usize = 40;
/// The fewest letters of a word that a letter is written on.
const AFTER_PARTICLE: usize = 3;

/// A message as the glossary renders it.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The English words; in spaced scripts also, as it stands, what the glossary doesn't know.
    pub english: String,
    /// How many telling words there are (characters, where words aren't spaced),
    telling: usize,
    /// and those of them that the glossary doesn't know.
    pub left: Vec<String>,
    /// Whether the language is written without spaces: there, what the glossary doesn't know is not in `english`.
    unspaced: bool,
}

/// The share of a message's telling words, in hundredths, that must be known for the rendering to say what is meant,
const ENOUGH: usize = 30;
/// and where those that aren't known get lost.
const ENOUGH_UNSPACED: usize = 50;

impl Rendered {
    /// Whether it says what is meant.
    pub fn says_enough(&self) -> bool {
        let known = self.telling.saturating_sub(self.left.len());
        known > 0 && known * 100 >= self.telling * if self.unspaced { ENOUGH_UNSPACED } else { ENOUGH }
    }

    /// Adds English words but for one that is there.
    fn add_all(&mut self, english: &[&str], there: &str) {
        english.iter().filter(|english| !english.eq_ignore_ascii_case(there)).for_each(|english| self.add(english));
    }

    fn add(&mut self, english: &str) {
        if !self.english.is_empty() {
            self.english.push(' ');
        }
        self.english.push_str(english);
    }
}

/// Renders a message word by word; nothing for English.
pub(crate) fn render(raw: &str, lang: Lang) -> Option<Rendered> {
    // Read at the first message in the language: few divers' shops are asked in all ten.
    static GLOSSARIES: ByLanguage<Option<Glossary>> = ByLanguage::new();
    let glossary = GLOSSARIES.get(lang, || source(lang).map(|source| Glossary::read(source, lang))).as_ref()?;
    Some(glossary.render(raw))
}

/// A word that is written as a name.
struct Name {
    /// It without its article.
    spelling: String,
    /// Another name stands beside it.
    paired: bool,
}

/// The words of a language with their English ones.
pub struct Glossary {
    lang: Lang,
    /// The English word of each line.
    english: Vec<&'static str>,
    /// Words and phrases as they are written.
    written: Entries,
    /// Those words by what is left without their endings, for what is written otherwise.
    stemmed: Stems,
    stemmer: Option<Stemmer>,
    attached: Attached,
}

/// English words by a key, each by the number of its line.
#[derive(Default)]
struct Entries {
    keys: Vocabulary,
    english: Vec<[u16; MOST_SENSES]>,
}

/// No further sense. No glossary has so many lines.
const NONE: u16 = u16::MAX;

impl Entries {
    /// Returns the key's number.
    fn learn(&mut self, key: &str, line: u16) -> u32 {
        let found = self.keys.number(key);
        let number = found as usize;
        if number == self.english.len() {
            self.english.push([NONE; MOST_SENSES]);
        }
        let senses = self.english.get_mut(number).into_iter().flatten();
        if let Some(free) = senses.take_while(|sense| **sense != line).find(|sense| **sense == NONE) {
            *free = line;
        }
        found
    }

    fn find(&self, key: &str) -> Option<&[u16]> {
        self.of(self.keys.find(key)?)
    }

    fn of(&self, number: u32) -> Option<&[u16]> {
        let senses = self.english.get(number as usize)?;
        let count = senses.iter().take_while(|sense| **sense != NONE).count();
        senses.get(..count)
    }

    fn complete(&mut self) {
        self.keys.complete();
        self.english.shrink_to_fit();
    }
}

/// The numbers of words that share a stem.
#[derive(Default)]
struct Stems {
    keys: Vocabulary,
    words: Vec<Vec<u32>>,
}

impl Stems {
    fn learn(&mut self, stem: &str, word: u32) {
        let number = self.keys.number(stem) as usize;
        if number == self.words.len() {
            self.words.push(Vec::with_capacity(1));
        }
        if let Some(words) = self.words.get_mut(number) {
            words.push(word);
        }
    }

    /// The word with this stem that begins most like the `sought` one: "máscaras" are masks and nothing to chew ("mascar").
    fn nearest(&self, stem: &str, sought: &str, words: &Vocabulary) -> Option<u32> {
        let sharing = self.words.get(self.keys.find(stem)? as usize)?;
        // Of several the first: what is meant most often stands first.
        sharing.iter().rev().max_by_key(|number| alike(sought, words.word(**number))).copied()
    }

    fn complete(&mut self) {
        self.keys.complete();
        self.words.shrink_to_fit();
    }
}

impl Glossary {
    /// Reads lines of an English word and, after a tab, the words that mean it, parted by semicolons. Before those that
    /// say nothing by themselves stands no English word.
    pub fn read(source: &'static str, lang: Lang) -> Self {
        let mut glossary = Self {
            lang,
            english: Vec::new(),
            written: Entries::default(),
            stemmed: Stems::default(),
            stemmer: algorithm(lang).map(Stemmer::create),
            attached: attached(lang),
        };
        for line in source.lines() {
            let Some((english, cell)) = line.split_once('\t') else { continue };
            let number = u16::try_from(glossary.english.len()).unwrap_or(NONE);
            glossary.english.push(english);
            for word in cell.split(';') {
                let units = Text::new(word).units;
                // A single Thai letter is part of a word.
                if units.is_empty() || units.len() == 1 && units.iter().all(|unit| unit.chars().all(text::is_thai)) {
                    continue;
                }
                let word = glossary.written.learn(&glossary.key(&units), number);
                if glossary.stemmer.is_some() {
                    let stems: Vec<String> = units.iter().map(|unit| glossary.stem(unit)).collect();
                    glossary.stemmed.learn(&glossary.key(&stems), word);
                }
            }
        }
        glossary.written.complete();
        glossary.stemmed.complete();
        glossary
    }

    fn key(&self, units: &[String]) -> String {
        units.join(if text::unspaced(self.lang) { "" } else { " " })
    }

    fn stem(&self, word: &str) -> String {
        self.stemmer.as_ref().map_or_else(|| word.to_owned(), |stemmer| stemmer.stem(word).into_owned())
    }

    /// Renders a message.
    pub fn render(&self, raw: &str) -> Rendered {
        let message = Message::read(raw);
        let text = &message.text;
        let common = language::function_words(self.lang);
        let names = self.names(raw);
        let stems: Vec<String> = text.units.iter().map(|unit| self.stem(unit)).collect();
        let mut rendered = Rendered { unspaced: text::unspaced(self.lang), ..Rendered::default() };
        let mut at = 0;
        while let Some(unit) = text.units.get(at) {
            if self.runs(unit) {
                let rest = text.units.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|unit| self.runs(unit)).count();
                self.render_run(rest.get(..length).unwrap_or_default(), &mut rendered);
                at += length;
                continue;
            }
            let phrase = self.phrase(text, &stems, at);
            let taken = phrase.as_ref().map_or(1, |(_, taken)| *taken);
            at += taken;
            let common = common.contains(unit.as_str());
            if taken == 1 && !common && self.is_foreign(unit) {
                rendered.add(unit);
                self.written.find(unit).into_iter().for_each(|senses| rendered.add_all(&self.english(senses), unit));
                continue;
            }
            if let Some(name) = names.get(unit).filter(|_| taken == 1 && !common) {
                let meant = self.meant_by_name(&name.spelling).map(|senses| self.english(senses)).unwrap_or_default();
                // Two names in a row are one, whatever each means: "Batu Bolong" is no torn stone.
                let itself = meant.iter().any(|english| english.eq_ignore_ascii_case(&name.spelling));
                if name.paired || meant.is_empty() || itself {
                    rendered.add(&name.spelling);
                }
                rendered.telling += usize::from(!meant.is_empty());
                rendered.add_all(&meant, &name.spelling);
                continue;
            }
            // A common word's stem is like that of anything.
            let by_itself = || if common { self.written.find(unit).map(<[_]>::to_vec) } else { self.word(unit) };
            let senses = phrase.map(|(senses, _)| senses).or_else(by_itself);
            match senses.as_deref().map(|senses| self.english(senses)) {
                Some(english) => {
                    rendered.telling += usize::from(!english.is_empty());
                    for english in english {
                        rendered.add(english);
                    }
                }
                None if common => {}
                None => {
                    rendered.telling += 1;
                    rendered.add(unit);
                    rendered.left.push(unit.clone());
                }
            }
        }
        rendered
    }

    /// The units of words that are written as names, each with what stands after its article ("l'Andrea"), and whether
    /// another name stands beside it. German writes every noun so, every language the first word of a sentence, and who
    /// shouts all of them.
    fn names(&self, raw: &str) -> HashMap<String, Name> {
        let mut names = HashMap::new();
        let has_capitals = !matches!(self.lang, Lang::De | Lang::Ar) && !text::unspaced(self.lang);
        if !has_capitals || !raw.contains(char::is_lowercase) {
            return names;
        }
        let words: Vec<&str> = raw.split_whitespace().collect();
        let is_name = |at: usize| words.get(at).is_some_and(|word| is_written_as_a_name(word));
        let opens = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| words.get(before));
            before.is_none_or(|before| before.ends_with(['.', '!', '?', ':', '…', '–', '-', '"', '»', ')']))
        };
        for (at, word) in words.iter().enumerate().filter(|(at, _)| is_name(*at) && !opens(*at)) {
            let paired = at.checked_sub(1).is_some_and(is_name) || is_name(at + 1) && !opens(at + 1);
            let units = Text::new(word).units;
            if let [whole] = &*units
                && let [bare] = &*Text::new(bare(word)).units
            {
                names.insert(whole.clone(), Name { spelling: bare.clone(), paired });
            } else {
                names.extend(units.into_iter().map(|unit| (unit.clone(), Name { spelling: unit, paired })));
            }
        }
        names
    }

    /// What a name means as a word. "Tortugas" are turtles; "Doria" is nothing of gold.
    fn meant_by_name(&self, name: &str) -> Option<&[u16]> {
        let inflected = || {
            let nearest = self.stemmed.nearest(&self.stem(name), name, &self.written.keys)?;
            let alike = alike(name, self.written.keys.word(nearest));
            (alike + 1 >= name.len()).then(|| self.written.of(nearest)).flatten()
        };
        self.written.find(name).or_else(inflected)
    }

    /// Whether a unit is a number, or in the Latin script where the language has another.
    fn is_foreign(&self, unit: &str) -> bool {
        let other_script = text::unspaced(self.lang) || self.lang == Lang::Ar;
        unit.chars().all(|c| c.is_ascii_digit()) || other_script && unit.is_ascii()
    }

    /// Whether words of this character run into one another.
    fn runs(&self, unit: &str) -> bool {
        text::unspaced(self.lang) && unit.chars().all(text::is_unspaced)
    }

    /// The English words of some lines; none where the word says nothing.
    fn english(&self, senses: &[u16]) -> Vec<&'static str> {
        let words = senses.iter().filter_map(|line| self.english.get(usize::from(*line)).copied());
        words.take_while(|english| !english.is_empty()).collect()
    }

    /// The longest phrase that begins at a word, and how many words it takes.
    fn phrase(&self, text: &Text, stems: &[String], at: usize) -> Option<(Vec<u16>, usize)> {
        (2..=LONGEST_PHRASE).rev().find_map(|length| {
            let (units, stems) = (text.units.get(at..at + length)?, stems.get(at..at + length)?);
            let found = || self.find(&self.key(units), || self.key(stems));
            let senses = if text.broken_between(at, at + length - 1) { None } else { found() };
            Some((senses?.to_vec(), length))
        })
    }

    /// What a word means, by itself or by its parts.
    fn word(&self, word: &str) -> Option<Vec<u16>> {
        let particle = || word.strip_prefix(particles(self.lang)).filter(|rest| rest.chars().count() >= AFTER_PARTICLE);
        let bare = || self.attached.left(word).chain(particle()).find_map(|rest| self.known(rest));
        let found = self.known(word).or_else(bare).map(<[_]>::to_vec);
        found.or_else(|| self.parts(word))
    }

    fn known(&self, word: &str) -> Option<&[u16]> {
        self.find(word, || self.stem(word))
    }

    /// What is written so, or has the stem.
    fn find(&self, written: &str, stem: impl FnOnce() -> String) -> Option<&[u16]> {
        let by_stem = || self.written.of(self.stemmed.nearest(&stem(), written, &self.written.keys)?);
        self.written.find(written).or_else(by_stem)
    }

    /// The parts of a German compound, the longest first part first: a "Bootsmotor" is a boat and an engine.
    fn parts(&self, word: &str) -> Option<Vec<u16>> {
        let compounds = self.lang == Lang::De && word.len() <= LONGEST_COMPOUND;
        compounds.then(|| self.parts_from(word, 0, &mut 0)).flatten()
    }

    /// The parts of what is left of a compound from a byte on; in `failed` there is a bit for each from which there are none.
    fn parts_from(&self, word: &str, from: usize, failed: &mut u64) -> Option<Vec<u16>> {
        const LINKS: [&str; 5] = ["", "s", "n", "en", "es"];
        if *failed & (1 << from) != 0 {
            return None;
        }
        let left = word.get(from..)?;
        let cuts = left.char_indices().map(|(at, _)| at).filter(|at| (SHORTEST_PART..=left.len()).contains(at));
        let cuts: Vec<usize> = cuts.filter(|at| left.len() >= at + SHORTEST_PART).collect();
        let found = cuts.into_iter().rev().find_map(|cut| {
            let (first, rest) = left.split_at_checked(cut)?;
            let stems = LINKS.iter().filter_map(|link| first.strip_suffix(link));
            // Few letters without their ending look like anything: "entspricht" has no duck ("Ente").
            let whole =
                |stem: &str| if stem.len() > SHORTEST_PART { self.known(stem) } else { self.written.find(stem) };
            let telling = |senses: &&[u16]| !self.english(senses).is_empty();
            let mut firsts = stems.filter(|stem| stem.len() >= SHORTEST_PART).filter_map(whole);
            let first = firsts.find(telling)?;
            let rest = self.known(rest).map(<[_]>::to_vec).or_else(|| self.parts_from(word, from + cut, failed))?;
            Some(first.iter().take(1).copied().chain(rest).collect())
        });
        if found.is_none() {
            *failed |= 1 << from;
        }
        found
    }

    /// Renders a row of characters without spaces: of all ways to cut it into words the one that leaves the fewest
    /// characters over, in the fewest words.
    fn render_run(&self, run: &[String], rendered: &mut Rendered) {
        /// What a character that is left over, and a word, cost.
        const LEFT_OVER: usize = 5;
        const WORD: usize = 4;
        // From each place on: the cost of the rest, how many characters are taken there, and what they mean.
        let mut best: Vec<(usize, usize, Option<&[u16]>)> = vec![(0, 0, None)];
        for from in (0..run.len()).rev() {
            let cost_from = |at: usize| best.get(run.len() - at).map_or(usize::MAX / 2, |found| found.0);
            let mut found: (usize, usize, Option<&[u16]>) = (cost_from(from + 1) + LEFT_OVER, 1, None);
            let mut key = String::new();
            for (taken, unit) in run.iter().skip(from).take(LONGEST_RUN).enumerate() {
                key.push_str(unit);
                let cost = cost_from(from + taken + 1) + WORD;
                let ends = run.get(from + taken + 1).is_none_or(|next| !continues(next));
                if cost < found.0
                    && ends
                    && let Some(senses) = self.written.find(&key)
                {
                    found = (cost, taken + 1, Some(senses));
                }
            }
            best.push(found);
        }
        let mut at = 0;
        while at < run.len() {
            let Some((_, taken, senses)) = best.get(run.len() - at) else { break };
            let english = senses.map(|senses| self.english(senses));
            let ending = || run.get(at).is_some_and(|unit| unit.chars().all(is_hiragana));
            let says_nothing = english.as_ref().map_or_else(ending, Vec::is_empty);
            rendered.telling += if says_nothing { 0 } else { *taken };
            if english.is_none() && !says_nothing {
                rendered.left.extend(run.get(at).cloned());
            }
            english.into_iter().flatten().for_each(|english| rendered.add(english));
            at += (*taken).max(1);
        }
    }
}

/// How many bytes two words begin with alike.
fn alike(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

/// A capital and a small letter: a word all in capitals is a loud one.
fn is_written_as_a_name(word: &str) -> bool {
    let mut letters = bare(word).chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
}

/// A word without what stands around it and before its apostrophe.
fn bare(word: &str) -> &str {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.rsplit(['\'', '’']).next().unwrap_or(word)
}

/// Whether a character belongs to the one before it: Thai vowels and marks above, below and behind.
fn continues(unit: &str) -> bool {
    unit.starts_with(|c: char| matches!(c, '\u{e30}'..='\u{e3a}' | '\u{e45}' | '\u{e47}'..='\u{e4e}'))
}

/// Most of what is written in hiragana are endings and particles.
const fn is_hiragana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}' | 'ー')
}

/// Letters that a language writes on a word and that say nothing: the Arabic "for", "with", "like" and "so".
const fn particles(lang: Lang) -> &'static [char] {
    match lang {
        Lang::Ar => &['ل', 'ب', 'ك', 'ف'],
        _ => &[],
    }
}

const fn algorithm(lang: Lang) -> Option<Algorithm> {
    Some(match lang {
        Lang::Es => Algorithm::Spanish,
        Lang::De => Algorithm::German,
        Lang::Fr => Algorithm::French,
        Lang::Pt => Algorithm::Portuguese,
        Lang::It => Algorithm::Italian,
        Lang::Ar => Algorithm::Arabic,
        _ => return None,
    })
}

const fn source(lang: Lang) -> Option<&'static str> {
    Some(file_of!(lang, "lexicon/gloss/", ".tsv", return None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english(text: &str, lang: Lang) -> String {
        render(text, lang).unwrap().english
    }

    #[test]
    fn every_language_but_english_has_a_glossary_without_empty_lines() {
        for lang in Lang::ALL {
            let Some(source) = source(lang) else {
                assert_eq!(lang, Lang::En);
                continue;
            };
            assert!(source.lines().count() > 3_000, "{lang:?} has {} lines", source.lines().count());
            for line in source.lines() {
                let cells: Vec<&str> = line.split('\t').collect();
                assert!(matches!(cells.as_slice(), [_, words] if !words.trim().is_empty()), "{lang:?}: {line:?}");
            }
        }
    }

    #[test]
    fn a_message_is_rendered_in_its_own_order() {
        for (lang, text, telling) in [
            (Lang::De, "Warum löst sich unter Druck mehr Stickstoff?", ["why", "pressure", "nitrogen"]),
            (Lang::Es, "¿Cuál es el primer color que se pierde?", ["which", "first", "colour"]),
            (Lang::Fr, "qui porte les petits, le mâle ou la femelle", ["who", "male", "female"]),
            (Lang::Zh, "章鱼到底有几颗心脏", ["octopus", "how many", "heart"]),
            (Lang::Ja, "セノーテで淡水と海水の境目", ["cenote", "fresh", "salt"]),
        ] {
            let english = english(text, lang);
            let mut rest = english.as_str();
            for word in telling {
                rest = rest.split_once(word).unwrap_or_else(|| panic!("{lang:?}: {word} in {english:?}")).1;
            }
        }
    }

    #[test]
    fn a_compound_is_rendered_by_its_parts() {
        assert_eq!(english("Bootsmotor", Lang::De), "boat engine motor");
    }

    #[test]
    fn a_long_word_of_short_ones_is_left_alone() {
        let long = "seebar".repeat(300) + "xqz";
        assert_eq!(english(&long, Lang::De), long);
        let short = "stausee".repeat(5) + "taux";
        assert_eq!(english(&short, Lang::De), short);
    }

    #[test]
    fn names_stay_and_common_words_go() {
        assert_eq!(english("die Tulamben", Lang::De), "tulamben");
        let rendered = render("wie tief ist Zurbano", Lang::De).unwrap();
        assert!(rendered.english.ends_with("zurbano") && rendered.left == ["zurbano"], "{rendered:?}");
    }

    #[test]
    fn a_name_is_no_other_word() {
        assert!(english("È affondata l'Andrea Doria?", Lang::It).contains("andrea"));
        assert!(english("apakah Batu Bolong sulit?", Lang::Id).starts_with("batu stone bolong"));
        for (lang, loud, plain) in [
            (Lang::It, "Correnti Komodo", "correnti Komodo"),
            (Lang::Es, "¿Hay TIBURONES en Cozumel?", "¿Hay tiburones en Cozumel?"),
            (Lang::Es, "Hola amigos, Tortugas en Cozumel hay?", "hola amigos, tortugas en Cozumel hay?"),
        ] {
            assert_eq!(english(loud, lang).to_lowercase(), english(plain, lang).to_lowercase());
            assert!(render(loud, lang).unwrap().says_enough(), "{loud}");
        }
        assert!(english("¿Dónde está el Mar Rojo?", Lang::Es).ends_with("red sea"));
    }

    #[test]
    fn of_two_words_with_one_stem_the_nearer_is_meant() {
        assert_eq!(english("as máscaras", Lang::Pt), "mask");
    }

    #[test]
    fn what_is_written_on_a_word_is_left_off() {
        assert!(!english("Qu'est-ce qu'on y voit ?", Lang::Fr).contains("quon"));
        assert!(english("لتسمم الأكسجين", Lang::Ar).contains("oxygen"));
    }

    #[test]
    fn english_words_within_a_message_leave_it_readable() {
        for (lang, text) in [
            (Lang::Pt, "o que quer dizer 'one up, one down' na apneia?"),
            (Lang::Ar, "ما الفرق بين الجناح (wing) وسترة BCD العادية؟"),
        ] {
            assert!(render(text, lang).unwrap().says_enough(), "{text}");
        }
    }

    #[test]
    fn a_thai_word_does_not_end_before_its_vowel() {
        assert!(!english("มากี่วัน", Lang::Th).contains("very"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_rendered(text in "(\\PC|[ดำน้ำ潜水で浮上 ]){0,90}", at in 0..Lang::ALL.len()) {
            if let Some(rendered) = render(&text, Lang::ALL[at]) {
                proptest::prop_assert!(rendered.left.len() <= rendered.telling);
            }
        }
    }
}
