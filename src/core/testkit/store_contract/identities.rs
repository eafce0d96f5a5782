//! Rules of joining one diver's identities.

use super::Lab;
use super::leads::lead;
use super::make::{accept, answer, charged, chat, claim, diver, exchange, later, said};
use crate::identity::{CODE_LIFE, LinkCode, MOST_TRIES, Redeemed};
use crate::ids::{BotId, DiverKey};
use crate::limit::{Charge, Quota};
use crate::session::DiverProfile;
use crate::store::{Accepted, Spend, SpendCaps, Store, Subject};
use crate::testkit::clock::numbered;

fn code(number: u64) -> LinkCode {
    LinkCode::new(numbered(number))
}

/// The same code but for its last symbol.
fn mistyped(code: &LinkCode) -> LinkCode {
    let mut text = code.to_string();
    let last = if text.ends_with('7') { '8' } else { '7' };
    text.pop();
    text.push(last);
    LinkCode::parse(&text).expect("a code")
}

async fn offer(store: &dyn Store, giver: &str, code: &LinkCode, ms: u64) {
    assert!(store.offer_link(&diver(giver), code, later(ms).plus(CODE_LIFE)).await.unwrap());
}

async fn redeem(store: &dyn Store, by: &str, code: &LinkCode, ms: u64) -> Redeemed {
    store.redeem_link(&diver(by), Some(code), later(ms)).await.unwrap()
}

async fn link(store: &dyn Store, giver: &str, by: &str, number: u64) {
    offer(store, giver, &code(number), 0).await;
    assert_eq!(redeem(store, by, &code(number), 0).await, Redeemed::Linked);
}

async fn identities(store: &dyn Store, of: &str) -> Vec<DiverKey> {
    let mut keys = store.identities(&diver(of)).await.unwrap();
    keys.sort();
    keys
}

/// What the profile is in a chat of this diver's own.
async fn profile(store: &dyn Store, user: &str, at: &str) -> DiverProfile {
    store.session(&chat(at), &diver(user), 1).await.unwrap().expect("a session").profile
}

async fn learn(store: &dyn Store, user: &str, at: &str, known: DiverProfile, ms: u64) {
    accept(store, &said(&chat(at), user, "hi", ms)).await;
    let claimed = claim(store, ms).await;
    let mut turn = answer(store, &claimed, "ok", ms).await;
    turn.session.profile.merge(known);
    store.finish(&claimed, &turn).await.unwrap();
}

/// A person of one identity needs no row.
pub async fn a_diver_is_a_person_alone(lab: &mut dyn Lab) {
    assert_eq!(identities(&*lab.store(), "ada").await, [diver("ada")]);
}

/// A code joins once, whoever asks afterwards; its redeemer hears the same again.
pub async fn a_code_joins_two_identities_once(lab: &mut dyn Lab) {
    let store = lab.store();
    link(&*store, "ada-tg", "ada-dc", 1).await;
    assert_eq!(identities(&*store, "ada-tg").await, [diver("ada-dc"), diver("ada-tg")]);
    assert_eq!(identities(&*store, "ada-dc").await, [diver("ada-dc"), diver("ada-tg")]);
    assert_eq!(redeem(&*store, "ada-dc", &code(1), 1).await, Redeemed::Linked, "a repeat after a crash");
    assert_eq!(redeem(&*store, "eve", &code(1), 1).await, Redeemed::Wrong);
    assert_eq!(identities(&*store, "eve").await, [diver("eve")]);
}

/// Two names that a platform itself gives one person, said again and again.
pub async fn names_that_a_platform_proves_are_joined(lab: &mut dyn Lab) {
    let store = lab.store();
    let known = |cert: &str| DiverProfile { cert_level: Some(cert.into()), ..DiverProfile::default() };
    learn(&*store, "US.1", "US.1", known("AOW"), 0).await;
    for ms in 1..3 {
        store.unite(&diver("1415"), &diver("US.1"), later(ms)).await.unwrap();
    }
    assert_eq!(identities(&*store, "US.1").await, [diver("1415"), diver("US.1")]);
    learn(&*store, "1415", "1415", DiverProfile::default(), 3).await;
    assert_eq!(profile(&*store, "1415", "1415").await.cert_level.as_deref(), Some("AOW"));
}

/// Ten minutes, and a newer code ends the older one.
pub async fn a_code_has_its_time(lab: &mut dyn Lab) {
    let store = lab.store();
    let life = u64::try_from(CODE_LIFE.as_millis()).expect("small");
    offer(&*store, "ada", &code(1), 0).await;
    assert_eq!(redeem(&*store, "bob", &code(1), life).await, Redeemed::Wrong);
    offer(&*store, "ada", &code(2), 0).await;
    offer(&*store, "ada", &code(3), 0).await;
    assert_eq!(redeem(&*store, "bob", &code(2), 1).await, Redeemed::Wrong);
    assert_eq!(redeem(&*store, "bob", &code(3), life - 1).await, Redeemed::Linked);
}

/// Three wrong codes bar whoever tried them, for ten minutes from the first.
pub async fn guessing_is_barred(lab: &mut dyn Lab) {
    let store = lab.store();
    let life = u64::try_from(CODE_LIFE.as_millis()).expect("small");
    offer(&*store, "ada", &code(1), 1000).await;
    for n in 0..MOST_TRIES {
        assert_eq!(store.redeem_link(&diver("eve"), None, later(u64::from(n))).await.unwrap(), Redeemed::Wrong);
    }
    assert_eq!(redeem(&*store, "eve", &code(1), 1000).await, Redeemed::TooManyTries);
    assert_eq!(redeem(&*store, "eve", &code(1), life).await, Redeemed::Linked, "the window is over");
}

/// A code that was mistyped three times is void, whoever mistyped it.
pub async fn a_code_is_tried_three_times(lab: &mut dyn Lab) {
    let store = lab.store();
    offer(&*store, "ada", &code(1), 0).await;
    for user in ["eve", "mallory", "trudy"] {
        assert_eq!(redeem(&*store, user, &mistyped(&code(1)), 0).await, Redeemed::Wrong);
    }
    assert_eq!(redeem(&*store, "ada-dc", &code(1), 0).await, Redeemed::Wrong);
}

/// One's own code proves nothing, and stays good.
pub async fn ones_own_code_joins_nothing(lab: &mut dyn Lab) {
    let store = lab.store();
    offer(&*store, "ada", &code(1), 0).await;
    assert_eq!(redeem(&*store, "ada", &code(1), 0).await, Redeemed::Own);
    assert_eq!(redeem(&*store, "ada-dc", &code(1), 0).await, Redeemed::Linked);
}

/// A code of one bot is none of another's.
pub async fn bots_are_apart(lab: &mut dyn Lab) {
    let store = lab.store();
    offer(&*store, "ada", &code(1), 0).await;
    let elsewhere = DiverKey { bot: BotId::new("other"), ..diver("ada") };
    assert_eq!(store.redeem_link(&elsewhere, Some(&code(1)), later(0)).await.unwrap(), Redeemed::Wrong);
}

/// Both profiles become one, the newer word counting, and stay one.
pub async fn a_person_has_one_profile(lab: &mut dyn Lab) {
    let store = lab.store();
    let known = |cert: &str, dives| DiverProfile { cert_level: Some(cert.into()), dives, ..DiverProfile::default() };
    learn(&*store, "ada-tg", "tg", known("OW", Some(12)), 0).await;
    learn(&*store, "ada-dc", "dc", known("AOW", None), 1).await;
    link(&*store, "ada-tg", "ada-dc", 1).await;
    for (user, at) in [("ada-tg", "tg"), ("ada-dc", "dc")] {
        let profile = profile(&*store, user, at).await;
        assert_eq!((profile.cert_level.as_deref(), profile.dives), (Some("AOW"), Some(12)), "{user}");
    }
    let region = |place: &str| DiverProfile { region: Some(place.into()), ..DiverProfile::default() };
    for (n, (user, at)) in [("ada-dc", "dc"), ("ada-tg", "tg"), ("ada-dc", "dc")].into_iter().enumerate() {
        let place = format!("place {n}");
        learn(&*store, user, at, region(&place), 10 + n as u64).await;
        for (user, at) in [("ada-tg", "tg"), ("ada-dc", "dc")] {
            assert_eq!(profile(&*store, user, at).await.region.as_deref(), Some(place.as_str()), "{user}");
        }
    }
}

/// One limit and one cap for all of a person's channels, with what was used up before.
pub async fn a_person_has_one_limit(lab: &mut dyn Lab) {
    let store = lab.store();
    let quota = Quota { per_minute: 1, burst: 2 };
    let event = |user: &str, ms| said(&chat(user), user, "x", ms);
    let charge = |user: &str| Charge { key: diver(user).encode(), quota };
    for _ in 0..2 {
        let taken = charged(&*store, &event("ada-dc", 0), &charge("ada-dc")).await;
        assert!(matches!(taken, Accepted::New { .. }));
    }
    link(&*store, "ada-tg", "ada-dc", 1).await;
    for user in ["ada-tg", "ada-dc"] {
        let taken = charged(&*store, &event(user, 1), &charge(user)).await;
        assert!(matches!(taken, Accepted::Limited { .. }), "{user}: {taken:?}");
    }
    let later = charged(&*store, &event("ada-tg", 61_000), &charge("ada-tg")).await;
    let Accepted::New { allowance: Some(left), .. } = later else { panic!("{later:?}") };
    assert_eq!(left.remaining, 0);
    assert!(matches!(charged(&*store, &event("ada-dc", 61_001), &charge("ada-dc")).await, Accepted::Limited { .. }));

    let caps = SpendCaps { diver_tokens: 100, ..SpendCaps::default() };
    let spend =
        |user: &str| Spend { day: "2026-11-20".into(), diver: diver(user).encode(), tokens: 60, cost_micros: 1 };
    assert!(store.reserve(&spend("ada-tg"), &caps).await.unwrap().is_some());
    assert_eq!(store.reserve(&spend("ada-dc"), &caps).await.unwrap(), None);
}

/// Export and erasure from either side cover both, and others stay as they are.
pub async fn a_person_is_exported_and_erased_whole(lab: &mut dyn Lab) {
    let store = lab.store();
    for user in ["ada-tg", "ada-dc", "bob"] {
        exchange(&*store, &said(&chat(user), user, &format!("words of {user}"), 0), "ok", &[]).await;
    }
    link(&*store, "ada-tg", "ada-dc", 1).await;
    link(&*store, "ada-dc", "ada-wa", 2).await;
    for user in ["ada-tg", "ada-dc", "ada-wa"] {
        let held = store.export(&Subject::Diver(diver(user))).await.unwrap().expect("held").to_string();
        assert!(held.contains("words of ada-tg") && held.contains("words of ada-dc"), "{user}: {held}");
        assert!(!held.contains("bob"), "{user}");
    }
    let mut wanted = lead("Ada", 0);
    wanted.session = Some(store.session(&chat("ada-tg"), &diver("ada-tg"), 1).await.unwrap().unwrap().id);
    store.add_lead(&wanted, &[]).await.unwrap();
    assert!(store.erase(&Subject::Diver(diver("ada-wa")), true).await.unwrap() > 0);
    for user in ["ada-tg", "ada-dc", "ada-wa"] {
        assert_eq!(store.export(&Subject::Diver(diver(user))).await.unwrap(), None, "{user}");
        assert_eq!(identities(&*store, user).await, [diver(user)]);
    }
    assert_eq!(store.leads(&BotId::default(), 9).await.unwrap(), []);
    assert!(store.export(&Subject::Diver(diver("bob"))).await.unwrap().is_some());
}

/// Who is whom survives a crash.
pub async fn identities_outlive_a_crash(lab: &mut dyn Lab) {
    link(&*lab.store(), "ada-tg", "ada-dc", 1).await;
    lab.reopen(super::Stop::Crash).await;
    assert_eq!(identities(&*lab.store(), "ada-dc").await.len(), 2);
}
