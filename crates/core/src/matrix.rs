//! Dense and sparse matrices of `f32`.

use crate::{Error, Result};

/// A dense matrix of `f32` in row-major order.
pub type Mat = ndarray::Array2<f32>;

/// A sparse matrix in CSR format, with column indices ascending and unique in each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    n_columns: usize,
}

impl Csr {
    /// A matrix from its arrays: `offsets` `(rows + 1)`, `columns` and `values` `(nnz)`.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Range`] if lengths disagree, offsets decrease, a column is out
    /// of range or not ascending, or a value is not finite.
    pub fn new(
        offsets: Vec<usize>,
        columns: Vec<u32>,
        values: Vec<f32>,
        n_columns: usize,
    ) -> Result<Self> {
        if offsets.first() != Some(&0) || offsets.last() != Some(&columns.len()) {
            return Err(Error::shape(
                "row offsets",
                format!("0 ..= {}", columns.len()),
                format!("{:?} ..= {:?}", offsets.first(), offsets.last()),
            ));
        }
        if columns.len() != values.len() {
            return Err(Error::shape("values", columns.len(), values.len()));
        }
        for (row, pair) in offsets.windows(2).enumerate() {
            let Some(columns) = columns.get(pair[0]..pair[1]) else {
                return Err(Error::range(
                    format!("row offset {row}"),
                    "ascending",
                    format!("{} after {}", pair[1], pair[0]),
                ));
            };
            if columns.windows(2).any(|w| w[0] >= w[1]) {
                return Err(Error::range(
                    format!("columns of row {row}"),
                    "ascending and unique",
                    "not",
                ));
            }
            if columns.last().is_some_and(|&c| c as usize >= n_columns) {
                return Err(Error::range(
                    format!("last column of row {row}"),
                    format!("below {n_columns}"),
                    format!("{:?}", columns.last()),
                ));
            }
        }
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(Error::range("a value", "finite", bad));
        }
        Ok(Self {
            offsets,
            columns,
            values,
            n_columns,
        })
    }

    /// A matrix from rows of `(column, value)`; columns may be in any order, duplicates are
    /// summed.
    ///
    /// # Errors
    /// As [`Csr::new`].
    pub fn from_rows(
        rows: impl IntoIterator<Item = Vec<(u32, f32)>>,
        n_columns: usize,
    ) -> Result<Self> {
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for mut row in rows {
            row.sort_by_key(|&(c, _)| c);
            let start = columns.len();
            for (c, v) in row {
                if columns.len() > start && columns.last() == Some(&c) {
                    if let Some(last) = values.last_mut() {
                        *last += v;
                    }
                } else {
                    columns.push(c);
                    values.push(v);
                }
            }
            offsets.push(columns.len());
        }
        Self::new(offsets, columns, values, n_columns)
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.columns.len()
    }

    /// Row offsets `(rows + 1)`.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Column indices `(nnz)`.
    #[must_use]
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Values `(nnz)`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The columns and values of one row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// The entry at `(row, column)`, 0 if none is stored.
    #[must_use]
    pub fn get(&self, row: usize, column: u32) -> f32 {
        let (columns, values) = self.row(row);
        columns.binary_search(&column).map_or(0.0, |at| values[at])
    }

    /// The transpose `(columns, rows)`.
    #[must_use]
    pub fn transpose(&self) -> Self {
        let mut offsets = vec![0usize; self.n_columns + 1];
        for &c in &self.columns {
            offsets[c as usize + 1] += 1;
        }
        for c in 0..self.n_columns {
            offsets[c + 1] += offsets[c];
        }
        let mut next = offsets.clone();
        let mut columns = vec![0u32; self.nnz()];
        let mut values = vec![0f32; self.nnz()];
        for row in 0..self.n_rows() {
            let (cs, vs) = self.row(row);
            for (&c, &v) in cs.iter().zip(vs) {
                let at = &mut next[c as usize];
                columns[*at] = row as u32;
                values[*at] = v;
                *at += 1;
            }
        }
        Self {
            offsets,
            columns,
            values,
            n_columns: self.n_rows(),
        }
    }
}

/// For each of `n_columns` columns the rows that have it, ascending: the transpose of lists of columns
/// without values, as [`Csr::transpose`] is with values.
///
/// # Errors
/// [`Error::Range`] if a column is not below `n_columns`.
pub fn invert(rows: &[Vec<u32>], n_columns: usize) -> Result<Vec<Vec<u32>>> {
    let mut columns = vec![Vec::new(); n_columns];
    for (at, row) in rows.iter().enumerate() {
        for &column in row {
            let rows = columns.get_mut(column as usize).ok_or_else(|| {
                Error::range(
                    format!("a column of row {at}"),
                    format!("below {n_columns}"),
                    column,
                )
            })?;
            rows.push(at as u32);
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_invalid_arrays() {
        assert!(Csr::new(vec![0, 2], vec![0, 1], vec![1.0, 2.0], 2).is_ok());
        assert!(Csr::new(vec![0, 1], vec![0, 1], vec![1.0, 2.0], 2).is_err());
        assert!(Csr::new(vec![0, 2], vec![1, 0], vec![1.0, 2.0], 2).is_err());
        assert!(Csr::new(vec![0, 2], vec![0, 2], vec![1.0, 2.0], 2).is_err());
        assert!(Csr::new(vec![0, 2, 1, 2], vec![0, 1], vec![1.0, 2.0], 2).is_err());
        assert!(Csr::new(vec![0, 1], vec![0], vec![f32::NAN], 2).is_err());
        assert!(Csr::new(vec![], vec![], vec![], 2).is_err());
    }

    #[test]
    fn inverse_of_lists() {
        let columns = invert(&[vec![2, 0], vec![], vec![0]], 3).unwrap();
        assert_eq!(columns, [vec![0, 2], vec![], vec![0]]);
        let message = invert(&[vec![], vec![3]], 3).unwrap_err().to_string();
        assert!(message.contains("column of row 1"), "{message}");
    }

    proptest! {
        #[test]
        fn transposing_twice_is_the_identity(
            rows in proptest::collection::vec(
                proptest::collection::vec((0u32..7, -2f32..2.0), 0..6), 0..9)
        ) {
            let m = Csr::from_rows(rows, 7).unwrap();
            let t = m.transpose();
            prop_assert_eq!(t.transpose(), m.clone());
            for r in 0..m.n_rows() {
                for c in 0..7 {
                    prop_assert_eq!(m.get(r, c), t.get(c as usize, r as u32));
                }
            }
        }
    }
}
