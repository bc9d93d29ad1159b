//! Pictures of an answer: the first in a file, or all of them in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use limpid::Error;
use limpid::artifact::check_folder;
use limpid::output::Destination;

use super::Output;

/// Where pictures are written; checked when it is made, before the work.
pub(crate) enum Plots {
    /// The first of them.
    File(Destination),
    /// Each by its name.
    Folder(PathBuf),
}

impl Plots {
    /// A folder if the path ends with a slash, else a file.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let folder = ['/', std::path::MAIN_SEPARATOR];
        if path.to_string_lossy().ends_with(folder) {
            check_folder(&path.join("plots"), 0)?;
            return Ok(Self::Folder(path.to_owned()));
        }
        Output::plot(path).map(Self::File)
    }

    /// Writes pictures with their names.
    pub(crate) fn write(&self, pictures: &[(&str, String)], output: &Output) -> Result<()> {
        match (self, pictures) {
            (_, []) => bail!(Error::Usage("there is nothing to plot".to_owned())),
            (Self::File(to), [(_, first), ..]) => output.picture(to, first),
            (Self::Folder(folder), all) => {
                fs::create_dir_all(folder)
                    .map_err(|e| Error::io("cannot create the folder", folder, e))?;
                all.iter().try_for_each(|(name, svg)| {
                    output.picture(&Output::plot(&folder.join(format!("{name}.svg")))?, svg)
                })
            }
        }
    }
}
