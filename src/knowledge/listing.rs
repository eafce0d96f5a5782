//! The documents of content directories, as files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::KnowledgeError;

/// A larger file is no document.
const LARGEST_FILE: u64 = 2 * 1024 * 1024;
/// Folders nested deeper are not entered.
const DEEPEST: usize = 16;

/// A content directory under the name that its documents bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Tells its documents from those of other directories; stays the same when the directory moves.
    pub name: String,
    /// Where it lies.
    pub dir: PathBuf,
    /// Whether other replicas publish from directories of their own: then a document without a file here may
    /// have one there, and stays until it is taken down.
    pub many: bool,
}

impl Root {
    /// A directory under a name, the only one of it.
    pub fn new(name: impl Into<String>, dir: PathBuf) -> Self {
        Self { name: name.into(), dir, many: false }
    }
}

/// A file of a content directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentFile {
    /// The name of its directory.
    pub(crate) root: String,
    /// Path inside its directory, with forward slashes.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) file: PathBuf,
}

/// The files of the directories.
pub(crate) struct Listing {
    /// Documents, sorted by path.
    pub(crate) found: Vec<ContentFile>,
    /// What was left out, with the reason.
    pub(crate) skipped: Vec<(String, String)>,
}

/// Finds every document under the directories. Symbolic links that lead outside are not followed.
pub(crate) fn list(roots: &[Root]) -> Result<Listing, KnowledgeError> {
    let mut found = BTreeMap::new();
    let mut skipped = Vec::new();
    for Root { name, dir, .. } in roots {
        let unreadable = |source| KnowledgeError::ContentDirectory { path: dir.clone(), source };
        let real_root = fs::canonicalize(dir).map_err(unreadable)?;
        let mut files = Vec::new();
        walk(&real_root, &real_root, 0, &mut files, &mut skipped).map_err(unreadable)?;
        for file in files {
            let Some(path) = relative(&real_root, &file) else { continue };
            if found.contains_key(&path) {
                let reason = format!("another directory than {} has a document of this path already", dir.display());
                skipped.push((path, reason));
            } else {
                found.insert(path.clone(), ContentFile { root: name.clone(), path, file });
            }
        }
    }
    Ok(Listing { found: found.into_values().collect(), skipped })
}

fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    skipped: &mut Vec<(String, String)>,
) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let mut leave_out = |reason: &str| {
            skipped.push((relative(root, &path).unwrap_or_else(|| name.clone().into_owned()), reason.to_owned()));
        };
        if entry.file_type()?.is_symlink() && !fs::canonicalize(&path).is_ok_and(|real| real.starts_with(root)) {
            if is_document(&name) {
                leave_out("is a symbolic link that leads outside");
            }
            continue;
        }
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            if depth < DEEPEST {
                walk(root, &path, depth + 1, files, skipped)?;
            } else {
                leave_out("is nested too deep");
            }
        } else if metadata.is_file() && is_document(&name) {
            if metadata.len() > LARGEST_FILE {
                leave_out("is larger than 2 MiB");
            } else {
                files.push(path);
            }
        }
    }
    Ok(())
}

fn is_document(name: &str) -> bool {
    let name = name.to_lowercase();
    Path::new(&name).extension().is_some_and(|extension| extension == "md") && name != "readme.md"
}

fn relative(root: &Path, file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).ok()?;
    let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}
