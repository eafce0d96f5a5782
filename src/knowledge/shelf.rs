//! The operator's own documents, as files of a content directory of their own.
//!
//! Each entry is one Markdown file, so it can be read, kept and moved like any other content. What stood there
//! before the last change lies in a hidden folder beside it, which no ingestion enters.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use dovvybuddy_core::clock::Clock;
use dovvybuddy_core::shelf::{Draft, Fact, Shelf, ShelfEntry, ShelfError};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::document;
use crate::front_matter;
use crate::ingest::Mode;
use crate::knowledge::Knowledge;
use crate::progress::Silent;

/// The folder of the entries inside their content directory; what they are cited by begins with it.
const FOLDER: &str = "operator";
/// The folder of what stood there before.
const BEFORE: &str = ".before";
/// Stands for "nothing was there".
const NOTHING: &str = "";
/// The longest question and answer, in characters.
const LONGEST_QUESTION: usize = 200;
const LONGEST_ANSWER: usize = 8000;
/// More answers than this nobody looks after.
const MOST: usize = 1000;

/// Entries in the directory of a content root.
pub struct FileShelf {
    /// The content root.
    root: PathBuf,
    /// The entries in it.
    dir: PathBuf,
    /// Whose facts they are.
    operator: String,
    knowledge: Arc<Knowledge>,
    clock: Arc<dyn Clock>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl FileShelf {
    /// Entries in `dir`, which must be one of the knowledge's roots. `operator` is named as their source.
    pub fn new(dir: &Path, operator: Option<&str>, knowledge: Arc<Knowledge>, clock: Arc<dyn Clock>) -> Self {
        let operator = operator.unwrap_or("the dive centre").to_owned();
        Self { root: dir.to_owned(), dir: dir.join(FOLDER), operator, knowledge, clock, changing: Mutex::default() }
    }

    /// Where the file of an entry lies; `None` for what is no id.
    fn file(&self, id: &str) -> Option<PathBuf> {
        let usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = !id.is_empty() && id.len() <= 80 && id.chars().all(usable);
        named.then(|| self.dir.join(format!("{id}.md")))
    }

    fn before(&self, id: &str) -> PathBuf {
        self.dir.join(BEFORE).join(format!("{id}.md"))
    }

    fn document(&self, draft: &Draft) -> Result<String, ShelfError> {
        let fact = draft.id.as_deref().and_then(Fact::of);
        let (question, keywords) = match fact {
            Some(fact) => (heading(fact, &self.operator), fact_keywords(fact)),
            None => (one_line(&draft.question), &[][..]),
        };
        let answer = draft.answer.trim();
        check("question", &question, LONGEST_QUESTION)?;
        check("answer", answer, LONGEST_ANSWER)?;
        // A line `[1]: …` is a definition in Markdown, and swallowed wherever it is quoted.
        let defines = |line: &str| line.trim_start().starts_with('[') && line.contains("]:");
        if answer.lines().any(defines) {
            return Err(wrong("answer", "must have no line that begins like `[1]:`"));
        }
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let keywords: Vec<String> = keywords.iter().map(|word| quoted(word)).collect();
        let text = format!(
            "---\ndoc_type: faq\ntitle: {title}\ndescription: {title}\ntags: [operator]\nkeywords: [{keywords}]\n\
             last_updated: {today}\ndata_quality: verified\nsources:\n  - title: {title}\n    publisher: {operator}\n---\n\
             # {question}\n\n## {question}\n{answer}\n",
            title = quoted(&question),
            keywords = keywords.join(", "),
            today = self.clock.now().day(),
            operator = quoted(&self.operator),
        );
        match document::read("operator/draft.md", &text) {
            Ok((document, _)) if document.passages.is_empty() => Err(wrong("answer", "has no words to find")),
            Ok(_) => Ok(text),
            Err(error) => Err(wrong("answer", error.to_string())),
        }
    }

    fn entry(&self, id: &str) -> Option<ShelfEntry> {
        let source = source(id);
        let undo = self.before(id).exists();
        let fact = Fact::of(id);
        let Ok(text) = fs::read_to_string(self.file(id)?) else {
            let question = fact.map(|fact| heading(fact, &self.operator))?;
            let (answer, updated) = (String::new(), String::new());
            return Some(ShelfEntry { id: id.to_owned(), fact: true, question, answer, source, updated, undo });
        };
        let parsed = front_matter::parse(&source, &text).ok()?;
        let answer = parsed.body.split_once("\n## ").and_then(|(_, rest)| rest.split_once('\n'));
        let answer = answer.map_or(parsed.body, |(_, answer)| answer).trim().to_owned();
        let updated = front_matter::text_of(&parsed.front.raw, "last_updated").unwrap_or_default();
        let question = parsed.front.title;
        Some(ShelfEntry { id: id.to_owned(), fact: fact.is_some(), question, answer, source, updated, undo })
    }

    fn list(&self) -> io::Result<Vec<ShelfEntry>> {
        let mut answers = Vec::new();
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files.take(MOST * 2).collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for file in files {
            let name = file.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".md")) else { continue };
            if Fact::of(id).is_none() {
                let changed = file.metadata().and_then(|meta| meta.modified()).ok();
                answers.extend(self.entry(id).map(|entry| (changed, entry)));
            }
        }
        answers.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.id.cmp(&other.1.id)));
        let facts = Fact::ALL.into_iter().filter_map(|fact| self.entry(fact.id()));
        Ok(facts.chain(answers.into_iter().map(|(_, entry)| entry)).collect())
    }

    /// Puts `text` in an entry's place, or nothing, and keeps what stood there.
    fn put(&self, id: &str, text: Option<&str>) -> Result<(), ShelfError> {
        let file = self.file(id).ok_or(ShelfError::Unknown)?;
        let before = match fs::read_to_string(&file) {
            Ok(before) => before,
            Err(error) if error.kind() == io::ErrorKind::NotFound => NOTHING.to_owned(),
            Err(error) => return Err(unavailable(error)),
        };
        if before == NOTHING && text.is_none() {
            return Err(ShelfError::Unknown);
        }
        self.write(id, text).and_then(|()| self.keep(id, &before)).map_err(unavailable)
    }

    fn keep(&self, id: &str, before: &str) -> io::Result<()> {
        fs::create_dir_all(self.dir.join(BEFORE))?;
        fs::write(self.before(id), before)
    }

    fn write(&self, id: &str, text: Option<&str>) -> io::Result<()> {
        let Some(file) = self.file(id) else { return Err(io::ErrorKind::InvalidInput.into()) };
        let Some(text) = text else { return fs::remove_file(file) };
        fs::create_dir_all(&self.dir)?;
        // Whole or not at all, whatever happens meanwhile.
        let part = self.dir.join(format!(".{id}.part"));
        fs::write(&part, text)?;
        fs::rename(part, file)
    }

    async fn take_over(&self) -> Result<(), ShelfError> {
        let report = self.knowledge.ingest(Mode::Changed, &Silent, &CancellationToken::new()).await;
        report.map(drop).map_err(unavailable)
    }

    async fn take_down(&self, id: &str) -> Result<(), ShelfError> {
        self.knowledge.take_down(&self.root, &source(id)).await.map_err(unavailable)
    }
}

#[async_trait]
impl Shelf for FileShelf {
    async fn entries(&self) -> Result<Vec<ShelfEntry>, ShelfError> {
        tokio::task::block_in_place(|| self.list()).map_err(unavailable)
    }

    async fn preview(&self, draft: &Draft) -> Result<String, ShelfError> {
        self.document(draft)
    }

    async fn publish(&self, draft: &Draft) -> Result<String, ShelfError> {
        let _one = self.changing.lock().await;
        let text = self.document(draft)?;
        let id = match &draft.id {
            Some(id) if Fact::of(id).is_some() => id.clone(),
            Some(id) => {
                let there = self.file(id).is_some_and(|file| file.exists());
                if there { id.clone() } else { return Err(ShelfError::Unknown) }
            }
            None => new_id(&draft.question, &*self.clock),
        };
        tokio::task::block_in_place(|| self.put(&id, Some(&text)))?;
        self.take_over().await?;
        Ok(id)
    }

    async fn remove(&self, id: &str) -> Result<(), ShelfError> {
        let _one = self.changing.lock().await;
        tokio::task::block_in_place(|| self.put(id, None))?;
        self.take_down(id).await
    }

    async fn undo(&self, id: &str) -> Result<(), ShelfError> {
        let _one = self.changing.lock().await;
        self.file(id).ok_or(ShelfError::Unknown)?;
        let before = tokio::task::block_in_place(|| fs::read_to_string(self.before(id)));
        let before = before.map_err(|_| ShelfError::Unknown)?;
        let text = (before != NOTHING).then_some(before.as_str());
        tokio::task::block_in_place(|| self.put(id, text))?;
        if text.is_some() { self.take_over().await } else { self.take_down(id).await }
    }
}

/// What an entry is cited by.
fn source(id: &str) -> String {
    format!("{FOLDER}/{id}.md")
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> ShelfError {
    ShelfError::Unavailable(Box::new(error))
}

fn wrong(field: &'static str, message: impl Into<String>) -> ShelfError {
    ShelfError::Invalid { field, message: message.into() }
}

fn check(field: &'static str, text: &str, most: usize) -> Result<(), ShelfError> {
    if text.is_empty() {
        return Err(wrong(field, "is required"));
    }
    if text.chars().count() > most {
        return Err(wrong(field, format!("must be at most {most} characters long")));
    }
    Ok(())
}

/// A heading is one line, and not the sign of one.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_start_matches(['#', ' ']).to_owned()
}

/// Words of the question, so that a person knows the file, and something random, so that no two are alike.
fn new_id(question: &str, clock: &dyn Clock) -> String {
    let words = question.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id: String = words.take(6).map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    id.truncate(48);
    let random: String = clock.uuid().simple().to_string().chars().take(8).collect();
    if id.is_empty() { random } else { format!("{id}-{random}") }
}

fn heading(fact: Fact, operator: &str) -> String {
    match fact {
        Fact::Hours => format!("When is {operator} open?"),
        Fact::Prices => format!("What does it cost at {operator}?"),
        Fact::Contacts => format!("How can {operator} be reached?"),
    }
}

/// What divers call it.
const fn fact_keywords(fact: Fact) -> &'static [&'static str] {
    match fact {
        Fact::Hours => &["opening hours", "open", "opening times", "closed", "when open", "business hours", "holiday"],
        Fact::Prices => {
            &["price", "prices", "cost", "how much", "fee", "course price", "fun dive price", "discount", "payment"]
        }
        Fact::Contacts => &["contact", "phone", "telephone", "email", "address", "whatsapp", "where are you", "reach"],
    }
}

#[cfg(test)]
mod tests {
    use dovvybuddy_core::clock::SystemClock;
    use dovvybuddy_core::knowledge::{Query, Retriever as _};

    use super::*;
    use crate::knowledge::{Embeddings, KnowledgeConfig};
    use crate::listing::Root;
    use crate::memory::MemoryKnowledgeBase;

    struct House {
        dir: tempfile::TempDir,
        knowledge: Arc<Knowledge>,
        shelf: FileShelf,
    }

    async fn house() -> House {
        let dir = tempfile::tempdir().unwrap();
        let roots = vec![Root::new("operator", dir.path().to_owned())];
        let config = KnowledgeConfig::new(roots, dir.path().join("none"), Embeddings::None);
        let knowledge =
            Knowledge::open(config, Arc::new(MemoryKnowledgeBase::default()), Arc::new(SystemClock)).await.unwrap();
        let shelf = FileShelf::new(dir.path(), Some("Blue Fin"), Arc::clone(&knowledge), Arc::new(SystemClock));
        House { dir, knowledge, shelf }
    }

    fn draft(id: Option<&str>, question: &str, answer: &str) -> Draft {
        Draft { id: id.map(str::to_owned), question: question.into(), answer: answer.into() }
    }

    impl House {
        async fn finds(&self, text: &str) -> String {
            let query = Query { text: text.into(), limit: 3, ..Query::default() };
            let found = self.knowledge.search(&query).await.passages;
            found.into_iter().map(|passage| passage.text).collect::<Vec<_>>().join("\n")
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_published_is_found_at_once_and_what_is_undone_is_not() {
        let house = house().await;
        let question = "Do you rent underwater scooters?";
        let id = house.shelf.publish(&draft(None, question, "Yes, scooters cost 30 a day.")).await.unwrap();
        assert!(house.finds("rent underwater scooters").await.contains("30 a day"));
        let again = draft(Some(&id), question, "Scooters cost 40 a day.");
        assert_eq!(house.shelf.publish(&again).await.unwrap(), id);
        assert!(house.finds("rent underwater scooters").await.contains("40 a day"));
        house.shelf.undo(&id).await.unwrap();
        assert!(house.finds("rent underwater scooters").await.contains("30 a day"));
        house.shelf.remove(&id).await.unwrap();
        assert_eq!(house.finds("rent underwater scooters").await, "");
        house.shelf.undo(&id).await.unwrap();
        assert!(house.finds("rent underwater scooters").await.contains("30 a day"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn undoing_the_first_publication_leaves_nothing() {
        let house = house().await;
        let id = house.shelf.publish(&draft(None, "Do you rent scooters?", "Yes.")).await.unwrap();
        house.shelf.undo(&id).await.unwrap();
        assert_eq!(house.finds("rent scooters").await, "");
        house.shelf.undo(&id).await.unwrap();
        assert!(!house.finds("rent scooters").await.is_empty(), "and undoing that brings it back");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_facts_are_listed_before_anybody_wrote_them() {
        let house = house().await;
        house.shelf.publish(&draft(None, "Is there parking?", "Yes, *behind* the shop.")).await.unwrap();
        house.shelf.publish(&draft(Some("hours"), "ignored", "From 8 to 17.")).await.unwrap();
        let entries = house.shelf.entries().await.unwrap();
        let told: Vec<_> = entries.iter().map(|one| (one.question.as_str(), one.answer.as_str(), one.fact)).collect();
        let expected = [
            ("When is Blue Fin open?", "From 8 to 17.", true),
            ("What does it cost at Blue Fin?", "", true),
            ("How can Blue Fin be reached?", "", true),
            ("Is there parking?", "Yes, *behind* the shop.", false),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn words_stay_words_whatever_they_look_like() {
        let house = house().await;
        let question = "# \"Quotes\": and\n---\n# more";
        let answer = "First.\n\n## Not the end\nSecond: \"x\".";
        let id = house.shelf.publish(&draft(None, question, answer)).await.unwrap();
        let entries = house.shelf.entries().await.unwrap();
        let entry = entries.iter().find(|one| one.id == id).unwrap();
        assert_eq!((entry.question.as_str(), entry.answer.as_str()), ("\"Quotes\": and --- # more", answer));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_leaves_the_directory() {
        let house = house().await;
        fs::write(house.dir.path().join("secret.md"), "# Secret\n\nwords\n").unwrap();
        for id in ["../secret", "..", "", "a/b", "A", "secret.md", ".before/x"] {
            assert!(matches!(house.shelf.remove(id).await, Err(ShelfError::Unknown)), "{id}");
            assert!(matches!(house.shelf.undo(id).await, Err(ShelfError::Unknown)), "{id}");
            let written = house.shelf.publish(&draft(Some(id), "q", "a")).await;
            assert!(matches!(written, Err(ShelfError::Unknown)), "{id}");
        }
        assert!(house.dir.path().join("secret.md").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_draft_that_is_no_document_is_refused() {
        let house = house().await;
        let long = "x".repeat(LONGEST_ANSWER + 1);
        for (question, answer, field) in
            [("", "a", "question"), ("q", " ", "answer"), ("q", &long, "answer"), ("q", "[1]: http://x", "answer")]
        {
            match house.shelf.publish(&draft(None, question, answer)).await {
                Err(ShelfError::Invalid { field: told, .. }) => assert_eq!(told, field),
                other => panic!("{other:?}"),
            }
        }
        assert!(house.shelf.preview(&draft(None, "q", "a")).await.unwrap().contains("## q\na\n"));
    }
}
