//! Errors of predicted ratings, for models that predict them.
//!
//! They are computed by [`rating_metrics`](crate::ratings::rating_metrics) over all held-out events, so a user with many counts with
//! all of them; predictions are moved into the range of the ratings that the model is shown.

use super::{Measure, Metric};

/// Root mean squared error.
pub const RMSE: Metric = Metric {
    name: "rmse",
    aliases: &[],
    doc: "root mean squared error of predicted ratings; for models that predict ratings",
    has_cutoff: false,
    measure: Measure::Ratings {
        of: |m| Some(m.rmse),
        is_error: true,
    },
};

/// Mean absolute error.
pub const MAE: Metric = Metric {
    name: "mae",
    aliases: &[],
    doc: "mean absolute error of predicted ratings; for models that predict ratings",
    has_cutoff: false,
    measure: Measure::Ratings {
        of: |m| Some(m.mae),
        is_error: true,
    },
};

/// The area under the ROC curve of ratings.
pub const RATING_AUC: Metric = Metric {
    name: "rating-auc",
    aliases: &[],
    doc: "probability that a rating of 4 or more is predicted higher than a lower one",
    has_cutoff: false,
    measure: Measure::Ratings {
        of: |m| m.auc,
        is_error: false,
    },
};
