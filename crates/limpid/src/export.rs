//! What a model has learned, as tables and arrays for other programs: weights, vectors, rules and
//! item-to-item lists.

use std::path::PathBuf;

use limpid_core::rules::Rule;
use limpid_core::rules::statistics::ItemPostings;
use limpid_core::{ItemIdx, Mat, Recommender, UserIdx};
use rayon::prelude::*;

use crate::advisor::{Advisor, Filter, SimilarBy};
use crate::answers::Exported;
use crate::npy;
use crate::output::{Cell, Column, Destination, FileFormat, Kind, RowWriter};
use crate::{Error, Result};

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// The effect of every unit (item or rule of the history) on every item, where it is not 0.
    Weights,
    /// Item vectors of a model with a linear decoder.
    Embeddings,
    /// User vectors of the training or fold-in histories.
    Users,
    /// Rules with all items that they support.
    Rules,
    /// For each item, the most similar ones.
    Similar {
        /// The similarity.
        by: SimilarBy,
        /// Length of the lists.
        n: usize,
    },
}

/// Formats of tables.
pub const TABLES: &[FileFormat] = FileFormat::ROWS;

/// Formats of tables that are matrices.
pub const MATRICES: &[FileFormat] = &[
    FileFormat::Npy,
    FileFormat::Csv,
    FileFormat::Tsv,
    FileFormat::Jsonl,
    FileFormat::Parquet,
];

/// Rows of a table that are computed at once.
const BLOCK: usize = 256;

impl Export {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Embeddings => "embeddings",
            Self::Users => "users",
            Self::Rules => "rules",
            Self::Similar { .. } => "similar",
        }
    }

    /// The formats in which it can be written.
    #[must_use]
    pub fn formats(self) -> &'static [FileFormat] {
        match self {
            Self::Weights | Self::Embeddings | Self::Users => MATRICES,
            Self::Rules | Self::Similar { .. } => TABLES,
        }
    }
}

impl Advisor {
    /// The names of what [`export`](Self::export) can write for this model.
    #[must_use]
    pub fn exports(&self) -> Vec<&'static str> {
        let units = self.model.units();
        let weights = units.is_some_and(|u| !u.is_empty() && u.effect(0, ItemIdx(0)).is_some());
        let rules = weights
            && units.is_some_and(|u| (0..u.len()).any(|index| u.unit(index).item().is_none()));
        let latent = self.model.latent();
        let vectors = latent.is_some_and(|l| l.item_vectors().is_some());
        let users = latent.is_some() && self.split.is_some();
        let all = [
            (Export::Weights.name(), weights),
            (Export::Embeddings.name(), vectors),
            (Export::Users.name(), users),
            (Export::Rules.name(), rules),
            ("similar", true),
        ];
        all.into_iter().filter(|e| e.1).map(|e| e.0).collect()
    }

    /// Writes what the model has learned. A matrix as `.npy` has the names of its rows and columns in
    /// `NAME.rows.csv` and `NAME.columns.csv` beside it.
    ///
    /// # Errors
    /// [`Error::Usage`] with what the model has, if it does not have this; [`Error::Io`] where a file cannot
    /// be written.
    pub fn export(&self, what: Export, to: &Destination) -> Result<Exported> {
        let has = self.exports();
        if !has.contains(&what.name()) {
            return Err(Error::Usage(format!(
                "{} has no {} to export; it has {}",
                self.model.name(),
                what.name(),
                has.join(", ")
            )));
        }
        let (files, rows, columns) = match what {
            Export::Weights => self.weights(to)?,
            Export::Embeddings => {
                let vectors = self.model.latent().and_then(|l| l.item_vectors());
                self.vectors(&vectors.unwrap_or_default(), &self.item_rows(), to)?
            }
            Export::Users => {
                let (vectors, rows) = self.user_vectors()?;
                self.vectors(&vectors, &rows, to)?
            }
            Export::Rules => self.rules_to(to)?,
            Export::Similar { by, n } => self.similar_to(by, n, to)?,
        };
        Ok(Exported {
            schema: "limpid.export/1",
            what: what.name(),
            model: self.model.name(),
            files: files.iter().map(|f| f.display().to_string()).collect(),
            rows,
            columns,
        })
    }

    fn weights(&self, to: &Destination) -> Result<(Vec<PathBuf>, usize, usize)> {
        let units = self.fixed_units()?;
        let info = |index: usize| units.info(units.unit(index), &self.catalogue);
        if to.format() == FileFormat::Npy {
            let names = (0..units.len()).map(|index| {
                let info = info(index);
                (info.id, info.label.unwrap_or_default())
            });
            let files = names_beside(to, "rows", names)?;
            let files = [
                files,
                names_beside(to, "columns", self.item_rows().into_iter())?,
            ];
            let mut array = npy::Writer::create(to, units.len(), self.catalogue.len())?;
            for start in (0..units.len()).step_by(BLOCK) {
                let rows: Vec<Vec<f32>> = (start..(start + BLOCK).min(units.len()))
                    .into_par_iter()
                    .map(|index| {
                        let items = (0..self.catalogue.len() as u32).map(ItemIdx);
                        items
                            .map(|i| units.effect(index, i).unwrap_or(0.0))
                            .collect()
                    })
                    .collect();
                rows.iter().try_for_each(|row| array.row(row))?;
            }
            array.finish()?;
            let files = main_file(to).into_iter().chain(files.into_iter().flatten());
            return Ok((files.collect(), units.len(), self.catalogue.len()));
        }
        let columns = [
            ("unit", Kind::Text),
            ("kind", Kind::Text),
            ("from_item_id", Kind::Text),
            ("item_id", Kind::Text),
            ("weight", Kind::Single),
        ];
        let mut writer = RowWriter::create(to, named(columns))?;
        for start in (0..units.len()).step_by(BLOCK) {
            let blocks: Vec<_> = (start..(start + BLOCK).min(units.len()))
                .into_par_iter()
                .map(|index| (index, self.targets(units, index)))
                .collect();
            for (index, targets) in blocks {
                let unit = units.unit(index);
                let id = info(index).id;
                let from = unit.item().map(|item| self.catalogue.id(item));
                for (item, weight) in targets {
                    writer.row(&[
                        id.as_str().into(),
                        unit.space.kind().into(),
                        from.into(),
                        self.catalogue.id(item).into(),
                        weight.into(),
                    ])?;
                }
            }
        }
        written(to, writer, columns.len())
    }

    /// The ids and titles of all items.
    fn item_rows(&self) -> Vec<(String, String)> {
        let items = (0..self.catalogue.len() as u32).map(ItemIdx);
        let row = |i| {
            (
                self.catalogue.id(i).to_owned(),
                self.catalogue.title(i).to_owned(),
            )
        };
        items.map(row).collect()
    }

    /// The vectors of users with a training or fold-in history, and their ids.
    fn user_vectors(&self) -> Result<(Mat, Vec<(String, String)>)> {
        let split = self.split()?;
        let users = (0..self.catalogue.users.len() as u32).map(UserIdx);
        let known: Vec<UserIdx> = users.filter(|&u| split.user(u).is_some()).collect();
        let ids = known
            .iter()
            .map(|u| (self.catalogue.users.name(u.0).to_owned(), String::new()));
        let ids = ids.collect();
        let Some(latent) = self.model.latent() else {
            return Ok((Mat::default((0, 0)), ids));
        };
        let mut all: Vec<f32> = Vec::new();
        for block in known.chunks(BLOCK) {
            let rows = block
                .iter()
                .filter_map(|&u| split.user(u))
                .map(|rows| rows.input);
            let rows = limpid_core::Histories::from_histories(rows, self.catalogue.len())?;
            all.extend(latent.encode(&rows).iter());
        }
        let width = all.len() / known.len().max(1);
        let vectors = Mat::from_shape_vec((known.len(), width), all);
        Ok((vectors.unwrap_or_default(), ids))
    }

    fn vectors(
        &self,
        vectors: &Mat,
        names: &[(String, String)],
        to: &Destination,
    ) -> Result<(Vec<PathBuf>, usize, usize)> {
        let (n, width) = vectors.dim();
        if to.format() == FileFormat::Npy {
            let beside = names_beside(to, "rows", names.iter().cloned())?;
            let mut array = npy::Writer::create(to, n, width)?;
            vectors
                .rows()
                .into_iter()
                .try_for_each(|row| array.row(&row.to_vec()))?;
            array.finish()?;
            return Ok((main_file(to).into_iter().chain(beside).collect(), n, width));
        }
        let titled = names.iter().any(|(_, title)| !title.is_empty());
        let mut columns = vec![Column::new("id", Kind::Text)];
        columns.extend(titled.then(|| Column::new("title", Kind::Text)));
        columns.extend((0..width).map(|d| Column::new(format!("d{d}"), Kind::Single)));
        let n_columns = columns.len();
        let mut writer = RowWriter::create(to, columns)?;
        for ((id, title), row) in names.iter().zip(vectors.rows()) {
            let mut cells: Vec<Cell<'_>> = vec![id.as_str().into()];
            cells.extend(titled.then(|| title.as_str().into()));
            cells.extend(row.iter().map(|&x| Cell::Single(x)));
            writer.row(&cells)?;
        }
        written(to, writer, n_columns)
    }

    fn rules_to(&self, to: &Destination) -> Result<(Vec<PathBuf>, usize, usize)> {
        let units = self.fixed_units()?;
        let postings = self.split.as_ref().map(|s| ItemPostings::new(&s.train));
        let columns = [
            ("unit", Kind::Text),
            ("named", Kind::Text),
            ("rule", Kind::Text),
            ("operator", Kind::Text),
            ("literals", Kind::Integer),
            ("mentions", Kind::Texts),
            ("support", Kind::Integer),
            ("item_id", Kind::Text),
            ("title", Kind::Text),
            ("weight", Kind::Single),
            ("confidence", Kind::Double),
            ("lift", Kind::Double),
        ];
        let mut writer = RowWriter::create(to, named(columns))?;
        let rules: Vec<usize> = (0..units.len())
            .filter(|&index| units.unit(index).item().is_none())
            .collect();
        for block in rules.chunks(BLOCK) {
            let found: Vec<_> = block
                .par_iter()
                .filter_map(|&index| {
                    let info = units.info(units.unit(index), &self.catalogue);
                    let rule = info.rule.clone()?;
                    let targets: Vec<_> = self
                        .targets(units, index)
                        .into_iter()
                        .map(|(item, weight)| {
                            let counted = postings.as_ref().map(|p| p.statistics(&rule, item));
                            (item, weight, counted)
                        })
                        .collect();
                    let support = postings.as_ref().map(|p| p.holders(&rule).len());
                    Some((info, rule, support, targets))
                })
                .collect();
            for (info, rule, support, targets) in &found {
                let text = rule.text(&self.catalogue);
                for (item, weight, counted) in targets {
                    writer.row(&[
                        info.id.as_str().into(),
                        info.label.as_deref().into(),
                        text.as_str().into(),
                        operator(rule).into(),
                        rule.literals.len().into(),
                        self.mentions(rule),
                        (*support).into(),
                        self.catalogue.id(*item).into(),
                        self.catalogue.title(*item).into(),
                        (*weight).into(),
                        counted.map(|c| c.confidence()).into(),
                        counted.map(|c| c.lift()).into(),
                    ])?;
                }
            }
        }
        written(to, writer, columns.len())
    }

    /// The ids of the items of a rule; negated ones begin with `!`.
    fn mentions(&self, rule: &Rule) -> Cell<'_> {
        let ids = rule.literals.iter().map(|l| {
            let id = self.catalogue.id(l.item);
            match l.negated {
                true => format!("!{id}").into(),
                false => id.into(),
            }
        });
        Cell::Texts(ids.collect())
    }

    fn similar_to(
        &self,
        by: SimilarBy,
        n: usize,
        to: &Destination,
    ) -> Result<(Vec<PathBuf>, usize, usize)> {
        let similarities = self.similarities(by)?;
        let columns = [
            ("item_id", Kind::Text),
            ("rank", Kind::Integer),
            ("similar_id", Kind::Text),
            ("score", Kind::Single),
        ];
        let mut writer = RowWriter::create(to, named(columns))?;
        let items: Vec<ItemIdx> = (0..self.catalogue.len() as u32).map(ItemIdx).collect();
        let filter = Filter::default();
        for block in items.chunks(BLOCK) {
            let lists: Vec<_> = block
                .par_iter()
                .map(|&item| similarities.list(item, n, &filter))
                .collect::<Result<_>>()?;
            for (&item, list) in block.iter().zip(&lists) {
                for (at, scored) in list.iter().enumerate() {
                    writer.row(&[
                        self.catalogue.id(item).into(),
                        (at + 1).into(),
                        self.catalogue.id(scored.item).into(),
                        scored.score.into(),
                    ])?;
                }
            }
        }
        written(to, writer, columns.len())
    }
}

fn operator(rule: &Rule) -> &'static str {
    use limpid_core::rules::Operator;
    match rule.operator {
        Operator::And => "and",
        Operator::Or => "or",
        Operator::AtLeast(_) => "at_least",
    }
}

fn named<const N: usize>(columns: [(&str, Kind); N]) -> Vec<Column> {
    columns.map(|(name, kind)| Column::new(name, kind)).to_vec()
}

fn main_file(to: &Destination) -> Option<PathBuf> {
    to.path().map(PathBuf::from)
}

/// Completes a table; returns its file, rows and columns.
fn written(
    to: &Destination,
    writer: RowWriter,
    columns: usize,
) -> Result<(Vec<PathBuf>, usize, usize)> {
    let rows = writer.rows();
    writer.finish()?;
    Ok((main_file(to).into_iter().collect(), rows, columns))
}

/// Writes the ids and titles of the rows or columns of an array, beside it.
fn names_beside(
    to: &Destination,
    of: &str,
    names: impl Iterator<Item = (String, String)>,
) -> Result<Option<PathBuf>> {
    let Some(path) = to.path() else {
        return Ok(None);
    };
    let beside = path.with_extension(format!("{of}.csv"));
    let to = Destination::new(&beside, TABLES, FileFormat::Csv)?;
    let columns = [
        ("index", Kind::Integer),
        ("id", Kind::Text),
        ("title", Kind::Text),
    ];
    let mut writer = RowWriter::create(&to, named(columns))?;
    for (index, (id, title)) in names.enumerate() {
        writer.row(&[index.into(), id.into(), title.into()])?;
    }
    writer.finish()?;
    Ok(Some(beside))
}
