//! `content check`: the strict reader. Everything that ingestion would put up with is said here, with
//! file and line, so that it can be mended before anybody is answered from it.

mod body;
mod fields;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use dovvybuddy_core::clock::Clock;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::doc_type;
use crate::error::KnowledgeError;
use crate::front_matter::{self, text_of};
use crate::listing::{ContentFile, Root, list};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document can't be used as it is, or says something that can't be.
    Error,
    /// The document works, but an answer from it will be worse.
    Warning,
}

/// What was found, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, as it can be opened.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, "{}:{}: {severity}{}", self.file.display(), self.line, self.message)
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Documents looked at.
    pub documents: usize,
    /// By file and line.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// How many findings are errors; the command fails when there are any.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }
}

/// Checks every document under the directories. Blocking.
pub fn check(roots: &[PathBuf], clock: &dyn Clock) -> Result<CheckReport, KnowledgeError> {
    let roots: Vec<Root> = roots.iter().map(|dir| Root::new("", dir.clone())).collect();
    let listing = list(&roots)?;
    let mut checker = Checker { today: clock.now().day(), ..Checker::default() };
    let mut findings: Vec<Finding> = Vec::new();
    for (path, reason) in listing.skipped {
        findings.push(Finding { file: path.into(), line: 1, severity: Severity::Error, message: reason });
    }
    let documents = listing.found.len();
    for file in &listing.found {
        findings.extend(checker.file(file));
    }
    findings.extend(checker.across());
    findings
        .sort_by(|left, right| (&left.file, left.line, &left.message).cmp(&(&right.file, right.line, &right.message)));
    Ok(CheckReport { documents, findings })
}

/// Where something that must be unique or known was said.
#[derive(Debug, Clone)]
struct Place {
    file: PathBuf,
    line: usize,
}

/// Goes from file to file and remembers what must agree across them.
#[derive(Debug, Default)]
struct Checker {
    today: String,
    titles: HashMap<String, Place>,
    destinations: HashMap<String, Place>,
    site_ids: HashMap<String, Place>,
    /// Destinations that dive sites name.
    wanted: Vec<(String, Place)>,
}

/// Collects the findings of one file.
pub(crate) struct Notes<'a> {
    file: &'a ContentFile,
    /// The lines of the front matter, to find where a key stands.
    block: &'a str,
    found: Vec<Finding>,
}

impl Notes<'_> {
    pub(crate) fn error(&mut self, line: usize, message: impl Into<String>) {
        self.push(line, Severity::Error, message.into());
    }

    pub(crate) fn warning(&mut self, line: usize, message: impl Into<String>) {
        self.push(line, Severity::Warning, message.into());
    }

    fn push(&mut self, line: usize, severity: Severity, message: String) {
        self.found.push(Finding { file: self.file.file.clone(), line, severity, message });
    }

    /// The line on which a key of the front matter stands; the block's first line if it does not.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let at = self.block.lines().position(|line| {
            line.trim_start_matches([' ', '-']).strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
        });
        at.map_or(1, |at| at + 2)
    }

    fn place(&self, key: &str) -> Place {
        Place { file: self.file.file.clone(), line: self.line_of(key) }
    }
}

impl Checker {
    fn file(&mut self, file: &ContentFile) -> Vec<Finding> {
        let mut notes = Notes { file, block: "", found: Vec::new() };
        let text = match fs::read(&file.file).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                notes.error(1, "is not UTF-8 text");
                return notes.found;
            }
            Err(error) => {
                notes.error(1, format!("can't be read: {error}"));
                return notes.found;
            }
        };
        let (block, body, body_line) = match front_matter::split(&text) {
            Ok(parts) => parts,
            Err(error) => {
                notes.error(error.line, error.message);
                return notes.found;
            }
        };
        notes.block = block.unwrap_or("");
        match block.map(front_matter::read_yaml) {
            None => notes.error(1, "no front matter: expected a block between two lines `---`"),
            Some(Err(error)) => notes.error(error.line, error.message),
            Some(Ok(map)) => {
                fields::check(&map, &self.today, &mut notes);
                self.remember(&map, &mut notes);
            }
        }
        body::check(body, body_line, &file.file, &mut notes);
        notes.found
    }

    /// Keeps what must be unique; the second to say it is told who was first.
    fn remember(&mut self, map: &Map<String, Value>, notes: &mut Notes<'_>) {
        let doc_type = text_of(map, "doc_type").map(|given| doc_type::normalise(&given)).unwrap_or_default();
        if let Some(title) = text_of(map, "title") {
            unique(&mut self.titles, title.to_lowercase(), "title", &title, notes);
        }
        if doc_type::matches(&doc_type, "destination")
            && let Some(id) = text_of(map, "destination_id")
        {
            unique(&mut self.destinations, id.clone(), "destination_id", &id, notes);
        }
        if doc_type::matches(&doc_type, "dive_site") {
            if let Some(id) = text_of(map, "site_id") {
                unique(&mut self.site_ids, id.clone(), "site_id", &id, notes);
            }
            if let Some(destination) = text_of(map, "destination") {
                self.wanted.push((destination, notes.place("destination")));
            }
        }
    }

    fn across(&self) -> Vec<Finding> {
        let missing = self.wanted.iter().filter(|(destination, _)| !self.destinations.contains_key(destination));
        missing
            .map(|(destination, place)| Finding {
                file: place.file.clone(),
                line: place.line,
                severity: Severity::Error,
                message: format!("no document has destination_id `{destination}`"),
            })
            .collect()
    }
}

fn unique(seen: &mut HashMap<String, Place>, value: String, key: &str, shown: &str, notes: &mut Notes<'_>) {
    let here = notes.place(key);
    if let Some(first) = seen.get(&value) {
        let line = here.line;
        notes.error(line, format!("{key} `{shown}` is taken by {}:{}", first.file.display(), first.line));
    } else {
        seen.insert(value, here);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dovvybuddy_core::clock::Timestamp;

    use super::*;

    struct Today;

    impl Clock for Today {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_795_161_600_000) // 2026-11-20
        }

        fn uuid(&self) -> uuid::Uuid {
            uuid::Uuid::nil()
        }
    }

    const GOOD: &str = "---\ndoc_type: safety\ntitle: \"No-fly times\"\ndescription: \"How long to wait.\"\ntags: [flying]\nkeywords: [no fly]\nlast_updated: 2026-11-01\ndata_quality: compiled\nsources:\n  - title: \"Flying after diving\"\n    publisher: \"DAN\"\n    url: \"https://dan.org\"\n---\n\n# No-fly times\n\n## How long to wait\nDivers wait at least 18 hours after several dives.\n";

    fn run(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let report = check(&[folder.path().to_owned()], &Today).unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let shorten = |finding: &Finding| {
            finding.to_string().replace(&format!("{}{}", root.display(), std::path::MAIN_SEPARATOR), "")
        };
        report.findings.iter().map(shorten).collect()
    }

    fn with(old: &str, new: &str) -> String {
        assert!(GOOD.contains(old), "{old}");
        GOOD.replace(old, new)
    }

    #[test]
    fn a_good_document_has_no_finding() {
        assert_eq!(run(&[("safety/no-fly.md", GOOD)]), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let cases = [
            (with("doc_type: safety\n", ""), "a.md:1: the key `doc_type` is missing"),
            (
                with("compiled", "perfect"),
                "a.md:8: data_quality `perfect` is none of verified, compiled, anecdotal, draft",
            ),
            (with("2026-11-01", "2026-12-01"), "a.md:7: last_updated 2026-12-01 lies in the future"),
            (with("2026-11-01", "November"), "a.md:7: last_updated must be a day such as 2026-05-01"),
            (with("tags: [flying]", "tags: flying"), "a.md:5: tags must be a list"),
            (with("https://dan.org", "dan.org"), "a.md:12: url `dan.org` must begin with http:// or https://"),
            (with("# No-fly times\n", "Words.\n"), "a.md:14: no heading of the first level"),
            (with("## How long", "#### How long"), "a.md:17: a heading of level 4 follows one of level 1"),
            (with("Divers wait", "<b>Divers</b> wait"), "a.md:18: raw HTML `<b>`"),
            (with("Divers wait", "[x](missing.md) wait"), "a.md:18: the link `missing.md` leads nowhere"),
            (
                with("Divers wait", "[x](javascript:alert) wait"),
                "a.md:18: the link `javascript:alert` is neither http(s), mailto nor tel",
            ),
            (with("tags: [flying]", "tags: [flying"), "a.md:"),
        ];
        for (text, expected) in cases {
            let findings = run(&[("a.md", &text)]);
            assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{expected}\n{findings:#?}");
        }
    }

    #[test]
    fn an_empty_section_and_an_unknown_type_are_warnings() {
        let findings = run(&[
            ("a.md", &with("doc_type: safety", "doc_type: recipe")),
            ("b.md", &(with("No-fly times", "Other") + "\n## Empty\n")),
        ]);
        assert!(findings.iter().any(|f| f.starts_with("a.md:2: warning: unknown doc_type `recipe`")), "{findings:#?}");
        assert!(
            findings.iter().any(|f| f.starts_with("b.md:20: warning: the section `Empty` is empty")),
            "{findings:#?}"
        );
    }

    #[test]
    fn wordings_are_looked_at() {
        let with_wordings = |wordings: &str| {
            let heading = "## How long to wait\n";
            run(&[("a.md", &with(heading, &format!("{heading}<!-- asked: {wordings} -->\n")))])
        };
        assert_eq!(with_wordings("when may i fly | plane after diving"), Vec::<String>::new());
        assert_eq!(
            with_wordings(""),
            ["a.md:18: warning: `asked:` without a wording: write what people type, parted by `|`"]
        );
        assert_eq!(
            with_wordings(&"when | ".repeat(13)),
            ["a.md:18: warning: 13 wordings: only the first 12 are searched"]
        );
        let found = with_wordings(&"when ".repeat(41));
        assert!(found.iter().any(|finding| finding.contains("is a `|` missing?")), "{found:?}");
    }

    #[test]
    fn what_must_be_unique_or_exist_is_compared_across_files() {
        let site = with(
            "doc_type: safety",
            "doc_type: dive_site\nsite_id: a\ndestination: komodo\nmin_certification: deep\ndifficulty: easy\ndepth_range_m: [30, 5]",
        );
        let findings = run(&[("a.md", &site), ("b.md", &site)]);
        let all = findings.join("\n");
        assert!(all.contains("a.md:4: no document has destination_id `komodo`"), "{all}");
        assert!(all.contains("b.md:3: site_id `a` is taken by a.md:3"), "{all}");
        assert!(all.contains("title `No-fly times` is taken by"), "{all}");
        assert!(all.contains("a.md:7: depth_range_m must be two depths in metres, the shallower first"), "{all}");
    }

    #[test]
    fn a_broken_file_does_not_hide_the_others() {
        let findings = run(&[("a.md", "---\ntitle: x\n"), ("b.md", &with("compiled", "perfect"))]);
        assert_eq!(findings.len(), 2, "{findings:#?}");
        assert!(Path::new("a.md").extension().is_some());
    }
}
