//! Texts as vectors without any assets: hashed TF-IDF, then a truncated singular value decomposition.
//!
//! Features are words, pairs of words, and 3- to 5-grams of the characters of a word; each is hashed with a sign into a
//! fixed number of columns (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009), weighted
//! by `(1 + ln count) · (1 + ln((1 + n) / (1 + df)))` and divided by the norm of the text. The vectors are their products with
//! the right singular vectors of the training texts (Deerwester et al., "Indexing by Latent Semantic Analysis", 1990).

use std::collections::HashMap;

use limpid_core::{Embedder, Result, hash, traits::require};
use rayon::prelude::*;

use crate::latent::eigen::krylov;

/// Columns of the hashed features.
const COLUMNS: usize = 1 << 15;

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TextEmbedder {
    /// The weight of each column: its inverse document frequency.
    idf: Vec<f32>,
    /// `(COLUMNS, width)`, row-major: the right singular vectors.
    directions: Vec<f32>,
    width: usize,
}

/// Columns with their values, ascending.
type Sparse = Vec<(u32, f32)>;

impl TextEmbedder {
    /// Fits the weights and directions on training texts.
    ///
    /// # Errors
    /// [`limpid_core::Error::Range`] unless `width` is from 1 to 512, and as finding the singular vectors.
    pub fn fit(texts: &[&str], width: usize) -> Result<Self> {
        check(width)?;
        let counts: Vec<Sparse> = texts.par_iter().map(|text| features(text)).collect();
        let mut df = vec![0u32; COLUMNS];
        counts
            .iter()
            .flatten()
            .for_each(|&(c, _)| df[c as usize] += 1);
        let n = texts.len() as f32;
        let idf: Vec<f32> = df
            .iter()
            .map(|&df| 1.0 + ((1.0 + n) / (1.0 + df as f32)).ln())
            .collect();
        let rows: Vec<Sparse> = counts.into_iter().map(|row| weighted(row, &idf)).collect();
        let pairs = krylov::largest(COLUMNS, width, |x, k| through(&rows, x, k))?;
        // (width, COLUMNS) to (COLUMNS, width); fewer texts than dimensions leave zeros.
        let mut directions = vec![0.0; COLUMNS * width];
        for (d, vector) in pairs.vectors.chunks_exact(COLUMNS).enumerate() {
            for (column, &x) in vector.iter().enumerate() {
                directions[column * width + d] = x as f32;
            }
        }
        Ok(Self {
            idf,
            directions,
            width,
        })
    }

    /// A space without any fit: random projections of hashed features, the same everywhere.
    ///
    /// # Errors
    /// [`limpid_core::Error::Range`] unless `width` is from 1 to 512.
    pub fn hashed(width: usize) -> Result<Self> {
        check(width)?;
        let size = 1.0 / (width as f32).sqrt();
        let sign = |at: usize| match hash::mix(at as u64) >> 63 {
            0 => size,
            _ => -size,
        };
        Ok(Self {
            idf: vec![1.0; COLUMNS],
            directions: (0..COLUMNS * width).map(sign).collect(),
            width,
        })
    }

    /// The vector of a text `(width)`; zeros if it has no feature of the training texts.
    #[must_use]
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut out = vec![0.0; self.width];
        for (column, value) in weighted(features(text), &self.idf) {
            let at = column as usize * self.width;
            for (o, d) in out.iter_mut().zip(&self.directions[at..at + self.width]) {
                *o += value * d;
            }
        }
        out
    }
}

fn check(width: usize) -> Result<()> {
    require(
        (1..=512).contains(&width),
        "the width of text vectors",
        "from 1 to 512",
        width,
    )
}

impl Embedder for TextEmbedder {
    fn space(&self) -> String {
        let mut hasher = 0;
        for value in self.idf.iter().chain(&self.directions) {
            hasher = hash::mix(hasher ^ u64::from(value.to_bits()));
        }
        format!("tfidf-svd-{}-{hasher:016x}", self.width)
    }

    fn width(&self) -> usize {
        self.width
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        Ok(texts.par_iter().map(|text| self.vector(text)).collect())
    }
}

/// `AᵀA v` over the rows of A, in a fixed order of additions.
fn through(rows: &[Sparse], v: &[f32], k: usize) -> Vec<f32> {
    let images: Vec<Vec<f32>> = rows
        .par_iter()
        .map(|row| {
            let mut image = vec![0.0; k];
            for &(column, value) in row {
                let at = column as usize * k;
                for (o, d) in image.iter_mut().zip(&v[at..at + k]) {
                    *o += value * d;
                }
            }
            image
        })
        .collect();
    let mut out = vec![0.0; COLUMNS * k];
    for (row, image) in rows.iter().zip(&images) {
        for &(column, value) in row {
            let at = column as usize * k;
            for (o, y) in out[at..at + k].iter_mut().zip(image) {
                *o += value * y;
            }
        }
    }
    out
}

/// `(1 + ln count)` with signs, by hashed column.
fn features(text: &str) -> Sparse {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let mut counts: HashMap<(u32, bool), u32> = HashMap::new();
    let mut count = |kind: u64, feature: &str| {
        let word = hash::text(kind, feature);
        let column = (word % COLUMNS as u64) as u32;
        *counts.entry((column, word >> 63 == 1)).or_default() += 1;
    };
    for (at, word) in words.iter().enumerate() {
        count(1, word);
        if let Some(next) = words.get(at + 1) {
            count(2, &format!("{word} {next}"));
        }
        let framed: Vec<char> = format!("<{word}>").chars().collect();
        for n in 3..=5 {
            for gram in framed.windows(n) {
                count(3, &gram.iter().collect::<String>());
            }
        }
    }
    let mut sums: HashMap<u32, f32> = HashMap::new();
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_unstable();
    for ((column, negative), n) in all {
        let size = 1.0 + (n as f32).ln();
        *sums.entry(column).or_default() += if negative { -size } else { size };
    }
    let mut row: Sparse = sums.into_iter().filter(|e| e.1 != 0.0).collect();
    row.sort_unstable_by_key(|e| e.0);
    row
}

fn weighted(mut row: Sparse, idf: &[f32]) -> Sparse {
    row.iter_mut().for_each(|e| e.1 *= idf[e.0 as usize]);
    let norm = row.iter().map(|e| e.1 * e.1).sum::<f32>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|e| e.1 /= norm);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
    }

    #[test]
    fn texts_of_one_subject_are_close() {
        let strings = [
            "new guitar strings sound bright",
            "bright strings for my guitar",
            "strings of a guitar",
        ];
        let pedals = [
            "the distortion pedal is loud",
            "a loud pedal with distortion",
            "pedal, distortion, loud",
        ];
        let texts: Vec<&str> = strings.iter().chain(&pedals).copied().collect();
        let embedder = TextEmbedder::fit(&texts, 2).unwrap();
        assert_eq!(embedder, TextEmbedder::fit(&texts, 2).unwrap());
        let of = |text: &str| embedder.vector(text);
        assert!(cosine(&of(strings[0]), &of(strings[1])) > 0.8);
        assert!(cosine(&of(strings[0]), &of(pedals[0])) < 0.3);
        assert!(cosine(&of("guitar string"), &of(strings[2])) > 0.8);
        assert_eq!(of(""), [0.0, 0.0]);
        let other = TextEmbedder::fit(&texts[1..], 2).unwrap();
        assert_ne!(embedder.space(), other.space());
        assert!(TextEmbedder::fit(&texts, 0).is_err());
    }
}
