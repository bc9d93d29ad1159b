//! The catalogue of models: an explicit list, from which the command line, the artifacts and the
//! contract suite take everything they know about a model.

use limpid_core::{
    Artifact, Candidates, Error, Fit, Histories, History, ItemIdx, Latent, Ledger, Mat,
    Recommender, Result, Run, Tensors, Training, Units,
};
use serde_json::Value;

use crate::latent::{ials, multdae, multvae};
use crate::linear::{ease, edlae, item_knn, popularity, slim};
use crate::rules::{lia, ruleslim};
use ials::lia as ials_lia;
use multdae::lia as multdae_lia;
use multvae::lia as multvae_lia;

/// One hyper-parameter as `limpid models` prints it. Its default is read off the config itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in configs and after `--set`.
    pub name: &'static str,
    /// What it may be, in words.
    pub range: &'static str,
    /// Values that `--tune` tries; none: it is not tuned.
    pub tune: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

/// What the catalogue says about a model.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name after `--model`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Where it comes from.
    pub paper: &'static str,
    /// Its hyper-parameters.
    pub parameters: &'static [Parameter],
}

/// Generates the two enums and every dispatch over them, so that a new model is one line here and a
/// forgotten arm does not compile.
macro_rules! models {
    ($($variant:ident = $module:ident, $name:literal, $about:literal, $paper:literal;)+) => {
        /// The hyper-parameters of some model.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Config {
            $(#[doc = $about] $variant($module::Config),)+
        }

        /// A fitted model of the catalogue.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Model {
            $(#[doc = $about] $variant($module::Model),)+
        }

        /// Every model, in the order in which they are shown.
        pub const ENTRIES: &[Entry] = &[
            $(Entry {
                name: $name,
                about: $about,
                paper: $paper,
                parameters: $module::Config::PARAMETERS,
            },)+
        ];

        impl Config {
            /// The name of its model.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            fn from_value(name: &str, value: Value) -> Result<Self> {
                match name {
                    $($name => serde_json::from_value(value).map(Self::$variant),)+
                    _ => return Err(unknown(name)),
                }
                .map_err(|e| Error::Parse {
                    what: "settings of the model",
                    text: name.to_owned(),
                    why: e.to_string(),
                })
            }

            /// Its values as JSON, in the order of the fields.
            ///
            /// # Errors
            /// Where a value has no JSON form.
            pub fn to_value(&self) -> Result<Value> {
                match self {
                    $(Self::$variant(c) => serde_json::to_value(c),)+
                }
                .map(shortest)
                .map_err(|e| Error::Parse {
                    what: "settings of the model",
                    text: self.name().to_owned(),
                    why: e.to_string(),
                })
            }
        }

        impl Fit for Config {
            type Model = Model;

            fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
                match self {
                    $(Self::$variant(c) => c.fit(data, run).map(Model::$variant),)+
                }
            }
        }

        impl Model {
            /// The name of its format on disk.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$module::Model as Artifact>::KIND,)+
                }
            }

            /// Its name in the catalogue.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            fn as_recommender(&self) -> &dyn Recommender {
                match self {
                    $(Self::$variant(m) => m,)+
                }
            }

            /// Writes it down.
            ///
            /// # Errors
            /// As [`Artifact::save`].
            pub fn save(&self, out: &mut Tensors) -> Result<()> {
                match self {
                    $(Self::$variant(m) => m.save(out),)+
                }
            }

            /// Reads the model of a format name again.
            ///
            /// # Errors
            /// As [`Artifact::load`]; [`Error::Tensor`] for a format that this version does not know.
            pub fn load(kind: &str, from: &Tensors) -> Result<Self> {
                match kind {
                    $(k if k == <$module::Model as Artifact>::KIND => {
                        <$module::Model as Artifact>::load(from).map(Self::$variant)
                    })+
                    other => Err(Error::Tensor {
                        name: "kind".to_owned(),
                        why: format!("this version of limpid knows no model format '{other}'"),
                    }),
                }
            }
        }
    };
}

models! {
    RuleSlim = ruleslim, "ruleslim",
        "short readable rules and item links, non-negative, one convex problem per target",
        "limpid's own; after SLIM (Ning and Karypis, ICDM 2011) and EDLAE (Steck, NeurIPS 2020)";
    Lia = lia, "lia",
        "learned AND, OR and NOT rules over items: short ones (plus), or as published (paper, released)",
        "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations; rules after RRL (Wang et al.)";
    Ease = ease, "ease",
        "dense item-to-item weights in closed form, zero diagonal",
        "Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019";
    Edlae = edlae, "edlae",
        "EASE with a ridge in proportion to popularity (emphasized denoising) and user weights",
        "Steck, Autoencoders that don't overfit towards the Identity, NeurIPS 2020";
    Slim = slim, "slim",
        "sparse item-to-item weights by elastic net",
        "Ning and Karypis, SLIM: Sparse Linear Methods for Top-N Recommender Systems, ICDM 2011";
    ItemKnn = item_knn, "itemknn",
        "the items most like those of the history, by (shrunk) cosine",
        "Sarwar et al., Item-based Collaborative Filtering, WWW 2001";
    MultVae = multvae, "multvae",
        "variational autoencoder with the multinomial likelihood",
        "Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018";
    MultVaeLia = multvae_lia, "multvae-lia",
        "what LIA's table calls MultVAE: linear, rank 100, no dropout, hardly any noise",
        "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations";
    Autoencoder = multdae, "autoencoder",
        "denoising autoencoder with the multinomial likelihood (Mult-DAE)",
        "Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018";
    AutoencoderLia = multdae_lia, "autoencoder-lia",
        "what LIA's table calls Autoencoder: linear, rank 100, no dropout",
        "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations";
    Mf = ials, "mf",
        "matrix factorization of implicit feedback by alternating least squares",
        "Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008";
    MfLia = ials_lia, "mf-lia",
        "what LIA's table calls MF: dot products without biases, cross-entropy on drawn negatives",
        "Wei et al., A Logical-Rule Autoencoder for Interpretable Recommendations";
    Popularity = popularity, "popularity",
        "what most users have; the measure that others must beat",
        "folklore";
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.as_recommender().score(users)
    }

    fn score_items(&self, users: &Histories, candidates: &Candidates) -> Vec<f32> {
        self.as_recommender().score_items(users, candidates)
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.as_recommender().explain(user, item)
    }

    fn latent(&self) -> Option<&dyn Latent> {
        self.as_recommender().latent()
    }

    fn units(&self) -> Option<&dyn Units> {
        self.as_recommender().units()
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = ENTRIES.iter().map(|e| e.name).collect();
    Error::Parse {
        what: "model name",
        text: name.to_owned(),
        why: format!("the models are {}", names.join(", ")),
    }
}

impl Entry {
    /// The entry of a model.
    ///
    /// # Errors
    /// [`Error::Parse`] where there is none, with the names that there are.
    pub fn named(name: &str) -> Result<&'static Self> {
        ENTRIES
            .iter()
            .find(|e| e.name == name)
            .ok_or_else(|| unknown(name))
    }
}

/// Settings in single precision as people write them: 0.6, not 0.6000000238418579.
fn shortest(mut settings: Value) -> Value {
    for value in settings
        .as_object_mut()
        .into_iter()
        .flat_map(|o| o.values_mut())
    {
        if let Some(wide) = value.as_f64().filter(|_| value.is_f64())
            && f64::from(wide as f32) == wide
            // Numbers that are short already are as they were meant.
            && wide.to_string().len() > 14
            && let Ok(short) = (wide as f32).to_string().parse::<f64>()
        {
            *value = short.into();
        }
    }
    settings
}

impl Config {
    /// The defaults of a model.
    ///
    /// # Errors
    /// [`Error::Parse`] where there is no such model.
    pub fn named(name: &str) -> Result<Self> {
        Self::from_value(name, Value::Object(serde_json::Map::new()))
    }

    /// A config from its JSON (or TOML) values; fields that are not named keep their defaults.
    ///
    /// # Errors
    /// [`Error::Parse`] for an unknown field or a value of another type.
    pub fn from_json(name: &str, value: &Value) -> Result<Self> {
        Self::from_value(name, value.clone())
    }

    /// Changes settings written as `key=value`.
    ///
    /// # Errors
    /// [`Error::Parse`] for an unknown key (with the keys that there are) or a value that is not of
    /// its type.
    pub fn set<S: AsRef<str>>(&self, settings: &[S]) -> Result<Self> {
        let mut value = self.to_value()?;
        for setting in settings {
            let setting = setting.as_ref();
            let error = |why: String| Error::Parse {
                what: "setting",
                text: setting.to_owned(),
                why,
            };
            let (key, text) = setting
                .split_once('=')
                .ok_or_else(|| error("a setting is key=value, such as reg=500".to_owned()))?;
            let (key, text) = (key.trim(), text.trim());
            let fields = value
                .as_object_mut()
                .ok_or_else(|| error("this model has no settings".to_owned()))?;
            if !fields.contains_key(key) {
                let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
                return Err(error(format!(
                    "{} has no '{key}'; its settings are {}",
                    self.name(),
                    keys.join(", ")
                )));
            }
            let parsed = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
            fields.insert(key.to_owned(), parsed.clone());
            if let Err(e) = Self::from_value(self.name(), Value::Object(fields.clone())) {
                let range = Entry::named(self.name())?
                    .parameters
                    .iter()
                    .find(|p| p.name == key)
                    .map_or("", |p| p.range);
                return Err(error(format!("{key} must be {range} ({e})")));
            }
        }
        Self::from_value(self.name(), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed about a model is what its config has: same names, same order.
    #[test]
    fn parameters_are_the_fields_of_the_config() {
        for entry in ENTRIES {
            let value = Config::named(entry.name).unwrap().to_value().unwrap();
            let mut fields: Vec<&str> = value
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut listed: Vec<&str> = entry.parameters.iter().map(|p| p.name).collect();
            fields.sort_unstable();
            listed.sort_unstable();
            assert_eq!(fields, listed, "{}", entry.name);
            assert!(
                entry
                    .parameters
                    .iter()
                    .all(|p| !p.doc.is_empty() && !p.range.is_empty())
            );
            assert_eq!(Config::named(entry.name).unwrap().name(), entry.name);
        }
    }

    #[test]
    fn settings_are_checked() {
        let ease = Config::named("ease").unwrap();
        let set = ease.set(&["reg=250"]).unwrap();
        assert_eq!(set.to_value().unwrap()["reg"], 250.0);
        for bad in ["reg", "rge=1", "reg=much", "reg=[1]"] {
            let message = ease.set(&[bad]).unwrap_err().to_string();
            assert!(message.contains(bad), "{message}");
        }
        assert!(
            ease.set(&["rge=1"])
                .unwrap_err()
                .to_string()
                .contains("reg")
        );
        assert!(
            Config::named("eaze")
                .unwrap_err()
                .to_string()
                .contains("ease")
        );
    }
}
