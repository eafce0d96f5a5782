//! What platforms do to their bots, on demand.

use serde_json::json;

use super::Discord;
use super::world::{Fault, Out, Resumes, WORDS, lock};

impl Discord {
    /// The next request whose `METHOD /path` contains `pattern` goes wrong like this.
    pub fn fail_next(&self, pattern: &str, fault: Fault) {
        lock(&self.shared).faults.push((pattern.to_owned(), fault));
    }

    /// The next requests that send or edit a message go wrong like this, one each.
    pub fn fail_words(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.extend(faults.into_iter().map(|fault| (WORDS.to_owned(), fault)));
    }

    /// Sockets break without a word.
    pub fn drop_sockets(&self) {
        lock(&self.shared).tell_sockets(&Out::Drop);
    }

    /// Sockets are closed with this code.
    pub fn close_sockets(&self, code: u16) {
        lock(&self.shared).tell_sockets(&Out::Close(code));
    }

    /// Asks clients to connect anew and resume.
    pub fn ask_to_reconnect(&self) {
        lock(&self.shared).tell_sockets(&Out::Payload(json!({ "op": 7, "d": null })));
    }

    /// Invalidates the sessions; `resumable` sessions may be taken up again.
    pub fn invalidate_sessions(&self, resumable: bool) {
        let mut world = lock(&self.shared);
        world.tell_sockets(&Out::Payload(json!({ "op": 9, "d": resumable })));
        if !resumable {
            world.sessions.clear();
        }
    }

    /// Forgets the sessions, so that every RESUME is refused.
    pub fn forget_sessions(&self) {
        lock(&self.shared).sessions.clear();
    }

    /// While set, sockets stay open but bring nothing, heartbeats included.
    pub fn zombie(&self, zombie: bool) {
        lock(&self.shared).zombie = zombie;
    }

    /// While set, every RESUME is answered with Invalid Session.
    pub fn refuse_resumes(&self, refuse: bool) {
        lock(&self.shared).resumes = if refuse { Resumes::Refused } else { Resumes::Taken };
    }

    /// While set, no RESUME is answered at all.
    pub fn ignore_resumes(&self, ignore: bool) {
        lock(&self.shared).resumes = if ignore { Resumes::Ignored } else { Resumes::Taken };
    }

    /// While set, the platform is out of order: 502 on every route, no socket.
    pub fn down(&self, down: bool) {
        let mut world = lock(&self.shared);
        world.down = down;
        if down {
            world.tell_sockets(&Out::Drop);
        }
    }

    /// The token is reset in the developer portal.
    pub fn revoke_token(&self) {
        let mut world = lock(&self.shared);
        world.token = None;
        world.tell_sockets(&Out::Close(4004));
    }

    /// The token is good again.
    pub fn restore_token(&self) {
        let mut world = lock(&self.shared);
        world.token = Some(world.settings.token.clone());
    }

    /// The bot may no longer speak in a channel.
    pub fn close_channel(&self, channel: u64) {
        if let Some(channel) = lock(&self.shared).channels.get_mut(&channel) {
            channel.closed = true;
        }
    }

    /// A person takes no more messages from the bot.
    pub fn block(&self, user: u64) {
        if let Some(user) = lock(&self.shared).users.get_mut(&user) {
            user.blocks_bot = true;
        }
    }
}
