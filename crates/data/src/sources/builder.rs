//! The builder of logs: the rules about ids, values, times and duplicates, the same for every format.

use std::collections::{BTreeMap, HashMap, HashSet};

use limpid_core::{Csr, Field, Ids};

use super::chain;
use super::columns::Layout;
use super::facts::{Facts, Kind};
use super::interner::Interner;
use super::lines::{Cell, Flaw, shown, text};
use super::numbers::{self, Clock, Written};
use super::options::{Duplicates, OnError, ReadOptions};
use crate::log::{GivenSubset, IMPORT_SEED, Log, ReadColumn, ReadReport};
use crate::{Error, Result};

/// The longest external id, in bytes.
const LONGEST_ID: usize = 1000;

/// An event as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'a> {
    pub(super) user: Cell<'a>,
    pub(super) item: Cell<'a>,
    pub(super) value: Option<Cell<'a>>,
    pub(super) time: Option<Moment<'a>>,
    pub(super) behavior: u8,
    pub(super) part: Option<GivenSubset>,
}

/// A time as it is written, or as a typed column holds it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment<'a> {
    Text(Cell<'a>),
    Seconds(i64, usize),
}

/// Collects events and metadata, then becomes a [`Log`].
pub(super) struct Builder<'o> {
    pub(super) options: &'o ReadOptions,
    pub(super) report: ReadReport,
    users: Interner,
    items: Interner,
    user: Vec<u32>,
    item: Vec<u32>,
    value: Option<Vec<f32>>,
    /// `None` once an event came without a time.
    time: Option<Vec<i64>>,
    behavior: Vec<u8>,
    behaviors: Vec<String>,
    part: Vec<GivenSubset>,
    clock: Clock,
    /// The file and line of each event, where duplicates are refused.
    places: Vec<(u32, u64)>,
    skipped: BTreeMap<&'static str, usize>,
    titles: Vec<String>,
    facts: BTreeMap<String, Facts>,
    /// The behavior and the subset of all events of the file that is read, where the options name them.
    of_file: (Option<u8>, Option<GivenSubset>),
    /// Events with blanks at the ends of an id, and the ids that appear with and without them.
    blanks: Blanks,
    /// Names of tags by their ids.
    tag_names: HashMap<String, String>,
    /// While additional metadata is joined: the ids without an item.
    unmatched: Option<HashSet<Box<str>>>,
    matched: usize,
}

impl<'o> Builder<'o> {
    pub(super) fn new(options: &'o ReadOptions) -> Self {
        Self {
            options,
            report: ReadReport::default(),
            users: Interner::default(),
            items: Interner::default(),
            user: Vec::new(),
            item: Vec::new(),
            value: None,
            time: Some(Vec::new()),
            behavior: Vec::new(),
            behaviors: Vec::new(),
            part: Vec::new(),
            clock: Clock::new(options.time_unit),
            places: Vec::new(),
            skipped: BTreeMap::new(),
            titles: Vec::new(),
            facts: BTreeMap::new(),
            of_file: (None, None),
            blanks: Blanks::default(),
            tag_names: HashMap::new(),
            unmatched: None,
            matched: 0,
        }
    }

    /// Number of metadata records that matched an item so far.
    pub(super) fn n_matched(&self) -> usize {
        self.matched
    }

    /// The names of the fields so far.
    pub(super) fn field_names(&self) -> Vec<String> {
        self.facts.keys().cloned().collect()
    }

    /// Names the file that is read next in the report.
    pub(super) fn file(&mut self, stored: &str) {
        self.report.files.push(stored.to_owned());
    }

    /// Begins a file whose events all have the behavior and the subset that the options name.
    pub(super) fn begin_file(
        &mut self,
        behavior: Option<&str>,
        subset: Option<GivenSubset>,
    ) -> Result<()> {
        let behavior = behavior.map(|name| {
            self.behavior(name)
                .map_err(|flaw| Error::option("--behavior", flaw.reason, flaw.hint))
        });
        self.of_file = (behavior.transpose()?, subset);
        Ok(())
    }

    /// Reports the columns of a table and those that were not read.
    pub(super) fn columns(&mut self, layout: &Layout, names: &[String]) {
        if !layout.has_header {
            return;
        }
        let name = |at: usize| shown(names[at].split(':').next().unwrap_or_default().as_bytes());
        for (meaning, at) in layout.meanings() {
            let Some(at) = at else { continue };
            let column = ReadColumn {
                meaning: meaning.to_owned(),
                name: name(at),
            };
            if !self.report.columns.contains(&column) {
                self.report.columns.push(column);
            }
        }
        for at in 0..names.len() {
            let is_read = layout.meanings().iter().any(|(_, read)| *read == Some(at));
            if !is_read && !self.report.unused_columns.contains(&name(at)) {
                self.report.unused_columns.push(name(at));
            }
        }
    }

    /// Whether names of tags were read.
    pub(super) fn has_tag_names(&self) -> bool {
        !self.tag_names.is_empty()
    }

    /// Adds the name of a tag.
    pub(super) fn add_tag_name(&mut self, id: &str, name: &str) {
        self.tag_names.insert(id.to_owned(), name.to_owned());
    }

    /// Adds a note to the report.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// The number of a behavior, new or known.
    pub(super) fn behavior(&mut self, name: &str) -> std::result::Result<u8, Flaw> {
        if let Some(known) = self.behaviors.iter().position(|b| b == name) {
            return Ok(known as u8);
        }
        let number = u8::try_from(self.behaviors.len()).map_err(|_| {
            Flaw::new(
                0,
                "too many behaviors",
                format!("'{}' is the 257th behavior", shown(name.as_bytes())),
            )
            .hint("name another column with --behavior-column")
        })?;
        self.behaviors.push(name.to_owned());
        Ok(number)
    }

    /// Adds an event.
    pub(super) fn event(&mut self, draft: &Draft<'_>) -> std::result::Result<(), Flaw> {
        let (user, user_blanks) = id(draft.user, "user")?;
        let (item, item_blanks) = id(draft.item, "item")?;
        let behavior = self.of_file.0.unwrap_or(draft.behavior);
        let value = draft.value.map(numbers::value).transpose()?;
        let time = match draft.time {
            Some(Moment::Text(cell)) => {
                let written = numbers::time(cell)?;
                Some(self.clock.seconds(written, cell.at)?)
            }
            Some(Moment::Seconds(seconds, at)) => {
                Some(self.clock.seconds(Written::Seconds(seconds), at)?)
            }
            None => None,
        };
        let n = self.item.len();
        if n >= u32::MAX as usize {
            return Err(
                Flaw::new(0, "too many events", "a log holds fewer than 2³² events")
                    .hint("read fewer files, or filter the events first"),
            );
        }
        match (&mut self.value, value) {
            (Some(values), value) => values.push(value.unwrap_or(1.0)),
            (none, Some(value)) => {
                let mut values = vec![1.0; n];
                values.push(value);
                *none = Some(values);
            }
            (None, None) => {}
        }
        match time {
            Some(time) => {
                if let Some(times) = &mut self.time {
                    times.push(time);
                }
            }
            None => self.time = None,
        }
        match draft.part.or(self.of_file.1) {
            Some(part) => {
                self.part.resize(n, GivenSubset::Train);
                self.part.push(part);
            }
            None if !self.part.is_empty() => self.part.push(GivenSubset::Train),
            None => {}
        }
        if behavior != 0 || !self.behavior.is_empty() {
            self.behavior.resize(n, 0);
            self.behavior.push(behavior);
        }
        let (user, item) = (self.users.intern(user), self.items.intern(item));
        self.blanks.users.see(user, user_blanks);
        self.blanks.items.see(item, item_blanks);
        self.blanks.events += usize::from(user_blanks || item_blanks);
        self.user.push(user);
        self.item.push(item);
        Ok(())
    }

    /// Records the outcome of a line: a flaw stops reading or is counted, by the policy.
    pub(super) fn settle(
        &mut self,
        label: &str,
        line: u64,
        outcome: std::result::Result<(), Flaw>,
    ) -> Result<()> {
        match outcome {
            Ok(()) => {
                if self.options.duplicates == Duplicates::Error {
                    let file = self.report.files.len().saturating_sub(1) as u32;
                    self.places.resize(self.item.len(), (file, line));
                }
                Ok(())
            }
            Err(flaw) if self.options.on_error == OnError::Skip => {
                *self.skipped.entry(flaw.kind).or_default() += 1;
                Ok(())
            }
            Err(flaw) => Err(flaw.into_error(label, line)),
        }
    }

    /// From here on metadata is joined: ids without an item are ignored and counted.
    pub(super) fn begin_join(&mut self) {
        self.unmatched = Some(HashSet::new());
    }

    /// Ends a join; returns the number of ids without an item.
    pub(super) fn end_join(&mut self) -> usize {
        self.unmatched.take().map_or(0, |s| s.len())
    }

    /// The item of a metadata record: a new one in the metadata of the data set itself, none in
    /// additional metadata.
    pub(super) fn item(&mut self, cell: Cell<'_>) -> std::result::Result<Option<u32>, Flaw> {
        let (id, _) = id(cell, "item")?;
        let Some(unmatched) = &mut self.unmatched else {
            self.matched += 1;
            return Ok(Some(self.items.intern(id)));
        };
        let known = self.items.get(id);
        match known {
            Some(_) => self.matched += 1,
            None if !unmatched.contains(id) => {
                unmatched.insert(id.into());
            }
            None => {}
        }
        Ok(known)
    }

    /// Gives an item its title, unless it has one.
    pub(super) fn title(&mut self, item: u32, title: &str) {
        let title = title.trim();
        if title.is_empty() {
            return;
        }
        let at = item as usize;
        if self.titles.len() <= at {
            self.titles.resize(at + 1, String::new());
        }
        if self.titles[at].is_empty() {
            self.titles[at] = title.to_owned();
        }
    }

    /// Gives an item a value of a field whose meaning is known.
    pub(super) fn fact(&mut self, field: &str, item: u32, value: &str) {
        self.put(field, item, value, 1.0, Kind::Plain);
    }

    /// Gives an item a value of a field whose meaning is not known: it is dropped in the end if
    /// nearly every item has a value of its own.
    pub(super) fn guess(&mut self, field: &str, item: u32, value: &str) {
        self.put(field, item, value, 1.0, Kind::Guessed);
    }

    /// Counts a value that was given to an item once more, such as a tag.
    pub(super) fn count(&mut self, field: &str, item: u32, value: &str) {
        self.put(field, item, value, 1.0, Kind::Counted);
    }

    /// Counts a tag of an item `times` more, by the id of the tag.
    pub(super) fn count_tag(&mut self, item: u32, id: &str, times: f32) {
        let name = self.tag_names.get(id).map_or(id, String::as_str);
        let name = name.to_lowercase();
        self.put("tag", item, &name, times, Kind::Counted);
    }

    fn put(&mut self, field: &str, item: u32, value: &str, times: f32, kind: Kind) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        if !self.facts.contains_key(field) {
            self.facts.insert(field.to_owned(), Facts::default());
        }
        if let Some(facts) = self.facts.get_mut(field) {
            facts.add(item, value, times, kind);
        }
    }

    /// The log of everything that was collected.
    pub(super) fn finish(mut self, path: &std::path::Path) -> Result<Log> {
        self.report.rows = self.item.len();
        if self.item.is_empty() {
            let skipped: usize = self.skipped.values().sum();
            let reason = match skipped {
                0 => "holds no events".to_owned(),
                n => format!("holds no events that can be read ({n} lines were skipped)"),
            };
            return Err(Error::source(
                path,
                reason,
                "choose a file with a user and an item in each line",
            ));
        }
        self.report.skipped = std::mem::take(&mut self.skipped)
            .into_iter()
            .map(|(reason, n)| (reason.to_owned(), n))
            .collect();
        if let Some(note) = self.blanks.note(&self.users, &self.items) {
            self.note(note);
        }
        if let Some(unit) = self.clock.decided().filter(|u| u.per_second() > 1) {
            self.note(format!("times are in {unit} and were converted to seconds"));
        }
        self.report.duplicates = self.merge_duplicates(path)?;
        let (behaviors, target) = self.order_behaviors()?;
        let n_items = self.items.len();
        let mut fields = Vec::new();
        for (name, facts) in std::mem::take(&mut self.facts) {
            match facts.finish(&name, n_items) {
                Ok(field) => fields.push(Field {
                    name,
                    of_items: Csr::from_rows(field.rows, field.values.len())?,
                    values: Ids::from_names(field.values)?,
                }),
                Err(note) => self.note(note),
            }
        }
        let mut titles = self.titles;
        if !titles.is_empty() {
            titles.resize(n_items, String::new());
        }
        let mut log = Log {
            name: String::new(),
            users: Ids::from_names(self.users.into_names())?,
            items: Ids::from_names(self.items.into_names())?,
            user: self.user,
            item: self.item,
            value: self.value,
            time: self.time,
            behavior: (!self.behavior.is_empty()).then_some(self.behavior),
            behaviors,
            target_behavior: target,
            given: (!self.part.is_empty()).then_some(self.part),
            titles,
            fields,
            report: self.report,
            read_hash: None,
        };
        log.shuffle_items(IMPORT_SEED)?;
        Ok(log)
    }

    /// Merges events of the same user, item, behavior and subset; returns how many were removed.
    fn merge_duplicates(&mut self, path: &std::path::Path) -> Result<usize> {
        let n = self.item.len();
        // The events of each user together, in file order.
        let mut offsets = vec![0usize; self.users.len() + 1];
        for &user in &self.user {
            offsets[user as usize + 1] += 1;
        }
        for user in 0..self.users.len() {
            offsets[user + 1] += offsets[user];
        }
        let mut next = offsets.clone();
        let mut events = vec![0u32; n];
        for (event, &user) in self.user.iter().enumerate() {
            events[next[user as usize]] = event as u32;
            next[user as usize] += 1;
        }
        drop(next);
        let policy = self.options.duplicates;
        let (mut gone, mut repeated) = (Vec::new(), 0usize);
        for bounds in offsets.windows(2) {
            let row = &mut events[bounds[0]..bounds[1]];
            let kind = |event: u32| {
                let at = event as usize;
                (self.item[at], self.behavior.get(at).copied().unwrap_or(0))
            };
            let part = |event: u32| self.part.get(event as usize).copied();
            row.sort_unstable_by_key(|&event| (kind(event), part(event), event));
            repeated += row
                .windows(2)
                .filter(|w| kind(w[0]) == kind(w[1]) && part(w[0]) != part(w[1]))
                .count();
            let mut at = 0;
            while at < row.len() {
                let same = row[at..]
                    .iter()
                    .take_while(|&&e| kind(e) == kind(row[at]) && part(e) == part(row[at]))
                    .count();
                let group = &row[at..at + same];
                at += same;
                if same == 1 {
                    continue;
                }
                if policy == Duplicates::Error {
                    return Err(self.duplicate(path, group[0], group[1]));
                }
                // The last by time, by file order at equal times.
                let last = |events: &[u32]| {
                    let when = |e: u32| self.time.as_ref().map_or(0, |t| t[e as usize]);
                    events.iter().copied().max_by_key(|&e| (when(e), e))
                };
                let mut kept = last(group);
                if let (Duplicates::Max, Some(values)) = (policy, &self.value) {
                    let most = group
                        .iter()
                        .map(|&e| values[e as usize])
                        .fold(f32::NEG_INFINITY, f32::max);
                    let top: Vec<u32> = group
                        .iter()
                        .copied()
                        .filter(|&e| values[e as usize] == most)
                        .collect();
                    kept = last(&top);
                }
                let Some(kept) = kept else { continue };
                if policy == Duplicates::Sum {
                    let values = self.value.get_or_insert_with(|| vec![1.0; n]);
                    let sum: f32 = group.iter().map(|&e| values[e as usize]).sum();
                    if !sum.is_finite() {
                        return Err(Error::source(
                            path,
                            format!(
                                "the sum of the values of {same} duplicate events must be a finite number"
                            ),
                            "fix the values, or keep the last of duplicate events with --duplicates last",
                        ));
                    }
                    values[kept as usize] = sum;
                }
                gone.extend(group.iter().copied().filter(|&e| e != kept));
            }
        }
        drop(events);
        if repeated > 0 {
            self.note(format!(
                "{repeated} events have the same user and item as an event of another subset of the \
                 given split"
            ));
        }
        if !gone.is_empty() {
            let mut keep = vec![true; n];
            for &event in &gone {
                keep[event as usize] = false;
            }
            retain(&mut self.user, &keep);
            retain(&mut self.item, &keep);
            retain(&mut self.behavior, &keep);
            retain(&mut self.part, &keep);
            if let Some(value) = &mut self.value {
                retain(value, &keep);
            }
            if let Some(time) = &mut self.time {
                retain(time, &keep);
            }
        }
        Ok(gone.len())
    }

    /// Puts the behaviors in the order of their chain; returns their names and the target.
    fn order_behaviors(&mut self) -> Result<(Vec<String>, u8)> {
        let mut counts = vec![0usize; self.behaviors.len()];
        for &b in &self.behavior {
            counts[b as usize] += 1;
        }
        if let Some(only) = counts.first_mut().filter(|_| self.behavior.is_empty()) {
            *only = self.item.len();
        }
        let names = std::mem::take(&mut self.behaviors);
        let conversions = |target| self.conversions(names.len(), target);
        let chain = chain::order(&names, &counts, self.options, conversions)?;
        self.report.notes.extend(chain.note);
        if chain.names.len() == 1 {
            self.behavior.clear();
        }
        for b in &mut self.behavior {
            *b = chain.place[*b as usize];
        }
        Ok((chain.names, chain.target))
    }

    /// The share of the pairs with each behavior that have the target too; `None` for too many behaviors.
    fn conversions(&self, n: usize, target: usize) -> Option<Vec<f64>> {
        if n > 8 {
            return None;
        }
        let train = |e: &usize| {
            let part = self.part.get(*e);
            part.is_none_or(|part| *part == crate::log::GivenSubset::Train)
        };
        let events = (0..self.behavior.len()).filter(train);
        let mut pairs: Vec<(u32, u32, u8)> = events
            .map(|e| (self.user[e], self.item[e], self.behavior[e]))
            .collect();
        pairs.sort_unstable();
        let sets = pairs.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
        let sets = sets.map(|of| of.iter().fold(0u8, |set, e| set | 1 << e.2));
        Some(crate::chains::conversions(sets, n, target))
    }

    /// The error of a duplicate event.
    fn duplicate(&self, path: &std::path::Path, first: u32, second: u32) -> Error {
        let place = |event: u32| {
            let (file, line) = self.places.get(event as usize).copied().unwrap_or((0, 0));
            let file = self.report.files.get(file as usize).cloned();
            (file.unwrap_or_else(|| path.display().to_string()), line)
        };
        let ((file, line), (first_file, first_line)) = (place(second), place(first));
        let at = second as usize;
        Error::Line {
            file,
            line,
            column: 1,
            reason: format!(
                "the event of user '{}' and item '{}' appears twice, first in {first_file}:{first_line}",
                self.users.name(self.user[at]),
                self.items.name(self.item[at])
            ),
            hint: "remove one of the lines, or merge duplicates with --duplicates last, sum or max"
                .to_owned(),
        }
    }
}

/// Keeps the entries whose flag is set; an empty column stays empty.
fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    column.retain(|_| flags.next().copied().unwrap_or(true));
}

/// Blanks at the ends of ids, which are not part of them.
#[derive(Debug, Default)]
struct Blanks {
    events: usize,
    users: Spellings,
    items: Spellings,
}

/// By the index of an id: whether it was seen without and with blanks at its ends.
#[derive(Debug, Default)]
struct Spellings(Vec<(bool, bool)>);

impl Spellings {
    fn see(&mut self, index: u32, blanks: bool) {
        let at = index as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, (false, false));
        }
        let (plain, blank) = &mut self.0[at];
        *plain |= !blanks;
        *blank |= blanks;
    }

    /// How many ids were seen both ways, and the first of them.
    fn both(&self) -> (usize, Option<u32>) {
        let mut both = (0u32..)
            .zip(&self.0)
            .filter(|(_, seen)| **seen == (true, true));
        let first = both.next().map(|(index, _)| index);
        (usize::from(first.is_some()) + both.count(), first)
    }
}

impl Blanks {
    fn note(&self, users: &Interner, items: &Interner) -> Option<String> {
        if self.events == 0 {
            return None;
        }
        let mut note = format!(
            "blanks at the ends of the ids of {} events were removed",
            self.events
        );
        let ((n_users, user), (n_items, item)) = (self.users.both(), self.items.both());
        let name = user.map(|u| users.name(u)).or(item.map(|i| items.name(i)));
        if let Some(name) = name {
            note += &format!(
                "; user and item ids that appear both with and without them: {n_users} and {n_items}, such \
                 as '{}'; each counts as one",
                shown(name.as_bytes())
            );
        }
        Some(note)
    }
}

/// The text of an external id, without blanks at its ends, and whether there were any.
fn id<'a>(cell: Cell<'a>, what: &str) -> std::result::Result<(&'a str, bool), Flaw> {
    let n = cell.text.len();
    let cell = cell.trim();
    let blanks = cell.text.len() < n;
    if cell.text.is_empty() {
        return Err(Flaw::new(
            cell.at,
            "empty id",
            format!("the {what} id is empty"),
        ));
    }
    if cell.text.len() > LONGEST_ID {
        let n = cell.text.len();
        return Err(Flaw::new(
            cell.at,
            "long id",
            format!("the {what} id is {n} bytes long; at most {LONGEST_ID} are allowed"),
        ));
    }
    match text(cell, false)? {
        std::borrow::Cow::Borrowed(text) => Ok((text, blanks)),
        // Only ISO-8859-1 is ever decoded into a new text, and ids are read as UTF-8.
        std::borrow::Cow::Owned(_) => Ok(("", blanks)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn cell(text: &str) -> Cell<'_> {
        Cell {
            text: text.as_bytes(),
            at: 0,
        }
    }

    /// User, item, value, time and behavior.
    type Row<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, &'a str);

    fn build(options: &ReadOptions, events: &[Row<'_>]) -> Result<Log> {
        let mut b = Builder::new(options);
        b.file("f");
        for (line, (user, item, value, time, behavior)) in events.iter().enumerate() {
            let outcome = b.behavior(behavior).and_then(|behavior| {
                b.event(&Draft {
                    user: cell(user),
                    item: cell(item),
                    value: value.map(cell),
                    time: time.map(|t| Moment::Text(cell(t))),
                    behavior,
                    part: None,
                })
            });
            b.settle("f", line as u64 + 1, outcome)?;
        }
        b.finish(Path::new("f"))
    }

    fn seen(log: &Log) -> Vec<(String, String, Option<f32>, Option<i64>)> {
        (0..log.n_events())
            .map(|e| {
                (
                    log.users.name(log.user[e]).to_owned(),
                    log.items.name(log.item[e]).to_owned(),
                    log.value.as_ref().map(|v| v[e]),
                    log.time.as_ref().map(|t| t[e]),
                )
            })
            .collect()
    }

    #[test]
    fn duplicates_follow_the_policy() {
        let events = [
            ("u", "a", Some("5"), Some("30"), "x"),
            ("u", "b", Some("1"), Some("20"), "x"),
            ("u", "a", Some("2"), Some("10"), "x"),
            ("u", "a", Some("5"), Some("20"), "x"),
        ];
        let read = |duplicates| {
            build(
                &ReadOptions {
                    duplicates,
                    ..ReadOptions::default()
                },
                &events,
            )
        };
        let u = || "u".to_owned();
        let b = (u(), "b".to_owned(), Some(1.0), Some(20));
        let a = |value, time| (u(), "a".to_owned(), Some(value), Some(time));
        let log = read(Duplicates::Last).unwrap();
        assert_eq!(seen(&log), [a(5.0, 30), b.clone()]);
        assert_eq!((log.report.rows, log.report.duplicates), (4, 2));
        assert_eq!(
            seen(&read(Duplicates::Sum).unwrap()),
            [a(12.0, 30), b.clone()]
        );
        assert_eq!(seen(&read(Duplicates::Max).unwrap()), [a(5.0, 30), b]);
        assert_eq!(
            read(Duplicates::Error).unwrap_err().to_string(),
            "f:3:1: the event of user 'u' and item 'a' appears twice, first in f:1; remove one of \
             the lines, or merge duplicates with --duplicates last, sum or max"
        );
    }

    #[test]
    fn sums_of_implicit_events_are_counts() {
        let options = ReadOptions {
            duplicates: Duplicates::Sum,
            ..ReadOptions::default()
        };
        let log = build(
            &options,
            &[("u", "a", None, None, "x"), ("u", "a", None, None, "x")],
        );
        assert_eq!(
            seen(&log.unwrap()),
            [("u".into(), "a".into(), Some(2.0), None)]
        );
    }

    #[test]
    fn behaviors_follow_their_chain() {
        let events = [
            ("u", "a", None, None, "buy"),
            ("u", "a", None, None, "view"),
            ("u", "b", None, None, "view"),
            ("u", "a", None, None, "cart"),
        ];
        let log = build(&ReadOptions::default(), &events).unwrap();
        assert_eq!(log.behaviors, ["view", "cart", "buy"]);
        assert_eq!(log.target_behavior, 2);
        assert_eq!(log.behavior, Some(vec![2, 0, 0, 1]));
        let options = ReadOptions {
            behaviors: Some(vec!["cart".into(), "buy".into(), "view".into()]),
            target_behavior: Some("buy".into()),
            ..ReadOptions::default()
        };
        let log = build(&options, &events).unwrap();
        assert_eq!(log.behaviors, ["cart", "buy", "view"]);
        assert_eq!(
            (log.target_behavior, log.behavior),
            (1, Some(vec![1, 2, 2, 0]))
        );
        let options = ReadOptions {
            target_behavior: Some("rent".into()),
            ..ReadOptions::default()
        };
        let error = build(&options, &events).unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown target behavior 'rent'; choose from view, cart, buy"
        );
    }

    #[test]
    fn blanks_at_the_ends_of_ids_are_counted() {
        let events = [
            ("u", "a", None, None, "x"),
            ("u ", "b", None, None, "x"),
            ("v", " c", None, None, "x"),
        ];
        let log = build(&ReadOptions::default(), &events).unwrap();
        assert_eq!(log.users.names(), ["u", "v"]);
        assert_eq!(
            log.report.notes,
            [
                "blanks at the ends of the ids of 2 events were removed; user and item ids that appear both \
              with and without them: 1 and 0, such as 'u'; each counts as one"
            ]
        );
        let log = build(&ReadOptions::default(), &events[2..]).unwrap();
        assert_eq!(
            log.report.notes,
            ["blanks at the ends of the ids of 1 events were removed"]
        );
    }

    #[test]
    fn bad_events_are_refused_or_counted() {
        let events = [
            ("", "a", None, None, "x"),
            ("u", " ", None, None, "x"),
            ("u", "a", Some("nan"), None, "x"),
            ("u", "a", None, Some("-5"), "x"),
            ("u", "a", Some("1"), Some("5"), "x"),
        ];
        let options = ReadOptions {
            on_error: OnError::Skip,
            ..ReadOptions::default()
        };
        let log = build(&options, &events).unwrap();
        assert_eq!(log.n_events(), 1);
        let skipped: Vec<(&str, usize)> = log
            .report
            .skipped
            .iter()
            .map(|(r, n)| (r.as_str(), *n))
            .collect();
        assert_eq!(
            skipped,
            [("bad value", 1), ("empty id", 2), ("time out of range", 1)]
        );
        let error = build(&ReadOptions::default(), &events)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "f:1:1: the user id is empty; fix the line, or skip malformed lines with --on-error skip"
        );
        let error = build(&options, &events[..3]).unwrap_err().to_string();
        assert!(
            error.contains("no events that can be read (3 lines were skipped)"),
            "{error}"
        );
    }
}
