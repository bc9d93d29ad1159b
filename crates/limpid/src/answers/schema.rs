//! The JSON Schema of every answer, from its type. `docs/schema` has them as files.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::*;

/// The schemas by the names that answers carry in their field `schema`.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("limpid.quickstart/1", of::<Quickstart>()),
        ("limpid.data-describe/1", of::<DataDescription>()),
        ("limpid.data-split/1", of::<DataSplit>()),
        ("limpid.data-sets/1", of::<DataSets>()),
        ("limpid.data-fetch/1", of::<Fetched>()),
        ("limpid.data-synthesize/1", of::<Synthesized>()),
        ("limpid.models/1", of::<Models>()),
        ("limpid.train/1", of::<Trained>()),
        ("limpid.train-plan/1", of::<TrainPlan>()),
        ("limpid.manifest/3", of::<Inspection>()),
        ("limpid.verify/1", of::<Verified>()),
        ("limpid.evaluate/1", of::<Measured>()),
        ("limpid.evaluate-lists/1", of::<ListsMeasured>()),
        ("limpid.compare/1", of::<Compared>()),
        ("limpid.compare-many/1", of::<ComparedMany>()),
        ("limpid.recommend/1", of::<Recommendations>()),
        ("limpid.recommend-all/1", of::<RecommendAll>()),
        ("limpid.similar/1", of::<Recommendations>()),
        ("limpid.explain-all/1", of::<RecommendAll>()),
        ("limpid.export/1", of::<Exported>()),
        ("limpid.explain/1", of::<Explanation>()),
        ("limpid.contrast/1", of::<ContrastAnswer>()),
        ("limpid.why-not/1", of::<WhyNot>()),
        ("limpid.words/1", of::<WordsAnswer>()),
        ("limpid.narrate/1", of::<Narrated>()),
        ("limpid.ratings/1", of::<RatingsAnswer>()),
        ("limpid.rules/1", of::<RulesAnswer>()),
        ("limpid.planted/1", of::<PlantedAnswer>()),
        ("limpid.probe/1", of::<ProbeAnswer>()),
        ("limpid.concepts/1", of::<Concepts>()),
        ("limpid.steer/1", of::<SteerAnswer>()),
        ("limpid.reproduce/1", of::<Reproduced>()),
        ("limpid.reproduce-plan/1", of::<ReproducePlan>()),
        ("limpid.doctor/1", of::<Doctor>()),
    ]
}

/// The schema of what a type writes: a field that may be absent is not required.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}
