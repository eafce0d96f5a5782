use super::*;

fn guard() -> RuleGuard {
    RuleGuard::load(None, &Operator::default()).unwrap()
}

fn alarm(message: &str, heard: &Heard) -> Alarm {
    match guard().assess(message, heard) {
        Assessment::Emergency(alarm) => alarm,
        other => panic!("{message}: {other:?}"),
    }
}

fn kind(message: &str) -> EmergencyKind {
    alarm(message, &Heard::default()).standing.kind
}

fn standing(kind: EmergencyKind, replies: u32) -> Heard {
    Heard { standing: Some(StandingEmergency { kind, replies, region: None }), ..Heard::default() }
}

fn compose(guard: &RuleGuard, lang: Lang, kind: EmergencyKind, replies: u32, fine: bool) -> String {
    guard.replies().compose("", &Heard::default(), lang, &StandingEmergency { kind, replies, region: None }, &[], fine)
}

#[test]
fn each_kind_is_told_from_the_others() {
    for (message, expected) in [
        ("my buddy can't feel his legs after the dive", EmergencyKind::DecompressionIllness),
        ("tank air tasted like exhaust and we all have headaches", EmergencyKind::CarbonMonoxide),
        ("my dad is clutching his chest on the boat", EmergencyKind::Cardiac),
        ("the propeller hit her leg, she is bleeding heavily", EmergencyKind::Bleeding),
        ("he stepped on a stonefish just now", EmergencyKind::Envenomation),
        ("we pulled him out of the water, he inhaled a lot of water", EmergencyKind::Drowning),
        ("one diver is missing, he hasn't surfaced", EmergencyKind::MissingDiver),
        ("I want to kill myself", EmergencyKind::Suicide),
        ("he is unconscious", EmergencyKind::Unresponsive),
    ] {
        assert_eq!(kind(message), expected, "{message}");
    }
}

/// What divers wrote and got the wrong words for.
#[test]
fn the_words_are_those_of_the_danger() {
    use EmergencyKind::{
        Bleeding, DecompressionIllness, Drowning, EarBarotrauma, Envenomation, Illness, MissingDiver, SeafoodPoisoning,
        Unresponsive,
    };
    let mut wrong = Vec::new();
    for (message, expected) in [
        ("my friend has been missing underwater for 10 minutes", MissingDiver),
        ("my buddy has been missing for ten minutes", MissingDiver),
        ("he has been underwater for 40 minutes and should be up", MissingDiver),
        ("we lost sight of two divers an hour ago", MissingDiver),
        ("we've lost two divers, surfaced 40 min ago not seen", MissingDiver),
        ("My buddy is unconscious in the water", Unresponsive),
        ("buddy passed out underwater, we pulled him out, not breathing", Unresponsive),
        ("he blacked out during a freedive", Drowning),
        ("my friend was found unconscious on the bottom", Unresponsive),
        ("My buddy was unconscious at the surface", Unresponsive),
        ("no respira", Unresponsive),
        ("não está respirando", Unresponsive),
        ("لا يتنفس", Unresponsive),
        ("Someone got run over by a boat while snorkelling", Bleeding),
        ("A boat ran over a snorkeler, he's hurt", Bleeding),
        ("my kid ate a pufferfish", SeafoodPoisoning),
        ("we ate a grouper and now my lips tingle and everything cold feels hot", SeafoodPoisoning),
        ("terrible headache and stiff neck after snorkelling", Illness),
        ("my friend drank sea water and vomits a lot after snorkeling", Illness),
        ("my friend went blue in the face after freediving but is ok now", Drowning),
        (
            "my husband's speech is slurred since our dive this morning, we're on a plane about to take off",
            DecompressionIllness,
        ),
        ("help i got stung by a jellyfish and it burns so bad", Envenomation),
        ("my ear is bleeding after diving", EarBarotrauma),
        ("my ear is bleeding after diving and everything spins", DecompressionIllness),
    ] {
        let locale = [("no respira", "es"), ("não está respirando", "pt")].iter().find(|(own, _)| *own == message);
        let heard = Heard { locale: locale.map(|(_, lang)| (*lang).to_owned()), ..Heard::default() };
        match guard().assess(message, &heard) {
            Assessment::Emergency(alarm) if alarm.standing.kind == expected => {}
            Assessment::Emergency(alarm) => wrong.push(format!("{message}: {:?}", alarm.standing.kind)),
            other => wrong.push(format!("{message}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plane_about_to_leave_is_told_of_first() {
    let message = "my husband's speech is slurred since our dive this morning, we're on a plane about to take off";
    assert!(alarm(message, &Heard::default()).text.starts_with("Tell the cabin crew now"));
}

#[test]
fn only_the_country_that_is_named_is_called() {
    let text = alarm("my buddy can't feel his legs after the dive, we are in the maldives", &Heard::default()).text;
    assert!(text.contains("102 (ambulance) · 191 (coast guard)"), "{text}");
    assert!(!text.contains("India") && !text.contains("1990"), "{text}");
}

#[test]
fn what_stays_true_is_said_when_it_is_none() {
    for lang in Lang::ALL {
        let sheet = |kind| guard().replies().stood_down(lang, kind);
        assert!(sheet(EmergencyKind::DecompressionIllness).contains("DAN"), "{}", lang.code());
        assert!(!sheet(EmergencyKind::Suicide).contains("DAN"), "{}", lang.code());
    }
}

/// Who is in danger writes two words, and the telephone may speak another language.
#[test]
fn no_breath_in_two_words_is_an_emergency_in_every_language() {
    let mut calm = Vec::new();
    for message in [
        "not breathing",
        "no respira",
        "no puede respirar",
        "ayuda no respira",
        "atmet nicht",
        "il respire pas",
        "não respira",
        "nao respira",
        "non respira",
        "tidak bernapas",
        "gak napas",
        "息してない",
        "ไม่หายใจ",
        "لا يتنفس",
        "没呼吸",
        "不呼吸了怎么办",
    ] {
        for locale in [None, Some("en-US"), Some("de-DE"), Some("ja-JP")] {
            let heard = Heard { locale: locale.map(str::to_owned), ..Heard::default() };
            if guard().assess(message, &heard) == Assessment::Calm {
                calm.push((message, locale));
            }
        }
    }
    assert!(calm.is_empty(), "{calm:?}");
}

/// What people tell beside a question has the persons, the times and the boats of an emergency, and none of its signs.
#[test]
fn a_story_without_a_sign_is_no_emergency() {
    for message in [
        "We are just back from a week in the Alps and now my husband and me are planning something warmer. A friend of ours said to ask here. What is a wobbegong?",
        "So yesterday we had dinner with some friends and everybody talked about diving, I could not say a word because I have never tried it.",
        "My brother came home from Egypt last night full of stories and now he won't stop. He showed us two hundred pictures. How deep is the Thistlegorm?",
        "Our boat leaves tomorrow morning and I am just packing my bag. The kids are in bed already and I have some time to read.",
        "We sat on the boat after the second dive today and had a long discussion about this, nobody knew the answer. How often is a tank tested?",
        "This morning our guide told us something during the briefing that I did not understand and I was too shy to ask him. What is a surge?",
        "Wir sind gerade aus dem Skiurlaub zurück und meine Frau hat mir einen neuen Koffer geschenkt. Wann ist die beste Zeit für Mantas in Komodo?",
        "Hier soir mon mari a raconté nos plongées à toute la table, personne ne l'écoutait. Quelle profondeur pour un niveau 1 ?",
        "I dived yesterday",
        "two dives this morning",
        "we are on the boat",
        "j'ai plongé hier",
        "ayer hice tres inmersiones",
        "昨日2本潜りました",
        "We had three dives today and our guide still has not stopped singing. Which fish makes that clicking noise?",
    ] {
        assert_eq!(guard().assess(message, &Heard::default()), Assessment::Calm, "{message}");
    }
    let told = "We are back from two lovely weeks in Egypt, my husband and I, with forty dives between us and a suitcase \
                of sand. Yesterday he did the last one with our guide, this morning he can't do up his shirt buttons \
                and says his fingers belong to somebody else. Which wetsuit would you buy for the lake at home?";
    assert_ne!(guard().assess(told, &Heard::default()), Assessment::Calm);
}

/// Taken from the air, the cold, the shop and the classroom.
#[test]
fn a_full_ear_cold_fingers_and_a_hard_choice_are_no_emergency() {
    let mut alarmed = Vec::new();
    for message in [
        "my computer is locked after a dive",
        "my dive computer locked itself after the dive, what does that mean",
        "my fingers go numb in 8 degree water and are fine after a hot shower, which gloves",
        "se me duermen los dedos con el agua a 10 grados y luego se me pasa, ¿qué guantes?",
        "help, i can't decide between two regulators",
        "aiuto, non so che pinne prendere",
        "النجدة! محتار بين زعانف طويلة وقصيرة",
        "助けて、フィンが選べない",
        "Prüfungsfrage: Taucher hat nach dem Auftauchen Lähmungen, welche Diagnose ist wahrscheinlich?",
    ] {
        if guard().assess(message, &Heard::default()) != Assessment::Calm {
            alarmed.push(message);
        }
    }
    let asked = Heard { said: vec!["my ear feels blocked since the pool, what helps?".into()], ..Heard::default() };
    for message in ["it's only the left one and it feels full", "only the left one, no pain"] {
        if guard().assess(message, &asked) != Assessment::Calm {
            alarmed.push(message);
        }
    }
    assert!(alarmed.is_empty(), "{alarmed:?}");
}

#[test]
fn ears_and_old_complaints_stay_with_the_safety_agent() {
    let mut wrong = Vec::new();
    for (message, heard) in [("My ears hurt when I went diving yesterday", &Heard::default())] {
        if guard().assess(message, heard) != Assessment::Calm {
            wrong.push(message);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn words_of_danger_in_other_company_are_no_emergency() {
    for message in [
        "I use up my air so fast, it's embarrassing, the whole boat has to come up",
        "my dive computer died, is a new battery enough",
        "my betta fish is gasping at the surface of its tank",
        "does the rescue course teach how to tow an unconscious diver",
        "se me murió la batería del coche",
        "パソコンが気絶した",
    ] {
        assert_eq!(guard().assess(message, &Heard::default()), Assessment::Calm, "{message}");
    }
}

#[test]
fn questions_about_emergencies_are_none() {
    for message in [
        "what are the symptoms of dcs?",
        "what should I do if my buddy becomes unconscious?",
        "how common is decompression sickness",
        "I'm dying to see mantas",
        "Was mache ich, wenn mein Buddy bewusstlos wird?",
        "¿cuáles son los síntomas de la enfermedad descompresiva?",
        "減圧症の症状は何ですか",
        "减压病有哪些症状",
    ] {
        assert_eq!(guard().assess(message, &Heard::default()), Assessment::Calm, "{message}");
    }
}

#[test]
fn the_reply_speaks_the_divers_language_and_names_the_regions_numbers() {
    let german = alarm("Hilfe, mein Buddy atmet nicht, wir sind in Hurghada", &Heard::default());
    assert_eq!(german.lang, Lang::De);
    assert!(german.text.contains("123") && german.text.contains("DAN Europe"), "{}", german.text);
    let heard = Heard { locale: Some("en-AU".into()), ..Heard::default() };
    assert!(alarm("my buddy is unconscious after the dive", &heard).text.contains("1800 088 200"));
    let heard = Heard { region: Some("Koh Tao".into()), ..Heard::default() };
    assert!(alarm("my buddy is unconscious after the dive", &heard).text.contains("1669"));
    assert!(alarm("朋友在巴厘岛潜水后昏迷", &Heard::default()).text.contains("112"));
    assert!(alarm("my buddy is unconscious after the dive", &Heard::default()).text.contains("+1 919 684 9111"));
}

#[test]
fn the_operators_contacts_stand_in_the_reply() {
    let operator = Operator { emergency_contacts: vec!["Made, +62 811 000".into()], ..Operator::default() };
    let guard = RuleGuard::load(None, &operator).unwrap();
    let Assessment::Emergency(alarm) = guard.assess("my buddy can't move his legs", &Heard::default()) else {
        panic!()
    };
    assert!(alarm.text.contains("Made, +62 811 000"));
}

#[test]
fn an_emergency_stays_until_the_diver_says_it_is_none() {
    let first = alarm("my buddy can't feel his legs after the dive", &Heard::default());
    let heard = |replies| standing(first.standing.kind, replies);
    let second = alarm("he is on oxygen now", &heard(1));
    let third = alarm("I feel fine now", &heard(2));
    assert_eq!((second.standing.replies, third.standing.replies), (2, 3));
    assert!(first.text != second.text && second.text != third.text);
    assert!(third.text.contains("does not rule it out"), "{}", third.text);
    let done = guard().assess("it's not an emergency", &heard(3));
    assert!(matches!(done, Assessment::StoodDown { reply: Some(_), lang: Lang::En }), "{done:?}");
}

#[test]
fn it_is_stood_down_in_every_language() {
    for (lang, message) in [
        (Lang::En, "false alarm"),
        (Lang::Es, "no es una emergencia"),
        (Lang::De, "Falscher Alarm, kein Notfall"),
        (Lang::Fr, "ce n'est pas une urgence"),
        (Lang::Pt, "não é emergência"),
        (Lang::It, "non è un'emergenza"),
        (Lang::Id, "bukan darurat"),
        (Lang::Ja, "緊急ではありません"),
        (Lang::Th, "ไม่ใช่เหตุฉุกเฉิน"),
        (Lang::Ar, "ليست حالة طارئة"),
        (Lang::Zh, "不是紧急情况"),
    ] {
        let heard = Heard { locale: Some(lang.code().into()), ..standing(EmergencyKind::DecompressionIllness, 1) };
        let done = guard().assess(message, &heard);
        assert!(matches!(done, Assessment::StoodDown { lang: l, .. } if l == lang), "{message}: {done:?}");
    }
}

#[test]
fn the_words_that_every_closing_quotes_do_end_it() {
    let quotes = ['"', '“', '”', '„', '«', '»', '「', '」'];
    for lang in Lang::ALL {
        let heard = Heard { locale: Some(lang.code().into()), ..standing(EmergencyKind::Drowning, 2) };
        let Assessment::Emergency(alarm) = guard().assess("?", &heard) else { panic!("{}", lang.code()) };
        assert_eq!(alarm.lang, lang);
        let closing = alarm.text.lines().last().unwrap_or_default().to_owned();
        let words = closing.split(quotes).rev().nth(1).unwrap_or_default();
        let done = guard().assess(words, &heard);
        assert!(!words.is_empty() && matches!(done, Assessment::StoodDown { .. }), "{closing}: {words}");
    }
}

#[test]
fn new_signs_start_another_emergency() {
    let heard = standing(EmergencyKind::MissingDiver, 3);
    let next = alarm("we found her, she is not breathing, we pulled her out of the water", &heard);
    assert_eq!(next.standing.kind, EmergencyKind::Drowning);
    assert_eq!(next.standing.replies, 1);
}

#[test]
fn a_picture_completes_over_several_messages() {
    let heard = Heard { said: vec!["did three dives today in Koh Tao".to_owned()], ..Heard::default() };
    assert!(matches!(guard().assess("my left hand feels numb", &heard), Assessment::Emergency(_)));
}

#[test]
fn a_talk_of_something_slight_goes_on_calmly() {
    for (said, next) in [
        ("can I dive with a blocked nose?", "still a bit blocked, going to skip tomorrow then"),
        ("how long should I wait before I fly?", "twice yesterday, the last one at four"),
        ("my mate had the bends years ago, was that his fault?", "no he's fine now, dives more than I do"),
        ("what if I run out of air?", "not yet, my first dive is on sunday"),
    ] {
        let heard = Heard { said: vec![said.to_owned()], ..Heard::default() };
        assert_eq!(guard().assess(next, &heard), Assessment::Calm, "{said} / {next}");
    }
    for (said, next) in [
        ("my left hand feels numb", "yes, since we came up an hour ago"),
        ("how long should I wait before I fly?", "ok. my legs have gone all wobbly since the second dive though"),
    ] {
        let heard = Heard { said: vec![said.to_owned()], ..Heard::default() };
        assert!(matches!(guard().assess(next, &heard), Assessment::Emergency(_)), "{said} / {next}");
    }
}

#[test]
fn what_is_not_understood_is_no_emergency_in_a_talk_either() {
    let unknown = "Вчера мы всей семьёй ходили в кино и потом ещё долго гуляли по набережной а дети ели мороженое";
    for said in [vec![], vec!["how long should I wait before I fly?".to_owned()]] {
        let heard = Heard { said, ..Heard::default() };
        assert_eq!(guard().assess(unknown, &heard), Assessment::Calm);
    }
}

#[test]
fn every_kind_has_words_in_every_language_without_gaps() {
    let guard = guard();
    for lang in Lang::ALL {
        for kind in EmergencyKind::ALL {
            for replies in 1..6 {
                let text = compose(&guard, lang, kind, replies, replies == 3);
                assert!(text.len() > 100, "{} {}", lang.code(), kind.as_str());
                assert!(!text.contains('{') && !text.contains("\n\n\n"), "{text}");
            }
        }
        if lang != Lang::En {
            let english = compose(&guard, Lang::En, EmergencyKind::Cardiac, 1, false);
            let own = compose(&guard, lang, EmergencyKind::Cardiac, 1, false);
            assert_ne!(english, own, "{} is not translated", lang.code());
        }
    }
}

#[test]
fn content_files_override_and_a_broken_one_does_not_silence_the_guard() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("emergency")).unwrap();
    let file = dir.path().join("emergency/hotlines.toml");
    std::fs::write(&file, "checked = \"2026-01-01\"\n[[region]]\nid = \"international\"\nemergency = \"555\"\n")
        .unwrap();
    let guard = RuleGuard::load(Some(dir.path()), &Operator::default()).unwrap();
    assert_eq!(guard.hotlines().checked, "2026-01-01");
    std::fs::write(&file, "checked = 1").unwrap();
    let guard = RuleGuard::load(Some(dir.path()), &Operator::default()).unwrap();
    assert!(guard.hotlines().region.len() > 10, "the compiled-in numbers stand in");
}

proptest::proptest! {
    #[test]
    fn any_message_is_judged(message in ".{0,400}", earlier in ".{0,100}") {
        let heard = Heard { said: vec![earlier], ..Heard::default() };
        let _ = guard().assess(&message, &heard);
    }
}

fn calm(message: &str, heard: &Heard) -> bool {
    matches!(guard().assess(message, heard), Assessment::Calm)
}

/// Plain questions that raised an alarm: each has a word of danger, of a dive or of today, and nobody who is ill.
#[test]
fn plain_questions_raise_no_alarm() {
    let raised: Vec<&str> = [
        "i'll describe the photo: fish, kind of brown, blurry, took it at 20 m. exactly which species and is it male",
        "is there still space for 2 on tomorrow's night dive",
        "swimming along all nice, then a blurry shimmer and suddenly it's freezing. what is that line called",
        "11 weeks pregnant and its only a shallow reef, 6 metres, my husband says its ok",
        "why on earth cant i tell where a boat is coming from under water just by listening",
        "¿cómo está el mar ahora mismo en las Medas? mi vuelo sale en dos horas y no sé si llevar el traje",
        "ปลาไหลมังกรทองสิมิลันเจอที่จุดดำน้ำไหนคะ",
        "ما اسم السمكة اللي في الصورة اللي أرسلتها لك أمس بعد الغطسة الثانية؟",
    ]
    .into_iter()
    .filter(|message| !calm(message, &Heard::default()))
    .collect();
    assert!(raised.is_empty(), "{raised:#?}");
}

/// Who tells of no sign, only of what somebody can't do since the dive.
#[test]
fn everyday_failings_after_a_dive_are_found() {
    let missed: Vec<&str> = [
        "tonight the subtitles are double, I must close one eye. too much of sun? today Blue Hole",
        "jetlag? home since yesterday, last dive the day before that. arms like lead and my handwriting's turned to rubbish",
        "Auf unserem Safariboot findet eine Mitreisende ihre Kabine nicht mehr und hat mich jetzt zum vierten Mal gefragt, \
         was für ein Tag ist. Ist das Seekrankheit? Wir waren heute auf 42.",
        "depuis la plongée d'hier mon mari doit frôler le mur pour aller droit, il appelle ça le mal de terre",
        "gomito che urla solo quando sto fermo, tre tuffi ieri. il quarto lo faccio o salto?",
        "td pagi nyelam di Tulamben, skrg makan soto sendoknya jatoh mulu dari tangan kiri wkwk lucu ya",
        "昨天诗巴丹潜完今早鞋带死活系不上 手指头不听使唤 空调吹的吗",
        "طلعلي على بطني حاجة زي خريطة حمرا في بنفسجي بعد التالتة، حساسية من البدلة صح؟",
    ]
    .into_iter()
    .filter(|message| calm(message, &Heard::default()))
    .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_it_was_instead_ends_the_worry() {
    let heard = Heard { said: vec!["mon binôme ne répond plus !!".into()], ..Heard::default() };
    let instead = "mais non pardon, il répond plus sur WhatsApp, il devait me filer son détendeur d'occase. Vous savez où \
                   en trouver un autre vers Nantes ?";
    assert!(calm(instead, &heard));
    assert!(!calm("non, il ne bouge plus du tout", &heard));
}
