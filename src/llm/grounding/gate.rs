//! The gate between a model's stream and the diver.

use super::{Fault, Grounding};
use crate::text::quantities;
use crate::text::sentences::{Gap, Segmenter, Sentence};
use crate::text::terms::Terms;
use crate::writer::Writer;

/// A repeated sentence shares this much of its words with one that was released.
const REPEATED: f32 = 0.85;

/// Lets whole, supported sentences of one model's answer through.
pub(crate) struct Gate<'g> {
    grounding: &'g Grounding<'g>,
    segmenter: Segmenter,
    opening: Option<&'g str>,
    /// A lead-in waits for something that follows it.
    lead_in: Option<(Gap, String)>,
    gap: Gap,
    /// The sentences that other models released before.
    earlier: Vec<Said>,
    released: usize,
    dropped: usize,
}

struct Said {
    terms: Terms,
    values: Vec<f64>,
}

impl Said {
    fn of(text: &str) -> Self {
        let values = quantities::quantities(&crate::text::marks::strip(text)).iter().map(|q| q.value).collect();
        Self { terms: Terms::of(&crate::text::marks::strip(text)), values }
    }
}

impl<'g> Gate<'g> {
    /// A gate for a model that begins where `said` ended; `opening` stands before the first words.
    pub(crate) fn new(grounding: &'g Grounding<'g>, said: &str, opening: Option<&'g str>) -> Self {
        let earlier = crate::text::sentences::split(said).iter().map(|s| Said::of(&s.text)).collect();
        Self {
            grounding,
            segmenter: Segmenter::default(),
            opening: opening.filter(|_| said.is_empty()),
            lead_in: None,
            gap: if said.is_empty() { Gap::None } else { Gap::Space },
            earlier,
            released: 0,
            dropped: 0,
        }
    }

    /// Takes a piece of the stream and releases what is whole and may be said.
    pub(crate) fn push(&mut self, piece: &str, writer: &mut Writer<'_>) {
        self.segmenter.push(piece);
        while let Some(sentence) = self.segmenter.next() {
            self.pass(&sentence, writer);
        }
    }

    /// The stream is over. With `whole` its last words are a sentence, else they are left out.
    pub(crate) fn finish(&mut self, whole: bool, writer: &mut Writer<'_>) {
        if whole {
            for sentence in self.segmenter.finish() {
                self.pass(&sentence, writer);
            }
        }
    }

    /// How many sentences were released.
    pub(crate) const fn released(&self) -> usize {
        self.released
    }

    /// How many were held back.
    pub(crate) const fn dropped(&self) -> usize {
        self.dropped
    }

    fn pass(&mut self, sentence: &Sentence, writer: &mut Writer<'_>) {
        let gap = self.gap.max(sentence.gap);
        match self.check(&sentence.text) {
            Ok(checked) if checked.leads_in => {
                self.lead_in = Some((gap, checked.text));
                self.gap = Gap::None;
            }
            Ok(checked) => {
                if let Some(opening) = self.opening.take() {
                    writer.write(Gap::None, opening);
                    self.gap = Gap::Paragraph;
                }
                let (mut gap, mut after) = (self.gap.max(gap), None);
                if let Some((before, lead_in)) = self.lead_in.take() {
                    after = Some(gap);
                    gap = self.gap.max(before);
                    writer.write(gap, &lead_in);
                }
                writer.write(after.unwrap_or(gap), &checked.text);
                self.released += 1;
                self.gap = Gap::None;
            }
            Err(fault) => {
                // What stood apart stays apart although a sentence between went.
                self.gap = gap;
                self.dropped += 1;
                metrics::counter!("dovvybuddy_model_sentences_dropped_total", "reason" => fault.as_str()).increment(1);
                tracing::debug!(reason = fault.as_str(), "a model's sentence was held back");
            }
        }
    }

    fn check(&self, text: &str) -> Result<super::Checked, Fault> {
        let checked = self.grounding.check(text)?;
        if self.earlier.is_empty() {
            return Ok(checked);
        }
        let said = Said::of(&checked.text);
        let repeats = |earlier: &Said| {
            !said.terms.is_empty()
                && said.terms.share(|term| earlier.terms.contains(term)) >= REPEATED
                && said.values.iter().all(|value| earlier.values.contains(value))
        };
        if self.earlier.iter().any(repeats) { Err(Fault::Repeated) } else { Ok(checked) }
    }
}
