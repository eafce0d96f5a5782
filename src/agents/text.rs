//! Text as the rules read it: folded, cut into units, with the breaks between clauses kept.

use dovvybuddy_core::Lang;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The longest text that is looked at, in characters; a message may have 2000, a burst several.
const LONGEST: usize = 8_000;

/// The Arabic "and".
pub(crate) const AND: char = 'و';
/// Shorter words begin with that letter by themselves.
const SHORTEST_AFTER_AND: usize = 3;

/// A message cut into units: words in spaced scripts, single characters in Thai, Japanese and
/// Chinese.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The units, folded.
    pub(crate) units: Vec<String>,
    /// For each unit, whether a clause ends before it.
    pub(crate) breaks: Vec<bool>,
    /// A question mark stands somewhere.
    pub(crate) question: bool,
    /// An exclamation mark stands somewhere.
    pub(crate) exclamation: bool,
}

impl Text {
    /// Folds and cuts `raw`.
    pub(crate) fn new(raw: &str) -> Self {
        let mut text = Self::default();
        let mut word = String::new();
        let mut broken = false;
        if raw.is_ascii() {
            for c in raw.chars().take(LONGEST) {
                text.take(c.to_ascii_lowercase(), &mut word, &mut broken);
            }
        } else {
            for c in raw.chars().take(LONGEST).nfkc().flat_map(char::to_lowercase) {
                text.take(c, &mut word, &mut broken);
            }
        }
        text.push(&mut word, &mut broken);
        text
    }

    fn take(&mut self, c: char, word: &mut String, broken: &mut bool) {
        match class(c) {
            Class::Join => {}
            Class::Word => fold(c, word),
            Class::Single => {
                self.push(word, broken);
                word.push(c);
                self.push(word, broken);
            }
            Class::Space => self.push(word, broken),
            Class::Break => {
                self.push(word, broken);
                *broken = true;
                self.question |= matches!(c, '?' | '؟' | '¿');
                self.exclamation |= c == '!';
            }
        }
    }

    fn push(&mut self, word: &mut String, broken: &mut bool) {
        if word.is_empty() {
            return;
        }
        let word = std::mem::take(word);
        let mut broken = std::mem::take(broken);
        // Arabic writes "and" on the word that follows; the word is the same with and without it.
        let rest = word.strip_prefix(AND).filter(|rest| rest.chars().count() >= SHORTEST_AFTER_AND);
        if rest.is_some() {
            self.units.push(AND.to_string());
            self.breaks.push(std::mem::take(&mut broken));
        }
        self.units.push(rest.map_or_else(|| word.clone(), str::to_owned));
        self.breaks.push(broken);
    }

    /// How many units there are.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether a clause ends somewhere between the units `from` and `to`.
    pub(crate) fn broken_between(&self, from: usize, to: usize) -> bool {
        self.breaks.get(from + 1..=to).is_some_and(|breaks| breaks.contains(&true))
    }
}

enum Class {
    Word,
    Single,
    Space,
    Break,
    /// Vanishes, so that what it stands between joins: apostrophes, Arabic vowel marks.
    Join,
}

fn class(c: char) -> Class {
    match c {
        '\''
        | '’'
        | '‘'
        | '`'
        | '´'
        | 'ʼ'
        | '\u{640}'
        | '\u{200b}'..='\u{200f}'
        | '\u{feff}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}' => Class::Join,
        ',' | '.' | ';' | ':' | '!' | '?' | '¿' | '¡' | '…' | '\n' | '(' | ')' | '،' | '؛' | '؟' | '。' | '、'
        | '「' | '」' | '—' | '–' => Class::Break,
        c if is_unspaced(c) => Class::Single,
        c if c.is_alphanumeric() || is_combining_mark(c) => Class::Word,
        _ => Class::Space,
    }
}

/// Whether the script of `c` writes words without spaces between them.
pub(crate) fn is_unspaced(c: char) -> bool {
    is_thai(c) || is_kana(c) || is_han(c)
}

/// Thai letters and marks.
pub(crate) fn is_thai(c: char) -> bool {
    ('\u{e01}'..='\u{e4f}').contains(&c)
}

/// Hiragana and katakana, with the long-vowel mark.
pub(crate) fn is_kana(c: char) -> bool {
    ('\u{3041}'..='\u{30ff}').contains(&c)
}

/// Chinese characters.
pub(crate) fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c) || ('\u{3400}'..='\u{4dbf}').contains(&c) || c == '々'
}

/// Arabic letters.
pub(crate) fn is_arabic(c: char) -> bool {
    ('\u{620}'..='\u{6ff}').contains(&c)
}

/// Appends the letter without what writers leave out: accents, Arabic alef and ta marbuta variants.
fn fold(c: char, word: &mut String) {
    let plain = match c {
        'ß' => return word.push_str("ss"),
        'æ' => return word.push_str("ae"),
        'œ' => return word.push_str("oe"),
        'أ' | 'إ' | 'آ' => 'ا',
        'ى' | 'ئ' => 'ي',
        'ة' => 'ه',
        'ؤ' => 'و',
        '٠'..='٩' => char::from_digit(u32::from(c) - u32::from('٠'), 10).unwrap_or(c),
        _ => c,
    };
    if plain.is_ascii() || is_arabic(plain) {
        word.push(plain);
    } else {
        word.extend(plain.nfd().filter(|c| !is_combining_mark(*c)));
    }
}

/// Whether the language is written without spaces between words.
pub(crate) const fn unspaced(lang: Lang) -> bool {
    matches!(lang, Lang::Ja | Lang::Th | Lang::Zh)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(raw: &str) -> Vec<String> {
        Text::new(raw).units
    }

    #[test]
    fn folds_accents_and_apostrophes() {
        assert_eq!(units("He can’t — Après la plongée!"), ["he", "cant", "apres", "la", "plongee"]);
        assert_eq!(units("Größe Füße"), ["grosse", "fusse"]);
    }

    #[test]
    fn cuts_unspaced_scripts_into_characters() {
        assert_eq!(units("PADIの講習"), ["padi", "の", "講", "習"]);
        // Compatibility folding takes the vowel ำ apart, in messages and patterns alike.
        assert!(units("ดำน้ำ").iter().all(|unit| unit.chars().count() == 1));
    }

    #[test]
    fn arabic_spellings_meet() {
        assert_eq!(units("الإغماء مُدرِّب"), ["الاغماء", "مدرب"]);
        assert_eq!(units("ولا تتنفس"), ["ولا", "تتنفس"]);
        assert_eq!(units("ورجله"), ["و", "رجله"]);
    }

    #[test]
    fn clauses_are_kept_apart() {
        let text = Text::new("no pain, numb hand");
        assert!(text.broken_between(1, 2));
        assert!(!text.broken_between(2, 3));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_without_panic(raw in ".{0,300}") {
            let text = Text::new(&raw);
            proptest::prop_assert_eq!(text.units.len(), text.breaks.len());
            proptest::prop_assert!(text.units.iter().all(|u| !u.is_empty()));
        }
    }
}
