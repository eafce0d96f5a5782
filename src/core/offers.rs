//! Which buttons stand under a reply.

use serde_json::{Map, Value};

use crate::agent::{Brief, Phrase, Voice};
use crate::channel::{Action, Command};
use crate::ids::TurnId;
use crate::reply::Reply;
use crate::session::{ASKED_BACK, OFFERED, Role};
use crate::store::Outcome;

/// The agents whose subjects end at a professional: a course, a trip.
const LEADING: [&str; 2] = ["certification", "trip"];
/// Fixed sentences that offer a hand-over or send the diver to the operator.
const OFFERING: [Phrase; 2] = [Phrase::WorryNextStep, Phrase::AskOperator];

/// What the diver may want to ask next, in their language: the first of the agent's questions that they
/// did not ask yet. The question the reply itself ends with is the bot's, and for the diver to answer.
pub(crate) fn next_question(brief: &Brief) -> Option<String> {
    let asked = &brief.asked;
    let questions = brief.agent.next_questions.get(brief.route.lang.code())?.as_array()?;
    let said = |question: &str| {
        let earlier = asked.session.history.iter().filter(|message| message.role == Role::User);
        asked.typed.contains(question) || earlier.into_iter().any(|message| message.content.contains(question))
    };
    questions.iter().filter_map(Value::as_str).find(|question| !said(question)).map(str::to_owned)
}

/// What to offer under a reply: after an answer what may be asked next, a professional where the subject
/// or the words lead to one, and a rating; under an emergency that it is none; otherwise nothing.
pub(crate) fn actions(voice: &dyn Voice, turn: TurnId, reply: &Reply, outcome: Outcome) -> Vec<Action> {
    let label = |phrase| voice.say(phrase, reply.lang);
    let mut actions = Vec::new();
    match outcome {
        Outcome::Emergency => actions.push(Action::new(label(Phrase::ButtonNotAnEmergency), Command::NotAnEmergency)),
        Outcome::Answered | Outcome::NotCovered | Outcome::Fixed => {
            let next = reply.next_question.clone();
            actions.extend(next.map(|question| Action::new(question, Command::FollowUp { turn })));
            if leads_to_a_professional(voice, reply, outcome) {
                actions.push(Action::new(label(Phrase::ButtonConnect), Command::Connect));
            }
            if outcome != Outcome::Fixed {
                actions.push(Action::new("👍", Command::Rate { turn, up: true }));
                actions.push(Action::new("👎", Command::Rate { turn, up: false }));
            }
        }
        Outcome::OutOfScope
        | Outcome::Fallback
        | Outcome::CutShort
        | Outcome::SetAside
        | Outcome::WithPerson
        | Outcome::Person => {}
    }
    actions
}

/// The questions back that a session remembers; far more than an agent has.
const MOST_ASKED_BACK: usize = 16;

/// Notes what the reply leaves to be answered: that a person was offered in so many words, so that "yes" takes the
/// offer, and the question back, so that it is not asked again.
pub(crate) fn note(voice: &dyn Voice, reply: &Reply, notes: &mut Map<String, Value>) {
    if offers(voice, Phrase::WorryNextStep, reply) {
        notes.insert(OFFERED.to_owned(), true.into());
    } else {
        notes.remove(OFFERED);
    }
    let Some(question) = reply.follow_up.as_deref() else { return };
    let known = notes.entry(ASKED_BACK).or_insert_with(|| Value::Array(Vec::new()));
    if !known.is_array() {
        *known = Value::Array(Vec::new());
    }
    if let Some(asked) = known.as_array_mut()
        && asked.len() < MOST_ASKED_BACK
        && !asked.iter().any(|known| known == question)
    {
        asked.push(question.into());
    }
}

fn leads_to_a_professional(voice: &dyn Voice, reply: &Reply, outcome: Outcome) -> bool {
    let subject = outcome != Outcome::Fixed && LEADING.contains(&reply.agent.as_str());
    subject || OFFERING.iter().any(|phrase| offers(voice, *phrase, reply))
}

fn offers(voice: &dyn Voice, phrase: Phrase, reply: &Reply) -> bool {
    let sentence = voice.say(phrase, reply.lang);
    !sentence.is_empty() && reply.text.contains(&sentence)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ids::AgentId;
    use crate::lang::Lang;

    struct Words;

    impl Voice for Words {
        fn say(&self, phrase: Phrase, _lang: Lang) -> String {
            format!("<{}>", phrase.key())
        }
    }

    fn offered(agent: &str, text: &str, outcome: Outcome) -> Vec<Command> {
        let mut reply = Reply::fixed(text, AgentId::new(agent), Lang::En);
        if outcome == Outcome::Answered {
            reply.follow_up = Some("When would you like to travel?".into());
            reply.next_question = Some("And in winter?".into());
        }
        actions(&Words, TurnId(Uuid::from_u128(1)), &reply, outcome).into_iter().map(|a| a.command).collect()
    }

    #[test]
    fn an_answer_about_courses_or_trips_leads_to_a_professional() {
        for agent in LEADING {
            assert!(offered(agent, "OW takes four days.", Outcome::Answered).contains(&Command::Connect));
        }
        assert!(!offered("retrieval", "A manta is a ray.", Outcome::Answered).contains(&Command::Connect));
        assert!(offered("safety", "It's fine. <worry_next_step>", Outcome::Answered).contains(&Command::Connect));
        assert_eq!(offered("retrieval", "<ask_operator>", Outcome::Fixed), [Command::Connect]);
    }

    #[test]
    fn an_answer_can_be_rated_and_followed_up() {
        let turn = TurnId(Uuid::from_u128(1));
        let offered = offered("retrieval", "A manta is a ray.", Outcome::Answered);
        // The question back is not the diver's, so it is no button.
        let rates = [Command::Rate { turn, up: true }, Command::Rate { turn, up: false }];
        assert_eq!(offered, [vec![Command::FollowUp { turn }], rates.to_vec()].concat());
    }

    #[test]
    fn what_was_offered_and_asked_is_remembered() {
        let mut notes = Map::new();
        let mut reply = Reply::fixed("It's fine. <worry_next_step>", AgentId::new("safety"), Lang::En);
        reply.follow_up = Some("When?".into());
        note(&Words, &reply, &mut notes);
        note(&Words, &reply, &mut notes);
        assert_eq!(notes.get(OFFERED), Some(&Value::Bool(true)));
        assert_eq!(notes.get(ASKED_BACK), Some(&serde_json::json!(["When?"])));
        note(&Words, &Reply::fixed("Yes.", AgentId::new("trip"), Lang::En), &mut notes);
        assert_eq!(notes.get(OFFERED), None);
    }

    #[test]
    fn under_an_emergency_stands_only_that_it_is_none() {
        assert_eq!(offered("safety", "Get help.", Outcome::Emergency), [Command::NotAnEmergency]);
        for outcome in
            [Outcome::Fallback, Outcome::CutShort, Outcome::SetAside, Outcome::OutOfScope, Outcome::WithPerson]
        {
            assert_eq!(offered("trip", "…", outcome), []);
        }
    }
}
