//! The agents' prompt files: loading, checking, rendering.

mod file;
mod render;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use dovvybuddy_core::AgentId;
use dovvybuddy_core::agent::{AgentSpec, Agents, Brief};
use dovvybuddy_core::model::Prompt;
use sha2::{Digest as _, Sha256};

pub use file::PromptError;
use file::PromptFile;

const SHIPPED: [(&str, &str); 4] = [
    ("certification.md", include_str!("../../../prompts/certification.md")),
    ("trip.md", include_str!("../../../prompts/trip.md")),
    ("safety.md", include_str!("../../../prompts/safety.md")),
    ("retrieval.md", include_str!("../../../prompts/retrieval.md")),
];

/// The agent that answers when no other is meant.
const GENERAL: &str = "retrieval";

/// The agents that are configured, and their prompts.
#[derive(Debug)]
pub struct PromptLibrary {
    dir: Option<PathBuf>,
    loaded: RwLock<Arc<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    agents: BTreeMap<String, (Arc<AgentSpec>, PromptFile)>,
    general: Arc<AgentSpec>,
    version: String,
}

impl PromptLibrary {
    /// Reads every `*.md` file of `dir`. The four agents the daemon cannot do without are taken from
    /// the binary where the directory, or the file in it, is missing.
    pub fn load(dir: Option<&Path>) -> Result<Self, PromptError> {
        let loaded = Loaded::read(dir)?;
        Ok(Self { dir: dir.map(Path::to_path_buf), loaded: RwLock::new(Arc::new(loaded)) })
    }

    /// Reads the files again. On an error what was loaded before stays in use.
    pub fn reload(&self) -> Result<(), PromptError> {
        let loaded = Arc::new(Loaded::read(self.dir.as_deref())?);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// The ids of all agents, in alphabetical order.
    pub fn ids(&self) -> Vec<AgentId> {
        self.current().agents.keys().map(AgentId::new).collect()
    }

    /// The example questions of every agent; the router learns operators' own agents from them.
    pub fn examples(&self) -> Vec<(AgentId, String)> {
        self.current()
            .agents
            .iter()
            .flat_map(|(id, (_, file))| file.examples().iter().map(move |example| (AgentId::new(id), example.clone())))
            .collect()
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Agents for PromptLibrary {
    fn agent(&self, id: &AgentId) -> Arc<AgentSpec> {
        let loaded = self.current();
        loaded.agents.get(id.as_str()).map_or_else(|| Arc::clone(&loaded.general), |(spec, _)| Arc::clone(spec))
    }

    fn prompt(&self, brief: &Brief) -> Prompt {
        let loaded = self.current();
        let file =
            loaded.agents.get(brief.agent.id.as_str()).or_else(|| loaded.agents.get(GENERAL)).map(|(_, file)| file);
        render::prompt(file, brief)
    }

    fn version(&self) -> String {
        self.current().version.clone()
    }
}

impl Loaded {
    fn read(dir: Option<&Path>) -> Result<Self, PromptError> {
        let mut sources: BTreeMap<String, String> =
            SHIPPED.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect();
        if let Some(dir) = dir.filter(|dir| dir.is_dir()) {
            for (name, source) in file::read_dir(dir)? {
                sources.insert(name, source);
            }
        }
        let mut digest = Sha256::new();
        let mut agents = BTreeMap::new();
        for (name, source) in &sources {
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(source.as_bytes());
            digest.update([0]);
            let file = PromptFile::parse(name, source)?;
            let spec = Arc::new(file.spec());
            let id = spec.id.as_str().to_owned();
            if agents.insert(id.clone(), (spec, file)).is_some() {
                return Err(PromptError::new(name, 1, format!("another file has the id {id:?} too")));
            }
        }
        let general = agents
            .get(GENERAL)
            .map(|(spec, _)| Arc::clone(spec))
            .ok_or_else(|| PromptError::new("retrieval.md", 1, "no agent has the id \"retrieval\"".to_owned()))?;
        let version = digest.finalize().iter().take(6).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        Ok(Self { agents, general, version })
    }
}

#[cfg(test)]
mod tests;
