//! A small language model with random weights, as a file that llama.cpp reads.
//!
//! The format is GGUF, version 3: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. The model is a Llama of
//! one layer; its tokens are the printable characters of ASCII and all bytes.

use std::io::Write;
use std::path::Path;

const WIDTH: u32 = 64;
const HIDDEN: u32 = 96;
const HEADS: u32 = 2;
const LENGTH: u32 = 8192;

/// Types of values, by the numbers of the format.
const UINT32: u32 = 4;
const INT32: u32 = 5;
const FLOAT32: u32 = 6;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Types of tokens, by the numbers of llama.cpp.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 32;

/// Key and value pairs.
#[derive(Default)]
struct Metadata {
    bytes: Vec<u8>,
    entries: u64,
}

impl Metadata {
    fn entry(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.bytes.extend(string(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
        self.entries += 1;
    }

    fn number(&mut self, key: &str, value: u32) {
        self.entry(key, UINT32, &value.to_le_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.entry(key, STRING, &string(value));
    }

    fn array(&mut self, key: &str, kind: u32, values: Vec<Vec<u8>>) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values.concat());
        self.entry(key, ARRAY, &bytes);
    }
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// Tokens with their types.
fn tokens() -> Vec<(String, i32)> {
    let special = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)];
    let special = special.map(|(token, kind)| (token.to_owned(), kind));
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), BYTE));
    // A blank is U+2581 in this kind of vocabulary.
    let printable = ('!'..='~').chain(['\u{2581}']);
    let printable = printable.map(|c| (c.to_string(), NORMAL));
    special.into_iter().chain(bytes).chain(printable).collect()
}

/// Writes the model. Its weights are random numbers from a fixed seed.
pub(super) fn write(path: &Path) -> std::io::Result<()> {
    let tokens = tokens();
    let mut metadata = Metadata::default();
    metadata.text("general.architecture", "llama");
    metadata.text("general.name", "nonsense");
    for (key, value) in [
        ("context_length", LENGTH),
        ("embedding_length", WIDTH),
        ("block_count", 1),
        ("feed_forward_length", HIDDEN),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", HEADS),
        ("rope.dimension_count", WIDTH / HEADS),
        ("vocab_size", tokens.len() as u32),
    ] {
        metadata.number(&format!("llama.{key}"), value);
    }
    let epsilon = 1e-5f32.to_le_bytes();
    metadata.entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, &epsilon);
    metadata.text("tokenizer.ggml.model", "llama");
    let of = |value: &dyn Fn(&(String, i32)) -> Vec<u8>| tokens.iter().map(value).collect();
    let (names, kinds) = (of(&|t| string(&t.0)), of(&|t| t.1.to_le_bytes().to_vec()));
    metadata.array("tokenizer.ggml.tokens", STRING, names);
    metadata.array("tokenizer.ggml.token_type", INT32, kinds);
    let scores = of(&|_| 0f32.to_le_bytes().to_vec());
    metadata.array("tokenizer.ggml.scores", FLOAT32, scores);
    for (key, id) in [("unknown", 0), ("bos", 1), ("eos", 2)] {
        metadata.number(&format!("tokenizer.ggml.{key}_token_id"), id);
    }
    let template =
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: ";
    metadata.text("tokenizer.chat_template", template);

    // The dimension that varies fastest comes first.
    let words = tokens.len() as u32;
    let tensors: Vec<(&str, Vec<u32>)> = vec![
        ("token_embd.weight", vec![WIDTH, words]),
        ("blk.0.attn_norm.weight", vec![WIDTH]),
        ("blk.0.attn_q.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_k.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_v.weight", vec![WIDTH, WIDTH]),
        ("blk.0.attn_output.weight", vec![WIDTH, WIDTH]),
        ("blk.0.ffn_norm.weight", vec![WIDTH]),
        ("blk.0.ffn_gate.weight", vec![WIDTH, HIDDEN]),
        ("blk.0.ffn_up.weight", vec![WIDTH, HIDDEN]),
        ("blk.0.ffn_down.weight", vec![HIDDEN, WIDTH]),
        ("output_norm.weight", vec![WIDTH]),
        ("output.weight", vec![WIDTH, words]),
    ];
    let mut head = b"GGUF".to_vec();
    head.extend(3u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend(metadata.entries.to_le_bytes());
    head.extend(metadata.bytes);
    let (mut data, mut state) = (Vec::new(), 1u64);
    for (name, shape) in tensors {
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
        head.extend(string(name));
        head.extend((shape.len() as u32).to_le_bytes());
        for &size in &shape {
            head.extend(u64::from(size).to_le_bytes());
        }
        let float32 = 0u32; // the number of this type of tensors
        head.extend(float32.to_le_bytes());
        head.extend((data.len() as u64).to_le_bytes());
        for _ in 0..shape.iter().product::<u32>() {
            data.extend(uniform(&mut state).to_le_bytes());
        }
    }
    head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
    let mut file = std::fs::File::create(path)?;
    file.write_all(&head)?;
    file.write_all(&data)
}

/// The next of a sequence of numbers from −0.5 to 0.5 (Knuth's linear congruence, upper bits).
fn uniform(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}
