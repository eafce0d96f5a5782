use dovvybuddy_core::{Clock as _, SystemClock};
use std::time::Duration;

use dovvybuddy_core::Timestamp;
use dovvybuddy_core::agent::Phrase;
use dovvybuddy_core::ids::{BotId, ChannelId, ConversationKey, DiverKey, SessionId};
use dovvybuddy_core::session::{Message, Session, Units};

use super::*;

fn asked(history: &[&str], text: &str) -> Asked {
    let (bot, channel) = (BotId::default(), ChannelId::new("web"));
    let conversation = ConversationKey {
        bot: bot.clone(),
        channel: channel.clone(),
        account: String::new(),
        conversation: "c".into(),
    };
    let now = Timestamp::from_millis(0);
    let mut session = Session::open(SessionId(SystemClock.uuid()), conversation, now);
    for text in history {
        session.history.push(Message { role: Role::User, content: (*text).into(), created_at: now });
        session.history.push(Message { role: Role::Assistant, content: "…".into(), created_at: now });
    }
    Asked {
        text: text.into(),
        typed: text.into(),
        session,
        diver: DiverKey { bot, channel, account: String::new(), user: "u".into() },
        locale: None,
        now,
        deadline: tokio::time::Instant::now() + Duration::from_secs(5),
    }
}

fn route(history: &[&str], text: &str) -> Route {
    HeuristicRouter::new(&[]).route_now(&asked(history, text))
}

fn to(text: &str) -> String {
    match route(&[], text).to {
        Destination::Agent(agent) => agent.to_string(),
        Destination::OutOfScope => "out_of_scope".into(),
        Destination::Fixed(phrase) => phrase.key().into(),
        Destination::Helplines => "helplines".into(),
        Destination::Connect => "connect".into(),
        Destination::Experience => "experience".into(),
    }
}

#[test]
fn who_only_tells_is_told_from_who_asks_or_complains() {
    for text in ["my husband loves wrecks", "we saw a turtle today!", "I'm 62", "our guide was so funny"] {
        let route = route(&[], text);
        assert!(route.context.only_tells, "{text}: {route:?}");
    }
    for text in [
        "my husband loves wrecks, where should we go",
        "I want to see turtles",
        "my computer shows an error",
        "our guide never came",
        "turtles in komodo",
        "just write me a poem about cats",
        "my ear feels full since the dive",
        "my dad died yesterday",
        "I have asthma",
        "Mein Regler bläst ab, 50 Tauchgänge",
    ] {
        let route = route(&[], text);
        assert!(!route.context.only_tells, "{text}: {route:?}");
    }
}

#[test]
fn weights_survive_being_written_and_read() {
    let model = Model::parse(WEIGHTS);
    let weights = model.weights();
    assert!(weights.len() > 100);
    let again = Model::parse(&model.to_tsv());
    for (name, row) in again.weights() {
        assert_eq!(weights.get(name), Some(&row));
    }
}

#[tokio::test]
async fn each_subject_reaches_its_agent_in_several_languages() {
    for (text, expected) in [
        ("what are the prerequisites for rescue diver", "certification"),
        ("ab welchem Alter kann mein Sohn den OWD machen", "certification"),
        ("best month for mantas in komodo", "trip"),
        ("マンタはいつ見られますか", "trip"),
        ("can I dive with asthma", "safety"),
        ("潜水后多久可以坐飞机", "safety"),
        ("how does a regulator work", "retrieval"),
        ("a che ora aprite la domenica?", "retrieval"),
        ("receta de paella", "out_of_scope"),
    ] {
        assert_eq!(to(text), expected, "{text}");
    }
}

#[tokio::test]
async fn small_talk_gets_fixed_words_and_a_question_in_it_does_not() {
    assert_eq!(route(&[], "hello!").to, Destination::Fixed(Phrase::Greeting));
    assert_eq!(route(&[], "vielen Dank").to, Destination::Fixed(Phrase::Thanks));
    assert_eq!(route(&[], "are you a bot?").to, Destination::Fixed(Phrase::Help));
    assert_eq!(to("hi, how long does open water take?"), "certification");
}

#[tokio::test]
async fn a_follow_up_is_read_and_searched_with_what_it_follows() {
    let follow_up = route(&["minimum age for PADI open water"], "and for SSI?");
    assert_eq!(follow_up.to, Destination::Agent(AgentId::new("certification")));
    assert!(follow_up.query.contains("minimum age") && follow_up.query.contains("SSI"), "{}", follow_up.query);
}

#[tokio::test]
async fn what_names_its_whole_subject_is_searched_without_what_went_before() {
    let flying = "how long before we can fly home";
    for text in ["what if I run out of air down there", "i had asthma as a kid, is that a problem"] {
        let query = route(&[flying], text).query;
        assert!(!query.contains("fly home"), "{query}");
    }
    let cost = route(&["how long does the open water course take"], "what does it cost?");
    assert!(cost.query.contains("open water"), "{}", cost.query);
}

#[tokio::test]
async fn plain_questions_are_searched_in_the_documents_words() {
    assert!(route(&[], "we'd go to thailand in july, is that any good?").query.contains("best season"));
    assert!(route(&[], "my ear hurts since yesterday, can i dive tomorrow").query.contains("barotrauma"));
    let grown_up = route(&[], "i had asthma as a kid, can i dive?").query;
    assert!(!grown_up.contains("minimum age"), "{grown_up}");
}

#[tokio::test]
async fn what_a_course_costs_is_for_the_operator_to_say() {
    assert_eq!(route(&[], "How much is the open water course?").intent, "price");
}

#[tokio::test]
async fn a_question_in_another_language_is_searched_in_english_too() {
    assert!(route(&[], "darf ich mit Asthma und Erkältung tauchen").query.contains("cold congestion"));
    assert!(route(&[], "马尔代夫什么时候能看到鲸鲨").query.contains("whale shark"));
}

#[tokio::test]
async fn what_the_diver_says_of_themselves_is_learned() {
    let learned = route(
        &[],
        "I'm PADI Advanced Open Water with 32 dives, planning a trip to Komodo in May, depths in feet please",
    )
    .learned;
    assert_eq!(learned.cert_level.as_deref(), Some("AOW"));
    assert_eq!(learned.agency.as_deref(), Some("PADI"));
    assert_eq!(learned.dives, Some(32));
    assert_eq!(learned.units, Some(Units::Imperial));
    assert!(
        learned.travel_plans.as_deref().is_some_and(|plans| plans.contains("komodo")),
        "{:?}",
        learned.travel_plans
    );
    assert_eq!(route(&[], "what do I need for divemaster?").learned.cert_level, None);
}

#[tokio::test]
async fn a_worry_and_a_safety_matter_are_noticed() {
    let worried = route(&[], "I'm scared of sharks, is bali ok?");
    assert_eq!(worried.worry.as_deref(), Some("fear of sharks"));
    let gate = route(&[], "asthma inhaler, and can I still take the advanced course");
    assert!(gate.caution);
    // Whichever agent leads, the other one contributes.
    let touched =
        |agent: &str| gate.to == Destination::Agent(AgentId::new(agent)) || gate.also.contains(&AgentId::new(agent));
    assert!(touched("safety") && touched("certification"), "{:?} {:?}", gate.to, gate.also);
}

#[tokio::test]
async fn an_operators_own_agent_is_reached_by_its_examples() {
    let examples = vec![(AgentId::new("freediving"), "static apnea breath hold training tables".to_owned())];
    let router = HeuristicRouter::new(&examples);
    let route = router.route_now(&asked(&[], "breath hold tables for static apnea training?"));
    assert_eq!(route.to, Destination::Agent(AgentId::new("freediving")));
}

#[tokio::test]
async fn a_long_message_is_routed_without_delay() {
    let router = HeuristicRouter::new(&[]);
    let asked = asked(&["best time for komodo"], &"and what about the currents there in July ".repeat(40));
    let _ = router.route_now(&asked);
    let started = tokio::time::Instant::now();
    for _ in 0..5 {
        let _ = router.route_now(&asked);
    }
    // Not the figure of a release, which `eval routing` tells: nothing may grow with the square of the length.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

fn learned(text: &str) -> dovvybuddy_core::session::DiverProfile {
    route(&[], text).learned
}

#[test]
fn what_divers_say_of_themselves_is_kept() {
    let profile = learned("I'm PADI Advanced with 45 dives, my last dive was 3 years ago");
    assert_eq!((profile.agency.as_deref(), profile.cert_level.as_deref()), (Some("PADI"), Some("AOW")));
    assert_eq!((profile.dives, profile.last_dive.as_deref()), (Some(45), Some("3 years ago")));
    assert_eq!(learned("ich bin AOWD mit 60 tauchgängen").cert_level.as_deref(), Some("AOW"));
    assert_eq!(learned("我是OW，有20潜").cert_level.as_deref(), Some("OW"));
    assert_eq!(learned("je n'ai pas plongé depuis 4 ans").last_dive.as_deref(), Some("4 years ago"));
    assert_eq!(learned("my last dive was in 2019").last_dive.as_deref(), Some("2019"));
    assert_eq!(learned("no, I'm AOW").cert_level.as_deref(), Some("AOW"));
}

#[test]
fn plans_and_denials_are_not_taken_for_a_certificate() {
    for text in ["I'm thinking about open water", "I'm not advanced yet", "I am scared of the rescue course"] {
        assert_eq!(learned(text).cert_level, None, "{text}");
    }
}

#[test]
fn a_word_makes_it_forgotten_in_every_language() {
    use dovvybuddy_core::session::ProfileField::{Everything, Level};
    for text in [
        "forget my level",
        "olvida mi nivel",
        "vergiss mein Brevet",
        "oublie mon niveau",
        "esqueça meu nível",
        "dimentica il mio brevetto",
        "lupakan level saya",
        "レベルを忘れて",
        "ลืมระดับของฉัน",
        "انس مستواي",
        "忘记我的级别",
    ] {
        let route = route(&[], text);
        assert_eq!(route.forgets, [Level], "{text}");
        assert_eq!(route.to, Destination::Fixed(Phrase::ProfileErased), "{text}");
    }
    assert_eq!(route(&[], "please forget everything about me").forgets, [Everything]);
    assert!(route(&[], "how do I get over it, I can't forget my first panic on the level below").forgets.is_empty());
}

#[test]
fn a_question_deeper_than_the_certificate_is_noticed() {
    let ask = |level: &str, text: &str| {
        let mut asked = asked(&[], text);
        asked.session.profile.cert_level = Some(level.into());
        HeuristicRouter::new(&[]).route_now(&asked).beyond_certificate
    };
    assert!(ask("OW", "can I dive a wreck at 40 m in Malta?"));
    assert!(ask("OW", "which wreck dive at 130 ft is good"));
    assert!(!ask("OW", "can I dive a wreck at 18 m in Malta?"));
    assert!(!ask("DM", "can I dive a wreck at 40 m in Malta?"));
    assert!(!ask("OW", "which course do I need for a 40 m wreck dive?"));
    assert!(route(&[], "I'm open water, is the 30m wreck dive in Coron for me?").beyond_certificate);
}

#[test]
fn a_worry_alone_is_a_matter_of_safety_and_searched_by_its_name() {
    for (text, name) in [
        ("i'm terrified of sharks", "shark"),
        ("tengo pánico a los tiburones", "shark"),
        ("ich hab angst vor haien", "shark"),
        ("怕鲨鱼", "shark"),
    ] {
        let route = route(&[], text);
        assert_eq!(route.to, Destination::Agent(AgentId::new("safety")), "{text}");
        assert!(route.query.contains(name), "{text}: {}", route.query);
    }
}

#[test]
fn what_the_diver_may_do_is_searched_with_the_divers_level() {
    let level = |text: &str, expected: &str| {
        let mut asked = asked(&["I'm SSI Open Water with 8 dives"], text);
        asked.session.profile.cert_level = Some("OW".into());
        asked.session.profile.agency = Some("SSI".into());
        let query = HeuristicRouter::new(&[]).route_now(&asked).query;
        assert!(query.contains(expected), "{text}: {query}");
    };
    level("how deep can I go?", "SSI Open Water Diver depth limit");
    level("what's my limit?", "SSI Open Water Diver depth limit");
    level("what's the next step for me?", "next step after Open Water Diver");
    level("is the Thistlegorm ok for me?", "Open Water divers");
    let of_a_gas = route(&["what is nitrox?"], "how deep can I go with it?").query;
    assert!(!of_a_gas.contains("Open Water"), "{of_a_gas}");
}

#[test]
fn only_the_divers_own_level_is_learned() {
    for text in ["and my wife is AOW, can we dive together?", "can I do it together with my open water course?"] {
        assert_eq!(learned(text).cert_level, None, "{text}");
    }
}

#[test]
fn what_points_at_diving_is_not_outside_it() {
    let tired = route(&["What is nitrox?", "and with 36%?"], "does it make me less tired?");
    assert!(tired.to != Destination::OutOfScope && tired.query.contains("nitrox"), "{tired:?}");
    let price = route(&["how long does the open water course take?"], "and how much does it cost?");
    assert_eq!(price.intent, "price");
    assert_eq!(route(&["What is nitrox?"], "how do I cook spaghetti carbonara?").to, Destination::OutOfScope);
}

#[test]
fn the_names_that_were_spoken_of_are_asked_for() {
    let sank = route(&["tell me about the Thistlegorm", "how deep is it?"], "who sank it?");
    assert_eq!(sank.names, ["thistlegorm"]);
    let arch = route(&["I'm going to Egypt in August"], "can I do the Blue Hole arch?");
    assert!(arch.names.iter().any(|name| name == "Egypt"), "{:?}", arch.names);
    assert_eq!(route(&["tell me about manta rays"], "how deep is the Thistlegorm?").names, ["thistlegorm"]);
}
