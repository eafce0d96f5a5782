//! What is remembered: the session, its messages, and the diver behind it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::guard::StandingEmergency;
use crate::ids::{ConversationKey, SessionId, TurnId};
use crate::lang::Lang;
use crate::reply::Reply;
use crate::summary;

/// A session ends after this long without a message.
pub const SESSION_IDLE: Duration = Duration::from_hours(24);

/// The note of when an emergency was last called off, in milliseconds.
const STOOD_DOWN: &str = "stood_down_at";

/// The most a session's notes and a profile's unknown fields may hold, in bytes of JSON. Clients write
/// to both, and what they write must not grow without end.
const MOST_NOTES: usize = 16 * 1024;

/// Stands in a session's notes while the last reply offered to put the diver in touch with a person.
pub const OFFERED: &str = "offered";
/// The questions back that were asked in a session, among its notes.
pub const ASKED_BACK: &str = "asked_back";

/// One diver's running conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The id shown outside.
    pub id: SessionId,
    /// Where it takes place.
    pub conversation: ConversationKey,
    /// What is known of the diver.
    pub profile: DiverProfile,
    /// The conversation's own notes (`context_mode`, `last_intent`, …), an object.
    pub state: Map<String, Value>,
    /// Set while an emergency stands in this conversation.
    pub emergency: Option<StandingEmergency>,
    /// The newest messages, oldest first, as many as were asked for.
    pub history: Vec<Message>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub updated_at: Timestamp,
}

impl Session {
    /// What the diver said in it, oldest first; what came before an emergency was called off is over.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        let over = self.state.get(STOOD_DOWN).and_then(Value::as_i64);
        let counts = move |message: &&Message| {
            message.role == Role::User && over.is_none_or(|over| message.created_at.as_millis() > over)
        };
        self.history.iter().filter(counts).map(|message| message.content.as_str())
    }

    /// The diver called an emergency off with what arrived at `at`. A button leaves no words from which the guard
    /// could tell that later.
    pub fn stand_down(&mut self, at: Timestamp) {
        self.state.insert(STOOD_DOWN.to_owned(), at.as_millis().into());
    }

    /// A session nobody has spoken in yet.
    pub fn open(id: SessionId, conversation: ConversationKey, now: Timestamp) -> Self {
        Self {
            id,
            conversation,
            profile: DiverProfile::default(),
            state: Map::new(),
            emergency: None,
            history: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes over notes, unless they would make the session's notes too large. What we sum up ourselves is
    /// not for others to write.
    pub fn note(&mut self, notes: &Map<String, Value>) {
        let mut notes = notes.clone();
        notes.remove(summary::KEY);
        notes.remove(STOOD_DOWN);
        extend_within(&mut self.state, &notes);
    }

    /// Whether 24 hours have passed without a message.
    pub fn expired(&self, now: Timestamp) -> bool {
        now.since(self.updated_at) >= SESSION_IDLE
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// When.
    pub created_at: Timestamp,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The diver.
    User,
    /// The daemon.
    Assistant,
}

impl Role {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// What a diver told us of themselves. Every field is optional; clients may send more, which is kept
/// in `other` untouched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiverProfile {
    /// The certifying agency, such as `PADI`.
    #[serde(skip_serializing_if = "Option::is_none", alias = "certificationAgency")]
    pub agency: Option<String>,
    /// The certification as a short code (`OW`, `AOW`, `RESCUE`, `DM`…).
    #[serde(skip_serializing_if = "Option::is_none", alias = "certificationLevel", alias = "certification_level")]
    pub cert_level: Option<String>,
    /// Logged dives.
    #[serde(
        skip_serializing_if = "Option::is_none",
        alias = "diveCount",
        alias = "dive_count",
        alias = "experience_dives"
    )]
    pub dives: Option<u32>,
    /// When the last dive was, in the diver's words.
    #[serde(skip_serializing_if = "Option::is_none", alias = "lastDive")]
    pub last_dive: Option<String>,
    /// Worries and conditions the diver mentioned.
    #[serde(skip_serializing_if = "Vec::is_empty", alias = "fears")]
    pub concerns: Vec<String>,
    /// Where the diver is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where the diver wants to go.
    #[serde(skip_serializing_if = "Option::is_none", alias = "travelPlans")]
    pub travel_plans: Option<String>,
    /// Metric or imperial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
    /// The language the diver last wrote in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Lang>,
    /// Anything else a client sent.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where fields of the profile are kept that have a known name and an unreadable value.
const UNREADABLE: &str = "unreadable";

impl DiverProfile {
    /// Reads what a client, or another program's database, says of a diver: field by field, so that one wrong value
    /// does not spoil the rest.
    pub fn read(fields: Map<String, Value>) -> Self {
        let mut profile = Self::default();
        let mut unreadable = Map::new();
        for (name, value) in fields {
            if value.is_null() {
                continue;
            }
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            match serde_json::from_value(alone) {
                Ok(read) => profile.merge(read),
                Err(_) => {
                    unreadable.insert(name, value);
                }
            }
        }
        if !unreadable.is_empty() {
            profile.other.insert(UNREADABLE.to_owned(), Value::Object(unreadable));
        }
        profile
    }

    /// Takes over what `newer` knows; what it does not mention stays.
    pub fn merge(&mut self, newer: Self) {
        fn take<T>(slot: &mut Option<T>, newer: Option<T>) {
            if newer.is_some() {
                *slot = newer;
            }
        }
        take(&mut self.agency, newer.agency);
        take(&mut self.cert_level, newer.cert_level);
        take(&mut self.dives, newer.dives);
        take(&mut self.last_dive, newer.last_dive);
        take(&mut self.region, newer.region);
        take(&mut self.travel_plans, newer.travel_plans);
        take(&mut self.units, newer.units);
        take(&mut self.language, newer.language);
        for concern in newer.concerns {
            let fits = concern.len() <= LONGEST_CONCERN && self.concerns.len() < MOST_CONCERNS;
            if fits && !self.concerns.contains(&concern) {
                self.concerns.push(concern);
            }
        }
        extend_within(&mut self.other, &newer.other);
    }

    /// What may be told to others. Concerns and health stay with us unless the diver ticked them; what a
    /// client sent under names we do not know may be either.
    #[must_use]
    pub fn shareable(mut self, concerns_too: bool) -> Self {
        if !concerns_too {
            self.concerns.clear();
            self.other.clear();
        }
        self
    }

    /// What is known, as names and values for people.
    pub fn lines(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(known)) = serde_json::to_value(self) else { return Vec::new() };
        known.iter().map(|(name, value)| (name.replace('_', " "), crate::lead::plain(value))).collect()
    }
}

/// A part of the profile that a diver can have forgotten by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileField {
    /// The agency.
    Agency,
    /// The certification.
    Level,
    /// The number of dives.
    Dives,
    /// When the last dive was.
    LastDive,
    /// Worries and conditions.
    Concerns,
    /// Where the diver is.
    Region,
    /// Where the diver wants to go.
    TravelPlans,
    /// All of it; the language stays, so that the answer can be read.
    Everything,
}

impl DiverProfile {
    /// Removes what the diver wants forgotten.
    pub fn forget(&mut self, field: ProfileField) {
        match field {
            ProfileField::Agency => self.agency = None,
            ProfileField::Level => self.cert_level = None,
            ProfileField::Dives => self.dives = None,
            ProfileField::LastDive => self.last_dive = None,
            ProfileField::Concerns => self.concerns.clear(),
            ProfileField::Region => self.region = None,
            ProfileField::TravelPlans => self.travel_plans = None,
            ProfileField::Everything => *self = Self { language: self.language, ..Self::default() },
        }
    }
}

/// How many worries and conditions are remembered, and how long one may be, in bytes.
const MOST_CONCERNS: usize = 32;
const LONGEST_CONCERN: usize = 400;

fn extend_within(held: &mut Map<String, Value>, newer: &Map<String, Value>) {
    if newer.is_empty() {
        return;
    }
    let mut both = held.clone();
    both.extend(newer.clone());
    if serde_json::to_string(&both).is_ok_and(|text| text.len() <= MOST_NOTES) {
        *held = both;
    }
}

/// The diver's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// Metres, bar, degrees Celsius.
    Metric,
    /// Feet, psi, degrees Fahrenheit.
    Imperial,
}

/// A turn as it is stored once it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTurn {
    /// Its id.
    pub id: TurnId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Which try finished it, from 1.
    pub attempt: u32,
    /// The reply.
    pub reply: Reply,
    /// When it was finished.
    pub finished_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Clock as _;

    #[test]
    fn a_newer_profile_corrects_and_never_erases() {
        let mut known = DiverProfile { cert_level: Some("OW".into()), dives: Some(4), ..Default::default() };
        known.merge(DiverProfile { dives: Some(12), concerns: vec!["ears".into()], ..Default::default() });
        assert_eq!((known.cert_level.as_deref(), known.dives), (Some("OW"), Some(12)));
        assert_eq!(known.concerns, ["ears"]);
    }

    #[test]
    fn what_was_said_before_an_emergency_was_called_off_is_over() {
        let key = ConversationKey {
            bot: crate::ids::BotId::default(),
            channel: crate::ids::ChannelId::new("web"),
            account: String::new(),
            conversation: "a".into(),
        };
        let at = Timestamp::from_millis;
        let mut session = Session::open(SessionId(crate::clock::SystemClock.uuid()), key, at(0));
        let told =
            |content: &str, millis| Message { role: Role::User, content: content.into(), created_at: at(millis) };
        session.history = vec![told("my leg is numb", 10), told("false alarm", 20), told("which fins?", 30)];
        assert_eq!(session.said().count(), 3);
        session.stand_down(at(20));
        session.note(&Map::from_iter([(STOOD_DOWN.to_owned(), Value::from(0))]));
        assert_eq!(session.said().collect::<Vec<_>>(), ["which fins?"]);
    }

    #[test]
    fn what_is_to_be_forgotten_goes_and_the_rest_stays() {
        let mut known = DiverProfile {
            agency: Some("PADI".into()),
            cert_level: Some("OW".into()),
            dives: Some(4),
            language: Some(Lang::De),
            ..Default::default()
        };
        known.forget(ProfileField::Level);
        assert_eq!((known.cert_level.as_deref(), known.dives), (None, Some(4)));
        known.forget(ProfileField::Everything);
        assert_eq!(known, DiverProfile { language: Some(Lang::De), ..Default::default() });
    }

    #[test]
    fn clients_cannot_make_a_profile_grow_without_end() {
        let mut known = DiverProfile::default();
        for i in 0..100 {
            let other = Map::from_iter([(format!("key{i}"), Value::from("x".repeat(1000)))]);
            known.merge(DiverProfile { other, concerns: vec![format!("worry {i}")], ..Default::default() });
        }
        assert!(serde_json::to_string(&known.other).unwrap().len() <= MOST_NOTES);
        assert_eq!(known.concerns.len(), MOST_CONCERNS);
    }

    #[test]
    fn a_profile_of_an_old_client_is_understood() {
        let profile: DiverProfile =
            serde_json::from_str(r#"{"certificationLevel":"AOW","diveCount":30,"shoe":43}"#).unwrap();
        assert_eq!(profile.cert_level.as_deref(), Some("AOW"));
        assert_eq!(profile.dives, Some(30));
        assert_eq!(profile.other["shoe"], 43);
    }

    #[test]
    fn one_wrong_value_does_not_spoil_a_profile() {
        let Value::Object(fields) = json!({"dives": "many", "certificationLevel": "AOW", "cert_level": "AOW",
            "agency": null, "shoe": 43, "concerns": "ears"})
        else {
            panic!()
        };
        let profile = DiverProfile::read(fields);
        assert_eq!((profile.cert_level.as_deref(), profile.dives), (Some("AOW"), None));
        assert_eq!(profile.other["shoe"], 43);
        assert_eq!(profile.other[UNREADABLE], json!({"dives": "many", "concerns": "ears"}));
        let stored = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<DiverProfile>(&stored).unwrap(), profile);
    }
}
