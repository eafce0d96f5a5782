//! Properties of every reply, over all kinds, languages and regions.

use super::*;

/// What a language calls things in its replies, and how its divers speak.
struct Words {
    lang: Lang,
    oxygen: &'static str,
    flying: &'static str,
    /// The beginning of the advice against going back down.
    no_recompression: &'static str,
    /// A sign after a dive, told by the diver.
    sign: &'static str,
    fine: &'static str,
    none: &'static str,
}

const TABLE: [Words; 11] = [
    Words {
        lang: Lang::En,
        oxygen: "oxygen",
        flying: "no flying",
        no_recompression: "no going back down to recompress",
        sign: "since the dive this morning my left leg is numb",
        fine: "I feel fine now",
        none: "it's not an emergency",
    },
    Words {
        lang: Lang::Es,
        oxygen: "oxígeno",
        flying: "no volar",
        no_recompression: "no volver a bajar para recomprimirse",
        sign: "desde la inmersión de esta mañana tengo la pierna izquierda dormida",
        fine: "ya estoy bien",
        none: "no es una emergencia",
    },
    Words {
        lang: Lang::De,
        oxygen: "sauerstoff",
        flying: "nicht fliegen",
        no_recompression: "nicht zur rekompression",
        sign: "seit dem tauchgang heute morgen ist mein linkes bein taub",
        fine: "mir geht es wieder gut",
        none: "kein notfall",
    },
    Words {
        lang: Lang::Fr,
        oxygen: "oxygène",
        flying: "ne pas prendre l'avion",
        no_recompression: "ne pas redescendre",
        sign: "depuis la plongée de ce matin ma jambe gauche est engourdie",
        fine: "je me sens bien maintenant",
        none: "ce n'est pas une urgence",
    },
    Words {
        lang: Lang::Pt,
        oxygen: "oxigênio",
        flying: "não voar",
        no_recompression: "recompri",
        sign: "desde o mergulho de hoje de manhã minha perna esquerda está dormente",
        fine: "já estou bem",
        none: "não é uma emergência",
    },
    Words {
        lang: Lang::It,
        oxygen: "ossigeno",
        flying: "non volare",
        no_recompression: "non tornare giù per ricomprimersi",
        sign: "dall'immersione di stamattina ho la gamba sinistra intorpidita",
        fine: "adesso sto bene",
        none: "non è un'emergenza",
    },
    Words {
        lang: Lang::Id,
        oxygen: "oksigen",
        flying: "jangan naik pesawat",
        no_recompression: "jangan turun lagi untuk rekompresi",
        sign: "sejak menyelam tadi pagi kaki kiri saya mati rasa",
        fine: "saya sudah baik sekarang",
        none: "bukan keadaan darurat",
    },
    Words {
        lang: Lang::Ja,
        oxygen: "酸素",
        flying: "飛行機に乗ることも",
        no_recompression: "水中で再圧するために潜り直すことも",
        sign: "今朝のダイビングの後から左足がしびれています",
        fine: "もう大丈夫です",
        none: "緊急ではありません",
    },
    Words {
        lang: Lang::Th,
        oxygen: "ออกซิเจน",
        flying: "ห้ามขึ้นเครื่องบิน",
        no_recompression: "ห้ามกลับลงไปปรับความดันซ้ำในน้ำ",
        sign: "ตั้งแต่ดำน้ำเมื่อเช้า ขาซ้ายชา",
        fine: "ตอนนี้ดีขึ้นแล้ว",
        none: "ไม่ใช่เหตุฉุกเฉิน",
    },
    Words {
        lang: Lang::Ar,
        oxygen: "أكسجين",
        flying: "ولا طيران",
        no_recompression: "ولا عودة إلى العمق لإعادة الضغط",
        sign: "منذ غوصة الصباح ساقي اليسرى مخدرة",
        fine: "أنا بخير الآن",
        none: "ليست حالة طارئة",
    },
    Words {
        lang: Lang::Zh,
        oxygen: "氧气",
        flying: "不要乘飞机",
        no_recompression: "不要重新下水做水中再加压",
        sign: "今天早上潜水后我的左腿发麻",
        fine: "我现在没事了",
        none: "不是紧急情况",
    },
];

/// Kinds whose first aid is oxygen. Bleeding is pressed, stings are treated for venom, and for thoughts of
/// suicide a cylinder would be absurd; a missing diver gets it once found.
const OXYGEN: [EmergencyKind; 5] = [
    EmergencyKind::DecompressionIllness,
    EmergencyKind::CarbonMonoxide,
    EmergencyKind::Cardiac,
    EmergencyKind::Drowning,
    EmergencyKind::Unspecified,
];
const NO_OXYGEN: [EmergencyKind; 3] = [EmergencyKind::Bleeding, EmergencyKind::Envenomation, EmergencyKind::Suicide];

fn guard() -> RuleGuard {
    RuleGuard::load(None, &Operator::default()).unwrap()
}

fn heard(words: &Words) -> Heard {
    Heard { locale: Some(words.lang.code().into()), ..Heard::default() }
}

fn compose(guard: &RuleGuard, heard: &Heard, lang: Lang, kind: EmergencyKind, replies: u32, fine: bool) -> String {
    guard
        .replies()
        .compose("", heard, lang, &StandingEmergency { kind, replies, region: None }, &[], fine)
        .to_lowercase()
}

#[test]
fn oxygen_is_advised_where_it_helps_and_only_there() {
    let guard = guard();
    for words in &TABLE {
        let first = |kind| compose(&guard, &heard(words), words.lang, kind, 1, false);
        for kind in OXYGEN {
            let text = first(kind);
            assert!(text.contains(words.oxygen) && text.contains("100"), "{} {}", words.lang.code(), kind.as_str());
        }
        for kind in NO_OXYGEN {
            assert!(!first(kind).contains(words.oxygen), "{} {}", words.lang.code(), kind.as_str());
        }
    }
}

#[test]
fn decompression_illness_is_told_neither_to_fly_nor_to_go_back_down() {
    let guard = guard();
    for words in &TABLE {
        let text = compose(&guard, &heard(words), words.lang, EmergencyKind::DecompressionIllness, 1, false);
        assert!(text.contains(words.flying), "{}: flying: {text}", words.lang.code());
        assert!(text.contains(words.no_recompression), "{}: recompression: {text}", words.lang.code());
    }
}

#[test]
fn every_reply_names_the_regions_numbers_however_long_it_goes_on() {
    let guard = guard();
    // The numbers as `content/emergency/hotlines.toml` has them.
    for (region, numbers) in [("Phuket", "1669"), ("Hurghada", "123"), ("Malta", "112"), ("Florida", "911")] {
        for words in &TABLE {
            for kind in EmergencyKind::ALL {
                for replies in 1..6 {
                    let heard = Heard { region: Some(region.into()), ..heard(words) };
                    let text = compose(&guard, &heard, words.lang, kind, replies, replies % 2 == 0);
                    assert!(text.contains(numbers), "{region} {} {}: {text}", words.lang.code(), kind.as_str());
                }
            }
        }
    }
}

#[test]
fn thoughts_of_suicide_get_a_crisis_line_and_no_chamber() {
    let guard = guard();
    for words in &TABLE {
        let heard = Heard { region: Some("Florida".into()), ..heard(words) };
        let text = compose(&guard, &heard, words.lang, EmergencyKind::Suicide, 1, false);
        assert!(text.contains("988") && !text.contains("dan.org") && !text.contains("919 684"), "{text}");
    }
}

#[test]
fn a_conversation_never_hears_the_same_block_twice_in_a_row() {
    let guard = guard();
    for words in &TABLE {
        for kind in EmergencyKind::ALL {
            let texts: Vec<String> =
                (1..7).map(|n| compose(&guard, &heard(words), words.lang, kind, n, false)).collect();
            for pair in texts.windows(2) {
                assert_ne!(pair.first(), pair.last(), "{} {}", words.lang.code(), kind.as_str());
            }
        }
    }
}

#[test]
fn feeling_better_is_answered_by_the_kind() {
    let guard = guard();
    for words in &TABLE {
        let fine = |kind| compose(&guard, &heard(words), words.lang, kind, 3, true);
        let opening = |text: &str| text.split("\n\n").next().map(str::to_owned);
        let bubbles = opening(&fine(EmergencyKind::DecompressionIllness));
        for kind in [EmergencyKind::Bleeding, EmergencyKind::Envenomation, EmergencyKind::Suicide] {
            assert_ne!(bubbles, opening(&fine(kind)), "{} {}", words.lang.code(), kind.as_str());
        }
    }
}

/// Told in every language: a sign starts it, feeling fine does not end it, the word that it is none does,
/// and a new sign starts it again.
#[test]
fn an_emergency_lives_from_its_sign_to_the_word_that_it_is_none() {
    let guard = guard();
    for words in &TABLE {
        let code = words.lang.code();
        let Assessment::Emergency(first) = guard.assess(words.sign, &heard(words)) else { panic!("{code}: calm") };
        assert_eq!((first.lang, first.standing.replies), (words.lang, 1), "{code}");
        let mut now = Heard { standing: Some(first.standing), ..heard(words) };
        let Assessment::Emergency(second) = guard.assess(words.fine, &now) else { panic!("{code}: ended by fine") };
        assert_eq!(second.standing.replies, 2, "{code}");
        assert_ne!(first.text, second.text, "{code}");
        now.standing = Some(second.standing);
        assert!(matches!(guard.assess(words.none, &now), Assessment::StoodDown { .. }), "{code}: not ended");
        let after = Heard { said: vec![words.sign.to_owned(), words.none.to_owned()], ..heard(words) };
        assert!(matches!(guard.assess(words.sign, &after), Assessment::Emergency(_)), "{code}: not started again");
    }
}

/// What is asked in an open emergency, the kind that is open, and how the reply begins.
const ASKED: [(EmergencyKind, &str, &str); 53] = {
    use EmergencyKind::{
        Bleeding, DecompressionIllness as Dci, Drowning, EarBarotrauma, Envenomation, MissingDiver, Suicide,
    };
    [
        (Dci, "we have no oxygen", "Without oxygen:"),
        (Dci, "there is no oxygen on the boat", "Without oxygen:"),
        (Dci, "should I give him water?", "Small sips"),
        (Bleeding, "should I give him water?", "No: nothing to eat"),
        (Dci, "can I take him back down to 5 m?", "No: nobody is taken back down"),
        (Dci, "how much oxygen should I give?", "As much as the set gives"),
        (Dci, "ok she is on oxygen now. what next?", "Good: leave the oxygen on"),
        (Dci, "who do i call", "These are the numbers"),
        (Dci, "he had a beer, can he take aspirin?", "No alcohol, and no aspirin"),
        (Dci, "so is it ok to dive tomorrow?", "No: no diving"),
        (Dci, "it's gone now, can I dive tomorrow?", "No: no diving"),
        (Envenomation, "how hot should the water be?", "About 45 °C"),
        (Envenomation, "how long should I keep it in", "About 45 °C"),
        (Dci, "can we fly home", "No: no flying"),
        (Dci, "can he sleep", "Not unwatched"),
        (Dci, "should we wait and see", "Do not wait"),
        (EarBarotrauma, "should we wait and see", "Do not put it off"),
        (Dci, "thanks", "You are welcome"),
        (MissingDiver, "we looked everywhere", "Tell the coast guard so"),
        (MissingDiver, "current is strong, we are in Komodo", "Tell the coast guard so"),
        (MissingDiver, "should I go back down to look for him?", "No: do not go down alone"),
        (Dci, "¿puede beber agua?", "Sorbos pequeños"),
        (Dci, "wir haben keinen Sauerstoff", "Ohne Sauerstoff"),
        (Dci, "on peut prendre l'avion ?", "Non : ni avion"),
        (Dci, "ele pode dormir?", "Não sem vigilância"),
        (Dci, "possiamo volare a casa?", "No: niente voli"),
        (Dci, "siapa yang harus saya hubungi?", "Ini nomornya"),
        (Dci, "酸素がありません", "酸素がないときは"),
        (Dci, "พรุ่งนี้ดำน้ำได้ไหม", "ไม่ได้: ห้ามดำน้ำ"),
        (Dci, "هل يمكن أن ينام؟", "ليس بلا مراقبة"),
        (Dci, "他可以喝水吗？", "只有在完全清醒"),
        (Dci, "没有氧气怎么办", "没有氧气："),
        (Drowning, "he is breathing again", "Good. Keep them on the side"),
        (Drowning, "ya respira otra vez y está despierto", "Bien. De lado"),
        (Drowning, "er atmet wieder", "Gut. Auf der Seite"),
        (Drowning, "elle respire de nouveau", "Bien. Sur le côté"),
        (Drowning, "voltou a respirar", "Bom. De lado"),
        (Drowning, "ha ripreso a respirare", "Bene. Su un fianco"),
        (Drowning, "sudah bernapas lagi", "Bagus. Miringkan"),
        (Drowning, "息を吹き返した", "よかったです。横向き"),
        (Drowning, "กลับมาหายใจแล้ว", "ดีแล้ว ให้นอนตะแคง"),
        (Drowning, "رجع يتنفس", "جيد. ضعه على جنبه"),
        (Drowning, "恢复呼吸了", "好。让其侧卧"),
        (Dci, "the ambulance is here", "Good: tell them"),
        (Dci, "der Rettungswagen ist da", "Gut: Sag ihnen"),
        (Dci, "llegó la ambulancia", "Bien: diles"),
        (Suicide, "paramedics are here", "Good that somebody is with you"),
        (Dci, "we are 3 hours from shore", "Tell the coast guard at once"),
        (Dci, "wir sind drei Stunden vom Hafen", "Sag der Küstenwache sofort"),
        (MissingDiver, "we found him", "Good. Breathing first"),
        (MissingDiver, "lo hemos encontrado", "Bien. Primero la respiración"),
        (MissingDiver, "we have him on board, we found him floating", "Good. Breathing first"),
        (MissingDiver, "we are two hours off the coast", "Tell the coast guard at once"),
    ]
};

#[test]
fn what_is_asked_is_answered_before_the_next_step() {
    let guard = guard();
    let mut wrong = Vec::new();
    for (kind, question, beginning) in ASKED {
        let standing = StandingEmergency { kind, replies: 1, region: None };
        let now = Heard { standing: Some(standing), ..Heard::default() };
        match guard.assess(question, &now) {
            Assessment::Emergency(alarm) if alarm.text.starts_with(beginning) => {
                assert_eq!((alarm.standing.kind, alarm.standing.replies), (kind, 2), "{question}");
            }
            other => wrong.push(format!("{question}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bad_news_in_the_words_of_good_news_is_none() {
    let guard = guard();
    for (kind, message) in [
        (EmergencyKind::Drowning, "he is not breathing again"),
        (EmergencyKind::Drowning, "no respira otra vez"),
        (EmergencyKind::Drowning, "atmet wieder nicht"),
        (EmergencyKind::MissingDiver, "wir haben ihn nicht gefunden"),
        (EmergencyKind::MissingDiver, "no lo encontramos"),
        (EmergencyKind::MissingDiver, "non lo abbiamo trovato"),
        (EmergencyKind::MissingDiver, "belum ditemukan"),
        (EmergencyKind::MissingDiver, "まだ見つからない"),
        (EmergencyKind::MissingDiver, "还没找到他"),
        (EmergencyKind::DecompressionIllness, "the ambulance is not here yet"),
    ] {
        let now = Heard { standing: Some(StandingEmergency { kind, replies: 1, region: None }), ..Heard::default() };
        let Assessment::Emergency(alarm) = guard.assess(message, &now) else { panic!("{message}: ended") };
        let good = ["Good", "Gut", "Bien", "Bene", "Bagus", "よかった", "好"];
        assert!(!good.iter().any(|word| alarm.text.starts_with(word)), "{message}: {}", alarm.text);
    }
}

#[test]
fn each_answer_is_there_in_every_language() {
    use super::question::Topic;
    let guard = guard();
    for lang in Lang::ALL {
        for topic in Topic::ALL {
            let kinds = EmergencyKind::ALL.iter();
            let answered = kinds.filter(|kind| {
                let standing = StandingEmergency { kind: **kind, replies: 2, region: None };
                let with = guard.replies().compose("", &Heard::default(), lang, &standing, &[*topic], false);
                with != guard.replies().compose("", &Heard::default(), lang, &standing, &[], false)
            });
            assert!(answered.count() > 0, "{} {}", lang.code(), topic.key());
        }
    }
}
