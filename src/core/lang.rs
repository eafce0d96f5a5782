//! The eleven languages the daemon speaks by itself.

use serde::{Deserialize, Serialize};

/// A language of the fixed sentences, guards and notices. Models may write in others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English, the fallback.
    #[default]
    En,
    /// Spanish.
    Es,
    /// German.
    De,
    /// French.
    Fr,
    /// Portuguese.
    Pt,
    /// Italian.
    It,
    /// Indonesian.
    Id,
    /// Japanese.
    Ja,
    /// Thai.
    Th,
    /// Arabic.
    Ar,
    /// Chinese.
    Zh,
}

impl Lang {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 11] =
        [Self::En, Self::Es, Self::De, Self::Fr, Self::Pt, Self::It, Self::Id, Self::Ja, Self::Th, Self::Ar, Self::Zh];

    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Pt => "pt",
            Self::It => "it",
            Self::Id => "id",
            Self::Ja => "ja",
            Self::Th => "th",
            Self::Ar => "ar",
            Self::Zh => "zh",
        }
    }

    /// The language of a locale such as `pt-BR`; `None` when it is not one of ours.
    pub fn from_locale(locale: &str) -> Option<Self> {
        let code = locale.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|lang| lang.code().eq_ignore_ascii_case(code))
    }
}
