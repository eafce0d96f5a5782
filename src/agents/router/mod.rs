//! The router: features that mean something, a small linear model over them, and the rules that
//! read the rest of a [`Route`].

mod beyond;
mod features;
mod level;
mod memory;
mod model;
mod names;
mod profile;
mod query;
mod said;
mod search_words;
mod small_talk;
mod subject;
mod talk;
mod told;
mod train;
mod wordings;
mod worry;

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dovvybuddy_core::agent::{Alone, Asked, Context, Destination, Phrase, Route, Router};
use dovvybuddy_core::questions;
use dovvybuddy_core::session::{DiverProfile, OFFERED, Role};
use dovvybuddy_core::{AgentId, Lang};
use serde_json::{Map, Value};

use crate::concept::Concept;
use crate::emergency::Reading;
use crate::language;
use crate::message::Message;
use crate::pattern::Hit;
use beyond::Beyond;
use features::Previous;
pub use model::Model;
use said::Said;
use small_talk::Small;
use subject::{Subject, TakenOver};
pub(crate) use talk::Talk;
pub use train::{Example, Trainer};

/// The labels the model tells apart; the emergency guard stands before it.
pub(crate) const LABELS: [&str; 5] = ["certification", "trip", "safety", "retrieval", "out_of_scope"];

const WEIGHTS: &str = include_str!("weights.tsv");

/// Routes without a model, a network or a store, in far less than 20 ms.
#[derive(Debug)]
pub struct HeuristicRouter {
    model: Model,
    own_agents: RwLock<Arc<[OwnExample]>>,
}

/// An example question of an agent that the operator added.
#[derive(Debug)]
struct OwnExample {
    agent: AgentId,
    words: Vec<String>,
}

/// How much of an example's words a message must share to be routed to an operator's own agent.
const OWN_AGENT_OVERLAP: f32 = 0.6;

impl HeuristicRouter {
    /// A router with the trained weights. `examples` are those of all configured agents; questions
    /// like those of an operator's own agents go there.
    pub fn new(examples: &[(AgentId, String)]) -> Self {
        Self { model: Model::parse(WEIGHTS), own_agents: RwLock::new(own_examples(examples)) }
    }

    /// Takes over other examples, as [`HeuristicRouter::new`] took the first.
    pub fn relearn(&self, examples: &[(AgentId, String)]) {
        *self.own_agents.write().unwrap_or_else(PoisonError::into_inner) = own_examples(examples);
    }

    /// The same router with other weights; used to measure a model before it is shipped.
    #[must_use]
    pub fn with_model(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// The label of a message in its conversation, with the probability of each.
    pub(crate) fn label(&self, text: &str, history: &[(Role, &str)], hint: Option<Lang>) -> Decision {
        let earlier: Vec<&str> =
            history.iter().filter(|(role, _)| *role == Role::User).map(|(_, text)| *text).collect();
        let hint =
            earlier.iter().rev().map(|text| language::detect(text, None)).find(|d| d.sure).map(|d| d.lang).or(hint);
        let message = Message::read(text);
        let detected = message.signs.detect(hint);
        let reading = message.reading(detected.lang);
        let previous = earlier.last().map(|text| {
            let before = self.label_alone(text, hint);
            Previous { label: before.label, concepts: before.concepts }
        });
        let taken_over = Subject::of(&earlier, hint).taken_over(text, detected.lang);
        let mut probabilities = self.probabilities(text, &reading, previous.as_ref());
        if !taken_over.words.is_empty() {
            // What hangs on the conversation is also the question it stands for.
            let whole = self.whole(&taken_over.words, text, detected.lang);
            probabilities.iter_mut().zip(whole).for_each(|(alone, whole)| *alone = f32::midpoint(*alone, whole));
        }
        let point = questions::point(text).join(" ");
        if !point.is_empty() {
            // A story is about much; what is asked decides.
            let asked = self.probabilities(&point, &Message::read(&point).reading(detected.lang), None);
            probabilities.iter_mut().zip(asked).for_each(|(whole, asked)| *whole = f32::midpoint(*whole, asked));
        }
        // How animals mate is biology.
        let of_animals = reading.has(Concept::Species) && reading.has(Concept::Jailbreak) && reading.question();
        if (taken_over.firmly || of_animals)
            && let Some(outside) = probabilities.last_mut()
        {
            // What points at diving is about diving.
            *outside = 0.0;
        }
        let (label, confidence) = best(&probabilities);
        // A worry is a matter of safety unless something else is asked, too.
        let worried = profile::nothing_but_worry(&reading);
        let second = probabilities.iter().filter(|p| **p < confidence).fold(0.0_f32, |most, p| most.max(*p));
        Decision {
            label: if worried { "safety" } else { label },
            confidence,
            margin: if worried { 1.0 } else { confidence - second },
            lang: detected.lang,
            sure: detected.sure,
            reading,
            taken_over,
        }
    }

    /// The probabilities of a message with what it takes over said before it.
    fn whole(&self, taken_over: &str, text: &str, lang: Lang) -> [f32; 5] {
        let whole = format!("{taken_over} {text}");
        let reading = Message::read(&whole).reading(lang);
        self.probabilities(&whole, &reading, None)
    }

    fn label_alone(&self, text: &str, hint: Option<Lang>) -> ByItself {
        let message = Message::read(text);
        let reading = message.reading(message.signs.detect(hint).lang);
        let (label, _) = best(&self.probabilities(text, &reading, None));
        ByItself { label, concepts: reading.concepts() }
    }

    /// The probability of each label.
    fn probabilities(&self, text: &str, reading: &Reading, previous: Option<&Previous>) -> [f32; 5] {
        let mut known = Vec::new();
        features::extract(text, reading, previous, |name, value| {
            known.extend(self.model.number(name).map(|number| (number, value)));
        });
        self.model.probabilities(known)
    }

    fn own_agent(&self, text: &str) -> Option<AgentId> {
        let own_agents = Arc::clone(&self.own_agents.read().unwrap_or_else(PoisonError::into_inner));
        if own_agents.is_empty() {
            return None;
        }
        let words = content_words(text);
        let score = |example: &OwnExample| {
            let shared = example.words.iter().filter(|word| words.contains(word)).count();
            #[allow(clippy::cast_precision_loss, reason = "counts of words in one sentence")]
            let overlap = shared as f32 / example.words.len().min(words.len()).max(1) as f32;
            if shared >= 2 || example.words.len() == 1 { overlap } else { 0.0 }
        };
        own_agents
            .iter()
            .map(|example| (score(example), &example.agent))
            .filter(|(score, _)| *score >= OWN_AGENT_OVERLAP)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, agent)| agent.clone())
    }
}

fn own_examples(examples: &[(AgentId, String)]) -> Arc<[OwnExample]> {
    examples
        .iter()
        .filter(|(agent, _)| !LABELS.contains(&agent.as_str()))
        .map(|(agent, text)| OwnExample { agent: agent.clone(), words: content_words(text) })
        .filter(|example| !example.words.is_empty())
        .collect()
}

struct ByItself {
    label: &'static str,
    concepts: Vec<Concept>,
}

/// What the model says of a message.
pub(crate) struct Decision {
    pub(crate) label: &'static str,
    pub(crate) confidence: f32,
    /// How far the label is ahead of the next one, 0 to 1.
    pub(crate) margin: f32,
    pub(crate) lang: Lang,
    pub(crate) sure: bool,
    pub(crate) reading: Reading,
    /// What the message takes over from those before it.
    pub(crate) taken_over: TakenOver,
}

fn best(probabilities: &[f32; 5]) -> (&'static str, f32) {
    LABELS
        .into_iter()
        .zip(probabilities.iter().copied())
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or(("retrieval", 0.0))
}

/// The words of a text that carry meaning.
fn content_words(text: &str) -> Vec<String> {
    let detected = language::detect(text, None);
    let common = language::function_words(detected.lang);
    let message = Message::read(text);
    message.text.units.iter().filter(|unit| !common.contains(unit.as_str())).cloned().collect()
}

#[async_trait]
impl Router for HeuristicRouter {
    async fn route(&self, asked: &Asked) -> Route {
        self.route_now(asked)
    }
}

impl HeuristicRouter {
    /// The route of a message; [`Router::route`] without the ceremony.
    pub fn route_now(&self, asked: &Asked) -> Route {
        self.weigh(asked).0
    }

    /// The route of a message, and how far its label is ahead of the next one, 0 to 1. Where a rule and no
    /// label decided, it is 1.
    pub fn weigh(&self, asked: &Asked) -> (Route, f32) {
        let history: Vec<(Role, &str)> =
            asked.session.history.iter().map(|message| (message.role, message.content.as_str())).collect();
        let hint = asked.session.profile.language.or_else(|| asked.locale.as_deref().and_then(Lang::from_locale));
        let decision = self.label(&asked.text, &history, hint);
        let reading = &decision.reading;
        let forgets = memory::forgets(reading);
        let learned = if forgets.is_empty() {
            profile::learned(reading, &asked.text, decision.sure.then_some(decision.lang))
        } else {
            DiverProfile::default()
        };
        let mut known = asked.session.profile.clone();
        known.merge(learned.clone());
        let worry = profile::worry(reading, &asked.text);
        let message = Message::read(&asked.text);
        let talk = message.talk(decision.lang);
        let offered = asked.session.state.contains_key(OFFERED);
        let leans = !decision.taken_over.words.is_empty();
        let told = leans && decision.taken_over.told() && decision.taken_over.of_a_thing();
        let goes_on = leans && talk.goes_on();
        let small = Small { raw: &asked.text, reading, talk, learned: &learned, told, goes_on, offered };
        let (to, margin) = match small.destination() {
            _ if !forgets.is_empty() => (Destination::Fixed(Phrase::ProfileErased), 1.0),
            Some(to) => (to, 1.0),
            None => match self.own_agent(&asked.text) {
                Some(agent) => (Destination::Agent(agent), 1.0),
                None if decision.label == "out_of_scope" => (Destination::OutOfScope, decision.margin),
                None => (Destination::Agent(AgentId::new(decision.label)), decision.margin),
            },
        };
        let served = matches!(&to, Destination::Agent(agent) if LABELS.contains(&agent.as_str()));
        let read = || beyond::read(&asked.text, decision.lang);
        let beyond = (served || to == Destination::OutOfScope).then(read).flatten();
        // Signs and worries are heard before it is asked whether anybody could know; whom to call is told at once.
        let is_name = |c: Concept| matches!(c, Concept::Place | Concept::DiveSite | Concept::Species);
        let of_a_name =
            |hit: &Hit<Concept>| reading.hits().iter().any(|other| is_name(other.concept) && hit.is_inside(other));
        // "Blue Hole" is no blue skin.
        let signs = |hit: &&Hit<Concept>| hit.concept.is_grave() || hit.concept.is_suspect();
        let hurt = reading.hits().iter().filter(signs).any(|hit| !of_a_name(hit));
        let beyond = beyond.filter(|beyond| *beyond == Beyond::Helplines || (worry.is_none() && !hurt));
        let to = if beyond == Some(Beyond::Helplines) { Destination::Helplines } else { to };
        let margin = if beyond.is_some() { 1.0 } else { margin };
        let intent = beyond.map_or_else(
            || intent(reading, &to, decision.label, is_told_by_the_way(&asked.text, reading)),
            |beyond| beyond.intent().to_owned(),
        );
        let taken_over = &decision.taken_over;
        let before = Some(taken_over.words.as_str()).filter(|words| !words.is_empty());
        let own = names::named(reading, &asked.text, decision.label);
        // Of another place than the one that is spoken of nothing is an answer.
        let may_part = !own.is_empty() || taken_over.names.is_empty();
        let parts = before.filter(|_| may_part && query::says_enough(&message.text.units, reading));
        let english = query::in_english(&asked.text, reading);
        let standalone = |before| query::standalone(&asked.text, before, reading, english.as_deref());
        let alone = parts.map(|_| Alone { query: standalone(None), names: own });
        let mut query = standalone(before);
        let wants_a_fact = worry.is_some() && worry::wants_a_fact(&asked.text, decision.lang);
        query.push_str(&level::asked_for(reading, talk, &known, taken_over, decision.label));
        if let Some(worry) = worry.as_ref().filter(|_| !wants_a_fact) {
            let subject = profile::searched(worry, decision.lang);
            if reading.len() > LONG_WORRY && !subject.is_empty() && decision.label == "safety" {
                query.clear();
            }
            query.push(' ');
            query.push_str(subject);
        }
        let state_updates = state_updates(&learned, &to, &intent, reading);
        let route = Route {
            confidence: decision.confidence,
            also: if beyond.is_some() { Vec::new() } else { also(reading, decision.label) },
            lang: decision.lang,
            query,
            context: Context {
                english,
                taken_over: taken_over.words.clone(),
                tells: taken_over.told(),
                only_tells: Said::read(&asked.text, decision.lang).only_tells(),
                alone,
                questions: query::one_by_one(&asked.text, decision.lang),
                wants_a_fact,
            },
            names: if taken_over.of_gear() {
                // What is told of gear names no place.
                Vec::new()
            } else {
                named(reading, &asked.text, decision.label, taken_over)
            },
            worry,
            beyond_certificate: memory::beyond_certificate(reading, &asked.text, &known),
            forgets,
            caution: reading.any(SAFETY_TOPICS) || reading.count(Concept::is_sign) > 0,
            learned,
            state_updates,
            intent,
            to,
        };
        (route, margin)
    }
}

/// The names a message asks about, its own and those it takes over.
fn named(reading: &Reading, text: &str, label: &str, taken_over: &TakenOver) -> Vec<String> {
    let mut names = names::named(reading, text, label);
    let further = taken_over.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>();
    names.extend(further);
    names
}

/// Who tells more than this of a worry tells of much else, too; then only the worry is searched for.
const LONG_WORRY: usize = 12;

/// Subjects that call for the safety agent's words.
const SAFETY_TOPICS: &[Concept] = &[
    Concept::Medical,
    Concept::Medicine,
    Concept::Fitness,
    Concept::NoFly,
    Concept::Gas,
    Concept::Deco,
    Concept::GasHazard,
    Concept::Drill,
    Concept::Intox,
];

/// Further agents whose subject the message touches.
pub(crate) fn also(reading: &Reading, label: &str) -> Vec<AgentId> {
    let certification = reading.any(&[Concept::Prereq, Concept::Equivalence, Concept::AgeLimit, Concept::CardAdmin])
        || (reading.any(&[Concept::Course]) && label != "trip")
        || (reading.any(&[Concept::Level]) && label == "retrieval");
    let trip = reading.any(&[Concept::Liveaboard, Concept::Season])
        || (reading.any(&[Concept::Place, Concept::Trip])
            && reading.any(&[Concept::Month, Concept::Sight, Concept::Conditions, Concept::Trip]))
        || (reading.has(Concept::Place) && label == "certification");
    let touched = [
        ("certification", certification),
        ("trip", trip),
        ("safety", reading.any(SAFETY_TOPICS) || reading.has(Concept::Worry)),
        ("retrieval", reading.any(OPERATORS_OWN) && label != "retrieval"),
    ];
    if label == "out_of_scope" {
        return Vec::new();
    }
    touched
        .into_iter()
        .filter(|(agent, touched)| *touched && *agent != label)
        .map(|(agent, _)| AgentId::new(agent))
        .collect()
}

/// What only the operator can answer.
const OPERATORS_OWN: &[Concept] = &[Concept::Price, Concept::Hours, Concept::Operator];

/// What a shop sells: who names it may well ask for its price and hour.
const OF_A_SHOP: &[Concept] = &[Concept::Dive, Concept::Course, Concept::Rent, Concept::Operator];

/// Whether the operator's business stands only in what is told beside a question of its own: "why do corals turn
/// white? The guide spoke of bleaching" asks for nothing of the guide's.
fn is_told_by_the_way(text: &str, reading: &Reading) -> bool {
    let asking = questions::asking(text).join(" ");
    reading.any(OPERATORS_OWN)
        && !asking.is_empty()
        && !Message::read(&asking).reading(reading.lang()).any(OPERATORS_OWN)
}

/// What the message is about: its most telling concept, else the label.
fn intent(reading: &Reading, to: &Destination, label: &str, told_by_the_way: bool) -> String {
    const TELLING: &[Concept] = &[
        Concept::NoFly,
        Concept::Medical,
        Concept::Medicine,
        Concept::Fitness,
        Concept::Ears,
        Concept::Gas,
        Concept::Deco,
        Concept::GasHazard,
        Concept::Drill,
        Concept::Worry,
        Concept::Price,
        Concept::Hours,
        Concept::Operator,
        Concept::Equivalence,
        Concept::Prereq,
        Concept::AgeLimit,
        Concept::CardAdmin,
        Concept::Refresher,
        Concept::CourseSkill,
        Concept::Course,
        Concept::Level,
        Concept::Liveaboard,
        Concept::Season,
        Concept::Sight,
        Concept::Rent,
        Concept::Place,
        Concept::GearCare,
        Concept::Gear,
        Concept::Biology,
        Concept::Species,
        Concept::Physics,
        Concept::History,
    ];
    match to {
        Destination::Fixed(phrase) => phrase.key().to_owned(),
        Destination::Connect => "connect".to_owned(),
        Destination::Experience => "profile".to_owned(),
        Destination::OutOfScope | Destination::Helplines => label.to_owned(),
        Destination::Agent(agent) => {
            // Prices, hours and bookings are the operator's only where the whole message is: "how much" and
            // "open" stand in questions about courses and dives, too.
            // "Can I dive with hammerheads" has the words of fitness to dive and is no matter of it.
            let fits = |concept: &Concept| match concept {
                concept if told_by_the_way && OPERATORS_OWN.contains(concept) => false,
                Concept::Fitness => matches!(label, "safety" | "certification"),
                // In English the answer looks for a word of business besides.
                Concept::Price if reading.lang() == Lang::En => label != "safety",
                // "How much" and "at what hour" are asked of animals with the words of prices and opening hours.
                Concept::Price | Concept::Hours if reading.has(Concept::Biology) && !reading.any(OF_A_SHOP) => false,
                concept if OPERATORS_OWN.contains(concept) => label == "retrieval",
                _ => true,
            };
            let telling = TELLING.iter().find(|concept| fits(concept) && reading.has(**concept));
            telling.map_or(agent.as_str(), |concept| concept.key()).to_owned()
        }
    }
}

fn state_updates(learned: &DiverProfile, to: &Destination, intent: &str, reading: &Reading) -> Map<String, Value> {
    let mut updates = Map::new();
    if let Some(level) = &learned.cert_level {
        updates.insert("cert_level".to_owned(), Value::from(level.clone()));
    }
    if let Destination::Agent(agent) = to {
        let mode = match agent.as_str() {
            "certification" => "learning",
            "trip" => "trip",
            "safety" => "safety",
            _ => "general",
        };
        updates.insert("context_mode".to_owned(), Value::from(mode));
    }
    if reading.has(Concept::Place) {
        updates.insert("location_known".to_owned(), Value::from(true));
    }
    if reading.any(&[Concept::Conditions, Concept::Month, Concept::Season]) {
        updates.insert("conditions_known".to_owned(), Value::from(true));
    }
    updates.insert("last_intent".to_owned(), Value::from(intent));
    updates
}

/// Shares a router between tasks.
impl From<HeuristicRouter> for Arc<dyn Router> {
    fn from(router: HeuristicRouter) -> Self {
        Arc::new(router)
    }
}

#[cfg(test)]
mod tests;
