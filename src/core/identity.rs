//! One diver, many channels: identities that are the same person.
//!
//! `/link` on one channel shows a one-time code; redeemed on another, it proves that both identities are
//! in the same hands. From then on one of the two keys stands for the person: profile, limits and spending
//! are kept under it, and export and erasure cover every identity. Who never linked anything is a person
//! of one identity, and costs nothing more than before.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::agent::Phrase;
use crate::channel::Inbound;
use crate::clock::Timestamp;
use crate::compose::Composer;
use crate::ids::{ConversationKey, DiverKey};
use crate::intake::{Intake, Refusal};
use crate::lang::Lang;
use crate::store::{Outcome, StoreError};
use crate::turn::{Spoken, Turns, tell};

/// How long a code can be redeemed.
pub const CODE_LIFE: Duration = Duration::from_mins(10);
/// How often one code may be tried, and how many wrong codes one identity may try in [`CODE_LIFE`].
pub const MOST_TRIES: u32 = 3;

/// Crockford's base 32: no letter is mistaken for another, or for a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of each half.
const HALF: usize = 4;

/// A one-time code, such as `7KQ2-M0XD`. The first half finds it, the second proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCode {
    selector: String,
    secret: String,
}

impl LinkCode {
    /// A code of 40 of the random bits.
    pub fn new(random: Uuid) -> Self {
        // The last eight bytes hold two fixed bits, at their top.
        let mut bits = random.as_u64_pair().1;
        let mut half = || {
            let symbol = |_| {
                let symbol = ALPHABET.get((bits % 32) as usize).copied().unwrap_or(b'0');
                bits /= 32;
                char::from(symbol)
            };
            (0..HALF).map(symbol).collect()
        };
        Self { selector: half(), secret: half() }
    }

    /// What a person typed: case, spaces and dashes don't matter, nor do `O` for `0` and `I` or `L` for
    /// `1`. `None` for what is no code.
    pub fn parse(text: &str) -> Option<Self> {
        let mut symbols = Vec::with_capacity(2 * HALF);
        for typed in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let symbol = match typed.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = u8::try_from(symbol).is_ok_and(|symbol| ALPHABET.contains(&symbol));
            if !known || symbols.len() == 2 * HALF {
                return None;
            }
            symbols.push(symbol);
        }
        let (selector, secret) = symbols.split_at_checked(HALF)?;
        (secret.len() == HALF).then(|| Self { selector: selector.iter().collect(), secret: secret.iter().collect() })
    }

    /// The half that finds the code.
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// The half that proves it.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.selector, self.secret)
    }
}

/// Who is whom.
#[async_trait]
pub trait Identities: Send + Sync + 'static {
    /// Keeps a code for `diver` until `expires`; an earlier one of theirs ends. `false` if another
    /// diver's code has the same selector: then another code is to be made.
    async fn offer_link(&self, diver: &DiverKey, code: &LinkCode, expires: Timestamp) -> Result<bool, StoreError>;

    /// Redeems a code: the identities of its giver and of `by` become one person, whose profile is what
    /// both knew, the newer word counting, and whose limits are those of the one who has less left.
    /// Repeatable: redeemed again by the same diver, it says the same.
    async fn redeem_link(&self, by: &DiverKey, code: Option<&LinkCode>, now: Timestamp)
    -> Result<Redeemed, StoreError>;

    /// Makes the identities of two divers one person, of whom a platform itself says that they are; what is kept
    /// comes under `keep`, as when a code is redeemed. Repeatable.
    async fn unite(&self, keep: &DiverKey, other: &DiverKey, now: Timestamp) -> Result<(), StoreError>;

    /// Every identity of the person behind `diver`, `diver` among them.
    async fn identities(&self, diver: &DiverKey) -> Result<Vec<DiverKey>, StoreError>;
}

/// A code as a store keeps it; divers are encoded keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCode {
    /// Who was given it.
    pub giver: String,
    /// The half that proves it.
    pub secret: String,
    /// Who redeemed it.
    pub redeemed_by: Option<String>,
}

/// What a try of a code proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// That whoever tries it and this diver are one; the code is used up with it.
    Of(String),
    /// The same again.
    Again,
    /// Nothing: it is their own.
    Own,
    /// Nothing: somebody else used it up.
    Used,
    /// Nothing, and the try counts against the code.
    Mistyped,
}

impl KeptCode {
    /// What it proves when `by` types it.
    pub fn proof(self, typed: &LinkCode, by: &str) -> Proof {
        match self.redeemed_by {
            _ if self.secret != typed.secret() => Proof::Mistyped,
            Some(redeemer) if redeemer == by => Proof::Again,
            Some(_) => Proof::Used,
            None if self.giver == by => Proof::Own,
            None => Proof::Of(self.giver),
        }
    }
}

/// What became of an attempt to redeem a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// Both are one person now.
    Linked,
    /// Nothing valid: wrong, used, too old, of another bot, or tried too often.
    Wrong,
    /// This diver tried too many wrong codes; no code is looked at until [`CODE_LIFE`] has passed.
    TooManyTries,
    /// The diver's own code, which proves nothing. It stays valid.
    Own,
}

impl Intake {
    /// A platform names one person in two ways, in whose chat nobody else writes. They are one diver from now on, and
    /// what was said under `former` goes on under `current`, unless something stands there already. `false`: a
    /// message under `former` is still to be answered, so it is to be said again.
    pub async fn one_person(&self, former: &ConversationKey, current: &ConversationKey) -> Result<bool, StoreError> {
        let store = &self.parts().store;
        let [other, keep] = [former, current].map(|chat| chat.diver(&chat.conversation));
        if !store.identities(&keep).await?.contains(&other) {
            store.unite(&keep, &other, self.clock().now()).await?;
            tracing::info!(channel = %current.channel, "two names of one person are joined");
        }
        match self.moved(former, current).await {
            Ok(moved) => Ok(moved),
            Err(Refusal::Unavailable(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Under which names a person is known, that one among them.
    pub async fn names(&self, diver: &DiverKey) -> Result<Vec<DiverKey>, StoreError> {
        self.parts().store.identities(diver).await
    }
}

impl Turns {
    /// `/link`: gives a code or redeems one.
    pub(crate) async fn link(
        &self,
        typed: Option<&str>,
        event: &Inbound,
        composer: &Composer<'_>,
        lang: Lang,
    ) -> Spoken {
        if self.anonymous(&event.conversation) {
            return self.say(composer, Phrase::LinkUnavailable, lang);
        }
        let done = match typed {
            None => self.give_code(event, lang).await,
            Some(typed) => self.redeem_code(typed, event, lang).await,
        };
        match done {
            Ok(text) => tell(composer, &text, lang),
            Err(error) => {
                tracing::error!(error = %error, "identities can't be joined");
                Spoken { outcome: Outcome::Fallback, ..self.say(composer, Phrase::Fallback, lang) }
            }
        }
    }

    async fn give_code(&self, event: &Inbound, lang: Lang) -> Result<String, StoreError> {
        let expires = self.ports.clock.now().plus(CODE_LIFE);
        for _ in 0..8 {
            let code = LinkCode::new(self.ports.clock.uuid());
            if self.ports.store.offer_link(&event.sender.key, &code, expires).await? {
                return Ok(format!("{}\n\n/link {code}", self.ports.voice.say(Phrase::LinkCode, lang)));
            }
        }
        Err(StoreError::Full)
    }

    async fn redeem_code(&self, typed: &str, event: &Inbound, lang: Lang) -> Result<String, StoreError> {
        let code = LinkCode::parse(typed);
        let now = self.ports.clock.now();
        let phrase = match self.ports.store.redeem_link(&event.sender.key, code.as_ref(), now).await? {
            Redeemed::Linked => Phrase::Linked,
            Redeemed::Wrong => Phrase::LinkFailed,
            Redeemed::TooManyTries => Phrase::LinkTries,
            Redeemed::Own => Phrase::LinkOwn,
        };
        Ok(self.ports.voice.say(phrase, lang))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = LinkCode::new(Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef));
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        let spaced: String = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), format!(" {spaced} ")] {
            assert_eq!(LinkCode::parse(&typed), Some(code.clone()), "{typed}");
        }
        for typed in ["", "ABCD", "ABCD-EFG", "ABCD-EFGHJ", "ABCD-EFGU", "ABCD-EFGÄ", "please"] {
            assert_eq!(LinkCode::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn codes_differ() {
        let random = |n: u64| Uuid::from_u64_pair(0, n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let code = |n: u64| LinkCode::new(random(n)).to_string();
        let codes: std::collections::HashSet<String> = (0..1000).map(code).collect();
        assert_eq!(codes.len(), 1000);
    }
}
