//! The catalogue of models: an explicit list, from which the command line, the artifacts and the
//! contract tests take everything they know about a model.

use limpid_core::{Artifact, Error, Fit, Recommender, Result, Run, Tensors, Training};
use serde_json::{Map, Value};

use crate::hyper::{self, Hyper, Parameter, Preset};

/// The catalogue entry of a model; declared in the model's file.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name after `--model`.
    pub name: &'static str,
    /// Its names in older versions, still accepted.
    pub aliases: &'static [Alias],
    /// What it is, in one line.
    pub about: &'static str,
    /// The paper that it implements.
    pub paper: &'static str,
    /// What it reads from the data besides the items of each user.
    pub reads: Reads,
    /// Its hyper-parameters: [`hyper::defaults`] of its `Config`.
    pub(crate) defaults: fn() -> Box<dyn Hyper>,
}

/// An older name of a model, with the settings that it implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: &'static str,
    /// Settings, written as for `--set`; explicit settings take precedence.
    pub settings: &'static [(&'static str, &'static str)],
}

impl Alias {
    /// An older name without settings.
    pub(crate) const fn of(name: &'static str) -> Self {
        Self {
            name,
            settings: &[],
        }
    }
}

/// What a model reads from the data besides the items of each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// The order of events.
    pub order: bool,
    /// The behavior of each event (view, cart, buy).
    pub behaviors: bool,
    /// Ratings or weights of events.
    pub values: bool,
    /// Reviews or descriptions.
    pub texts: bool,
    /// Attributes of items, without which it cannot be fitted.
    pub attributes: bool,
}

impl Reads {
    /// Only the set of items of a user.
    pub const ITEMS: Self = Self {
        order: false,
        behaviors: false,
        values: false,
        texts: false,
        attributes: false,
    };

    /// Items in the order of events.
    pub(crate) const ORDER: Self = Self {
        order: true,
        ..Self::ITEMS
    };

    /// Items and the behavior of each event.
    pub(crate) const BEHAVIORS: Self = Self {
        behaviors: true,
        ..Self::ITEMS
    };

    /// Items, the behavior of each event, and attributes of the items.
    pub(crate) const ATTRIBUTES: Self = Self {
        attributes: true,
        ..Self::BEHAVIORS
    };

    /// Items and the value of each event.
    pub(crate) const VALUES: Self = Self {
        values: true,
        ..Self::ITEMS
    };

    /// Items, values and texts of events.
    pub(crate) const TEXTS: Self = Self {
        texts: true,
        ..Self::VALUES
    };

    /// The names: `items`, `order`, `behaviors`, `values`, `texts`, `attributes`.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        [
            (true, "items"),
            (self.order, "order"),
            (self.behaviors, "behaviors"),
            (self.values, "values"),
            (self.texts, "texts"),
            (self.attributes, "attributes"),
        ]
        .into_iter()
        .filter_map(|(read, name)| read.then_some(name))
        .collect()
    }
}

/// Generates the two enums and every dispatch over them, so that a new model is one line here and a
/// forgotten arm does not compile. A model's module has `ENTRY`, `Config` and `Model`. One that is imported is
/// not in the catalogue, because it cannot be trained, but it is saved, loaded and asked like all others.
macro_rules! models {
    (
        imported { $($imported:ident = $($from:ident)::+;)+ }
        $($variant:ident = $($module:ident)::+;)+
    ) => {
        models! {
            @every $($imported = $($from)::+;)+ $($variant = $($module)::+;)+
        }

        /// Every model that can be trained, in display order.
        pub const ENTRIES: &[Entry] = &[$(crate::$($module)::+::ENTRY),+];
    };
    (@every $($variant:ident = $($module:ident)::+;)+) => {
        /// The hyper-parameters of some model.
        // A program holds a few of them, so the size of the largest does not matter.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, PartialEq)]
        pub enum Config {
            $(
                #[doc = concat!("See `", stringify!($($module)::+), "`.")]
                $variant(crate::$($module)::+::Config),
            )+
        }

        /// A fitted model of the catalogue.
        // A program holds a few of them, so the size of the largest does not matter.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, PartialEq)]
        pub enum Model {
            $(
                #[doc = concat!("See `", stringify!($($module)::+), "`.")]
                $variant(crate::$($module)::+::Model),
            )+
        }

        /// Every model as name, default config and loader.
        const LINES: &[Line] = &[$(Line {
            entry: &crate::$($module)::+::ENTRY,
            defaults: || Config::$variant(Default::default()),
            load: |from| Artifact::load(from).map(Model::$variant),
        }),+];

        impl Config {
            /// The catalogue entry of its model.
            #[must_use]
            pub fn entry(&self) -> &'static Entry {
                match self {
                    $(Self::$variant(_) => &crate::$($module)::+::ENTRY,)+
                }
            }

            fn declared(&self) -> &dyn Hyper {
                match self {
                    $(Self::$variant(c) => c,)+
                }
            }

            fn declared_mut(&mut self) -> &mut dyn Hyper {
                match self {
                    $(Self::$variant(c) => c,)+
                }
            }
        }

        impl Fit for Config {
            type Model = Model;

            fn check(&self) -> Result<()> {
                match self {
                    $(Self::$variant(c) => c.check(),)+
                }
            }

            fn fit(&self, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
                match self {
                    $(Self::$variant(c) => c.fit(data, run).map(Model::$variant),)+
                }
            }
        }

        impl Model {
            /// Its catalogue entry.
            #[must_use]
            pub fn entry(&self) -> &'static Entry {
                match self {
                    $(Self::$variant(_) => &crate::$($module)::+::ENTRY,)+
                }
            }

            fn as_recommender(&self) -> &dyn Recommender {
                match self {
                    $(Self::$variant(m) => m,)+
                }
            }

            /// The name of its format on disk.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <crate::$($module)::+::Model as Artifact>::KIND,)+
                }
            }

            /// As [`Artifact::without_users`].
            #[must_use]
            pub fn without_users(&self) -> Option<Self> {
                match self {
                    $(Self::$variant(m) => m.without_users().map(Self::$variant),)+
                }
            }

            /// Saves it.
            ///
            /// # Errors
            /// As [`Artifact::save`].
            pub fn save(&self, out: &mut Tensors) -> Result<()> {
                match self {
                    $(Self::$variant(m) => m.save(out),)+
                }
            }
        }
    };
}

models! {
    imported {
        Imported = latent::imported;
    }
    RuleSlim = rules::ruleslim;
    Scorecard = behavior::scorecard;
    ChainPrior = behavior::chain_prior;
    Cnre = behavior::cnre;
    OneBehavior = behavior::one_behavior;
    Lia = rules::lia;
    Ease = linear::ease;
    Edlae = linear::edlae;
    Mrf = linear::mrf;
    Slim = linear::slim;
    ItemKnn = linear::item_knn;
    MultVae = latent::multvae;
    MultDae = latent::multdae;
    Eigen = latent::eigen;
    Elsa = latent::elsa;
    Ials = latent::ials;
    BprMf = latent::bprmf;
    BceMf = latent::bcemf;
    LightGcn = graph::lightgcn;
    Mbgcn = graph::mbgcn;
    Crgcn = graph::crgcn;
    MbCgcn = graph::mb_cgcn;
    HecGcn = graph::hec_gcn;
    Bcipm = graph::bcipm;
    Mbssl = graph::mbssl;
    CausalD = graph::causald;
    Dccf = graph::dccf;
    NeuMf = latent::neumf;
    NsIcf = latent::ns_icf;
    Fencr = latent::fencr;
    SasRec = sequential::sasrec;
    TimiRec = sequential::timirec;
    LrRecsys = text::lr_recsys;
    Popularity = linear::popularity;
}

limpid_core::forward_recommender!(Model, as_recommender);

impl Model {
    /// Its name in the catalogue.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry().name
    }

    /// Loads a model from a format (`model/ease`); formats of older versions are accepted.
    ///
    /// # Errors
    /// As [`Artifact::load`]; [`Error::Tensor`] for an unknown format.
    pub fn load(kind: &str, from: &Tensors) -> Result<Self> {
        match kind.strip_prefix("model/").and_then(Line::find) {
            Some((line, _)) => (line.load)(from),
            None => Err(Error::Tensor {
                name: "kind".to_owned(),
                why: format!(
                    "unknown model format '{kind}'; load it with the limpid version that wrote it"
                ),
            }),
        }
    }
}

/// A line of the catalogue.
struct Line {
    entry: &'static Entry,
    defaults: fn() -> Config,
    load: fn(&Tensors) -> Result<Model>,
}

/// Settings that a name implies.
type Implied = &'static [(&'static str, &'static str)];

impl Line {
    /// The line of a name or alias.
    fn find(name: &str) -> Option<(&'static Self, Implied)> {
        LINES.iter().find_map(|line| {
            if line.entry.name == name {
                return Some((line, &[][..]));
            }
            let alias = line.entry.aliases.iter().find(|a| a.name == name)?;
            Some((line, alias.settings))
        })
    }

    fn named(name: &str) -> Result<(&'static Self, Implied)> {
        Self::find(name)
            .ok_or_else(|| Error::unknown("model", name, ENTRIES.iter().map(|e| e.name)))
    }
}

impl Entry {
    /// The entry of a model, by its name or alias.
    ///
    /// # Errors
    /// [`Error::Unknown`] with similar names.
    pub fn named(name: &str) -> Result<&'static Self> {
        Line::named(name).map(|(line, _)| line.entry)
    }

    /// Its hyper-parameters with their defaults.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        (self.defaults)().parameters()
    }

    /// Its presets.
    #[must_use]
    pub fn presets(&self) -> Vec<Preset> {
        (self.defaults)().presets()
    }
}

impl Config {
    /// The name of its model.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry().name
    }

    /// The defaults of a model.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such model.
    pub fn named(name: &str) -> Result<Self> {
        Self::of(name, Map::new())
    }

    /// A config from its JSON (or TOML) values. Settings that are absent or `null` have their defaults;
    /// names of older versions are accepted, for the model and for settings.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a model or setting that does not exist, [`Error::Range`] for a value out
    /// of its range or one that contradicts another.
    pub fn from_json(name: &str, value: &Value) -> Result<Self> {
        match value {
            Value::Null => Self::named(name),
            Value::Object(settings) => Self::of(name, settings.clone()),
            other => Err(Error::Parse {
                what: "settings",
                text: other.to_string(),
                why: "settings must be a table of names and values, such as {\"reg\": 500}"
                    .to_owned(),
            }),
        }
    }

    fn of(name: &str, mut settings: Map<String, Value>) -> Result<Self> {
        let (line, implied) = Line::named(name)?;
        for (key, text) in implied {
            settings.entry(*key).or_insert_with(|| hyper::read(text));
        }
        let mut config = (line.defaults)();
        hyper::apply(config.declared_mut(), &settings)?;
        config.check()?;
        Ok(config)
    }

    /// All its values as JSON, by name.
    ///
    /// # Errors
    /// [`Error::Range`] where a value is out of its range.
    pub fn to_value(&self) -> Result<Value> {
        hyper::check(self.declared())?;
        Ok(Value::Object(hyper::values(self.declared())))
    }

    /// The settings from which [`from_json`](Self::from_json) rebuilds it: values that differ from the
    /// defaults, or from those of the presets that it chooses.
    ///
    /// # Errors
    /// [`Error::Range`] where a value is out of its range.
    pub fn changes(&self) -> Result<Map<String, Value>> {
        let mut defaults = (self.entry().defaults)();
        hyper::changes(self.declared(), defaults.as_mut())
    }

    /// Changes settings written as `key=value`. A preset that is chosen here replaces what an earlier
    /// one had set; values that were set explicitly stay.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a setting that does not exist, [`Error::Range`] for a value out of its
    /// range or one that contradicts another, [`Error::Parse`] for text that is not `key=value`.
    pub fn set<S: AsRef<str>>(&self, settings: &[S]) -> Result<Self> {
        let parameters = self.declared().parameters();
        let mut all = self.changes()?;
        for setting in settings {
            let setting = setting.as_ref();
            let (key, text) = setting.split_once('=').ok_or_else(|| Error::Parse {
                what: "setting",
                text: setting.to_owned(),
                why: "a setting must be key=value, such as reg=500".to_owned(),
            })?;
            let parameter = hyper::named(&parameters, key.trim())?;
            all.insert(parameter.name.to_owned(), hyper::read(text.trim()));
        }
        Self::of(self.name(), all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyper::Range;
    use serde_json::json;

    fn set(config: &Config, key: &str, value: &Value) -> Result<Config> {
        config.set(&[format!("{key}={}", hyper::written(value))])
    }

    /// Values on the edges of a range, and values just outside of them.
    fn edges(range: Range) -> (Vec<Value>, Vec<Value>) {
        match range {
            Range::Number { low, open, high } => {
                let step = 1e-6;
                let (inside, outside) = match open {
                    true => (low + step, vec![low, low - 1.0]),
                    false => (low, vec![low - step, low - 1.0]),
                };
                let above = high.map(|h| h + step);
                let outside = outside.into_iter().chain(above).map(Value::from);
                (
                    Vec::from_iter([Some(inside), high].into_iter().flatten().map(Value::from)),
                    outside.chain([json!("much"), json!([1])]).collect(),
                )
            }
            Range::Whole { low, high } => (
                Vec::from_iter([Some(low), high].into_iter().flatten().map(Value::from)),
                [Some(low as i64 - 1), high.map(|h| h as i64 + 1)]
                    .into_iter()
                    .flatten()
                    .map(Value::from)
                    .chain([json!(low as f64 + 0.5), json!("many")])
                    .collect(),
            ),
            Range::Switch => (
                vec![json!(true), json!(false)],
                vec![json!(1), json!("yes")],
            ),
            Range::Choice { choices } => (
                choices.iter().map(|c| json!(c.name)).collect(),
                vec![json!("no such choice"), json!(1)],
            ),
        }
    }

    #[test]
    fn every_default_is_in_its_range_and_every_edge_is_checked() {
        for entry in ENTRIES {
            let config = Config::named(entry.name).unwrap();
            config.check().unwrap();
            for p in entry.parameters() {
                let (inside, outside) = edges(p.range);
                for value in inside {
                    let mut at = config.clone();
                    assert!(at.declared_mut().put(p.name, &value));
                    let found = &at.to_value().unwrap()[p.name];
                    let same = found == &value || found.as_f64() == value.as_f64();
                    assert!(same, "{} {}: {value} became {found}", entry.name, p.name);
                }
                for value in outside {
                    let e = set(&config, p.name, &value).unwrap_err().to_string();
                    let expected = format!(
                        "{} must be {}, but is {}",
                        p.name,
                        p.rule(),
                        hyper::written(&value)
                    );
                    assert_eq!(e, expected, "{}", entry.name);
                    let mut direct = config.clone();
                    if direct.declared_mut().put(p.name, &value) {
                        let e = direct.check().unwrap_err().to_string();
                        assert_eq!(e, expected, "{}", entry.name);
                        assert!(direct.to_value().is_err());
                    }
                }
                assert!(!p.doc.is_empty() && !p.doc.contains('\n'), "{}", p.name);
                for text in p.tune {
                    set(&config, p.name, &hyper::read(text)).unwrap();
                }
                let auto = config.set(&[format!("{}=auto", p.name)]);
                let names = match p.range {
                    Range::Choice { choices } => choices,
                    _ => &[],
                };
                let is_auto = p.auto || names.iter().any(|c| c.name == "auto");
                assert_eq!(auto.is_ok(), is_auto, "{} {}", entry.name, p.name);
            }
        }
    }

    /// NaN has no JSON form, so only the check of a config that was made in Rust can see it.
    #[test]
    fn nan_is_out_of_every_range() {
        let config = Config::Ease(crate::linear::ease::Config {
            reg: f64::NAN,
            ..crate::linear::ease::Config::default()
        });
        let e = config.check().unwrap_err().to_string();
        assert_eq!(e, "reg must be a number above 0, but is NaN");
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut models: Vec<&str> = Vec::new();
        for entry in ENTRIES {
            models.push(entry.name);
            models.extend(entry.aliases.iter().map(|a| a.name));
            let parameters = entry.parameters();
            let mut names: Vec<&str> = parameters
                .iter()
                .flat_map(|p| p.aliases.iter().copied().chain([p.name]))
                .collect();
            let n = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), n, "{}", entry.name);
            assert!(!names.contains(&"seed"), "{}", entry.name);
        }
        let n = models.len();
        models.sort_unstable();
        models.dedup();
        assert_eq!(models.len(), n);
    }

    /// Settings, changes and presets give the same config back, for every choice of every preset.
    #[test]
    fn settings_round_trip() {
        for entry in ENTRIES {
            let presets = entry.presets();
            let choices = presets
                .iter()
                .map(|p| vec![format!("{}={}", p.parameter, p.choice)]);
            for settings in choices.chain([Vec::new()]) {
                let config = Config::named(entry.name).unwrap().set(&settings).unwrap();
                config.check().unwrap();
                let value = config.to_value().unwrap();
                assert_eq!(Config::from_json(entry.name, &value).unwrap(), config);
                let changes = config.changes().unwrap();
                assert_eq!(changes.len(), settings.len(), "{} {changes:?}", entry.name);
                let again = Config::from_json(entry.name, &Value::Object(changes)).unwrap();
                assert_eq!(again, config);
            }
            for preset in presets {
                let choice = format!("{}={}", preset.parameter, preset.choice);
                let config = Config::named(entry.name).unwrap().set(&[choice]).unwrap();
                for (name, text) in preset.sets {
                    let found = &config.to_value().unwrap()[*name];
                    let meant = hyper::read(text);
                    assert!(
                        found == &meant || found.as_f64() == meant.as_f64(),
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn explicit_settings_override_presets_in_any_order() {
        let multdae = Config::named("multdae").unwrap();
        let value = |config: Config, key: &str| config.to_value().unwrap()[key].clone();
        for order in [["epochs=7", "preset=lia"], ["preset=lia", "epochs=7"]] {
            let config = multdae.set(&order).unwrap();
            assert_eq!(value(config.clone(), "epochs"), 7);
            assert_eq!(value(config.clone(), "batch_size"), 512);
            // Another preset resets the values that the first one set, and no others.
            let paper = config.set(&["preset=paper"]).unwrap();
            assert_eq!(paper, multdae.set(&["epochs=7"]).unwrap());
        }
    }

    /// The defaults of models that became presets or were renamed, as version 1 wrote them.
    #[test]
    fn aliases_keep_their_settings() {
        let dae = json!({"embedding_size": 100, "epochs": 300, "batch_size": 512,
            "learning_rate": 0.001, "reg": 0.001, "dropout": 0.0, "patience": 20});
        let vae = json!({"embedding_size": 100, "anneal_cap": 0.2, "anneal_steps": 200_000.0,
            "epochs": 300, "batch_size": 512, "learning_rate": 0.001, "reg": 0.001,
            "dropout": 0.0, "patience": 20});
        let with = |old: &Value, more: Value| -> Value {
            let mut all = old.as_object().unwrap().clone();
            all.extend(more.as_object().unwrap().clone());
            Value::Object(all)
        };
        let plain = json!({"normalize": true, "means": false, "beta2": 0.999});
        let linear = with(
            &json!({"preset": "lia", "activation": "linear", "init": "torch"}),
            plain.clone(),
        );
        for (name, today, old, new) in [
            (
                "autoencoder-lia",
                "multdae",
                &dae,
                with(&dae, linear.clone()),
            ),
            (
                "multvae-lia",
                "multvae",
                &vae,
                with(&with(&vae, linear), json!({"hidden": 0, "noise": 0.01})),
            ),
            (
                "autoencoder",
                "multdae",
                &json!({"embedding_size": 200, "epochs": 200, "batch_size": 500,
                    "learning_rate": 0.001, "reg": 0.0, "dropout": 0.5, "patience": 20}),
                with(
                    &plain,
                    json!({"preset": "paper", "embedding_size": 200, "epochs": 200,
                        "batch_size": 500, "learning_rate": 0.001, "reg": 0.0, "dropout": 0.5,
                        "patience": 20, "activation": "tanh", "init": "glorot"}),
                ),
            ),
            (
                "mf",
                "ials",
                &json!({"embedding_size": 64, "alpha": 5.0, "reg": 20.0, "epochs": 12}),
                json!({"embedding_size": 64, "alpha": 5.0, "reg": 20.0, "epochs": 12,
                    "solver": "cholesky"}),
            ),
            (
                "mf-lia",
                "bcemf",
                &json!({"embedding_size": 100, "epochs": 100, "batch_size": 1024,
                    "learning_rate": 0.001, "reg": 1e-5, "patience": 10}),
                json!({"embedding_size": 100, "epochs": 100, "batch_size": 1024,
                    "learning_rate": 0.001, "reg": 1e-5, "patience": 10}),
            ),
            (
                "slim",
                "slim",
                &json!({"l1": 1.0, "l2": 100.0, "signed": false, "user_exponent": 0.0}),
                json!({"l1": 1.0, "reg": 100.0, "signed": false, "user_exponent": 0.0}),
            ),
        ] {
            let config = Config::named(name).unwrap();
            assert_eq!(config.name(), today);
            assert_eq!(Entry::named(name).unwrap().name, today);
            assert_eq!(config.to_value().unwrap(), new, "{name}");
            assert_eq!(Config::from_json(name, old).unwrap(), config, "{name}");
        }
    }

    /// The values set by the presets of RuleSLIM and the modes of LIA in version 1, whose files have
    /// `null` where a value followed from the preset.
    #[test]
    fn presets_of_rule_models_keep_their_values() {
        for (preset, rho_rule, groups, refit) in [
            ("accurate", 1.0, 0, 1.0),
            ("balanced", 0.5, 40, 0.5),
            ("short", 0.5, 20, 0.5),
        ] {
            let old = json!({"preset": preset, "rho_rule": null, "groups": null, "refit": null,
                "min_users": null, "reg": 50.0});
            let config = Config::from_json("ruleslim", &old).unwrap();
            assert_eq!(
                config,
                Config::named("ruleslim")
                    .unwrap()
                    .set(&[format!("preset={preset}")])
                    .unwrap()
            );
            let value = config.to_value().unwrap();
            assert_eq!(value["rho_rule"], rho_rule);
            assert_eq!(value["groups"], groups);
            assert_eq!(value["refit"], refit);
            assert_eq!(value["min_users"], "auto");
        }
        for (mode, rules_by, rules, batch_size, learning_rate, rule_l1) in [
            ("plus", "search", 4000, 128, 0.01, 0.07),
            ("plus", "gradients", 2000, 128, 0.01, 0.07),
            ("paper", "search", 1000, 512, 0.001, 0.0),
            ("paper", "gradients", 1000, 512, 0.001, 0.0),
            ("released", "search", 1000, 512, 0.001, 0.0),
        ] {
            let old = json!({"mode": mode, "rules_by": rules_by, "rules": null,
                "batch_size": null, "learning_rate": null, "rule_l1": null, "outputs": null});
            let value = Config::from_json("lia", &old).unwrap().to_value().unwrap();
            assert_eq!(value["rules"], rules, "{mode} {rules_by}");
            assert_eq!(value["batch_size"], batch_size, "{mode} {rules_by}");
            assert_eq!(value["learning_rate"], learning_rate, "{mode} {rules_by}");
            assert_eq!(value["rule_l1"], rule_l1, "{mode} {rules_by}");
        }
    }

    #[test]
    fn formats_are_named_after_their_models() {
        for entry in ENTRIES {
            for name in entry.aliases.iter().map(|a| a.name).chain([entry.name]) {
                let (line, _) = Line::find(name).unwrap();
                assert_eq!(line.entry.name, entry.name);
                // An empty folder is refused for a missing array, not for its format.
                let e = Model::load(&format!("model/{name}"), &Tensors::new()).unwrap_err();
                assert!(!e.to_string().contains("unknown model format"), "{e}");
            }
        }
    }

    #[test]
    fn errors_about_unknown_names_suggest_similar_ones() {
        let e = |result: Result<Config>| result.unwrap_err().to_string();
        let ease = Config::named("ease").unwrap();
        assert_eq!(
            e(Config::named("eaze")),
            "unknown model 'eaze'; did you mean 'ease'?"
        );
        assert_eq!(
            e(ease.set(&["rge=1"])),
            "unknown setting 'rge'; did you mean 'reg'?"
        );
        // Rules that involve several parameters are checked too, before data is read.
        let lia = Config::named("lia").unwrap();
        assert!(e(lia.set(&["gsam=true"])).contains("false with mode=plus"));
        assert!(lia.set(&["gsam=true", "mode=paper"]).is_ok());
        assert_eq!(
            e(Config::from_json("ease", &json!({"rge": 1}))),
            "unknown setting 'rge'; did you mean 'reg'?"
        );
        assert!(e(ease.set(&["reg"])).contains("key=value"));
        assert!(e(Config::from_json("ease", &json!([1]))).contains("table"));
        let twice = Config::from_json("slim", &json!({"reg": 1.0, "l2": 2.0}));
        assert!(e(twice).contains("'reg' appears twice"));
    }
}
