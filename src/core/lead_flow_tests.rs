use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn ana() -> Asker {
    Asker {
        diver: "ana".into(),
        name: Some("Ana Sol".into()),
        contact: Some("telegram: @ana".into()),
        has_concerns: false,
    }
}

fn begin(asker: &Asker) -> LeadFlow {
    LeadFlow::begin(LeadId(Uuid::from_u128(1)), asker, NOW)
}

/// What is said: a word in angle brackets presses that button.
fn hold(asker: &Asker, said: &[&str]) -> (LeadFlow, Vec<Next>) {
    let mut flow = begin(asker);
    let next = said
        .iter()
        .map(|said| {
            let pressed = said.strip_prefix('<').and_then(|word| Choice::of(word.trim_end_matches('>')));
            flow.hear(pressed.map_or(Said::Words(said), Said::Choice), asker, NOW)
        })
        .collect();
    (flow, next)
}

#[test]
fn a_diver_who_presses_what_is_offered_is_done_in_five_steps() {
    let (flow, next) = hold(&ana(), &["<trip>", "<name>", "<here>", "Komodo in May, two of us", "<send>"]);
    assert_eq!(next, [Next::Ask, Next::Ask, Next::Ask, Next::Ask, Next::Send]);
    assert_eq!(flow.kind, Some(LeadKind::Trip));
    let form = serde_json::json!({"name": "Ana Sol", "chat": "telegram: @ana", "message": "Komodo in May, two of us"});
    assert_eq!(flow.form(), form);
}

#[test]
fn who_told_their_address_already_is_not_asked_for_it() {
    let mut flow = begin(&ana());
    flow.reach_by("my email is ana@example.com");
    for said in [Said::Choice(Choice::Training), Said::Words("Ana")] {
        assert_eq!(flow.hear(said, &ana(), NOW), Next::Ask);
    }
    assert_eq!((flow.step, flow.contact().as_str()), (Step::Wish, "ana@example.com"));
}

#[test]
fn a_diver_who_writes_everything_needs_one_way_to_be_reached() {
    let (flow, next) = hold(&ana(), &["<training>", "  Ana\nB. ", "ana@example.com or +34 600 123 456.", "<skip>"]);
    assert!(next.iter().all(|next| *next == Next::Ask), "{next:?}");
    assert_eq!((flow.step, flow.name(), flow.wish()), (Step::Confirm, "Ana B.", None));
    assert_eq!(flow.contact(), "ana@example.com, +34 600 123 456");
}

#[test]
fn what_is_no_answer_is_asked_again() {
    let asker = Asker { contact: None, ..ana() };
    let (flow, next) = hold(&asker, &["what does it cost?"]);
    assert_eq!((flow.step, next.as_slice()), (Step::Kind, [Next::AskAgain].as_slice()));
    let (flow, next) = hold(&asker, &["<trip>", "42", &"x".repeat(101), "Ana", "just ask around", "<here>", "12345"]);
    assert_eq!(flow.step, Step::Reach, "{next:?}");
    assert_eq!(next.iter().filter(|next| **next == Next::AskAgain).count(), 5);
}

#[test]
fn it_can_be_stopped_at_every_step() {
    let steps = ["<trip>", "Ana", "ana@example.com", "<skip>"];
    for done in 0..=steps.len() {
        let said: Vec<&str> = steps.iter().take(done).copied().chain(["<cancel>"]).collect();
        assert_eq!(hold(&ana(), &said).1.last(), Some(&Next::Stop), "after {done} steps");
    }
}

#[test]
fn worries_go_along_only_when_they_were_added() {
    let steps = ["<trip>", "Ana", "<here>", "<skip>"];
    let worried = Asker { has_concerns: true, ..ana() };
    let (flow, _) = hold(&worried, &steps);
    assert_eq!(flow.choices(&worried), [Choice::Send, Choice::AddConcerns, Choice::Cancel]);
    assert_eq!(flow.form().get("share_concerns"), None);
    let (flow, _) = hold(&worried, &[&steps[..], &["<add-concerns>"]].concat());
    assert_eq!((flow.step, flow.concerns), (Step::Confirm, true));
    assert_eq!(flow.form()["share_concerns"], true);
    assert!(!hold(&worried, &[&steps[..], &["<add-concerns>", "<drop-concerns>"]].concat()).0.concerns);
    // Nothing to add, nothing offered.
    assert!(!begin(&ana()).choices(&ana()).contains(&Choice::AddConcerns));
}

#[test]
fn a_button_pressed_twice_skips_no_step() {
    let (flow, next) = hold(&ana(), &["<trip>", "<trip>", "Ana", "<send>"]);
    assert_eq!((flow.step, next.last()), (Step::Reach, Some(&Next::AskAgain)));
}

#[test]
fn it_lives_in_the_notes_for_an_hour_and_belongs_to_one_diver() {
    let mut notes = Map::new();
    let (flow, _) = hold(&ana(), &["<trip>"]);
    flow.keep(&mut notes);
    let open = |asker: &Asker, minutes: u64| LeadFlow::open(&notes, asker, NOW.plus(Duration::from_mins(minutes)));
    assert_eq!(open(&ana(), 59), Some(flow));
    assert_eq!(open(&ana(), 60), None);
    assert_eq!(open(&Asker { diver: "bob".into(), ..ana() }, 1), None);
    notes.insert(KEY.into(), "a client's own".into());
    assert_eq!(LeadFlow::open(&notes, &ana(), NOW), None);
}

#[test]
fn addresses_and_numbers_are_found_among_words() {
    for (words, found) in [
        ("ana@example.com", Some("ana@example.com")),
        ("mail me: <ana.b+dive@sub.example.co>.", Some("ana.b+dive@sub.example.co")),
        ("潜水@example.jp", Some("潜水@example.jp")),
        ("ana@", None),
        ("ana@localhost", None),
        ("ana@example..com", None),
        ("@ana", None),
        ("a@b@example.com", None),
    ] {
        assert_eq!(email(words).as_deref(), found, "{words}");
    }
    for (words, found) in [
        ("+62 361 123-456", Some("+62 361 123-456")),
        ("call me at (0171) 1234567, evenings", Some("(0171) 1234567")),
        ("in May 2027", None),
        ("12345", None),
        ("1234567890123456", None),
    ] {
        assert_eq!(phone(words).as_deref(), found, "{words}");
    }
}
