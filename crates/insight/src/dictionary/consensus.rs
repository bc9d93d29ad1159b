//! Consensus of several factorizations: profiles that come back in most of them, averaged.

use limpid_tensor::matmul::{Factor, product};

/// The means `(n, I)` of groups of unit profiles, one of each resample at most.
///
/// The support of a profile is the number of resamples whose best cosine with it is at least `threshold`.
/// In order of support, then of the sum of best cosines, ties by index, each profile that is not used yet
/// collects the best unused one of every resample at `threshold` or above; where at least `quorum` resamples
/// answer, their mean is emitted.
pub(super) fn consensus(
    resamples: &[Vec<f32>],
    n_items: usize,
    threshold: f32,
    quorum: usize,
) -> Vec<f32> {
    let pool: Vec<f32> = resamples.concat();
    let n = pool.len() / n_items.max(1);
    let source: Vec<usize> = resamples
        .iter()
        .enumerate()
        .flat_map(|(s, profiles)| vec![s; profiles.len() / n_items.max(1)])
        .collect();
    let mut cosines = vec![0f32; n * n];
    let all = Factor::new(&pool, n, n_items);
    product(&mut cosines, all, all.t(), false);
    let row = |p: usize| &cosines[p * n..(p + 1) * n];
    let rank: Vec<(usize, f32)> = (0..n)
        .map(|p| {
            let mut best = vec![f32::NEG_INFINITY; resamples.len()];
            for (&c, &s) in row(p).iter().zip(&source) {
                best[s] = best[s].max(c);
            }
            let support = best.iter().filter(|&&c| c >= threshold).count();
            (support, best.iter().filter(|c| c.is_finite()).sum())
        })
        .collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| {
        let (of_a, of_b) = (rank[a], rank[b]);
        of_b.0
            .cmp(&of_a.0)
            .then(of_b.1.total_cmp(&of_a.1))
            .then(a.cmp(&b))
    });
    let mut used = vec![false; n];
    let mut out = Vec::new();
    for p in order {
        if used[p] || rank[p].0 < quorum {
            continue;
        }
        let mut members: Vec<Option<usize>> = vec![None; resamples.len()];
        for (q, &c) in row(p).iter().enumerate() {
            let member = &mut members[source[q]];
            if !used[q] && c >= threshold && member.is_none_or(|m| c > row(p)[m]) {
                *member = Some(q);
            }
        }
        let members: Vec<usize> = members.into_iter().flatten().collect();
        if members.len() < quorum {
            continue;
        }
        let mut mean = vec![0f32; n_items];
        for &m in &members {
            used[m] = true;
            let profile = &pool[m * n_items..(m + 1) * n_items];
            mean.iter_mut().zip(profile).for_each(|(a, v)| *a += v);
        }
        let share = 1.0 / members.len() as f32;
        out.extend(mean.into_iter().map(|v| v * share));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of three resamples, one direction is in all, one in two, one in a single resample.
    #[test]
    fn what_comes_back_is_averaged() {
        let (a, b, c) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let near_a = [0.8f32, 0.6, 0.0];
        let resamples = [[a, b].concat(), [b, near_a].concat(), [a, c].concat()];
        let strict = consensus(&resamples, 3, 0.7, 3);
        for (found, expected) in strict.iter().zip([2.8 / 3.0, 0.2, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{strict:?}");
        }
        assert_eq!(strict.len(), 3);
        assert_eq!(consensus(&resamples, 3, 0.7, 2).len(), 6);
        assert!(consensus(&[], 3, 0.7, 1).is_empty());
    }
}
