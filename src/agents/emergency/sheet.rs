//! The replies of one language, as they stand in its file: one that a physician can read and sign.

use std::collections::HashMap;

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::EmergencyKind;
use serde::Deserialize;

use super::ReplyError;
use super::hotlines::Region;
use super::question::Topic;
use crate::by_language::file_of;

/// The replies of one language.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sheet {
    /// Who signed the sentences off, and when; empty until then.
    #[allow(dead_code, reason = "for the people who read the file")]
    reviewed: String,
    /// The label before the emergency services' number.
    pub(super) services: String,
    /// The label before the dive-medicine hotline.
    pub(super) hotline: String,
    /// The label before the crisis line.
    pub(super) crisis: String,
    /// The label before the operator's emergency contacts.
    pub(super) operator: String,
    /// How to say that it is no emergency.
    pub(super) closing: String,
    /// Answers "I feel fine now" where it may be decompression illness.
    pub(super) fine: String,
    /// The same for every other kind. A file of an operator may not have it yet.
    #[serde(default)]
    pub(super) better: Option<String>,
    /// Acknowledges that it is no emergency.
    pub(super) stood_down: String,
    /// What stays true after that of signs that follow a dive.
    #[serde(default)]
    caution: Option<String>,
    /// Answers the same words while no emergency is open.
    #[serde(default)]
    pub(super) none_open: Option<String>,
    /// Stands for the next step where an answer makes that step odd.
    #[serde(default)]
    reminder: Option<String>,
    /// What a number is for, by the names that the hotlines use.
    #[serde(default)]
    numbers: HashMap<String, String>,
    /// One sentence for each topic that may be asked about: for the kinds its key names, or for `any`.
    #[serde(default)]
    answers: HashMap<String, HashMap<String, String>>,
    #[serde(flatten)]
    kinds: HashMap<String, Words>,
}

/// The words for one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    /// The first reply: what to do now, in order.
    pub(super) first: String,
    /// What to tell the helpers.
    pub(super) helpers: String,
    /// The replies after it, one for each further message; the last ones repeat.
    pub(super) next: Vec<String>,
    /// Answers "I feel fine now" where the sheet's own sentences do not fit the kind.
    #[serde(default)]
    pub(super) fine: Option<String>,
    /// Ends the replies where the sheet's own sentence does not fit the kind.
    #[serde(default)]
    pub(super) closing: Option<String>,
}

/// The file of a language as it was shipped.
pub(super) const fn compiled_in(lang: Lang) -> &'static str {
    file_of!(lang, "../../../content/emergency/replies/")
}

impl Sheet {
    /// Reads a file.
    pub(super) fn parse(file: &str, source: &str) -> Result<Self, ReplyError> {
        let sheet: Self = toml::from_str(source)
            .map_err(|source| ReplyError::Toml { file: file.to_owned(), source: Box::new(source) })?;
        for kind in EmergencyKind::ALL {
            if sheet.kinds.get(kind.as_str()).is_some_and(|words| words.next.is_empty()) {
                return Err(ReplyError::MissingKind { file: file.to_owned(), kind: kind.as_str() });
            }
        }
        Ok(sheet)
    }

    /// Takes from the sheet that is compiled in what an operator's older file does not have yet.
    pub(super) fn completed(mut self, lang: Lang) -> Result<Self, ReplyError> {
        let shipped = Self::parse(lang.code(), compiled_in(lang))?;
        self.better = self.better.or(shipped.better);
        self.caution = self.caution.or(shipped.caution);
        self.none_open = self.none_open.or(shipped.none_open);
        self.reminder = self.reminder.or(shipped.reminder);
        for (name, label) in shipped.numbers {
            self.numbers.entry(name).or_insert(label);
        }
        for (topic, sentences) in shipped.answers {
            self.answers.entry(topic).or_insert(sentences);
        }
        for (kind, words) in shipped.kinds {
            self.kinds.entry(kind).or_insert(words);
        }
        Ok(self)
    }

    /// The words for a kind.
    pub(super) fn words(&self, kind: EmergencyKind) -> Option<&Words> {
        self.kinds.get(kind.as_str())
    }

    /// The sentence that answers a topic in an emergency of `kind`.
    pub(super) fn answer(&self, topic: Topic, kind: EmergencyKind) -> Option<&str> {
        let sentences = self.answers.get(topic.key())?;
        let names = |key: &str| key.split([',', ' ']).any(|name| name == kind.as_str());
        let own = sentences.iter().find(|(key, _)| names(key));
        // What is said of bodies is said to nobody who thinks of dying.
        let any = (kind != EmergencyKind::Suicide).then(|| sentences.get("any")).flatten();
        own.map(|(_, sentence)| sentence).or(any).map(|sentence| sentence.trim())
    }

    /// The reminder that stands for the next step; a search and thoughts of suicide have none but their steps.
    pub(super) fn reminder(&self, kind: EmergencyKind) -> Option<&str> {
        let of_body = !matches!(kind, EmergencyKind::MissingDiver | EmergencyKind::Suicide);
        self.reminder.as_deref().filter(|_| of_body).map(str::trim)
    }

    /// The answer to the diver's word that it is none.
    pub(super) fn stood_down(&self, kind: EmergencyKind) -> String {
        // Wounds, stings, searches and despair are over when they are; signs after a dive come back.
        let over = matches!(
            kind,
            EmergencyKind::Suicide
                | EmergencyKind::MissingDiver
                | EmergencyKind::Bleeding
                | EmergencyKind::Envenomation
                | EmergencyKind::SeafoodPoisoning
        );
        match self.caution.as_deref().filter(|_| !over) {
            Some(caution) => format!("{}\n\n{}", self.stood_down.trim(), caution.trim()),
            None => self.stood_down.clone(),
        }
    }

    /// The emergency services of a region, each number with what it is for.
    pub(super) fn services_of(&self, region: &Region) -> String {
        if region.services.is_empty() {
            return region.emergency.clone();
        }
        let named = |service: &super::hotlines::Service| match (&*service.number, self.numbers.get(&service.of)) {
            ("", Some(label)) => label.clone(),
            (number, Some(label)) => format!("{number} ({label})"),
            (number, None) => number.to_owned(),
        };
        let named: Vec<String> = region.services.iter().map(named).filter(|text| !text.is_empty()).collect();
        named.join(" · ")
    }
}
