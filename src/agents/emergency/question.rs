//! What people ask in the middle of an emergency. Each topic is known by its wordings in `lexicon/questions/` and
//! answered by one sentence of the reply files, before the next step; whatever is no topic changes nothing.

use std::collections::BTreeMap;

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::EmergencyKind;

use crate::by_language::{ByLanguage, file_of, keyed};
use crate::pattern::{self, Matcher};
use crate::text::{self, Text};

keyed! {
    /// A question, or what is told instead of one. The order says which are answered where many are asked.
    #[derive(PartialOrd, Ord)]
    pub(super) enum Topic {
        /// In a plane that is about to leave, or in the air.
        Aboard = "aboard",
        /// Going back down with the person.
        Recompression = "recompression",
        /// Diving after a missing person.
        Search = "search",
        /// How to press and breathe.
        Cpr = "cpr",
        /// Flying home, driving into the mountains.
        Flying = "flying",
        /// Diving again.
        Diving = "diving",
        /// Waiting for it to pass.
        Waiting = "waiting",
        /// Letting the person sleep.
        Sleeping = "sleeping",
        /// No telephone, nobody answers.
        NoSignal = "no_signal",
        /// Whom to call.
        Call = "call",
        /// There is no oxygen.
        OxygenMissing = "oxygen_missing",
        /// How much oxygen, and how long.
        OxygenAmount = "oxygen_amount",
        /// Hot water: how hot, how long.
        Heat = "heat",
        /// Water and food.
        Drink = "drink",
        /// Alcohol and pain medicine.
        Medicine = "medicine",
        /// The person breathes again, or is awake again.
        BreathingAgain = "breathing_again",
        /// The missing person is found.
        Found = "found",
        /// Help has come.
        HelpersHere = "helpers_here",
        /// Hours from the shore.
        FarOut = "far_out",
        /// The search has found nothing so far.
        NotFound = "not_found",
        /// Oxygen is being given.
        OxygenOn = "oxygen_on",
        /// What next.
        Next = "next",
        /// Thanks.
        Thanks = "thanks",
    }
}

/// So many are answered at once: more would bury the first.
const MOST: usize = 2;

impl Topic {
    /// It is answered with the first reply, too: the answer is a plain no to what would do harm.
    pub(super) const fn at_once(self) -> bool {
        matches!(self, Self::Aboard | Self::Recompression | Self::Search | Self::Flying | Self::Diving | Self::Waiting)
    }

    /// The steps in the reply file ask for just what is missing, or has changed.
    pub(super) const fn instead_of_steps(self) -> bool {
        matches!(self, Self::OxygenMissing | Self::NoSignal | Self::BreathingAgain)
    }

    /// It is told instead of every step: what the steps ask for is in other hands, or over.
    pub(super) const fn ends_steps(self) -> bool {
        matches!(self, Self::HelpersHere | Self::Found)
    }

    /// It is told where something has turned out well; a "not" turns it round.
    pub(super) const fn good_news(self) -> bool {
        matches!(self, Self::BreathingAgain | Self::Found | Self::HelpersHere)
    }

    /// It says nothing beside another topic.
    const fn idle(self) -> bool {
        matches!(self, Self::Next | Self::Thanks)
    }
}

/// What `message` asks, read in one of `langs`, within an emergency of `kind`; the most pressing first.
pub(super) fn asked(message: &str, langs: impl Iterator<Item = Lang>, kind: EmergencyKind) -> Vec<Topic> {
    let text = Text::new(message);
    let mut topics: Vec<Topic> = Vec::new();
    for lang in langs {
        let found = wordings(lang).find(&text, &|_| false);
        topics.extend(found.iter().map(|hit| hit.concept));
        if !topics.is_empty() {
            break;
        }
    }
    if kind == EmergencyKind::MissingDiver {
        // Who goes down there, goes down to search.
        let down = |topic| if matches!(topic, Topic::Recompression | Topic::Diving) { Topic::Search } else { topic };
        topics = topics.into_iter().map(down).collect();
    }
    topics.sort_unstable();
    topics.dedup();
    let has = |topic| topics.contains(&topic);
    let oxygen_asked = has(Topic::OxygenMissing) || has(Topic::OxygenAmount);
    let aboard = has(Topic::Aboard);
    let telling = topics.iter().any(|topic| !topic.idle());
    topics.retain(|topic| match topic {
        Topic::OxygenOn => !oxygen_asked,
        Topic::Flying => !aboard,
        topic => !(telling && topic.idle()),
    });
    topics.truncate(MOST);
    topics
}

/// The wordings of a language; read at first use, then shared.
fn wordings(lang: Lang) -> &'static Matcher<Topic> {
    static WORDINGS: ByLanguage<Matcher<Topic>> = ByLanguage::new();
    WORDINGS.get(lang, || {
        read(lang).unwrap_or_else(|error| {
            // Compiled in, and each is read by a test; without it the steps go on as they do for any message.
            tracing::error!(error, lang = lang.code(), "a compiled-in lexicon of questions can't be read");
            Matcher::new(text::unspaced(lang))
        })
    })
}

/// Reads the file of a language.
fn read(lang: Lang) -> Result<Matcher<Topic>, String> {
    let entries: BTreeMap<String, String> =
        toml::from_str(file_of!(lang, "../lexicon/questions/")).map_err(|error| error.to_string())?;
    let mut matcher = Matcher::new(text::unspaced(lang)).with_attached(pattern::attached(lang));
    for (key, patterns) in entries {
        let topic = Topic::from_key(&key).ok_or_else(|| format!("there is no topic {key:?}"))?;
        for entry in pattern::entries(&patterns) {
            matcher.add(topic, entry, false).map_err(|error| format!("{key}: {error}"))?;
        }
    }
    matcher.complete();
    Ok(matcher)
}

/// Reads all files now, so that the first question does not wait for it.
pub(super) fn warm_up() {
    for lang in Lang::ALL {
        let _ = wordings(lang).find(&Text::default(), &|_| false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_has_every_topic() {
        for lang in Lang::ALL {
            if let Err(error) = read(lang) {
                panic!("{}: {error}", lang.code());
            }
            let entries: BTreeMap<String, String> = toml::from_str(file_of!(lang, "../lexicon/questions/")).unwrap();
            for topic in Topic::ALL {
                assert!(entries.contains_key(topic.key()), "{}: {}", lang.code(), topic.key());
            }
        }
    }

    #[test]
    fn a_question_about_going_down_is_about_the_search_where_somebody_is_missing() {
        let topics = |kind| asked("should I go back down to look for him?", std::iter::once(Lang::En), kind);
        assert_eq!(topics(EmergencyKind::MissingDiver), [Topic::Search]);
        assert!(topics(EmergencyKind::DecompressionIllness).contains(&Topic::Recompression));
    }
}
