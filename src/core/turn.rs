//! One turn, top to bottom.
//!
//! The first half is the [`crate::intake`]: received → verified → emergency guard → limit → accepted →
//! acknowledged. The second half is [`Turns::run`]: the lane is ours → the session is opened → route →
//! retrieve → answer (streamed) → one write. [`crate::delivery`] then sends the parts and stores the
//! receipts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument as _, info_span};

use crate::accompany::{self, following};
use crate::agent::{AgentSpec, Asked, Brief, Destination, Phrase, Route};
use crate::channel::{Action, Content, Rendering};
use crate::commands::{LAST_SOURCES, source_list};
use crate::compose::{Composer, Draft};
use crate::events::{Streams, TurnEvent};
use crate::failpoint;
use crate::guard::{Alarm, Assessment};
use crate::hearing::Hearing;
use crate::ids::AgentId;
use crate::knowledge::{Found, Query};
use crate::lanes::Hold;
use crate::lang::Lang;
use crate::lead_flow;
use crate::offers;
use crate::opening::{heard, language};
use crate::reply::{Reply, Safety, Versions};
use crate::report::report;
use crate::session::Session;
use crate::spine::Ports;
use crate::store::{Claim, FinishedTurn, MOST_CRASHES, Outcome, StoreError, Usage};
use crate::summary::{self, Summary};

/// The agent under whose name emergencies and warnings are given.
pub(crate) const SAFETY: &str = "safety";
/// From this score on a passage is believed to answer even what seems to be no diver's question,
const SURELY: f32 = 0.68;
/// from this one on if the content has all its words,
const SURELY_IN_ITS_WORDS: f32 = 0.6;
/// unless the router is surer than this that it is none: a wreck is called "President", and a reef "Washing Machine".
const DOUBTED: f32 = 0.85;
/// The most passages for a message read by itself that was taken to go on.
const ALONE: usize = 3;
/// Documents that answer a worry; where there is none, all are searched.
const WORRIES: &str = "safety_worry";
/// The agent under whose name everything fixed is said.
pub(crate) const GENERAL: &str = "retrieval";

/// Everything a turn needs.
pub struct Turns {
    /// What it stands on.
    pub ports: Ports,
    /// The running turns' events.
    pub streams: Arc<Streams>,
    /// What was said lately, for the guard.
    pub hearing: Arc<Hearing>,
    /// Figures to choose.
    pub settings: TurnSettings,
}

/// Figures to choose.
#[derive(Debug, Clone, Copy)]
pub struct TurnSettings {
    /// From receipt to the whole reply; the last resort is reached before it.
    pub budget: Duration,
    /// What a turn gets even if its message waited longer than that.
    pub least: Duration,
    /// How many messages of the conversation an answer may see.
    pub history: usize,
    /// How many passages an answer may rest on.
    pub passages: usize,
}

/// A reply, with what only the write needs to know.
pub(crate) struct Spoken {
    pub(crate) reply: Reply,
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) stands_down: bool,
    /// The conversation begins anew.
    pub(crate) restarts: bool,
    /// The diver asked to be forgotten.
    pub(crate) forgets: bool,
    /// The buttons under the reply.
    pub(crate) actions: Vec<Action>,
}

impl Spoken {
    pub(crate) fn new(reply: Reply, outcome: Outcome) -> Self {
        Self {
            reply,
            outcome,
            usage: Usage::default(),
            stands_down: false,
            restarts: false,
            forgets: false,
            actions: Vec::new(),
        }
    }
}

/// Fixed words.
pub(crate) fn tell(composer: &Composer<'_>, text: &str, lang: Lang) -> Spoken {
    Spoken::new(composer.fixed(text, GENERAL, lang, Safety::None), Outcome::Fixed)
}

impl Turns {
    /// Works on a claimed lane until its messages are covered by one stored reply, or until an
    /// emergency cuts it short.
    pub async fn run(&self, claim: &Claim, hold: &Arc<Hold>) {
        let Some(turn) = claim.turn() else { return };
        let log = self.streams.open(turn, &claim.conversation);
        log.begin(claim.attempt);
        for event in claim.events.iter().skip(1) {
            self.streams.join(event.turn, turn);
        }
        if claim.crashes >= MOST_CRASHES {
            tracing::error!(%turn, crashes = claim.crashes, "a message is set aside after repeated crashes");
            return self.give_fallback_as(claim, Outcome::SetAside).await;
        }
        let Some((mut session, restarted)) = self.open_session(claim).await else { return };
        let composer = Composer::new(&*self.ports.voice, Arc::clone(&log), session.id);
        let company = self.company(claim, &session, hold);
        let (began, waited) = (Instant::now(), self.waited(claim));

        let spoken = async {
            tokio::select! {
                biased;
                () = hold.cut.cancelled() => None,
                spoken = self.speak(claim, &mut session, &composer) => Some(spoken),
            }
        };
        let spoken = Box::pin(accompany::beside(spoken, company.as_ref(), || following(self, turn, &log))).await;
        let mut spoken = spoken.unwrap_or_else(|| self.cut_short(&composer, &session));
        failpoint::reached("answered");
        spoken.usage.waited_ms = millis(waited);
        spoken.usage.first_piece_ms =
            millis(waited + composer.first_piece().map_or(Duration::ZERO, |at| at.saturating_duration_since(began)));
        self.finish(claim, session, restarted, spoken).await;
    }

    /// Content decides: a command, something unreadable, or words.
    async fn speak(&self, claim: &Claim, session: &mut Session, composer: &Composer<'_>) -> Spoken {
        let Some(event) = claim.events.last() else { return self.fallback(composer, Lang::default()) };
        for event in &claim.events {
            if let Some(told) = event.profile.clone() {
                session.profile.merge(told);
            }
            if let Some(serde_json::Value::Object(state)) = &event.state {
                session.note(state);
            }
        }
        if session.emergency.is_some() {
            // What is said after an emergency means something else.
            session.state.remove(lead_flow::KEY);
        }
        let lang = language(event.sender.locale.as_deref(), session);
        if !self.reaches(claim) {
            tracing::warn!(conversation = %claim.conversation.channel, "the conversation is closed; no model is asked");
            return self.fallback(composer, lang);
        }
        match &event.content {
            Content::Command(command) => self.obey(command, event, session, composer, lang).await,
            Content::Unsupported { .. } if claim.text().is_empty() => self.say(composer, Phrase::Unsupported, lang),
            Content::Unseen if claim.text().is_empty() => self.say(composer, Phrase::Unseen, lang),
            Content::Unsupported { .. } | Content::Unseen | Content::Text(_) => {
                self.answer(claim, session, composer).await
            }
        }
    }

    /// Whether an answer would reach the diver at all.
    fn reaches(&self, claim: &Claim) -> bool {
        let Some((event, channel)) = claim.events.last().zip(self.ports.channels.get(&claim.conversation.channel))
        else {
            return true;
        };
        channel.reaches(&claim.conversation, &event.context, self.ports.clock.now())
    }

    /// Words: guard once more, route, retrieve, answer.
    async fn answer(&self, claim: &Claim, session: &mut Session, composer: &Composer<'_>) -> Spoken {
        let Some(mut asked) = self.asked(claim, session) else { return self.fallback(composer, Lang::default()) };
        let mut stands_down = false;
        match self.ports.guard.assess(&asked.text, &heard(&asked)) {
            Assessment::Calm => {}
            Assessment::Emergency(alarm) => return self.alarm(session, &alarm, composer),
            Assessment::StoodDown { reply, lang } => {
                self.hearing.stand_down(&claim.conversation);
                claim.events.last().into_iter().for_each(|event| session.stand_down(event.received_at));
                stands_down = true;
                if let Some(text) = reply {
                    let reply = composer.fixed(&text, SAFETY, lang, Safety::None);
                    return Spoken { stands_down, ..Spoken::new(reply, Outcome::Fixed) };
                }
            }
        }
        if self.with_person(claim).await {
            let lang = language(asked.locale.as_deref(), session);
            let spoken = self.say(composer, Phrase::PassedOn, lang);
            return Spoken { outcome: Outcome::WithPerson, stands_down, ..spoken };
        }

        if let Some(event) = claim.events.last()
            && let Some(spoken) = self.answer_flow(&asked.text, event, session, composer).await
        {
            return Spoken { stands_down, ..spoken };
        }

        // Signs and commands are read from what was typed; what is asked, from what was meant.
        if let Some(respelled) = self.ports.retriever.respelled(&asked.text)
            && self.ports.router.foresee(&asked).await.lang == Lang::En
        {
            asked.text = respelled;
        }
        let began = Instant::now();
        let route = self.ports.router.route(&asked).instrument(info_span!("route")).await;
        let route_ms = millis(began.elapsed());
        route.forgets.iter().for_each(|field| session.profile.forget(*field));
        if !route.forgets.is_empty() {
            // It may repeat what is to be forgotten.
            session.state.remove(summary::KEY);
        }
        session.profile.merge(route.learned.clone());
        session.profile.language = Some(route.lang);
        session.note(&route.state_updates);
        asked.session.profile = session.profile.clone();

        let first_contact = asked.session.history.is_empty();
        let mut spoken = match route.to.clone() {
            Destination::Fixed(phrase) => {
                let mut spoken = self.say(composer, phrase, route.lang);
                spoken.reply.intent.clone_from(&route.intent);
                spoken
            }
            // The router may be wrong about what belongs to diving; the content is not.
            Destination::OutOfScope if self.tells_of(&asked, &route).await => {
                self.answer_as(&AgentId::new(GENERAL), asked, route, composer).await
            }
            Destination::OutOfScope => {
                let phrase = if route.context.only_tells { Phrase::Listening } else { Phrase::OutOfScope };
                let mut spoken = self.say(composer, phrase, route.lang);
                spoken.reply.out_of_scope = true;
                spoken.reply.intent.clone_from(&route.intent);
                Spoken { outcome: Outcome::OutOfScope, ..spoken }
            }
            Destination::Helplines => self.whom_to_call(&asked, &route, composer),
            Destination::Connect => self.put_in_touch(claim, session, composer, &route),
            Destination::Experience => tell(composer, &self.experience(&session.profile, route.lang), route.lang),
            Destination::Agent(agent) => self.answer_as(&agent, asked, route, composer).await,
        };
        // An agent introduces itself before its sources, and help does nothing else.
        let fixed = matches!(spoken.outcome, Outcome::Fixed | Outcome::OutOfScope);
        if first_contact && fixed && spoken.reply.intent != Phrase::Help.key() {
            composer.introduced(&mut spoken.reply);
        }
        if !spoken.reply.citations.is_empty() {
            session.state.insert(LAST_SOURCES.to_owned(), source_list(&spoken.reply.citations).into());
        }
        spoken.usage.route_ms = route_ms;
        spoken.stands_down = stands_down;
        spoken
    }

    /// Whether a person has taken over the conversation. Where that can't be told the bot answers.
    async fn with_person(&self, claim: &Claim) -> bool {
        match self.ports.store.paused(&claim.conversation, self.ports.clock.now()).await {
            Ok(pause) => pause.is_some(),
            Err(error) => {
                tracing::warn!(error = %error, turn = ?claim.turn(), "it can't be told whether a person has taken over");
                false
            }
        }
    }

    /// The numbers for an emergency, asked for while there is none that the guard knows of.
    fn whom_to_call(&self, asked: &Asked, route: &Route, composer: &Composer<'_>) -> Spoken {
        let now = self.ports.voice.say(Phrase::IfEmergency, route.lang);
        let numbers = self.ports.guard.helplines(&asked.typed, &heard(asked), route.lang);
        let mut reply = composer.fixed(&format!("{now}\n\n{numbers}"), SAFETY, route.lang, Safety::Caution);
        reply.intent.clone_from(&route.intent);
        Spoken::new(reply, Outcome::Fixed)
    }

    /// Whether the content surely speaks of a message that was taken to lie outside diving.
    async fn tells_of(&self, asked: &Asked, route: &Route) -> bool {
        // Of a message that is hardly understood the few English words would be found, whatever else it says.
        if route.english(&asked.text).is_none() || route.confidence > DOUBTED {
            return false;
        }
        let query = self.query(&self.ports.agents.agent(&AgentId::new(GENERAL)), asked, route);
        let found = self.ports.retriever.search(&query).instrument(info_span!("search")).await;
        let least = if found.unknown.is_empty() { SURELY_IN_ITS_WORDS } else { SURELY };
        found.passages.first().is_some_and(|best| best.score >= least)
    }

    /// What is searched for an agent's answer.
    fn query(&self, agent: &AgentSpec, asked: &Asked, route: &Route) -> Query {
        let mut doc_types = agent.doc_types.clone();
        if !doc_types.is_empty() {
            for also in &route.also {
                doc_types.extend(self.ports.agents.agent(also).doc_types.iter().cloned());
            }
        }
        // Who is worried and asks for a fact is answered with the fact, whatever it is about.
        let soothed = route.worry.is_some() && !route.context.wants_a_fact;
        if route.worry.is_some() && agent.id.as_str() == SAFETY {
            doc_types = if soothed { vec![WORRIES.to_owned()] } else { Vec::new() };
        }
        let further = route.context.questions.clone();
        let english = route.english(&asked.text);
        Query {
            text: route.query.clone(),
            said: english.unwrap_or(&asked.text).to_owned(),
            opening: english.filter(|_| asked.session.history.is_empty()).map(str::to_owned),
            further,
            operator_first: route.asks_the_operator(),
            also_elsewhere: !soothed,
            names: route.names.clone(),
            doc_types,
            limit: self.settings.passages,
            profile: asked.session.profile.clone(),
        }
    }

    async fn answer_as(&self, agent: &AgentId, asked: Asked, route: Route, composer: &Composer<'_>) -> Spoken {
        let agent = self.ports.agents.agent(agent);
        let safety = if route.caution { Safety::Caution } else { Safety::None };
        composer.routed(&agent.id, route.confidence, safety);

        let query = self.query(&agent, &asked, &route);
        let began = Instant::now();
        let mut found = self.ports.retriever.search(&query).instrument(info_span!("search")).await;
        let first = found.passages.len();
        if let Some(alone) = &route.context.alone {
            let (text, names) = (alone.query.clone(), alone.names.clone());
            let query = Query { text, names, limit: self.settings.passages.min(ALONE), ..query };
            found.add(self.ports.retriever.search(&query).instrument(info_span!("search")).await);
        }
        let search_ms = millis(began.elapsed());
        metrics::histogram!("dovvybuddy_retrieval_seconds").record(began.elapsed());

        let introduce = asked.session.history.is_empty();
        let Found { passages, unknown, likeness, meaning, lexical_only } = found;
        let brief = Brief { asked, route, agent, passages, first, unknown, likeness, meaning };
        let answer = self.ports.answerer.answer(&brief, composer).instrument(info_span!("answer")).await;
        let outcome = if answer.covered { Outcome::Answered } else { Outcome::NotCovered };
        let cost_micros = answer.cost_micros;
        let draft = Draft { brief: &brief, answer, safety, introduce, lexical_only };
        let mut spoken = Spoken::new(composer.compose(draft), outcome);
        spoken.usage.search_ms = search_ms;
        spoken.usage.cost_micros = cost_micros;
        spoken
    }

    /// The one write; nothing is final before it. A store that is away is waited for, with the reply
    /// in hand, while the diver is told to come back.
    async fn finish(&self, claim: &Claim, mut session: Session, restarted: bool, mut spoken: Spoken) {
        spoken.reply.session_restarted = restarted;
        offers::note(&*self.ports.voice, &spoken.reply, &mut session.state);
        if !spoken.forgets && !spoken.restarts {
            let mut summary = Summary::of(&session.state);
            summary.add(&claim.text(), &spoken.reply, session.emergency.as_ref());
            summary.note(&mut session.state);
        }
        spoken.reply.versions =
            Versions { content: self.ports.retriever.version(), prompts: self.ports.agents.version() };
        let parts = self.parts(claim, &spoken).await;
        let Some(turn) = self.finished(claim, session, restarted, &spoken, parts) else { return };
        let log = self.streams.open(turn.id, &claim.conversation);
        let give_up = self.deadline(claim);
        let mut told = false;
        let mut pause = Duration::from_millis(100);
        loop {
            match self.ports.store.finish(claim, &turn).instrument(info_span!("write")).await {
                Ok(()) => break,
                Err(StoreError::LeaseLost) => return self.abandon(claim),
                Err(error) => {
                    tracing::error!(error = %error, turn = %turn.id, "a finished turn can't be stored yet");
                    if !told && Instant::now() >= give_up {
                        log.push(TurnEvent::Failed);
                        told = true;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
        failpoint::reached("finished");
        report(claim, &turn);
        for citation in turn.reply.citations.iter().cloned() {
            log.push(TurnEvent::Citation(citation));
        }
        log.push(TurnEvent::Final { session: turn.session.id, reply: Arc::new(turn.reply) });
        self.streams.close(turn.id);
    }

    /// The payloads of a reply. An emergency reply stands in the conversation already when a turn was cut
    /// short: a second text would bury it, but a placeholder from before it is told to end. So it is with
    /// what is left to a person: the diver was told when the person took over.
    async fn parts(&self, claim: &Claim, spoken: &Spoken) -> Vec<serde_json::Value> {
        let channel = self.ports.channels.get(&claim.conversation.channel);
        let Some((channel, turn)) = channel.zip(claim.turn()) else { return Vec::new() };
        let silent = matches!(spoken.outcome, Outcome::CutShort | Outcome::WithPerson);
        if silent && !self.left_placeholder(turn).await {
            return Vec::new();
        }
        let offered = offers::actions(&*self.ports.voice, turn, &spoken.reply, spoken.outcome);
        let actions = if spoken.actions.is_empty() { &offered } else { &spoken.actions };
        let mut parts = channel.render(&Rendering { turn, reply: &spoken.reply, actions });
        if silent {
            parts.truncate(1);
        }
        parts
    }

    fn finished(
        &self,
        claim: &Claim,
        session: Session,
        restarted: bool,
        spoken: &Spoken,
        parts: Vec<serde_json::Value>,
    ) -> Option<FinishedTurn> {
        let event = claim.events.last()?;
        let at = self.ports.clock.now();
        let received = claim.events.first()?.received_at;
        let usage =
            Usage { tokens: spoken.reply.tokens_used, total_ms: millis(at.since(received)), ..spoken.usage.clone() };
        Some(FinishedTurn {
            id: claim.turn()?,
            attempt: claim.attempt,
            diver: event.sender.key.clone(),
            said: claim.text(),
            reply: spoken.reply.clone(),
            outcome: spoken.outcome,
            session: Session { updated_at: at, ..session },
            // What stood in a session that expired ended with it.
            stands_down: spoken.stands_down || restarted,
            restarts_session: restarted || spoken.restarts,
            usage,
            parts,
            context: event.context.clone(),
            at,
        })
    }

    /// An emergency that only the joined burst or the stored history shows.
    fn alarm(&self, session: &mut Session, alarm: &Alarm, composer: &Composer<'_>) -> Spoken {
        self.hearing.stand(&session.conversation, alarm.standing.clone());
        metrics::counter!("dovvybuddy_emergencies_total", "kind" => alarm.standing.kind.as_str()).increment(1);
        session.emergency = Some(alarm.standing.clone());
        session.state.remove(lead_flow::KEY);
        let mut reply = composer.fixed(&alarm.text, SAFETY, alarm.lang, Safety::Emergency);
        alarm.standing.kind.as_str().clone_into(&mut reply.intent);
        Spoken::new(reply, Outcome::Emergency)
    }

    fn cut_short(&self, composer: &Composer<'_>, session: &Session) -> Spoken {
        let lang = session.profile.language.unwrap_or_default();
        let text = self.ports.voice.say(Phrase::CutShort, lang);
        Spoken::new(composer.fixed(&text, SAFETY, lang, Safety::None), Outcome::CutShort)
    }

    pub(crate) fn say(&self, composer: &Composer<'_>, phrase: Phrase, lang: Lang) -> Spoken {
        tell(composer, &self.ports.voice.say(phrase, lang), lang)
    }

    fn fallback(&self, composer: &Composer<'_>, lang: Lang) -> Spoken {
        Spoken { outcome: Outcome::Fallback, ..self.say(composer, Phrase::Fallback, lang) }
    }

    /// Covers a claim with the fallback: its turn panicked.
    pub async fn give_fallback(&self, claim: &Claim) {
        // What the failed try released can't be taken back; followers begin anew with the next one.
        let next = Claim { attempt: claim.attempt + 1, ..claim.clone() };
        let Some(turn) = next.turn() else { return };
        let log = self.streams.open(turn, &next.conversation);
        log.begin(next.attempt);
        self.give_fallback_as(&next, Outcome::Fallback).await;
    }

    async fn give_fallback_as(&self, claim: &Claim, outcome: Outcome) {
        let Some((turn, event)) = claim.turn().zip(claim.events.last()) else { return };
        let Some((session, restarted)) = self.open_session(claim).await else { return };
        let composer = Composer::new(&*self.ports.voice, self.streams.open(turn, &claim.conversation), session.id);
        let lang = language(event.sender.locale.as_deref(), &session);
        let spoken = Spoken { outcome, ..self.fallback(&composer, lang) };
        self.finish(claim, session, restarted, spoken).await;
    }

    /// The turn goes on elsewhere or later; followers here are told to come back.
    pub fn abandon(&self, claim: &Claim) {
        if let Some(turn) = claim.turn() {
            self.streams.open(turn, &claim.conversation).push(TurnEvent::Failed);
            self.streams.close(turn);
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
