//! The pictures of the control board: concept map, distributions of confidence and stability, tags by knobs,
//! training of an autoencoder.

use limpid_core::{ItemIdx, Mat};
use limpid_insight::concepts::naming::aurocs;
use limpid_insight::concepts::{Name, Tag};
use limpid_insight::sae::EpochReport;

use super::{
    Axis, ConceptMap, Curve, Curves, Heat, Histogram, Place, concept_map, curves, heat, histograms,
};
use crate::probe::no_dictionary;
use crate::{Advisor, Result};

/// Items of the map, the most popular ones.
const ITEMS: usize = 3000;

/// Items with a label on the map, if there is room.
const LABELED: usize = 60;

/// Tags of the heat map.
const TAGS: usize = 24;

/// Rounds of the power iteration.
const ROUNDS: usize = 300;

impl Advisor {
    /// The pictures of the knobs, by name: `map`, `distributions`; where knobs have names, `tags`; of an
    /// autoencoder, `training`.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a model without a dictionary; where a plot cannot be drawn.
    pub fn board_pictures(&self) -> Result<Vec<(&'static str, String)>> {
        let mut pictures = vec![
            ("map", concept_map(&self.concept_map()?)?),
            ("distributions", self.distributions()?),
        ];
        pictures.extend(self.tag_heat()?.map(|svg| ("tags", svg)));
        pictures.extend(self.training_curves()?.map(|svg| ("training", svg)));
        Ok(pictures)
    }

    /// The popular items and the knobs on the first two principal components of the items' directions.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a model without a dictionary.
    pub fn concept_map(&self) -> Result<ConceptMap> {
        let knobs = self.model.knobs().ok_or_else(no_dictionary)?;
        let dictionary = knobs.dictionary();
        let counts = &self.catalogue.train_counts;
        let mut shown: Vec<u32> = (0..self.catalogue.len() as u32).collect();
        shown.sort_by_key(|&i| (std::cmp::Reverse(counts[i as usize]), i));
        shown.truncate(ITEMS);
        let rows: Vec<Vec<f64>> = shown
            .iter()
            .map(|&i| unit(knobs.vectors().row(i as usize).iter()))
            .collect();
        let plane = Plane::of(&rows);
        let items = rows.iter().zip(&shown).enumerate();
        let items = items.map(|(at, (row, &item))| {
            let label = match at < LABELED {
                true => self.catalogue.title(ItemIdx(item)).to_owned(),
                false => String::new(),
            };
            plane.place(row, label)
        });
        let mut order: Vec<usize> = (0..dictionary.knobs).collect();
        let confidence = |k: &usize| self.confirmed(*k).map_or(0.0, |name| name.auroc);
        order.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.cmp(b)));
        let placed = order.iter().map(|&k| {
            let row = unit(dictionary.atoms.row(k).iter());
            let label = self
                .confirmed(k)
                .map_or_else(String::new, |n| n.tag.clone());
            plane.place(&row, label)
        });
        Ok(ConceptMap {
            title: format!(
                "Concept map of {}, {}",
                self.described(),
                self.manifest.data.name
            ),
            explained: plane.explained,
            items: items.collect(),
            knobs: placed.collect(),
        })
    }

    /// The confirmed name of a knob.
    fn confirmed(&self, knob: usize) -> Option<&Name> {
        let names = &self.model.knobs()?.dictionary().names;
        names.get(knob)?.as_ref().filter(|name| name.confirmed)
    }

    fn distributions(&self) -> Result<String> {
        let dictionary = self.model.knobs().ok_or_else(no_dictionary)?.dictionary();
        let values = |confirmed: bool, of: &dyn Fn(usize) -> Option<f32>| -> Vec<f64> {
            let own = (0..dictionary.knobs).filter(|&k| self.confirmed(k).is_some() == confirmed);
            own.filter_map(of).map(f64::from).collect()
        };
        let confidence = |k: usize| dictionary.names[k].as_ref().map(|n| n.auroc);
        let stability = |k: usize| Some(dictionary.stability[k]);
        let classes = || ["confirmed name".to_owned(), "no confirmed name".to_owned()];
        let mut all = vec![Histogram {
            x: "confidence: AUROC of the name on held-out items".to_owned(),
            range: (0.4, 1.0),
            classes: classes(),
            values: [values(true, &confidence), values(false, &confidence)],
        }];
        let record = self.manifest.dictionary.as_ref();
        if record.is_some_and(|r| r.certificate.is_some()) {
            all.push(Histogram {
                x: "stability: share of fresh resamples with the knob".to_owned(),
                range: (0.0, 1.0),
                classes: classes(),
                values: [values(true, &stability), values(false, &stability)],
            });
        }
        let title = format!("{} knobs over {}", dictionary.knobs, self.described());
        histograms(&title, &all)
    }

    /// The loss and the reconstruction of an autoencoder by epoch; `None` for other dictionaries.
    fn training_curves(&self) -> Result<Option<String>> {
        let record = self
            .manifest
            .dictionary
            .as_ref()
            .ok_or_else(no_dictionary)?;
        let training = record.training.as_ref();
        let epochs = training.map_or(&[][..], |report| &report.curve);
        let curve = |name: &str, of: &dyn Fn(&EpochReport) -> Option<f64>| Curve {
            name: name.to_owned(),
            points: (1u32..)
                .zip(epochs)
                .filter_map(|(epoch, report)| Some((f64::from(epoch), of(report)?)))
                .collect(),
            pale: false,
        };
        let all = [
            curve("loss of training", &|report| Some(report.loss)),
            curve("not reconstructed, held-out users", &|report| {
                report.unexplained
            }),
        ];
        let picture = Curves {
            title: format!(
                "Training of {} over {}",
                self.manifest.kind,
                self.described()
            ),
            x: "epoch".to_owned(),
            y: "loss; share of the variance of held-out users".to_owned(),
            axes: Axis::Linear,
            curves: all.into_iter().filter(|c| !c.points.is_empty()).collect(),
        };
        match picture.curves.is_empty() {
            true => Ok(None),
            false => curves(&picture).map(Some),
        }
    }

    /// The surest names against the knobs that have them; `None` without names.
    fn tag_heat(&self) -> Result<Option<String>> {
        let knobs = self.model.knobs().ok_or_else(no_dictionary)?;
        let mut named: Vec<(usize, &Name)> = (0..knobs.dictionary().knobs)
            .filter_map(|k| Some((k, self.confirmed(k)?)))
            .collect();
        named.sort_by(|a, b| b.1.auroc.total_cmp(&a.1.auroc).then(a.0.cmp(&b.0)));
        let mut chosen: Vec<(usize, &Tag)> = Vec::new();
        for (knob, name) in named {
            let is_new = !chosen
                .iter()
                .any(|(_, t)| t.name == name.tag && t.field == name.field);
            let tag = knobs
                .concepts()
                .iter()
                .find(|t| t.name == name.tag && t.field == name.field);
            chosen.extend(tag.filter(|_| is_new).map(|tag| (knob, tag)));
            if chosen.len() == TAGS {
                break;
            }
        }
        if chosen.is_empty() {
            return Ok(None);
        }
        let units: Vec<usize> = chosen.iter().map(|c| c.0).collect();
        let tags: Vec<&Tag> = chosen.iter().map(|c| c.1).collect();
        let picture = Heat {
            title: format!(
                "Tags and the knobs named after them, over {}",
                self.described()
            ),
            about: "AUROC of a knob for a tag over all items".to_owned(),
            middle: 0.5,
            most: 1.0,
            rows: tags.iter().map(|t| t.name.clone()).collect(),
            columns: units.iter().map(|k| format!("n{k}")).collect(),
            values: aurocs(&knobs.projections(), &units, &tags),
        };
        heat(&picture).map(Some)
    }
}

/// A vector of length 1; zero stays.
fn unit<'a>(row: impl Iterator<Item = &'a f32>) -> Vec<f64> {
    let row: Vec<f64> = row.map(|&v| f64::from(v)).collect();
    let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
    row.into_iter().map(|v| v / length.max(1e-12)).collect()
}

/// The first two principal components of rows.
struct Plane {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
    explained: (f64, f64),
}

impl Plane {
    fn of(rows: &[Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let n = rows.len().max(1) as f64;
        let mut mean = vec![0f64; width];
        for row in rows {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / n);
        }
        let centered = rows.iter().flat_map(|row| {
            let own = row.iter().zip(&mean);
            own.map(|(v, m)| (v - m) as f32).collect::<Vec<f32>>()
        });
        let centered = Mat::from_shape_vec((rows.len(), width), centered.collect());
        let centered = centered.unwrap_or_default();
        let mut covariance = centered.t().dot(&centered).mapv(f64::from);
        let total: f64 = (0..width).map(|d| covariance[[d, d]]).sum();
        let mut axes = [vec![0.0; width], vec![0.0; width]];
        let mut shares = [0f64; 2];
        for (axis, share) in axes.iter_mut().zip(&mut shares) {
            // A start that no axis of the data is orthogonal to by construction.
            let mut v: Vec<f64> = (0..width).map(|d| 1.0 + 0.37 * d as f64 % 1.0).collect();
            let mut value = 0.0;
            for _ in 0..ROUNDS {
                let next = covariance.dot(&ndarray::Array1::from(v.clone()));
                value = next.iter().map(|x| x * x).sum::<f64>().sqrt();
                if value <= 1e-12 * total {
                    value = 0.0;
                    v = vec![0.0; width];
                    break;
                }
                v = next.iter().map(|x| x / value).collect();
            }
            // The sign is that of the largest entry, so that it does not depend on the start.
            let largest = v
                .iter()
                .copied()
                .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
            if largest < 0.0 {
                v.iter_mut().for_each(|x| *x = -*x);
            }
            for r in 0..width {
                for c in 0..width {
                    covariance[[r, c]] -= value * v[r] * v[c];
                }
            }
            *share = value / total.max(f64::MIN_POSITIVE);
            *axis = v;
        }
        Self {
            mean,
            axes,
            explained: (shares[0], shares[1]),
        }
    }

    fn place(&self, row: &[f64], label: String) -> Place {
        let on = |axis: &[f64]| -> f64 {
            let centered = row.iter().zip(&self.mean).map(|(v, m)| v - m);
            centered.zip(axis).map(|(v, a)| v * a).sum()
        };
        Place {
            label,
            x: on(&self.axes[0]),
            y: on(&self.axes[1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on an ellipse with axes 2 along (1, 1)/√2 and 1 along (1, −1)/√2: 80 % and 20 % of the variance.
    #[test]
    fn principal_components_by_hand() {
        let rows: Vec<Vec<f64>> = (0..100)
            .map(|k| {
                let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 100.0).sin_cos();
                vec![2.0 * cos + sin + 5.0, 2.0 * cos - sin, 0.0]
            })
            .collect();
        let plane = Plane::of(&rows);
        assert!((plane.explained.0 - 0.8).abs() < 1e-4 && (plane.explained.1 - 0.2).abs() < 1e-4);
        assert!(
            (plane.axes[0][0] - 0.5f64.sqrt()).abs() < 1e-4,
            "{:?}",
            plane.axes
        );
        let at = plane.place(&[5.0, 0.0, 9.0], String::new());
        assert!(at.x.abs() < 1e-4 && at.y.abs() < 1e-4);
        assert_eq!(Plane::of(&[]).explained, (0.0, 0.0));
    }
}
