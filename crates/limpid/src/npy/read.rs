//! Matrices of floating-point numbers, read from `.npy` files of any NumPy version.
//!
//! 64, 32 and 16-bit numbers of either byte order, in C or Fortran order. The length of the file must be that
//! of its header, so no more is allocated than 32 bits for each number of the file, twice that in Fortran order.
//! Arrays of objects are refused: they hold pickled Python, which could run anything.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use limpid_core::Mat;
use ndarray::ShapeBuilder;

use super::MAGIC;
use crate::{Error, Result};

/// The largest file.
const MOST_BYTES: u64 = 64 << 30;

/// The longest header; NumPy itself refuses longer ones.
const LONGEST_HEADER: usize = 10_000;

/// Bytes that are converted at a time.
const PIECE: usize = 1 << 16;

/// Reads a matrix `(rows, columns)`; an array of one dimension is one column. Every number is finite.
///
/// # Errors
/// [`Error::Io`]; [`Error::Artifact`] with what is wrong and the fix: not an `.npy` file, numbers of another
/// type, another number of dimensions, a length that is not that of the shape, a number that is not finite.
pub fn read(path: &Path) -> Result<Mat> {
    let cannot = |e| Error::io("cannot read", path, e);
    let file = File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Err(Error::artifact(path, "is not a file; name an .npy file"));
    }
    Source {
        name: path,
        from: BufReader::new(file),
        length: about.len(),
    }
    .matrix()
}

/// The same from bytes, with a name for errors.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(name: &str, bytes: &[u8]) -> Result<Mat> {
    Source {
        name: Path::new(name),
        from: bytes,
        length: bytes.len() as u64,
    }
    .matrix()
}

struct Source<'a, R> {
    name: &'a Path,
    from: R,
    length: u64,
}

/// What the header of a file says.
#[derive(Debug, PartialEq)]
struct Header {
    kind: Kind,
    big_endian: bool,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// The type of numbers, by their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Half = 2,
    Single = 4,
    Double = 8,
}

impl<R: Read> Source<'_, R> {
    fn refuse(&self, why: impl Into<String>) -> Error {
        Error::artifact(self.name, why)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        match self.from.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(self.refuse("ends within its header; save it again with numpy.save")),
        }
    }

    fn matrix(mut self) -> Result<Mat> {
        if self.length > MOST_BYTES {
            return Err(self.refuse(format!("has more than {MOST_BYTES} bytes, the limit")));
        }
        let magic = self.length.min(MAGIC.len() as u64) as usize;
        let mut start = [0; MAGIC.len()];
        let known = self.from.read_exact(&mut start[..magic]).is_ok();
        if !known || start[..magic] != MAGIC[..magic] {
            return Err(self.refuse("is not an .npy file; save the array with numpy.save"));
        }
        let version = self.bytes::<2>()?;
        let (length, size) = match version[0] {
            1 => (usize::from(u16::from_le_bytes(self.bytes()?)), 2),
            2 | 3 => (u32::from_le_bytes(self.bytes()?) as usize, 4),
            version => {
                let why = format!("has the format version {version}; 1, 2 and 3 can be read");
                return Err(self.refuse(why));
            }
        };
        if length > LONGEST_HEADER {
            let why = format!("has a header of {length} bytes; at most {LONGEST_HEADER} are read");
            return Err(self.refuse(why));
        }
        let mut text = vec![0; length];
        if self.from.read_exact(&mut text).is_err() {
            return Err(self.refuse("ends within its header; save it again with numpy.save"));
        }
        let header = parse(&text).map_err(|why| self.refuse(why))?;
        let (rows, columns) = match *header.shape {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                let why = format!(
                    "has {} dimensions; a matrix has 2, a vector 1",
                    header.shape.len()
                );
                return Err(self.refuse(why));
            }
        };
        let (before, width) = (8 + size + length as u64, header.kind as u64);
        let found = self.length - before.min(self.length);
        let n = (rows as u64).checked_mul(columns as u64);
        let expected = n.and_then(|n| n.checked_mul(width));
        if expected != Some(found) {
            let expected = expected.map_or_else(|| "too many".to_owned(), |n| n.to_string());
            return Err(self.refuse(format!(
                "has {found} bytes of numbers, but its shape ({rows}, {columns}) needs {expected}; it was cut or \
                 is damaged"
            )));
        }
        let numbers = self.numbers(&header, (found / width) as usize)?;
        if let Some(at) = numbers.iter().position(|v| !v.is_finite()) {
            let (row, column) = match header.fortran_order {
                false => (at / columns, at % columns),
                true => (at % rows, at / rows),
            };
            return Err(self.refuse(format!(
                "row {row}, column {column} (from 0) is {}; every number must be finite and within the range of \
                 32 bits",
                numbers[at]
            )));
        }
        let shape = (rows, columns).set_f(header.fortran_order);
        let matrix = Mat::from_shape_vec(shape, numbers);
        let matrix = matrix.map_err(|e| self.refuse(format!("has no shape: {e}")))?;
        Ok(match header.fortran_order {
            true => matrix.as_standard_layout().into_owned(),
            false => matrix,
        })
    }

    /// `n` numbers in the order of the file.
    fn numbers(&mut self, header: &Header, n: usize) -> Result<Vec<f32>> {
        let width = header.kind as usize;
        let mut numbers = Vec::with_capacity(n);
        let mut piece = vec![0; PIECE.min(n * width)];
        while numbers.len() < n {
            let bytes = &mut piece[..PIECE.min((n - numbers.len()) * width)];
            if let Err(e) = self.from.read_exact(bytes) {
                return Err(Error::io("cannot read", self.name, e));
            }
            numbers.extend(
                bytes
                    .chunks_exact(width)
                    .map(|b| number(b, header.kind, header.big_endian)),
            );
        }
        Ok(numbers)
    }
}

/// A number in single precision; one that is too large is infinite.
fn number(bytes: &[u8], kind: Kind, big_endian: bool) -> f32 {
    let mut le = [0; 8];
    let width = kind as usize;
    le[..width].copy_from_slice(bytes);
    if big_endian {
        le[..width].reverse();
    }
    let [a, b, c, d, ..] = le;
    match kind {
        Kind::Half => half(u16::from_le_bytes([a, b])),
        Kind::Single => f32::from_le_bytes([a, b, c, d]),
        Kind::Double => f64::from_le_bytes(le) as f32,
    }
}

/// A number of 16 bits (IEEE 754 binary16): sign, 5 bits of exponent, 10 of fraction.
pub(crate) fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    let exponent = i32::from(bits >> 10 & 0x1f);
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// Parses a header: a Python dictionary of `descr`, `fortran_order` and `shape`.
fn parse(text: &[u8]) -> std::result::Result<Header, String> {
    let text = std::str::from_utf8(text).map_err(|_| "has a header that is not text".to_owned())?;
    let missing =
        |key: &str| format!("has a header without '{key}'; save it again with numpy.save");
    let value = |key: &str| {
        let quoted = [format!("'{key}':"), format!("\"{key}\":")];
        let after = quoted
            .iter()
            .find_map(|q| Some(text.split_once(q.as_str())?.1));
        after.map(str::trim_start).ok_or_else(|| missing(key))
    };
    let descr = value("descr")?;
    let quoted = descr
        .strip_prefix(['\'', '"'])
        .and_then(|rest| rest.split(['\'', '"']).next());
    let Some(descr) = quoted else {
        return Err("is an array of records; a matrix of numbers of one type is needed".to_owned());
    };
    let (order, kind) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "=" | "|"), kind)) => (order, kind),
        _ => ("=", descr),
    };
    let kind = match kind {
        "f2" => Kind::Half,
        "f4" => Kind::Single,
        "f8" => Kind::Double,
        kind if kind.starts_with('O') => {
            return Err(
                "holds Python objects, which are never read; save it with dtype float32".to_owned(),
            );
        }
        _ => {
            return Err(format!(
                "has numbers of type '{descr}'; save it with dtype float16, float32 or float64, such as \
                 numpy.save(file, array.astype('float32'))"
            ));
        }
    };
    let fortran_order = value("fortran_order")?;
    let fortran_order = match fortran_order {
        v if v.starts_with("False") => false,
        v if v.starts_with("True") => true,
        _ => return Err(missing("fortran_order")),
    };
    let shape = value("shape")?;
    let shape = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .ok_or_else(|| missing("shape"))?
        .0;
    let shape: Option<Vec<usize>> = shape
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .map(|n| n.trim_end_matches('L').parse().ok())
        .collect();
    Ok(Header {
        kind,
        big_endian: order == ">",
        fortran_order,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn file(version: u8, header: &str, numbers: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.bytes());
        bytes.extend(numbers);
        bytes
    }

    fn dict(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    /// `np.array([[1, -2.5, 0.5], [4, 5, 6]])` in every type, byte order and order of rows.
    #[test]
    fn every_type_and_order() {
        let expected = array![[1.0, -2.5, 0.5], [4.0, 5.0, 6.0]];
        let c = [1.0, -2.5, 0.5, 4.0, 5.0, 6.0f64];
        let fortran = [1.0, 4.0, -2.5, 5.0, 0.5, 6.0f64];
        let halves = |v: &[f64]| -> Vec<u16> {
            let bits = |v: &f64| match *v as f32 {
                1.0 => 0x3c00,
                -2.5 => 0xc100,
                0.5 => 0x3800,
                4.0 => 0x4400,
                5.0 => 0x4500,
                _ => 0x4600,
            };
            v.iter().map(bits).collect()
        };
        for (order, numbers) in [("False", &c), ("True", &fortran)] {
            for big in [false, true] {
                let turned = |mut b: Vec<u8>| {
                    if big {
                        b.reverse();
                    }
                    b
                };
                let f8 = numbers
                    .iter()
                    .flat_map(|v| turned(v.to_le_bytes().to_vec()));
                let f4 = numbers
                    .iter()
                    .flat_map(|v| turned((*v as f32).to_le_bytes().to_vec()));
                let f2 = halves(numbers);
                let f2 = f2.iter().flat_map(|v| turned(v.to_le_bytes().to_vec()));
                let sign = if big { '>' } else { '<' };
                for (kind, bytes) in [
                    ("f8", f8.collect::<Vec<u8>>()),
                    ("f4", f4.collect()),
                    ("f2", f2.collect()),
                ] {
                    for version in [1, 2, 3] {
                        let header = dict(&format!("{sign}{kind}"), order, "(2, 3)");
                        let found = read_bytes("a.npy", &file(version, &header, &bytes)).unwrap();
                        assert_eq!(found, expected, "{sign}{kind} {order} {version}");
                        assert!(found.is_standard_layout());
                    }
                }
            }
        }
    }

    #[test]
    fn sixteen_bits() {
        for (bits, value) in [
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x7bff, 65504.0),
            (0x8000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn vectors_are_one_column() {
        let bytes: Vec<u8> = [1f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let header = dict("<f4", "False", "(2,)");
        assert_eq!(
            read_bytes("b.npy", &file(1, &header, &bytes)).unwrap(),
            array![[1.0], [2.0]]
        );
        let none = dict("<f4", "True", "(0, 3)");
        assert_eq!(
            read_bytes("b.npy", &file(1, &none, &[])).unwrap().dim(),
            (0, 3)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let nan: Vec<u8> = [0f32, 1.0, f32::NAN, 3.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let large = 1e300f64.to_le_bytes();
        for (bytes, says) in [
            (b"PAR1 and more".to_vec(), "not an .npy file"),
            (b"\x93NUM".to_vec(), "ends within its header"),
            (file(4, "", &[]), "version 4"),
            (file(2, &" ".repeat(20_000), &[]), "header of 20000 bytes"),
            (file(1, "{'descr': '<f4'}", &[]), "without 'fortran_order'"),
            (file(1, &dict("|O", "False", "(2,)"), &[]), "Python objects"),
            (
                file(1, &dict("<i8", "False", "(1,)"), &[0; 8]),
                "type '<i8'",
            ),
            (
                file(1, "{'descr': [('a', '<f4')], 'shape': (1,)}", &[]),
                "records",
            ),
            (
                file(1, &dict("<f4", "False", "(1, 1, 1)"), &[0; 4]),
                "3 dimensions",
            ),
            (
                file(1, &dict("<f4", "False", "()"), &[0; 4]),
                "0 dimensions",
            ),
            (
                file(1, &dict("<f4", "False", "(2, 2)"), &[0; 12]),
                "12 bytes of numbers",
            ),
            (
                file(1, &dict("<f4", "False", "(4294967296, 4294967296)"), &[]),
                "too many",
            ),
            (
                file(1, &dict("<f4", "False", "(-1, 2)"), &[]),
                "without 'shape'",
            ),
            (
                file(1, &dict("<f4", "False", "(2, 2)"), &nan),
                "row 1, column 0",
            ),
            (
                file(1, &dict("<f4", "True", "(2, 2)"), &nan),
                "row 0, column 1",
            ),
            (file(1, &dict("<f8", "False", "(1,)"), &large), "inf"),
        ] {
            let e = read_bytes("x.npy", &bytes).unwrap_err().to_string();
            assert!(e.starts_with("x.npy: ") && e.contains(says), "{e}");
        }
    }
}
