//! One question back, from those the agent's prompt file offers.

use std::collections::HashSet;

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::questions;
use dovvybuddy_core::session::{ASKED_BACK, Role};
use serde_json::Value;

use super::kind::{self, Kind};
use super::months::Months;
use crate::text::terms;

/// Intents under which it matters whether something has happened already.
const OF_THE_BODY: &[&str] = &["medical", "medicine", "ears", "dci", "fitness"];

/// The question that fits this brief best, in the diver's language, and was not asked before.
pub(crate) fn choose(brief: &Brief) -> Option<String> {
    let offered = &brief.agent.follow_ups;
    let in_english = offered.get("en").and_then(Value::as_array);
    let list = offered.get(brief.route.lang.code()).and_then(Value::as_array).or(in_english)?;
    let about = terms::term_set(&format!("{} {}", brief.asked.text, brief.route.query));
    let mut best: Option<(f32, &str)> = None;
    for (at, question) in list.iter().enumerate().filter_map(|(at, question)| Some((at, question.as_str()?))) {
        // The lists of the languages are parallel: what a question asks is read from the English one.
        let plain = in_english.and_then(|list| list.get(at)).and_then(Value::as_str).unwrap_or(question);
        if question.trim().is_empty() || was_asked(brief, question) || is_known(brief, plain) {
            continue;
        }
        let fit = terms::share(&terms::term_set(question), &about);
        if best.is_none_or(|(most, _)| fit > most) {
            best = Some((fit, question));
        }
    }
    best.map(|(_, question)| question.to_owned())
}

/// Whether the question stands in what was said, or among what the session notes as asked.
fn was_asked(brief: &Brief, question: &str) -> bool {
    let session = &brief.asked.session;
    let noted = session.state.get(ASKED_BACK).and_then(Value::as_array);
    let said = || session.history.iter().filter(|m| m.role == Role::Assistant).any(|m| m.content.contains(question));
    noted.is_some_and(|asked| asked.iter().any(|known| known == question)) || said()
}

/// Whether the diver need not be asked: it is known already, or beside the point.
fn is_known(brief: &Brief, question: &str) -> bool {
    let words: HashSet<String> = terms::term_set(question);
    let asks = |stems: &[&str]| stems.iter().any(|stem| words.contains(*stem));
    let (profile, learned) = (&brief.asked.session.profile, &brief.route.learned);
    if asks(&["certif", "certifi", "certificate", "level"]) {
        return profile.cert_level.is_some() || learned.cert_level.is_some();
    }
    if asks(&["mani", "log"]) {
        return profile.dives.is_some() || learned.dives.is_some();
    }
    if asks(&["travel", "trip"]) {
        return names_a_month(brief);
    }
    // After a question about courses or nitrox it only frightens, and who asks for leave has not done it yet.
    let for_leave = || {
        let asked = brief.route.english(&brief.asked.text).unwrap_or_default();
        kind::kind(&questions::what_asks(asked), &brief.route.query) == Kind::Allowed
    };
    asks(&["happen"]) && (!OF_THE_BODY.contains(&brief.route.intent.as_str()) || for_leave())
}

/// Whether a month was named in the conversation, or stands in the diver's plans.
fn names_a_month(brief: &Brief) -> bool {
    let none = Months::default();
    let asked = &brief.asked;
    let plans = asked.session.profile.travel_plans.iter().chain(&brief.route.learned.travel_plans);
    // Plans are kept in lower case, where "may" is no month by itself.
    let planned = plans.flat_map(|plans| plans.split(", ")).any(|plan| Months::asked(&format!("in {plan}")) != none);
    planned
        || Months::asked(&asked.text) != none
        || Months::asked(&brief.route.query) != none
        || asked.session.said().any(|text| Months::asked(text) != none)
}
