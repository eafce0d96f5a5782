//! One question back, from those the agent's prompt file offers.

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::session::Role;
use serde_json::Value;

use crate::text::terms;

/// The question that fits this brief best, in the diver's language, and was not asked before.
pub(crate) fn choose(brief: &Brief) -> Option<String> {
    let offered = &brief.agent.follow_ups;
    let list = offered.get(brief.route.lang.code()).or_else(|| offered.get("en"))?.as_array()?;
    let said: Vec<&str> =
        brief.asked.session.history.iter().filter(|m| m.role == Role::Assistant).map(|m| m.content.as_str()).collect();
    let about = terms::term_set(&format!("{} {}", brief.asked.text, brief.route.query));
    let profile = &brief.asked.session.profile;
    let mut best: Option<(f32, &str)> = None;
    for question in list.iter().filter_map(Value::as_str) {
        if said.iter().any(|text| text.contains(question)) || question.trim().is_empty() {
            continue;
        }
        let words = terms::term_set(question);
        let mut fit = terms::share(&words, &about);
        // What is known already is not asked again.
        let asks = |stems: &[&str]| stems.iter().any(|stem| words.contains(*stem));
        let knows_level = profile.cert_level.is_some() || brief.route.learned.cert_level.is_some();
        let knows_dives = profile.dives.is_some() || brief.route.learned.dives.is_some();
        if (knows_level && asks(&["certif", "certifi", "level"])) || (knows_dives && asks(&["mani", "log"])) {
            fit -= 1.0;
        }
        if best.is_none_or(|(most, _)| fit > most) {
            best = Some((fit, question));
        }
    }
    best.map(|(_, question)| question.to_owned())
}
