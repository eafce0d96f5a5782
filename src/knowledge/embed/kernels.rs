//! The loops between the matrix products, written so that the compiler turns them into SIMD for the
//! processor at hand.

#![allow(
    clippy::inline_always,
    reason = "code is compiled for the processor only where it is inlined into the dispatch"
)]

use pulp::Arch;

/// Numbers per step of a loop; the compiler keeps each step in registers.
const LANES: usize = 16;
/// Numbers per attention head.
pub(crate) const HEAD: usize = 32;

/// Adds `bias` to each row and applies the exact GELU.
pub(crate) fn bias_gelu(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (x, b) in row.iter_mut().zip(bias) {
                    *x = gelu(*x + b);
                }
            }
        },
    );
}

/// Each row plus `bias` plus the row of `residual`, normalised over the row.
pub(crate) fn residual_norm(rows: &mut [f32], bias: &[f32], residual: &[f32], gamma: &[f32], beta: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = bias.len();
            for (row, before) in rows.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
                for ((x, b), r) in row.iter_mut().zip(bias).zip(before) {
                    *x += b + r;
                }
                norm(row, gamma, beta);
            }
        },
    );
}

/// Each row plus the positions' row, from the first position anew for each text, normalised.
pub(crate) fn position_norm(rows: &mut [f32], lengths: &[usize], positions: &[f32], gamma: &[f32], beta: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = gamma.len();
            let mut rest = rows;
            for length in lengths {
                let (text, later) = rest.split_at_mut((length * width).min(rest.len()));
                for (row, position) in text.chunks_exact_mut(width).zip(positions.chunks_exact(width)) {
                    for (x, p) in row.iter_mut().zip(position) {
                        *x += p;
                    }
                    norm(row, gamma, beta);
                }
                rest = later;
            }
        },
    );
}

/// Multi-head attention over texts that stand one after the other. A row of `qkv` holds a token's
/// query, key and value; `bias` is added to it. Returns the heads' results joined per token.
pub(crate) fn attention(qkv: &mut [f32], bias: &[f32], lengths: &[usize]) -> Vec<f32> {
    let width = bias.len() / 3;
    let mut joined = vec![0.0; qkv.len() / 3];
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in qkv.chunks_exact_mut(width * 3) {
                for (x, b) in row.iter_mut().zip(bias) {
                    *x += b;
                }
            }
            let mut tokens: &[f32] = qkv;
            let mut results: &mut [f32] = &mut joined;
            for length in lengths {
                let (text, later) = tokens.split_at((length * width * 3).min(tokens.len()));
                let (result, rest) = results.split_at_mut((length * width).min(results.len()));
                for head in 0..width / HEAD {
                    attend(text, result, *length, width, head);
                }
                (tokens, results) = (later, rest);
            }
        },
    );
    joined
}

/// One head over one text.
#[inline(always)]
fn attend(text: &[f32], result: &mut [f32], length: usize, width: usize, head: usize) {
    let part = |row: &[f32], which: usize| -> [f32; HEAD] {
        let from = which * width + head * HEAD;
        row.get(from..from + HEAD).and_then(|part| part.try_into().ok()).unwrap_or([0.0; HEAD])
    };
    // Keys stand transposed, so that one query meets all of them side by side.
    let mut keys = vec![0.0_f32; length * HEAD];
    let mut values: Vec<[f32; HEAD]> = Vec::with_capacity(length);
    for (at, row) in text.chunks_exact(width * 3).enumerate() {
        for (slot, x) in keys.iter_mut().skip(at).step_by(length).zip(part(row, 1)) {
            *slot = x;
        }
        values.push(part(row, 2));
    }
    let scale = 1.0 / 32.0_f32.sqrt();
    let mut weights = vec![0.0_f32; length];
    for (row, joined) in text.chunks_exact(width * 3).zip(result.chunks_exact_mut(width)) {
        weights.fill(0.0);
        for (q, column) in part(row, 0).iter().zip(keys.chunks_exact(length)) {
            let q = q * scale;
            for (weight, k) in weights.iter_mut().zip(column) {
                *weight += q * k;
            }
        }
        softmax(&mut weights);
        let mut sum = [0.0_f32; HEAD];
        for (weight, value) in weights.iter().zip(&values) {
            for (s, v) in sum.iter_mut().zip(value) {
                *s += weight * v;
            }
        }
        if let Some(slot) = joined.get_mut(head * HEAD..(head + 1) * HEAD) {
            slot.copy_from_slice(&sum);
        }
    }
}

/// The mean of each text's rows, scaled to length 1.
pub(crate) fn mean_pool(rows: &[f32], lengths: &[usize], width: usize) -> Vec<Vec<f32>> {
    let mut rest = rows;
    let mut pooled = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (text, later) = rest.split_at((length * width).min(rest.len()));
        let mut mean = vec![0.0; width];
        for row in text.chunks_exact(width) {
            for (m, x) in mean.iter_mut().zip(row) {
                *m += x;
            }
        }
        super::normalise(&mut mean);
        pooled.push(mean);
        rest = later;
    }
    pooled
}

#[inline(always)]
fn norm(row: &mut [f32], gamma: &[f32], beta: &[f32]) {
    const EPSILON: f32 = 1e-12;
    #[allow(clippy::cast_precision_loss, reason = "a row has a few hundred numbers")]
    let count = row.len() as f32;
    let mean = sum(row, |x| x) / count;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / count;
    let scale = 1.0 / (variance + EPSILON).sqrt();
    for ((x, g), b) in row.iter_mut().zip(gamma).zip(beta) {
        *x = (*x - mean) * scale * g + b;
    }
}

/// A sum in parallel lanes; the order of additions is what lets it be vectorised.
#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (steps, rest) = row.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for step in steps {
        for (lane, x) in lanes.iter_mut().zip(step) {
            *lane += of(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| of(*x)).sum::<f32>()
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::MIN, f32::max);
    for x in row.iter_mut() {
        *x = exp(*x - largest);
    }
    let scale = 1.0 / sum(row, |x| x);
    for x in row.iter_mut() {
        *x *= scale;
    }
}

/// `x · Φ(x)`; the error function after Abramowitz and Stegun 7.1.26, true to 2·10⁻⁷.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x * std::f32::consts::FRAC_1_SQRT_2;
    let magnitude = z.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
    let series = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let erf = (1.0 - series * exp(-magnitude * magnitude)).copysign(z);
    0.5 * x * (1.0 + erf)
}

/// The exponential of a number that is not above 0, true to a few units in the last place.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the exponent is clamped to what f32 can hold")]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to a whole number
    let scaled = x.max(-87.0) * std::f32::consts::LOG2_E;
    let whole = (scaled + ROUND) - ROUND;
    let part = (scaled - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + part
            * (1.0
                + part
                    * (0.5
                        + part
                            * (0.166_666_67 + part * (0.041_666_668 + part * (0.008_333_334 + part * 0.001_388_889)))));
    // The bits of a power of two are its exponent alone.
    let power = f32::from_bits((whole as i32 + 127).cast_unsigned() << 23);
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_gelu_agree_with_their_definitions() {
        for step in -2_000..=0_i16 {
            let x = f32::from(step) / 100.0;
            assert!((exp(x) - x.exp()).abs() <= 1e-6 * x.exp().max(1e-6), "{x}");
        }
        // Φ(1) and Φ(-2) from tables.
        assert!((gelu(1.0) - 0.841_344_8).abs() < 1e-6);
        assert!((gelu(-2.0) + 2.0 * 0.022_750_13).abs() < 1e-6);
        assert!(gelu(0.0).abs() < 1e-9);
    }

    #[test]
    fn a_normalised_row_has_mean_0_and_variance_1() {
        let mut row: Vec<f32> = (0..40_u8).map(|x| f32::from(x) * 3.0).collect();
        norm(&mut row, &[1.0; 40], &[0.0; 40]);
        let mean = row.iter().sum::<f32>() / 40.0;
        let variance = row.iter().map(|x| x * x).sum::<f32>() / 40.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4);
    }

    #[test]
    fn attention_of_one_token_is_its_value() {
        let mut qkv: Vec<f32> = (0..96_u8).map(f32::from).collect();
        let bias = vec![1.0; 96];
        let joined = attention(&mut qkv, &bias, &[1]);
        let expected: Vec<f32> = (64..96_u8).map(|x| f32::from(x) + 1.0).collect();
        assert_eq!(joined, expected);
    }

    #[test]
    fn texts_in_a_batch_do_not_see_each_other() {
        let rows: Vec<f32> = (0..96 * 5_u16).map(|x| f32::from(x % 17) / 10.0).collect();
        let bias = vec![0.1; 96];
        let together = attention(&mut rows.clone(), &bias, &[2, 3]);
        let alone = attention(&mut rows[96 * 2..].to_vec(), &bias, &[3]);
        assert_eq!(together[64..], alone);
    }
}
