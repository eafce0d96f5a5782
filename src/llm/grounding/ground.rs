//! A passage as it counts for checking.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use dovvybuddy_core::knowledge::Passage;
use moka::sync::Cache;

use super::links;
use crate::text::quantities::{Quantity, quantities};
use crate::text::terms::Terms;
use crate::text::{injection, sentences};

/// Passages that are remembered as read, of some three kilobytes each: the content's popular ones.
const REMEMBERED: u64 = 2_048;

/// What a passage vouches for.
#[derive(Debug)]
pub(super) struct Ground {
    /// Its words, less what speaks to a machine.
    pub(super) words: String,
    pub(super) terms: Terms,
    pub(super) quantities: Vec<Quantity>,
    pub(super) links: HashSet<String>,
}

impl Ground {
    /// Reads a passage, or remembers it.
    pub(super) fn of(passage: &Passage) -> Arc<Self> {
        static READ: LazyLock<Cache<[u64; 2], Arc<Ground>>> = LazyLock::new(|| Cache::new(REMEMBERED));
        // Keys chosen when the program starts: nobody can write two passages that are taken for one.
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        let key = KEYS.each_ref().map(|key| key.hash_one((&passage.title, &passage.section, &passage.text)));
        READ.get_with(key, || Arc::new(Self::read(passage)))
    }

    fn read(passage: &Passage) -> Self {
        let all: Vec<String> = sentences::split(&passage.text).into_iter().map(|s| s.text).collect();
        let (whole, kept) = (all.len(), injection::before_any(all));
        // A passage that gives orders vouches for no link, nor for what follows the order.
        let links = if kept.len() == whole { links::find(&passage.text) } else { HashSet::new() };
        let heads = [&passage.title, &passage.section].into_iter().filter(|h| !injection::addresses_a_machine(h));
        let words = heads.map(String::as_str).chain(kept.iter().map(String::as_str)).collect::<Vec<_>>().join("\n");
        Self { terms: Terms::of(&words), quantities: quantities(&words), links, words }
    }
}
