//! Words that stand side by side in the content, and words that are written like names there.
//!
//! "Silver Otter" is put together from words that any content may have. What it names is known only if somewhere the
//! two stand together, or each is a name by itself, like "Dahab, Egypt".

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::index::Indexed;
use crate::text;

/// A word is a name that has a capital within a sentence at least so often.
const OFTEN: u32 = 2;

/// What a business is called after: "Malta Divers" is more than Malta and divers.
const BUSINESS: [&str; 7] = ["divers", "resort", "lodge", "center", "centre", "school", "shop"];

/// Pairs of neighbouring words and names, as hashes in their order.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    pairs: Vec<u64>,
    names: Vec<u64>,
    seed: DefaultHashBuilder,
}

impl Neighbours {
    /// Reads the passages with their titles and headings.
    pub(crate) fn of(passages: &[Indexed]) -> Self {
        let seed = DefaultHashBuilder::default();
        let mut pairs = Vec::new();
        let mut capitals: HashMap<u64, u32> = HashMap::new();
        for passage in passages {
            for part in [&passage.document.title, &passage.section, &passage.text] {
                let mut before = None;
                text::words(part, |word| {
                    let word = seed.hash_one(singular(word));
                    pairs.extend(before.replace(word).map(|before| joined(before, word)));
                });
            }
            for token in named(&passage.text) {
                *capitals.entry(seed.hash_one(singular(&token))).or_default() += 1;
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs.shrink_to_fit();
        let mut names: Vec<u64> =
            capitals.into_iter().filter(|(_, often)| *often >= OFTEN).map(|(word, _)| word).collect();
        names.sort_unstable();
        Self { pairs, names, seed }
    }

    /// Whether two words in small letters stand side by side somewhere.
    pub(crate) fn has(&self, one: &str, two: &str) -> bool {
        let [one, two] = [one, two].map(|word| self.seed.hash_one(singular(word)));
        self.pairs.binary_search(&joined(one, two)).is_ok()
    }

    /// Whether a word in small letters is written as a name.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.names.binary_search(&self.seed.hash_one(singular(word))).is_ok()
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
            // A sentence may end with "Malta" and the next begin with "Divers".
            let business = BUSINESS.contains(&&*two);
            let together = self.has(&one, &two);
            let both = self.names(&one) && self.names(&two);
            let known = !business && (together || both);
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
    if !named {
        return None;
    }
    let mut words = text::list_of_words(bare).into_iter();
    let word = words.next()?;
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

const fn joined(one: u64, two: u64) -> u64 {
    // An odd factor keeps the order of the two.
    one.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(two)
}
