//! Words that stand side by side in the content, and words that are written like names there.
//!
//! "Silver Otter" is put together from words that any content may have. What it names is known only if somewhere the
//! two stand together, or each is a name by itself, like "Dahab, Egypt".

use std::collections::{HashMap, HashSet};

use crate::index::Indexed;
use crate::text;

/// A word is a name that has a capital within a sentence at least so often.
const OFTEN: u32 = 2;

/// What a business is called after: "Malta Divers" is more than Malta and divers.
const BUSINESS: [&str; 7] = ["divers", "resort", "lodge", "center", "centre", "school", "shop"];

/// Pairs of neighbouring words and names, as hashes.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    pairs: HashSet<u64>,
    names: HashSet<u64>,
}

impl Neighbours {
    /// Reads the passages with their titles and headings.
    pub(crate) fn of(passages: &[Indexed]) -> Self {
        let mut pairs = HashSet::new();
        let mut capitals: HashMap<u64, u32> = HashMap::new();
        for passage in passages {
            for part in [&passage.document.title, &passage.section, &passage.text] {
                let words: Vec<u64> = text::list_of_words(part).iter().map(|word| hash(singular(word))).collect();
                pairs.extend(words.iter().zip(words.iter().skip(1)).map(|(one, two)| joined(*one, *two)));
            }
            for token in named(&passage.text) {
                *capitals.entry(hash(singular(&token))).or_default() += 1;
            }
        }
        let names = capitals.into_iter().filter(|(_, often)| *often >= OFTEN).map(|(word, _)| word).collect();
        Self { pairs, names }
    }

    /// The pairs of words in a text that are written like names side by side and of which the content has neither
    /// the pair nor both words as names; in lower case, with a blank between them.
    pub(crate) fn strange(&self, text: &str) -> Vec<String> {
        let tokens: Vec<&str> = text.split_whitespace().collect();
        let pairs = tokens.iter().zip(tokens.iter().skip(1));
        let mut found: Vec<String> = Vec::new();
        for (one, two) in pairs {
            let parted = one.ends_with(|c: char| !c.is_alphanumeric());
            let (Some(one), Some(two)) = (capital(one), capital(two)) else { continue };
            let hashes = (hash(singular(&one)), hash(singular(&two)));
            // A sentence may end with "Malta" and the next begin with "Divers".
            let business = BUSINESS.contains(&&*two);
            let together = self.pairs.contains(&joined(hashes.0, hashes.1));
            let known = !business && (together || self.names.contains(&hashes.0) && self.names.contains(&hashes.1));
            if !parted && !known {
                found.push(format!("{one} {two}"));
            }
        }
        found
    }
}

/// The word of a token that begins with a capital and goes on in small letters, normalised.
fn capital(token: &str) -> Option<String> {
    let bare = token.trim_matches(|c: char| !c.is_alphanumeric());
    let named = bare.chars().next().is_some_and(char::is_uppercase) && bare.chars().any(char::is_lowercase);
    let mut words = text::list_of_words(bare).into_iter();
    let word = words.next().filter(|_| named)?;
    words.next().is_none().then_some(word)
}

/// The words with a capital inside the sentences of a text.
fn named(text: &str) -> impl Iterator<Item = String> {
    let mut opens = true;
    text.split_whitespace().filter_map(move |token| {
        let first = std::mem::replace(&mut opens, token.ends_with(['.', '!', '?', ':', '-', '*', '#']));
        capital(token).filter(|_| !first)
    })
}

fn singular(word: &str) -> &str {
    word.strip_suffix('s').filter(|rest| rest.len() > 2).unwrap_or(word)
}

fn hash(word: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

const fn joined(one: u64, two: u64) -> u64 {
    // An odd factor keeps the order of the two.
    one.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(two)
}
