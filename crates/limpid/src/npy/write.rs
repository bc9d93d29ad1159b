//! Matrices of 32-bit numbers, written row by row in version 1.0 of the format.

use std::io::Write;

use super::MAGIC;
use crate::output::{Destination, Sink};
use crate::{Error, Result};

/// The length of magic, version, header length and header is a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes a matrix `(rows, columns)`.
pub(crate) struct Writer {
    sink: Sink,
    place: String,
    columns: usize,
    missing: usize,
}

impl Writer {
    pub(crate) fn create(to: &Destination, rows: usize, columns: usize) -> Result<Self> {
        let mut writer = Self {
            sink: to.create()?,
            place: to.described(),
            columns,
            missing: rows,
        };
        writer.write(&header(rows, columns))?;
        Ok(writer)
    }

    pub(crate) fn row(&mut self, row: &[f32]) -> Result<()> {
        if row.len() != self.columns || self.missing == 0 {
            let why = format!("a row of {} numbers does not fit the matrix", row.len());
            return Err(Error::artifact(&self.place, why));
        }
        self.missing -= 1;
        let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.write(&bytes)
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self.missing {
            0 => self.sink.finish(),
            n => Err(Error::artifact(self.place, format!("{n} rows are missing"))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(|e| self.sink.failed(e))
    }
}

fn header(rows: usize, columns: usize) -> Vec<u8> {
    let dict =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let before = MAGIC.len() + 4;
    let length = (before + dict.len() + 1).next_multiple_of(ALIGNMENT) - before;
    let mut header = [MAGIC, &[1, 0]].concat();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{dict:<0$}\n", length - 1).bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::FileFormat;

    /// `numpy.lib.format.write_array(f, np.array([[1, 2, 3], [4, 5, 6]], "<f4"), (1, 0))`
    #[test]
    fn the_bytes_are_those_of_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let to = Destination::new(&path, &[FileFormat::Npy], FileFormat::Npy).unwrap();
        let mut writer = Writer::create(&to, 2, 3).unwrap();
        writer.row(&[1.0, 2.0, 3.0]).unwrap();
        assert!(writer.row(&[1.0]).is_err());
        writer.row(&[4.0, 5.0, 6.0]).unwrap();
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut expected = b"\x93NUMPY\x01\x00v\x00".to_vec();
        expected.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        expected.extend(
            [1f32, 2.0, 3.0, 4.0, 5.0, 6.0]
                .iter()
                .flat_map(|x| x.to_le_bytes()),
        );
        assert_eq!(bytes, expected);
        let unfinished = Writer::create(&to, 2, 3).unwrap();
        assert!(
            unfinished
                .finish()
                .unwrap_err()
                .to_string()
                .contains("2 rows are missing")
        );
    }
}
