//! Small files (manifests, experiments, recipes), read up to a limit: a path may name anything, a device
//! without an end included.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// The largest small file.
pub(crate) const MAX: u64 = 16 << 20;

/// The bytes of a small file.
///
/// # Errors
/// [`Error::Io`], or [`Error::Artifact`] if it is larger than [`MAX`].
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let cannot = |e| Error::io("cannot read", path, e);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX {
        return Err(Error::artifact(
            path,
            format!("has more than {MAX} bytes, the limit for a manifest, a run file or a recipe"),
        ));
    }
    Ok(bytes)
}

/// The text of a small file.
///
/// # Errors
/// As [`bytes`], and [`Error::Artifact`] if it is not UTF-8.
pub(crate) fn text(path: &Path) -> Result<String> {
    String::from_utf8(bytes(path)?)
        .map_err(|e| Error::artifact(path, format!("is not text: {}", e.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_without_an_end_is_refused() {
        let refused = bytes(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(refused.contains("more than"), "{refused}");
        assert_eq!(bytes(Path::new("/dev/null")).unwrap(), b"");
    }
}
