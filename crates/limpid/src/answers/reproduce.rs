//! `limpid reproduce`, and its plan (`--dry-run`).

use serde::Serialize;

use crate::recipe::Outcome;

/// Tables that were run.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Reproduced {
    /// `limpid.reproduce/1`.
    pub schema: &'static str,
    /// The tables.
    pub tables: Vec<ReproducedTable>,
    /// Recipes of the folder that were not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
    /// The file of the report in Markdown.
    pub report: String,
}

/// A recipe of a folder that is not run, because its data are not at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NotRun {
    /// The name of the recipe, without `.toml`.
    pub recipe: String,
    /// The data sets that are missing.
    pub missing: Vec<String>,
}

impl std::fmt::Display for NotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (recipe, missing) = (&self.recipe, self.missing.join(", "));
        write!(
            f,
            "{recipe} is not run: the folder of data sets does not hold {missing}"
        )
    }
}

/// One table with the name of its recipe.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ReproducedTable {
    /// The name of the recipe, without `.toml`.
    pub recipe: String,
    /// The table.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The plan of a reproduction. All rows were checked; no data were read.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ReproducePlan {
    /// `limpid.reproduce-plan/1`.
    pub schema: &'static str,
    /// The recipes.
    pub recipes: Vec<RecipePlan>,
    /// Recipes of the folder that cannot be run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
    /// Largest number of fits: finished ones in the output folder are reused.
    pub runs: usize,
    /// The folder that will be written.
    pub folder: String,
    /// Free bytes on its disk, where the system reports them.
    pub free_bytes: Option<u64>,
}

/// The plan of one recipe.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RecipePlan {
    /// The name of the recipe, without `.toml`.
    pub recipe: String,
    /// Its title.
    pub title: String,
    /// The data to read.
    pub data: String,
    /// Their bytes on disk; 0 for synthetic data.
    pub data_bytes: u64,
    /// The splits.
    pub splits: Vec<String>,
    /// The rows.
    pub rows: Vec<String>,
    /// Fits: splits × rows, and the trials of tuned rows.
    pub runs: usize,
}
