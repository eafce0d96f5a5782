use serde_json::json;

use super::*;

fn me() -> Identity {
    Identity { id: 4242, username: "dovvy_bot".to_owned() }
}

fn ada() -> Value {
    json!({ "id": 7, "is_bot": false, "first_name": "Ada", "username": "ada", "language_code": "pt-br" })
}

fn bot() -> Value {
    json!({ "id": 4242, "is_bot": true, "first_name": "Dovvy", "username": "dovvy_bot" })
}

fn private() -> Value {
    json!({ "id": 7, "type": "private", "first_name": "Ada" })
}

fn group() -> Value {
    json!({ "id": -100, "type": "supergroup", "title": "Club" })
}

fn update(kind: &str, chat: &Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields} has no fields") };
    let mut message = json!({ "message_id": 9, "from": ada(), "chat": chat, "date": 1_790_000_000 });
    message.as_object_mut().unwrap().extend(fields);
    json!({ "update_id": 1, kind: message })
}

fn event(update: &Value) -> Event {
    match read(update, &me()) {
        News::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn said(chat: &Value, fields: Value) -> Event {
    event(&update("message", chat, fields))
}

fn text(words: &str) -> Content {
    Content::Text(words.to_owned())
}

#[test]
fn a_private_message_is_handed_in_as_it_is() {
    let event = said(&private(), json!({ "text": "How deep?" }));
    assert_eq!(event.content, text("How deep?"));
    assert_eq!((event.place, event.group), (Place { chat: 7, topic: None }, false));
    assert_eq!(event.context, Context::default(), "nobody writes in between");
    let person = event.person;
    assert_eq!((&*person.id, person.private, person.locale.as_deref()), ("7", Some(7), Some("pt-br")));
    assert_eq!(person.contact.as_deref(), Some("@ada"));
}

#[test]
fn in_groups_only_what_is_meant_for_us_is_heard() {
    let heard = |fields| read(&update("message", &group(), fields), &me()) != News::Nothing;
    let mention = json!([{ "type": "mention", "offset": 3, "length": 10 }]);
    assert!(!heard(json!({ "text": "Who dives tomorrow?" })));
    assert!(heard(json!({ "text": "hi @dovvy_bot how deep?", "entities": mention })));
    assert!(!heard(json!({ "text": "hi @other_bot how deep?" })));
    assert!(heard(json!({ "text": "/profile" })));
    assert!(!heard(json!({ "text": "/profile@other_bot" })));
    assert!(!heard(json!({ "text": "/weather" })), "another bot may know it");
    let of = |author: Value| json!({ "message_id": 3, "from": author, "chat": group(), "date": 1, "text": "18 m" });
    assert!(heard(json!({ "text": "and with AOW?", "reply_to_message": of(bot()) })));
    assert!(!heard(json!({ "text": "and with AOW?", "reply_to_message": of(ada()) })));
    assert!(!heard(json!({ "photo": [] })));
}

#[test]
fn our_name_is_taken_out_and_the_answer_points_at_the_question() {
    let entities = json!([{ "type": "mention", "offset": 3, "length": 10 }]);
    let event = said(&group(), json!({ "text": "🤿 @dovvy_bot, how deep?", "entities": entities }));
    assert_eq!(event.content, text("🤿 , how deep?"));
    assert_eq!(event.context.reply_to, Some(9));
    let first = json!([{ "type": "mention", "offset": 0, "length": 10 }]);
    assert_eq!(
        said(&group(), json!({ "text": "@dovvy_bot, how deep?", "entities": first })).content,
        text("how deep?")
    );
    let alone = said(&group(), json!({ "text": "@dovvy_bot", "entities": first }));
    assert_eq!(alone.content, Content::Command(Command::Help));
    let person = json!([{ "type": "text_mention", "offset": 0, "length": 5, "user": bot() }]);
    assert_eq!(said(&group(), json!({ "text": "Dovvy how deep?", "entities": person })).content, text("how deep?"));
}

#[test]
fn a_topic_is_its_own_conversation_and_does_not_address_us() {
    let root = json!({
        "message_id": 5, "from": bot(), "chat": group(), "date": 1, "is_topic_message": true, "message_thread_id": 5,
        "forum_topic_created": { "name": "Trips", "icon_color": 7_322_096 },
    });
    let fields = |words: &str| json!({ "text": words, "is_topic_message": true, "message_thread_id": 5, "reply_to_message": root });
    assert_eq!(said(&group(), fields("@dovvy_bot hi")).place, Place { chat: -100, topic: Some(5) });
    assert_eq!(read(&update("message", &group(), fields("hi")), &me()), News::Nothing);
}

#[test]
fn what_is_pointed_at_comes_along_unless_we_said_it() {
    let of = |author: Value, words: &str| json!({ "message_id": 3, "from": author, "chat": group(), "date": 1, "text": words });
    let asked = said(
        &group(),
        json!({ "text": "@dovvy_bot is that bad?", "reply_to_message": of(ada(), "My arm tingles since the dive") }),
    );
    assert_eq!(asked.content, text("“My arm tingles since the dive”\nis that bad?"));
    let ours = json!({ "text": "why?", "reply_to_message": of(bot(), "Up to 18 m. A safety stop is advised.") });
    assert_eq!(said(&group(), ours).content, text("why?"));
    let quote = json!({
        "text": "what is that?", "reply_to_message": of(bot(), "Up to 18 m. A safety stop is advised."),
        "quote": { "text": "safety stop", "position": 14, "is_manual": true },
    });
    let quote = said(&group(), quote);
    assert_eq!((quote.content, quote.quoted.as_deref()), (text("what is that?"), Some("safety stop")));
}

#[test]
fn what_cannot_be_read_is_unsupported_with_its_words() {
    let photo = json!([{ "file_id": "a", "file_unique_id": "b", "width": 1, "height": 1, "file_size": 1 }]);
    let with = said(&private(), json!({ "photo": photo, "caption": "what is this?", "media_group_id": "m1" }));
    assert_eq!(with.content, Content::Unsupported { caption: Some("what is this?".into()) });
    assert_eq!(with.album.as_deref(), Some("m1"));
    let voice = json!({ "voice": { "file_id": "a", "file_unique_id": "b", "duration": 3 } });
    assert_eq!(said(&private(), voice).content, Content::Unsupported { caption: None });
    let unheard_of = json!({ "hologram": { "file_id": "a" } });
    assert_eq!(said(&private(), unheard_of).content, Content::Unsupported { caption: None });
}

#[test]
fn words_count_even_where_their_markup_is_newer_than_the_types() {
    let entities = json!([{ "type": "sparkling", "offset": 0, "length": 2 }]);
    let event = said(&private(), json!({ "text": "my buddy is unconscious", "entities": entities }));
    assert_eq!(event.content, text("my buddy is unconscious"));
}

#[test]
fn notices_of_the_platform_and_other_bots_are_left_out() {
    for fields in [
        json!({ "new_chat_members": [ada()] }),
        json!({ "left_chat_member": ada() }),
        json!({ "new_chat_title": "@dovvy_bot" }),
        json!({ "text": "@dovvy_bot hi", "from": { "id": 8, "is_bot": true, "first_name": "B" } }),
        json!({ "text": "@dovvy_bot hi", "via_bot": { "id": 8, "is_bot": true, "first_name": "B" } }),
    ] {
        assert_eq!(read(&update("message", &group(), fields.clone()), &me()), News::Nothing, "{fields}");
    }
    for strange in [json!({ "update_id": 1 }), json!({ "update_id": 1, "message": { "x": 1 } }), json!({})] {
        assert_eq!(read(&strange, &me()), News::Nothing);
    }
}

#[test]
fn chats_that_change_are_noticed() {
    let moved = update(
        "message",
        &json!({ "id": -5, "type": "group", "title": "Club" }),
        json!({ "migrate_to_chat_id": -100 }),
    );
    assert_eq!(read(&moved, &me()), News::Moved { from: -5, to: -100 });
    let change = |status: &str| {
        let member = |status: &str| match status {
            "kicked" => json!({ "status": "kicked", "user": bot(), "until_date": 0 }),
            status => json!({ "status": status, "user": bot() }),
        };
        json!({ "update_id": 1, "my_chat_member": {
            "chat": private(), "from": ada(), "date": 1,
            "old_chat_member": member("member"), "new_chat_member": member(status),
        } })
    };
    assert_eq!(read(&change("kicked"), &me()), News::Left(7));
    assert_eq!(read(&change("member"), &me()), News::Joined(7));
}

#[test]
fn a_pressed_button_gives_its_command_and_a_forged_one_none() {
    let press = |data: &str| {
        let message = json!({ "message_id": 3, "from": bot(), "chat": group(), "date": 5, "text": "18 m",
            "is_topic_message": true, "message_thread_id": 5 });
        json!({ "update_id": 1, "callback_query": {
            "id": "q1", "from": ada(), "chat_instance": "x", "data": data, "message": message,
        } })
    };
    let pressed = event(&press("connect"));
    assert_eq!(pressed.content, Content::Command(Command::Connect));
    assert_eq!(
        (pressed.place, pressed.pressed.as_ref().map(|p| p.query.as_str())),
        (Place { chat: -100, topic: Some(5) }, Some("q1"))
    );
    assert_eq!(event(&press("drop tables")).content, text(""));
}

#[test]
fn an_edit_is_told_from_what_was_said_first() {
    let edit = event(&update("edited_message", &private(), json!({ "text": "How deep?", "edit_date": 2 })));
    assert_eq!(edit.message, Some((9, true)));
}

fn without(mut value: Value, place: &str, field: &str) -> Value {
    value.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    value
}

#[test]
fn a_message_is_heard_though_fields_are_missing_that_nobody_needs() {
    let whole = update("message", &private(), json!({ "text": "my buddy is unconscious" }));
    for (place, field) in [
        ("/message/from", "is_bot"),
        ("/message/from", "first_name"),
        ("/message", "date"),
        ("/message", "from"),
        ("/message/chat", "type"),
    ] {
        let event = event(&without(whole.clone(), place, field));
        assert_eq!(event.content, text("my buddy is unconscious"), "{field}");
        assert_eq!((&*event.person.id, event.place.chat, event.group), ("7", 7, false), "{field}");
    }
    let of_group = update("message", &group(), json!({ "text": "@dovvy_bot how deep?" }));
    let event = event(&without(of_group, "/message/chat", "type"));
    assert_eq!((event.group, event.content), (true, text("how deep?")));
    let point = json!({ "message_id": 3, "from": { "id": 8 }, "chat": { "id": -100 }, "text": "I feel dizzy" });
    let asked = said(&group(), json!({ "text": "@dovvy_bot and?", "reply_to_message": point }));
    assert_eq!(asked.content, text("“I feel dizzy”\nand?"));
}

#[test]
fn of_a_message_in_an_unknown_form_the_words_are_heard() {
    for strange in [json!({ "entities": 5 }), json!({ "reply_to_message": { "x": 1 } }), json!({ "date": "now" })] {
        let mut whole = update("message", &private(), json!({ "text": "my buddy is unconscious" }));
        whole["message"].as_object_mut().unwrap().extend(strange.as_object().unwrap().clone());
        if whole["message"]["date"].is_string() {
            assert_eq!(read(&whole, &me()), News::Nothing, "what is needed can't be left out");
        } else {
            assert_eq!(event(&whole).content, text("my buddy is unconscious"), "{strange}");
        }
    }
}

#[test]
fn a_press_is_answered_though_nobody_knows_where_it_was() {
    let press = json!({ "update_id": 1, "callback_query": { "id": "q1", "from": { "id": 7 }, "data": "profile" } });
    let pressed = event(&press);
    assert_eq!(pressed.content, Content::Command(Command::Profile));
    assert_eq!((pressed.place, pressed.group), (Place { chat: 7, topic: None }, false));
    assert_eq!(pressed.pressed, Some(Pressed { query: "q1".to_owned(), under: None }));
    assert_eq!(read(&without(press, "/callback_query", "from"), &me()), News::Pressed("q1".to_owned()));
}
