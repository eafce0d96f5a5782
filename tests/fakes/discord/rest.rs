//! The REST half: authorization, limits, ordered faults, and the routes a bot uses.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::limits::{self, Verdict};
use super::world::{Fault, Request, Shared, World, lock};
use super::{interactions, messages, wire};

/// A refusal with Discord's own code.
pub(super) struct Refused(pub(super) u16, pub(super) u32, pub(super) &'static str);

pub(super) type Answer = Result<(StatusCode, Value), Refused>;

pub(super) const INVALID_FORM: Refused = Refused(400, 50_035, "Invalid Form Body");
pub(super) const UNKNOWN_CHANNEL: Refused = Refused(404, 10_003, "Unknown Channel");
pub(super) const UNKNOWN_MESSAGE: Refused = Refused(404, 10_008, "Unknown Message");
const UNAUTHORIZED: Refused = Refused(401, 0, "401: Unauthorized");
const NOT_FOUND: Refused = Refused(404, 0, "404: Not Found");

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({ "message": self.2, "code": self.1 });
        (status, axum::Json(body)).into_response()
    }
}

pub(super) async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/api/v10").unwrap_or_default().to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let shown = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
    let fault = lock(&shared).fault(&format!("{method} {path}"));
    if let Some(Fault::Late(pause)) = fault {
        tokio::time::sleep(pause).await;
    }
    let hang = fault == Some(Fault::Hang);
    let lose = fault == Some(Fault::LoseAnswer);
    let response = answer(&shared, &method, &path, &query, &headers, &body, fault.as_ref());
    let status = response.status().as_u16();
    {
        let mut world = lock(&shared);
        if matches!(status, 401 | 403 | 429) {
            world.limits.invalid(Instant::now());
        }
        world.requests.push(Request { method: method.to_string(), path: shown, status, at: Instant::now() });
    }
    if hang {
        std::future::pending::<()>().await;
    }
    if lose { lost() } else { response }
}

/// An answer that breaks off before its first byte of body.
fn lost() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost on the way")) });
    ([(header::CONTENT_LENGTH, "100")], Body::from_stream(broken)).into_response()
}

fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
    fault: Option<&Fault>,
) -> Response {
    let mut world = lock(shared);
    match fault {
        Some(Fault::Status(code)) => return Refused(*code, 0, "as ordered").into_response(),
        Some(Fault::RateLimited { retry_after, global }) => return too_many(*retry_after, *global),
        Some(Fault::Html502) => return bad_gateway(),
        Some(Fault::Hang) => return StatusCode::OK.into_response(),
        _ if world.down => return bad_gateway(),
        _ => {}
    }
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    // Tokens of interactions are their own authorization, and they don't count against the whole.
    let own_token = matches!(segments.as_slice(), ["interactions" | "webhooks", ..]);
    if !own_token && !authorized(&world, headers) {
        return UNAUTHORIZED.into_response();
    }
    let now = Instant::now();
    let bucket = bucket_of(method, &segments);
    let passed = match world.limits.take(&bucket, !own_token, now) {
        Verdict::Pass(passed) => passed,
        Verdict::Limited { retry_after, global } => return too_many(retry_after, global),
        Verdict::Banned => return (StatusCode::FORBIDDEN, "<html>error code: 1015</html>").into_response(),
    };
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap_or(Value::Null) };
    let answer = route(&mut world, method, &segments, query, &body);
    let limits = world.limits.headers(&bucket, passed, now);
    let mut response = match answer {
        Ok((status, Value::Null)) => status.into_response(),
        Ok((status, value)) => (status, axum::Json(value)).into_response(),
        Err(refused) => refused.into_response(),
    };
    response.headers_mut().extend(limits);
    response
}

fn too_many(retry_after: f64, global: bool) -> Response {
    let body = json!({ "message": "You are being rate limited.", "retry_after": retry_after, "global": global });
    (StatusCode::TOO_MANY_REQUESTS, limits::limited(retry_after, global), axum::Json(body)).into_response()
}

fn bad_gateway() -> Response {
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html")], "<html><h1>502 Bad Gateway</h1></html>")
        .into_response()
}

fn authorized(world: &World, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    world.token.as_ref().is_some_and(|token| given == format!("Bot {token}"))
}

/// Requests share a bucket when method, route and major parameter are the same.
fn bucket_of(method: &Method, segments: &[&str]) -> String {
    let major = segments.get(..2).unwrap_or(segments).join("/");
    let rest: Vec<&str> =
        segments.iter().skip(2).map(|s| if s.chars().all(|c| c.is_ascii_digit()) { ":id" } else { *s }).collect();
    format!("{method} {major}/{}", rest.join("/"))
}

fn route(world: &mut World, method: &Method, segments: &[&str], query: &str, body: &Value) -> Answer {
    match (method.as_str(), segments) {
        ("GET", ["gateway", "bot"]) => Ok((StatusCode::OK, gateway(world))),
        ("GET", ["users", "@me"]) => {
            let itself = world.users.get(&world.bot).map_or(Value::Null, wire::user);
            Ok((StatusCode::OK, itself))
        }
        ("GET", ["applications", "@me"]) => Ok((StatusCode::OK, application(world))),
        ("POST", ["users", "@me", "channels"]) => open_direct(world, body),
        ("PUT", ["applications", id, "commands"]) if id_of(id) == world.application => register(world, body),
        ("GET", ["applications", id, "commands"]) if id_of(id) == world.application => {
            Ok((StatusCode::OK, world.commands.clone()))
        }
        ("GET", ["channels", id]) => {
            let channel = world.channels.get(&id_of(id)).ok_or(UNKNOWN_CHANNEL)?;
            Ok((StatusCode::OK, wire::channel(channel)))
        }
        ("POST", ["channels", id, "typing"]) => messages::typing(world, id_of(id)),
        ("GET", ["channels", id, "messages"]) => messages::list(world, id_of(id), query),
        ("POST", ["channels", id, "messages"]) => messages::create(world, id_of(id), body),
        ("PATCH", ["channels", id, "messages", message]) => messages::edit(world, id_of(id), id_of(message), body),
        ("DELETE", ["channels", id, "messages", message]) => messages::delete(world, id_of(id), id_of(message)),
        ("POST", ["interactions", id, token, "callback"]) => interactions::callback(world, id_of(id), token, body),
        ("POST", ["webhooks", id, token]) if id_of(id) == world.application => {
            interactions::follow_up(world, token, body)
        }
        ("PATCH", ["webhooks", id, token, "messages", message]) if id_of(id) == world.application => {
            interactions::edit(world, token, message, body)
        }
        _ => Err(NOT_FOUND),
    }
}

pub(super) fn id_of(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn gateway(world: &World) -> Value {
    json!({
        "url": format!("{}/gateway", world.base.replacen("http", "ws", 1)),
        "shards": world.settings.shards,
        "session_start_limit": {
            "total": 1000, "remaining": 1000_usize.saturating_sub(world.counts.identified),
            "reset_after": 14_400_000, "max_concurrency": 1,
        },
    })
}

fn application(world: &World) -> Value {
    // 1 << 19: Message Content is allowed to applications in fewer than 100 guilds.
    let flags = if world.settings.message_content { 1 << 19 } else { 0 };
    json!({
        "id": world.application.to_string(), "name": "DovvyBuddy", "flags": flags,
        "verify_key": super::public_key(), "bot": world.users.get(&world.bot).map(wire::user),
        "interactions_endpoint_url": world.endpoint,
    })
}

fn open_direct(world: &mut World, body: &Value) -> Answer {
    let user = id_of(body["recipient_id"].as_str().unwrap_or_default());
    if !world.users.contains_key(&user) {
        return Err(Refused(400, 50_033, "Invalid Recipient(s)"));
    }
    let id = world.direct(user);
    let channel = world.channels.get(&id).ok_or(UNKNOWN_CHANNEL)?;
    Ok((StatusCode::OK, wire::channel(channel)))
}

/// Locales that names and descriptions may be given in.
const LOCALES: [&str; 31] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR",
    "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW",
];

fn register(world: &mut World, body: &Value) -> Answer {
    let commands = body.as_array().ok_or(INVALID_FORM)?;
    let sound = commands
        .iter()
        .all(|command| named(command) && command["options"].as_array().is_none_or(|options| options.iter().all(named)));
    if !sound || commands.len() > 100 {
        return Err(INVALID_FORM);
    }
    world.commands = body.clone();
    Ok((StatusCode::OK, body.clone()))
}

/// Whether a command or option is named and described as the platform demands, in every language given.
fn named(thing: &Value) -> bool {
    let name = |name: &str| {
        let fits =
            |c: char| c == '-' || c == '_' || c == '\'' || c.is_alphanumeric() || ('\u{e00}'..='\u{e7f}').contains(&c);
        (1..=32).contains(&name.chars().count()) && name.chars().all(fits) && name.to_lowercase() == name
    };
    let described = |text: &str| (1..=100).contains(&text.chars().count());
    let every = |map: &Value, check: &dyn Fn(&str) -> bool| {
        map.as_object().is_none_or(|map| {
            map.iter().all(|(locale, text)| LOCALES.contains(&locale.as_str()) && text.as_str().is_some_and(check))
        })
    };
    thing["name"].as_str().is_some_and(name)
        && thing["description"].as_str().is_some_and(described)
        && every(&thing["name_localizations"], &name)
        && every(&thing["description_localizations"], &described)
}
