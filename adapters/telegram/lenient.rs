//! Updates as some servers write them: without fields that the types insist on. Nothing of an emergency is in those
//! fields, so they are filled in, and of a message that still has no known form the words are read.

use serde_json::{Map, Value, json};

/// The update with everything that the types insist on.
pub(crate) fn completed(update: &Value) -> Value {
    let mut update = update.clone();
    complete("", &mut update);
    for kind in ["message", "edited_message"] {
        if let Some(Value::Object(message)) = update.get_mut(kind) {
            name_the_sender(message);
        }
    }
    update
}

fn complete(name: &str, value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| complete(name, item)),
        Value::Object(fields) => {
            match name {
                "from" | "user" | "via_bot" | "sender_user" | "new_chat_members" | "left_chat_member" => {
                    fill(fields, "is_bot", json!(false));
                    fill(fields, "first_name", json!(""));
                }
                "chat" | "sender_chat" => {
                    let private = fields.get("id").and_then(Value::as_i64).is_some_and(|id| id > 0);
                    fill(fields, "type", json!(if private { "private" } else { "group" }));
                }
                // Any date will do but 0, by which the platform marks messages that it does not show.
                "message" | "edited_message" | "reply_to_message" | "pinned_message" | "my_chat_member" => {
                    fill(fields, "date", json!(1));
                }
                "callback_query" => fill(fields, "chat_instance", json!("")),
                _ => {}
            }
            for (name, value) in fields.iter_mut() {
                complete(name, value);
            }
        }
        _ => {}
    }
}

fn fill(fields: &mut Map<String, Value>, name: &str, with: Value) {
    let field = fields.entry(name).or_insert(Value::Null);
    if field.is_null() {
        *field = with;
    }
}

/// In a private chat it can only be the one whose chat it is.
fn name_the_sender(message: &mut Map<String, Value>) {
    let absent = |name: &str| message.get(name).is_none_or(Value::is_null);
    let chat = message.get("chat").cloned().unwrap_or_default();
    if chat["type"] == "private" && absent("from") && absent("sender_chat") {
        let name = chat["first_name"].as_str().unwrap_or_default();
        let from = json!({ "id": chat["id"], "is_bot": false, "first_name": name, "username": chat["username"] });
        message.insert("from".to_owned(), from);
    }
}

/// Who wrote what where, and nothing else.
pub(crate) fn plain(message: &Value) -> Value {
    let kept = |value: &Value, names: &[&str]| {
        let fields = names.iter().filter_map(|name| Some(((*name).to_owned(), value.get(name)?.clone())));
        Value::Object(fields.collect())
    };
    let mut plain = kept(message, &["message_id", "date", "text", "message_thread_id", "is_topic_message"]);
    plain["chat"] = kept(&message["chat"], &["id", "type"]);
    plain["from"] = kept(&message["from"], &["id", "is_bot", "first_name", "last_name", "username", "language_code"]);
    plain
}
