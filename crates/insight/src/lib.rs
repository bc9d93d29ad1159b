//! Why and how: what follows from a ledger, once for every model.
//!
//! | module | question |
//! |---|---|
//! | [`steer`] | what if these units were off, louder, softer? |
//! | [`contrast`](mod@contrast) | why this rather than that? |
//! | [`counterfactual`] | what would have to change for it to come in, or to fall out? |
//! | [`narrate`] | how does one say it? |
//!
//! Nothing here names a model: everything works through the traits of `limpid-core`.

pub mod contrast;
pub mod counterfactual;
pub mod narrate;
pub mod steer;

pub use contrast::{Contrast, ContrastPart, contrast};
pub use counterfactual::{
    Counterfactual, Goal, HistoryEdit, Question, Search, Smallest, Standing, Verdict, search,
};
pub use narrate::Template;
pub use steer::Steered;
