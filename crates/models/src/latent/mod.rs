//! Models with a latent user representation.

pub mod bcemf;
pub mod ials;
pub mod multdae;
pub mod multvae;
pub mod network;
