//! Steering: what a method gains on a segment of items, and what it costs in personal accuracy.
//!
//! Strengths of different methods are not comparable, so methods are compared at equal personal nDCG (From
//! Knots to Knobs, figure 5, read as a Pareto front). The segment of a user is the set of items with their
//! target tag that are not in their history.

use limpid_core::{ItemIdx, Mask, top_k};
use serde::{Deserialize, Serialize};

/// Length of the lists.
pub const LIST: usize = 20;

/// Means over users at one strength.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FrontPoint {
    /// The strength.
    pub strength: f32,
    /// nDCG@20 of the user's held-out items.
    pub personal: f64,
    /// nDCG@20 of the items of the segment, over users whose segment has items.
    pub segment: f64,
}

/// The trade-off of a method.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Front {
    /// Users.
    pub users: usize,
    /// Users whose segment has items; the others count only for the personal metric.
    pub segments: usize,
    /// By ascending strength; the first is unsteered.
    pub points: Vec<FrontPoint>,
}

impl Front {
    /// The best segment nDCG with a personal nDCG of at least `share` of `unsteered`, linear between
    /// strengths; `None` if no strength keeps as much.
    #[must_use]
    pub fn segment_at(&self, share: f64, unsteered: f64) -> Option<f64> {
        let kept = |p: &FrontPoint| p.personal / unsteered.max(f64::MIN_POSITIVE);
        let mut best: Option<f64> = None;
        for (at, point) in self.points.iter().enumerate() {
            let keeps = kept(point) >= share;
            if keeps {
                best = Some(best.map_or(point.segment, |b| b.max(point.segment)));
            }
            if let Some(next) = self.points.get(at + 1)
                && keeps
                && kept(next) < share
            {
                let part = (kept(point) - share) / (kept(point) - kept(next));
                let between = point.segment + part * (next.segment - point.segment);
                best = best.map(|b| b.max(between));
            }
        }
        best
    }

    /// The mean of [`segment_at`](Self::segment_at) over shares from 0.8 to 1; a share that no strength
    /// keeps counts as 0.
    #[must_use]
    pub fn area(&self, unsteered: f64) -> f64 {
        let shares = (0..=20).map(|s| 0.8 + 0.01 * f64::from(s));
        shares
            .map(|s| self.segment_at(s, unsteered).unwrap_or(0.0))
            .sum::<f64>()
            / 21.0
    }
}

/// Collects the front of a method, user by user.
#[derive(Debug, Clone)]
pub struct Meter {
    strengths: Vec<f32>,
    sums: Vec<(f64, f64)>,
    users: usize,
    segments: usize,
}

impl Meter {
    /// For ascending strengths; the first should be 0.
    #[must_use]
    pub fn new(strengths: Vec<f32>) -> Self {
        Self {
            sums: vec![(0.0, 0.0); strengths.len()],
            strengths,
            users: 0,
            segments: 0,
        }
    }

    /// Adds a user: `scores(strength)` gives the scores `(I)`, `held_out` are their held-out items (ascending),
    /// `segment` `(I)` is 1 for items of the target tag.
    pub fn add(
        &mut self,
        scores: &mut dyn FnMut(f32) -> Vec<f32>,
        mask: &Mask,
        tie_breaks: &[u64],
        held_out: &[ItemIdx],
        segment: &[f32],
    ) {
        let open = |i: usize| segment[i] > 0.0 && !mask.hides(ItemIdx(i as u32));
        let n_segment = (0..segment.len()).filter(|&i| open(i)).count();
        self.users += 1;
        self.segments += usize::from(n_segment > 0);
        for (&strength, sums) in self.strengths.iter().zip(&mut self.sums) {
            let list = top_k(&scores(strength), mask, tie_breaks, LIST);
            let items: Vec<ItemIdx> = list.iter().map(|s| s.item).collect();
            let personal = items.iter().map(|i| held_out.binary_search(i).is_ok());
            sums.0 += ndcg(personal, held_out.len());
            if n_segment > 0 {
                sums.1 += ndcg(items.iter().map(|i| open(i.at())), n_segment);
            }
        }
    }

    /// The front.
    #[must_use]
    pub fn front(&self) -> Front {
        let points = self.strengths.iter().zip(&self.sums);
        let points = points.map(|(&strength, &(personal, segment))| FrontPoint {
            strength,
            personal: personal / self.users.max(1) as f64,
            segment: segment / self.segments.max(1) as f64,
        });
        Front {
            users: self.users,
            segments: self.segments,
            points: points.collect(),
        }
    }
}

/// Binary nDCG of a list, ideal over at most [`LIST`] relevant items.
fn ndcg(hits: impl Iterator<Item = bool>, relevant: usize) -> f64 {
    let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let found: f64 = hits.enumerate().filter(|h| h.1).map(|h| gain(h.0)).sum();
    let ideal: f64 = (0..relevant.min(LIST)).map(gain).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items 0 … 29 in order; the user's item is 0, the segment is 20 … 29. Without steering the segment is
    /// out of reach; at strength 1 it fills the first ten ranks, and the user's item is at rank 11.
    #[test]
    fn a_front_by_hand() {
        let base: Vec<f32> = (0..30).map(|i| -(i as f32)).collect();
        let segment: Vec<f32> = (0..30).map(|i| f32::from(u8::from(i >= 20))).collect();
        let mut meter = Meter::new(vec![0.0, 1.0]);
        let mut scores = |s: f32| -> Vec<f32> {
            base.iter()
                .zip(&segment)
                .map(|(b, t)| b + s * 100.0 * t)
                .collect()
        };
        let ties: Vec<u64> = (0..30).collect();
        meter.add(&mut scores, &Mask::none(30), &ties, &[ItemIdx(0)], &segment);
        let front = meter.front();
        assert_eq!((front.users, front.segments), (1, 1));
        assert_eq!(
            (front.points[0].personal, front.points[0].segment),
            (1.0, 0.0)
        );
        assert!((front.points[1].segment - 1.0).abs() < 1e-12);
        let late = 1.0 / 12f64.log2();
        assert!((front.points[1].personal - late).abs() < 1e-12);
        // Halfway between the two points.
        let middle = (1.0 + late) / 2.0;
        assert!((front.segment_at(middle, 1.0).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(front.segment_at(1.1, 1.0), None);
        assert!(front.area(1.0) > 0.0);
    }
}
