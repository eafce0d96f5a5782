//! A message read once. Intake, turn, router and classifier all look at the same words, and at those said
//! before them, within one turn; reading them is most of what guard and router cost.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use dovvybuddy_core::Lang;
use moka::sync::Cache;

use crate::emergency::Reading;
use crate::language::Signs;
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
    readings: [OnceLock<Reading>; Lang::ALL.len()],
}

impl Message {
    /// Reads a message, or remembers it.
    pub(crate) fn read(raw: &str) -> Arc<Self> {
        static READ: LazyLock<Cache<String, Arc<Message>>> = LazyLock::new(|| {
            Cache::builder()
                .max_capacity(REMEMBERED)
                .weigher(|raw: &String, _| u32::try_from(raw.len()).unwrap_or(u32::MAX).saturating_add(EACH))
                .time_to_live(LIFE)
                .build()
        });
        if let Some(message) = READ.get(raw) {
            return message;
        }
        let text = Text::new(raw);
        let signs = Signs::of(raw, &text);
        let message = Arc::new(Self { text, signs, readings: [const { OnceLock::new() }; Lang::ALL.len()] });
        READ.insert(raw.to_owned(), Arc::clone(&message));
        message
    }

    /// The message as read in a language.
    pub(crate) fn reading(&self, lang: Lang) -> Reading {
        let read = || Reading::new(&self.text, lang);
        let slot = Lang::ALL.iter().position(|known| *known == lang).and_then(|at| self.readings.get(at));
        slot.map_or_else(read, |slot| slot.get_or_init(read).clone())
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
