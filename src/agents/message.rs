//! A message read once. Intake, turn, router and classifier all look at the same words, and at those said
//! before them, within one turn; reading them is most of what guard and router cost.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dovvybuddy_core::Lang;
use hashbrown::DefaultHashBuilder;
use moka::sync::Cache;

use crate::by_language::ByLanguage;
use crate::emergency::Reading;
use crate::language::Signs;
use crate::router::Talk;
use crate::text::Text;

/// How much text is remembered, in bytes; what is read from it takes several times as much.
const REMEMBERED: u64 = 512 << 10;
/// What a message counts besides its words.
const EACH: u32 = 200;
/// No message outlives its turn for long.
const LIFE: Duration = Duration::from_mins(1);

/// A message in units, with what its words say of its language, and what each language reads in it.
pub(crate) struct Message {
    pub(crate) text: Text,
    pub(crate) signs: Signs,
    readings: ByLanguage<Reading>,
    talks: ByLanguage<Talk>,
}

impl Message {
    /// Reads a message, or remembers it.
    pub(crate) fn read(raw: &str) -> Arc<Self> {
        static READ: LazyLock<Cache<String, Arc<Message>, DefaultHashBuilder>> = LazyLock::new(|| {
            Cache::builder()
                .max_capacity(REMEMBERED)
                .weigher(|raw: &String, _| u32::try_from(raw.len()).unwrap_or(u32::MAX).saturating_add(EACH))
                .time_to_live(LIFE)
                .build_with_hasher(DefaultHashBuilder::default())
        });
        if let Some(message) = READ.get(raw) {
            return message;
        }
        let text = Text::new(raw);
        let signs = Signs::of(raw, &text);
        let message = Arc::new(Self { text, signs, readings: ByLanguage::new(), talks: ByLanguage::new() });
        READ.insert(raw.to_owned(), Arc::clone(&message));
        message
    }

    /// The message as read in a language.
    pub(crate) fn reading(&self, lang: Lang) -> Reading {
        self.readings.get(lang, || Reading::new(&self.text, lang)).clone()
    }

    /// How it hangs on what was said before, by the words of a language.
    pub(crate) fn talk(&self, lang: Lang) -> &Talk {
        self.talks.get(lang, || Talk::read(&self.text, lang))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_is_read() {
        for raw in ["I can't feel my legs after the dive", "no siento las piernas", "", "手がしびれる"] {
            let (once, twice) = (Message::read(raw), Message::read(raw));
            assert_eq!(once.text, Text::new(raw));
            for lang in Lang::ALL {
                let fresh = Reading::new(&Text::new(raw), lang);
                assert_eq!(once.reading(lang).hits(), fresh.hits());
                assert_eq!(twice.reading(lang).hits(), fresh.hits());
            }
        }
    }
}
