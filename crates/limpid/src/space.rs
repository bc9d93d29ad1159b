//! Spaces of vectors of texts that are not fitted to the training texts: static embeddings in a folder, and servers.
//!
//! The name of the space and its width are recorded with the model, and an experiment that is run again is refused where
//! the space is another one: vectors of two spaces are not comparable.

mod static_embeddings;
mod tokens;

use std::path::Path;
use std::time::Duration;

use limpid_core::Embedder;

use crate::experiment::TextSource;
use crate::narrate::{Server, ServerOptions};
use crate::{Error, Result};

use static_embeddings::StaticEmbeddings;

/// How long a server may take for some texts.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Texts that a server is given at once.
const AT_ONCE: usize = 32;

/// Refuses a description of a space that cannot be opened, before anything is read or asked.
pub(crate) fn check(source: &TextSource) -> Result<()> {
    match (&source.embedder, &source.embedder_model) {
        (Some(from), _) if is_address(from) => server(from, source).map(|_| ()),
        (_, Some(model)) => Err(Error::Usage(format!(
            "--embedder-model {model} names the model of a server, but --embedder names no server; leave it out, or \
             give the address of the server"
        ))),
        _ => Ok(()),
    }
}

/// Records the space that a source names now; a note where another one was recorded.
pub(crate) fn renewed(source: &mut TextSource) -> Result<Option<String>> {
    let Some(recorded) = source.space.take() else {
        return Ok(None);
    };
    open(source)?;
    Ok((source.space.as_ref() != Some(&recorded))
        .then(|| "the space of the texts changed since this experiment was recorded".to_owned()))
}

fn is_address(embedder: &str) -> bool {
    embedder.contains("://")
}

/// Opens the space of a source, and records its name there; none where vectors are fitted to the training texts.
///
/// # Errors
/// [`Error::Usage`] for an address that is not allowed, or without the name of its model; [`Error::Io`] and [`Error::Artifact`] for a folder that cannot be
/// read; [`Error::Server`] for a server that does not answer; [`Error::Changed`] if another space was recorded.
pub fn open(source: &mut TextSource) -> Result<Option<Box<dyn Embedder>>> {
    let Some(from) = &source.embedder else {
        return Ok(None);
    };
    let embedder: Box<dyn Embedder> = match is_address(from) {
        true => Box::new(ServerSpace::open(from, source)?),
        false => Box::new(StaticEmbeddings::open(Path::new(from))?),
    };
    let found = embedder.space();
    match &source.space {
        Some(recorded) if *recorded != found => Err(Error::Changed {
            what: "space of the texts",
            recorded: recorded.clone(),
            found,
        }),
        _ => {
            source.space = Some(found);
            Ok(Some(embedder))
        }
    }
}

/// The space of a server's model.
struct ServerSpace {
    server: Server,
    name: String,
    width: usize,
}

/// The server at an address; nothing is sent yet.
fn server(url: &str, source: &TextSource) -> Result<Server> {
    let options = ServerOptions {
        url: url.to_owned(),
        model: source.embedder_model.clone().unwrap_or_default(),
        allow_remote: source.allow_remote,
        timeout: TIMEOUT,
        concurrency: 1,
        rate: None,
    };
    let server = Server::new(&options, "--embedder")?;
    match options.model.is_empty() {
        true => Err(Error::Usage(format!(
            "--embedder {url} is a server, of which the model must be named: --embedder-model NAME"
        ))),
        false => Ok(server),
    }
}

impl ServerSpace {
    fn open(url: &str, source: &TextSource) -> Result<Self> {
        let server = server(url, source)?;
        let width = server.embed(&["space"])?.first().map_or(0, Vec::len);
        Ok(Self {
            name: format!("server-{}-{width}", server.model()),
            server,
            width,
        })
    }
}

impl Embedder for ServerSpace {
    fn space(&self) -> String {
        self.name.clone()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn embed(&self, texts: &[&str]) -> limpid_core::Result<Vec<Vec<f32>>> {
        let failed = |e: Error| limpid_core::Error::Numeric {
            what: "embedding of texts".to_owned(),
            why: e.to_string(),
        };
        let mut all = Vec::with_capacity(texts.len());
        for some in texts.chunks(AT_ONCE) {
            all.extend(self.server.embed(some).map_err(failed)?);
        }
        Ok(all)
    }
}
