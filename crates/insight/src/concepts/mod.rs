//! Names of units, tested on items that did not choose them, without a language model.
//!
//! | module | question |
//! |---|---|
//! | [`tag`](mod@tag) | which items have a tag? |
//! | [`naming`] | which tag describes a unit, and is that more than chance and popularity? |
//! | [`tfidf`] | which unit stands for a tag, and which is unique to it (From Knots to Knobs)? |

pub mod naming;
pub mod tag;
pub mod tfidf;

pub use naming::{Name, Naming, Other, Summary, name_units};
pub use tag::{Tag, tags_of};
pub use tfidf::{TagUnits, tag_units};
