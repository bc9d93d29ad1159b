//! One safetensors file: an 8-byte length, a JSON header, raw arrays; no code, no pickle.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use limpid_core::tensors::{SharedBytes, Tensor, Values};
use limpid_core::{Buffer, Tensors};
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::mapped;
use crate::{Error, Result};

/// The key of the small JSON values in the header's metadata.
const META: &str = "limpid";

/// The key of the [`Seal`] in the header's metadata.
const SEAL: &str = "limpid.folder";

/// Largest header that is read; it lists arrays, not their values.
const MAX_HEADER: u64 = 64 << 20;

/// The folder that a file belongs to, written into its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    /// The file: `model`.
    pub(super) file: String,
    /// The kind of the folder: `model/ease`.
    pub(super) kind: String,
    /// The name of the model.
    pub(super) model: String,
    /// The hash of the split.
    pub(super) split: String,
}

fn dtype_of(values: &Values) -> Dtype {
    match values {
        Values::F32(_) => Dtype::F32,
        Values::U32(_) => Dtype::U32,
        Values::I64(_) => Dtype::I64,
        Values::U8(_) => Dtype::U8,
    }
}

/// The bytes of an array. Numbers are little-endian on all supported machines; a big-endian one would
/// refuse its files by their checksums instead of misreading them.
pub(crate) fn bytes_of(values: &Values) -> &[u8] {
    match values {
        Values::F32(v) => bytemuck::cast_slice(v),
        Values::U32(v) => bytemuck::cast_slice(v),
        Values::I64(v) => bytemuck::cast_slice(v),
        Values::U8(v) => v,
    }
}

/// Writes arrays and small values into a file; the same ones give the same bytes.
///
/// # Errors
/// [`Error::Artifact`] where a shape does not fit its numbers, or a number is not finite.
pub(crate) fn write(tensors: &Tensors, path: &Path) -> Result<()> {
    write_sealed(tensors, None, path)
}

/// Writes a file of a folder.
pub(super) fn write_sealed(tensors: &Tensors, seal: Option<&Seal>, path: &Path) -> Result<()> {
    let refuse = |why: String| Error::artifact(path, why);
    check_finite(tensors).map_err(refuse)?;
    // The widest numbers first, so that every array is aligned.
    let mut arrays: Vec<(&str, &Tensor)> = tensors.arrays().collect();
    arrays.sort_by_key(|(name, t)| (std::cmp::Reverse(dtype_of(&t.values).bitsize()), *name));
    let mut header = BTreeMap::new();
    let mut end = 0;
    for (name, tensor) in &arrays {
        let dtype = dtype_of(&tensor.values);
        let (start, bytes) = (end, bytes_of(&tensor.values).len());
        end += bytes;
        let numbers: usize = tensor.shape.iter().product();
        let length = bytes * 8 / dtype.bitsize();
        if numbers != length {
            return Err(refuse(format!(
                "array '{name}' has {length} numbers, but its shape {:?} holds {numbers}",
                tensor.shape
            )));
        }
        let info = TensorInfo {
            dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        let info = serde_json::to_value(info).map_err(|e| refuse(e.to_string()))?;
        header.insert((*name).to_owned(), info);
    }
    let json = |text: serde_json::Result<String>| text.map_err(|e| refuse(e.to_string()));
    let mut meta = BTreeMap::from([(META, json(serde_json::to_string(tensors.all_meta()))?)]);
    if let Some(seal) = seal {
        meta.insert(SEAL, json(serde_json::to_string(seal))?);
    }
    let meta = serde_json::to_value(meta).map_err(|e| refuse(e.to_string()))?;
    header.insert("__metadata__".to_owned(), meta);
    let mut header = json(serde_json::to_string(&header))?.into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, tensor) in &arrays {
            file.write_all(bytes_of(&tensor.values))?;
        }
        file.flush()
    };
    write().map_err(|e| Error::io("cannot write", path, e))
}

/// Refuses arrays with values that are not finite: no model can rank by them.
pub(super) fn check_finite(tensors: &Tensors) -> std::result::Result<(), String> {
    for (name, tensor) in tensors.arrays() {
        if let Values::F32(values) = &tensor.values
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            return Err(format!(
                "array '{name}' has the value {} at {at}; all values must be finite, so train anew",
                values[at]
            ));
        }
    }
    Ok(())
}

/// Opens a file: the header is read and checked, the arrays stay mapped. A file of another folder is
/// refused where a seal is expected.
pub(super) fn open(path: &Path, expected: Option<&Seal>) -> Result<Tensors> {
    let refuse = |why: String| Error::artifact(path, why);
    let (tensors, found) = parse_sealed(mapped::map(path)?).map_err(refuse)?;
    match (expected, found) {
        (Some(expected), found) if found.as_ref() != Some(expected) => Err(refuse(format!(
            "belongs to another folder: {}; copy the whole folder again or train anew",
            found.map_or_else(|| "it names none".to_owned(), |f| f.differs_from(expected))
        ))),
        _ => Ok(tensors),
    }
}

impl Seal {
    fn differs_from(&self, other: &Self) -> String {
        let pairs = [
            ("file", &self.file, &other.file),
            ("kind", &self.kind, &other.kind),
            ("model", &self.model, &other.model),
            ("split", &self.split, &other.split),
        ];
        let differing = pairs.into_iter().filter(|(_, a, b)| a != b);
        let words: Vec<String> = differing
            .map(|(what, a, b)| format!("its {what} is '{a}', that of the manifest '{b}'"))
            .collect();
        words.join(", ")
    }
}

/// Parses the bytes of a file. Never allocates more than the file contains.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn parse(bytes: SharedBytes) -> std::result::Result<Tensors, String> {
    parse_sealed(bytes).map(|(tensors, _)| tensors)
}

fn parse_sealed(bytes: SharedBytes) -> std::result::Result<(Tensors, Option<Seal>), String> {
    let all: &[u8] = (*bytes).as_ref();
    let length: [u8; 8] = all
        .get(..8)
        .and_then(|b| b.try_into().ok())
        .ok_or("is shorter than the header of a safetensors file")?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > all.len() as u64 {
        return Err(format!(
            "is not a safetensors file or is truncated: its header claims {length} bytes, the file \
             has {}",
            all.len()
        ));
    }
    let (header, metadata) =
        SafeTensors::read_metadata(all).map_err(|e| format!("is damaged: {e}"))?;
    let start = header + 8;
    let mut out = Tensors::new();
    for (name, info) in metadata.tensors() {
        // An array without values may have any shape; models allocate by shapes.
        if let Some(size) = info.shape.iter().find(|&&size| size > all.len()) {
            return Err(format!(
                "array '{name}' has a dimension of {size}, more than the file has bytes"
            ));
        }
        let (from, to) = info.data_offsets;
        let range = start + from..start + to;
        let shared = bytes.clone();
        let refuse = |e: limpid_core::Error| format!("array '{name}': {e}");
        let values = match info.dtype {
            Dtype::F32 => Values::F32(Buffer::from_shared(shared, range).map_err(refuse)?),
            Dtype::U32 => Values::U32(Buffer::from_shared(shared, range).map_err(refuse)?),
            Dtype::I64 => Values::I64(Buffer::from_shared(shared, range).map_err(refuse)?),
            Dtype::U8 => Values::U8(Buffer::from_shared(shared, range).map_err(refuse)?),
            other => {
                return Err(format!(
                    "array '{name}' has the unknown element type {other:?}"
                ));
            }
        };
        out.insert(
            &name,
            Tensor {
                shape: info.shape.clone(),
                values,
            },
        );
    }
    let texts = metadata.metadata().as_ref();
    let damaged = |e: serde_json::Error| format!("has damaged metadata: {e}");
    if let Some(meta) = texts.and_then(|m| m.get(META)) {
        out.set_all_meta(serde_json::from_str(meta).map_err(damaged)?);
    }
    let seal = texts.and_then(|m| m.get(SEAL));
    let seal = seal.map(|s| serde_json::from_str(s)).transpose();
    Ok((out, seal.map_err(damaged)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn sample() -> Tensors {
        let mut t = Tensors::new();
        t.put_f32("weights", &[2, 2], vec![1.0, -2.0, 0.5, 0.0]);
        t.put_texts("names", &["a", "b"]);
        t.put_meta("n", &2).unwrap();
        t
    }

    fn bytes() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(&sample(), &path).unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(parse(Arc::new(bytes())).unwrap(), sample());
        let mut wrong = Tensors::new();
        wrong.put_f32("x", &[3], vec![1.0]);
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&wrong, &folder.path().join("y")).is_err());
    }

    #[test]
    fn values_that_are_not_finite_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for value in [f32::NAN, f32::INFINITY] {
            let mut t = sample();
            t.put_f32("bias", &[2], vec![0.0, value]);
            let why = write(&t, &folder.path().join("x")).unwrap_err().to_string();
            assert!(why.contains("'bias'") && why.contains("finite"), "{why}");
        }
    }

    #[test]
    fn a_file_of_another_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let seal = |model: &str| Seal {
            file: "model".into(),
            kind: "model/ease".into(),
            model: model.into(),
            split: "5".into(),
        };
        write_sealed(&sample(), Some(&seal("ease")), &path).unwrap();
        assert_eq!(open(&path, Some(&seal("ease"))).unwrap(), sample());
        let why = open(&path, Some(&seal("slim"))).unwrap_err().to_string();
        assert!(
            why.contains("its model is 'ease', that of the manifest 'slim'"),
            "{why}"
        );
        write(&sample(), &path).unwrap();
        assert!(open(&path, Some(&seal("ease"))).is_err());
        assert_eq!(open(&path, None).unwrap(), sample());
    }

    /// A header may claim any shape for an array without values.
    #[test]
    fn a_shape_larger_than_the_file_is_refused() {
        let header = br#"{"x":{"dtype":"F32","shape":[0,1099511627776],"data_offsets":[0,0]}}    "#;
        let mut all = (header.len() as u64).to_le_bytes().to_vec();
        all.extend(header);
        let why = parse(Arc::new(all)).unwrap_err();
        assert!(why.contains("more than the file has bytes"), "{why}");
    }

    #[test]
    fn the_same_tensors_are_the_same_bytes() {
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn truncation_is_noticed_everywhere() {
        let all = bytes();
        for end in 0..all.len() {
            assert!(
                parse(Arc::new(all[..end].to_vec())).is_err(),
                "cut at {end}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read_without_panic(
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            at in 0usize..400,
            flip in 1u8..=255,
        ) {
            let _ = parse(Arc::new(junk));
            let mut all = bytes();
            let at = at % all.len();
            all[at] ^= flip;
            let _ = parse(Arc::new(all));
        }
    }
}
