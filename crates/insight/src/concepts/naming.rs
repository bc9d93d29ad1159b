//! Names by AUROC on held-out items, with a null that controls for popularity.
//!
//! Items are split in halves inside of popularity deciles. The tag with the highest AUROC on the first half is
//! the name of a unit; its AUROC on the second half is the confidence. The null permutes the tag over items
//! of the second half inside of deciles, because blockbuster tags would describe every unit otherwise; over
//! all units, the false discovery rate is 5 % (Benjamini and Hochberg, J. Royal Statistical Society B 1995). A
//! unit is *named* if it passes and its AUROC is 0.8 or more.

use limpid_core::Mat;
use limpid_tensor::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Tag;

/// Groups of items of similar popularity.
const DECILES: usize = 10;

/// How units are named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Naming {
    /// Items that a tag needs in each half.
    pub least: usize,
    /// Permutations of the null, at least 2.
    pub permutations: usize,
    /// The false discovery rate.
    pub rate: f64,
    /// The least AUROC of a name.
    pub auroc: f64,
    /// Whether the opposite of a unit may be named: for controls only, such as raw dimensions.
    pub either_sign: bool,
    /// Seed of the halves and of the permutations.
    pub seed: u64,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            least: 8,
            permutations: 100,
            rate: 0.05,
            auroc: 0.8,
            either_sign: false,
            seed: 1,
        }
    }
}

/// The name of a unit. A name that was not confirmed is shown as a guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Name {
    /// The tag.
    pub tag: String,
    /// Its metadata field.
    pub field: String,
    /// Confidence: AUROC of the unit for the tag on items that did not choose it.
    pub auroc: f32,
    /// Lower end of its 95 % interval (Hanley and McNeil, Radiology 1982).
    pub low: f32,
    /// Upper end.
    pub high: f32,
    /// P-value against the popularity-controlled null (normal approximation).
    pub p: f32,
    /// Whether it passes the false discovery rate and the least AUROC.
    pub confirmed: bool,
    /// Items with the tag, in both halves.
    pub items: usize,
    /// Runner-up tags, best first.
    pub others: Vec<Other>,
}

/// A runner-up name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Other {
    /// The tag.
    pub tag: String,
    /// Its AUROC on the second half of the items.
    pub auroc: f32,
}

/// Runner-up names of a unit.
const OTHERS: usize = 3;

/// The tag that describes each unit `(units)`, from the activation of every item `(I, units)` and the
/// popularity of items `(I)`; `None` for a unit without any tag that has enough items.
#[must_use]
pub fn name_units(
    activations: &Mat,
    tags: &[Tag],
    popularity: &[u32],
    how: &Naming,
) -> Vec<Option<Name>> {
    let n_items = activations.nrows();
    let mut rng = Rng::new(how.seed, 0);
    let deciles = deciles(popularity, n_items);
    let (first, second) = halves(&deciles, &mut rng);
    let indices = |half: &[u32]| -> Vec<Vec<u32>> {
        // Positions within a half, so that ranks are looked up directly.
        let mut position = vec![u32::MAX; n_items];
        for (at, &item) in half.iter().enumerate() {
            position[item as usize] = at as u32;
        }
        tags.iter()
            .map(|tag| {
                let items = tag
                    .items
                    .iter()
                    .filter_map(|&(i, _)| position.get(i as usize));
                items.copied().filter(|&at| at != u32::MAX).collect()
            })
            .collect()
    };
    let (of_first, of_second) = (indices(&first), indices(&second));
    let usable: Vec<usize> = (0..tags.len())
        .filter(|&t| {
            let (a, b) = (of_first[t].len(), of_second[t].len());
            // A tag that nearly all items have needs as many without it.
            a >= how.least
                && b >= how.least
                && first.len() - a >= how.least
                && second.len() - b >= how.least
        })
        .collect();
    if usable.is_empty() {
        return vec![None; activations.ncols()];
    }
    let by_decile: Vec<Vec<u32>> = (0..DECILES)
        .map(|d| {
            let within = second.iter().enumerate();
            within
                .filter(|(_, i)| deciles[**i as usize] == d)
                .map(|(at, _)| at as u32)
                .collect()
        })
        .collect();
    let permutations: Vec<Vec<u32>> = (0..how.permutations.max(2))
        .map(|_| {
            let mut to = vec![0u32; second.len()];
            for group in &by_decile {
                let mut shuffled = group.clone();
                rng.shuffle(&mut shuffled);
                for (&from, &at) in group.iter().zip(&shuffled) {
                    to[from as usize] = at;
                }
            }
            to
        })
        .collect();
    let one = |unit: usize| -> Name {
        let column: Vec<f32> = activations.column(unit).to_vec();
        let ranks = |half: &[u32]| {
            let values: Vec<f32> = half.iter().map(|&i| column[i as usize]).collect();
            average_ranks(&values)
        };
        let (a, b) = (ranks(&first), ranks(&second));
        let mut order: Vec<(usize, f64)> = usable
            .iter()
            .map(|&t| (t, auroc(&a, &of_first[t])))
            .collect();
        // The sign of a control is chosen on the first half too.
        let best = order.iter().map(|o| o.1).fold(0.0, f64::max);
        let worst = order.iter().map(|o| o.1).fold(1.0, f64::min);
        let flip = how.either_sign && 1.0 - worst > best;
        let signed = |v: f64| if flip { 1.0 - v } else { v };
        order.iter_mut().for_each(|o| o.1 = signed(o.1));
        order.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
        let (tag, _) = order[0];
        let value = signed(auroc(&b, &of_second[tag]));
        let null: Vec<f64> = permutations
            .iter()
            .map(|to| {
                let moved: Vec<u32> = of_second[tag].iter().map(|&at| to[at as usize]).collect();
                signed(auroc(&b, &moved))
            })
            .collect();
        let mean = null.iter().sum::<f64>() / null.len() as f64;
        let variance = null.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / null.len() as f64;
        let z = (value - mean) / variance.max(1e-8).sqrt();
        let error = standard_error(value, of_second[tag].len(), second.len());
        let named = plain(&tags[tag].name);
        let others = order[1..]
            .iter()
            .filter(|o| plain(&tags[o.0].name) != named);
        Name {
            tag: tags[tag].name.clone(),
            field: tags[tag].field.clone(),
            auroc: value as f32,
            low: (value - 1.96 * error).max(0.0) as f32,
            high: (value + 1.96 * error).min(1.0) as f32,
            p: upper_tail(z) as f32,
            confirmed: false,
            items: of_first[tag].len() + of_second[tag].len(),
            others: others
                .take(OTHERS)
                .map(|&(t, _)| Other {
                    tag: tags[t].name.clone(),
                    auroc: signed(auroc(&b, &of_second[t])) as f32,
                })
                .collect(),
        }
    };
    let mut names: Vec<Name> = (0..activations.ncols()).into_par_iter().map(one).collect();
    let passed = discoveries(names.iter().map(|n| f64::from(n.p)).collect(), how.rate);
    for (name, passed) in names.iter_mut().zip(passed) {
        name.confirmed = passed && f64::from(name.auroc) >= how.auroc;
    }
    names.into_iter().map(Some).collect()
}

/// How many units have names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    /// Number of units.
    pub units: usize,
    /// Share with a confirmed name.
    pub named: f64,
    /// Number of distinct confirmed names.
    pub distinct: usize,
}

impl Summary {
    /// Of the names of some units.
    #[must_use]
    pub fn of(names: &[Option<Name>]) -> Self {
        let confirmed: Vec<&Name> = names.iter().flatten().filter(|n| n.confirmed).collect();
        let mut distinct: Vec<(&str, &str)> = confirmed
            .iter()
            .map(|n| (n.field.as_str(), n.tag.as_str()))
            .collect();
        distinct.sort_unstable();
        distinct.dedup();
        Self {
            units: names.len(),
            named: confirmed.len() as f64 / names.len().max(1) as f64,
            distinct: distinct.len(),
        }
    }
}

/// A name without case, spaces and signs: `Film-Noir` and `film noir` are the same.
#[must_use]
pub fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The popularity decile of each item, 0 the most popular.
fn deciles(popularity: &[u32], n_items: usize) -> Vec<usize> {
    let of = |i: usize| popularity.get(i).copied().unwrap_or(0);
    let mut order: Vec<usize> = (0..n_items).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(of(i)));
    let mut out = vec![0; n_items];
    for (rank, i) in order.into_iter().enumerate() {
        out[i] = rank * DECILES / n_items.max(1);
    }
    out
}

/// Two random halves of the items, inside of deciles.
fn halves(deciles: &[usize], rng: &mut Rng) -> (Vec<u32>, Vec<u32>) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for decile in 0..DECILES {
        let mut items: Vec<u32> = (0..deciles.len() as u32)
            .filter(|&i| deciles[i as usize] == decile)
            .collect();
        rng.shuffle(&mut items);
        let (left, right) = items.split_at(items.len() / 2);
        a.extend(left);
        b.extend(right);
    }
    (a, b)
}

/// Ranks from 1, equal values with their mean rank.
pub(super) fn average_ranks(values: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut out = vec![0f32; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let rank = (start + 1 + end) as f32 / 2.0;
        order[start..end].iter().for_each(|&i| out[i] = rank);
        start = end;
    }
    out
}

/// The probability that an item with the tag is ranked above one without it.
fn auroc(ranks: &[f32], with: &[u32]) -> f64 {
    let (n, p) = (ranks.len() as f64, with.len() as f64);
    let sum: f64 = with.iter().map(|&at| f64::from(ranks[at as usize])).sum();
    (sum - p * (p + 1.0) / 2.0) / (p * (n - p)).max(1.0)
}

/// The AUROC of some units for some tags over all items, by tag, from the activation of every item `(I, units)`.
#[must_use]
pub fn aurocs(activations: &Mat, units: &[usize], tags: &[&Tag]) -> Vec<Vec<f64>> {
    let n_items = activations.nrows() as u32;
    let ranks: Vec<Vec<f32>> = units
        .par_iter()
        .map(|&unit| average_ranks(&activations.column(unit).to_vec()))
        .collect();
    let of = |tag: &&Tag| -> Vec<f64> {
        let items = tag.items.iter().map(|i| i.0).filter(|&i| i < n_items);
        let items: Vec<u32> = items.collect();
        ranks.iter().map(|ranks| auroc(ranks, &items)).collect()
    };
    tags.iter().map(of).collect()
}

/// Hanley and McNeil's standard error of an AUROC with `p` of `n` items.
fn standard_error(auroc: f64, p: usize, n: usize) -> f64 {
    let (p, q) = (p as f64, (n - p) as f64);
    let (first, second) = (auroc / (2.0 - auroc), 2.0 * auroc * auroc / (1.0 + auroc));
    let variance = auroc * (1.0 - auroc)
        + (p - 1.0) * (first - auroc * auroc)
        + (q - 1.0) * (second - auroc * auroc);
    (variance.max(0.0) / (p * q).max(1.0)).sqrt()
}

/// The upper tail of the standard normal distribution: near 0 by the series of the error function, beyond by
/// its continued fraction (Abramowitz and Stegun, 7.1.6 and 7.1.14).
fn upper_tail(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let tail = if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= 2.0 * x * x / (2.0 * f64::from(n) + 1.0);
            sum += term;
        }
        1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
    } else {
        let fraction = (1..=60)
            .rev()
            .fold(x, |below, n| x + f64::from(n) / 2.0 / below);
        (-x * x).exp() / (std::f64::consts::PI.sqrt() * fraction)
    };
    match z > 0.0 {
        true => tail / 2.0,
        false => 1.0 - tail / 2.0,
    }
}

/// Which hypotheses are rejected at a false discovery rate.
fn discoveries(p: Vec<f64>, rate: f64) -> Vec<bool> {
    let n = p.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let last = (0..n).rfind(|&at| p[order[at]] <= rate * (at + 1) as f64 / n as f64);
    let mut out = vec![false; n];
    for &at in order.iter().take(last.map_or(0, |l| l + 1)) {
        out[at] = true;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_by_hand() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        let ranks = average_ranks(&[0.1, 0.4, 0.35, 0.8]);
        assert_eq!(auroc(&ranks, &[2, 3]), 0.75);
        // scipy.stats.norm.sf
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (-1.0, 0.841_344_746_068_543),
            (3.0, 0.001_349_898_031_630_094_5),
            (6.0, 9.865_876_450_376_946e-10),
        ] {
            let found = upper_tail(z);
            assert!(
                (found - expected).abs() < 1e-9 * expected.max(1e-3),
                "{z} {found}"
            );
        }
        assert_eq!(
            discoveries(vec![0.9, 0.001, 0.03, 0.02], 0.05),
            [false, true, true, true]
        );
        assert_eq!(discoveries(vec![0.2, 0.04], 0.05), [false, false]);
        assert_eq!(plain("Film-Noir"), plain("film noir"));
    }

    fn planted(rng: &mut Rng, n: usize) -> (Mat, Vec<Tag>, Vec<u32>) {
        let tags: Vec<Tag> = (0..6)
            .map(|t| Tag {
                field: "tag".into(),
                name: format!("t{t}"),
                items: (0..n as u32)
                    .filter(|i| i % 6 == t)
                    .map(|i| (i, 1.0))
                    .collect(),
            })
            .collect();
        let activations = Mat::from_shape_fn((n, 6), |(i, k)| {
            f32::from(u8::from(i % 6 == k)) + rng.uniform(-0.7, 0.7)
        });
        let popularity = (0..n).map(|_| rng.below(100) as u32).collect();
        (activations, tags, popularity)
    }

    #[test]
    fn planted_names_are_found() {
        let (activations, tags, popularity) = planted(&mut Rng::new(1, 0), 600);
        let names = name_units(&activations, &tags, &popularity, &Naming::default());
        for (k, name) in names.iter().enumerate() {
            let name = name.as_ref().unwrap();
            assert!(name.confirmed && name.tag == format!("t{k}"), "{name:?}");
            assert!(name.low < name.auroc && name.auroc < name.high && name.others.len() == 3);
        }
        assert_eq!(Summary::of(&names).distinct, 6);
    }

    /// Of units that are noise, at most the false discovery rate gets a name, though the best of many tags
    /// is chosen for each.
    #[test]
    fn noise_has_no_name() {
        let mut rng = Rng::new(2, 0);
        let (_, tags, popularity) = planted(&mut rng, 600);
        let noise = Mat::from_shape_fn((600, 200), |_| rng.normal());
        let names = name_units(&noise, &tags, &popularity, &Naming::default());
        assert!(Summary::of(&names).named <= 0.01);
        let passed = names.iter().flatten().filter(|n| n.p < 0.001).count();
        assert!(passed <= 2, "{passed}");
    }

    /// A unit that is popularity alone is not named after a tag of popular items.
    #[test]
    fn popularity_is_no_name() {
        let popularity: Vec<u32> = (0..500).collect();
        let blockbuster = Tag {
            field: "tag".into(),
            name: "blockbuster".into(),
            items: (400..500).map(|i| (i, 1.0)).collect(),
        };
        let unit = Mat::from_shape_fn((500, 1), |(i, _)| i as f32);
        let names = name_units(&unit, &[blockbuster], &popularity, &Naming::default());
        let name = names[0].as_ref().unwrap();
        assert!(name.auroc > 0.99 && !name.confirmed, "{name:?}");
    }

    #[test]
    fn tags_need_items() {
        let unit = Mat::zeros((30, 2));
        assert_eq!(
            name_units(&unit, &[], &[1; 30], &Naming::default()),
            [None, None]
        );
    }
}
