//! What stands around an answer, whoever wrote it: a worry acknowledged, a limit named, the next step, the
//! physician.

use dovvybuddy_core::agent::{Brief, Phrase, Voice};
use dovvybuddy_core::lang::Lang;

/// Fixed sentences before and after the answer of one brief.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Stands first.
    pub(crate) opening: Option<String>,
    /// Stand last, one paragraph each.
    pub(crate) closing: Vec<String>,
}

impl Frame {
    /// The frame this brief wants.
    pub(crate) fn of(brief: &Brief, voice: &dyn Voice) -> Self {
        let say = |phrase| Some(voice.say(phrase, brief.route.lang)).filter(|text| !text.is_empty());
        let worried = brief.route.worry.is_some();
        let mut closing = Vec::new();
        if is_medical(&brief.route.intent) {
            closing.extend(say(Phrase::AskPhysician));
        }
        if worried {
            closing.extend(say(Phrase::WorryNextStep));
        }
        let opening = if worried {
            say(Phrase::WorryAcknowledged)
        } else if brief.route.beyond_certificate {
            say(Phrase::BeyondCertificate)
        } else {
            None
        };
        Self { opening, closing }
    }
}

/// Whether the intent is about fitness or medicines.
fn is_medical(intent: &str) -> bool {
    matches!(intent, "medical" | "medicine" | "fitness")
}

/// Whether the intent asks for the operator's own facts.
fn is_operator_business(intent: &str) -> bool {
    matches!(intent, "price" | "hours" | "operator")
}

/// Whether only the operator could answer: the question is theirs, and no content of theirs was found.
/// Whatever else was found would answer another question, and perhaps with a wrong number.
pub(crate) fn only_the_operator_knows(brief: &Brief) -> bool {
    is_operator_business(&brief.route.intent)
        && speaks_of_business(brief)
        && !brief.passages.iter().any(|p| p.doc_type.starts_with("faq"))
}

/// Whether a question in English has a word of business in it; "how much weight" has none. Other
/// languages are taken at the router's word.
fn speaks_of_business(brief: &Brief) -> bool {
    const WORDS: &[&str] = &[
        "price",
        "prices",
        "pricing",
        "cost",
        "costs",
        "fee",
        "fees",
        "charge",
        "charges",
        "paid",
        "rates",
        "expensive",
        "cheap",
        "cheaper",
        "cheapest",
        "discount",
        "deposit",
        "refund",
        "cancel",
        "cancellation",
        "book",
        "booking",
        "reservation",
        "available",
        "availability",
        "hours",
        "open",
        "opening",
        "close",
        "closed",
        "closing",
        "schedule",
        "timetable",
        "address",
        "phone",
        "email",
        "contact",
        "pickup",
        "pick",
        "shop",
        "centre",
        "center",
        "operator",
        "today",
        "tomorrow",
        "tonight",
        "weekend",
        "sunday",
        "monday",
        "euro",
        "euros",
        "dollar",
        "dollars",
        "usd",
        "eur",
        "budget",
        "afford",
        "money",
        "paying",
    ];
    if brief.route.lang != Lang::En || brief.asked.text.contains(['$', '€', '£']) {
        return true;
    }
    let mut text = brief.asked.text.to_lowercase();
    for other in OTHER_SENSES {
        text = text.replace(other, "");
    }
    let text = text;
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words.clone().any(|word| WORDS.contains(&word))
        || [
            "phone number",
            "your boat",
            "your course",
            "your team",
            "your instructor",
            "your pool",
            "your school",
            "your guide",
            "what time",
            "do you have",
            "do you offer",
            "do you rent",
            "do you teach",
            "do you run",
            "do you sell",
        ]
        .iter()
        .any(|words| text.contains(words))
        || !words.any(|word| MEASURING.split_whitespace().any(|measuring| measuring == word))
            && ["is", "are", "for", "does", "do"].iter().any(|verb| text.contains(&format!("how much {verb}")))
}

/// "How much does a blue whale weigh" asks no price.
const MEASURING: &str = "
    weigh weighs hold holds double doubles increase increases change changes grow eat eats drink drinks sleep sleeps
    breathe breathes lift lifts pressure involve
";

/// Names and set phrases that have a word of business in them and are none.
const OTHER_SENSES: &[&str] = &[
    "open water",
    "open circuit",
    "open-circuit",
    "closed circuit",
    "closed-circuit",
    "close to",
    "open ocean",
    "open sea",
];

/// Whether the safety agent's words belong to an answer that another agent leads.
pub(crate) fn wants_safety_note(brief: &Brief) -> bool {
    brief.agent.id.as_str() != "safety" && brief.route.also.iter().any(|agent| agent.as_str() == "safety")
}
