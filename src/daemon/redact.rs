//! The one place where secrets are kept out of the logs: the sink itself.

use std::io::{self, Write};
use std::sync::Arc;

use tracing_subscriber::fmt::MakeWriter;

/// Writes log lines to standard error with every known secret, and whatever looks like one, replaced.
#[derive(Clone)]
pub(crate) struct RedactedStderr {
    secrets: Arc<[String]>,
    shapes: Arc<regex::Regex>,
}

impl RedactedStderr {
    /// Replaces these secrets, besides the shapes everybody knows.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        // Shorter ones would blot out ordinary words.
        let secrets = secrets.into_iter().filter(|s| s.len() >= 6).collect();
        #[expect(clippy::expect_used, reason = "a constant pattern, compiled at start and in every test")]
        let shapes = regex::Regex::new(
            r"(?x)
              \bBearer\s+[\w.~+/=-]{8,}            # authorization headers
            | \bsk-[\w-]{8,} | \bgsk_\w{8,} | \bAIza[\w-]{10,}
            | \bwhsec_[\w+/=]{8,}
            | \bbot\d{6,}:[\w-]{20,}               # Telegram puts its token into the path
            | (?P<scheme>\w+://)[^\s/@:]*:[^\s/@]+@  # user and password inside an address
            ",
        )
        .expect("the pattern is constant");
        Self { secrets, shapes: Arc::new(shapes) }
    }

    fn clean<'a>(&self, line: &'a str) -> std::borrow::Cow<'a, str> {
        let line = self.shapes.replace_all(line, "${scheme}[redacted]");
        if !self.secrets.iter().any(|secret| line.contains(secret.as_str())) {
            return line;
        }
        let mut line = line.into_owned();
        for secret in self.secrets.iter() {
            line = line.replace(secret.as_str(), "[redacted]");
        }
        line.into()
    }
}

impl Write for RedactedStderr {
    /// A log line comes in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        io::stderr().write_all(self.clean(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for RedactedStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_passes() {
        let sink = RedactedStderr::new(vec!["hunter2-hunter2".into()]);
        let line = "GET https://api.example/bot123456789:AAExampleExampleExampleExample12/getMe \
                    Authorization: Bearer abcdefghijk smtp://me:pa55word@mail key=hunter2-hunter2 sk-abcdefghij";
        let clean = sink.clean(line);
        for secret in ["AAExample", "abcdefghijk", "pa55word", "hunter2", "sk-abc"] {
            assert!(!clean.contains(secret), "{secret} stands in {clean}");
        }
        assert!(clean.contains("smtp://[redacted]mail"));
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        let line = "turn finished outcome=answered total_ms=12";
        assert_eq!(RedactedStderr::new(vec!["abc".into()]).clean(line), line);
    }
}
