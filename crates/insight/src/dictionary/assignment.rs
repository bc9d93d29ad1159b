//! The assignment problem: which profile of one dictionary is which of another.
//!
//! Kuhn (1955) and Munkres (1957), by shortest augmenting paths with potentials (Jonker and Volgenant,
//! Computing 1987).

/// Assigns each row to a column of its own, or each column to a row if there are fewer of them, such that the
/// sum of values is the largest; values that are not finite count as 0. Returns the column of each row. `values` `(rows, columns)` is row-major.
pub(crate) fn assign(values: &[f32], rows: usize, columns: usize) -> Vec<Option<usize>> {
    if rows > columns {
        let flipped = super::nmf::transposed(values, rows, columns);
        let mut out = vec![None; rows];
        for (column, row) in assign(&flipped, columns, rows).into_iter().enumerate() {
            if let Some(row) = row {
                out[row] = Some(column);
            }
        }
        return out;
    }
    let cost = |row: usize, column: usize| match f64::from(values[row * columns + column]) {
        v if v.is_finite() => -v,
        _ => 0.0,
    };
    // Potentials and the row of each column; row and column 0 are a dummy.
    let mut of_rows = vec![0f64; rows + 1];
    let mut of_columns = vec![0f64; columns + 1];
    let mut row_of = vec![0usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut at = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut before = vec![0usize; columns + 1];
        let mut visited = vec![false; columns + 1];
        while row_of[at] != 0 {
            visited[at] = true;
            let from = row_of[at];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for column in 1..=columns {
                if visited[column] {
                    continue;
                }
                let reduced = cost(from - 1, column - 1) - of_rows[from] - of_columns[column];
                if reduced < least[column] {
                    least[column] = reduced;
                    before[column] = at;
                }
                if least[column] < step {
                    step = least[column];
                    next = column;
                }
            }
            for column in 0..=columns {
                if visited[column] {
                    of_rows[row_of[column]] += step;
                    of_columns[column] -= step;
                } else {
                    least[column] -= step;
                }
            }
            at = next;
        }
        while at != 0 {
            row_of[at] = row_of[before[at]];
            at = before[at];
        }
    }
    let mut out = vec![None; rows];
    for column in 1..=columns {
        if row_of[column] > 0 {
            out[row_of[column] - 1] = Some(column - 1);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        // Greedy would take 0.9 and then 0.1; the best is 0.8 + 0.7.
        let values = [0.9, 0.8, 0.7, 0.1];
        assert_eq!(assign(&values, 2, 2), [Some(1), Some(0)]);
        assert_eq!(assign(&[0.1, 0.9, 0.3], 3, 1), [None, Some(0), None]);
        assert!(assign(&[], 0, 0).is_empty());
    }

    fn best(values: &[f32], rows: usize, columns: usize, row: usize, used: &mut Vec<bool>) -> f64 {
        if row == rows {
            return 0.0;
        }
        let mut most = f64::NEG_INFINITY;
        for column in 0..columns {
            if !used[column] {
                used[column] = true;
                let value = f64::from(values[row * columns + column]);
                most = most.max(value + best(values, rows, columns, row + 1, used));
                used[column] = false;
            }
        }
        most
    }

    proptest! {
        /// The largest sum over all assignments.
        #[test]
        fn equals_exhaustive_search(
            rows in 1usize..5, more in 0usize..2,
            values in proptest::collection::vec(-1f32..1.0, 30),
        ) {
            let columns = rows + more;
            let values = &values[..rows * columns];
            let found = assign(values, rows, columns);
            let sum: f64 = found.iter().enumerate()
                .map(|(r, c)| f64::from(values[r * columns + c.unwrap()])).sum();
            let most = best(values, rows, columns, 0, &mut vec![false; columns]);
            prop_assert!((sum - most).abs() < 1e-5);
        }
    }
}
