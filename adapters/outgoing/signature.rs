//! Signatures as the Standard Webhooks specification writes them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use crate::error::ConfigError;

/// The prefix by which a webhook secret is recognised.
const PREFIX: &str = "whsec_";

/// A webhook's signing secret.
#[derive(Debug, Clone)]
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// Reads `whsec_` followed by base64; `key` is the setting it came from.
    pub fn parse(key: &'static str, text: &SecretString) -> Result<Self, ConfigError> {
        let text = text.expose_secret().trim();
        let bytes = text.strip_prefix(PREFIX).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
        match bytes {
            Some(bytes) if bytes.len() >= 16 => Ok(Self(bytes.into())),
            _ => Err(ConfigError::new(key, "a secret such as whsec_… : base64 of at least 16 bytes after the prefix")),
        }
    }
}

/// The value of `webhook-signature` for a message: `v1,` and the base64 of its HMAC-SHA256.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of every length, so there is always a signature.
    let mac = Hmac::<Sha256>::new_from_slice(secret.0.expose_secret()).map(|mut mac| {
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac.finalize().into_bytes()
    });
    format!("v1,{}", mac.map(|mac| BASE64_STANDARD.encode(mac)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_alike() {
        let secret = Secret::parse("k", &"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_shown() {
        for wrong in ["", "hunter2hunter2hunter2", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="] {
            let error = Secret::parse("leads.webhook_secret", &wrong.into()).unwrap_err();
            assert_eq!(error.key, "leads.webhook_secret");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
