//! The words that answer an emergency: one file per language that a physician can read and sign.

use std::collections::HashMap;
use std::path::Path;

use dovvybuddy_core::Lang;
use dovvybuddy_core::guard::{EmergencyKind, Heard};
use serde::Deserialize;

use super::hotlines::{Hotline, Hotlines, Region};
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
    /// A kind of emergency has no words.
    #[error("{file}: the section [{kind}] is missing")]
    MissingKind {
        /// The file.
        file: String,
        /// The kind without words.
        kind: &'static str,
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

/// The replies of one language.
#[derive(Debug, Clone, Deserialize)]
struct Sheet {
    /// Who signed the sentences off, and when; empty until then.
    #[allow(dead_code, reason = "for the people who read the file")]
    reviewed: String,
    /// The label before the emergency services' number.
    services: String,
    /// The label before the dive-medicine hotline.
    hotline: String,
    /// The label before the crisis line.
    crisis: String,
    /// The label before the operator's emergency contacts.
    operator: String,
    /// How to say that it is no emergency.
    closing: String,
    /// Answers "I feel fine now" where it may be decompression illness.
    fine: String,
    /// The same for every other kind. A file of an operator may not have it yet.
    #[serde(default)]
    better: Option<String>,
    /// Acknowledges that it is no emergency.
    stood_down: String,
    #[serde(flatten)]
    kinds: HashMap<String, Words>,
}

/// The words for one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// The first reply: what to do now, in order.
    first: String,
    /// What to tell the helpers.
    helpers: String,
    /// The replies after it, one for each further message; the last ones repeat.
    next: Vec<String>,
    /// Answers "I feel fine now" where the sheet's own sentences do not fit the kind.
    #[serde(default)]
    fine: Option<String>,
    /// Ends the replies where the sheet's own sentence does not fit the kind.
    #[serde(default)]
    closing: Option<String>,
}

macro_rules! sheets {
    ($($lang:ident $code:literal,)*) => {
        const fn compiled_in(lang: Lang) -> &'static str {
            match lang {
                $(Lang::$lang => include_str!(concat!("../../../content/emergency/replies/", $code, ".toml")),)*
            }
        }
    };
}

sheets! {
    En "en", Es "es", De "de", Fr "fr", Pt "pt", It "it", Id "id", Ja "ja", Th "th", Ar "ar", Zh "zh",
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
            sheets.insert(lang, read(content_dir, &name, compiled_in(lang), parse, &mut faults)?);
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

    /// The answer to the diver's word that it is none.
    pub(super) fn stood_down(&self, lang: Lang) -> String {
        self.sheet(lang).map_or_else(String::new, |sheet| sheet.stood_down.clone())
    }

    /// The reply number `replies` about an emergency of `kind`.
    pub(super) fn compose(
        &self,
        message: &str,
        heard: &Heard,
        lang: Lang,
        kind: EmergencyKind,
        replies: u32,
        fine: bool,
    ) -> String {
        let Some(sheet) = self.sheet(lang) else { return String::new() };
        let Some(words) = sheet.kinds.get(kind.as_str()) else { return String::new() };
        let numbers = self.numbers(sheet, kind, self.region(message, heard));
        let closing = words.closing.as_deref().unwrap_or(&sheet.closing).trim();
        let mut parts: Vec<&str> = Vec::new();
        if replies <= 1 {
            parts.extend([words.first.trim(), numbers.as_str(), words.helpers.trim(), closing]);
        } else {
            if fine {
                let bubbles = matches!(kind, EmergencyKind::DecompressionIllness | EmergencyKind::Unspecified);
                let general = if bubbles { None } else { sheet.better.as_deref() };
                parts.push(words.fine.as_deref().or(general).unwrap_or(&sheet.fine).trim());
            }
            let step = usize::try_from(replies - 2).unwrap_or(usize::MAX);
            let next = words.next.get(step).or_else(|| words.next.get(step % words.next.len().max(1)));
            parts.extend(next.map(|text| text.trim()));
            parts.extend([numbers.as_str(), closing]);
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
            lines.push(format!("{}: {}", sheet.services, region.emergency));
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

    /// The region from the diver's words, newest first, then the profile, then the locale.
    fn region(&self, message: &str, heard: &Heard) -> Option<&Region> {
        let mut words = vec![message];
        words.extend(heard.said.iter().rev().map(String::as_str));
        words.extend(heard.region.as_deref());
        let country = heard.locale.as_deref().and_then(|locale| locale.split(['-', '_']).nth(1));
        self.hotlines.region(&words, country)
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

fn parse(file: &str, source: &str) -> Result<Sheet, ReplyError> {
    let sheet: Sheet = toml::from_str(source)
        .map_err(|source| ReplyError::Toml { file: file.to_owned(), source: Box::new(source) })?;
    for kind in EmergencyKind::ALL {
        if sheet.kinds.get(kind.as_str()).is_none_or(|words| words.next.is_empty()) {
            return Err(ReplyError::MissingKind { file: file.to_owned(), kind: kind.as_str() });
        }
    }
    Ok(sheet)
}
