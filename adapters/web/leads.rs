//! `POST /api/leads`: a diver asks to be put in touch with a professional.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use dovvybuddy_core::lead::{Lead, LeadKind};
use dovvybuddy_core::session::DiverProfile;
use dovvybuddy_core::{LeadId, SessionId};
use email_address::{EmailAddress, Options};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::body::JsonObject;
use crate::client::Client;
use crate::error::{ApiError, ErrorBody};
use crate::form::Form;
use crate::state::App;

/// A diver's request to be put in touch with a professional, as the API's description shows it.
#[derive(Debug, ToSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "requests are read field by field, to name each that is wrong")]
pub(crate) enum LeadRequest {
    /// About training.
    Training(TrainingLead),
    /// About a trip.
    Trip(TripLead),
}

/// A request about training.
#[derive(Debug, ToSchema, Serialize)]
pub(crate) struct TrainingLead {
    /// `training`.
    #[serde(rename = "type")]
    #[schema(rename = "type", pattern = "^training$", example = "training")]
    pub(crate) kind: String,
    /// The form the diver filled in.
    pub(crate) data: TrainingData,
    /// The session it came from; its diver profile goes with the lead.
    #[schema(required = false)]
    pub(crate) session_id: Option<String>,
}

/// A request about a trip.
#[derive(Debug, ToSchema, Serialize)]
pub(crate) struct TripLead {
    /// `trip`.
    #[serde(rename = "type")]
    #[schema(rename = "type", pattern = "^trip$", example = "trip")]
    pub(crate) kind: String,
    /// The form the diver filled in.
    pub(crate) data: TripData,
    /// The session it came from; its diver profile goes with the lead.
    #[schema(required = false)]
    pub(crate) session_id: Option<String>,
}

/// What every form asks.
#[derive(Debug, ToSchema, Serialize)]
pub(crate) struct ContactData {
    /// The diver's name.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    pub(crate) name: String,
    /// Where the professional can answer.
    #[schema(format = "email", max_length = 254)]
    pub(crate) email: String,
    /// A telephone number.
    #[schema(required = false, max_length = 20)]
    pub(crate) phone: Option<String>,
    /// In the diver's own words.
    #[schema(required = false, max_length = 2000)]
    pub(crate) message: Option<String>,
    /// The diver ticked that concerns and health may be passed on.
    #[schema(required = false, default = false)]
    pub(crate) share_concerns: bool,
}

/// The form about training.
#[derive(Debug, ToSchema, Serialize)]
pub(crate) struct TrainingData {
    #[serde(flatten)]
    pub(crate) contact: ContactData,
    /// The certification the diver has.
    #[schema(required = false, max_length = 50)]
    pub(crate) certification_level: Option<String>,
    /// The certification the diver wants.
    #[schema(required = false, max_length = 50)]
    pub(crate) interested_certification: Option<String>,
    /// Where.
    #[schema(required = false, max_length = 100)]
    pub(crate) preferred_location: Option<String>,
}

/// The form about a trip.
#[derive(Debug, ToSchema, Serialize)]
pub(crate) struct TripData {
    #[serde(flatten)]
    pub(crate) contact: ContactData,
    /// Where.
    #[schema(required = false, max_length = 100)]
    pub(crate) destination: Option<String>,
    /// When.
    #[schema(required = false, max_length = 100)]
    pub(crate) travel_dates: Option<String>,
    /// How many divers.
    #[schema(required = false, minimum = 1, maximum = 50)]
    pub(crate) group_size: Option<u32>,
    /// What it may cost.
    #[schema(required = false, max_length = 50)]
    pub(crate) budget: Option<String>,
}

/// A stored lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeadResponse {
    /// Always `true`.
    pub(crate) success: bool,
    /// Its id.
    pub(crate) lead_id: String,
}

/// Ask to be put in touch with a professional. The lead is stored first and delivered afterwards.
#[utoipa::path(post, path = "/api/leads", tag = "leads", request_body = LeadRequest,
    responses(
        (status = 201, description = "Stored", body = LeadResponse),
        (status = 400, description = "Malformed JSON", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "Body over 64 KiB", body = ErrorBody),
        (status = 415, description = "Not JSON", body = ErrorBody),
        (status = 422, description = "Fields that can't be used", body = ErrorBody),
        (status = 429, description = "A limit; see Retry-After", body = ErrorBody),
        (status = 503, description = "The store is away; see Retry-After", body = ErrorBody)))]
pub(crate) async fn leads(
    State(state): State<App>,
    Extension(client): Extension<Arc<Client>>,
    JsonObject(form): JsonObject,
) -> Result<(StatusCode, Json<LeadResponse>), ApiError> {
    let wanted = read(form)?;
    state.limits.leads.check(client.ip).map_err(ApiError::RateLimited)?;
    let (session, profile) = behind(&state, wanted.session, wanted.share_concerns).await?;
    let lead = Lead {
        id: LeadId(state.clock.uuid()),
        bot: state.bot.clone(),
        kind: wanted.kind,
        data: Value::Object(wanted.data),
        session,
        profile,
        created_at: state.clock.now(),
    };
    let notices = (state.lead_notices)(&lead);
    state.store.add_lead(&lead, &notices).await.map_err(|error| ApiError::store(&*state.clock, &error))?;
    tracing::info!(lead = %lead.id, kind = lead.kind.as_str(), deliveries = notices.len(), "a lead was stored");
    metrics::counter!("dovvybuddy_leads_total", "kind" => lead.kind.as_str()).increment(1);
    Ok((StatusCode::CREATED, Json(LeadResponse { success: true, lead_id: lead.id.to_string() })))
}

/// A lead as it was asked for.
#[derive(Debug)]
struct Wanted {
    kind: LeadKind,
    data: Map<String, Value>,
    share_concerns: bool,
    session: Option<SessionId>,
}

fn read(mut form: Form) -> Result<Wanted, ApiError> {
    let kind = match form.string(&["type"]).as_deref() {
        Some("training") => Some(LeadKind::Training),
        Some("trip") => Some(LeadKind::Trip),
        _ => {
            if !form.complains_of("type") {
                form.wrong("type", "must be `training` or `trip`");
            }
            None
        }
    };
    let session = form.string(&["session_id", "sessionId"]).as_deref().and_then(SessionId::parse);
    let mut fields = form.inner("data");
    let mut data = Map::new();
    let mut keep = |name: &str, text: Option<String>| {
        data.extend(text.map(|text| (name.to_owned(), Value::from(text))));
    };
    keep("name", fields.required_text("name", 100));
    keep("email", email(&mut fields));
    keep("phone", fields.text("phone", 20));
    keep("message", fields.text("message", 2000));
    match kind {
        Some(LeadKind::Training) => {
            for (name, most) in
                [("certification_level", 50), ("interested_certification", 50), ("preferred_location", 100)]
            {
                keep(name, fields.text(name, most));
            }
        }
        Some(LeadKind::Trip) => {
            for (name, most) in [("destination", 100), ("travel_dates", 100), ("budget", 50)] {
                keep(name, fields.text(name, most));
            }
            let size = fields.whole_number("group_size", 1, 50);
            data.extend(size.map(|size| ("group_size".to_owned(), Value::from(size))));
        }
        None => {}
    }
    let share_concerns = fields.flag("share_concerns");
    if share_concerns {
        data.insert("share_concerns".to_owned(), Value::Bool(true));
    }
    form.absorb(fields);
    form.finish()?;
    // Without a kind the form was refused above.
    let kind = kind.ok_or(ApiError::Malformed)?;
    Ok(Wanted { kind, data, share_concerns, session })
}

/// An address that a mail server on the internet can be asked to deliver to.
fn email(fields: &mut Form) -> Option<String> {
    let text = fields.required_text("email", 254)?;
    let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
    let valid = EmailAddress::parse_with_options(&text, options).is_ok() && !text.contains('"');
    if !valid {
        fields.wrong("email", "must be a valid email address");
    }
    valid.then_some(text)
}

/// The session a lead came from, and what may be told of its diver.
async fn behind(
    state: &App,
    session: Option<SessionId>,
    share_concerns: bool,
) -> Result<(Option<SessionId>, DiverProfile), ApiError> {
    let Some(id) = session else { return Ok((None, DiverProfile::default())) };
    let found = state.store.session_by_id(&state.bot, id, 0).await;
    let found = found.map_err(|error| ApiError::store(&*state.clock, &error))?;
    let now = state.clock.now();
    let session = found.filter(|s| s.conversation == state.conversation(id) && !s.expired(now));
    Ok(match session {
        Some(session) => (Some(session.id), session.profile.shareable(share_concerns)),
        None => (None, DiverProfile::default()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value) -> Result<Wanted, Vec<String>> {
        let form = crate::body::parse(value.to_string().as_bytes()).unwrap();
        read(form).map_err(|error| match error {
            ApiError::Invalid(details) => details.into_iter().map(|d| d.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_form_is_taken_as_the_diver_sent_it() {
        let wanted = check(&json!({"type": "trip", "data": {"name": " Ana ", "email": "ana@example.com",
            "group_size": 4, "budget": "", "phone": null, "certification_level": "OW", "hidden": 1}}))
        .unwrap();
        assert_eq!(Value::Object(wanted.data), json!({"name": "Ana", "email": "ana@example.com", "group_size": 4}));
    }

    #[test]
    fn everything_wrong_is_named() {
        let wrong = json!({"type": "trip", "data": {"email": "ana@", "group_size": 51, "phone": "1".repeat(21),
            "destination": "x".repeat(101), "message": "x".repeat(2001), "budget": 7}});
        assert_eq!(
            check(&wrong).unwrap_err(),
            [
                "data.name",
                "data.email",
                "data.phone",
                "data.message",
                "data.destination",
                "data.budget",
                "data.group_size"
            ]
        );
        assert_eq!(check(&json!({})).unwrap_err(), ["type", "data"]);
        assert_eq!(check(&json!({"type": "dive", "data": "x"})).unwrap_err(), ["type", "data"]);
    }

    #[test]
    fn only_deliverable_addresses_are_valid() {
        let valid = |email: &str| check(&json!({"type": "trip", "data": {"name": "A", "email": email}})).is_ok();
        for good in ["ana@example.com", "ana.b+dive@sub.example.co", "潜水@example.jp"] {
            assert!(valid(good), "{good}");
        }
        for bad in [
            "ana",
            "@example.com",
            "ana@",
            "ana@localhost",
            "a b@example.com",
            "ana@exa mple.com",
            "Ana <ana@example.com>",
            "ana@example.com\r\nBcc: x@y.com",
            "\"a b\"@example.com",
            "ana@[127.0.0.1]",
            "ana@example.com, b@example.com",
        ] {
            assert!(!valid(bad), "{bad}");
        }
    }

    #[test]
    fn concerns_are_shared_only_when_ticked() {
        let Value::Object(fields) = json!({"cert_level": "OW", "concerns": ["asthma"], "medication": "x"}) else {
            panic!()
        };
        let profile = dovvybuddy_core::session::DiverProfile::read(fields);
        let kept = profile.clone().shareable(false);
        assert_eq!((kept.cert_level.as_deref(), kept.concerns.len(), kept.other.len()), (Some("OW"), 0, 0));
        assert_eq!(profile.clone().shareable(true), profile);
    }
}
