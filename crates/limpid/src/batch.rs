//! Lists, ledgers and texts of many users as tables: in parallel, in the order of the users, in bounded memory.
//!
//! A file is written in parts, each complete or absent, in the folder `NAME.parts` beside it, and joined at
//! the end; a run that was stopped continues at the first missing part. Standard output is written in order
//! and cannot be continued.

mod parts;
mod people;

use std::ops::Range;

use limpid_core::{Detail, Edits, Histories, History, Ledger, Progress, Scored};
use limpid_insight::narrate::{Clause, Evidence, Ranked, paragraph};
use limpid_insight::{Row, Steered, Wording, wording};
use rayon::prelude::*;

use crate::advisor::{Advisor, Filter, complete, reasons};
use crate::narrate::{Narration, Narrator};
use crate::output::{Cell, Column, Destination, Kind, RowWriter, text};
use crate::{Error, Result};

use parts::Parts;
pub use people::People;

/// What is written for the users of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// One row per item of a list.
    Lists {
        /// Number of reasons in the column `because`; 0 for no such column.
        reasons: usize,
    },
    /// One row per line of the ledger of each item of a list: the base, the evidence, the residual. The
    /// values of an item sum to its score.
    Ledgers {
        /// Unit by unit, or joined into lines.
        detail: Detail,
    },
    /// One row per item of a list: the reasons for and against it in words, with the lines that they cite.
    Words(&'a Narrator),
}

/// How a batch is written.
pub struct Batch<'a> {
    /// What is written.
    pub content: Content<'a>,
    /// Length of the lists.
    pub n: usize,
    /// Which items may be recommended.
    pub filter: &'a Filter,
    /// Edits of units, for all users.
    pub edits: &'a Edits,
    /// Whether a run that was stopped is continued.
    pub resume: bool,
    /// Progress, by user.
    pub progress: &'a dyn Progress,
}

/// What a batch wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Number of users.
    pub users: usize,
    /// Number of rows.
    pub rows: usize,
    /// Users whose rows an earlier run had written.
    pub resumed: usize,
}

/// Users that are scored at once.
const BLOCK: usize = 64;

/// Users of one part of lists.
const PART_OF_LISTS: usize = 1024;

/// Users of one part of ledgers, which have more rows.
const PART_OF_LEDGERS: usize = 256;

/// Users of one part of texts, which take longer to check.
const PART_OF_WORDS: usize = 128;

/// Users of one part of texts of a language model, which take seconds each.
const PART_OF_ANSWERS: usize = 8;

impl Content<'_> {
    fn part(self) -> usize {
        match self {
            Self::Words(narrator) if narrator.asks() => PART_OF_ANSWERS,
            Self::Words(_) => PART_OF_WORDS,
            Self::Lists { .. } => PART_OF_LISTS,
            Self::Ledgers { .. } => PART_OF_LEDGERS,
        }
    }

    /// The columns of its rows.
    #[must_use]
    pub fn columns(self) -> Vec<Column> {
        let head = [
            ("user_id", Kind::Text),
            ("rank", Kind::Integer),
            ("item_id", Kind::Text),
            ("score", Kind::Single),
            ("title", Kind::Text),
        ];
        let rest: &[(&str, Kind)] = match self {
            Self::Lists { reasons: 0 } => &[],
            Self::Lists { .. } => &[("because", Kind::Texts)],
            Self::Ledgers { .. } => &[
                ("line", Kind::Integer),
                ("kind", Kind::Text),
                ("unit", Kind::Text),
                ("text", Kind::Text),
                ("rule", Kind::Text),
                ("activation", Kind::Single),
                ("effect", Kind::Single),
                ("value", Kind::Single),
                ("cites", Kind::Texts),
                ("edited_by", Kind::Text),
            ],
            Self::Words(_) => &[
                ("for", Kind::Text),
                ("against", Kind::Text),
                ("change", Kind::Text),
                ("by", Kind::Text),
                ("refused", Kind::Text),
                ("evidence", Kind::Texts),
            ],
        };
        head.iter()
            .chain(rest)
            .map(|&(name, kind)| Column::new(name, kind))
            .collect()
    }
}

impl Advisor {
    /// Writes the lists or ledgers of many users, in their order.
    ///
    /// # Errors
    /// Where a unit does not exist, the run to continue had other options, a file cannot be written, or the
    /// user interrupts.
    pub fn write_batch(
        &self,
        people: &People<'_>,
        batch: &Batch<'_>,
        to: &Destination,
    ) -> Result<Written> {
        let worker = Worker {
            advisor: self,
            people,
            batch,
            model: self.steered(batch.edits)?,
        };
        batch.progress.start("users", people.len() as u64);
        match to.is_file() {
            true => worker.in_parts(to),
            false => worker.in_order(to),
        }
    }
}

struct Worker<'a> {
    advisor: &'a Advisor,
    people: &'a People<'a>,
    batch: &'a Batch<'a>,
    model: Steered<'a>,
}

/// Receives the cells of one row.
type Take<'t> = dyn FnMut(Vec<Cell<'_>>) -> Result<()> + 't;

impl Worker<'_> {
    fn in_parts(&self, to: &Destination) -> Result<Written> {
        let size = self.batch.content.part();
        let all: Vec<Range<usize>> = ranges(0..self.people.len(), size).collect();
        let parts = Parts::open(to, &self.request()?, self.batch.resume)?;
        let missing: Vec<usize> = (0..all.len()).filter(|&part| !parts.has(part)).collect();
        let of_parts = |some: &[usize]| some.iter().map(|&part| all[part].len()).sum::<usize>();
        let resumed = self.people.len() - of_parts(&missing);
        self.batch.progress.step(resumed as u64);
        for wave in missing.chunks(self.wave()) {
            self.check_interrupted("rerun with --resume to continue")?;
            wave.par_iter().try_for_each(|&part| {
                let columns = self.batch.content.columns();
                let at = parts.part(part)?;
                let mut writer = RowWriter::create(&at, columns)?;
                for block in ranges(all[part].clone(), BLOCK) {
                    self.block(block, &mut |cells| writer.row(&cells))?;
                }
                parts.complete(part, &at, writer)
            })?;
            self.batch.progress.step(of_parts(wave) as u64);
        }
        Ok(Written {
            users: self.people.len(),
            rows: parts.join(to, self.batch.content.columns())?,
            resumed,
        })
    }

    fn in_order(&self, to: &Destination) -> Result<Written> {
        let mut writer = RowWriter::create(to, self.batch.content.columns())?;
        let blocks: Vec<Range<usize>> = ranges(0..self.people.len(), BLOCK).collect();
        for wave in blocks.chunks(self.wave()) {
            self.check_interrupted("the rows before are written")?;
            let rows = wave.par_iter().map(|block| {
                let mut rows: Vec<Vec<Cell<'static>>> = Vec::new();
                self.block(block.clone(), &mut |cells| {
                    rows.push(cells.into_iter().map(Cell::into_owned).collect());
                    Ok(())
                })?;
                Ok(rows)
            });
            let rows: Vec<_> = rows.collect::<Result<_>>()?;
            rows.iter()
                .flatten()
                .try_for_each(|cells| writer.row(cells))?;
            self.batch
                .progress
                .step(wave.iter().map(|b| b.len() as u64).sum());
        }
        let rows = writer.rows();
        writer.finish()?;
        Ok(Written {
            users: self.people.len(),
            rows,
            resumed: 0,
        })
    }

    /// Pieces that are in memory at once: two per thread, so that none waits for the slowest.
    fn wave(&self) -> usize {
        2 * rayon::current_num_threads()
    }

    fn check_interrupted(&self, what: &str) -> Result<()> {
        match self.batch.progress.interrupted() {
            true => Err(limpid_core::Error::Interrupted(what.to_owned()).into()),
            false => Ok(()),
        }
    }

    /// What the rows depend on, as text: equal for runs that write the same rows.
    fn request(&self) -> Result<String> {
        let Batch {
            content, n, filter, ..
        } = self.batch;
        let manifest = serde_json::to_string(&self.advisor.manifest)
            .map_err(|e| Error::Usage(e.to_string()))?;
        let edits = self.model.written();
        let people = self.people.hash();
        Ok(format!(
            "{content:?} {n} {filter:?} {edits:?} {people} {manifest}"
        ))
    }

    /// Passes on the rows of some users, in order.
    fn block(&self, users: Range<usize>, take: &mut Take<'_>) -> Result<()> {
        let n_items = self.advisor.catalogue.len();
        let histories: Vec<_> = users.clone().map(|at| self.people.history(at)).collect();
        let histories = Histories::from_histories(histories.iter().map(|h| h.view()), n_items)?;
        // Activations serve the scores and every ledger.
        let rows = self.model.rows(&histories);
        let scores = self.model.score_rows(&histories, &rows); // (users, I)
        let wording = self.advisor.wording(&self.model);
        let mut untold: Vec<(usize, usize, Scored)> = Vec::new();
        let mut evidence_of: Vec<Evidence> = Vec::new();
        for (at, user) in users.enumerate() {
            let history = histories.row(at);
            let mask = self.advisor.mask(history, self.batch.filter);
            let scores = scores.row(at).to_vec();
            let (list, evidence) = self
                .advisor
                .list(&scores, &mask, self.batch.n, &mut Vec::new());
            for (rank, scored) in list.iter().enumerate() {
                let head = Head {
                    user: self.people.id(user),
                    rank: rank + 1,
                    scored,
                };
                match self.batch.content {
                    Content::Lists { reasons } => {
                        let wanted = if evidence { reasons } else { 0 };
                        let because = self.because(history, &rows[at], scored, wanted, &wording);
                        let mut cells = self.head(&head);
                        cells.extend((reasons > 0).then_some(because));
                        take(cells)?;
                    }
                    Content::Ledgers { detail } => {
                        let ledger = self.model.ledger(history, &rows[at], scored.item, detail);
                        self.lines(&head, &ledger, &wording, take)?;
                    }
                    Content::Words(narrator) => {
                        let row = &rows[at];
                        let ledger =
                            self.model
                                .ledger(history, row, scored.item, narrator.detail());
                        let ledger = complete(ledger)?;
                        let at = Ranked {
                            item: scored.item,
                            rank: Some(rank + 1),
                        };
                        let most = narrator.reasons();
                        untold.push((user, rank + 1, *scored));
                        evidence_of.push(Evidence::why(&ledger, at, &wording, most));
                    }
                }
            }
        }
        let Content::Words(narrator) = self.batch.content else {
            return Ok(());
        };
        let told = narrator.tell_all(&evidence_of)?;
        for (((user, rank, scored), evidence), narration) in
            untold.iter().zip(&evidence_of).zip(told)
        {
            let head = Head {
                user: self.people.id(*user),
                rank: *rank,
                scored,
            };
            let mut cells = self.head(&head);
            cells.extend(words(evidence, narration)?);
            take(cells)?;
        }
        Ok(())
    }

    fn head<'c>(&'c self, head: &Head<'c>) -> Vec<Cell<'c>> {
        let catalogue = &self.advisor.catalogue;
        vec![
            head.user.into(),
            head.rank.into(),
            catalogue.id(head.scored.item).into(),
            head.scored.score.into(),
            catalogue.title(head.scored.item).into(),
        ]
    }

    fn because(
        &self,
        history: History<'_>,
        row: &Row,
        scored: &Scored,
        most: usize,
        wording: &Wording<'_>,
    ) -> Cell<'static> {
        if most == 0 {
            return Cell::Texts(Vec::new());
        }
        let reasons = reasons(&self.model, wording, history, row, scored.item, most);
        Cell::Texts(reasons.into_iter().map(|r| r.text.into()).collect())
    }

    fn lines(
        &self,
        head: &Head<'_>,
        ledger: &Ledger,
        wording: &Wording<'_>,
        take: &mut Take<'_>,
    ) -> Result<()> {
        let catalogue = &self.advisor.catalogue;
        let mut line = 0usize;
        let mut row = |rest: [Cell<'_>; 9]| {
            let mut cells = self.head(head);
            cells.push(line.into());
            cells.extend(rest);
            line += 1;
            take(cells)
        };
        let sum = |kind: &'static str, text: &'static str, value: f32| {
            let [unit, rule, activation, effect] = [const { Cell::Empty }; 4];
            let (cites, edited) = (Cell::Texts(Vec::new()), Cell::Empty);
            let (kind, text, value) = (kind.into(), text.into(), value.into());
            [
                kind, unit, text, rule, activation, effect, value, cites, edited,
            ]
        };
        row(sum("base", wording::BASE, ledger.base))?;
        for part in &ledger.parts {
            let info = wording.units.info(part.unit, catalogue);
            let cites = part.cites.iter().map(|e| catalogue.id(e.item).into());
            row([
                part.unit.space.kind().into(),
                info.id.into(),
                wording.part(part).into(),
                part.rule.as_ref().map(|r| r.text(catalogue)).into(),
                part.activation.into(),
                part.effect.into(),
                part.value.into(),
                Cell::Texts(cites.collect()),
                part.edited_by.as_deref().into(),
            ])?;
        }
        match ledger.residual {
            0.0 => Ok(()),
            residual => row(sum("residual", wording::UNEXPLAINED, residual)),
        }
    }
}

/// The columns of a text.
fn words(evidence: &Evidence, narration: Narration) -> Result<[Cell<'static>; 6]> {
    let text =
        |clauses: &[Clause]| Cell::from((!clauses.is_empty()).then(|| paragraph(clauses, true)));
    let lines = evidence
        .lines
        .iter()
        .map(|line| Ok(text::json(line)?.into()));
    let told = &narration.told;
    Ok([
        text(&told.favor),
        text(&told.against),
        text(&told.change),
        narration.by.into(),
        narration.refused.into(),
        Cell::Texts(lines.collect::<Result<_>>()?),
    ])
}

/// The columns that all rows of an item share.
struct Head<'a> {
    user: &'a str,
    rank: usize,
    scored: &'a Scored,
}

/// Consecutive ranges of at most `size`.
fn ranges(all: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = all.end;
    all.step_by(size)
        .map(move |start| start..(start + size).min(end))
}
