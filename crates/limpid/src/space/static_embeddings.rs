//! Static embeddings in the format of model2vec: a matrix with a vector per token, and a tokenizer.
//!
//! The vector of a text is the mean of those of its known tokens, of length one (Tulkens and van Dongen, "Model2Vec: Fast
//! State-of-the-Art Static Embeddings", 2024, <https://github.com/MinishLab/model2vec>). Read are `model.safetensors`
//! (the array `embeddings`, in single or half precision) and `tokenizer.json` (WordPiece or Unigram), and, if it is there,
//! `normalize` in `config.json`.

use std::fs;
use std::path::Path;

use limpid_core::Embedder;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use super::tokens::Tokenizer;
use crate::npy::half;
use crate::{Error, Result, small_file};

/// The largest file that is read.
const MOST_BYTES: u64 = 4 << 30;

/// The most tokens of a text that are read.
const MOST_TOKENS: usize = 512;

/// A vector per token.
pub(super) struct StaticEmbeddings {
    name: String,
    width: usize,
    /// `(tokens, width)`.
    vectors: Vec<f32>,
    tokenizer: Tokenizer,
    normalize: bool,
}

impl StaticEmbeddings {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// [`Error::Io`] for a missing file, [`Error::Artifact`] for one that does not follow the format.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let json = large(&path)?;
        let tokenizer = Tokenizer::parse(&json).map_err(|why| Error::artifact(&path, why))?;
        let path = folder.join("model.safetensors");
        let bytes = large(&path)?;
        let refuse = |why: String| Error::artifact(&path, why);
        let arrays = SafeTensors::deserialize(&bytes).map_err(|e| refuse(e.to_string()))?;
        let array = arrays.tensor("embeddings").map_err(|_| {
            refuse("has no array 'embeddings', as static embeddings have".to_owned())
        })?;
        let &[tokens, width] = array.shape() else {
            let shape = array.shape();
            return Err(refuse(format!(
                "'embeddings' must be a matrix, but has shape {shape:?}"
            )));
        };
        let data = array.data();
        let vectors: Vec<f32> = match array.dtype() {
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F16 => data
                .chunks_exact(2)
                .map(|b| half(u16::from_le_bytes([b[0], b[1]])))
                .collect(),
            Dtype::BF16 => data
                .chunks_exact(2)
                .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
                .collect(),
            other => {
                return Err(refuse(format!(
                    "'embeddings' has numbers of type {other:?}; F32, F16 and BF16 are read"
                )));
            }
        };
        if width == 0 || vectors.iter().any(|x| !x.is_finite()) {
            return Err(refuse(
                "'embeddings' has no columns, or numbers that are not finite".to_owned(),
            ));
        }
        if tokenizer.len() > tokens {
            return Err(refuse(format!(
                "'embeddings' has {tokens} rows, but the tokenizer has {} tokens",
                tokenizer.len()
            )));
        }
        let normalize = normalizes(&folder.join("config.json"))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&json);
        hasher.update(&bytes);
        // The lengths of vectors belong to the space too.
        if !normalize {
            hasher.update(b"not normalized");
        }
        let hash = hasher.finalize().to_hex();
        Ok(Self {
            name: format!("static-{width}-{}", &hash[..16]),
            width,
            vectors,
            tokenizer,
            normalize,
        })
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0; self.width];
        let mut n = 0f32;
        for token in self.tokenizer.tokens(text).into_iter().take(MOST_TOKENS) {
            let at = token as usize * self.width;
            n += 1.0;
            let vector = &self.vectors[at..at + self.width];
            sum.iter_mut().zip(vector).for_each(|(s, x)| *s += x);
        }
        let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        let by = if self.normalize { norm } else { n };
        if by > 0.0 {
            sum.iter_mut().for_each(|x| *x /= by);
        }
        sum
    }
}

impl Embedder for StaticEmbeddings {
    fn space(&self) -> String {
        self.name.clone()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn embed(&self, texts: &[&str]) -> limpid_core::Result<Vec<Vec<f32>>> {
        Ok(texts.par_iter().map(|text| self.vector(text)).collect())
    }
}

fn large(path: &Path) -> Result<Vec<u8>> {
    let cannot = |e| Error::io("cannot read", path, e);
    let about = fs::metadata(path).map_err(cannot)?;
    if !about.is_file() || about.len() > MOST_BYTES {
        return Err(Error::artifact(
            path,
            format!("is no file of at most {MOST_BYTES} bytes"),
        ));
    }
    fs::read(path).map_err(cannot)
}

/// Whether vectors have length one: as the config says, or yes.
fn normalizes(config: &Path) -> Result<bool> {
    if !config.exists() {
        return Ok(true);
    }
    let json: serde_json::Value = serde_json::from_slice(&small_file::bytes(config)?)
        .map_err(|e| Error::artifact(config, e.to_string()))?;
    Ok(json["normalize"].as_bool().unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn write(folder: &Path, dtype: Dtype, bytes: &[u8], shape: Vec<usize>) {
        let view = TensorView::new(dtype, shape, bytes).unwrap();
        let file = safetensors::serialize([("embeddings", view)], None).unwrap();
        fs::write(folder.join("model.safetensors"), file).unwrap();
    }

    const TOKENIZER: &str = r###"{"normalizer": {"type": "BertNormalizer", "lowercase": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "vocab": {"[UNK]": 0, "guitar": 1, "string": 2, "##s": 3}}}"###;

    #[test]
    fn the_vector_of_a_text_is_the_mean_of_its_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("tokenizer.json"), TOKENIZER).unwrap();
        let numbers = [9f32, 9.0, 1.0, 0.0, 0.0, 2.0, 3.0, 0.0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        write(path, Dtype::F32, &bytes, vec![4, 2]);
        fs::write(path.join("config.json"), r#"{"normalize": false}"#).unwrap();
        let space = StaticEmbeddings::open(path).unwrap();
        let found = space
            .embed(&["Guitar strings!", "nothing known", ""])
            .unwrap();
        // guitar (1, 0), string (0, 2), ##s (3, 0); what is unknown does not count.
        let [a, b] = [found[0][0], found[0][1]];
        assert!(
            (a - 4.0 / 3.0).abs() < 1e-6 && (b - 2.0 / 3.0).abs() < 1e-6,
            "{found:?}"
        );
        assert_eq!(found[1..], [[0.0, 0.0], [0.0, 0.0]]);
        assert_eq!(space.width(), 2);

        fs::write(path.join("config.json"), r#"{"normalize": true}"#).unwrap();
        let normalized = StaticEmbeddings::open(path).unwrap();
        assert_ne!(normalized.space(), space.space());

        // The same in half precision, normalized.
        let halves: Vec<u8> = [0x4880u16, 0x4880, 0x3C00, 0, 0, 0x4000, 0x4200, 0x8000]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        write(path, Dtype::F16, &halves, vec![4, 2]);
        fs::remove_file(path.join("config.json")).unwrap();
        let other = StaticEmbeddings::open(path).unwrap();
        assert_ne!(other.space(), normalized.space());
        assert_eq!(other.vector("string"), [0.0, 1.0]);
        assert_eq!(other.vector("guitar"), [1.0, 0.0]);
        for wrong in [vec![2, 4], vec![8], vec![8, 1]] {
            write(path, Dtype::F16, &halves, wrong.clone());
            // Fewer rows than tokens, or no matrix, is refused; more rows are read.
            assert_eq!(StaticEmbeddings::open(path).is_ok(), wrong == [8, 1]);
        }
        fs::write(path.join("model.safetensors"), b"no tensors").unwrap();
        assert!(StaticEmbeddings::open(path).is_err());
    }
}
