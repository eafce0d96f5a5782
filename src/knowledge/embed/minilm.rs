//! all-MiniLM-L6-v2: a six-layer BERT with mean pooling.
//!
//! The matrix products are candle's. Texts of a batch are packed one after the other without padding,
//! so that no work goes into padding; what stands between the products is in [`super::kernels`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{CpuStorage, CustomOp1, DType, Device, InplaceOp1, InplaceOp2, Layout, Shape, Tensor};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationParams};

use super::kernels;
use super::model_files::{ModelError, TOKENIZER, WEIGHTS};
use super::{EmbedError, MODEL_SHA256};

/// Tokens of a text beyond these are not read.
pub(crate) const MOST_TOKENS: usize = 256;
/// A safetensors header is never near this long.
const LONGEST_HEADER: u64 = 4 * 1024 * 1024;

/// The model, ready to compute.
pub struct MiniLm {
    tokenizer: Tokenizer,
    /// Half precision: the table is half of the model's memory, and its rows are normalised anyway.
    words: Tensor,
    /// The positions' vectors with the one token type's added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<LayerWeights>,
}

struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

struct Linear {
    /// Inputs by outputs.
    weight: Tensor,
    bias: Vec<f32>,
}

struct LayerWeights {
    qkv: Linear,
    joined: Linear,
    norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

impl MiniLm {
    /// The tokens of a text, the special ones included.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding =
            self.tokenizer.encode_fast(text, true).map_err(|error| EmbedError::Compute(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// One vector of length 1 per text.
    pub fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.forward(texts).map_err(|error| EmbedError::Compute(error.to_string()))
    }

    fn forward(&self, texts: &[Vec<u32>]) -> candle_core::Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len().min(MOST_TOKENS)).collect();
        let ids: Vec<u32> = texts.iter().flat_map(|text| text.iter().take(MOST_TOKENS).copied()).collect();
        if ids.is_empty() {
            return Ok(texts.iter().map(|_| vec![0.0; self.norm.gamma.len()]).collect());
        }
        let count = ids.len();
        let ids = Tensor::from_vec(ids, count, &Device::Cpu)?;
        let mut hidden = self.words.index_select(&ids, 0)?.to_dtype(DType::F32)?;
        hidden.inplace_op1(&InPlace(|rows: &mut [f32]| {
            kernels::position_norm(rows, &lengths, &self.positions, &self.norm.gamma, &self.norm.beta);
        }))?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, &lengths)?;
        }
        let rows = hidden.flatten_all()?.to_vec1::<f32>()?;
        Ok(kernels::mean_pool(&rows, &lengths, self.norm.gamma.len()))
    }
}

impl LayerWeights {
    fn forward(&self, hidden: &Tensor, lengths: &[usize]) -> candle_core::Result<Tensor> {
        let qkv = hidden.matmul(&self.qkv.weight)?;
        let joined = qkv.apply_op1_no_bwd(&Attention { bias: &self.qkv.bias, lengths })?;
        let attended = joined.matmul(&self.joined.weight)?;
        attended.inplace_op2(hidden, &self.norm.after(&self.joined.bias))?;
        let wide = attended.matmul(&self.up.weight)?;
        wide.inplace_op1(&InPlace(|rows: &mut [f32]| kernels::bias_gelu(rows, &self.up.bias)))?;
        let narrow = wide.matmul(&self.down.weight)?;
        narrow.inplace_op2(&attended, &self.output_norm.after(&self.down.bias))?;
        Ok(narrow)
    }
}

impl Norm {
    fn after<'a>(&'a self, bias: &'a [f32]) -> ResidualNorm<'a> {
        ResidualNorm { bias, norm: self }
    }
}

// --- candle's operations in terms of plain slices ----------------------------------------------------

struct InPlace<F>(F);

impl<F: Fn(&mut [f32])> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "rows in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        (self.0)(rows_mut(storage, layout)?);
        Ok(())
    }
}

struct ResidualNorm<'a> {
    bias: &'a [f32],
    norm: &'a Norm,
}

impl InplaceOp2 for ResidualNorm<'_> {
    fn name(&self) -> &'static str {
        "residual and norm"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> candle_core::Result<()> {
        kernels::residual_norm(rows_mut(s1, l1)?, self.bias, rows(s2, l2)?, &self.norm.gamma, &self.norm.beta);
        Ok(())
    }
}

struct Attention<'a> {
    bias: &'a [f32],
    lengths: &'a [usize],
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let mut qkv = rows(storage, layout)?.to_vec();
        let joined = kernels::attention(&mut qkv, self.bias, self.lengths);
        let width = self.bias.len() / 3;
        let shape = Shape::from((joined.len() / width.max(1), width));
        Ok((CpuStorage::F32(joined), shape))
    }
}

fn rows<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (from, to) = contiguous(layout)?;
    storage.as_slice::<f32>()?.get(from..to).ok_or_else(out_of_bounds)
}

fn rows_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> candle_core::Result<&'a mut [f32]> {
    let (from, to) = contiguous(layout)?;
    match storage {
        CpuStorage::F32(numbers) => numbers.get_mut(from..to).ok_or_else(out_of_bounds),
        _ => Err(candle_core::Error::Msg("the tensor is not f32".to_owned())),
    }
}

fn contiguous(layout: &Layout) -> candle_core::Result<(usize, usize)> {
    layout.contiguous_offsets().ok_or_else(|| candle_core::Error::Msg("the tensor is not contiguous".to_owned()))
}

fn out_of_bounds() -> candle_core::Error {
    candle_core::Error::Msg("the tensor is shorter than its layout".to_owned())
}

// --- loading -----------------------------------------------------------------------------------------

/// Loads the model from its directory, verifying the weights' checksum on the way. Blocking.
pub fn load(directory: &Path) -> Result<MiniLm, ModelError> {
    let tokenizer = load_tokenizer(&directory.join(TOKENIZER))?;
    let file = directory.join(WEIGHTS);
    let mut tensors = read_tensors(&file)?;
    assemble(tokenizer, &mut tensors).map_err(|error| ModelError::Broken { file, message: error.to_string() })
}

fn load_tokenizer(file: &Path) -> Result<Tokenizer, ModelError> {
    if !file.is_file() {
        return Err(ModelError::Missing(file.to_owned()));
    }
    let broken = |message: String| ModelError::Broken { file: file.to_owned(), message };
    let mut tokenizer = Tokenizer::from_file(file).map_err(|error| broken(error.to_string()))?;
    let truncation = TruncationParams { max_length: MOST_TOKENS, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| broken(error.to_string()))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

#[derive(Deserialize)]
struct TensorHeader {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Reads the tensors one after the other, so that the file never stands in memory beside them.
fn read_tensors(file: &Path) -> Result<HashMap<String, Tensor>, ModelError> {
    let broken = |message: String| ModelError::Broken { file: file.to_owned(), message };
    let unreadable = |source| ModelError::Unreadable { file: file.to_owned(), source };
    if !file.is_file() {
        return Err(ModelError::Missing(file.to_owned()));
    }
    let mut reader = Hashing {
        inner: BufReader::with_capacity(1 << 20, File::open(file).map_err(unreadable)?),
        hasher: Sha256::new(),
    };
    let mut length = [0_u8; 8];
    reader.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return Err(broken("the header is too long: this is no safetensors file".to_owned()));
    }
    let mut header = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut header).map_err(unreadable)?;
    let header: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|error| broken(error.to_string()))?;
    let mut entries: Vec<(String, TensorHeader)> = Vec::new();
    for (name, value) in header {
        if name != "__metadata__" {
            entries.push((name, serde_json::from_value(value).map_err(|error| broken(error.to_string()))?));
        }
    }
    entries.sort_by_key(|(_, entry)| entry.data_offsets.0);
    let mut tensors = HashMap::new();
    for (name, entry) in entries {
        let size = entry.data_offsets.1.saturating_sub(entry.data_offsets.0);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).min(1 << 26));
        reader.by_ref().take(size).read_to_end(&mut bytes).map_err(unreadable)?;
        if entry.dtype == "F32" {
            let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
            let tensor =
                Tensor::from_vec(numbers, entry.shape, &Device::Cpu).map_err(|error| broken(error.to_string()))?;
            tensors.insert(name, tensor);
        }
    }
    let found = crate::digest::hex(&reader.hasher.finalize());
    if found != MODEL_SHA256 {
        return Err(ModelError::Checksum { file: file.to_owned(), found });
    }
    Ok(tensors)
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn assemble(tokenizer: Tokenizer, tensors: &mut HashMap<String, Tensor>) -> candle_core::Result<MiniLm> {
    let words = take(tensors, "embeddings.word_embeddings.weight")?.to_dtype(DType::F16)?;
    let positions = take(tensors, "embeddings.position_embeddings.weight")?.narrow(0, 0, MOST_TOKENS)?;
    let token_type = take(tensors, "embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
    let positions = positions.broadcast_add(&token_type)?.flatten_all()?.to_vec1()?;
    let norm = take_norm(tensors, "embeddings.LayerNorm")?;
    let layers = (0..6).map(|number| take_layer(tensors, number)).collect::<Result<_, _>>()?;
    Ok(MiniLm { tokenizer, words, positions, norm, layers })
}

fn take_layer(tensors: &mut HashMap<String, Tensor>, number: usize) -> candle_core::Result<LayerWeights> {
    let name = |part: &str| format!("encoder.layer.{number}.{part}");
    let mut parts = Vec::new();
    let mut bias = Vec::new();
    for part in ["query", "key", "value"] {
        parts.push(take(tensors, &name(&format!("attention.self.{part}.weight")))?);
        bias.extend(take(tensors, &name(&format!("attention.self.{part}.bias")))?.to_vec1::<f32>()?);
    }
    let qkv = Linear { weight: Tensor::cat(&parts, 0)?.t()?.contiguous()?, bias };
    Ok(LayerWeights {
        qkv,
        joined: take_linear(tensors, &name("attention.output.dense"))?,
        norm: take_norm(tensors, &name("attention.output.LayerNorm"))?,
        up: take_linear(tensors, &name("intermediate.dense"))?,
        down: take_linear(tensors, &name("output.dense"))?,
        output_norm: take_norm(tensors, &name("output.LayerNorm"))?,
    })
}

fn take_linear(tensors: &mut HashMap<String, Tensor>, name: &str) -> candle_core::Result<Linear> {
    let weight = take(tensors, &format!("{name}.weight"))?.t()?.contiguous()?;
    Ok(Linear { weight, bias: take(tensors, &format!("{name}.bias"))?.to_vec1()? })
}

fn take_norm(tensors: &mut HashMap<String, Tensor>, name: &str) -> candle_core::Result<Norm> {
    let gamma = take(tensors, &format!("{name}.weight"))?.to_vec1()?;
    Ok(Norm { gamma, beta: take(tensors, &format!("{name}.bias"))?.to_vec1()? })
}

fn take(tensors: &mut HashMap<String, Tensor>, name: &str) -> candle_core::Result<Tensor> {
    tensors.remove(name).ok_or_else(|| candle_core::Error::Msg(format!("the tensor `{name}` is missing")))
}
