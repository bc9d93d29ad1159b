//! What an [`Advisor`](crate::Advisor) scores with: a model, or a model with a dictionary over it.

use limpid_core::{Recommender, Result, Tensors};
use limpid_insight::concepts::Tag;
use limpid_insight::{Dictionary, Probed};
use limpid_models::Model;

/// A model of the catalogue, or one whose representation is read through a dictionary.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a process has one or two")]
pub enum System {
    /// A model.
    Model(Model),
    /// A model with a dictionary, whose knobs are its units.
    Probed(Box<Probed<Model>>),
}

impl From<Model> for System {
    fn from(model: Model) -> Self {
        Self::Model(model)
    }
}

impl System {
    /// A dictionary over a model.
    ///
    /// # Errors
    /// As [`Probed::new`].
    pub fn probed(model: Model, dictionary: Dictionary) -> Result<Self> {
        Ok(Self::Probed(Box::new(Probed::new(model, dictionary)?)))
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        match self {
            Self::Model(model) => model,
            Self::Probed(probed) => probed.base(),
        }
    }

    /// The model, without its dictionary.
    #[must_use]
    pub fn into_model(self) -> Model {
        match self {
            Self::Model(model) => model,
            Self::Probed(probed) => probed.into_parts().0,
        }
    }

    /// The model with its dictionary, if it has one.
    #[must_use]
    pub fn knobs(&self) -> Option<&Probed<Model>> {
        match self {
            Self::Model(_) => None,
            Self::Probed(probed) => Some(probed),
        }
    }

    /// The name of the model in the catalogue.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.model().name()
    }

    /// As [`limpid_core::Artifact::without_users`], of the model; a dictionary holds nothing of single users.
    #[must_use]
    pub fn without_users(&self) -> Option<Self> {
        let reduced = self.model().without_users()?;
        match self {
            Self::Model(_) => Some(Self::Model(reduced)),
            // The same decoder, so the dictionary fits.
            Self::Probed(probed) => {
                let mut same = Self::probed(reduced, probed.dictionary().clone()).ok()?;
                same.set_concepts(probed.concepts().to_vec());
                Some(same)
            }
        }
    }

    /// As [`Probed::set_concepts`], of a model with a dictionary.
    pub(crate) fn set_concepts(&mut self, tags: Vec<Tag>) {
        if let Self::Probed(probed) = self {
            probed.set_concepts(tags);
        }
    }

    /// Saves the model, without its dictionary.
    ///
    /// # Errors
    /// As [`Model::save`].
    pub fn save(&self, out: &mut Tensors) -> Result<()> {
        self.model().save(out)
    }

    fn as_recommender(&self) -> &dyn Recommender {
        match self {
            Self::Model(model) => model,
            Self::Probed(probed) => &**probed,
        }
    }
}

limpid_core::forward_recommender!(System, as_recommender);
