//! What is sent of a lead, written once when it is stored.

use dovvybuddy_core::ChannelId;
use dovvybuddy_core::lead::{Lead, LeadKind};
use dovvybuddy_core::store::Notice;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The outlet that mails leads.
pub const MAIL: &str = "mail";

/// A lead as it is mailed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeadMail {
    pub(crate) lead: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) email: String,
}

/// The delivery of a lead by mail.
pub fn lead_notice(lead: &Lead) -> Notice {
    Notice {
        outlet: ChannelId::new(MAIL),
        subject: lead.id.to_string(),
        payload: serde_json::to_value(written(lead)).unwrap_or_default(),
    }
}

/// The fields of the form, in the order a reader wants them.
const FORM: [(&str, &str); 12] = [
    ("name", "Name"),
    ("email", "E-mail"),
    ("phone", "Telephone"),
    ("chat", "Chat"),
    ("certification_level", "Certification"),
    ("interested_certification", "Wants to become"),
    ("preferred_location", "Where"),
    ("destination", "Destination"),
    ("travel_dates", "When"),
    ("group_size", "Divers"),
    ("budget", "Budget"),
    ("message", "Message"),
];

fn written(lead: &Lead) -> LeadMail {
    let field = |name: &str| lead.data.get(name).map(plain).unwrap_or_default();
    let about = match lead.kind {
        LeadKind::Training => "training",
        LeadKind::Trip => "a trip",
    };
    let mut text = format!("A diver asks to be put in touch about {about}.\n\n");
    for (name, label) in FORM {
        let value = field(name);
        if !value.is_empty() {
            text.extend([label, ": ", &value, "\n"]);
        }
    }
    let known = profile_lines(lead);
    if !known.is_empty() {
        text.push_str("\nWhat the diver told the assistant:\n");
        text.push_str(&known);
    }
    text.push('\n');
    if !field("email").is_empty() {
        text.push_str("Answer this mail to write to the diver.\n");
    }
    text.extend(["Lead ", &lead.id.to_string(), ", received ", &lead.created_at.to_rfc3339(), ".\n"]);
    LeadMail {
        lead: lead.id.to_string(),
        subject: one_line(&format!("Lead ({}): {}", lead.kind.as_str(), field("name"))),
        text,
        name: one_line(&field("name")),
        email: one_line(&field("email")),
    }
}

fn profile_lines(lead: &Lead) -> String {
    let Ok(Value::Object(known)) = serde_json::to_value(&lead.profile) else { return String::new() };
    let mut text = String::new();
    for (name, value) in known {
        text.extend(["- ", &name.replace('_', " "), ": ", &one_line(&plain(&value)), "\n"]);
    }
    text
}

/// A value as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Nothing in a mail's header may begin another one.
pub(crate) fn one_line(text: &str) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.split(is_break).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::session::DiverProfile;
    use dovvybuddy_core::testkit::clock::{START, numbered};
    use dovvybuddy_core::{BotId, LeadId};
    use serde_json::json;

    use super::*;

    fn lead(data: Value) -> Lead {
        let profile = DiverProfile { cert_level: Some("OW".into()), dives: Some(12), ..DiverProfile::default() };
        Lead {
            id: LeadId(numbered(1)),
            bot: BotId::default(),
            kind: LeadKind::Trip,
            data,
            session: None,
            profile,
            created_at: START,
        }
    }

    #[test]
    fn a_mail_says_everything_the_diver_sent_and_nothing_else() {
        let mail =
            written(&lead(json!({"name": "Ana", "email": "ana@example.com", "group_size": 4, "message": "In May?"})));
        assert_eq!(mail.subject, "Lead (trip): Ana");
        for line in ["Name: Ana", "Divers: 4", "Message: In May?", "- cert level: OW", "- dives: 12"] {
            assert!(mail.text.contains(line), "{line} in {}", mail.text);
        }
        assert!(!mail.text.contains("Budget"));
    }

    #[test]
    fn no_header_can_begin_inside_a_name() {
        let mail = written(&lead(json!({"name": "Ana\r\nBcc: all@example.com", "email": "ana@example.com"})));
        assert_eq!(mail.subject, "Lead (trip): Ana Bcc: all@example.com");
        assert!(!mail.name.contains(['\r', '\n']));
    }
}
