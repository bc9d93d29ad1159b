//! Errors of evaluation.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an evaluation was refused; each message names the rule, the value and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No metric has this name.
    #[error("unknown metric '{name}'; {}the metrics are {known}", did_you_mean(*.suggestion))]
    UnknownMetric {
        /// The name, as written.
        name: String,
        /// The most similar name, if one is similar.
        suggestion: Option<&'static str>,
        /// All names.
        known: String,
    },
    /// The cutoff of a metric is missing, superfluous or not a positive integer.
    #[error("cannot read metric '{text}': {rule}; write '{example}'")]
    Cutoff {
        /// The metric, as written.
        text: String,
        /// The rule.
        rule: &'static str,
        /// A correct form.
        example: String,
    },
    /// Hits by path or calibration are not defined here.
    #[error("{0}")]
    Paths(String),
    /// No metadata field has this name.
    #[error(
        "the items have no metadata field '{name}'; {}The fields are {}",
        similar(.name, .known),
        listed(.known)
    )]
    UnknownField {
        /// The name, as written.
        name: String,
        /// All names.
        known: Vec<String>,
    },
    /// Two tables that must have one row per user have different numbers of rows.
    #[error(
        "the {what} has {found} rows, but the input histories have {expected}; row r of each must be the same user"
    )]
    Rows {
        /// Which table.
        what: &'static str,
        /// Rows of the input histories.
        expected: usize,
        /// Rows of this table.
        found: usize,
    },
    /// Row r of two tables belongs to different users.
    #[error(
        "row {row} of the {what} belongs to user {found}, but row {row} of the input histories to user {expected}; order both by the same users"
    )]
    Users {
        /// Which table.
        what: &'static str,
        /// The row.
        row: usize,
        /// The user of the input histories.
        expected: u32,
        /// The user of the other table.
        found: u32,
    },
    /// A table has another number of items than the catalogue.
    #[error(
        "the {what} has {found} items, but the catalogue has {expected}; use the catalogue that was read with the data"
    )]
    Items {
        /// Which table.
        what: &'static str,
        /// Items of the catalogue.
        expected: usize,
        /// Items of this table.
        found: usize,
    },
    /// No row can be evaluated.
    #[error(
        "no user can be evaluated: none of the {rows} rows has {needed}; check the split and the filters"
    )]
    NobodyToMeasure {
        /// Number of rows.
        rows: usize,
        /// What every row lacks.
        needed: &'static str,
    },
    /// The list of metrics is empty.
    #[error("no metric is given; name at least one, such as 'ndcg@20'")]
    NoMetric,
    /// A list of another program contains an item twice, or an unknown item.
    #[error("list {row}, position {position}: item {item} {why}")]
    List {
        /// The row of the list, from 0.
        row: usize,
        /// The position in the list, from 1.
        position: usize,
        /// The item's index.
        item: u32,
        /// The rule and how to fix it.
        why: String,
    },
    /// Two results share no user or no metric, so there is nothing to compare.
    #[error("the two results share no {what}: {hint}")]
    NothingShared {
        /// What they do not share.
        what: &'static str,
        /// How to fix it.
        hint: String,
    },
    /// A user appears twice in a result.
    #[error(
        "user '{user}' appears twice in result {side}; a paired comparison needs each user once"
    )]
    TwiceTheUser {
        /// The external id.
        user: String,
        /// `a` or `b`.
        side: char,
    },
    /// A group number is needed for every item.
    #[error(
        "the grouping has {found} entries, but there are {expected} items; give every item a group, and items without one a group of their own"
    )]
    Grouping {
        /// Number of items.
        expected: usize,
        /// Number of entries.
        found: usize,
    },
    /// An error of the core crate.
    #[error(transparent)]
    Core(#[from] limpid_core::Error),
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "none".to_owned(),
        _ => known.join(", "),
    }
}

/// `did you mean …? ` of the most similar of the known names, if one is similar.
fn similar(name: &str, known: &[String]) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let nearest = known.iter().min_by_key(|known| distance(known));
    nearest
        .filter(|known| distance(known) <= name.chars().count().max(3) / 3)
        .map_or_else(String::new, |known| format!("did you mean '{known}'? "))
}

fn did_you_mean(name: Option<&'static str>) -> String {
    name.map_or_else(String::new, |name| format!("did you mean '{name}'? "))
}
