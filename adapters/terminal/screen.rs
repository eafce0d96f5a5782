//! What the terminal shows. Text that came from documents or models can't control the terminal.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use dovvybuddy_core::reply::{Reply, Safety};

/// A place to write to, with or without colour.
pub struct Screen {
    out: Mutex<Box<dyn Write + Send>>,
    colour: bool,
}

impl Screen {
    /// Writes to `out`; `colour` if it is a terminal that shows it.
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Self {
        Self { out: Mutex::new(out), colour }
    }

    pub(crate) fn welcome(&self) {
        self.notice(
            "DovvyBuddy, an automated assistant for divers. Ask anything about diving; /help shows more, /quit ends.",
        );
    }

    pub(crate) fn prompt(&self) {
        self.write(&self.styled("1", "\nyou> "));
    }

    pub(crate) fn piece(&self, text: &str) {
        self.write(&printable(text));
    }

    /// What follows the text of a reply: a question back, what was missing.
    pub(crate) fn end(&self, reply: &Reply) {
        if reply.safety == Safety::Emergency {
            self.write("\n");
        }
        if let Some(question) = &reply.follow_up {
            self.write(&format!("\n\n{}", self.styled("3", &printable(question))));
        }
        self.write("\n");
    }

    pub(crate) fn emergency(&self, text: &str) {
        self.write(&format!("{}\n", self.styled("1;31", &printable(text))));
    }

    pub(crate) fn notice(&self, text: &str) {
        self.write(&format!("{}\n", self.styled("2", text)));
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A terminal that is gone is noticed by the reading side; nothing is to be done here.
    fn write(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Without control characters, which could move the cursor or retitle the window.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_cannot_control_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{9b}d"), "a[2Jb\ncd");
    }
}
