//! Answers that were made before: a job that has not moved on is answered with the same bytes.
//!
//! Opening personal fields and signing links costs more than everything else about a read. All of
//! it follows from the job's events, so the sequence of the last one says whether it still holds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use domain::{account::FailureWord, id::JobId};

/// Most answers kept; beyond, all are forgotten.
const MAX_VIEWS: usize = 4_096;
/// Largest answer kept, in bytes.
const MAX_VIEW_BYTES: usize = 16 << 10;

/// What was answered about jobs.
#[derive(Default)]
pub(crate) struct Views(Mutex<HashMap<JobId, View>>);

struct View {
    seq: u64,
    word: FailureWord,
    body: Bytes,
}

impl Views {
    /// The answer about a job as of its event `seq`, if it was made before.
    pub(crate) fn get(&self, job: JobId, seq: u64, word: FailureWord) -> Option<Bytes> {
        let views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let view = views.get(&job)?;
        (view.seq == seq && view.word == word).then(|| view.body.clone())
    }

    /// Keeps an answer.
    pub(crate) fn put(&self, job: JobId, seq: u64, word: FailureWord, body: Bytes) {
        if body.len() > MAX_VIEW_BYTES {
            return;
        }
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= MAX_VIEWS {
            views.clear();
        }
        views.insert(job, View { seq, word, body });
    }
}
