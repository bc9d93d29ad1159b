//! `limpid doctor`.

use serde::Serialize;

/// The machine and the self-test of every model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Doctor {
    /// `limpid.doctor/1`.
    pub schema: &'static str,
    /// The version of limpid.
    pub version: &'static str,
    /// Threads of the machine.
    pub threads: usize,
    /// Operating system and architecture.
    pub system: String,
    /// Available memory in megabytes, where the system reports it.
    pub memory_available_mb: Option<u64>,
    /// The devices of this build.
    pub devices: Vec<DeviceCheck>,
    /// The models of the catalogue.
    pub models: Vec<ModelCheck>,
}

/// A device and whether it can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DeviceCheck {
    /// Its name after `--device`.
    pub device: &'static str,
    /// Why it cannot be used; null if it can.
    pub error: Option<String>,
}

/// The self-test of one model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ModelCheck {
    /// Its name in the catalogue.
    pub model: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// What was checked, or the error.
    pub detail: String,
}
