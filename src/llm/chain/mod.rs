//! Models in order of preference, then extraction: an answer always comes.
//!
//! Every model of a turn is asked until one answers; what keeps a failing one from being asked for nothing is its
//! breaker. Asking the same model again is paid from a budget of its own. What was released stands: the next model,
//! or extraction, goes on after it.

mod attempt;
mod breaker;
mod budget;
mod limits;
mod once;
mod spend;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use dovvybuddy_core::agent::{Agents, Answer, Answerer, Brief, Release, Voice};
use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::model::{ModelError, Prompt};
use dovvybuddy_core::reply::Degraded;
use dovvybuddy_core::session::Role;
use tokio::time::Instant;

use self::attempt::{Attempt, Ended};
use crate::beyond;
use crate::business;
use crate::extractive::{self, EXTRACTIVE, Extractive};
use crate::frame::Frame;
use crate::grounding::{Gate, Grounding};
use crate::writer::Writer;

pub use self::limits::{Limits, Member};
pub use self::spend::Spending;

/// What extraction and the writing of the turn need of the deadline.
const RESERVE: Duration = Duration::from_millis(1500);

/// With less time than this no model is asked.
const WORTH_ASKING: Duration = Duration::from_millis(800);

/// Answers with the first model that can, else by extraction.
pub struct Chain {
    members: Vec<Member>,
    agents: Arc<dyn Agents>,
    extractive: Extractive,
    spending: Option<Spending>,
    clock: Arc<dyn Clock>,
}

/// What the models of one turn did.
#[derive(Default)]
struct Tally {
    tokens: u32,
    cost_micros: u64,
    /// The model whose words were released last.
    model: Option<String>,
    /// A model's answer came to its end.
    whole: bool,
}

impl Chain {
    /// A chain of `models` in order of preference. Without `spending` nothing is capped.
    pub fn new(
        models: Vec<Member>,
        agents: Arc<dyn Agents>,
        voice: Arc<dyn Voice>,
        spending: Option<Spending>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { members: models, agents, extractive: Extractive::new(voice), spending, clock }
    }

    /// Whether some model is configured and none of them rests: for readiness and status pages.
    pub fn healthy(&self) -> bool {
        self.members.iter().any(|member| member.breaker.health(Instant::now()) != breaker::Health::Open)
    }

    /// Each model's name and whether it answers (`closed`), is being tried (`half_open`) or rests (`open`).
    pub fn status(&self) -> Vec<(String, &'static str)> {
        let now = Instant::now();
        self.members.iter().map(|member| (member.name.clone(), member.state(now))).collect()
    }

    async fn ask_models(&self, brief: &Brief, frame: &Frame, writer: &mut Writer<'_>) -> Tally {
        let mut tally = Tally::default();
        let prompt = self.agents.prompt(brief);
        let grounding = Grounding::new(brief, &prompt.system);
        let until = brief.asked.deadline.checked_sub(RESERVE).unwrap_or_else(Instant::now);
        for (place, member) in self.members.iter().enumerate() {
            let last = place + 1 == self.members.len();
            let mut retries = ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(150))
                .with_max_delay(Duration::from_secs(2))
                .with_max_times(1)
                .with_jitter()
                .build();
            let mut again = false;
            loop {
                if until.saturating_duration_since(Instant::now()) < WORTH_ASKING {
                    return tally;
                }
                let error = match self
                    .call(brief, &prompt, &grounding, frame, member, again, until, writer, &mut tally)
                    .await
                {
                    Ended::Answered => {
                        tally.whole = true;
                        return tally;
                    }
                    Ended::NotAsked => break,
                    Ended::Failed(error) => error,
                };
                // Another model is a better second try than the same one.
                let Some(delay) = retries.next().filter(|_| last && worth_repeating(&error)) else { break };
                let delay = if let ModelError::RateLimited(Some(asked)) = error { asked } else { delay };
                if until.saturating_duration_since(Instant::now()) < delay + WORTH_ASKING
                    || delay > Duration::from_secs(3)
                {
                    break;
                }
                tokio::time::sleep(delay).await;
                again = true;
            }
        }
        tally
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call needs all of the turn; a struct of them would live three lines"
    )]
    async fn call(
        &self,
        brief: &Brief,
        prompt: &Prompt,
        grounding: &Grounding<'_>,
        frame: &Frame,
        member: &Member,
        again: bool,
        until: Instant,
        writer: &mut Writer<'_>,
        tally: &mut Tally,
    ) -> Ended {
        let Some(permit) = member.breaker.permit(Instant::now()) else { return Ended::NotAsked };
        if !again {
            member.retries.turn();
        } else if !member.retries.take() {
            return Ended::NotAsked;
        }
        let continued = continued(prompt, writer.as_given());
        let mut attempt = Attempt {
            member,
            prompt: continued.as_ref().unwrap_or(prompt),
            asked: &brief.asked,
            spending: self.spending.as_ref(),
            clock: self.clock.as_ref(),
            until,
            gate: Gate::new(grounding, writer.text(), frame.opening.as_deref()),
            permit: Some(permit),
        };
        let outcome = attempt.run(writer).await;
        let released = attempt.gate.released() > 0;
        tally.tokens = tally.tokens.saturating_add(outcome.used.prompt).saturating_add(outcome.used.completion);
        tally.cost_micros = tally.cost_micros.saturating_add(outcome.cost_micros);
        if released {
            tally.model = Some(member.model.name().to_owned());
        }
        if again && (!outcome.asked || matches!(outcome.ended, Ended::Answered)) {
            member.retries.give_back();
        }
        outcome.ended
    }
}

/// Whether the same model may be asked again for this.
const fn worth_repeating(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::Unavailable(_) | ModelError::Incomplete | ModelError::RateLimited(_) | ModelError::Garbled(_)
    )
}

/// The prompt that goes on after what was released already.
fn continued(prompt: &Prompt, said: &str) -> Option<Prompt> {
    if said.is_empty() {
        return None;
    }
    let mut prompt = prompt.clone();
    prompt.messages.push((Role::Assistant, said.to_owned()));
    prompt.messages.push((
        Role::User,
        "The answer above was cut off. Write only what comes after it, by the same rules, and repeat nothing."
            .to_owned(),
    ));
    Some(prompt)
}

#[async_trait]
impl Answerer for Chain {
    async fn answer(&self, brief: &Brief, release: &dyn Release) -> Answer {
        // Without passages no model may say anything, so none is paid for it.
        let unknowable = business::only_the_operator_knows(brief) || beyond::nobody_knows(brief);
        if brief.passages.is_empty() || self.members.is_empty() || unknowable {
            return self.extractive.answer(brief, release).await;
        }
        let mut writer = Writer::new(release, &brief.passages);
        let frame = Frame::of(brief, self.extractive.voice());
        let tally = self.ask_models(brief, &frame, &mut writer).await;
        let done = tally.whole && tally.model.is_some();
        let covered = if done {
            self.extractive.close(brief, &frame, &mut writer);
            true
        } else {
            self.extractive.write(brief, &mut writer)
        };
        let (text, citations) = writer.finish();
        Answer {
            citations,
            text,
            model: tally.model.unwrap_or_else(|| EXTRACTIVE.to_owned()),
            tokens_used: tally.tokens,
            cost_micros: tally.cost_micros,
            follow_up: extractive::follow_up(brief),
            covered,
            degraded: if done { Vec::new() } else { vec![Degraded::Llm] },
        }
    }
}

#[cfg(test)]
mod tests;
