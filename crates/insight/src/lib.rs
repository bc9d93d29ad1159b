//! Why and how: what follows from a ledger, once for every model.
//!
//! | module | question |
//! |---|---|
//! | [`steer`] | what if these units were off, stronger, weaker? |
//! | [`contrast`](mod@contrast) | why this rather than that? |
//! | [`counterfactual`] | what would have to change for it to come in, or to fall out? |
//! | [`dictionary`] | units over the representation of a black box |
//! | [`wording`] | ledgers, contrasts and counterfactuals as text |
//!
//! Nothing here names a model: everything works through the traits of `limpid-core`.

pub mod contrast;
pub mod counterfactual;
pub mod dictionary;
pub mod steer;
pub mod wording;

pub use contrast::{Contrast, ContrastPart, contrast};
pub use counterfactual::{
    Counterfactual, Goal, HistoryEdit, Question, Search, Smallest, Standing, Verdict, search,
};
pub use dictionary::{Directions, OverLatent};
pub use steer::Steered;
pub use wording::Wording;
