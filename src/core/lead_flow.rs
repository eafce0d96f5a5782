//! Being put in touch with a professional, step by step in a chat.
//!
//! What it is about → a name → a way to reach the diver → what they want → exactly what will be sent, and
//! to whom → sent. A state machine without I/O: it lives in the session's notes, so that it survives a
//! restart, and says what to ask next. [`crate::connect`] gives it words.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::ids::LeadId;
use crate::lead::LeadKind;

/// Where the flow stands in the session's notes.
pub(crate) const KEY: &str = "lead_flow";
/// A flow nobody went on with for so long is forgotten: by then words mean something else.
const IDLE: Duration = Duration::from_hours(1);
/// The lengths the web's form allows.
const LONGEST_NAME: usize = 100;
const LONGEST_WISH: usize = 2000;
const LONGEST_EMAIL: usize = 254;
const LONGEST_PHONE: usize = 20;

/// A lead that is being put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeadFlow {
    /// The id the lead will have: the same on every try of sending it.
    pub(crate) lead: LeadId,
    /// Who asked; in a group nobody else's words count.
    diver: String,
    pub(crate) step: Step,
    pub(crate) kind: Option<LeadKind>,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    chat: Option<String>,
    wish: Option<String>,
    /// Worries and health go along.
    pub(crate) concerns: bool,
    at: Timestamp,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Kind,
    Name,
    Reach,
    Wish,
    Confirm,
}

/// An answer by a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Training,
    Trip,
    /// The name the platform shows.
    ShownName,
    /// To be answered in this chat.
    Here,
    Skip,
    Send,
    AddConcerns,
    DropConcerns,
    Cancel,
}

impl Choice {
    const ALL: [Self; 9] = [
        Self::Training,
        Self::Trip,
        Self::ShownName,
        Self::Here,
        Self::Skip,
        Self::Send,
        Self::AddConcerns,
        Self::DropConcerns,
        Self::Cancel,
    ];

    /// The word in a button's data.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Trip => "trip",
            Self::ShownName => "name",
            Self::Here => "here",
            Self::Skip => "skip",
            Self::Send => "send",
            Self::AddConcerns => "add-concerns",
            Self::DropConcerns => "drop-concerns",
            Self::Cancel => "cancel",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// Who is asked, as far as the platform and the profile know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    /// The diver's encoded key.
    pub(crate) diver: String,
    /// The name shown on the platform.
    pub(crate) name: Option<String>,
    /// How a person can write to them there, with the platform's name.
    pub(crate) contact: Option<String>,
    /// There are worries or health in the profile that could go along.
    pub(crate) has_concerns: bool,
}

/// An answer to a step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    Words(&'a str),
    Choice(Choice),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Ask for what [`LeadFlow::step`] says.
    Ask,
    /// The same once more: that was no answer to it.
    AskAgain,
    /// It is confirmed: send it.
    Send,
    /// It was stopped.
    Stop,
}

impl LeadFlow {
    pub(crate) fn begin(lead: LeadId, asker: &Asker, now: Timestamp) -> Self {
        Self {
            lead,
            diver: asker.diver.clone(),
            step: Step::Kind,
            kind: None,
            name: None,
            email: None,
            phone: None,
            chat: None,
            wish: None,
            concerns: false,
            at: now,
        }
    }

    /// Takes a way to be reached that was told before it was asked for; then it is not asked.
    pub(crate) fn reach_by(&mut self, words: &str) {
        (self.email, self.phone) = (email(words), phone(words));
    }

    /// The flow in a session's notes that this diver's words belong to, if one is open.
    pub(crate) fn open(notes: &Map<String, Value>, asker: &Asker, now: Timestamp) -> Option<Self> {
        let flow = Self::deserialize(notes.get(KEY)?).ok()?;
        (flow.diver == asker.diver && now.since(flow.at) < IDLE).then_some(flow)
    }

    /// Keeps it in the session's notes.
    pub(crate) fn keep(&self, notes: &mut Map<String, Value>) {
        if let Ok(flow) = serde_json::to_value(self) {
            notes.insert(KEY.to_owned(), flow);
        }
    }

    /// What can be chosen at this step, besides answering in words.
    pub(crate) fn choices(&self, asker: &Asker) -> Vec<Choice> {
        let mut choices = match self.step {
            Step::Kind => vec![Choice::Training, Choice::Trip],
            Step::Name => asker.name.iter().map(|_| Choice::ShownName).collect(),
            Step::Reach => asker.contact.iter().map(|_| Choice::Here).collect(),
            Step::Wish => vec![Choice::Skip],
            Step::Confirm => vec![Choice::Send],
        };
        if self.step == Step::Confirm && asker.has_concerns {
            choices.push(if self.concerns { Choice::DropConcerns } else { Choice::AddConcerns });
        }
        choices.push(Choice::Cancel);
        choices
    }

    /// Takes an answer.
    pub(crate) fn hear(&mut self, said: Said<'_>, asker: &Asker, now: Timestamp) -> Next {
        self.at = now;
        match said {
            Said::Choice(Choice::Cancel) => Next::Stop,
            // A button of an earlier step, pressed once more.
            Said::Choice(choice) if !self.choices(asker).contains(&choice) => Next::AskAgain,
            Said::Choice(choice) => self.choose(choice, asker),
            Said::Words(words) => self.answer(words.trim()),
        }
    }

    fn choose(&mut self, choice: Choice, asker: &Asker) -> Next {
        match choice {
            Choice::Training => self.kind = Some(LeadKind::Training),
            Choice::Trip => self.kind = Some(LeadKind::Trip),
            Choice::ShownName => self.name = asker.name.as_deref().and_then(name),
            Choice::Here => self.chat.clone_from(&asker.contact),
            Choice::Skip => {}
            Choice::AddConcerns | Choice::DropConcerns => {
                self.concerns = choice == Choice::AddConcerns;
                return Next::Ask;
            }
            Choice::Send => return Next::Send,
            Choice::Cancel => return Next::Stop,
        }
        self.go_on()
    }

    fn answer(&mut self, words: &str) -> Next {
        let understood = match self.step {
            Step::Kind | Step::Confirm => false,
            Step::Name => {
                self.name = name(words);
                self.name.is_some()
            }
            Step::Reach => {
                (self.email, self.phone) = (email(words), phone(words));
                self.email.is_some() || self.phone.is_some()
            }
            Step::Wish => {
                self.wish = Some(words.to_owned()).filter(|w| !w.is_empty() && w.chars().count() <= LONGEST_WISH);
                self.wish.is_some()
            }
        };
        if understood { self.go_on() } else { Next::AskAgain }
    }

    fn go_on(&mut self) -> Next {
        self.step = match self.step {
            Step::Kind => Step::Name,
            // A shown name that can't be used is asked for in words.
            Step::Name if self.name.is_none() => return Next::AskAgain,
            Step::Name if self.email.is_some() || self.phone.is_some() => Step::Wish,
            Step::Name => Step::Reach,
            Step::Reach => Step::Wish,
            Step::Wish | Step::Confirm => Step::Confirm,
        };
        Next::Ask
    }

    /// How the diver can be reached, for people.
    pub(crate) fn contact(&self) -> String {
        let ways: Vec<&str> = [&self.email, &self.phone, &self.chat].into_iter().filter_map(|w| w.as_deref()).collect();
        ways.join(", ")
    }

    /// The name that goes along.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// What the diver wants, in their own words.
    pub(crate) fn wish(&self) -> Option<&str> {
        self.wish.as_deref()
    }

    /// The form, as the web's would have been filled in.
    pub(crate) fn form(&self) -> Value {
        let fields = [
            ("name", &self.name),
            ("email", &self.email),
            ("phone", &self.phone),
            ("chat", &self.chat),
            ("message", &self.wish),
        ];
        let mut form: Map<String, Value> =
            fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into()))).collect();
        if self.concerns {
            form.insert("share_concerns".to_owned(), true.into());
        }
        form.into()
    }
}

fn name(words: &str) -> Option<String> {
    let name = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().any(char::is_alphabetic);
    fits.then_some(name)
}

/// The first word that looks like an address which a mail server can be asked for.
fn email(words: &str) -> Option<String> {
    let is_address = |word: &&str| {
        let Some((local, domain)) = word.split_once('@') else { return false };
        let labels = domain.split('.').filter(|label| !label.is_empty()).count();
        let clean = |part: &str| !part.chars().any(|c| c.is_control() || "@<>()[]\\,;:\"".contains(c));
        !local.is_empty()
            && word.len() <= LONGEST_EMAIL
            && labels >= 2
            && labels == domain.split('.').count()
            && clean(local)
            && clean(domain)
    };
    let trimmed = words.split_whitespace().map(|word| word.trim_matches(|c: char| "<>()[],;:.\"'".contains(c)));
    trimmed.into_iter().find(is_address).map(str::to_owned)
}

/// The first run of digits and what people write between them that is long enough for a number.
fn phone(words: &str) -> Option<String> {
    let between = |c: char| matches!(c, '+' | ' ' | '-' | '(' | ')' | '/' | '.');
    words
        .split(|c: char| !c.is_ascii_digit() && !between(c))
        .map(|run| run.trim_matches(|c: char| between(c) && c != '+' && c != '('))
        .find(|run| {
            let digits = run.chars().filter(char::is_ascii_digit).count();
            (6..=15).contains(&digits) && run.len() <= LONGEST_PHONE
        })
        .map(str::to_owned)
}

#[cfg(test)]
#[path = "lead_flow_tests.rs"]
mod tests;
