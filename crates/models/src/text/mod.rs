//! Texts as vectors, and what they add to the prediction of ratings.

pub mod profiles;
pub mod tfidf;
