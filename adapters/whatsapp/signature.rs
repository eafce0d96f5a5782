//! How the platform proves that it calls.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Whether `X-Hub-Signature-256` is right for the raw bytes, told in constant time.
pub(crate) fn is_signed(secret: &SecretString, header: &str, body: &[u8]) -> bool {
    let Some(given) = header.strip_prefix("sha256=").and_then(unhex) else { return false };
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    mac.is_ok_and(|mut mac| {
        mac.update(body);
        mac.verify_slice(&given).is_ok()
    })
}

/// The platform writes small letters; capitals say the same, whatever turned them into that.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const RIGHT: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_published_example_is_right() {
        assert!(is_signed(&SECRET.into(), RIGHT, BODY));
        assert!(is_signed(&SECRET.into(), &RIGHT.to_uppercase().replace("SHA", "sha"), BODY));
        for wrong in ["", "sha256=", "sha1=757107ea", &RIGHT[7..], &RIGHT.to_uppercase(), &RIGHT[..70]] {
            assert!(!is_signed(&SECRET.into(), wrong, BODY), "{wrong}");
        }
    }

    #[test]
    fn escapes_are_signed_as_they_came() {
        // The platform escapes, and signs the escaped bytes; written anew they would differ.
        let (raw, anew) = (br#"{"text":"ol\u00e1"}"#, "{\"text\":\"olá\"}".as_bytes());
        let signature = "sha256=2af23a765fd6dfd02305e0713f5a1116353e767e64d8848f15d882ca05d17970";
        assert!(is_signed(&SECRET.into(), signature, raw) && !is_signed(&SECRET.into(), signature, anew));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]
        #[test]
        fn of_a_hundred_thousand_mutations_none_is_accepted(what in 0..3usize, at in any::<usize>(), by in 1..=255u8) {
            let mut parts = [SECRET.as_bytes().to_vec(), RIGHT.as_bytes().to_vec(), BODY.to_vec()];
            let at = at % parts[what].len();
            parts[what][at] ^= by;
            // A letter that became a capital is the same digit.
            prop_assume!(!(what == 1 && at >= "sha256=".len() && parts[1].eq_ignore_ascii_case(RIGHT.as_bytes())));
            let [secret, header, body] = parts.map(|part| String::from_utf8_lossy(&part).into_owned());
            prop_assert!(!is_signed(&secret.into(), &header, body.as_bytes()));
        }
    }
}
