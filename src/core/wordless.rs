//! What can be said of a message in the log without saying what stands in it.

/// What is wrong with JSON of a platform. The parser quotes the value that it did not expect, which may be what a
/// diver wrote: that is left out.
pub fn wordless(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quoted = text.find('"').zip(text.rfind('"')).filter(|(from, to)| from < to);
    match quoted.and_then(|(from, to)| Some((text.get(..=from)?, text.get(to..)?))) {
        Some((before, after)) => format!("{before}…{after}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_message_is_told() {
        let wrong = |json: &str| wordless(&serde_json::from_str::<Vec<u8>>(json).unwrap_err());
        let told = wrong(r#"["my \"secret\" worry"]"#);
        assert!(!told.contains("secret") && !told.contains("worry"), "{told}");
        assert!(told.starts_with("invalid type: string") && told.contains("expected u8"), "{told}");
        assert!(wrong("[").contains("EOF"), "{}", wrong("["));
    }
}
