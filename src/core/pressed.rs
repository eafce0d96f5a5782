//! Buttons that are no message: a rating, an acknowledgement. And one that becomes a message: a
//! question the diver may ask next.

use crate::agent::Phrase;
use crate::channel::{Command, Content, Inbound};
use crate::intake::{Admitted, Intake, Refusal};

/// What a pressed button comes to.
pub(crate) enum Pressed {
    /// It is done; there is no turn.
    Done(Admitted),
    /// It is taken in like anything else.
    Event(Box<Inbound>),
}

impl Intake {
    /// Does what needs no turn. The platform may be told of it as of any event: what is noted is stored.
    pub(crate) async fn press(&self, mut event: Inbound) -> Result<Pressed, Refusal> {
        let Content::Command(command) = &event.content else { return Ok(Pressed::Event(Box::new(event))) };
        let mut note = None;
        let noted = match *command {
            Command::Rate { turn, up } => {
                let kept =
                    self.parts().store.rate(turn, up, None, event.received_at).await.map_err(Refusal::Unavailable)?;
                if kept { Phrase::RatingNoted } else { Phrase::ButtonExpired }
            }
            Command::Acknowledge { alert } => {
                let parts = self.parts();
                let Some(desk) = parts.operator.as_ref().filter(|chat| chat.is(&event.conversation)) else {
                    return Ok(Pressed::Done(self.noted(&event, Phrase::ButtonExpired, None)));
                };
                let who = event.sender.name.as_deref().unwrap_or(&event.sender.key.user);
                let seen = parts.store.acknowledge(alert, who, event.received_at).await;
                // Whoever presses later is shown who was first.
                match seen.map_err(Refusal::Unavailable)? {
                    Some(first) => {
                        note = Some(format!("✓ {}: {first}", parts.voice.say(Phrase::ButtonSeen, desk.lang)));
                        Phrase::AlertSeen
                    }
                    None => Phrase::ButtonExpired,
                }
            }
            Command::FollowUp { turn } => {
                let found = self.parts().store.turn(turn).await.map_err(Refusal::Unavailable)?;
                // Without its question it stays a command, which answers that it came too late.
                if let Some(reply) = found.map(|turn| turn.reply)
                    && let Some(question) = reply.next_question
                {
                    // The question is short and the same under every answer; what it is about is said with it.
                    let about = reply.citations.first().map(|first| format!(" ({})", first.title));
                    event.content = Content::Text(format!("{question}{}", about.unwrap_or_default()));
                }
                return Ok(Pressed::Event(Box::new(event)));
            }
            _ => return Ok(Pressed::Event(Box::new(event))),
        };
        Ok(Pressed::Done(self.noted(&event, noted, note)))
    }

    fn noted(&self, event: &Inbound, say: Phrase, note: Option<String>) -> Admitted {
        Admitted::Noted { say: self.say(say, event.sender.locale.as_deref()), note }
    }
}
