//! Matrices in the format of NumPy: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

mod read;
mod write;

pub(crate) use read::half;
pub use read::{read, read_bytes};
pub(crate) use write::Writer;

/// The first bytes of every file.
const MAGIC: &[u8] = b"\x93NUMPY";
