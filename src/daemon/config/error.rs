//! What is wrong with a configuration, in words that name the key and show no secret.

use figment::error::Kind;

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// A key nobody knows.
    #[error("unknown key `{key}`{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// The key, with its sections.
        key: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// A value that can't be.
    #[error("`{key}`: {expected}")]
    Invalid {
        /// The key, with its sections.
        key: String,
        /// What was expected.
        expected: String,
    },
    /// A file that can't be read.
    #[error("{0}")]
    File(String),
}

impl ConfigError {
    /// A value that can't be.
    pub(crate) fn invalid(key: &str, expected: impl Into<String>) -> Self {
        Self::Invalid { key: key.to_owned(), expected: expected.into() }
    }

    /// The figment library's error, without the values it would print.
    pub(crate) fn from_figment(error: &figment::Error) -> Self {
        let path = error.path.join(".");
        match &error.kind {
            Kind::UnknownField(field, known) => Self::Unknown {
                key: if path.is_empty() || path.ends_with(field.as_str()) {
                    joined(&path, field)
                } else {
                    format!("{path}.{field}")
                },
                nearest: nearest(field, known.iter().copied()),
            },
            Kind::MissingField(field) => Self::invalid(&joined(&path, field), "is missing"),
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                Self::invalid(&path, format!("expected {expected}"))
            }
            Kind::UnknownVariant(_, known) => Self::invalid(&path, format!("expected one of {}", known.join(", "))),
            Kind::Message(message) if path.is_empty() => Self::File(message.clone()),
            other => Self::invalid(&path, other.to_string()),
        }
    }
}

fn joined(path: &str, field: &str) -> String {
    match path {
        "" => field.to_owned(),
        path if path.rsplit('.').next() == Some(field) => path.to_owned(),
        path => format!("{path}.{field}"),
    }
}

/// The known word most like `word`, if any is.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
