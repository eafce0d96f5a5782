//! The retriever: ranks, joins neighbours, drops repetitions, and abstains.

use std::collections::HashMap;
use std::sync::Arc;

use dovvybuddy_core::knowledge::{Found, Passage, Query};

use crate::asked_place::asked_place;
use crate::index::{Content, Snapshot};
use crate::rank::{self, Candidate, Fusion};
use crate::text::{self, Analyzer};

/// Passages given when the query does not say how many.
const DEFAULT_LIMIT: usize = 5;
const MOST_PASSAGES: usize = 50;
/// A further passage of the same document counts this much of the one before.
const SAME_DOCUMENT: f32 = 0.93;
/// Passages that share this much of their words say the same.
const NEAR_DUPLICATE: f32 = 0.8;

/// All that a search's result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ResultKey {
    version: String,
    by_meaning: bool,
    text: String,
    said: String,
    opening: Option<String>,
    doc_types: Vec<String>,
    also_elsewhere: bool,
    names: Vec<String>,
    further: Vec<String>,
    operator_first: bool,
    limit: usize,
    cert_level: Option<String>,
}

impl ResultKey {
    /// The key of a query for `text`, searched in a snapshot with or without vectors.
    pub(crate) fn of(snapshot: &Snapshot, query: &Query, text: &str, by_meaning: bool) -> Self {
        Self {
            version: snapshot.content.version.clone(),
            by_meaning,
            text: text.to_owned(),
            said: query.said.clone(),
            opening: query.opening.clone(),
            doc_types: query.doc_types.clone(),
            also_elsewhere: query.also_elsewhere,
            names: query.names.clone(),
            further: query.further.clone(),
            operator_first: query.operator_first,
            limit: query.limit,
            cert_level: query.profile.cert_level.clone(),
        }
    }
}

/// Searches a snapshot: among the document types asked for, and where they hold nothing, among all. The router
/// may be wrong about whose subject a question is; the content is not.
pub(crate) fn search(snapshot: &Snapshot, query: &Query, meanings: &[Arc<[f32]>], fusion: &Fusion) -> Found {
    let mut found = search_types(snapshot, query, &query.doc_types, meanings, fusion);
    if found.passages.is_empty() && !query.doc_types.is_empty() {
        found = search_types(snapshot, query, &[], meanings, fusion);
    }
    if query.operator_first {
        let mut first = operators_own(snapshot, query, meanings, fusion);
        first.add(found);
        return first;
    }
    found
}

/// What the operator says of the own business. It is short and worded as it likes, and nothing else can answer.
fn operators_own(snapshot: &Snapshot, query: &Query, meanings: &[Arc<[f32]>], fusion: &Fusion) -> Found {
    let (least, least_by_words) = (fusion.least * LENIENT, fusion.least_by_words * LENIENT);
    let lenient = Fusion { least, least_by_words, ..*fusion };
    let own = Query { also_elsewhere: false, names: Vec::new(), limit: MOST_OF_THE_OPERATORS, ..query.clone() };
    search_types(snapshot, &own, &["faq".to_owned()], meanings, &lenient)
}

/// How much less an operator's passage must be believed.
const LENIENT: f32 = 0.5;
/// The most of them.
const MOST_OF_THE_OPERATORS: usize = 3;

fn search_types(
    snapshot: &Snapshot,
    query: &Query,
    doc_types: &[String],
    meanings: &[Arc<[f32]>],
    fusion: &Fusion,
) -> Found {
    let content = &snapshot.content;
    let vectors = (!meanings.is_empty() && snapshot.vectors.suffice()).then_some((&*snapshot.vectors, meanings));
    let lexical_only = vectors.is_none();
    let inside = content.allowed(doc_types);
    let allowed = if query.also_elsewhere { content.allowed(&[]) } else { inside.clone() };
    let selection = content.sites.select(&query.text, &query.profile);
    let (mut candidates, likeness) = rank::rank(content, vectors, &query.text, &allowed, &selection.passages, fusion);
    let place = asked_place(&query.text);
    prefer_named(content, query.names.iter().chain(&place), &mut candidates);
    if !selection.boosts.is_empty() {
        for candidate in &mut candidates {
            let path = content.passages.get(candidate.passage as usize).map(|passage| &*passage.document.path);
            if let Some(boost) = path.and_then(|path| selection.boosts.get(path)) {
                candidate.fused += boost;
                // A place that was asked for by name or by its data is what is asked.
                candidate.confidence = (candidate.confidence + boost * 0.9).clamp(0.0, 1.0);
            }
            if selection.leads.contains(&candidate.passage) {
                candidate.fused += LEAD;
                candidate.confidence = (candidate.confidence + LEAD).clamp(0.0, 1.0);
            }
        }
        candidates.sort_by(|left, right| right.fused.total_cmp(&left.fused));
    }
    if query.also_elsewhere && !doc_types.is_empty() {
        keep_types(&mut candidates, &inside, fusion.elsewhere);
    }
    let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit.min(MOST_PASSAGES) };
    let least = if lexical_only { fusion.least_by_words } else { fusion.least };
    let passages = choose(content, candidates, limit, least, fusion.relative);
    Found { passages, lexical_only, unknown: Vec::new(), likeness, meaning: None }
}

/// What a passage gains that names or introduces the dive sites which are asked for.
const LEAD: f32 = 0.4;

/// Leaves out other types than those wanted, unless one of them is clearly ahead of all that are. The router may be
/// wrong about whose subject a question is; the content is not.
fn keep_types(candidates: &mut Vec<Candidate>, inside: &[bool], ahead: f32) {
    let is_inside = |candidate: &Candidate| inside.get(candidate.passage as usize).copied().unwrap_or(false);
    let best = |wanted: bool| {
        let fused = candidates.iter().filter(|candidate| is_inside(candidate) == wanted).map(|found| found.fused);
        fused.fold(0.0, f32::max)
    };
    if best(false) <= best(true) + ahead {
        candidates.retain(is_inside);
    }
}

/// Puts back what knows nothing of the names that are asked for: one may be mentioned without being asked about. Of a
/// name that stands nowhere, nothing is an answer. Destinations and sites that have documents of their own are weighed
/// by [`Sites`](crate::sites::Sites) instead: much on them does not repeat their name.
fn prefer_named<'a>(content: &Content, names: impl Iterator<Item = &'a String>, candidates: &mut Vec<Candidate>) {
    let analyzer = Analyzer::default();
    for name in names.filter(|name| !content.sites.knows(name)) {
        let terms = analyzer.terms(name);
        let special: Vec<String> = terms.iter().filter(|term| !COMMON.contains(&term.as_str())).cloned().collect();
        let having = content.lexical.passages_with(if special.is_empty() { &terms } else { &special });
        let document = |passage: u32| content.passages.get(passage as usize).map(|passage| passage.document.number);
        let mut documents: Vec<usize> = having.into_iter().filter_map(document).collect();
        documents.sort_unstable();
        documents.dedup();
        if documents.is_empty() {
            candidates.clear();
            return;
        }
        let has = |found: &Candidate| document(found.passage).is_some_and(|at| documents.binary_search(&at).is_ok());
        for found in candidates.iter_mut().filter(|found| !has(found)) {
            found.fused -= UNNAMED;
            found.confidence = (found.confidence - UNNAMED).max(0.0);
        }
    }
    candidates.sort_by(|left, right| right.fused.total_cmp(&left.fused));
}

/// What a passage loses that knows nothing of a name.
const UNNAMED: f32 = 0.15;

/// Terms in the names of many animals and places.
const COMMON: &[&str] = &[
    "shark", "ray", "whale", "fish", "turtl", "sea", "reef", "island", "rock", "bay", "point", "wreck", "blue", "hole",
    "white", "black", "great", "north", "south", "ss", "coral", "pygmi", "giant", "mola", "manta",
];

fn choose(content: &Content, candidates: Vec<Candidate>, limit: usize, least: f32, relative: f32) -> Vec<Passage> {
    let best = candidates.iter().take(limit).map(|candidate| candidate.confidence).fold(0.0, f32::max);
    if best < least {
        return Vec::new();
    }
    let floor = (best * relative).max(least * 0.8);
    let believed: Vec<Candidate> = candidates.into_iter().filter(|candidate| candidate.confidence >= floor).collect();
    let groups = diverse(content, believed, limit);
    let mut passages: Vec<Passage> = Vec::with_capacity(groups.len());
    for group in groups {
        passages.extend(joined(content, &group));
    }
    passages
}

/// Picks greedily; each further passage of a document weighs less, neighbours join their group, and
/// what repeats an earlier passage is dropped.
fn diverse(content: &Content, mut rest: Vec<Candidate>, limit: usize) -> Vec<Vec<Candidate>> {
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    let mut seen: Vec<&[u32]> = Vec::new();
    let mut taken: HashMap<&str, i32> = HashMap::new();
    rest.truncate(limit * 8);
    while groups.len() < limit && !rest.is_empty() {
        let weight = |candidate: &Candidate| {
            let path = content.passages.get(candidate.passage as usize).map_or("", |p| &*p.document.path);
            candidate.fused * SAME_DOCUMENT.powi(taken.get(path).copied().unwrap_or(0))
        };
        let best = rest
            .iter()
            .enumerate()
            .max_by(|(at, left), (bt, right)| weight(left).total_cmp(&weight(right)).then(bt.cmp(at)));
        let Some(at) = best.map(|(at, _)| at) else { break };
        let candidate = rest.remove(at);
        let Some(passage) = content.passages.get(candidate.passage as usize) else { continue };
        let words = passage.runs.get_or_init(|| fingerprint(&passage.text));
        if seen.iter().any(|earlier| overlap(earlier, words) >= NEAR_DUPLICATE) {
            continue;
        }
        seen.push(words);
        *taken.entry(&passage.document.path).or_default() += 1;
        if let Some(group) =
            groups.iter_mut().find(|group| group.iter().any(|other| adjacent(content, other, &candidate)))
        {
            group.push(candidate);
        } else {
            groups.push(vec![candidate]);
        }
    }
    groups
}

/// Whether two passages follow each other under one heading of one document.
fn adjacent(content: &Content, left: &Candidate, right: &Candidate) -> bool {
    let get = |candidate: &Candidate| content.passages.get(candidate.passage as usize);
    let (Some(left), Some(right)) = (get(left), get(right)) else { return false };
    Arc::ptr_eq(&left.document, &right.document)
        && left.section == right.section
        && left.position.abs_diff(right.position) == 1
}

fn joined(content: &Content, group: &[Candidate]) -> Option<Passage> {
    let best = group.first()?;
    let mut members: Vec<_> = group.iter().filter_map(|member| content.passages.get(member.passage as usize)).collect();
    members.sort_by_key(|passage| passage.position);
    let texts: Vec<&str> = members.iter().map(|passage| &*passage.text).collect();
    let passage = content.passages.get(best.passage as usize)?;
    Some(content.result(passage, texts.join("\n\n"), best.confidence))
}

/// The words of a passage as sorted numbers, three at a time.
fn fingerprint(text: &str) -> Box<[u32]> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    let mut words = Vec::new();
    text::words(text, |word| {
        let mut hasher = DefaultHasher::new();
        word.hash(&mut hasher);
        words.push(hasher.finish());
    });
    let size = words.len().clamp(1, 3);
    // Odd factors keep the order of the words in the sum.
    let mix = |sum: u64, word: &u64| sum.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(*word);
    // Half of the sum is plenty to tell a few hundred runs apart.
    let run = |run: &[u64]| u32::try_from(run.iter().fold(0, mix) >> 32).unwrap_or_default();
    let mut runs: Vec<u32> = words.windows(size).map(run).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.into_boxed_slice()
}

/// The share of the smaller one's runs that both have.
#[allow(clippy::cast_precision_loss, reason = "a passage has a few hundred words")]
fn overlap(left: &[u32], right: &[u32]) -> f32 {
    let smaller = left.len().min(right.len());
    if smaller == 0 {
        return 0.0;
    }
    let shared = left.iter().filter(|hash| right.binary_search(hash).is_ok()).count();
    shared as f32 / smaller as f32
}
