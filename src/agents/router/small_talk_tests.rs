use dovvybuddy_core::Lang;

use super::super::profile;
use super::*;
use crate::language;
use crate::message::Message;

fn destination(raw: &str, offered: bool) -> Option<Destination> {
    said(raw, language::detect(raw, None).lang, offered)
}

fn said(raw: &str, lang: Lang, offered: bool) -> Option<Destination> {
    let message = Message::read(raw);
    let reading = message.reading(lang);
    let talk = Talk::read(&message.text, lang);
    let learned = profile::learned(&reading, raw, None);
    Small { raw, reading: &reading, talk: &talk, learned: &learned, told: false, goes_on: false, offered }.destination()
}

#[test]
fn who_asks_for_a_person_is_put_in_touch() {
    for text in [
        "Can you connect me with an instructor?",
        "can I speak to someone",
        "Can I talk to a human instructor please",
        "my email is anna@example.com",
        "Kann ich mit einem Menschen sprechen?",
        "quiero hablar con un instructor",
        "私をインストラクターにつないでください",
        "请帮我联系教练",
    ] {
        assert_eq!(destination(text, false), Some(Destination::Connect), "{text}");
    }
    for text in ["should I talk to an instructor about my fear?", "my email", "how do sharks connect to each other"] {
        assert_ne!(destination(text, false), Some(Destination::Connect), "{text}");
    }
}

#[test]
fn yes_takes_an_offer_and_nods_without_one() {
    for (lang, text) in [
        (Lang::En, "yes"),
        (Lang::En, "yes please"),
        (Lang::De, "ja bitte"),
        (Lang::Es, "sí, por favor"),
        (Lang::Fr, "oui"),
        (Lang::Pt, "sim, por favor"),
        (Lang::It, "sì grazie"),
        (Lang::Id, "ya, boleh"),
        (Lang::Ja, "はい、お願いします"),
        (Lang::Th, "ใช่ค่ะ"),
        (Lang::Ar, "نعم من فضلك"),
        (Lang::Zh, "好的"),
    ] {
        assert_eq!(said(text, lang, true), Some(Destination::Connect), "{text}");
        assert_ne!(said(text, lang, false), Some(Destination::Connect), "{text}");
    }
    assert_eq!(destination("yes", false), Some(Destination::Fixed(Phrase::Nod)));
    assert_eq!(destination("yes please, connect me", true), Some(Destination::Connect));
    assert_eq!(destination("yes, and how deep is it?", true), None);
}

#[test]
fn few_words_get_a_few_words() {
    for (text, phrase) in [
        ("ok", Phrase::Nod),
        ("lol", Phrase::Nod),
        ("I see, interesting", Phrase::Nod),
        ("???", Phrase::Unclear),
        ("you're wrong, that is not true", Phrase::Complaint),
        ("you are useless", Phrase::Complaint),
        ("not an emergency", Phrase::StoodDown),
    ] {
        assert_eq!(destination(text, false), Some(Destination::Fixed(phrase)), "{text}");
    }
    // So short a message is read in the language of its conversation.
    for (lang, text, phrase) in [
        (Lang::De, "alles klar", Phrase::Nod),
        (Lang::Zh, "哈哈", Phrase::Nod),
        (Lang::De, "das stimmt nicht", Phrase::Complaint),
        (Lang::Es, "eres inútil", Phrase::Complaint),
        (Lang::Fr, "c'est faux", Phrase::Complaint),
        (Lang::De, "kein Notfall", Phrase::StoodDown),
    ] {
        assert_eq!(said(text, lang, false), Some(Destination::Fixed(phrase)), "{text}");
    }
    for text in ["what went wrong on the Zenobia?", "is it true that sharks sleep?", "what is a false killer whale"] {
        assert_eq!(destination(text, false), None, "{text}");
    }
}

#[test]
fn what_is_only_told_is_noted() {
    for text in [
        "I have 20 dives",
        "I'm Open Water with 12 dives",
        "I am PADI Rescue Diver with 80 dives",
        "I'm PADI advanced with 35 dives, nitrox",
        "I'm SSI OW with 8 dives",
        "Soy Open Water y tengo 15 inmersiones",
        "Ich bin AOWD mit 60 Tauchgängen",
    ] {
        assert_eq!(destination(text, false), Some(Destination::Fixed(Phrase::ProfileNoted)), "{text}");
    }
    for text in [
        "I have 20 dives, where should I go in May",
        "I'm Open Water with 12 dives and want to become a divemaster",
        "I have 20 dives and I'm an SSI Open Water Diver. I'm going to Egypt in August",
        "I'm Open Water, can I dive to 30 m",
        "I did 4 dives and my arm tingles",
        "I only have open water, is it possible?",
    ] {
        assert_ne!(destination(text, false), Some(Destination::Fixed(Phrase::ProfileNoted)), "{text}");
    }
}

#[test]
fn what_is_remembered_of_the_diver_can_be_asked_for() {
    for text in
        ["what certificate do I hold?", "do you remember me?", "how many dives do I have?", "welchen Schein habe ich?"]
    {
        assert_eq!(destination(text, false), Some(Destination::Experience), "{text}");
    }
    for text in ["what certificate do I need for the Brothers?", "how many dives do I have to do for divemaster?"] {
        assert_ne!(destination(text, false), Some(Destination::Experience), "{text}");
    }
}

#[test]
fn who_only_says_start_is_told_what_the_bot_can_do() {
    assert_eq!(destination("/start", false), Some(Destination::Fixed(Phrase::Help)));
    assert_eq!(destination("Start!", false), Some(Destination::Fixed(Phrase::Help)));
    assert_eq!(destination("how do i start scuba diving", false), None);
}
