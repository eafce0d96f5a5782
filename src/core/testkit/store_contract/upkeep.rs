//! Rules of keys and of the store's own care.

use super::Lab;
use super::make::{chat, diver, fresh, later, said};
use crate::store::{ApiKey, StoreError};

/// It can read and write.
pub async fn a_store_answers_its_ping(lab: &mut dyn Lab) {
    lab.store().ping().await.unwrap();
}

/// After `close` every call fails and none hangs.
pub async fn a_closed_store_refuses(lab: &mut dyn Lab) {
    let store = lab.store();
    store.close().await.unwrap();
    let event = said(&chat("c"), "ada", "x", 0);
    assert!(matches!(store.accept(&event, fresh(), None).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.session(&chat("c"), &diver("ada"), 1).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
}

/// Schemas are counted from 1, and a database just made is for the program that made it.
pub async fn the_schema_says_for_whom_it_is(lab: &mut dyn Lab) {
    let schema = lab.store().schema().await.unwrap();
    assert!((1..=schema.version).contains(&schema.oldest_program), "{schema:?}");
}

/// A key is known by its hash only, and only while it is valid.
pub async fn a_key_is_found_by_its_hash_until_revoked(lab: &mut dyn Lab) {
    let store = lab.store();
    let key = ApiKey {
        id: "k1".into(),
        name: "dashboard".into(),
        scope: "admin".into(),
        created_at: later(0),
        revoked_at: None,
    };
    store.add_key(&key, "hash 1").await.unwrap();
    assert_eq!(store.key_by_hash("hash 1").await.unwrap(), Some(key.clone()));
    assert_eq!(store.key_by_hash("hash 2").await.unwrap(), None);
    assert!(store.revoke_key("k1", later(5)).await.unwrap());
    assert!(store.revoke_key("k1", later(9)).await.unwrap());
    assert_eq!(store.key_by_hash("hash 1").await.unwrap(), None);
    assert_eq!(store.keys().await.unwrap(), [ApiKey { revoked_at: Some(later(5)), ..key }]);
}

/// `false`, so that a typing error is noticed.
pub async fn an_unknown_key_is_not_revoked(lab: &mut dyn Lab) {
    assert!(!lab.store().revoke_key("nope", later(0)).await.unwrap());
}
