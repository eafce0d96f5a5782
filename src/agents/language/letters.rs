//! How likely runs of three letters are in each language of Latin script. Small words tell a language best,
//! but short messages may have none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use dovvybuddy_core::Lang;
use hashbrown::HashMap;

use super::LATIN;

const LANGUAGES: usize = LATIN.len();

const WEIGHTS: &str = include_str!("letters.tsv");

/// How far the evidence of one run counts; neighbouring runs share letters and say much the same.
const TRUST: f32 = 0.3;
/// What speaks for English before anything is read: divers of all languages use its words.
const ENGLISH_FIRST: f32 = 4.0;
/// Runs seen less often are left out.
const LEAST_SEEN: u32 = 4;
/// Runs that tell the languages apart less than this are left out.
const LEAST_TELLING: f32 = 0.6;
/// What is added to every count among ten thousand, so that a run never seen excludes no language.
const UNSEEN: f32 = 0.3;

/// The runs with the logarithm of how much likelier they are in each language than on average.
#[derive(Debug, Default)]
pub(super) struct Letters {
    runs: HashMap<&'static str, [f32; LANGUAGES]>,
}

impl Letters {
    /// The runs that are compiled in.
    pub(super) fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<Letters> = OnceLock::new();
        SHIPPED.get_or_init(|| Self::parse(WEIGHTS))
    }

    /// Reads lines of `run<TAB>weight…`, `_` standing for a space.
    fn parse(source: &'static str) -> Self {
        let line = |line: &'static str| {
            let (run, weights) = line.split_once('\t')?;
            let mut row = [0.0; LANGUAGES];
            for (slot, weight) in row.iter_mut().zip(weights.split('\t')) {
                *slot = weight.parse().ok()?;
            }
            Some((run, row))
        };
        Self { runs: source.lines().filter_map(line).collect() }
    }

    /// How likely each language is by its letters alone; together they make 1. Nothing, if no run is known.
    pub(super) fn shares(&self, raw: &str) -> [f32; LANGUAGES] {
        let mut sums = [0.0; LANGUAGES];
        let mut known = false;
        runs(raw, |run| {
            if let Some(row) = self.runs.get(run) {
                known = true;
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
            }
        });
        if !known {
            return sums;
        }
        for (sum, lang) in sums.iter_mut().zip(LATIN) {
            *sum = TRUST * (*sum + if lang == Lang::En { ENGLISH_FIRST } else { 0.0 });
        }
        let highest = sums.iter().copied().fold(f32::MIN, f32::max);
        let likely = sums.map(|sum| (sum - highest).exp());
        let whole: f32 = likely.iter().sum();
        likely.map(|one| one / whole)
    }
}

/// Hands on every run of three letters, `_` for the edge of a word.
fn runs(raw: &str, mut take: impl FnMut(&str)) {
    let mut last = ['_'; 2];
    let mut run = String::new();
    let mut seen = false;
    for c in raw.chars().flat_map(char::to_lowercase).chain([' ']) {
        let c = if c.is_alphabetic() { c } else { '_' };
        if c == '_' && last[1] == '_' {
            continue;
        }
        if seen {
            run.clear();
            run.extend(last.iter().chain([&c]));
            take(&run);
        }
        seen = true;
        last = [last[1], c];
    }
}

/// Counts the runs of labelled messages and returns lines that `Letters::parse` reads.
pub fn fit(messages: &[(Lang, &str)]) -> String {
    let mut counts: BTreeMap<String, [u32; LANGUAGES]> = BTreeMap::new();
    let mut totals = [0u32; LANGUAGES];
    for (lang, text) in messages {
        let Some(at) = LATIN.iter().position(|latin| latin == lang) else { continue };
        runs(text, |run| {
            let row = counts.entry(run.to_owned()).or_default();
            let slots = row.get_mut(at).into_iter().chain(totals.get_mut(at));
            slots.for_each(|slot| *slot += 1);
        });
    }
    let mut out = String::new();
    for (run, counts) in counts.iter().filter(|(_, counts)| counts.iter().sum::<u32>() >= LEAST_SEEN) {
        let row = told(counts, &totals);
        if row.iter().any(|weight| weight.abs() >= LEAST_TELLING) {
            out.push_str(run);
            // Writing to a String can't fail.
            for weight in row {
                let _ = write!(out, "\t{weight:.1}");
            }
            out.push('\n');
        }
    }
    out
}

#[allow(clippy::cast_precision_loss, reason = "counts of letters in some thousand messages")]
fn told(counts: &[u32; LANGUAGES], totals: &[u32; LANGUAGES]) -> [f32; LANGUAGES] {
    let mut row = [0.0; LANGUAGES];
    for (slot, (count, total)) in row.iter_mut().zip(counts.iter().zip(totals)) {
        *slot = (*count as f32 / (*total).max(1) as f32 * 10_000.0 + UNSEEN).ln();
    }
    let mean = row.iter().sum::<f32>() / LANGUAGES as f32;
    row.map(|weight| weight - mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeliest(text: &str) -> Lang {
        let shares = Letters::shipped().shares(text);
        let best = LATIN.iter().zip(shares).max_by(|a, b| a.1.total_cmp(&b.1));
        *best.unwrap().0
    }

    #[test]
    fn letters_tell_what_no_small_word_does() {
        for (lang, text) in [
            (Lang::It, "terrorizza togliere maschera"),
            (Lang::Id, "belajar nyelam murah"),
            (Lang::De, "walhaie beste jahreszeit"),
            (Lang::Pt, "mergulhadores salgada visibilidade"),
        ] {
            assert_eq!(likeliest(text), lang, "{text}");
        }
    }

    #[test]
    fn what_has_no_known_letters_speaks_for_no_language() {
        assert!(Letters::shipped().shares("18 ? 耳").iter().all(|share| *share == 0.0));
    }

    #[test]
    fn runs_know_the_edges_of_words() {
        let mut seen = Vec::new();
        runs("Si, ok!", |run| seen.push(run.to_owned()));
        assert_eq!(seen, ["_si", "si_", "i_o", "_ok", "ok_"]);
    }

    #[test]
    fn a_fit_reads_back() {
        let fitted = fit(&[(Lang::It, "gli gli gli gli"), (Lang::En, "the the the the")]).leak();
        let letters = Letters::parse(fitted);
        let shares = letters.shares("gli");
        assert!(shares.iter().all(|share| *share <= shares[5]), "{shares:?}");
    }
}
