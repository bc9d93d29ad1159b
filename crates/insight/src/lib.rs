//! Explanation methods that work on the ledgers and units of any model.
//!
//! | module | question |
//! |---|---|
//! | [`steer`] | what if these units were off, stronger, weaker? |
//! | [`contrast`](mod@contrast) | why this rather than that? |
//! | [`counterfactual`] | what would have to change for the item to enter or leave the list? |
//! | [`dictionary`] | units over a latent representation |
//! | [`narrate`] | the same as sentences for and against, by templates or by a language model, checked |
//! | [`wording`] | ledgers, contrasts and counterfactuals as text |
//!
//! This crate knows no model: it uses only the traits of `limpid-core`.

pub mod contrast;
pub mod counterfactual;
pub mod dictionary;
pub mod narrate;
pub mod steer;
pub mod wording;

pub use contrast::{Contrast, ContrastPart, contrast};
pub use counterfactual::{
    Counterfactual, Goal, HistoryEdit, Lacking, Plausible, Question, Search, Smallest, Standing,
    Verdict, lacking, search,
};
pub use dictionary::{Directions, OverLatent};
pub use steer::{Row, Steered};
pub use wording::Wording;
