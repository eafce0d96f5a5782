use axum::http::HeaderMap;
use ed25519_dalek::{Signer as _, SigningKey};

use super::*;

/// RFC 8032, section 7.1, test 2: a public key, a message of one byte, and its signature.
const RFC_KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const RFC_SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

fn headers(signature: &str, timestamp: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-signature-ed25519", signature.parse().unwrap());
    headers.insert("x-signature-timestamp", timestamp.parse().unwrap());
    headers
}

/// In hexadecimal digits.
fn written(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[test]
fn the_vector_of_the_rfc_is_right_however_it_is_divided() {
    let key = public_key(RFC_KEY).unwrap();
    // 0x72 is "r": once as the timestamp with an empty body, once the other way round.
    assert!(signed(&key, &headers(RFC_SIGNATURE, "r"), b""));
    assert!(signed(&key, &headers(RFC_SIGNATURE, ""), b"r"));
    assert!(!signed(&key, &headers(RFC_SIGNATURE, "s"), b""));
}

#[test]
fn no_mutation_of_a_signed_request_passes() {
    let key = SigningKey::from_bytes(&[3; 32]);
    let (timestamp, body) = ("1795161600", br#"{"type":1,"id":"1","token":"t"}"#);
    let signature = key.sign(&[timestamp.as_bytes(), body].concat()).to_bytes();
    let verifying = key.verifying_key();
    assert!(signed(&verifying, &headers(&written(&signature), timestamp), body));
    for bit in 0..signature.len() * 8 {
        let mut wrong = signature;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!signed(&verifying, &headers(&written(&wrong), timestamp), body), "bit {bit} of the signature");
    }
    for bit in 0..body.len() * 8 {
        let mut wrong = *body;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!signed(&verifying, &headers(&written(&signature), timestamp), &wrong), "bit {bit} of the body");
    }
    assert!(!signed(&verifying, &headers(&written(&signature), "1795161601"), body));
}

#[test]
fn what_is_no_signature_is_refused() {
    let key = public_key(RFC_KEY).unwrap();
    for wrong in ["", "zz", "00", RFC_KEY, &"0".repeat(129), &"é".repeat(64)] {
        let mut headers = HeaderMap::new();
        if let Ok(value) = axum::http::HeaderValue::from_bytes(wrong.as_bytes()) {
            headers.insert("x-signature-ed25519", value);
        }
        headers.insert("x-signature-timestamp", "r".parse().unwrap());
        assert!(!signed(&key, &headers, b""), "{wrong}");
    }
    assert!(!signed(&key, &HeaderMap::new(), b""));
}

#[test]
fn a_public_key_is_64_hexadecimal_digits() {
    assert!(public_key(RFC_KEY).is_ok());
    for wrong in ["", "3d40", "zz4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"] {
        assert!(public_key(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn whether_anybody_is_there_is_answered_before_the_channel_runs() {
    let key = SigningKey::from_bytes(&[5; 32]);
    let config = crate::DiscordConfig {
        token: None,
        api_url: "http://127.0.0.1:1".to_owned(),
        application_id: None,
        public_key: Some(written(key.verifying_key().as_bytes())),
        gateway: true,
        message_content: false,
        settle: Duration::ZERO,
        bot: dovvybuddy_core::BotId::default(),
        most_invalid: crate::MOST_INVALID,
    };
    let clock = Arc::new(dovvybuddy_core::testkit::clock::ManualClock::default());
    let channel = Arc::new(DiscordAdapter::new(config, clock).unwrap());
    let ask = async |body: &'static str| {
        let signature = key.sign(format!("7{body}").as_bytes()).to_bytes();
        let answer = receive(State(Arc::clone(&channel)), headers(&written(&signature), "7"), body.into()).await;
        let status = answer.status();
        (status, axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap())
    };
    for ping in [r#"{"type":1}"#, r#"{"type":1,"id":"1","token":"t","data":null,"version":1}"#] {
        assert_eq!(ask(ping).await, (StatusCode::OK, r#"{"type":1}"#.into()), "{ping}");
    }
    assert_eq!(ask(r#"{"type":2}"#).await.0, StatusCode::BAD_REQUEST);
    let command = r#"{"type":2,"id":"1","token":"t","data":null}"#;
    assert_eq!(ask(command).await.0, StatusCode::SERVICE_UNAVAILABLE, "it does not run yet");
}
