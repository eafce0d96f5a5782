//! `model fetch`, and the fetching in the background of a daemon.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use dovvybuddy_knowledge::Knowledge;
use dovvybuddy_knowledge::embed;

use super::content::Bars;
use super::{CommandError, Outcome};
use crate::cli::Model;
use crate::config::Config;
use crate::output;

pub(crate) async fn run(config: &Config, what: Model, json: bool) -> Outcome {
    let Model::Fetch { file } = what;
    let data_dir = config.data_dir.clone();
    let place = match file {
        Some(file) => {
            let copy = tokio::task::spawn_blocking(move || embed::fetch_from_file(&data_dir, &file, &Bars::default()));
            copy.await.map_err(|error| CommandError::Failed(error.to_string()))?
        }
        None => embed::fetch(&data_dir, Arc::new(Bars::default())).await,
    };
    let place = place.map_err(|error| CommandError::Failed(error.to_string()))?;
    let text = format!("The embedding model is in {}, checksum verified.", place.display());
    output::told(json, &serde_json::json!({ "model": embed::MODEL_NAME, "directory": place }), &text);
    Ok(ExitCode::SUCCESS)
}

/// Gets the model for a running daemon if it is not there; search goes by words meanwhile.
pub(super) async fn fetch_if_missing(data_dir: &Path, knowledge: &Knowledge) {
    if embed::is_present(data_dir) {
        return;
    }
    output::note("Fetching the embedding model in the background; until then the search goes by words.");
    match embed::fetch(data_dir, Arc::new(Bars::default())).await {
        Ok(_) => {
            if let Err(error) = knowledge.reload().await {
                tracing::warn!(error = %error, "the embedding model can't be used");
            }
        }
        Err(error) => tracing::warn!(
            error = %error,
            "the embedding model can't be fetched; `dovvybuddy model fetch --file` takes a copy, embeddings.provider = \"none\" does without"
        ),
    }
}
