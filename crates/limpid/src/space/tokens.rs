//! Tokens of texts, as the `tokenizer.json` of the Hugging Face library `tokenizers` describes them: WordPiece, as BERT has
//! it, and Unigram, as SentencePiece has it.
//!
//! What is read of the file: the vocabulary, the unknown token, the prefix of continued words, and whether texts are lower
//! case. Accents are kept, and words are separated by white space and punctuation; no special tokens are added.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// The longest word that is divided, in characters.
const LONGEST_WORD: usize = 100;

/// The mark of the beginning of a word in a Unigram vocabulary.
const BEGINS: char = '▁';

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    normalizer: Value,
    model: Model,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Model {
    WordPiece {
        vocab: HashMap<String, u32>,
        #[serde(default = "unknown")]
        unk_token: String,
        #[serde(default = "continued")]
        continuing_subword_prefix: String,
    },
    Unigram {
        vocab: Vec<(String, f64)>,
        unk_id: Option<u32>,
    },
}

fn unknown() -> String {
    "[UNK]".to_owned()
}

fn continued() -> String {
    "##".to_owned()
}

/// Divides texts into tokens of a vocabulary.
pub(super) struct Tokenizer {
    lowercase: bool,
    vocabulary: HashMap<String, u32>,
    kind: Kind,
    n: usize,
    unknown: Option<u32>,
}

enum Kind {
    /// The prefix of what continues a word.
    WordPiece(String),
    /// The score of each token, and the longest in characters.
    Unigram(Vec<f64>, usize),
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(json)
            .map_err(|e| format!("is no tokenizer of the kinds WordPiece and Unigram: {e}"))?;
        let lowercase = lowers(&file.normalizer);
        let tokenizer = match file.model {
            Model::WordPiece {
                vocab,
                unk_token,
                continuing_subword_prefix,
            } => Self {
                lowercase,
                unknown: vocab.get(&unk_token).copied(),
                n: vocab.values().max().map_or(0, |&m| m as usize + 1),
                vocabulary: vocab,
                kind: Kind::WordPiece(continuing_subword_prefix),
            },
            Model::Unigram { vocab, unk_id } => {
                let longest = vocab.iter().map(|(t, _)| t.chars().count()).max();
                let scores = vocab.iter().map(|(_, score)| *score).collect();
                Self {
                    lowercase,
                    unknown: unk_id,
                    n: vocab.len(),
                    vocabulary: (0..)
                        .zip(vocab)
                        .map(|(at, (token, _))| (token, at))
                        .collect(),
                    kind: Kind::Unigram(scores, longest.unwrap_or(0)),
                }
            }
        };
        match tokenizer.n {
            0 => Err("has an empty vocabulary".to_owned()),
            _ => Ok(tokenizer),
        }
    }

    /// The number of tokens: all are below.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// The known tokens of a text, in order.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        let text = match self.lowercase {
            true => text.to_lowercase(),
            false => text.to_owned(),
        };
        let mut tokens = Vec::new();
        match &self.kind {
            Kind::WordPiece(prefix) => {
                for word in words(&text) {
                    self.pieces(word, prefix, &mut tokens);
                }
            }
            Kind::Unigram(scores, longest) => {
                for word in text.split_whitespace() {
                    self.best(word, scores, *longest, &mut tokens);
                }
            }
        }
        tokens.retain(|token| Some(*token) != self.unknown);
        tokens
    }

    /// The longest known piece at each place; nothing for a word that cannot be divided so.
    fn pieces(&self, word: &str, prefix: &str, tokens: &mut Vec<u32>) {
        if word.chars().count() > LONGEST_WORD {
            return;
        }
        let before = tokens.len();
        let mut rest = word;
        while !rest.is_empty() {
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let ends: Vec<usize> = ends.collect();
            let found = ends.into_iter().rev().find_map(|end| {
                let token = match rest.len() == word.len() {
                    true => self.vocabulary.get(&rest[..end]),
                    false => self.vocabulary.get(&format!("{prefix}{}", &rest[..end])),
                };
                token.map(|&token| (end, token))
            });
            let Some((end, token)) = found else {
                tokens.truncate(before);
                return;
            };
            tokens.push(token);
            rest = &rest[end..];
        }
    }

    /// The division of a word with the largest sum of scores (Viterbi); unknown characters are left out.
    fn best(&self, word: &str, scores: &[f64], longest: usize, tokens: &mut Vec<u32>) {
        let marked: Vec<char> = std::iter::once(BEGINS).chain(word.chars()).collect();
        if marked.len() > LONGEST_WORD + 1 {
            return;
        }
        let lowest = scores.iter().copied().fold(0.0, f64::min);
        // The best sum up to each place, with where its last token begins and which it is.
        let mut sums: Vec<(f64, usize, Option<u32>)> = vec![(0.0, 0, None)];
        for end in 1..=marked.len() {
            // An unknown character costs more than any token.
            let mut best = (sums[end - 1].0 + lowest - 10.0, end - 1, None);
            for begin in end.saturating_sub(longest)..end {
                let piece: String = marked[begin..end].iter().collect();
                if let Some(&token) = self.vocabulary.get(&piece) {
                    let sum = sums[begin].0 + scores[token as usize];
                    if sum > best.0 {
                        best = (sum, begin, Some(token));
                    }
                }
            }
            sums.push(best);
        }
        let mut own = Vec::new();
        let mut at = marked.len();
        while at > 0 {
            let (_, begin, token) = sums[at];
            own.extend(token);
            at = begin;
        }
        tokens.extend(own.into_iter().rev());
    }
}

/// Whether a normalizer, or one of a sequence, makes texts lower case.
fn lowers(normalizer: &Value) -> bool {
    let own = match normalizer["type"].as_str() {
        Some("BertNormalizer") => normalizer["lowercase"].as_bool().unwrap_or(true),
        Some("Lowercase") => true,
        _ => false,
    };
    let parts = normalizer["normalizers"].as_array();
    own || parts.is_some_and(|parts| parts.iter().any(lowers))
}

/// Words and single marks of punctuation.
fn words(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for part in text.split_whitespace() {
        let mut begin = 0;
        for (at, c) in part.char_indices() {
            if !c.is_alphanumeric() {
                if begin < at {
                    all.push(&part[begin..at]);
                }
                all.push(&part[at..at + c.len_utf8()]);
                begin = at + c.len_utf8();
            }
        }
        if begin < part.len() {
            all.push(&part[begin..]);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_divided_as_bert_divides_them() {
        let json = r###"{"normalizer": {"type": "BertNormalizer", "lowercase": true, "strip_accents": null},
            "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "un": 1, "##aff": 2, "##able": 3, "!": 4, "##a": 5}}}"###;
        let tokenizer = Tokenizer::parse(json.as_bytes()).unwrap();
        assert_eq!(tokenizer.len(), 6);
        assert_eq!(tokenizer.tokens("UNaffable!"), [1, 2, 3, 4]);
        // The longest piece first; a word that cannot be divided to its end has no token.
        assert_eq!(tokenizer.tokens("una unb un"), [1, 5, 1]);
        assert!(tokenizer.tokens("").is_empty());
        assert!(tokenizer.tokens(&"un".repeat(60)).is_empty());
    }

    #[test]
    fn unigram_takes_the_best_division() {
        let json = r#"{"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
            "model": {"type": "Unigram", "unk_id": 0, "vocab":
            [["<unk>", 0.0], ["▁ab", -3.0], ["▁a", -1.0], ["b", -1.5], ["c", -2.0], ["▁", -4.0]]}}"#;
        let tokenizer = Tokenizer::parse(json.as_bytes()).unwrap();
        // ▁a + b is -2.5, above ▁ab with -3.
        assert_eq!(tokenizer.tokens("AB c"), [2, 3, 5, 4]);
        // An unknown character is left out.
        assert_eq!(tokenizer.tokens("axb"), [2, 3]);
    }

    #[test]
    fn other_files_are_refused() {
        for json in [
            "",
            "{}",
            r#"{"model": {"type": "BPE", "vocab": {}, "merges": []}}"#,
            r#"{"model": {"type": "WordPiece", "vocab": {}}}"#,
            r#"{"model": {"type": "Unigram", "unk_id": 0, "vocab": []}}"#,
        ] {
            assert!(Tokenizer::parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
