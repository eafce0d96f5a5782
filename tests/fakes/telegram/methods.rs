//! The methods of the Bot API, as far as a bot of words needs them.

use std::time::Instant;

use serde_json::{Value, json};

use super::markup::{self, Parsed};
use super::world::{Chat, Place, Shown, Webhook, World};

/// Why a call is refused: code, description, parameters.
pub(super) type Refused = (u16, String, Option<Value>);

fn bad(description: impl Into<String>) -> Refused {
    (400, format!("Bad Request: {}", description.into()), None)
}

/// The most characters of a message, after its markup was taken out.
const LONGEST: usize = 4096;
const LONGEST_DATA: usize = 64;

impl World {
    /// Does what a method other than `getUpdates` does.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, Refused> {
        match method {
            "getme" => {
                let mut me = self.bot();
                for (name, value) in [
                    ("can_join_groups", true),
                    ("can_read_all_group_messages", false),
                    ("supports_inline_queries", false),
                    ("can_connect_to_business", false),
                    ("has_main_web_app", false),
                ] {
                    me[name] = json!(value);
                }
                Ok(me)
            }
            "sendmessage" => self.send_message(parameters),
            "editmessagetext" => self.edit_message(parameters, true),
            "editmessagereplymarkup" => self.edit_message(parameters, false),
            "deletemessage" => self.delete_message(parameters),
            "sendchataction" => self.writable(parameters).map(|_| json!(true)),
            "answercallbackquery" => {
                let id = parameters["callback_query_id"].as_str().unwrap_or_default();
                match self.callbacks.get_mut(id) {
                    Some(answered) if !*answered => {
                        *answered = true;
                        Ok(json!(true))
                    }
                    _ => Err(bad("query is too old and response timeout expired or query ID is invalid")),
                }
            }
            "setmycommands" => self.set_commands(parameters),
            "getmycommands" => {
                let language = parameters["language_code"].as_str().unwrap_or_default();
                Ok(self.commands.get(language).cloned().unwrap_or_else(|| json!([])))
            }
            "setwebhook" => self.set_webhook(parameters),
            "deletewebhook" => {
                self.webhook = None;
                self.drop_pending(parameters);
                Ok(json!(true))
            }
            "getchat" => self.writable(parameters).map(|chat| chat.json.clone()),
            "getwebhookinfo" => Ok(self.webhook_info()),
            _ => Err((404, "Not Found: method not found".to_owned(), None)),
        }
    }

    /// The chat a call means, if the bot may write there.
    fn writable(&mut self, parameters: &Value) -> Result<&mut Chat, Refused> {
        let id = parameters["chat_id"].as_i64().ok_or_else(|| bad("chat_id is empty"))?;
        let chat = self.chats.get_mut(&id).ok_or_else(|| bad("chat not found"))?;
        if let Some(to) = chat.migrated_to {
            let description = "Bad Request: group chat was upgraded to a supergroup chat".to_owned();
            return Err((400, description, Some(json!({ "migrate_to_chat_id": to }))));
        }
        if let Some(why) = chat.forbidden {
            return Err((403, format!("Forbidden: {why}"), None));
        }
        match parameters["message_thread_id"].as_i64() {
            Some(topic) if !chat.topics.contains(&topic) => Err(bad("message thread not found")),
            _ => Ok(chat),
        }
    }

    fn paced(&mut self, chat: i64) -> Result<(), Refused> {
        let group = self.chats.get(&chat).is_some_and(Chat::is_group);
        let Some(flood) = &mut self.flood else { return Ok(()) };
        flood.count(chat, group, Instant::now()).map_err(|wait| {
            (429, format!("Too Many Requests: retry after {wait}"), Some(json!({ "retry_after": wait })))
        })
    }

    fn send_message(&mut self, parameters: &Value) -> Result<Value, Refused> {
        let parsed = parsed(parameters)?;
        let buttons = buttons(parameters)?;
        let chat = self.writable(parameters)?;
        let chat_id = chat.json["id"].as_i64().unwrap_or_default();
        let reply = &parameters["reply_parameters"];
        let reply_to = reply["message_id"].as_i64();
        let known = reply_to.is_none_or(|id| chat.heard.contains_key(&id) || chat.shown.contains_key(&id));
        if !known && reply["allow_sending_without_reply"] != true {
            return Err(bad("message to be replied not found"));
        }
        self.paced(chat_id)?;
        let chat = self.writable(parameters)?;
        let message_id = chat.number();
        let now = Instant::now();
        let shown = Shown {
            place: Place { chat: chat_id, topic: parameters["message_thread_id"].as_i64() },
            message_id,
            text: parsed.text,
            source: parameters["text"].as_str().unwrap_or_default().to_owned(),
            parse_mode: parameters["parse_mode"].as_str().map(str::to_owned),
            entities: parsed.entities,
            buttons,
            reply_to: reply_to.filter(|_| known),
            edits: 0,
            sent_at: now,
            changed_at: now,
        };
        chat.shown.insert(message_id, shown.clone());
        Ok(self.json_of(&shown))
    }

    fn edit_message(&mut self, parameters: &Value, text: bool) -> Result<Value, Refused> {
        let new = if text { Some(parsed(parameters)?) } else { None };
        let buttons = buttons(parameters)?;
        let id = parameters["message_id"].as_i64().unwrap_or_default();
        let chat = self.writable(parameters)?;
        let chat_id = chat.json["id"].as_i64().unwrap_or_default();
        if chat.heard.contains_key(&id) {
            return Err(bad("message can't be edited"));
        }
        let Some(shown) = chat.shown.get(&id) else { return Err(bad("message to edit not found")) };
        let same_text = new.as_ref().is_none_or(|new| new.text == shown.text && new.entities == shown.entities);
        if same_text && buttons == shown.buttons {
            return Err(bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a \
                 current content and reply markup of the message",
            ));
        }
        self.paced(chat_id)?;
        let chat = self.writable(parameters)?;
        let Some(shown) = chat.shown.get_mut(&id) else { return Err(bad("message to edit not found")) };
        if let Some(new) = new {
            shown.text = new.text;
            shown.entities = new.entities;
            parameters["text"].as_str().unwrap_or_default().clone_into(&mut shown.source);
            shown.parse_mode = parameters["parse_mode"].as_str().map(str::to_owned);
        }
        shown.buttons = buttons;
        shown.edits += 1;
        shown.changed_at = Instant::now();
        let shown = shown.clone();
        Ok(self.json_of(&shown))
    }

    fn delete_message(&mut self, parameters: &Value) -> Result<Value, Refused> {
        let id = parameters["message_id"].as_i64().unwrap_or_default();
        let chat = self.writable(parameters)?;
        chat.shown.remove(&id).map(|_| json!(true)).ok_or_else(|| bad("message to delete not found"))
    }

    fn set_commands(&mut self, parameters: &Value) -> Result<Value, Refused> {
        let commands = parameters["commands"].as_array().ok_or_else(|| bad("can't parse commands"))?;
        for command in commands {
            let name = command["command"].as_str().unwrap_or_default();
            let description = command["description"].as_str().unwrap_or_default();
            let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if name.is_empty() || name.len() > 32 || !letters {
                return Err(bad("BOT_COMMAND_INVALID"));
            }
            if description.is_empty() || description.chars().count() > 256 {
                return Err(bad("BOT_COMMAND_DESCRIPTION_INVALID"));
            }
        }
        let language = parameters["language_code"].as_str().unwrap_or_default().to_owned();
        if !language.is_empty() && language.len() != 2 {
            return Err(bad("LANG_CODE_INVALID"));
        }
        self.commands.insert(language, parameters["commands"].clone());
        Ok(json!(true))
    }

    fn set_webhook(&mut self, parameters: &Value) -> Result<Value, Refused> {
        let url = parameters["url"].as_str().unwrap_or_default();
        let secret = parameters["secret_token"].as_str();
        if secret.is_some_and(|s| s.is_empty() || s.len() > 256 || !s.chars().all(secret_letter)) {
            return Err(bad("secret token contains unallowed characters"));
        }
        self.remember_allowed(parameters);
        self.drop_pending(parameters);
        if url.is_empty() {
            self.webhook = None;
            return Ok(json!(true));
        }
        // The real one wants TLS; a Bot API server of one's own takes plain HTTP nearby.
        if !url.starts_with("https://") && !url.starts_with("http://127.0.0.1") && !url.starts_with("http://localhost")
        {
            return Err(bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        let connections = usize::try_from(parameters["max_connections"].as_u64().unwrap_or(40)).unwrap_or(40);
        self.webhook = Some(Webhook {
            url: url.to_owned(),
            secret: secret.map(str::to_owned),
            connections: connections.clamp(1, 100),
            last_error: None,
        });
        Ok(json!(true))
    }

    fn drop_pending(&mut self, parameters: &Value) {
        if parameters["drop_pending_updates"] == true {
            self.updates.clear();
        }
    }

    /// The list of kinds stays until another is given; an empty list is the default.
    pub(super) fn remember_allowed(&mut self, parameters: &Value) {
        // Query strings carry lists as JSON text.
        let list = match &parameters["allowed_updates"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            list => list.clone(),
        };
        if let Some(kinds) = list.as_array() {
            let kinds: std::collections::BTreeSet<String> =
                kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
            self.allowed = (!kinds.is_empty()).then_some(kinds);
        }
    }

    fn webhook_info(&self) -> Value {
        let mut info = json!({
            "url": self.webhook.as_ref().map_or("", |hook| hook.url.as_str()),
            "has_custom_certificate": false,
            "pending_update_count": self.updates.len(),
        });
        if let Some((at, message)) = self.webhook.as_ref().and_then(|hook| hook.last_error.as_ref()) {
            info["last_error_date"] = json!(at);
            info["last_error_message"] = json!(message);
        }
        info
    }

    /// The waiting updates from `offset` on; everything before it is confirmed and gone.
    pub(super) fn take(&mut self, parameters: &Value) -> Vec<Value> {
        self.remember_allowed(parameters);
        let number = |name: &str| {
            let value = &parameters[name];
            value.as_i64().or_else(|| value.as_str()?.parse().ok())
        };
        let offset = number("offset").unwrap_or(0);
        if offset > 0 {
            self.updates.retain(|update| update["update_id"].as_i64().is_some_and(|id| id >= offset));
        } else if offset < 0 {
            let keep = usize::try_from(-offset).unwrap_or(usize::MAX);
            let surplus = self.updates.len().saturating_sub(keep);
            self.updates.drain(..surplus);
        }
        let limit = number("limit").filter(|limit| (1..=100).contains(limit)).unwrap_or(100);
        let mut taken = std::mem::take(&mut self.repeats);
        taken.extend(self.updates.iter().take(usize::try_from(limit).unwrap_or(100)).cloned());
        taken
    }
}

fn secret_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn parsed(parameters: &Value) -> Result<Parsed, Refused> {
    let text = parameters["text"].as_str().unwrap_or_default();
    let parsed = match parameters["parse_mode"].as_str() {
        None | Some("") => {
            let entities = parameters["entities"].as_array().cloned().unwrap_or_default();
            Parsed { text: text.to_owned(), entities }
        }
        Some(mode) if mode.eq_ignore_ascii_case("html") => {
            markup::parse_html(text).map_err(|description| (400, description, None))?
        }
        Some(mode) => return Err(bad(format!("unsupported parse_mode {mode}"))),
    };
    if parsed.text.trim().is_empty() {
        return Err(bad("message text is empty"));
    }
    if markup::length(&parsed.text) > LONGEST {
        return Err(bad("message is too long"));
    }
    Ok(parsed)
}

fn buttons(parameters: &Value) -> Result<Vec<(String, String)>, Refused> {
    let rows = parameters["reply_markup"]["inline_keyboard"].as_array().cloned().unwrap_or_default();
    let mut buttons = Vec::new();
    for button in rows.iter().filter_map(Value::as_array).flatten() {
        let label = button["text"].as_str().unwrap_or_default();
        if label.is_empty() {
            return Err(bad("Text buttons are unallowed in the inline keyboard"));
        }
        let data = button["callback_data"].as_str().or_else(|| button["url"].as_str()).unwrap_or_default();
        if data.is_empty() || (button["callback_data"].is_string() && data.len() > LONGEST_DATA) {
            return Err(bad("BUTTON_DATA_INVALID"));
        }
        buttons.push((label.to_owned(), data.to_owned()));
    }
    Ok(buttons)
}
