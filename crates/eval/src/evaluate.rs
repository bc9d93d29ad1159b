//! Evaluation of a model, a matrix of scores or lists of other programs against held-out items.
//!
//! Users are scored in blocks, so that no matrix of all users and items is ever held; within a block one
//! pass over each row finds its top ranks with their ties, and all metrics are computed from the
//! positions of the hits. Values are kept per user and summed in the order of users, so that the number
//! of threads changes no bit.

use limpid_core::{
    Histories, ItemIdx, Lists, Mask, Mat, Progress, RankedWithTies, Recommender, Scored,
};
use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::{
    Error, ItemGroups, PopularityBias, Result,
    bootstrap::intervals,
    breakdown::{
        Breakdown, BreakdownBy, BreakdownRow, PartSums, THIRDS, cover_items, quartiles, thirds,
    },
    candidates,
    groups::{group_of_length, ranges},
    metrics::{HitProfile, Measure, MetricAt},
    popularity_bias::ItemsOfUser,
    protocol::Protocol,
    ratings::{POSITIVE, RatingMetrics, predicted, rating_metrics},
    report::{AbsentMetric, MetricReport, PerUser, Report},
};

/// Scores of a block at most: 512 rows of a small catalogue, fewer of a large one.
const BLOCK_SCORES: usize = 1 << 25;

/// Rows of a block when the scores are given.
const BLOCK_LISTS: usize = 8192;

/// Rows of a block; a function of the catalogue alone, so that results do not depend on the machine.
pub(crate) fn block_rows(n_items: usize) -> usize {
    (BLOCK_SCORES / n_items.max(1)).clamp(8, 512)
}

/// Evaluates a model.
///
/// # Errors
/// If the tables of the protocol do not match, no user has held-out items, the model's scores are not
/// `(users, items)`, or the user interrupts.
pub fn evaluate(
    model: &dyn Recommender,
    protocol: &Protocol<'_>,
    progress: &dyn Progress,
) -> Result<Report> {
    let mut measurement = Measurement::new(protocol)?;
    let rows = measurement.rows.clone();
    measurement.ratings = measurement.rate(model);
    progress.start("evaluating", rows.len() as u64);
    for block in rows.chunks(block_rows(protocol.catalogue.len())) {
        if progress.interrupted() {
            return Err(limpid_core::Error::Interrupted("nothing was measured".to_owned()).into());
        }
        if !measurement.ranks() {
            measurement.add_block(block, |_| Row::List(&[]));
            continue;
        }
        let scores = score_rows(model, protocol.input, block)?;
        let of_row = |at: usize| Row::Scores(scores.view(), at);
        measurement.add_block(block, of_row);
        progress.step(block.len() as u64);
    }
    Ok(measurement.finish())
}

/// Evaluates given scores: `(rows, items)`, row r for row r of the input.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_scores(scores: &Mat, protocol: &Protocol<'_>) -> Result<Report> {
    let mut measurement = Measurement::new(protocol)?;
    check_shape(scores, protocol.input.len(), protocol.catalogue.len())?;
    let rows = measurement.rows.clone();
    for block in rows.chunks(BLOCK_LISTS) {
        measurement.add_block(block, |at| Row::Scores(scores.view(), block[at]));
    }
    Ok(measurement.finish())
}

/// Evaluates lists of another program, best first, list r for row r of the input.
///
/// Masked entries are removed and counted, so that lists with and without seen items are evaluated
/// alike.
///
/// # Errors
/// As [`evaluate`], and if a list contains an item twice or an item that is not in the catalogue.
pub fn evaluate_lists(lists: &[Vec<ItemIdx>], protocol: &Protocol<'_>) -> Result<Report> {
    let mut measurement = Measurement::new(protocol)?;
    if lists.len() != protocol.input.len() {
        return Err(Error::Rows {
            what: "table of lists",
            expected: protocol.input.len(),
            found: lists.len(),
        });
    }
    check_lists(lists, protocol.catalogue.len())?;
    let rows = measurement.rows.clone();
    for block in rows.chunks(BLOCK_LISTS) {
        measurement.add_block(block, |at| Row::List(&lists[block[at]]));
    }
    Ok(measurement.finish())
}

fn check_lists(lists: &[Vec<ItemIdx>], n_items: usize) -> Result<()> {
    let mut last_seen = vec![usize::MAX; n_items];
    for (row, list) in lists.iter().enumerate() {
        for (at, &item) in list.iter().enumerate() {
            let refuse = |why: String| Error::List {
                row,
                position: at + 1,
                item: item.0,
                why,
            };
            let seen = last_seen.get_mut(item.at()).ok_or_else(|| {
                refuse(format!(
                    "is not in the catalogue, which has {n_items} items; remove it"
                ))
            })?;
            if *seen == row {
                return Err(refuse(
                    "appears twice in the list; keep its best rank".into(),
                ));
            }
            *seen = row;
        }
    }
    Ok(())
}

fn check_shape(scores: &Mat, rows: usize, items: usize) -> Result<()> {
    if scores.dim() == (rows, items) {
        Ok(())
    } else {
        Err(limpid_core::Error::shape(
            "scores (users, items)",
            format!("({rows}, {items})"),
            format!("{:?}", scores.dim()),
        )
        .into())
    }
}

/// The scores of some rows of the histories, in their order.
pub(crate) fn score_rows(
    model: &dyn Recommender,
    histories: &Histories,
    rows: &[usize],
) -> Result<Mat> {
    let block = match (rows.first(), rows.last()) {
        (Some(&first), Some(&last)) if last - first + 1 == rows.len() => {
            histories.slice(first, last + 1)
        }
        _ => Histories::from_histories(
            rows.iter().map(|&row| histories.row(row)),
            histories.n_items(),
        )?,
    };
    let scores = model.score(&block);
    check_shape(&scores, rows.len(), histories.n_items())?;
    Ok(scores)
}

/// What ranks the items of one user.
#[derive(Clone, Copy)]
enum Row<'a> {
    /// A row of a matrix of scores.
    Scores(ArrayView2<'a, f32>, usize),
    /// A list without scores.
    List(&'a [ItemIdx]),
}

/// The values of one user.
struct OfUser {
    /// `(user metrics)`, with all held-out items relevant.
    values: Vec<f64>,
    /// For each breakdown of held-out items, the groups of this user's: group, number of held-out items
    /// and `(user metrics)` with only these relevant.
    by_group: Vec<Vec<(usize, usize, Vec<f64>)>>,
    bias: Option<ItemsOfUser>,
    n_targets: usize,
    n_untrained: usize,
    n_masked: usize,
    n_masked_listed: usize,
    list: Vec<Scored>,
}

/// A metric per user with its function.
type UserMetric = (MetricAt, fn(&HitProfile, usize) -> f64);

/// The values so far.
struct Measurement<'a> {
    protocol: &'a Protocol<'a>,
    /// Rows with held-out items.
    rows: Vec<usize>,
    /// Metrics per user, with their functions.
    user_metrics: Vec<UserMetric>,
    /// Ranks that metrics need.
    depth: usize,
    /// Ranks that metrics over lists need.
    list_depth: usize,
    tie_breaks: Vec<u64>,
    /// Breakdowns of held-out items: what by, the groups, and their sums.
    item_groups: Vec<(BreakdownBy, ItemGroups, Vec<PartSums>)>,
    /// The items from which candidates are sampled.
    samplable: Vec<ItemIdx>,
    bias: Vec<ItemsOfUser>,
    /// The metrics of predicted ratings, if there are any.
    ratings: Option<RatingMetrics>,
    /// `(users, user metrics)`.
    values: Vec<f64>,
    targets: Vec<usize>,
    lists: Lists,
    n_untrained: usize,
    n_masked: usize,
    n_masked_listed: usize,
}

/// Memory that a thread reuses for every row.
struct Scratch {
    mask: Mask,
    /// The held-out items, as a set and as a list.
    wanted: Mask,
    truth: Vec<ItemIdx>,
    hits: HitProfile,
}

impl<'a> Measurement<'a> {
    fn new(protocol: &'a Protocol<'a>) -> Result<Self> {
        protocol.check()?;
        let target = protocol.target;
        let rows: Vec<usize> = (0..target.len())
            .filter(|&row| protocol.has_truth(row))
            .collect();
        if rows.is_empty() {
            return Err(Error::NobodyToMeasure {
                rows: target.len(),
                needed: "a held-out item",
            });
        }
        let n_items = protocol.catalogue.len();
        let listed = protocol.popularity_bias.unwrap_or(0);
        let (mut user_metrics, mut list_depth, mut depth) = (Vec::new(), listed, listed);
        for at in &protocol.metrics {
            let needed = match at.metric.measure {
                Measure::Ratings { .. } => 0,
                _ if at.metric.has_cutoff => at.k,
                _ => n_items,
            };
            depth = depth.max(needed);
            match at.metric.measure {
                Measure::User(of) => user_metrics.push((*at, of)),
                Measure::Lists { .. } => list_depth = list_depth.max(needed),
                Measure::Ratings { .. } => {}
            }
        }
        Ok(Self {
            rows,
            depth: depth.min(n_items),
            list_depth,
            tie_breaks: if list_depth == 0 {
                Vec::new()
            } else {
                protocol.catalogue.tie_breaks(protocol.bootstrap.seed)
            },
            item_groups: match user_metrics.is_empty() {
                true => Vec::new(),
                false => item_groups(protocol),
            },
            samplable: match protocol.candidates {
                Some(_) => candidates::by_id(protocol.catalogue),
                None => Vec::new(),
            },
            bias: Vec::new(),
            ratings: None,
            values: Vec::new(),
            targets: Vec::new(),
            lists: Lists::default(),
            n_untrained: 0,
            n_masked: 0,
            n_masked_listed: 0,
            user_metrics,
            protocol,
        })
    }

    /// Whether anything is measured of rankings.
    fn ranks(&self) -> bool {
        !self.user_metrics.is_empty() || self.list_depth > 0
    }

    /// The metrics of predicted ratings, if the protocol has any and the model predicts them.
    fn rate(&self, model: &dyn Recommender) -> Option<RatingMetrics> {
        let protocol = self.protocol;
        let of_ratings = |at: &MetricAt| matches!(at.metric.measure, Measure::Ratings { .. });
        if !protocol.metrics.iter().any(of_ratings) {
            return None;
        }
        let rated = predicted(model, protocol.input, protocol.target)?;
        rating_metrics(&rated, POSITIVE, 0, &protocol.bootstrap).pop()
    }

    /// Evaluates some rows; `of_row(at)` is what ranks the items of row `block[at]`.
    fn add_block<'s>(&mut self, block: &[usize], of_row: impl Fn(usize) -> Row<'s> + Sync) {
        let n_items = self.protocol.catalogue.len();
        let this = &*self;
        let of_users: Vec<OfUser> = (0..block.len())
            .into_par_iter()
            .map_init(
                || Scratch {
                    mask: Mask::none(n_items),
                    wanted: Mask::none(n_items),
                    truth: Vec::new(),
                    hits: HitProfile::default(),
                },
                |scratch, at| this.measure(block[at], of_row(at), scratch),
            )
            .collect();
        for user in of_users {
            self.values.extend_from_slice(&user.values);
            self.targets.push(user.n_targets);
            self.n_untrained += user.n_untrained;
            self.n_masked += user.n_masked;
            self.n_masked_listed += user.n_masked_listed;
            if self.list_depth > 0 {
                self.lists.lists.push(user.list);
            }
            self.bias.extend(user.bias);
            for ((_, _, sums), groups) in self.item_groups.iter_mut().zip(user.by_group) {
                for (group, n_targets, values) in groups {
                    sums[group].add(n_targets, &values);
                }
            }
        }
    }

    fn measure(&self, row: usize, ranking: Row<'_>, scratch: &mut Scratch) -> OfUser {
        let protocol = self.protocol;
        let Scratch {
            mask,
            wanted,
            truth,
            hits,
        } = scratch;
        protocol.hide(mask, row);
        protocol.truth(row, wanted, truth);
        if let Some(sample) = &protocol.candidates {
            sample.restrict(mask, &protocol.key(row), truth, &self.samplable);
        }
        let mut n_masked_listed = 0;
        let ranked = match ranking {
            Row::Scores(scores, at) => match scores.row(at).as_slice() {
                Some(scores) => RankedWithTies::new(scores, mask, self.depth),
                None => RankedWithTies::new(&scores.row(at).to_vec(), mask, self.depth),
            },
            Row::List(list) => {
                let kept: Vec<ItemIdx> = list.iter().copied().filter(|&i| !mask.hides(i)).collect();
                n_masked_listed = list.len() - kept.len();
                RankedWithTies::strict(kept, mask.n_candidates())
            }
        };
        let is_hit = |item: ItemIdx| wanted.hides(item);
        let mut values_of = |n_targets: usize, is_hit: &dyn Fn(ItemIdx) -> bool| -> Vec<f64> {
            hits.fill(&ranked, n_targets, is_hit);
            let metrics = self.user_metrics.iter();
            metrics.map(|(at, of)| of(hits, at.k)).collect()
        };
        let values = values_of(truth.len(), &is_hit);
        let by_group = self
            .item_groups
            .iter()
            .map(|(_, groups, sums)| {
                let mut n_targets = vec![0usize; sums.len()];
                for item in truth.iter() {
                    for &group in &groups.of_items[item.at()] {
                        n_targets[usize::from(group)] += 1;
                    }
                }
                let own = n_targets.into_iter().enumerate().filter(|(_, n)| *n > 0);
                own.map(|(group, n)| {
                    let in_group = |item: ItemIdx| {
                        let of_item = &groups.of_items[item.at()];
                        of_item.iter().any(|&g| usize::from(g) == group) && is_hit(item)
                    };
                    (group, n, values_of(n, &in_group))
                })
                .collect()
            })
            .collect();
        let list = match self.list_depth {
            0 => Vec::new(),
            _ => self.list(&ranked, ranking),
        };
        let bias = protocol.popularity_bias.map(|k| ItemsOfUser {
            list: list.iter().take(k).map(|s| s.item).collect(),
            history: protocol.history(row),
            held_out: truth.clone(),
        });
        let catalogue = protocol.catalogue;
        OfUser {
            values,
            by_group,
            bias,
            n_targets: truth.len(),
            n_untrained: truth.iter().filter(|&&i| !catalogue.is_trained(i)).count(),
            n_masked: truth.iter().filter(|&&i| mask.hides(i)).count(),
            n_masked_listed,
            list,
        }
    }

    /// The top of a ranking as users would see it: ties broken by hash.
    fn list(&self, ranked: &RankedWithTies, ranking: Row<'_>) -> Vec<Scored> {
        let mut list = Vec::with_capacity(self.list_depth);
        for group in ranked.groups() {
            if list.len() >= self.list_depth {
                break;
            }
            let mut items = ranked.items[group].to_vec();
            items.sort_by_key(|i| (self.tie_breaks[i.at()], *i));
            for item in items.into_iter().take(self.list_depth - list.len()) {
                let score = match ranking {
                    Row::Scores(scores, at) => scores[(at, item.at())],
                    Row::List(_) => -(list.len() as f32),
                };
                list.push(Scored { item, score });
            }
        }
        list
    }

    fn finish(self) -> Report {
        let protocol = self.protocol;
        let user_metrics: Vec<MetricAt> = self.user_metrics.iter().map(|m| m.0).collect();
        let breakdowns = self.breakdowns(&user_metrics);
        let n_users = self.rows.len();
        let per_user = PerUser {
            metrics: user_metrics,
            users: self.rows.iter().map(|&row| protocol.key(row)).collect(),
            rows: self.rows.iter().map(|&row| row as u32).collect(),
            values: self.values,
        };
        let means = per_user.means();
        let intervals = intervals(&per_user.values, means.len(), &protocol.bootstrap);
        let (mut metrics, mut absent) = (Vec::new(), Vec::new());
        let mut column = 0;
        for &metric in &protocol.metrics {
            let (value, interval, undefined) = match metric.metric.measure {
                Measure::User(_) => {
                    column += 1;
                    let interval = intervals.as_ref().map(|i| i[column - 1]);
                    (
                        means[column - 1],
                        interval,
                        "its mean is not a finite number",
                    )
                }
                Measure::Lists { of, undefined } => (
                    of(&self.lists, protocol.catalogue, protocol.universe, metric.k),
                    None,
                    undefined,
                ),
                Measure::Ratings { of, .. } => {
                    let estimate = self.ratings.as_ref().and_then(of);
                    (
                        estimate.map_or(f64::NAN, |e| e.value),
                        estimate.and_then(|e| e.interval),
                        "it needs a model that predicts ratings, and held-out events with ratings \
                         (--weighted)",
                    )
                }
            };
            if value.is_finite() {
                metrics.push(MetricReport {
                    metric,
                    value,
                    interval,
                    n_users,
                });
            } else {
                absent.push(AbsentMetric {
                    metric,
                    why: undefined.to_owned(),
                });
            }
        }
        Report {
            n_users,
            n_skipped: protocol.input.len() - n_users,
            n_items: protocol.catalogue.len(),
            n_targets: self.targets.iter().sum(),
            n_untrained_targets: self.n_untrained,
            n_masked_targets: self.n_masked,
            n_masked_listed: self.n_masked_listed,
            masks: protocol.masks(),
            universe: protocol.universe,
            n_universe: protocol.universe.len(protocol.catalogue),
            candidates: protocol.candidates,
            bootstrap: protocol.bootstrap,
            metrics,
            absent,
            breakdowns,
            popularity_bias: protocol.popularity_bias.and_then(|k| {
                let (catalogue, universe) = (protocol.catalogue, protocol.universe);
                PopularityBias::of(&self.bias, catalogue, universe, k, &protocol.bootstrap)
            }),
            per_user,
        }
    }

    fn breakdowns(&self, user_metrics: &[MetricAt]) -> Vec<Breakdown> {
        let protocol = self.protocol;
        if user_metrics.is_empty() {
            return Vec::new();
        }
        let mut breakdowns = Vec::new();
        if protocol.breakdowns {
            let lengths = self.lengths();
            let of = quartiles(&lengths)
                .into_iter()
                .map(usize::from)
                .collect::<Vec<_>>();
            let names: Vec<String> = (1..=4).map(|n| format!("quartile {n}")).collect();
            breakdowns.push((BreakdownBy::UserActivity, None, self.by_users(&of, &names)));
        }
        if protocol.cold_start {
            let of: Vec<usize> = self
                .lengths()
                .iter()
                .map(|&length| group_of_length(length as usize))
                .collect();
            breakdowns.push((BreakdownBy::ColdUsers, None, self.by_users(&of, &ranges())));
        }
        for (by, groups, sums) in &self.item_groups {
            let mut sums = sums.clone();
            cover_items(&mut sums, groups, protocol.catalogue);
            let rows = sums.into_iter().zip(&groups.names);
            let rows = rows.filter_map(|(part, name)| part.row(name.clone()));
            let field = (*by == BreakdownBy::ItemField).then(|| groups.by.clone());
            breakdowns.push((*by, field, rows.collect()));
        }
        breakdowns
            .into_iter()
            .map(|(by, field, rows)| Breakdown {
                by,
                field,
                metrics: user_metrics.to_vec(),
                rows,
            })
            .collect()
    }

    /// The number of input events of each user.
    fn lengths(&self) -> Vec<u32> {
        let rows = self.rows.iter();
        rows.map(|&row| self.protocol.input.row(row).len() as u32)
            .collect()
    }

    /// Means by the group of each user.
    fn by_users(&self, group: &[usize], names: &[String]) -> Vec<BreakdownRow> {
        let n = self.user_metrics.len();
        let mut sums = vec![PartSums::default(); names.len()];
        for (at, (&group, length)) in group.iter().zip(self.lengths()).enumerate() {
            let part = &mut sums[group];
            part.covers(length);
            part.add(self.targets[at], &self.values[at * n..(at + 1) * n]);
        }
        let rows = sums.into_iter().zip(names);
        rows.filter_map(|(part, name)| part.row(name.clone()))
            .collect()
    }
}

/// The groups of held-out items to compute means by.
fn item_groups(protocol: &Protocol<'_>) -> Vec<(BreakdownBy, ItemGroups, Vec<PartSums>)> {
    let catalogue = protocol.catalogue;
    let mut all = Vec::new();
    if protocol.breakdowns
        && let Some(thirds) = thirds(catalogue)
    {
        let groups = ItemGroups {
            by: "popularity".to_owned(),
            names: THIRDS.map(str::to_owned).to_vec(),
            of_items: thirds.into_iter().map(|third| vec![third]).collect(),
        };
        all.push((BreakdownBy::ItemPopularity, groups));
    }
    if protocol.cold_start {
        all.push((
            BreakdownBy::ColdItems,
            ItemGroups::of_train_counts(catalogue),
        ));
    }
    let fields = protocol.groups.iter();
    all.extend(fields.map(|groups| (BreakdownBy::ItemField, groups.clone())));
    all.into_iter()
        .map(|(by, groups)| {
            let sums = vec![PartSums::default(); groups.names.len()];
            (by, groups, sums)
        })
        .collect()
}
