//! Signatures as the Standard Webhooks specification writes them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use crate::error::ConfigError;

/// The prefix by which a webhook secret is recognised.
const PREFIX: &str = "whsec_";
/// How far a message's time may lie from ours, in seconds, before or after.
const TOLERANCE: u64 = 300;
/// The longest id of a message.
const LONGEST_ID: usize = 256;
/// How many signatures of a message are looked at: one for each secret of a rotation, and some room.
const MOST_SIGNATURES: usize = 8;

/// A webhook's signing secret.
#[derive(Debug, Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Reads `whsec_` followed by base64; `key` is the setting it came from.
    pub fn parse(key: &str, text: &SecretString) -> Result<Self, ConfigError> {
        let text = text.expose_secret().trim();
        let bytes = text.strip_prefix(PREFIX).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        match bytes {
            Some(bytes) if bytes.len() >= 16 => Ok(Self(bytes.into())),
            _ => Err(ConfigError::new(key, "a secret such as whsec_… : base64 of at least 16 bytes after the prefix")),
        }
    }

    /// HMAC takes keys of every length, so there is always one.
    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }
}

/// The value of `webhook-signature` for a message: `v1,` and the base64 of its HMAC-SHA256.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mac = secret.mac(id, &timestamp.to_string(), body).map(|mac| mac.finalize().into_bytes());
    format!("v1,{}", mac.map(|mac| BASE64_STANDARD.encode(mac)).unwrap_or_default())
}

/// What a message brings to prove itself: its three headers, as they came.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or several, separated by spaces.
    pub signatures: &'a str,
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The id can't be one: a full stop in it would make the signed content ambiguous.
    #[error("the id is empty, too long or holds what no id may hold")]
    Id,
    /// The time is none, or too far from ours.
    #[error("the timestamp is none, or more than five minutes off")]
    Time,
    /// No signature fits any secret.
    #[error("no signature is right")]
    Signature,
}

/// Checks a message at `now`, in seconds, against the secrets of a rotation, over the raw bytes and in
/// constant time.
pub fn verify(secrets: &[Secret], proof: Proof<'_>, body: &[u8], now: i64) -> Result<(), Unproven> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    if !(1..=LONGEST_ID).contains(&proof.id.len()) || !proof.id.bytes().all(allowed) {
        return Err(Unproven::Id);
    }
    // Digits only: the libraries' integer parsers also take signs, and overflow later.
    let digits = (1..=12).contains(&proof.timestamp.len()) && proof.timestamp.bytes().all(|b| b.is_ascii_digit());
    let time: i64 = proof.timestamp.parse().ok().filter(|_| digits).ok_or(Unproven::Time)?;
    if time.abs_diff(now) > TOLERANCE {
        return Err(Unproven::Time);
    }
    let given = proof.signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).take(MOST_SIGNATURES);
    for signature in given.filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok()) {
        let fits = |secret: &Secret| {
            let mac = secret.mac(proof.id, proof.timestamp, body);
            mac.is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        };
        if secrets.iter().any(fits) {
            return Ok(());
        }
    }
    Err(Unproven::Signature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        Secret::parse("k", &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap()
    }

    fn other() -> Secret {
        Secret::parse("k", &"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".into()).unwrap()
    }

    fn check(secrets: &[Secret], id: &str, timestamp: &str, signatures: &str, now: i64) -> Result<(), Unproven> {
        verify(secrets, Proof { id, timestamp, signatures }, BODY, now)
    }

    #[test]
    fn the_example_of_the_specification_is_signed_alike() {
        assert_eq!(sign(&secret(), ID, AT, BODY), RIGHT);
        assert_eq!(check(&[secret()], ID, &AT.to_string(), RIGHT, AT), Ok(()));
    }

    #[test]
    fn the_time_may_be_five_minutes_off_and_no_second_more() {
        for (now, right) in [(AT - 300, true), (AT + 300, true), (AT - 301, false), (AT + 301, false)] {
            assert_eq!(check(&[secret()], ID, &AT.to_string(), RIGHT, now).is_ok(), right, "{now}");
        }
    }

    #[test]
    fn while_secrets_rotate_either_counts() {
        let at = AT.to_string();
        let both = format!("{} {RIGHT}", sign(&other(), ID, AT, BODY));
        assert_eq!(check(&[other(), secret()], ID, &at, RIGHT, AT), Ok(()));
        assert_eq!(check(&[secret()], ID, &at, &both, AT), Ok(()));
        assert_eq!(check(&[other()], ID, &at, &both, AT), Ok(()));
        assert_eq!(check(&[other()], ID, &at, RIGHT, AT), Err(Unproven::Signature));
        assert_eq!(check(&[], ID, &at, RIGHT, AT), Err(Unproven::Signature));
    }

    #[test]
    fn awkward_ids_and_times_are_refused_before_anything_is_calculated() {
        let at = AT.to_string();
        let signed = |id: &str| sign(&secret(), id, AT, BODY);
        for id in ["", "a.b", "a b", "ä", "a\n", &"x".repeat(257)] {
            assert_eq!(check(&[secret()], id, &at, &signed(id), AT), Err(Unproven::Id), "{id:?}");
        }
        let least = i64::MIN.to_string();
        for time in ["", "-1", "+1614265330", "1614265330.0", " 1614265330", "9999999999999", &least, "NaN"] {
            assert_eq!(check(&[secret()], ID, time, RIGHT, AT), Err(Unproven::Time), "{time:?}");
        }
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let at = AT.to_string();
        let bare = RIGHT.trim_start_matches("v1,");
        let many = format!("{}{RIGHT}", "v1,AAAA ".repeat(100));
        for wrong in ["", "v1,", "v1", bare, "v2,g0hM", "v1a,g0hM", &RIGHT[..RIGHT.len() - 1], &many] {
            assert_eq!(check(&[secret()], ID, &at, wrong, AT), Err(Unproven::Signature), "{wrong}");
        }
        assert_eq!(check(&[secret()], ID, &at, &format!("v1a,xyz  v1,AAAA {RIGHT}"), AT), Ok(()));
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_shown() {
        for wrong in ["", "hunter2hunter2hunter2", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="] {
            let error = Secret::parse("leads.webhook_secret", &wrong.into()).unwrap_err();
            assert_eq!(error.key, "leads.webhook_secret");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    /// One change in one place of a signed message.
    #[derive(Debug, Clone)]
    enum Change {
        Id(usize, u8),
        Time(i64),
        Body(usize, u8),
        Cut(usize),
        Longer(Vec<u8>),
        Signature(usize, u8),
        Secret(usize, u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (any::<usize>(), 1..=255u8).prop_map(|(at, by)| Change::Id(at, by)),
            (1..=300i64, any::<bool>()).prop_map(|(by, back)| Change::Time(if back { -by } else { by })),
            (any::<usize>(), 1..=255u8).prop_map(|(at, by)| Change::Body(at, by)),
            (1usize..20).prop_map(Change::Cut),
            proptest::collection::vec(any::<u8>(), 1..9).prop_map(Change::Longer),
            (any::<usize>(), 1..=255u8).prop_map(|(at, by)| Change::Signature(at, by)),
            (any::<usize>(), 1..=255u8).prop_map(|(at, by)| Change::Secret(at, by)),
        ]
    }

    fn flip(bytes: &mut [u8], at: usize, by: u8) {
        let at = at % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= by;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]
        #[test]
        fn of_a_hundred_thousand_mutations_none_is_accepted(change in change()) {
            let (mut id, mut time, mut body) = (ID.as_bytes().to_vec(), AT, BODY.to_vec());
            let (mut signature, mut key) = (RIGHT.as_bytes().to_vec(), secret().0.expose_secret().to_vec());
            match change {
                Change::Id(at, by) => flip(&mut id, at, by),
                Change::Time(by) => time += by,
                Change::Body(at, by) => flip(&mut body, at, by),
                Change::Cut(by) => body.truncate(BODY.len() - by),
                Change::Longer(more) => body.extend(more),
                Change::Signature(at, by) => flip(&mut signature, at, by),
                Change::Secret(at, by) => flip(&mut key, at, by),
            }
            let (id, signatures) = (String::from_utf8_lossy(&id), String::from_utf8_lossy(&signature));
            let proof = Proof { id: &id, timestamp: &time.to_string(), signatures: &signatures };
            prop_assert!(verify(&[Secret(key.into())], proof, &body, AT).is_err());
        }
    }
}
