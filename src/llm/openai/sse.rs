//! Server-sent events: bytes to the data of events. Bytes are framed before they are decoded, so that a
//! character split between two packets stays whole.

use std::collections::VecDeque;

use dovvybuddy_core::model::ModelError;

/// The longest line that is read.
const LONGEST_LINE: usize = 256 << 10;

/// Frames a byte stream.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    pending: VecDeque<u8>,
    /// How much of `pending` is known to hold no line end.
    scanned: usize,
    data: String,
}

impl Framer {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
    }

    /// The data of the next whole event. Comments and other fields are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<String>, ModelError> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Ok(Some(std::mem::take(&mut self.data)));
                }
                continue;
            }
            let Some(value) = line.strip_prefix("data:") else { continue };
            let value = value.strip_prefix(' ').unwrap_or(value);
            // One line is one event with every provider; waiting for the blank line would keep the
            // terminal signal of a server that closes right after it.
            if self.data.is_empty()
                && (value == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok())
            {
                return Ok(Some(value.to_owned()));
            }
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(value);
            if self.data.len() > LONGEST_LINE {
                return Err(too_long());
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>, ModelError> {
        let end = self.pending.iter().skip(self.scanned).position(|byte| *byte == b'\n');
        let Some(end) = end.map(|at| at + self.scanned) else {
            self.scanned = self.pending.len();
            return if self.scanned > LONGEST_LINE { Err(too_long()) } else { Ok(None) };
        };
        self.scanned = 0;
        let mut bytes: Vec<u8> = self.pending.drain(..=end).collect();
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if bytes.len() > LONGEST_LINE {
            return Err(too_long());
        }
        String::from_utf8(bytes).map(Some).map_err(|_| ModelError::Garbled("a line is not UTF-8".into()))
    }
}

fn too_long() -> ModelError {
    ModelError::Garbled("a line is too long".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::default();
        let mut out = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(event) = framer.next().unwrap() {
                out.push(event);
            }
        }
        out
    }

    #[test]
    fn comments_fields_and_line_ends_of_both_kinds_are_read() {
        let text = b": hi\r\nevent: x\r\ndata: {\"a\":1}\r\n\r\ndata:[DONE]\n\n";
        assert_eq!(events(&[text]), ["{\"a\":1}", "[DONE]"]);
        assert_eq!(events(&[b"data: {\"a\":\ndata: 1}\n\n"]), ["{\"a\":\n1}"]);
    }

    #[test]
    fn a_line_without_end_is_refused_in_time() {
        let mut framer = Framer::default();
        framer.push(&vec![b'x'; LONGEST_LINE + 1]);
        assert!(framer.next().is_err());
    }

    proptest! {
        #[test]
        fn where_packets_are_cut_does_not_matter(cut in 0usize..60) {
            let text = "data: {\"t\":\"潜水は18mまで é\"}\n\ndata: [DONE]\n\n".as_bytes();
            let cut = cut.min(text.len());
            prop_assert_eq!(events(&[&text[..cut], &text[cut..]]), events(&[text]));
        }

        #[test]
        fn any_bytes_can_come(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut framer = Framer::default();
            framer.push(&bytes);
            while let Ok(Some(_)) = framer.next() {}
        }
    }
}
