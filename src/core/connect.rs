//! The words of the lead flow: what a turn says at each step, and what it does when the diver confirms.

use crate::action::numbered_choices;
use crate::agent::{Phrase, Route};
use crate::channel::{Action, Command, Inbound};
use crate::commands::label;
use crate::compose::Composer;
use crate::ids::LeadId;
use crate::lang::Lang;
use crate::lead::{Lead, LeadKind};
use crate::lead_flow::{Asker, Choice, KEY, LeadFlow, Next, Said, Step};
use crate::opening::language;
use crate::session::Session;
use crate::store::{Claim, Outcome, StoreError};
use crate::turn::{Spoken, Turns, tell};

impl Turns {
    /// Begins the flow by words, with the way to be reached that they may give.
    pub(crate) fn put_in_touch(
        &self,
        claim: &Claim,
        session: &mut Session,
        composer: &Composer<'_>,
        route: &Route,
    ) -> Spoken {
        let Some(event) = claim.events.last() else { return self.say(composer, Phrase::Fallback, route.lang) };
        let asker = asker(event, session);
        let mut flow = LeadFlow::begin(LeadId(self.ports.clock.uuid()), &asker, self.ports.clock.now());
        flow.reach_by(&claim.text());
        let mut spoken = self.ask(&flow, false, &asker, session, composer, route.lang);
        spoken.reply.intent.clone_from(&route.intent);
        spoken
    }

    /// Begins the flow anew, also where one is open.
    pub(crate) fn connect(
        &self,
        event: &Inbound,
        session: &mut Session,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        let asker = asker(event, session);
        let flow = LeadFlow::begin(LeadId(self.ports.clock.uuid()), &asker, self.ports.clock.now());
        self.ask(&flow, false, &asker, session, composer, lang)
    }

    /// Stops the flow, if one is open.
    pub(crate) fn cancel(&self, session: &mut Session, composer: &Composer<'_>, lang: Lang) -> Spoken {
        let stopped = session.state.remove(KEY).is_some();
        self.say(composer, if stopped { Phrase::LeadCancelled } else { Phrase::NothingToCancel }, lang)
    }

    /// A pressed choice.
    pub(crate) async fn choose(
        &self,
        word: &str,
        event: &Inbound,
        session: &mut Session,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        let asker = asker(event, session);
        let flow = LeadFlow::open(&session.state, &asker, self.ports.clock.now());
        match (flow, Choice::of(word)) {
            (Some(flow), Some(choice)) => self.step(flow, Said::Choice(choice), &asker, session, composer, lang).await,
            _ => self.say(composer, Phrase::ButtonExpired, lang),
        }
    }

    /// Words that answer an open flow's step; `None` if none is open.
    pub(crate) async fn answer_flow(
        &self,
        words: &str,
        event: &Inbound,
        session: &mut Session,
        composer: &Composer<'_>,
    ) -> Option<Spoken> {
        let asker = asker(event, session);
        let flow = LeadFlow::open(&session.state, &asker, self.ports.clock.now())?;
        let lang = language(event.sender.locale.as_deref(), session);
        // Where there are no buttons, their words or numbers are written.
        let choices = flow.choices(&asker);
        let named = |(n, choice): (usize, &Choice)| {
            let label = self.label(*choice, &asker, lang);
            let said = words.trim().trim_end_matches(['.', '!', '。', '！']).to_lowercase();
            // "Course" for "A course".
            let label = label.to_lowercase();
            let bare = label.split_whitespace().last().is_some_and(|word| word == said);
            (label == said || bare || said == (n + 1).to_string()).then_some(*choice)
        };
        let choice = choices.iter().enumerate().find_map(named);
        // Who asks something else before anything was told has changed their mind.
        if choice.is_none()
            && matches!(flow.step, Step::Kind | Step::Name)
            && words.trim_end().ends_with(['?', '？', '؟'])
        {
            session.state.remove(KEY);
            return None;
        }
        let said = choice.map_or(Said::Words(words), Said::Choice);
        Some(self.step(flow, said, &asker, session, composer, lang).await)
    }

    async fn step(
        &self,
        mut flow: LeadFlow,
        said: Said<'_>,
        asker: &Asker,
        session: &mut Session,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        match flow.hear(said, asker, self.ports.clock.now()) {
            next @ (Next::Ask | Next::AskAgain) => {
                self.ask(&flow, next == Next::AskAgain, asker, session, composer, lang)
            }
            Next::Stop => self.cancel(session, composer, lang),
            Next::Send => match self.send_lead(&flow, session).await {
                Ok(()) => {
                    session.state.remove(KEY);
                    self.say(composer, Phrase::LeadSent, lang)
                }
                Err(error) => {
                    tracing::error!(error = %error, "a lead can't be stored");
                    flow.keep(&mut session.state);
                    let actions = self.actions(&flow, asker, lang);
                    Spoken { outcome: Outcome::Fallback, actions, ..self.say(composer, Phrase::Fallback, lang) }
                }
            },
        }
    }

    fn ask(
        &self,
        flow: &LeadFlow,
        again: bool,
        asker: &Asker,
        session: &mut Session,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        flow.keep(&mut session.state);
        let say = |phrase| self.ports.voice.say(phrase, lang);
        let text = match flow.step {
            Step::Kind => say(Phrase::LeadKind),
            Step::Name => say(Phrase::LeadName),
            Step::Reach if again => say(Phrase::LeadReachAgain),
            Step::Reach => say(Phrase::LeadReach),
            Step::Wish => say(Phrase::LeadWish),
            Step::Confirm => {
                let lines = self.summary(flow, session, lang);
                format!("{}\n\n{lines}\n\n{}", say(Phrase::LeadConfirm), say(Phrase::LeadSend))
            }
        };
        let actions = self.actions(flow, asker, lang);
        // Where replies are fetched nothing shows buttons; their numbers are answers, too.
        let choices = if self.anonymous(&session.conversation) { numbered_choices(&actions) } else { String::new() };
        let text = if choices.is_empty() { text } else { format!("{text}\n\n{choices}") };
        Spoken { actions, ..tell(composer, &text, lang) }
    }

    fn actions(&self, flow: &LeadFlow, asker: &Asker, lang: Lang) -> Vec<Action> {
        let action = |choice: Choice| {
            let command =
                if choice == Choice::Cancel { Command::Cancel } else { Command::Choose(choice.word().into()) };
            Action::new(self.label(choice, asker, lang), command)
        };
        flow.choices(asker).into_iter().map(action).collect()
    }

    fn label(&self, choice: Choice, asker: &Asker, lang: Lang) -> String {
        let phrase = match choice {
            Choice::ShownName => return asker.name.clone().unwrap_or_default(),
            Choice::Training => Phrase::ButtonTraining,
            Choice::Trip => Phrase::ButtonTrip,
            Choice::Here => Phrase::ButtonHere,
            Choice::Skip => Phrase::ButtonSkip,
            Choice::Send => Phrase::ButtonSend,
            Choice::AddConcerns => Phrase::ButtonAddConcerns,
            Choice::DropConcerns => Phrase::ButtonDropConcerns,
            Choice::Cancel => Phrase::ButtonCancel,
        };
        self.ports.voice.say(phrase, lang)
    }

    /// Exactly what is sent: the form, and what of the profile goes along.
    fn summary(&self, flow: &LeadFlow, session: &Session, lang: Lang) -> String {
        let say = |phrase| self.ports.voice.say(phrase, lang);
        let about = match flow.kind {
            Some(LeadKind::Trip) => Phrase::ButtonTrip,
            Some(LeadKind::Training) | None => Phrase::ButtonTraining,
        };
        let mut lines = vec![
            format!("- {}: {}", say(Phrase::FieldAbout), say(about)),
            format!("- {}: {}", say(Phrase::FieldName), flow.name()),
            format!("- {}: {}", say(Phrase::FieldContact), flow.contact()),
        ];
        lines.extend(flow.wish().map(|wish| format!("- {}: {wish}", say(Phrase::FieldMessage))));
        let profile = session.profile.clone().shareable(flow.concerns);
        let told = |(name, value): (String, String)| format!("- {}: {value}", label(&*self.ports.voice, &name, lang));
        lines.extend(profile.lines().into_iter().map(told));
        lines.join("\n")
    }

    /// One write: the lead and its deliveries. Its id is the flow's, so that a repeat changes nothing.
    async fn send_lead(&self, flow: &LeadFlow, session: &Session) -> Result<(), StoreError> {
        let lead = Lead {
            id: flow.lead,
            bot: session.conversation.bot.clone(),
            kind: flow.kind.unwrap_or(LeadKind::Training),
            data: flow.form(),
            session: Some(session.id),
            profile: session.profile.clone().shareable(flow.concerns),
            created_at: self.ports.clock.now(),
        };
        let deliveries = (self.ports.lead_notices)(&lead);
        self.ports.store.add_lead(&lead, &deliveries).await?;
        tracing::info!(lead = %lead.id, kind = lead.kind.as_str(), deliveries = deliveries.len(), "a lead was stored");
        metrics::counter!("dovvybuddy_leads_total", "kind" => lead.kind.as_str()).increment(1);
        Ok(())
    }
}

fn asker(event: &Inbound, session: &Session) -> Asker {
    let channel = &event.conversation.channel;
    Asker {
        diver: event.sender.key.encode(),
        name: event.sender.name.clone().filter(|name| !name.trim().is_empty()),
        contact: event.sender.contact.as_ref().map(|contact| format!("{channel}: {contact}")),
        has_concerns: session.profile.clone().shareable(true) != session.profile.clone().shareable(false),
    }
}
