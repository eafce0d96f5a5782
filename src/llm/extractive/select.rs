//! Which sentences make the answer, and in what order.

use std::collections::HashSet;

use dovvybuddy_core::knowledge::Passage;

use super::candidates::Candidate;
use super::fit;
use super::kind::Kind;
use super::question::Question;
use super::score::Scores;
use crate::text::terms;

/// The most words of an answer; a sentence that passes it is left out.
const MOST_WORDS: usize = 130;

/// Sentences of one passage that stand together.
pub(crate) type Run = Vec<usize>;

/// One of several questions of a message, with the candidates rated for it.
pub(crate) struct Part {
    pub(crate) question: Question,
    pub(crate) scores: Scores,
}

/// Chooses two to six candidates and orders them: the passage with the best sentence first, source
/// order within a passage.
pub(crate) fn select(
    question: &Question,
    parts: &[Part],
    passages: &[Passage],
    candidates: &[Candidate],
    scores: &Scores,
) -> Vec<Run> {
    let most = match question.kind {
        Kind::Sites => 5,
        kind if kind.wants_a_fact() || matches!(kind, Kind::Allowed | Kind::Requirement | Kind::Definition) => 4,
        _ => 5,
    };
    let mut chosen: Vec<usize> = best_next(question, passages, candidates, scores, &[], 0).into_iter().collect();
    let topic = chosen.first().and_then(|at| candidates.get(*at)).map(|first| first.passage);
    for (number, part) in parts.iter().enumerate() {
        let found = answer_to(part, topic, passages, candidates, &chosen);
        if number == 0 {
            // The whole may read like its second half; what is asked first is answered first.
            chosen.splice(..0, found);
        } else {
            chosen.extend(found);
        }
    }
    for kind in &question.further {
        chosen.extend(part(question, *kind, passages, candidates, scores, &chosen));
    }
    chosen.extend(other_sides(question, passages, candidates, scores, &chosen));
    let most = most.max(chosen.len() + 1);
    let mut words: usize = chosen.iter().map(|at| words_of(candidates, *at)).sum();
    while chosen.len() < most {
        let Some(next) = best_next(question, passages, candidates, scores, &chosen, words) else { break };
        words += words_of(candidates, next);
        chosen.push(next);
    }
    lend_support(candidates, &mut chosen);
    name_the_subject(candidates, &mut chosen);
    if chosen.len() == 1 {
        chosen.extend(companion(candidates, scores, &chosen));
    }
    arrange(candidates, &chosen)
}

/// The sentence for a further part of the question: the best that has its kind of fact, unless what is chosen tells
/// it already. It comes from the documents that answer the first part, or is nearly as good as what does.
fn part(
    question: &Question,
    kind: Kind,
    passages: &[Passage],
    candidates: &[Candidate],
    scores: &Scores,
    chosen: &[usize],
) -> Option<usize> {
    let tells = |at: usize| candidates.get(at).map_or(0.0, |candidate| fit::fit(question, kind, candidate));
    if chosen.iter().any(|at| tells(*at) >= fit::HAS_IT) {
        return None;
    }
    let first = candidates.get(*chosen.first()?)?;
    let source = |candidate: &Candidate| passages.get(candidate.passage).map(|passage| passage.source.as_str());
    let own = |at: usize| scores.relevance.get(at).copied().unwrap_or(0.0);
    // What a sentence gains for the first part's kind of fact says nothing of this one.
    let value = |at: usize, candidate: &Candidate| own(at) - fit::fit(question, question.kind, candidate) + tells(at);
    let least = |candidate: &Candidate| if source(candidate) == source(first) { 0.0 } else { NEARLY };
    let best = own(*chosen.first()?);
    candidates
        .iter()
        .enumerate()
        .filter(|(at, candidate)| {
            !chosen.contains(at) && tells(*at) >= FOR_A_PART && !repeats(candidates, chosen, candidate)
        })
        .filter(|(at, _)| !scores.beside.get(*at).copied().unwrap_or(false))
        .map(|(at, candidate)| (at, value(at, candidate), least(candidate)))
        .filter(|(_, value, share)| *value >= best * share)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(at, ..)| at)
}

/// For each thing compared of which nothing is said yet, the best sentence on it.
fn other_sides(
    question: &Question,
    passages: &[Passage],
    candidates: &[Candidate],
    scores: &Scores,
    chosen: &[usize],
) -> Vec<usize> {
    let about = |candidate: &Candidate, side: &HashSet<String>| {
        let heading =
            passages.get(candidate.passage).map(|passage| terms::term_set(&passage.title)).unwrap_or_default();
        side.iter().any(|term| candidate.terms.contains(term) || heading.contains(term))
    };
    let value = |at: usize| scores.relevance.get(at).copied().unwrap_or(0.0);
    let missing = question
        .sides
        .iter()
        .filter(|side| !chosen.iter().filter_map(|at| candidates.get(*at)).any(|candidate| about(candidate, side)));
    missing
        .filter_map(|side| {
            let own = candidates.iter().enumerate().filter(|(_, candidate)| about(candidate, side));
            own.map(|(at, _)| at).max_by(|a, b| value(*a).total_cmp(&value(*b)))
        })
        .collect()
}

/// The sentence that answers one of several questions. One of the document that answers the whole best is
/// likelier to speak of the same.
fn answer_to(
    part: &Part,
    topic: Option<usize>,
    passages: &[Passage],
    candidates: &[Candidate],
    chosen: &[usize],
) -> Option<usize> {
    let Part { question, scores } = part;
    let source = |passage: usize| passages.get(passage).map(|passage| passage.source.as_str());
    let of_topic = |candidate: &Candidate| topic.is_some_and(|topic| source(topic) == source(candidate.passage));
    let fits = |candidate: &Candidate| fit::fit(question, question.kind, candidate) >= fit::HAS_IT;
    let answers = |at: usize, candidate: &Candidate| {
        let coverage = scores.coverage.get(at).copied().unwrap_or(0.0);
        coverage >= if fits(candidate) && of_topic(candidate) { 0.0 } else { PART_COVERED }
    };
    let value = |at: usize, candidate: &Candidate| {
        let own = scores.relevance.get(at).copied().unwrap_or(0.0);
        own + if of_topic(candidate) { SAME_SOURCE } else { 0.0 }
    };
    let mut found: Vec<(usize, f32)> = candidates
        .iter()
        .enumerate()
        .filter(|(at, candidate)| answers(*at, candidate))
        .map(|(at, candidate)| (at, value(at, candidate)))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    let told =
        |at: usize| chosen.contains(&at) || candidates.get(at).is_none_or(|own| repeats(candidates, chosen, own));
    let (best, most) = *found.first()?;
    if !told(best) {
        return Some(best);
    }
    if candidates.get(best).is_some_and(fits) {
        return None;
    }
    // What was chosen for another question only shares this one's words; the next may answer it.
    let coverage = |at: usize| scores.coverage.get(at).copied().unwrap_or(0.0);
    let next = found.iter().skip(1).find(|(at, _)| !told(*at))?;
    (next.1 >= most * NEXT && coverage(next.0) >= coverage(best) * NEXT).then_some(next.0)
}

/// The share of the best sentence's worth that the next one must have to stand for it.
const NEXT: f32 = 0.8;

/// How much of such a question's words a sentence and its headings must hold.
const PART_COVERED: f32 = 0.3;

/// What a sentence gains for standing in the document that answers the whole.
const SAME_SOURCE: f32 = 0.25;

/// What a sentence for a further part of the question must have of its kind of fact.
const FOR_A_PART: f32 = 0.15;

/// The share of the first part's value that a sentence of another document must have.
const NEARLY: f32 = 0.7;

fn words_of(candidates: &[Candidate], at: usize) -> usize {
    candidates.get(at).map_or(0, |c| c.words)
}

fn best_next(
    question: &Question,
    passages: &[Passage],
    candidates: &[Candidate],
    scores: &Scores,
    chosen: &[usize],
    words: usize,
) -> Option<usize> {
    let first = chosen.first().and_then(|at| scores.relevance.get(*at)).copied();
    let beside = |at: usize| scores.beside.get(at).copied().unwrap_or(false);
    let on_subject = chosen.first().is_some_and(|at| !beside(*at));
    let value = |at: usize, candidate: &Candidate| -> f32 {
        let own = scores.relevance.get(at).copied().unwrap_or(0.0);
        let alike = chosen
            .iter()
            .filter_map(|c| candidates.get(*c))
            .map(|c| terms::likeness(&c.terms, &candidate.terms))
            .fold(0.0, f32::max);
        let follows = chosen
            .iter()
            .filter_map(|c| candidates.get(*c))
            .any(|c| c.passage == candidate.passage && c.place + 1 == candidate.place);
        let together = chosen.first().and_then(|c| candidates.get(*c)).is_some_and(|c| c.passage == candidate.passage);
        own - alike * 0.8
            + gain(scores, chosen, at) * if together { 0.6 } else { 0.4 }
            + if follows { 0.14 } else { 0.0 }
            + if together { 0.08 } else { 0.0 }
    };
    let (at, value) = candidates
        .iter()
        .enumerate()
        .filter(|(at, c)| !chosen.contains(at) && (chosen.is_empty() || words + c.words <= MOST_WORDS))
        .filter(|(at, c)| !(repeats(candidates, chosen, c) || on_subject && beside(*at)))
        .filter(|(at, _)| chosen.is_empty() || is_of_the_subject(question, passages, candidates, scores, chosen, *at))
        .map(|(at, c)| (at, value(at, c)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    // What comes after the best sentence has to be worth reading beside it, the more so from elsewhere.
    let source = |at: usize| candidates.get(at).and_then(|c| passages.get(c.passage)).map(|p| p.source.as_str());
    let same = chosen.first().is_some_and(|opening| source(*opening) == source(at));
    let share = match (same, question.kind) {
        (true, _) => 0.5,
        (false, Kind::Comparison | Kind::Open | Kind::Where | Kind::Sites) => 0.58,
        (false, _) => 0.68,
    };
    let trust = |at: usize| scores.trust.get(at).copied().unwrap_or(0.0) * TRUST_APART;
    let opening = chosen.first().zip(first).map(|(at, first)| first - trust(*at));
    let enough = opening.is_none_or(|opening| value - trust(at) >= (opening * share).max(LEAST_WORTH));
    enough.then_some(at)
}

/// The share of the trust in a passage that is left aside where a further sentence is weighed: it says which passage
/// answers, and only half as much that more of it is worth reading.
const TRUST_APART: f32 = 0.5;

/// What a further sentence must be worth at the least.
const LEAST_WORTH: f32 = 0.4;

/// Whether a sentence of another document has about as much of the question as the opening has. One word that two
/// subjects share makes no answer of the other's sentence.
fn is_of_the_subject(
    question: &Question,
    passages: &[Passage],
    candidates: &[Candidate],
    scores: &Scores,
    chosen: &[usize],
    at: usize,
) -> bool {
    let source = |at: usize| candidates.get(at).and_then(|c| passages.get(c.passage)).map(|p| p.source.as_str());
    let Some(opening) = chosen.first().copied() else { return true };
    let wide = matches!(question.kind, Kind::Comparison | Kind::Sites | Kind::Where);
    let coverage = |at: usize| scores.coverage.get(at).copied().unwrap_or(0.0);
    wide || source(opening) == source(at) || coverage(at) >= coverage(opening) * AS_MUCH
}

/// The share of what the opening has of the question.
const AS_MUCH: f32 = 0.4;

fn repeats(candidates: &[Candidate], chosen: &[usize], candidate: &Candidate) -> bool {
    chosen.iter().filter_map(|c| candidates.get(*c)).any(|c| terms::likeness(&c.terms, &candidate.terms) > 0.7)
}

/// Question terms that only this candidate would add.
fn gain(scores: &Scores, chosen: &[usize], at: usize) -> f32 {
    let Some(held) = scores.held.get(at) else { return 0.0 };
    if chosen.is_empty() {
        return 0.0;
    }
    let of =
        |candidate: usize, term: usize| scores.held.get(candidate).and_then(|h| h.get(term)).copied().unwrap_or(0.0);
    let terms = scores.weights.iter().zip(held).enumerate();
    terms
        .map(|(term, (weight, own))| weight * (own - chosen.iter().map(|c| of(*c, term)).fold(0.0, f32::max)).max(0.0))
        .sum()
}

/// A sentence that leans on the one before it brings that one along.
fn lend_support(candidates: &[Candidate], chosen: &mut Vec<usize>) {
    let leaning: Vec<usize> =
        chosen.iter().copied().filter(|at| candidates.get(*at).is_some_and(|c| c.leans && c.place > 0)).collect();
    for at in leaning {
        let Some(before) = at.checked_sub(1) else { continue };
        if !chosen.contains(&before) && chosen.len() < 6 {
            chosen.push(before);
        }
    }
}

/// An opening that speaks of "the course" gets the sentence that names it.
fn name_the_subject(candidates: &[Candidate], chosen: &mut Vec<usize>) {
    let opening = chosen.first().copied().filter(|at| candidates.get(*at).is_some_and(|c| c.refers));
    let named = opening.and_then(|at| at.checked_sub(1)).filter(|before| chosen.len() < 6 && !chosen.contains(before));
    chosen.extend(named);
}

/// The sentence after the only chosen one, or the next best of all.
fn companion(candidates: &[Candidate], scores: &Scores, chosen: &[usize]) -> Option<usize> {
    let only = *chosen.first()?;
    let here = candidates.get(only)?;
    let fits = |at: usize| {
        let other = candidates.get(at)?;
        (other.passage == here.passage && !repeats(candidates, chosen, other)).then_some(at)
    };
    let after = fits(only + 1);
    let before = || only.checked_sub(1).and_then(fits);
    let coverage = |at: &usize| scores.coverage.get(*at).is_some_and(|c| *c >= 0.2);
    after.filter(coverage).or_else(|| before().filter(coverage)).or(after)
}

/// The passage with the best sentence first. That sentence opens the answer, what it leans on before
/// it; then what follows it in its passage, then what stood before.
fn arrange(candidates: &[Candidate], chosen: &[usize]) -> Vec<Run> {
    let mut passages: Vec<usize> = Vec::new();
    for candidate in chosen.iter().filter_map(|at| candidates.get(*at)) {
        if !passages.contains(&candidate.passage) {
            passages.push(candidate.passage);
        }
    }
    let of = |passage: usize| {
        let mut run: Run =
            chosen.iter().copied().filter(|at| candidates.get(*at).is_some_and(|c| c.passage == passage)).collect();
        let mut opening = run.first().copied().unwrap_or(0);
        while candidates.get(opening).is_some_and(|c| c.leans || c.refers)
            && opening > 0
            && run.contains(&(opening - 1))
        {
            opening -= 1;
        }
        run.sort_unstable();
        let turn = run.iter().position(|at| *at == opening).unwrap_or(0);
        run.rotate_left(turn);
        run
    };
    passages.into_iter().map(of).collect()
}
