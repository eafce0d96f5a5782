//! Commands a diver can give on every channel, whatever the platform calls them.

use crate::agent::{Phrase, Voice};
use crate::channel::{Command, Inbound};
use crate::compose::Composer;
use crate::lang::Lang;
use crate::reply::Citation;
use crate::session::{DiverProfile, Session};
use crate::store::{Outcome, Subject};
use crate::turn::{Spoken, Turns, tell};

/// Where the citations of the last answer are kept in the session's notes.
pub(crate) const LAST_SOURCES: &str = "last_sources";

/// The cited documents as a list for people.
pub(crate) fn source_list(citations: &[Citation]) -> String {
    let line = |c: &Citation| {
        let origin: Vec<&str> = [&*c.publisher, &*c.updated].into_iter().filter(|part| !part.is_empty()).collect();
        let origin = if origin.is_empty() { String::new() } else { format!(" ({})", origin.join(", ")) };
        format!("- \\[{}\\] {}{origin}: {}", c.n, c.title, c.source)
    };
    citations.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a field of the profile is called; what a client sent under a name of its own keeps it.
pub(crate) fn label(voice: &dyn Voice, name: &str, lang: Lang) -> String {
    let phrase = match name {
        "agency" => Phrase::FieldAgency,
        "cert level" => Phrase::FieldLevel,
        "dives" => Phrase::FieldDives,
        "last dive" => Phrase::FieldLastDive,
        "concerns" => Phrase::FieldConcerns,
        "region" => Phrase::FieldRegion,
        "travel plans" => Phrase::FieldTravelPlans,
        "units" => Phrase::FieldUnits,
        "language" => Phrase::FieldLanguage,
        _ => return name.to_owned(),
    };
    voice.say(phrase, lang)
}

impl Turns {
    pub(crate) async fn obey(
        &self,
        command: &Command,
        event: &Inbound,
        session: &mut Session,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        match command {
            Command::Help => self.say(composer, Phrase::Help, lang),
            Command::Privacy => self.say(composer, Phrase::Privacy, lang),
            Command::Profile => tell(composer, &self.profile_text(&session.profile, lang), lang),
            Command::Sources => {
                let text = match session.state.get(LAST_SOURCES).and_then(|v| v.as_str()) {
                    Some(sources) => sources.to_owned(),
                    None => self.ports.voice.say(Phrase::NoSources, lang),
                };
                tell(composer, &text, lang)
            }
            Command::New => {
                self.hearing.forget(&event.conversation);
                session.state.clear();
                Spoken { restarts: true, ..self.say(composer, Phrase::NewConversation, lang) }
            }
            Command::Export => self.export(event, session, composer, lang).await,
            Command::Forget => self.forget(event, session, composer, lang).await,
            Command::Link(code) => self.link(code.as_deref(), event, composer, lang).await,
            Command::Connect => self.connect(event, session, composer, lang),
            Command::Cancel => self.cancel(session, composer, lang),
            Command::Choose(word) => self.choose(word, event, session, composer, lang).await,
            // What was still good became words, or was noted, before it got here.
            Command::FollowUp { .. } | Command::Rate { .. } | Command::Acknowledge { .. } => {
                self.say(composer, Phrase::ButtonExpired, lang)
            }
            Command::NotAnEmergency => {
                let standing = session.emergency.as_ref();
                let words = standing.and_then(|standing| self.ports.guard.stood_down(standing.kind, lang));
                self.hearing.stand_down(&event.conversation);
                session.stand_down(event.received_at);
                let spoken = match words {
                    Some(words) => tell(composer, &words, lang),
                    None => self.say(composer, Phrase::StoodDown, lang),
                };
                Spoken { stands_down: true, ..spoken }
            }
        }
    }

    fn profile_text(&self, profile: &DiverProfile, lang: Lang) -> String {
        let known = profile.lines();
        if known.is_empty() {
            return self.ports.voice.say(Phrase::EmptyProfile, lang);
        }
        let mut text = self.ports.voice.say(Phrase::ProfileHeading, lang);
        for (name, value) in known {
            text.extend(["\n- ", &label(&*self.ports.voice, &name, lang), ": ", &value]);
        }
        text
    }

    /// What is remembered of the diver's training, asked for in words. The core can't know who reads along, so worries,
    /// health and plans are left to the command, which is answered in private.
    pub(crate) fn experience(&self, profile: &DiverProfile, lang: Lang) -> String {
        let known = DiverProfile {
            agency: profile.agency.clone(),
            cert_level: profile.cert_level.clone(),
            dives: profile.dives,
            last_dive: profile.last_dive.clone(),
            ..DiverProfile::default()
        };
        self.profile_text(&known, lang)
    }

    async fn export(&self, event: &Inbound, session: &Session, composer: &Composer<'_>, lang: Lang) -> Spoken {
        match self.ports.store.export(&self.subject(event, session)).await {
            Ok(Some(held)) => {
                let text = serde_json::to_string_pretty(&held).unwrap_or_default();
                tell(composer, &format!("```json\n{text}\n```"), lang)
            }
            Ok(None) => self.say(composer, Phrase::EmptyProfile, lang),
            Err(error) => {
                tracing::error!(error = %error, "an export failed");
                Spoken { outcome: Outcome::Fallback, ..self.say(composer, Phrase::Fallback, lang) }
            }
        }
    }

    /// Removes everything held about whoever asks. What is written afterwards is only the answer.
    async fn forget(&self, event: &Inbound, session: &Session, composer: &Composer<'_>, lang: Lang) -> Spoken {
        match self.ports.store.erase(&self.subject(event, session), false).await {
            Ok(_) => {
                self.hearing.forget(&event.conversation);
                self.streams.forget(&event.conversation);
                Spoken { forgets: true, ..self.say(composer, Phrase::Forgotten, lang) }
            }
            Err(error) => {
                tracing::error!(error = %error, "a diver's data could not be erased");
                Spoken { outcome: Outcome::Fallback, ..self.say(composer, Phrase::Fallback, lang) }
            }
        }
    }

    fn subject(&self, event: &Inbound, session: &Session) -> Subject {
        if self.anonymous(&event.conversation) {
            Subject::Session(event.conversation.bot.clone(), session.id)
        } else {
            Subject::Diver(event.sender.key.clone())
        }
    }
}
