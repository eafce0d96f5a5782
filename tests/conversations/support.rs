//! Starts the daemon in a directory of its own, talks to it, and stops or kills it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use dovvybuddy_fakes::postgres::Database;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::wire::{Live, PATIENCE, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dovvybuddy");

/// The documents of [`Setup::slice`].
const SLICE: [&str; 7] = [
    "certifications/padi/open-water-diver.md",
    "certifications/padi/advanced-open-water-diver.md",
    "certifications/general/padi-vs-ssi.md",
    "safety/flying-after-diving.md",
    "safety/safety-stop.md",
    "destinations/komodo/overview.md",
    "destinations/komodo/batu-bolong.md",
];

/// The repository's root, where `content/` and `prompts/` are.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The environment of a daemon: nothing of ours leaks in.
pub(crate) struct Setup {
    pub(crate) home: TempDir,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Setup {
    /// No keys, no model file, no limits, a port of its own.
    pub(crate) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let mut setup = Self { home, variables: Vec::new(), arguments: vec!["serve".to_owned()] };
        let data = setup.home.path().join("data");
        setup.set("DATA_DIR", data.to_str().unwrap());
        setup.set("CONTENT_DIR", root().join("content").to_str().unwrap());
        setup.set("PROMPTS_DIR", root().join("prompts").to_str().unwrap());
        setup.set("HTTP__BIND", "127.0.0.1:0");
        setup.set("EMBEDDINGS__PROVIDER", "none");
        for limit in ["DIVER", "IP", "LEADS", "SESSIONS", "FEEDBACK"] {
            setup.set(&format!("LIMITS__{limit}_PER_MINUTE"), "0");
        }
        setup
    }

    /// As [`Setup::new`], with a few documents of the corpus copied into a directory of its own: quick to
    /// ingest, and the test may edit it.
    pub(crate) fn slice() -> Self {
        let mut setup = Self::new();
        for document in SLICE {
            let text = std::fs::read_to_string(root().join("content").join(document)).unwrap();
            setup.document(document, &text);
        }
        copy_directory(&root().join("content/emergency"), &setup.content().join("emergency"));
        let content = setup.content();
        setup.set("CONTENT_DIR", content.to_str().unwrap());
        setup
    }

    /// The content directory of [`Setup::slice`].
    pub(crate) fn content(&self) -> PathBuf {
        self.home.path().join("content")
    }

    /// Writes a document of [`Setup::slice`]'s content.
    pub(crate) fn document(&self, path: &str, text: &str) {
        let path = self.content().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes `dovvybuddy.toml` beside the working directory.
    pub(crate) fn file(&self, toml: &str) {
        std::fs::write(self.home.path().join("dovvybuddy.toml"), toml).unwrap();
    }

    /// Sets `DOVVYBUDDY_<key>`.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> &mut Self {
        self.variable(&format!("DOVVYBUDDY_{key}"), value)
    }

    /// Sets a variable under its own name.
    pub(crate) fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forgets `DOVVYBUDDY_<key>`, so that a file may set it.
    pub(crate) fn unset(&mut self, key: &str) {
        self.variables.retain(|(known, _)| known != &format!("DOVVYBUDDY_{key}"));
    }

    /// Keeps its conversations in this database.
    pub(crate) fn database_is(&mut self, database: &Database) -> &mut Self {
        let (url, direct) = database.urls();
        if let Some(direct) = direct {
            self.set("DATABASE__DIRECT_URL", &direct);
        }
        self.variable("DATABASE_URL", &url)
    }

    /// Adds an argument to `serve`.
    pub(crate) fn argument(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.set(key, value);
        self
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().envs(self.variables.iter().cloned()).current_dir(self.home.path()).kill_on_drop(true);
        if let Ok(path) = std::env::var("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Forgets every variable, those of [`Setup::new`] too.
    pub(crate) fn clear(&mut self) {
        self.variables.clear();
    }

    /// As [`Setup::run`], but ends the command after `most`; it then counts as having ended with 0.
    pub(crate) async fn run_for(&self, most: Duration, arguments: &[&str]) -> (i32, String, String) {
        let run = self.command().args(arguments).stdin(Stdio::null()).output();
        match tokio::time::timeout(most, run).await {
            Ok(output) => {
                let output = output.unwrap();
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
            }
            Err(_) => (0, String::new(), "it runs".to_owned()),
        }
    }

    /// Runs a command to its end and returns its exit code, output and error output.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let run = self.command().args(arguments).stdin(Stdio::null()).output();
        let output = tokio::time::timeout(PATIENCE, run).await.expect("ends in time").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs a command that must do; gives its output.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// Runs a command that must print one JSON document and nothing else.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(arguments).await;
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e} in {out}"))
    }

    /// Runs a command that must fail with 1 and say why; gives what it said.
    pub(crate) async fn fails(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments).await;
        assert_eq!(code, 1, "{arguments:?}: {out}{err}");
        assert!(!err.contains("panicked"), "{err}");
        assert!(!err.trim().is_empty() || !out.trim().is_empty(), "{arguments:?} says nothing");
        format!("{out}{err}")
    }

    /// Starts `serve` and waits until it is ready.
    pub(crate) async fn start(&self) -> Daemon {
        Daemon::adopt(self.launch(), self).await
    }

    /// Starts `serve` and waits for nothing.
    pub(crate) fn launch(&self) -> Child {
        let ready = self.home.path().join("address");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        self.command()
            .args(&self.arguments)
            .env("DOVVYBUDDY_HTTP__ADDRESS_FILE", &ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Where a daemon that was launched listens, as soon as it does.
    pub(crate) async fn address(&self) -> String {
        let file = self.home.path().join("address");
        let address = eventually("an address", PATIENCE, async || {
            std::fs::read_to_string(&file).ok().filter(|address| !address.is_empty())
        });
        format!("http://{}", address.await.trim())
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    /// Everything the daemons of this setup logged.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home.path().join("data/dovvybuddy.db")
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) base: String,
    pub(crate) client: Client,
}

pub(crate) fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

impl Daemon {
    /// Waits until a process that writes its address where [`Setup::start`] looks for it is ready.
    pub(crate) async fn adopt(child: Child, setup: &Setup) -> Self {
        let mut daemon = Self { child, base: String::new(), client: client() };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Ok(address) = std::fs::read_to_string(setup.home.path().join("address"))
                && !address.is_empty()
            {
                daemon.base = format!("http://{}", address.trim());
                if daemon.get("/ready").await.is_ok_and(|r| r.status() == StatusCode::OK) {
                    return daemon;
                }
            }
            let exited = daemon.child.try_wait().unwrap();
            assert!(exited.is_none(), "the daemon ended: {exited:?}\n{}", setup.log_text());
            assert!(tokio::time::Instant::now() < deadline, "not ready in time\n{}", setup.log_text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<Response> {
        self.client.get(format!("{}{path}", self.base)).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }

    /// Asks and returns the answer, which must be a 200.
    pub(crate) async fn ask(&self, session: Option<&str>, message: &str) -> Value {
        let mut body = json!({ "message": message });
        if let Some(session) = session {
            body["sessionId"] = json!(session);
        }
        let response = self.post("/api/chat", &body).await;
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// A new, empty session.
    pub(crate) async fn session(&self) -> String {
        let response = self.post("/api/sessions", &json!({})).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let session: Value = response.json().await.unwrap();
        session["id"].as_str().unwrap().to_owned()
    }

    /// Asks over the stream, whose answer must be a 200.
    pub(crate) async fn stream(&self, session: Option<&str>, message: &str) -> Live {
        let mut body = json!({ "message": message });
        if let Some(session) = session {
            body["sessionId"] = json!(session);
        }
        let response = self.post("/api/chat/stream", &body).await;
        assert_eq!(response.status(), StatusCode::OK);
        Live::new(response)
    }

    /// The session's messages as (role, content).
    pub(crate) async fn history(&self, session: &str) -> Vec<(String, String)> {
        let session: Value = self.get(&format!("/api/sessions/{session}")).await.unwrap().json().await.unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        session["conversation_history"]
            .as_array()
            .unwrap_or_else(|| panic!("no history in {session}"))
            .iter()
            .map(|m| (text(&m["role"]), text(&m["content"])))
            .collect()
    }

    /// Waits until everything is answered and sent: the next start of one that is killed after that finds
    /// nothing to do.
    pub(crate) async fn at_rest(&self) {
        eventually("everything is answered and sent", PATIENCE, async || {
            let status: Value = self.get("/status").await.ok()?.json().await.ok()?;
            let open = [&status["turns_running"], &status["queue"]["waiting"], &status["queue"]["outbox_pending"]];
            open.iter().all(|count| **count == 0).then_some(())
        })
        .await;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGKILL, as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Waits for an end that was caused otherwise.
    pub(crate) async fn ended(mut self) -> std::process::ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.pid().to_string());
        assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
    }
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl Event {
    pub(crate) fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap()
    }
}

/// The events of a whole `text/event-stream` body.
pub(crate) fn events(body: &str) -> Vec<Event> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
    };
    body.split("\n\n")
        .filter_map(|block| {
            let data = field(block, "data:")?;
            let data = serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e} in {data}"));
            Some(Event { id: field(block, "id:").unwrap_or_default(), data })
        })
        .collect()
}
