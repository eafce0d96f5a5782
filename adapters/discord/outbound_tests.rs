use dovvybuddy_core::lang::Lang;
use dovvybuddy_core::reply::Reply;
use dovvybuddy_core::{AgentId, TurnId};
use uuid::Uuid;

use super::*;

const TURN: TurnId = TurnId(Uuid::from_u128(5));

fn rendered(text: &str, actions: &[Action]) -> Vec<Value> {
    let reply = Reply::fixed(text, AgentId::new("retrieval"), Lang::En);
    render(&Rendering { turn: TURN, reply: &reply, actions })
}

#[test]
fn buttons_stand_under_the_last_part_and_give_their_commands() {
    let actions = [
        Action::new("And for SSI?", Command::FollowUp { turn: TURN }),
        Action::new("👍", Command::Rate { turn: TURN, up: true }),
    ];
    let parts = rendered(&"word ".repeat(800), &actions);
    let (last, others) = parts.split_last().unwrap();
    assert!(others.iter().all(|part| part["components"].is_null()));
    let row = &last["components"][0]["components"];
    assert_eq!(row[0]["label"], "And for SSI?");
    assert_eq!(Command::from_token(row[1]["custom_id"].as_str().unwrap()), Some(actions[1].command.clone()));
}

#[test]
fn the_question_back_is_text_and_a_long_label_is_cut() {
    let mut reply = Reply::fixed("Both are fine.", AgentId::new("retrieval"), Lang::En);
    reply.follow_up = Some("When would you like to travel?".to_owned());
    let next = "Which of the two courses is the quicker way to the deep reefs of Komodo and of Raja Ampat?";
    let actions = [Action::new(next, Command::FollowUp { turn: TURN })];
    let parts = render(&Rendering { turn: TURN, reply: &reply, actions: &actions });
    assert_eq!(parts[0]["content"], "Both are fine.\n\nWhen would you like to travel?");
    let label = parts[0]["components"][0]["components"][0]["label"].as_str().unwrap();
    assert!(label.ends_with('…') && label.encode_utf16().count() <= LONGEST_LABEL, "{label}");
}

#[test]
fn a_reply_without_buttons_takes_those_of_its_placeholder_away() {
    assert_eq!(rendered("Done.", &[])[0]["components"], json!([]));
}

#[test]
fn no_part_may_call_anybody_or_show_a_preview() {
    let part = OutboundPart {
        written_at: dovvybuddy_core::testkit::clock::START,
        conversation: dovvybuddy_core::ConversationKey {
            bot: dovvybuddy_core::BotId::default(),
            channel: dovvybuddy_core::ChannelId::new(crate::CHANNEL),
            account: String::new(),
            conversation: "1".into(),
        },
        payload: rendered("Hello @everyone", &[])[0].clone(),
        context: Value::Null,
        replaces: None,
        progress: false,
    };
    let body = body(&part, SUPPRESS_EMBEDS);
    assert_eq!(body["allowed_mentions"], json!({ "parse": [], "replied_user": false }));
    assert_eq!(body["flags"], 4);
    assert_eq!(Way::read(&part.context, &part.conversation), Way::to("1"), "an alert has no message to answer");
}

#[test]
fn errors_mean_to_the_outbox_what_they_are() {
    let refused = |status, code| meaning(ApiError::Refused { status, code, message: String::new() });
    assert!(matches!(refused(403, code::CANNOT_MESSAGE_USER), SendError::Gone));
    assert!(matches!(refused(404, code::UNKNOWN_CHANNEL), SendError::Gone));
    assert!(matches!(refused(400, 50_035), SendError::Rejected(_)));
    let pause = Duration::from_millis(529);
    assert!(matches!(meaning(ApiError::Limited(pause)), SendError::RetryAfter(p) if p == pause));
    assert!(matches!(meaning(ApiError::Unauthorized), SendError::Unauthorized));
    assert!(matches!(meaning(ApiError::Lost("x".into())), SendError::Uncertain(_)));
    assert!(matches!(meaning(ApiError::Unreachable("x".into())), SendError::Transport(_)));
}
