//! Texts of training events, and the spaces in which texts become vectors.

use crate::{ItemIdx, Result, UserIdx};

/// The text of a training event, such as a review.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Review<'t> {
    /// Who wrote it.
    pub user: UserIdx,
    /// What it is about.
    pub item: ItemIdx,
    /// The value of the event: the rating.
    pub value: f32,
    /// The text.
    pub text: &'t str,
}

/// Turns texts into vectors. Vectors of two spaces are not comparable.
pub trait Embedder: Sync {
    /// The name of the space, which differs where the vectors of a text may differ.
    fn space(&self) -> String;

    /// The number of dimensions.
    fn width(&self) -> usize;

    /// The vectors of texts, each of [`width`](Self::width) numbers; zeros for a text of which it knows nothing.
    ///
    /// # Errors
    /// If they cannot be computed.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

/// What a fit may know of texts. Models open no files; the caller of a fit reads the texts of training events.
#[derive(Clone, Copy, Default)]
pub struct TrainingTexts<'a> {
    /// The texts of training events.
    pub reviews: &'a [Review<'a>],
    /// The space for their vectors; `None`: a model fits its own.
    pub embedder: Option<&'a dyn Embedder>,
}
