//! Texts as vectors, and what they add to the prediction of ratings and to rankings.

pub mod lr_recsys;
pub mod profiles;
pub mod tfidf;
