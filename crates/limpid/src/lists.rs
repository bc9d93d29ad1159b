//! Lists of any tool, read from CSV and TSV and evaluated.

use std::path::Path;

use limpid_core::histories::HistoryArrays;
use limpid_core::{Catalogue, Histories, Ids, ItemIdx, UserIdx};
use limpid_data::sources::{self, ReadOptions};
use limpid_eval::{Bootstrap, MaskName, MetricAt, Protocol, Report, Universe, evaluate_lists};

use crate::output::text;
use crate::{Error, Result};

/// Evaluates lists of any tool against held-out items; both are tables with user and item columns.
/// Lists are ordered by their `rank` or `score` column if they have one, otherwise by line. `seen`
/// contains the events to mask (the training events); without it, coverage and the Gini index are over all
/// items of the two tables.
///
/// # Errors
/// Where a file cannot be read, and as [`evaluate_lists`].
pub fn measure_lists(
    lists: &Path,
    truth: &Path,
    seen: Option<&Path>,
    metrics: Vec<MetricAt>,
    universe: Universe,
    bootstrap: Bootstrap,
) -> Result<Report> {
    let ranked = Ranked::read(lists)?;
    let truth = sources::read(truth, &ReadOptions::default())?;
    let seen = seen
        .map(|path| sources::read(path, &ReadOptions::default()))
        .transpose()?;
    let mut items = Ids::new();
    let mut users = Ids::new();
    for name in truth.users.names() {
        users.intern(name);
    }
    let all_items = truth
        .items
        .names()
        .iter()
        .chain(seen.iter().flat_map(|s| s.items.names()))
        .chain(ranked.rows.iter().map(|r| &r.item));
    for name in all_items {
        items.intern(name);
    }
    let mut catalogue = Catalogue::of_items(items);
    catalogue.users = users;
    let rows = |log: &limpid_data::Log| -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); catalogue.users.len()];
        for (&user, &item) in log.user.iter().zip(&log.item) {
            let user = catalogue.users.get(log.users.name(user));
            let item = catalogue.items.get(log.items.name(item));
            if let (Some(user), Some(item)) = (user, item) {
                rows[user as usize].push(item);
            }
        }
        rows
    };
    let target = histories(&rows(&truth), catalogue.len())?;
    let input = match &seen {
        Some(seen) => histories(&rows(seen), catalogue.len())?,
        None => histories(&vec![Vec::new(); catalogue.users.len()], catalogue.len())?,
    };
    let mut per_user = vec![Vec::new(); catalogue.users.len()];
    for row in &ranked.rows {
        let user = catalogue.users.get(&row.user);
        if let (Some(user), Some(item)) = (user, catalogue.items.get(&row.item)) {
            per_user[user as usize].push(ItemIdx(item));
        }
    }
    if seen.is_some() {
        catalogue.train_counts = input.item_counts();
        catalogue.n_train_users = input.rows().filter(|r| !r.is_empty()).count();
    }
    Ok(evaluate_lists(
        &per_user,
        &Protocol {
            mask: None,
            mask_name: MaskName::Input,
            breakdowns: false,
            universe,
            bootstrap,
            ..Protocol::new(&input, &target, &catalogue, metrics)
        },
    )?)
}

fn histories(rows: &[Vec<u32>], n_items: usize) -> Result<Histories> {
    let mut offsets = vec![0];
    let mut items = Vec::new();
    for row in rows {
        items.extend(row.iter().map(|&i| ItemIdx(i)));
        offsets.push(items.len());
    }
    Ok(Histories::new(HistoryArrays {
        offsets,
        items,
        users: (0..rows.len()).map(|u| Some(UserIdx(u as u32))).collect(),
        n_items,
        ..HistoryArrays::default()
    })?)
}

struct RankedRow {
    user: String,
    item: String,
    order: f64,
}

/// A table of lists: the rows of each user, best first.
struct Ranked {
    rows: Vec<RankedRow>,
}

impl Ranked {
    fn read(path: &Path) -> Result<Self> {
        let content =
            std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
        let separator = if content.lines().next().unwrap_or("").contains('\t') {
            b'\t'
        } else {
            b','
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .from_reader(content.as_bytes());
        let refuse = |why: String| Error::artifact(path, why);
        let headers = reader.headers().map_err(|e| refuse(e.to_string()))?.clone();
        let find = |names: &[&str]| {
            headers
                .iter()
                .position(|h| names.contains(&h.trim().to_lowercase().as_str()))
        };
        let column = |names: &[&str]| {
            find(names).ok_or_else(|| {
                refuse(format!(
                    "has no column {}; its columns are {}",
                    names.join(" or "),
                    headers.iter().collect::<Vec<_>>().join(", ")
                ))
            })
        };
        let user = column(&["user_id", "user", "userid"])?;
        let item = column(&["item_id", "item", "itemid", "movieid"])?;
        let rank = find(&["rank", "position"]);
        let score = find(&["score", "prediction"]);
        let mut rows = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let record = record.map_err(|e| refuse(e.to_string()))?;
            let field = |c: usize| record.get(c).unwrap_or("").trim();
            let number = |c: usize| {
                field(c)
                    .parse::<f64>()
                    .ok()
                    .filter(|v| v.is_finite())
                    .ok_or_else(|| {
                        refuse(format!("line {}: '{}' is not a number", at + 2, field(c)))
                    })
            };
            let order = match (rank, score) {
                (Some(rank), _) => number(rank)?,
                (None, Some(score)) => -number(score)?,
                (None, None) => at as f64,
            };
            rows.push(RankedRow {
                user: text::uncelled(field(user)).to_owned(),
                item: text::uncelled(field(item)).to_owned(),
                order,
            });
        }
        rows.sort_by(|a, b| a.order.total_cmp(&b.order));
        Ok(Self { rows })
    }
}
