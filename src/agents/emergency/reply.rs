//! The words that answer an emergency: one file per language that a physician can read and sign.

use std::collections::HashMap;
use std::path::Path;

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::{EmergencyKind, Heard, StandingEmergency};

use super::hotlines::{self, Hotline, Hotlines, Region};
use super::question::Topic;
use super::sheet::{self, Sheet};
use crate::Operator;

/// Why replies or hotlines can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// The file is no TOML of the expected form; the message names the line.
    #[error("{file}: {source}")]
    Toml {
        /// The file.
        file: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A kind of emergency has no words for what comes after the first reply.
    #[error("{file}: the section [{kind}] has no `next`")]
    MissingKind {
        /// The file.
        file: String,
        /// The kind without words.
        kind: &'static str,
    },
    /// A region has no emergency number.
    #[error("{file}: the region {region:?} has neither `emergency` nor `services`")]
    NoNumber {
        /// The file.
        file: String,
        /// The region.
        region: String,
    },
    /// The hotlines lack the region used when none is known.
    #[error("{file}: a region with id \"international\" is needed")]
    NoInternational {
        /// The file.
        file: String,
    },
    /// The file is there but can't be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

const HOTLINES: &str = include_str!("../../../content/emergency/hotlines.toml");

/// All replies, with the numbers and the operator's contacts.
#[derive(Debug)]
pub(super) struct Replies {
    sheets: HashMap<Lang, Sheet>,
    hotlines: Hotlines,
    contacts: Vec<String>,
    faults: Vec<ReplyError>,
}

impl Replies {
    /// Reads the files under `content_dir`; what is missing there is taken from the binary.
    pub(super) fn load(content_dir: Option<&Path>, operator: &Operator) -> Result<Self, ReplyError> {
        let mut sheets = HashMap::new();
        let mut faults = Vec::new();
        for lang in Lang::ALL {
            let name = format!("emergency/replies/{}.toml", lang.code());
            let sheet = read(content_dir, &name, sheet::compiled_in(lang), Sheet::parse, &mut faults)?;
            sheets.insert(lang, sheet.completed(lang)?);
        }
        let hotlines = read(content_dir, "emergency/hotlines.toml", HOTLINES, Hotlines::parse, &mut faults)?;
        Ok(Self { sheets, hotlines, contacts: operator.emergency_contacts.clone(), faults })
    }

    /// The same, if no file is broken.
    pub(super) fn flawless(mut self) -> Result<Self, ReplyError> {
        if self.faults.is_empty() { Ok(self) } else { Err(self.faults.remove(0)) }
    }

    /// The files for which the built-in words stand in.
    pub(super) fn faults(&self) -> &[ReplyError] {
        &self.faults
    }

    pub(super) const fn hotlines(&self) -> &Hotlines {
        &self.hotlines
    }

    /// The answer to the diver's word that an emergency of `kind` is none.
    pub(super) fn stood_down(&self, lang: Lang, kind: EmergencyKind) -> String {
        self.sheet(lang).map_or_else(String::new, |sheet| sheet.stood_down(kind))
    }

    /// The answer to the same words while none is open.
    pub(super) fn none_open(&self, lang: Lang) -> Option<String> {
        self.sheet(lang)?.none_open.clone()
    }

    /// The reply about a standing emergency. `topics` are what was asked, `fine` whether it is said to be better.
    pub(super) fn compose(
        &self,
        message: &str,
        heard: &Heard,
        lang: Lang,
        standing: &StandingEmergency,
        topics: &[Topic],
        fine: bool,
    ) -> String {
        let StandingEmergency { kind, replies, .. } = *standing;
        let Some(sheet) = self.sheet(lang) else { return String::new() };
        let Some(words) = sheet.words(kind) else { return String::new() };
        let numbers = self.numbers(sheet, kind, self.region(message, heard));
        let closing = words.closing.as_deref().unwrap_or(&sheet.closing).trim();
        let answered = |topic: &&Topic| replies > 1 || topic.at_once();
        let answers: Vec<(Topic, &str)> =
            topics.iter().filter(answered).filter_map(|topic| Some((*topic, sheet.answer(*topic, kind)?))).collect();
        let answers_call = answers.iter().any(|(topic, _)| *topic == Topic::Call);
        let mut parts: Vec<&str> = answers.iter().map(|(_, sentence)| *sentence).collect();
        if replies > 1 && answers.iter().any(|(topic, _)| topic.ends_steps()) {
            parts.extend([words.helpers.trim(), closing]);
        } else if replies <= 1 {
            parts.extend([words.first.trim(), numbers.as_str(), words.helpers.trim(), closing]);
        } else {
            if answers_call {
                parts.push(&numbers);
            }
            if fine {
                let bubbles = matches!(kind, EmergencyKind::DecompressionIllness | EmergencyKind::Unspecified);
                let general = if bubbles { None } else { sheet.better.as_deref() };
                parts.push(words.fine.as_deref().or(general).unwrap_or(&sheet.fine).trim());
            }
            let reminder = sheet.reminder(kind).filter(|_| answers.iter().any(|(topic, _)| topic.instead_of_steps()));
            let step = usize::try_from(replies - 2).unwrap_or(usize::MAX);
            // The first step asks for the oxygen that was just told of.
            let step = if answers.iter().any(|(topic, _)| *topic == Topic::OxygenOn) { step.max(1) } else { step };
            let next = words.next.get(step).or_else(|| words.next.get(step % words.next.len().max(1)));
            parts.extend(reminder.or_else(|| next.map(|text| text.trim())));
            if !answers_call {
                parts.push(&numbers);
            }
            parts.push(closing);
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }

    /// The numbers for somebody who asks for them while nobody is in danger.
    pub(super) fn helplines(&self, message: &str, heard: &Heard, lang: Lang) -> String {
        let region = self.region(message, heard);
        self.sheet(lang).map_or_else(String::new, |sheet| self.numbers(sheet, EmergencyKind::Unspecified, region))
    }

    fn sheet(&self, lang: Lang) -> Option<&Sheet> {
        self.sheets.get(&lang).or_else(|| self.sheets.get(&Lang::En))
    }

    /// The lines with the numbers that fit the kind and the region.
    fn numbers(&self, sheet: &Sheet, kind: EmergencyKind, region: Option<&Region>) -> String {
        let mut lines = Vec::new();
        if let Some(region) = region {
            lines.push(format!("{}: {}", sheet.services, sheet.services_of(region)));
            if kind == EmergencyKind::Suicide {
                lines.extend(region.crisis.as_ref().map(|line| labelled(&sheet.crisis, std::slice::from_ref(line))));
            } else if !region.dive.is_empty() {
                lines.push(labelled(&sheet.hotline, &region.dive));
            }
        }
        if !self.contacts.is_empty() && kind != EmergencyKind::Suicide {
            lines.push(format!("{}: {}", sheet.operator, self.contacts.join(" · ")));
        }
        lines.join("\n")
    }

    /// The region from the diver's words, newest first, then where the emergency stands, then the profile, then the
    /// locale.
    fn region(&self, message: &str, heard: &Heard) -> Option<&Region> {
        let (hotlines, standing) = (&self.hotlines, heard.standing.as_ref());
        let said = heard.said.iter().rev().map(String::as_str);
        let mut texts = std::iter::once(message).chain(said);
        texts
            .find_map(|text| hotlines.named_in(text))
            .or_else(|| hotlines.by_id(standing?.region.as_deref()?))
            .or_else(|| hotlines.named_in(heard.region.as_deref()?))
            .or_else(|| hotlines.of_country(heard.locale.as_deref()?.split(['-', '_']).nth(1)?))
            .or_else(|| hotlines.by_id(hotlines::INTERNATIONAL))
    }

    /// The id of the region that a message or what was said before it names.
    pub(super) fn region_id(&self, message: &str, heard: &Heard) -> Option<String> {
        self.region(message, heard).map(|region| region.id.clone()).filter(|id| id != hotlines::INTERNATIONAL)
    }
}

fn labelled(label: &str, lines: &[Hotline]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("{} {}", line.name, line.number)).collect();
    format!("{label}: {}", lines.join(" · "))
}

/// The file under `dir` if it is there and can be read, else the compiled-in text. A slip in a file must
/// not leave divers without words in an emergency; it is named in the log.
fn read<T>(
    dir: Option<&Path>,
    name: &str,
    compiled_in: &str,
    parse: impl Fn(&str, &str) -> Result<T, ReplyError>,
    faults: &mut Vec<ReplyError>,
) -> Result<T, ReplyError> {
    if let Some(path) = dir.map(|dir| dir.join(name)).filter(|path| path.exists()) {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|source| ReplyError::Io { file: file.clone(), source });
        match text.and_then(|text| parse(&file, &text)) {
            Ok(read) => return Ok(read),
            Err(error) => {
                tracing::error!(%error, "an emergency file can't be used; the built-in words stand in for it");
                faults.push(error);
            }
        }
    }
    parse(name, compiled_in)
}
