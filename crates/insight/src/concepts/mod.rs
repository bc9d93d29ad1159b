//! Names of units, tested on items or users that did not choose them, without a language model.
//!
//! | module | question |
//! |---|---|
//! | [`tag`](mod@tag) | which items have a tag? |
//! | [`naming`] | which tag describes a unit, and is that more than chance and popularity? |
//! | [`tfidf`] | which unit stands for a tag, and which is unique to it (From Knots to Knobs)? |
//! | [`terms`] | what is there to read about an item? |
//! | [`levels`] | how strongly is a unit activated? |
//! | [`verify`] | which term describes a unit, and does it hold for other users (RecSAE)? |
//! | [`likeness`] | are the cases of a unit alike? |
//! | [`presence`] | do recommendations carry the concept, and more so when the unit is turned up? |

pub mod levels;
pub mod likeness;
pub mod naming;
pub mod presence;
pub mod tag;
pub mod terms;
pub mod tfidf;
pub mod verify;

pub use levels::LevelRule;
pub use naming::{Name, Naming, Other, Summary, name_units};
pub use tag::{Tag, fields_of, tags_of};
pub use terms::Terms;
pub use tfidf::{MapShape, TagUnits, concept_map, tag_units};
