//! How Twilio proves that it calls: it signs the address it was given and the fields of the form.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;

/// The fields of a form, decoded.
pub(super) type Fields = Vec<(String, String)>;

/// Whether `X-Twilio-Signature` is right for the exact public address and the fields, told in constant time.
pub(super) fn is_signed(token: &SecretString, header: &str, url: &str, fields: &Fields) -> bool {
    let Ok(given) = BASE64_STANDARD.decode(header) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes()) else { return false };
    mac.update(url.as_bytes());
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    sorted.dedup();
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "12345";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn fields(number: &str) -> Fields {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            field("To", "+18005551212"),
            field("CallSid", "CA1234567890ABCDE"),
            field("Caller", number),
            field("Digits", "1234"),
            field("From", number),
        ]
    }

    #[test]
    fn the_documented_examples_are_right() {
        let token = TOKEN.into();
        assert!(is_signed(&token, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL, &fields("+14158675309")));
        assert!(is_signed(&token, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", URL, &fields("+12349013030")));
        assert!(!is_signed(&token, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", URL, &fields("+14158675309")));
        for wrong in ["", "=", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr8B9="] {
            assert!(!is_signed(&token, wrong, URL, &fields("+14158675309")), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]
        #[test]
        fn of_a_hundred_thousand_mutations_none_is_accepted(what in 0..8usize, at in any::<usize>(), by in 1..=127u8) {
            let mut parts: Vec<Vec<u8>> = fields("+14158675309").into_iter().map(|(_, value)| value.into_bytes()).collect();
            parts.extend([TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL].map(|part| part.as_bytes().to_vec()));
            let at = at % parts[what].len();
            parts[what][at] ^= by;
            let text: Vec<String> = parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            let changed = fields("").into_iter().zip(&text).map(|((name, _), value)| (name, value.clone())).collect();
            prop_assert!(!is_signed(&text[5].as_str().into(), &text[6], &text[7], &changed));
        }
    }
}
