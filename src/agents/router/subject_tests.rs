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

#[test]
fn what_is_told_narrows_the_question_before_it() {
    for (earlier, text, about) in [
        (&["last dive is at 15:00, when is my flight allowed"][..], "we did three dives a day all week", "fly"),
        (&["din or yoke regulator?"], "my trip is egypt", "yoke"),
        (&["liveaboard or hotel for the red sea"], "girlfriend doesnt dive", "red sea"),
        (&["galapagos when", "and how cold"], "my sister only has open water and 9 dives", "galapagos"),
        (&["i have asthma can i dive"], "the shop said its fine", "asthma"),
        (&["mejor época para Komodo"], "tengo 20 inmersiones", "komodo"),
    ] {
        let taken = words(earlier, text).to_lowercase();
        assert!(taken.contains(about), "{text}: {taken}");
    }
    let taken = words(&["best season for Komodo"], "i have asthma");
    assert_eq!(taken, "", "an illness is another matter");
    let after = ["liveaboard or hotel for the red sea", "i get seasick too"];
    assert!(words(&after, "so which places").to_lowercase().contains("red sea"));
}

#[test]
fn what_was_asked_in_plain_words_is_asked_of_the_next_thing() {
    let stung = ["does it hurt when a lionfish gets you"];
    assert!(words(&stung, "and a jellyfish").contains("hurt"));
    assert!(words(&stung, "and what do you do").contains("first aid"));
    let lead = ["what weight for 80 kilos", "in a 3 mil in the sea", "and in a lake"];
    assert!(words(&lead, "and with a steel tank").contains("weight"));
    let freediving = ["is freediving hard to learn", "can i train alone in the pool"];
    assert!(words(&freediving, "and how deep after the first course").contains("freediving"));
}

#[test]
fn a_site_lies_in_the_place_that_is_spoken_of() {
    let dahab = ["dahab what level", "the blue hole there is the killer one?"];
    let open_water = words(&dahab, "and can i do it with open water");
    assert!(open_water.contains("dahab") && open_water.contains("blue hole"), "{open_water}");
    let suit = words(&dahab, "and in december, what suit");
    assert!(suit.contains("dahab") && !suit.contains("blue hole"), "{suit}");
}

#[test]
fn years_that_passed_are_no_childs_age() {
    let rusty = ["do you lose your certification after a while", "havent dived for 6 years though"];
    assert!(!words(&rusty, "is that also true for SSI").contains("child"));
    assert!(words(&["how deep can my daughter go, she is 12"], "and with nitrox").contains("12"));
}

#[test]
fn another_place_is_not_the_one_that_is_spoken_of() {
    let names = |text| Subject::of(&["thistlegorm for a beginner?"], None).taken_over(text, Lang::En).names;
    assert_eq!(names("is there an easier one near there"), Vec::<String>::new());
    assert_eq!(words(&["galapagos when"], "so where else"), "");
}

#[test]
fn who_is_drunk_on_it_means_the_gas() {
    let nitrox = ["what is nitrox good for", "and how deep can i go on it"];
    assert!(words(&nitrox, "do i get less drunk on it").contains("nitrox"));
    let advanced = ["what's in the padi advanced course", "and the ssi one"];
    assert!(words(&advanced, "can i do it right after open water").to_lowercase().contains("advanced"));
}
