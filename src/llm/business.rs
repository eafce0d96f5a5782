//! Whether a question is the operator's own business: prices, hours, bookings, how to reach them.

use dovvybuddy_core::agent::Brief;
use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::questions::asking;

use crate::beyond;

/// Whether only the operator could answer: the question is theirs, and no content of theirs was found.
/// Whatever else was found would answer another question, and perhaps with a wrong number.
pub(crate) fn only_the_operator_knows(brief: &Brief) -> bool {
    asks_the_operator(brief) && !brief.passages.iter().any(beyond::is_the_operators)
}

/// Whether the question is the operator's own business.
pub(crate) fn asks_the_operator(brief: &Brief) -> bool {
    let asking = asking(&brief.asked.text).join(" ");
    let asked = if asking.is_empty() { &*brief.asked.text } else { &*asking };
    brief.route.asks_the_operator() && (brief.route.lang != Lang::En || speaks_of_business(asked))
}

/// The questions of a message that are no business of the operator's: "how long does the course take and what does it
/// cost" asks one that the content answers.
pub(crate) fn asked_besides(brief: &Brief) -> Vec<&str> {
    let questions = brief.route.context.questions.iter().map(String::as_str);
    questions.filter(|question| !speaks_of_business(question)).collect()
}

/// Whether a question in English has a word of business in it; "how much weight" has none. Other
/// languages are taken at the router's word.
fn speaks_of_business(question: &str) -> bool {
    if question.contains(['$', '€', '£']) {
        return true;
    }
    let mut text = question.to_lowercase();
    if CHOOSING.iter().any(|wording| text.contains(wording)) {
        return false;
    }
    for other in OTHER_SENSES {
        text = text.replace(other, "");
    }
    if REPORTED.iter().any(|wording| text.contains(wording)) {
        return false;
    }
    let has = |listed: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| lists(listed, word));
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    has(WORDS) || says(PHRASES) || (says(HOW_MUCH) && !has(MEASURING))
}

fn lists(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|listed| listed == word)
}

const WORDS: &str = "
    price prices pricing cost costs fee fees charge charges paid paying rates expensive cheap cheaper cheapest discount
    deposit refund euro euros dollar dollars usd eur afford money
    cancel cancellation book booking reservation available availability
    hours schedule timetable today tomorrow tonight weekend sunday monday
    address email contact pickup pick shop centre center operator
";

const PHRASES: &[&str] = &[
    "phone number",
    "your phone",
    "by phone",
    "your boat",
    "your course",
    "your team",
    "your instructor",
    "your pool",
    "your school",
    "your guide",
    "what time",
    "you open",
    "you close",
    "you closed",
    "open on",
    "open at",
    "open until",
    "open today",
    "open tomorrow",
    "open now",
    "still open",
    "closed on",
    "close at",
    "opening",
    "closing time",
    "your shop",
    "shop closed",
    "centre closed",
    "center closed",
    "shop open",
    "centre open",
    "center open",
    "do you have",
    "do you offer",
    "do you rent",
    "do you teach",
    "do you run",
    "do you sell",
];

/// Advice on dive centres in general is wanted.
const CHOOSING: &[&str] = &[
    "best place",
    "best country",
    "cheapest place",
    "cheapest country",
    "how to choose",
    "way to choose",
    "best way to",
    "choose a ",
    "choosing a ",
    "makes a good ",
    "recognise a good ",
    "recognize a good ",
];

/// What a shop has said is told, and not asked of it.
const REPORTED: &[&str] = &[
    "shop said",
    "shop says",
    "shop told",
    "center said",
    "center says",
    "center told",
    "centre said",
    "centre says",
    "centre told",
    "operator said",
    "operator says",
    "operator told",
];

const HOW_MUCH: &[&str] = &["how much is", "how much are", "how much for", "how much does", "how much do"];

/// "How much does a blue whale weigh" asks no price.
const MEASURING: &str = "
    weigh weighs hold holds double doubles increase increases change changes grow eat eats drink drinks sleep sleeps
    breathe breathes lift lifts pressure involve compress compresses shrink shrinks expand expands rise rises float floats
    gain gains lose loses sink sinks stretch warm cool use uses
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
    "open heel",
    "contact lens",
    "contact lenses",
    "contacts in",
    "emergency contact",
    "eye contact",
    "rate of",
    "open-heel",
    "do you have to",
];
