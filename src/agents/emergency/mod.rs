//! The emergency guard: rules over what a message says, and the words that answer it.

mod classifier;
pub(crate) mod company;
mod hotlines;
mod judge;
mod question;
mod reading;
mod reply;
mod sheet;
mod train;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::{Alarm, Assessment, EmergencyGuard, EmergencyKind, Heard, StandingEmergency};

pub use hotlines::{Hotline, Hotlines};
pub use reply::ReplyError;

use crate::Operator;
use crate::concept::Concept;
use crate::language::{self, Detected};
use crate::message::Message;
use crate::pattern::Hit;
pub use train::EmergencyTrainer;

pub use classifier::Thresholds;
use classifier::{Classifier, Opinion};
use judge::Verdict;
pub(crate) use reading::Reading;
use reply::Replies;

/// How many earlier messages of the diver are read together with a new one.
const LOOK_BACK: usize = 3;

/// What good news has no word of.
const NO_GOOD_NEWS: &[Concept] =
    &[Concept::Neg, Concept::NegAfter, Concept::Apnoea, Concept::NoBreath, Concept::Collapse, Concept::Missing];

/// The guard: rules read from compiled-in lexicons, replies from content files.
#[derive(Debug)]
pub struct RuleGuard {
    replies: RwLock<Arc<Replies>>,
    /// Other weights than the shipped ones, while they are measured.
    classifier: Option<Classifier>,
}

impl RuleGuard {
    /// Loads the replies and hotlines from `content_dir` (`emergency/replies/<lang>.toml`,
    /// `emergency/hotlines.toml`); a missing file is replaced by the one compiled in.
    pub fn load(content_dir: Option<&Path>, operator: &Operator) -> Result<Self, ReplyError> {
        let replies = RwLock::new(Arc::new(Replies::load(content_dir, operator)?));
        Ok(Self { replies, classifier: None })
    }

    /// Reads the files again. Unlike at the start, where the words compiled in stand in for a broken file, whatever
    /// is wrong leaves all that was loaded before in use.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn reload(&self, content_dir: Option<&Path>, operator: &Operator) -> Result<(), ReplyError> {
        let replies = Replies::load(content_dir, operator)?.flawless()?;
        *self.replies.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(replies);
        Ok(())
    }

    fn replies(&self) -> Arc<Replies> {
        Arc::clone(&self.replies.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same guard with other weights, as [`EmergencyTrainer::fit`] writes them; used to measure a
    /// classifier before it is shipped.
    #[must_use]
    pub fn with_weights(mut self, weights: &'static str) -> Self {
        self.classifier = Some(Classifier::parse(weights));
        self
    }

    /// The same guard with other weights and thresholds, while they are chosen.
    #[must_use]
    pub fn with_thresholds(mut self, weights: &'static str, thresholds: Thresholds) -> Self {
        self.classifier = Some(Classifier::parse(weights).with_thresholds(thresholds));
        self
    }

    fn classifier(&self) -> &Classifier {
        self.classifier.as_ref().unwrap_or_else(|| Classifier::shipped())
    }

    /// The hotlines in use, for checks of their age.
    pub fn hotlines(&self) -> Hotlines {
        self.replies().hotlines().clone()
    }

    /// What is wrong with files that are there, in words: those compiled in stand in for them.
    pub fn faults(&self) -> Vec<String> {
        self.replies().faults().iter().map(ToString::to_string).collect()
    }

    /// Reads all lexicons now, so that the first message does not wait for it.
    pub fn warm_up(&self) {
        for lang in Lang::ALL {
            let _ = crate::lexicon::Lexicon::of(lang);
        }
        question::warm_up();
    }

    /// What the guard reads in a message that stands alone: the concepts, and what each feature adds to the
    /// classifier's sum, the weightiest first. For people who look for the cause of a verdict.
    pub fn explain(&self, message: &str) -> (Vec<&'static str>, Vec<(String, f32)>) {
        let detected = language::detect(message, None);
        let readings = told_first(readings(message, &detected), detected.sure);
        let concepts = readings.iter().flat_map(Reading::hits).map(|hit| hit.concept.key()).collect();
        (concepts, self.classifier().shares(message, &readings, &[]))
    }

    fn alarm(
        &self,
        message: &str,
        heard: &Heard,
        lang: Lang,
        mut standing: StandingEmergency,
        readings: &[Reading],
        fine: bool,
    ) -> Assessment {
        standing.region = self.replies().region_id(message, heard);
        let mut topics = question::asked(message, readings.iter().map(Reading::lang), standing.kind);
        // "He is not breathing again" and "we have not found her" have the words of good news.
        let bad = readings.iter().any(|reading| reading.any(NO_GOOD_NEWS));
        topics.retain(|topic| !(bad && topic.good_news()));
        let text = self.replies().compose(message, heard, lang, &standing, &topics, fine);
        Assessment::Emergency(Alarm { text, lang, standing })
    }
}

impl EmergencyGuard for RuleGuard {
    fn assess(&self, message: &str, heard: &Heard) -> Assessment {
        let hint = hint(heard);
        let detected = language::detect(message, hint);
        let readings = told_first(readings(message, &detected), detected.sure);
        let verdict = judge::judge(&readings);
        if let Some(standing) = &heard.standing {
            return self.while_standing(message, heard, standing, &detected, &readings, verdict);
        }
        if verdict.kind.is_none()
            && readings.iter().any(nothing_but_standing_down)
            && let Some(reply) = self.replies().none_open(detected.lang)
        {
            return Assessment::StoodDown { reply: Some(reply), lang: detected.lang };
        }
        let earlier = earlier_readings(heard, &detected);
        let opinion = self.classifier().opinion(message, &readings, &earlier.iter().collect::<Vec<_>>());
        let by_rules = match verdict.kind {
            Some(kind) => Some((kind, reply_lang(verdict.lang, &detected, hint))),
            None => {
                with_history(self.classifier(), message, heard, &detected, &readings).map(|kind| (kind, detected.lang))
            }
        };
        let found = match opinion {
            // What goes on about an alarm told before is the rules' matter: few words say it.
            Opinion::Dismiss => None,
            Opinion::TakeBack if verdict.kind.is_some() || !earlier.iter().any(judge::alarms) => None,
            Opinion::TakeBack | Opinion::Agree => by_rules,
            // The words alone may not tell the kind; what was said before may.
            Opinion::Raise => by_rules.or_else(|| {
                let told = readings.iter().chain(earlier.iter().rev()).map(judge::kind);
                let kind = told.into_iter().find(|kind| *kind != EmergencyKind::Unspecified);
                Some((kind.unwrap_or(EmergencyKind::Unspecified), detected.lang))
            }),
        };
        match found {
            Some((kind, lang)) => {
                let begun = StandingEmergency { kind, replies: 1, region: None };
                self.alarm(message, heard, lang, begun, &readings, false)
            }
            None => Assessment::Calm,
        }
    }

    fn helplines(&self, message: &str, heard: &Heard, lang: Lang) -> String {
        self.replies().helplines(message, heard, lang)
    }

    fn stood_down(&self, kind: EmergencyKind, lang: Lang) -> Option<String> {
        Some(self.replies().stood_down(lang, kind)).filter(|words| !words.is_empty())
    }
}

impl RuleGuard {
    /// An emergency stands: only the diver's word that it is none ends it.
    fn while_standing(
        &self,
        message: &str,
        heard: &Heard,
        standing: &StandingEmergency,
        detected: &Detected,
        readings: &[Reading],
        verdict: Verdict,
    ) -> Assessment {
        let lang = detected.lang;
        let has = |concept| readings.iter().any(|reading| reading.has(concept));
        let signs_now = verdict.severity >= 2.0;
        if has(Concept::StandDown) && !signs_now {
            let more = readings.first().is_some_and(|reading| reading.len() > 12 && reading.question());
            let reply = (!more).then(|| self.replies().stood_down(lang, standing.kind));
            return Assessment::StoodDown { reply, lang };
        }
        let new_kind = verdict.kind.filter(|kind| *kind != standing.kind && graver(*kind));
        let standing = match new_kind {
            Some(kind) => StandingEmergency { kind, replies: 1, region: None },
            None => {
                StandingEmergency { kind: standing.kind, replies: standing.replies.saturating_add(1), region: None }
            }
        };
        self.alarm(message, heard, lang, standing, readings, new_kind.is_none() && has(Concept::Fine))
    }
}

/// Kinds that take over from one that stands: a hurt ear, or words that tell no kind, do not.
const fn graver(kind: EmergencyKind) -> bool {
    !matches!(kind, EmergencyKind::Unspecified | EmergencyKind::EarBarotrauma | EmergencyKind::Illness)
}

/// Whether a message says that it is no emergency, and nothing else.
fn nothing_but_standing_down(reading: &Reading) -> bool {
    // "It is", "sorry", "that was" may stand beside it.
    let beside = if crate::text::unspaced(reading.lang()) { 6 } else { 3 };
    let more = |start: usize, end: usize| reading.len().saturating_sub(end - start) > beside;
    let said = |hit: &Hit<Concept>| hit.concept == Concept::StandDown && !more(hit.start, hit.end);
    !reading.question() && reading.count(Concept::is_sign) == 0 && reading.hits().iter().any(said)
}

/// The messages that may still belong to this one.
fn lately(heard: &Heard) -> &[String] {
    heard.said.get(heard.said.len().saturating_sub(LOOK_BACK)..).unwrap_or_default()
}

/// What the diver said lately, as the rules read it, oldest first; what was called off does not count.
fn earlier_readings(heard: &Heard, detected: &Detected) -> Vec<Reading> {
    let read = |text: &String| {
        let message = Message::read(text);
        message.reading(message.signs.detect(Some(detected.lang)).lang)
    };
    let readings: Vec<Reading> = lately(heard).iter().map(read).collect();
    let called_off = readings.iter().rposition(|reading| reading.has(Concept::StandDown));
    readings.into_iter().skip(called_off.map_or(0, |at| at + 1)).collect()
}

/// The language to expect: the one the diver wrote before, else the platform's.
fn hint(heard: &Heard) -> Option<Lang> {
    let before = heard.said.iter().rev().map(|text| language::detect(text, None)).find(|detected| detected.sure);
    before.map(|detected| detected.lang).or_else(|| heard.locale.as_deref().and_then(Lang::from_locale))
}

/// The rules found the signs in the words of `found`; a message that says nothing of its language
/// is answered in the one expected.
fn reply_lang(found: Lang, detected: &Detected, hint: Option<Lang>) -> Lang {
    if detected.sure { detected.lang } else { hint.unwrap_or(found) }
}

/// The message as read in its language and those it might be in.
pub(crate) fn readings(message: &str, detected: &Detected) -> Vec<Reading> {
    let message = Message::read(message);
    std::iter::once(detected.lang).chain(detected.rivals.iter().copied()).map(|lang| message.reading(lang)).collect()
}

/// The readings with that one first in which the rules found an emergency, where the words did not tell the language:
/// "no respira" may be three languages, and is meant in the one that knows it.
pub(crate) fn told_first(mut readings: Vec<Reading>, sure: bool) -> Vec<Reading> {
    if !sure && let Some(at) = readings.iter().position(judge::alarms) {
        readings.swap(0, at);
    }
    readings
}

/// Whether the message continues an emergency, or completes the picture of one.
fn with_history(
    classifier: &Classifier,
    message: &str,
    heard: &Heard,
    detected: &Detected,
    readings: &[Reading],
) -> Option<EmergencyKind> {
    let before = lately(heard);
    if before.is_empty() || readings.iter().any(|reading| reading.has(Concept::StandDown)) {
        return None;
    }
    let carries_on = readings.iter().any(judge::carries_on);
    if !carries_on {
        return None;
    }
    let mut stood_down = false;
    for earlier in before.iter().rev() {
        let then = language::detect(earlier, Some(detected.lang));
        let earlier_readings = self::readings(earlier, &then);
        stood_down |= earlier_readings.iter().any(|reading| reading.has(Concept::StandDown));
        if stood_down {
            return None;
        }
        // What was no alarm when it was said, begins none now.
        let opinion = || classifier.opinion(earlier, &earlier_readings, &[]);
        if let Some(kind) = judge::judge(&earlier_readings).kind
            && !matches!(opinion(), Opinion::TakeBack | Opinion::Dismiss)
        {
            return Some(kind);
        }
    }
    if !readings.iter().any(judge::adds) || readings.iter().all(judge::only_asks) {
        return None;
    }
    let joined = format!("{}. {message}", before.join(". "));
    judge::judge(&self::readings(&joined, detected)).kind
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
