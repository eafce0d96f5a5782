//! `GET /api/about`: whose bot this is, and a front end's own words in the diver's language.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use dovvybuddy_core::Lang;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::page::words;
use crate::passages::parameter;
use crate::state::{App, Inner};

/// What a front end shows besides the conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct About {
    /// The language of `words`.
    #[schema(example = "en")]
    pub(crate) lang: &'static str,
    /// All languages there are words in.
    pub(crate) languages: Vec<LanguageName>,
    /// Who runs the bot.
    pub(crate) operator: OperatorCard,
    /// The front end's own words; their names are not part of the contract.
    #[schema(value_type = Object)]
    pub(crate) words: &'static Value,
}

/// A language and its own name for itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanguageName {
    /// The ISO 639-1 code.
    pub(crate) code: &'static str,
    /// Its name, in that language.
    pub(crate) name: &'static str,
}

/// Who runs the bot; leads go there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorCard {
    /// The name.
    pub(crate) name: Option<String>,
    /// Where to reach them.
    pub(crate) contact: Option<String>,
}

impl About {
    pub(crate) fn new(state: &Inner, lang: Lang) -> Self {
        let named = |lang: Lang| LanguageName { code: lang.code(), name: words::name(lang) };
        Self {
            lang: lang.code(),
            languages: Lang::ALL.into_iter().map(named).collect(),
            operator: OperatorCard {
                name: state.config.operator_name.clone(),
                contact: state.config.operator_contact.clone(),
            },
            words: words::of(lang),
        }
    }
}

/// Whose bot this is, and the words of the page and the widget.
#[utoipa::path(get, path = "/api/about", tag = "page",
    params(("lang" = Option<String>, Query, description = "A language such as `de`; by default what the browser asks for")),
    responses((status = 200, description = "What a front end shows besides the conversation", body = About)))]
pub(crate) async fn about(State(state): State<App>, RawQuery(query): RawQuery, headers: HeaderMap) -> Json<About> {
    let wanted = query.and_then(|query| parameter(&query, "lang"));
    Json(About::new(&state, words::negotiate(wanted.as_deref(), &headers)))
}
