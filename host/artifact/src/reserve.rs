//! Room for what grows while it is written: asked for as it comes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use shoal_compile::{CompileError, Growth, Space};

use crate::ArtifactError;
use crate::digest::Hasher;
use crate::fetch::blocking;
use crate::staging::Staging;

/// Room in a staging folder for a file that the compiler writes.
pub(crate) struct Reserve {
    staging: Arc<Staging>,
    /// What the folder holds beside it.
    beside: u64,
    /// Why there is no more. The compiler's error has its text alone.
    refused: Mutex<Option<ArtifactError>>,
}

impl Reserve {
    pub(crate) fn new(staging: &Arc<Staging>, beside: u64) -> Self {
        Self {
            staging: Arc::clone(staging),
            beside,
            refused: Mutex::default(),
        }
    }

    /// Why a compilation failed, if it was for want of room.
    pub(crate) fn refusal(&self, error: CompileError) -> ArtifactError {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take().unwrap_or_else(|| error.into())
    }
}

impl Space for Reserve {
    fn grow(&self, total: u64) -> Growth<'_> {
        Box::pin(async move {
            let (staging, total) = (Arc::clone(&self.staging), self.beside + total);
            let reserved = blocking(move || staging.reserve(total)).await;
            reserved.map_err(|error| {
                let text = error.to_string();
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                *refused = Some(error);
                io::Error::other(text)
            })
        })
    }
}

/// A writer into a staging folder that also hashes.
pub(crate) struct Hashing<'a> {
    inner: std::fs::File,
    staging: &'a Staging,
    /// What the folder holds beside it.
    beside: u64,
    written: u64,
    hasher: Hasher,
    refused: Option<ArtifactError>,
}

impl<'a> Hashing<'a> {
    pub(crate) fn create(staging: &'a Staging, name: &str, beside: u64) -> Result<Self, ArtifactError> {
        Ok(Self {
            inner: staging.create(name)?,
            staging,
            beside,
            written: 0,
            hasher: Hasher::sha256(),
            refused: None,
        })
    }

    /// The digest of all that was written, or why no more was.
    pub(crate) fn finish<T>(self, written: Result<T, ArtifactError>) -> Result<crate::Digest, ArtifactError> {
        match self.refused {
            Some(refused) => Err(refused),
            None => written.map(|_| self.hasher.finish()),
        }
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let total = self.beside + self.written + buffer.len() as u64;
        if let Err(error) = self.staging.reserve(total) {
            let text = error.to_string();
            self.refused = Some(error);
            return Err(io::Error::other(text));
        }
        let count = self.inner.write(buffer)?;
        self.written += count as u64;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
