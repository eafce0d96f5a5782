use super::*;
use crate::language;

fn words(earlier: &[&str], text: &str) -> String {
    Subject::of(earlier, None).taken_over(text, language::detect(text, None).lang).words
}

#[test]
fn a_follow_up_is_about_what_was_named_last() {
    let komodo = ["Where should I go in May?", "Tell me about Komodo", "is it ok for a beginner?"];
    for text in ["and the water temperature?", "do I need a thick wetsuit?", "what can I see there?"] {
        assert!(words(&komodo, text).contains("komodo"), "{text}: {}", words(&komodo, text));
    }
    let mantas = ["tell me about manta rays", "are they dangerous?"];
    for text in ["how big do they get?", "where can I see them?", "which month?"] {
        assert!(words(&mantas, text).contains("manta"), "{text}");
    }
    let nitrox = ["What is nitrox?", "how deep can I go with it?", "and with 36%?"];
    for text in ["does it make me less tired?", "do I need a course for it?"] {
        assert!(words(&nitrox, text).contains("nitrox"), "{text}");
    }
    let son = ["my son is 13 and has his junior open water"];
    for text in ["how deep can he go?", "can he use nitrox?", "and dive at night?", "can he do the advanced course?"] {
        assert!(words(&son, text).contains("13"), "{text}: {}", words(&son, text));
    }
}

#[test]
fn what_is_asked_of_one_thing_is_asked_of_the_next() {
    let age = words(&["minimum age for PADI open water"], "and for SSI?");
    assert!(age.contains("minimum age") && !age.contains("PADI"), "{age}");
    let month = words(&["what about whale sharks in Phuket", "which month is the best for them?"], "and the Similans?");
    assert!(month.contains("whale shark") && month.contains("month") && !month.contains("phuket"), "{month}");
}

#[test]
fn a_question_with_its_own_subject_ends_the_last_one() {
    let komodo = ["Tell me about Komodo", "what can I see there?"];
    for text in [
        "can I dive with a cold?",
        "what is nitrox?",
        "how deep is the Zenobia?",
        "is scuba diving dangerous?",
        "how do I equalise properly?",
        "what are the prerequisites for rescue diver?",
        "and how deep is the Thistlegorm?",
        "is it safe to dive after drinking alcohol?",
        "how do I cook spaghetti carbonara?",
    ] {
        assert_eq!(words(&komodo, text), "", "{text}");
    }
    // What ended does not come back.
    let over = ["Tell me about Komodo", "what is nitrox?"];
    assert_eq!(words(&over, "is it expensive?"), "nitrox");
}

#[test]
fn a_condition_is_meant_until_another_is_named() {
    let pregnant = ["I'm 8 weeks pregnant, can I dive?"];
    for text in ["can I still snorkel?", "when may I dive again?"] {
        assert!(words(&pregnant, text).contains("pregnan"), "{text}: {}", words(&pregnant, text));
    }
    let ear = ["I couldn't equalise my left ear on my last dive, it hurts a little", "Can I fly home with it?"];
    for text in ["When can I dive again?", "How can I avoid it next time?"] {
        assert!(words(&ear, text).contains("equalis"), "{text}: {}", words(&ear, text));
    }
    let bent = ["my buddy had decompression sickness last month"];
    for text in ["When can he dive again?", "and should I be checked too, we did the same dive?"] {
        assert!(words(&bent, text).contains("decompression sickness"), "{text}: {}", words(&bent, text));
    }
    let asthma = ["I have mild asthma, can I dive?"];
    for text in ["which mask should I buy?", "when are the mantas in Komodo?", "how deep is the Zenobia?"] {
        assert_eq!(words(&asthma, text), "", "{text}");
    }
}

#[test]
fn of_a_child_its_age_matters_and_not_where_it_goes() {
    let egypt = ["We're going to Egypt with our 10 year old daughter, can she learn to dive there?"];
    let taken = words(&egypt, "How deep would she be allowed to go?");
    assert!(taken.contains("10") && !taken.to_lowercase().contains("egypt"), "{taken}");
    let there = words(&egypt, "and what can she see there?").to_lowercase();
    assert!(there.contains("egypt"), "{there}");
}

#[test]
fn a_mix_keeps_its_number() {
    let mixed = words(&["What's the MOD of EAN36 at 1.4?"], "And at 1.6?");
    assert!(mixed.contains("36"), "{mixed}");
    for text in ["Does it let me go deeper?", "What happens if I go too deep with it"] {
        assert!(words(&["What's nitrox?"], text).contains("nitrox"), "{text}");
    }
    let yongala = words(&["how deep is the Yongala", "can an open water diver dive it"], "when to go");
    assert!(yongala.to_lowercase().contains("yongala"), "{yongala}");
}

#[test]
fn an_animal_is_meant_until_another_is_named() {
    assert_eq!(words(&["can a clownfish change sex"], "what do sea cucumbers eat"), "");
    assert!(words(&["can a clownfish change sex"], "what do they eat").contains("clownfish"));
    let wrecks = words(&["northern red sea liveaboard in october, is it good?"], "which wrecks will we see");
    assert!(wrecks.to_lowercase().contains("red sea"), "{wrecks}");
}

#[test]
fn what_follows_a_worry_is_not_the_worry() {
    let nervous = ["I'm nervous about my first dive"];
    assert_eq!(words(&nervous, "is the water cold?"), "first dive");
    assert_eq!(words(&["Ich habe Angst"], "ist das Wasser kalt?"), "");
}

#[test]
fn a_name_that_several_sites_have_is_told_by_the_place() {
    let egypt = ["I'm going to Egypt in August", "which dive sites would suit me?"];
    assert!(words(&egypt, "can I do the Blue Hole arch?").contains("Egypt"));
    assert_eq!(words(&egypt, "how deep is the Zenobia?"), "");
}

#[test]
fn other_languages_point_back_too() {
    for (earlier, text, about) in [
        ("¿Qué es el nitrox?", "¿me cansa menos?", "nitrox"),
        ("Was ist Nitrox?", "und wie tief darf ich damit?", "nitrox"),
        ("C'est quoi le nitrox ?", "et jusqu'à quelle profondeur ?", "nitrox"),
        ("o que é nitrox?", "até que profundidade posso usar isso?", "nitrox"),
        ("parlami delle mante", "quando si vedono?", "manta"),
        ("ceritakan tentang Komodo", "kapan waktu terbaik ke sana?", "omodo"),
        ("マンタについて教えて", "いつ見られますか", "manta"),
        ("ไนตรอกซ์คืออะไร", "แล้วลงได้ลึกแค่ไหน", "nitrox"),
        ("ما هو النيتروكس؟", "وماذا عن العمق؟", "nitrox"),
        ("什么是高氧？", "那能潜多深？", "nitrox"),
    ] {
        let taken = words(&[earlier], text);
        assert!(taken.contains(about), "{earlier} {text}: {taken}");
    }
}
