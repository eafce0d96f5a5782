//! The answer without a model: the passages' own sentences, chosen for the question and put in order.

mod ages;
mod answerable;
mod candidates;
mod fit;
mod follow_up;
mod heading;
mod kind;
mod measures;
mod months;
mod question;
mod score;
mod select;
mod strangers;
mod told;

use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::agent::{Answer, Answerer, Brief, Phrase, Release, Voice};
use dovvybuddy_core::knowledge::Passage;
use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::questions::point;

use self::candidates::Candidate;
use self::kind::Kind;
use self::question::Question;
use self::select::Part;
use self::told::Told;
use crate::beyond;
use crate::business;
use crate::frame::{self, Frame};
use crate::text::marks;
use crate::text::sentences::Gap;
use crate::writer::Writer;

pub use self::answerable::{Features, Recorder};
pub(crate) use self::follow_up::choose as follow_up;

/// The name in `metadata.model` of an answer without a model.
pub const EXTRACTIVE: &str = "extractive";

/// Answers by quoting.
pub struct Extractive {
    voice: Arc<dyn Voice>,
    recorder: Option<Recorder>,
}

impl Extractive {
    /// An answerer that frames its quotes with these fixed sentences.
    pub fn new(voice: Arc<dyn Voice>) -> Self {
        Self { voice, recorder: None }
    }

    /// An answerer that records what it sees of each question, and takes whatever was found for an answer.
    pub fn recording(voice: Arc<dyn Voice>, recorder: Recorder) -> Self {
        Self { voice, recorder: Some(recorder) }
    }

    /// Writes the answer after what `writer` already holds; with text there, the quotes continue it.
    pub(crate) fn write(&self, brief: &Brief, writer: &mut Writer<'_>) -> bool {
        let continues = !writer.text().is_empty();
        let frame = Frame::of(brief, self.voice.as_ref());
        if !continues && let Some(opening) = &frame.opening {
            writer.write(Gap::Paragraph, opening);
        }
        let chosen = choose(brief, writer.text(), self.recorder.as_ref());
        let ask_operator = business::asks_the_operator(brief) && !chosen.quotes_the_operator(&brief.passages);
        let worried = brief.route.worry.is_some();
        let covered = continues || worried || !chosen.runs.is_empty();
        if chosen.runs.is_empty() {
            if !continues && !worried {
                let otherwise = [if ask_operator {
                    Phrase::AskOperator
                } else if brief.route.context.only_tells {
                    Phrase::Listening
                } else {
                    Phrase::NotCovered
                }];
                let beyond = beyond::phrases(brief);
                let said = if beyond.is_empty() { &otherwise } else { beyond };
                for phrase in said {
                    self.say(brief, *phrase, writer);
                }
            }
        } else {
            if brief.route.lang != Lang::En {
                self.say(brief, Phrase::QuotedInEnglish, writer);
            }
            write_runs(brief, &chosen, writer);
            if ask_operator {
                self.say(brief, Phrase::AskOperator, writer);
            }
        }
        self.close(brief, &frame, writer, covered);
        covered
    }

    /// What stands after the answer: the safety agent's words, the physician, the next step.
    pub(crate) fn close(&self, brief: &Brief, frame: &Frame, writer: &mut Writer<'_>, covered: bool) {
        // Beside "that I don't know" a word on something else is no help.
        if covered {
            self.safety_note(brief, writer);
        }
        for closing in &frame.closing {
            writer.write(Gap::Paragraph, closing);
        }
    }

    pub(crate) fn voice(&self) -> &dyn Voice {
        self.voice.as_ref()
    }

    fn say(&self, brief: &Brief, phrase: Phrase, writer: &mut Writer<'_>) {
        writer.write(Gap::Paragraph, &self.voice.say(phrase, brief.route.lang));
    }

    /// The safety agent's words beside another agent's: the best sentence of the safety passage that says most
    /// about what is asked, unless the answer cites one already.
    fn safety_note(&self, brief: &Brief, writer: &mut Writer<'_>) {
        let is_safety = |source: &str| source.starts_with("safety");
        let cites_safety = writer.cited().any(|passage| is_safety(&passage.doc_type));
        if !frame::wants_safety_note(brief) || cites_safety {
            return;
        }
        let best = brief.passages.iter().map(|passage| passage.score).fold(0.0, f32::max);
        let safety = brief.passages.iter().enumerate().filter(|(_, p)| is_safety(&p.doc_type));
        let nearest = safety.max_by(|a, b| a.1.score.total_cmp(&b.1.score).then(b.0.cmp(&a.0)));
        let Some((passage, found)) = nearest.filter(|(_, p)| p.score >= best * NEAR) else { return };
        let chosen = choose_from(brief, std::slice::from_ref(found), "", false, None);
        let Some(note) = chosen.runs.first().and_then(|run| chosen.candidates.get(*run.first()?)) else { return };
        let intro = self.voice.say(Phrase::SafetyNote, brief.route.lang);
        let words = measures::in_units_of(&note.text, units(brief));
        writer.write(Gap::Paragraph, &format!("{} {}", intro.trim(), marks::add(&words, passage)));
    }
}

#[async_trait]
impl Answerer for Extractive {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        let mut writer = Writer::new(release, &brief.passages);
        let covered = self.write(brief, &mut writer);
        let (text, citations) = writer.finish();
        Answer {
            citations,
            text,
            model: EXTRACTIVE.to_owned(),
            tokens_used: 0,
            cost_micros: 0,
            follow_up: follow_up(brief).filter(|_| covered),
            covered,
            degraded: Vec::new(),
        }
    }
}

/// What was chosen to be quoted.
struct Chosen {
    candidates: Vec<Candidate>,
    runs: Vec<select::Run>,
    /// It is asked where something is: a site's title says it.
    where_is: bool,
}

impl Chosen {
    fn quotes_the_operator(&self, passages: &[Passage]) -> bool {
        let sources = self.runs.iter().flatten().filter_map(|at| passages.get(self.candidates.get(*at)?.passage));
        sources.into_iter().any(beyond::is_the_operators)
    }
}

fn choose(brief: &Brief, said: &str, record: Option<&Recorder>) -> Chosen {
    if said.is_empty()
        && let Some(chosen) = comfort(brief)
    {
        return chosen;
    }
    let first = brief.passages.get(..brief.first).unwrap_or(&brief.passages);
    let chosen = choose_from(brief, first, said, true, record);
    let alone = brief.route.context.alone.as_ref().filter(|_| chosen.runs.is_empty());
    alone.map_or(chosen, |alone| {
        let mut brief = brief.clone();
        brief.route.query.clone_from(&alone.query);
        brief.route.names.clone_from(&alone.names);
        brief.route.context.taken_over.clear();
        choose_from(&brief, &brief.passages, said, true, record)
    })
}

/// A safety passage that the search believes much less than the best one is about something else.
const NEAR: f32 = 0.6;

/// The type of documents that are written for a worried diver, one worry to a section.
const WORRIES: &str = "safety_worry";
/// The most sentences of such a section.
const COMFORT: usize = 5;

/// The section written for the diver's worry, as it stands: picked apart, the sentences that weigh a danger
/// would lose those that put it in proportion.
fn comfort(brief: &Brief) -> Option<Chosen> {
    brief.route.worry.as_ref().filter(|_| brief.agent.id.as_str() == "safety" && !brief.route.context.wants_a_fact)?;
    let section = brief.passages.iter().position(|passage| passage.doc_type.starts_with(WORRIES))?;
    let candidates = candidates::candidates(&brief.passages);
    let own = candidates.iter().enumerate().filter(|(_, candidate)| candidate.passage == section);
    let run: select::Run = own.map(|(at, _)| at).take(COMFORT).collect();
    (!run.is_empty()).then(|| Chosen { runs: vec![run], candidates, where_is: false })
}

/// With `strict` the sentences must have to do with the question.
fn choose_from(brief: &Brief, passages: &[Passage], said: &str, strict: bool, record: Option<&Recorder>) -> Chosen {
    let point = point(&brief.asked.text).join(" ");
    let of_business = strict && business::asks_the_operator(brief);
    let besides = if of_business { business::asked_besides(brief).join(" and ") } else { String::new() };
    let asked = match &brief.route.context.english {
        _ if !besides.is_empty() => &*besides,
        Some(english) => english,
        None if point.is_empty() || brief.route.lang != Lang::En => &*brief.asked.text,
        None => &*point,
    };
    let mut question = Question::read(asked, if besides.is_empty() { &brief.route.query } else { asked });
    if brief.route.context.english.is_some() {
        question.read_marks(&brief.asked.text);
    }
    let mut candidates = candidates::candidates(passages);
    if !said.is_empty() {
        // Continuing a model's answer: nothing it said is said again.
        let sentences: Vec<_> = crate::text::sentences::split(said);
        let said: Vec<_> = sentences.iter().map(|s| crate::text::terms::term_set(&s.text)).collect();
        candidates.retain(|c| !said.iter().any(|s| crate::text::terms::share(&c.terms, s) > 0.7));
    }
    if !besides.is_empty() {
        // What only the operator knows is said behind the answer to the rest.
    } else if of_business && business::only_the_operator_knows(brief) {
        // A park's fee may be told; a course's days are no answer to what it costs.
        let things = question.things(&brief.route.names, passages);
        candidates.retain(|c| c.is_business() && question.speaks_of(&things, &c.terms));
    } else if of_business {
        let own = |c: &Candidate| passages.get(c.passage).is_some_and(beyond::is_the_operators);
        candidates.retain(|c| own(c) || c.is_business());
    }
    if strict && !beyond::phrases(brief).is_empty() {
        candidates.retain(|c| passages.get(c.passage).is_some_and(beyond::is_the_operators));
    }
    let tells = candidates::weights(&candidates);
    let told = Told::of(brief);
    let rate = |question: &Question| {
        let mut scores = score::rate(question, passages, &candidates, &tells);
        told.discount(question, &candidates, &mut scores);
        scores
    };
    let scores = rate(&question);
    let answers = || {
        let best = answerable::Best::of(passages, &scores, &candidates);
        answerable::answers(brief, asked, &question, &best, record)
    };
    let covered = !strict || answers();
    let parts = || {
        let alone = brief.route.context.questions.iter().map(|part| Question::read(part, part));
        alone.map(|question| Part { scores: rate(&question), question }).collect()
    };
    let mut runs = if covered {
        let parts: Vec<Part> = if strict { parts() } else { Vec::new() };
        select::select(&question, &parts, passages, &candidates, &scores)
    } else {
        Vec::new()
    };
    if brief.route.context.only_tells {
        let chosen: Vec<&Candidate> = runs.iter().flatten().filter_map(|at| candidates.get(*at)).collect();
        if told.is_all_there_is(asked, &chosen) {
            runs.clear();
        }
    }
    let asks = |kind: Kind| question.kind == kind || question.further.contains(&kind);
    let where_is = asks(Kind::Where) || asks(Kind::Country);
    Chosen { candidates, runs, where_is }
}

fn write_runs(brief: &Brief, chosen: &Chosen, writer: &mut Writer<'_>) {
    let quoted = brief.route.lang != Lang::En;
    for (number, run) in chosen.runs.iter().enumerate() {
        let sentences: Vec<&Candidate> = run.iter().filter_map(|at| chosen.candidates.get(*at)).collect();
        let Some(first) = sentences.first() else { continue };
        let words = sentences.iter().map(|c| measures::in_units_of(&c.text, units(brief)));
        let words = if quoted {
            format!("“{}” [{}]", words.collect::<Vec<_>>().join(" "), first.passage + 1)
        } else {
            words.map(|words| marks::add(&words, first.passage)).collect::<Vec<_>>().join(" ")
        };
        let site = brief.passages.get(first.passage).filter(|_| number == 0 && chosen.where_is).and_then(address);
        let piece = site.map_or_else(|| words.clone(), |site| format!("{site}: {words}"));
        // The answer and what adds to it from another source read better apart once there are several.
        let gap = if number == 0 || quoted { Gap::Paragraph } else { Gap::Space };
        writer.write(gap, &piece);
    }
}

/// The title of a dive site where it names the site and the place: "USAT Liberty wreck, Tulamben, Bali".
fn address(passage: &Passage) -> Option<&str> {
    (passage.doc_type == "dive_site" && passage.title.contains(", ")).then_some(passage.title.as_str())
}

fn units(brief: &Brief) -> Option<dovvybuddy_core::session::Units> {
    brief.route.learned.units.or(brief.asked.session.profile.units)
}

#[cfg(test)]
mod tests;
