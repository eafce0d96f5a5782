//! Embeddings without a model: texts that share words lie close together.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A unit vector over the words of a text; the same text always gives the same one.
#[allow(clippy::cast_possible_truncation, reason = "the place of a word is a remainder")]
pub(super) fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let mut out = vec![0.0_f32; dimension];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let mut hasher = DefaultHasher::new();
        word.to_lowercase().hash(&mut hasher);
        let hash = hasher.finish();
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        if let Some(place) = out.get_mut((hash >> 1) as usize % dimension) {
            *place += sign;
        }
    }
    let length = out.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in &mut out {
            *x /= length;
        }
    } else if let Some(first) = out.first_mut() {
        *first = 1.0;
    }
    out
}
