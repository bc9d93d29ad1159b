//! Explanation methods that work on the ledgers and units of any model.
//!
//! | module | question |
//! |---|---|
//! | [`steer`] | what if these units were off, stronger, weaker? |
//! | [`contrast`](mod@contrast) | why this rather than that? |
//! | [`counterfactual`] | what would have to change for the item to enter or leave the list? |
//! | [`dictionary`] | which directions of a representation come back when users are resampled? |
//! | [`sae`] | sparse autoencoders, as published and as they should be |
//! | [`probed`] | a model with a dictionary, whose knobs are units |
//! | [`concepts`] | what do units stand for, and is that more than chance? |
//! | [`beyond`] | what do knobs not express of a concept? |
//! | [`toward`] | which knobs to turn for more of some items, and how far? |
//! | [`directions`] | given or random directions as units: the control of any dictionary |
//! | [`narrate`] | the same as sentences for and against, by templates or by a language model, checked |
//! | [`wording`] | ledgers, contrasts and counterfactuals as text |
//!
//! This crate knows no model: it uses only the traits of `limpid-core`.

pub mod beyond;
pub mod concepts;
pub mod contrast;
pub mod counterfactual;
pub mod dictionary;
pub mod directions;
pub mod narrate;
pub mod probed;
pub mod sae;
pub mod steer;
pub mod toward;
pub mod wording;

pub use contrast::{Contrast, ContrastPart, contrast};
pub use counterfactual::{
    Counterfactual, Goal, HistoryEdit, Lacking, Plausible, Question, Search, Smallest, Standing,
    Verdict, lacking, search,
};
pub use dictionary::Dictionary;
pub use directions::{Directions, OverLatent};
pub use probed::{Passing, Probed};
pub use steer::{Row, Steered};
pub use wording::Wording;
