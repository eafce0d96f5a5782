//! Document types: the known ones, and the types that older trees wrote instead.

/// The types the agents search by. A longer type counts as the known type it begins with.
pub(crate) const KNOWN: [&str; 10] = [
    "certification",
    "destination",
    "dive_site",
    "safety",
    "equipment",
    "marine_life",
    "theory",
    "history",
    "faq",
    "operator",
];

/// The spelling that is stored: lower case, words joined by underscores.
pub(crate) fn normalise(doc_type: &str) -> String {
    doc_type.trim().to_lowercase().replace(['-', ' '], "_")
}

/// The known type that `doc_type` is or begins with.
pub(crate) fn known(doc_type: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| matches(doc_type, known))
}

/// Whether a stored type answers to a wanted one: `certification` finds `certification_limits`.
pub(crate) fn matches(doc_type: &str, wanted: &str) -> bool {
    doc_type.starts_with(wanted)
}

/// The type a path suggests: its folders are named after what they hold.
pub(crate) fn infer(path: &str) -> Option<&'static str> {
    let folders: Vec<&str> = path.split('/').collect();
    let (file, folders) = folders.split_last()?;
    let by_folder = folders.iter().rev().find_map(|folder| by_word(folder))?;
    if by_folder == "destination" && folders.len() > 1 && !is_overview(file) {
        return Some("dive_site");
    }
    Some(by_folder)
}

/// Whether a file describes its folder as a whole.
pub(crate) fn is_overview(file: &str) -> bool {
    let stem = file.trim_end_matches(".md");
    ["overview", "index", "destination"].iter().any(|name| stem.ends_with(name))
}

fn by_word(folder: &str) -> Option<&'static str> {
    let folder = normalise(folder);
    let found = match folder.as_str() {
        "agencies" | "courses" | "training" => "certification",
        "sites" | "dive_sites" => "dive_site",
        "gear" => "equipment",
        "health" | "medical" | "emergency" => "safety",
        "species" | "animals" => "marine_life",
        "physics" | "physiology" => "theory",
        _ => return known(&folder),
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_older_service_match_by_prefix() {
        assert_eq!(known("certification_limits"), Some("certification"));
        assert_eq!(known("dive_site_guide"), Some("dive_site"));
        assert_eq!(known("recipe"), None);
    }

    #[test]
    fn a_path_tells_the_type() {
        assert_eq!(infer("certifications/padi/open-water.md"), Some("certification"));
        assert_eq!(infer("destinations/komodo/overview.md"), Some("destination"));
        assert_eq!(infer("destinations/komodo.md"), Some("destination"));
        assert_eq!(infer("destinations/komodo/batu-bolong.md"), Some("dive_site"));
        assert_eq!(infer("notes.md"), None);
    }
}
