//! One safetensors file: an 8-byte length, a JSON header, raw arrays; no code, no pickle.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use limpid_core::tensors::{SharedBytes, Tensor, Values};
use limpid_core::{Buffer, Tensors};
use safetensors::{Dtype, SafeTensors, View};

use super::mapped;
use crate::{Error, Result};

/// The key of the small JSON values in the header's metadata.
const META: &str = "limpid";

/// Largest header that is read; it lists arrays, not their values.
const MAX_HEADER: u64 = 64 << 20;

struct Bytes<'a>(&'a Tensor);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.values {
            Values::F32(_) => Dtype::F32,
            Values::U32(_) => Dtype::U32,
            Values::I64(_) => Dtype::I64,
            Values::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // Numbers are little-endian on all supported machines; a big-endian one would refuse its
        // files by their checksums instead of misreading them.
        Cow::Borrowed(match &self.0.values {
            Values::F32(v) => bytes_of(v),
            Values::U32(v) => bytes_of(v),
            Values::I64(v) => bytes_of(v),
            Values::U8(v) => v,
        })
    }

    fn data_len(&self) -> usize {
        self.data().len()
    }
}

fn bytes_of<T: bytemuck::Pod>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

/// Writes arrays and small values into a file.
pub(crate) fn write(tensors: &Tensors, path: &Path) -> Result<()> {
    let refuse = |why: String| Error::artifact(path, why);
    for (name, tensor) in tensors.arrays() {
        let numbers: usize = tensor.shape.iter().product();
        let bytes = Bytes(tensor);
        let length = bytes.data_len() * 8 / bytes.dtype().bitsize();
        if numbers != length {
            return Err(refuse(format!(
                "array '{name}' has {length} numbers, but its shape {:?} holds {numbers}",
                tensor.shape
            )));
        }
    }
    let meta = serde_json::to_string(tensors.all_meta()).map_err(|e| refuse(e.to_string()))?;
    let views: Vec<(&str, Bytes<'_>)> = tensors.arrays().map(|(n, t)| (n, Bytes(t))).collect();
    let header = HashMap::from([(META.to_owned(), meta)]);
    safetensors::serialize_to_file(views, Some(header), path).map_err(|e| refuse(e.to_string()))
}

/// Opens a file: the header is read and checked, the arrays stay mapped.
pub(super) fn open(path: &Path) -> Result<Tensors> {
    parse(mapped::map(path)?).map_err(|why| Error::artifact(path, why))
}

/// Parses the bytes of a file. Never allocates more than the file contains.
pub fn parse(bytes: SharedBytes) -> std::result::Result<Tensors, String> {
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
    if let Some(meta) = metadata.metadata().as_ref().and_then(|m| m.get(META)) {
        let meta: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(meta).map_err(|e| format!("has damaged metadata: {e}"))?;
        out.set_all_meta(meta);
    }
    Ok(out)
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
