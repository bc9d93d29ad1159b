//! The content of a saved model: named arrays and small JSON values. No files are opened here;
//! an array may be a view of a memory-mapped file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::Pod;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Csr, Error, Ids, Result};

/// Reference-counted bytes: a memory-mapped file, or a plain vector.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// An array of plain numbers, owned or a view of shared bytes. It derefs to a slice.
#[derive(Clone)]
pub enum Buffer<T> {
    /// Owned numbers.
    Owned(Arc<Vec<T>>),
    /// A view of shared bytes, whose alignment and length were checked at construction.
    Shared {
        /// The bytes.
        bytes: SharedBytes,
        /// The byte range of the numbers.
        range: Range<usize>,
    },
}

impl<T: Pod> Buffer<T> {
    /// The numbers in a range of shared bytes; copied only if not aligned.
    ///
    /// # Errors
    /// [`Error::Shape`] if the range is out of bounds or not a whole number of elements.
    pub fn from_shared(bytes: SharedBytes, range: Range<usize>) -> Result<Self> {
        let all = (*bytes).as_ref();
        let slice = all.get(range.clone()).ok_or_else(|| {
            Error::shape(
                "array",
                format!("within {} bytes", all.len()),
                format!("{range:?}"),
            )
        })?;
        if slice.len() % size_of::<T>() != 0 {
            return Err(Error::shape(
                "array",
                format!("a multiple of {} bytes", size_of::<T>()),
                slice.len(),
            ));
        }
        if bytemuck::try_cast_slice::<u8, T>(slice).is_ok() {
            return Ok(Self::Shared { bytes, range });
        }
        Ok(bytemuck::pod_collect_to_vec(slice).into())
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Shared { bytes, range } => {
                bytemuck::cast_slice(&(**bytes).as_ref()[range.clone()])
            }
        }
    }
}

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(Arc::new(values))
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} numbers]", self.len())
    }
}

impl<T: Pod + PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// The numbers of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floating point.
    F32(Buffer<f32>),
    /// 32-bit unsigned integers.
    U32(Buffer<u32>),
    /// 64-bit signed integers.
    I64(Buffer<i64>),
    /// Bytes.
    U8(Buffer<u8>),
}

/// An array with its shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub values: Values,
}

/// Named arrays and small JSON values: the content of a saved model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensors {
    arrays: BTreeMap<String, Tensor>,
    meta: BTreeMap<String, serde_json::Value>,
}

macro_rules! access {
    ($put:ident, $get:ident, $variant:ident, $type:ty) => {
        /// Stores an array under a name.
        pub fn $put(&mut self, name: &str, shape: &[usize], values: impl Into<Buffer<$type>>) {
            self.insert(
                name,
                Tensor {
                    shape: shape.to_vec(),
                    values: Values::$variant(values.into()),
                },
            );
        }

        /// The array with a name, without a copy.
        ///
        /// # Errors
        /// [`Error::Tensor`] if it is missing or of another element type.
        pub fn $get(&self, name: &str) -> Result<(&[usize], Buffer<$type>)> {
            let tensor = self.tensor(name)?;
            match &tensor.values {
                Values::$variant(values) => Ok((&tensor.shape, values.clone())),
                _ => Err(Error::Tensor {
                    name: name.to_owned(),
                    why: concat!("expected elements of type ", stringify!($type)).to_owned(),
                }),
            }
        }
    };
}

impl Tensors {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    access!(put_f32, f32, F32, f32);
    access!(put_u32, u32, U32, u32);
    access!(put_i64, i64, I64, i64);
    access!(put_u8, u8, U8, u8);

    /// Stores an array under a name.
    pub fn insert(&mut self, name: &str, tensor: Tensor) {
        self.arrays.insert(name.to_owned(), tensor);
    }

    /// All arrays by name.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.arrays.iter().map(|(n, t)| (n.as_str(), t))
    }

    /// Whether there is an array with this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.arrays.get(name).ok_or_else(|| Error::Tensor {
            name: name.to_owned(),
            why: "is missing".to_owned(),
        })
    }

    /// The array with a name, of a known shape.
    ///
    /// # Errors
    /// As [`f32`](Self::f32); [`Error::Shape`] if it has another shape.
    pub fn shaped(&self, name: &str, shape: &[usize]) -> Result<Buffer<f32>> {
        let (found, values) = self.f32(name)?;
        match found == shape {
            true => Ok(values),
            false => Err(Error::shape(
                name,
                format!("{shape:?}"),
                format!("{found:?}"),
            )),
        }
    }

    /// The matrix with a name, and its numbers of rows and columns.
    ///
    /// # Errors
    /// As [`f32`](Self::f32); [`Error::Shape`] if it is no matrix.
    pub fn matrix(&self, name: &str) -> Result<([usize; 2], Buffer<f32>)> {
        let (shape, values) = self.f32(name)?;
        match shape.try_into() {
            Ok(shape) => Ok((shape, values)),
            Err(_) => Err(Error::shape(name, "a matrix", format!("{shape:?}"))),
        }
    }

    /// Stores a small value as JSON.
    ///
    /// # Errors
    /// [`Error::Tensor`] if it has no JSON form.
    pub fn put_meta<T: Serialize>(&mut self, name: &str, value: &T) -> Result<()> {
        let json = serde_json::to_value(value).map_err(|e| Error::Tensor {
            name: name.to_owned(),
            why: e.to_string(),
        })?;
        self.meta.insert(name.to_owned(), json);
        Ok(())
    }

    /// Reads a small value.
    ///
    /// # Errors
    /// [`Error::Tensor`] if it is missing or of another form.
    pub fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let error = |why: String| Error::Tensor {
            name: name.to_owned(),
            why,
        };
        let value = self
            .meta
            .get(name)
            .ok_or_else(|| error("is missing".to_owned()))?;
        serde_json::from_value(value.clone()).map_err(|e| error(e.to_string()))
    }

    /// All small values by name.
    #[must_use]
    pub fn all_meta(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.meta
    }

    /// Sets all small values at once, as read from a file.
    pub fn set_all_meta(&mut self, meta: BTreeMap<String, serde_json::Value>) {
        self.meta = meta;
    }

    /// Stores a sparse matrix as three arrays.
    pub fn put_csr(&mut self, name: &str, m: &Csr) {
        let offsets: Vec<i64> = m.offsets().iter().map(|&o| o as i64).collect();
        self.put_i64(&format!("{name}.offsets"), &[offsets.len()], offsets);
        self.put_u32(&format!("{name}.columns"), &[m.nnz()], m.columns().to_vec());
        self.put_f32(&format!("{name}.values"), &[m.nnz()], m.values().to_vec());
    }

    /// Reads a sparse matrix of `n_columns` columns.
    ///
    /// # Errors
    /// [`Error::Tensor`], or the errors of [`Csr::new`].
    pub fn csr(&self, name: &str, n_columns: usize) -> Result<Csr> {
        let (_, offsets) = self.i64(&format!("{name}.offsets"))?;
        let (_, columns) = self.u32(&format!("{name}.columns"))?;
        let (_, values) = self.f32(&format!("{name}.values"))?;
        let offsets = offsets
            .iter()
            .map(|&o| usize::try_from(o))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| Error::Tensor {
                name: format!("{name}.offsets"),
                why: "holds a negative number".to_owned(),
            })?;
        Csr::new(offsets, columns.to_vec(), values.to_vec(), n_columns)
    }

    /// Stores texts as one array of bytes and one of ends.
    pub fn put_texts<S: AsRef<str>>(&mut self, name: &str, texts: &[S]) {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(texts.len());
        for text in texts {
            bytes.extend_from_slice(text.as_ref().as_bytes());
            ends.push(bytes.len() as i64);
        }
        self.put_u8(&format!("{name}.bytes"), &[bytes.len()], bytes);
        self.put_i64(&format!("{name}.ends"), &[ends.len()], ends);
    }

    /// Reads texts.
    ///
    /// # Errors
    /// [`Error::Tensor`] if ends do not fit the bytes or the bytes are not UTF-8.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let (_, bytes) = self.u8(&format!("{name}.bytes"))?;
        let (_, ends) = self.i64(&format!("{name}.ends"))?;
        let error = |why: &str| Error::Tensor {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        let mut start = 0;
        let mut texts = Vec::with_capacity(ends.len());
        for &end in ends.iter() {
            let end = usize::try_from(end).map_err(|_| error("has a negative end"))?;
            let text = bytes
                .get(start..end)
                .ok_or_else(|| error("has an end outside of its bytes"))?;
            texts.push(
                std::str::from_utf8(text)
                    .map_err(|_| error("is not UTF-8"))?
                    .to_owned(),
            );
            start = end;
        }
        Ok(texts)
    }

    /// Stores ids.
    pub fn put_ids(&mut self, name: &str, ids: &Ids) {
        self.put_texts(name, ids.names());
    }

    /// Reads ids.
    ///
    /// # Errors
    /// As [`Tensors::texts`], and [`Error::Duplicate`].
    pub fn ids(&self, name: &str) -> Result<Ids> {
        Ids::from_names(self.texts(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_read_as_numbers() {
        let bytes: SharedBytes = Arc::new(bytemuck::cast_slice(&[1.0f32, 2.0, 3.0]).to_vec());
        let all = Buffer::<f32>::from_shared(bytes.clone(), 0..12).unwrap();
        assert_eq!(&all[..], &[1.0, 2.0, 3.0]);
        assert!(Buffer::<f32>::from_shared(bytes.clone(), 0..13).is_err());
        assert!(Buffer::<f32>::from_shared(bytes.clone(), 0..11).is_err());
        // A view that is not aligned is copied, not refused.
        assert_eq!(Buffer::<f32>::from_shared(bytes, 1..9).unwrap().len(), 2);
    }

    #[test]
    fn put_and_get_round_trip() {
        let mut t = Tensors::new();
        t.put_f32("a", &[2], vec![1.0, 2.0]);
        t.put_texts("names", &["x", "", "∧"]);
        t.put_meta("n", &3usize).unwrap();
        let m = Csr::from_rows([vec![(1, 2.0)], vec![]], 2).unwrap();
        t.put_csr("m", &m);
        assert_eq!(&t.f32("a").unwrap().1[..], &[1.0, 2.0]);
        assert!(t.u32("a").is_err());
        assert!(t.f32("b").is_err());
        assert_eq!(t.texts("names").unwrap(), ["x", "", "∧"]);
        assert_eq!(t.meta::<usize>("n").unwrap(), 3);
        assert!(t.meta::<String>("n").is_err());
        assert_eq!(t.csr("m", 2).unwrap(), m);
        t.put_i64("names.ends", &[3], vec![1, 9, 2]);
        assert!(t.texts("names").is_err());
    }
}
