use dovvybuddy_core::testkit::clock::ManualClock;
use serde_json::json;

use super::*;

const ME: &str = "900";

fn translate<T>(act: impl FnOnce(&Translator<'_>) -> T) -> T {
    let (bot, clock) = (BotId::default(), ManualClock::default());
    act(&Translator { bot: &bot, me: ME, clock: &clock, settle: Duration::from_millis(1500) })
}

fn message(value: &serde_json::Value) -> MessageEvent {
    let mut whole = json!({
        "id": "70", "channel_id": "50", "author": { "id": "7", "username": "ana", "global_name": "Ana" },
        "content": "How deep?", "type": 0, "kind_of_tomorrow": { "new": true },
    });
    whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn named() -> serde_json::Value {
    json!({ "guild_id": "1", "content": format!("<@{ME}> how deep?"), "mentions": [{ "id": ME, "username": "Dovvy" }] })
}

#[test]
fn a_direct_message_is_a_conversation_of_its_channel() {
    let inbound = translate(|t| t.message(&message(&json!({})), Place::Direct)).unwrap();
    assert_eq!(inbound.conversation.conversation, "50");
    assert_eq!(inbound.event_id, "70");
    assert_eq!(inbound.content, Content::Text("How deep?".into()));
    assert_eq!(inbound.sender.key.user, "7");
    assert_eq!(inbound.sender.name.as_deref(), Some("Ana"));
    assert_eq!(inbound.sender.contact.as_deref(), Some("@ana"));
    assert_eq!(inbound.ready_at.since(inbound.received_at), Duration::from_millis(1500));
}

#[test]
fn in_a_guild_only_a_mention_or_a_reply_is_for_us() {
    let chatter = message(&json!({ "guild_id": "1", "content": "nice reef" }));
    assert_eq!(translate(|t| t.message(&chatter, Place::Guild)), None);

    let mention = translate(|t| t.message(&message(&named()), Place::Guild)).unwrap();
    assert_eq!(mention.content, Content::Text("how deep?".into()));
    assert_eq!(mention.conversation.conversation, "50/7", "what one diver and the bot say to each other");

    let reply = json!({ "guild_id": "1", "type": 19, "referenced_message": { "author": { "id": ME } } });
    assert!(translate(|t| t.message(&message(&reply), Place::Guild)).is_some());
    let to_another = json!({ "guild_id": "1", "type": 19, "referenced_message": { "author": { "id": "8" } } });
    assert!(translate(|t| t.message(&message(&to_another), Place::Guild)).is_none());
    let to_a_deleted_one = json!({ "guild_id": "1", "type": 19, "referenced_message": null });
    assert!(translate(|t| t.message(&message(&to_a_deleted_one), Place::Guild)).is_none());
}

#[test]
fn a_thread_is_one_conversation_for_all_in_it() {
    let inbound = translate(|t| t.message(&message(&named()), Place::Thread)).unwrap();
    assert_eq!(inbound.conversation.conversation, "50");
}

#[test]
fn bots_webhooks_and_notices_of_the_platform_are_ignored() {
    for other in [
        json!({ "author": { "id": "8", "bot": true } }),
        json!({ "webhook_id": "9" }),
        json!({ "type": 6 }),
        json!({ "type": 7 }),
    ] {
        assert_eq!(translate(|t| t.message(&message(&other), Place::Direct)), None, "{other}");
    }
}

#[test]
fn what_is_no_text_is_told_apart() {
    let content = |value: serde_json::Value| translate(|t| t.message(&message(&value), Place::Direct)).unwrap().content;
    let photo = json!([{ "id": "1" }]);
    assert_eq!(
        content(json!({ "content": "what fish?", "attachments": photo })),
        Content::Unsupported { caption: Some("what fish?".into()) }
    );
    assert_eq!(content(json!({ "content": "", "attachments": photo })), Content::Unsupported { caption: None });
    assert_eq!(content(json!({ "content": format!("<@{ME}>") })), Content::Command(Command::Help));
}

#[test]
fn commands_may_be_written_as_words() {
    let written = |text: &str| translate(|t| t.message(&message(&json!({ "content": text })), Place::Direct)).unwrap();
    for (text, command) in [
        ("/forget", Command::Forget),
        ("/Export ", Command::Export),
        ("/link AB12", Command::Link(Some("AB12".into()))),
        ("/connect", Command::Connect),
    ] {
        let inbound = written(text);
        assert_eq!(inbound.content, Content::Command(command), "{text}");
        assert_eq!((&*inbound.conversation.conversation, way(&inbound).only_for), ("50", None), "{text}");
        assert_eq!(inbound.ready_at, inbound.received_at, "nothing more of it is to come");
    }
    assert_eq!(written("/ask how deep?").content, Content::Text("how deep?".into()));
    assert_eq!(written("/help my buddy is not breathing").content, Content::Text("my buddy is not breathing".into()));
}

#[test]
fn a_private_command_before_others_is_answered_in_the_direct_chat() {
    let named = |text: &str| {
        let text = format!("<@{ME}> {text}");
        let said = json!({ "guild_id": "1", "content": text, "mentions": [{ "id": ME, "username": "Dovvy" }] });
        translate(|t| t.message(&message(&said), Place::Guild)).unwrap()
    };
    for text in ["/profile", "/export", "/forget", "/link"] {
        let inbound = named(text);
        assert_eq!(inbound.conversation.conversation, "private/7", "{text}");
        assert_eq!((way(&inbound).only_for.as_deref(), way(&inbound).reply_to), (Some("7"), None), "{text}");
    }
    let new = named("/new");
    assert_eq!(new.content, Content::Command(Command::New));
    assert_eq!((&*new.conversation.conversation, way(&new).only_for), ("50/7", None));
    assert_eq!(named("/connect").content, Content::Text("/connect".into()), "no talk of several steps here");
}

#[test]
fn names_are_read_as_people_say_them() {
    let text = format!("<@!{ME}> can <@8> dive with me?");
    let event = message(&json!({ "content": text, "mentions": [
        { "id": ME, "username": "Dovvy" }, { "id": "8", "username": "ben", "global_name": "Ben" }] }));
    let inbound = translate(|t| t.message(&event, Place::Direct)).unwrap();
    assert_eq!(inbound.content, Content::Text("can @Ben dive with me?".into()));
}

fn interaction(value: &serde_json::Value) -> InteractionEvent {
    let mut whole = json!({
        "id": "80", "application_id": "3", "type": 2, "token": "tok", "channel_id": "50", "locale": "pt-BR",
        "data": { "id": "1", "name": "ask", "type": 1, "options": [{ "name": "question", "type": 3, "value": " How deep? " }] },
        "guild_id": "1", "channel": { "id": "50", "type": 0 },
        "member": { "user": { "id": "7", "username": "ana" } },
    });
    whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn way(inbound: &Inbound) -> Way {
    Way::read(&inbound.context, &inbound.conversation)
}

#[test]
fn a_question_by_command_joins_the_conversation_in_its_channel() {
    let inbound = translate(|t| t.interaction(&interaction(&json!({})))).unwrap();
    assert_eq!(inbound.content, Content::Text("How deep?".into()));
    assert_eq!(inbound.conversation.conversation, "50/7");
    assert_eq!(inbound.sender.locale.as_deref(), Some("pt-BR"));
    assert_eq!(inbound.event_id, "i80");
    assert_eq!(inbound.ready_at, inbound.received_at, "nobody asks in bursts of commands");
    assert_eq!(way(&inbound).ticket.unwrap().token, "tok");
}

#[test]
fn private_commands_have_a_conversation_that_only_their_sender_reads() {
    for name in ["profile", "privacy", "export", "forget", "link", "help"] {
        let inbound = translate(|t| t.interaction(&interaction(&json!({ "data": { "name": name } })))).unwrap();
        assert_eq!(inbound.conversation.conversation, "private/7", "{name}");
        assert_eq!(way(&inbound).only_for.as_deref(), Some("7"), "{name}");
    }
    let direct = json!({ "data": { "name": "export" }, "guild_id": null, "member": null, "user": { "id": "7" } });
    let inbound = translate(|t| t.interaction(&interaction(&direct))).unwrap();
    assert_eq!(inbound.conversation.conversation, "50", "a direct chat is private as it is");
    assert_eq!(way(&inbound).only_for, None);
}

#[test]
fn buttons_give_their_commands_and_forged_ones_nothing() {
    let pressed = |id: &str, flags: u64| {
        let press =
            json!({ "type": 3, "data": { "custom_id": id, "component_type": 2 }, "message": { "flags": flags } });
        translate(|t| t.interaction(&interaction(&press)))
    };
    let inbound = pressed("not-an-emergency", 0).unwrap();
    assert_eq!(inbound.content, Content::Command(Command::NotAnEmergency));
    assert_eq!(inbound.conversation.conversation, "50/7", "it stands down only one's own emergency");
    assert_eq!(pressed("cancel", 1 << 6).unwrap().conversation.conversation, "private/7");
    assert_eq!(pressed("forget:everyone", 0), None);
    let seen = pressed("ack:12", 0).unwrap();
    assert_eq!(seen.conversation.conversation, "50", "operators acknowledge for their whole channel");
}

#[test]
fn event_ids_tell_when_they_were_made() {
    assert_eq!(snowflake("i80"), Some(80));
    assert_eq!(snowflake("70"), Some(70));
    assert_eq!(snowflake("private"), None);
}
