//! Sources in buckets: files that the account uploaded, and objects of its inputs.

use std::time::Duration;

use bytes::Bytes;
use domain::{
    FailureCode,
    account::{Accounts, Input},
    id::AccountId,
    sealed::field,
    source::Source,
    upload::{self, Phase, Uploads},
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use storage::{Described, Destination, Encryption, Error, Range, Ranges};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{desk::Desk, origin::ReadError, stop::Stop};

/// How often in a row reading may break off and be taken up again.
const MAX_BREAKS: u32 = 16;
/// How much must have come meanwhile for the next break to be the first of a row, in bytes.
const PROGRESS_BYTES: u64 = 1 << 20;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the next bytes may take.
const STALL: Duration = Duration::from_secs(60);
/// The most bytes of an object's name that are kept.
const MAX_NAME_BYTES: usize = 255;

/// An object to be read.
#[derive(Clone)]
pub(crate) struct Object {
    ranges: Ranges,
    key: String,
    failed: fn(Error) -> ReadError,
}

/// One version of it.
#[derive(Clone)]
pub(crate) struct Version {
    object: Object,
    of: Described,
}

/// Bytes of it that are coming.
pub(crate) struct Coming {
    range: Range,
    deadline: Instant,
    read: u64,
    failed: fn(Error) -> ReadError,
}

/// What a job reads, and what it is called.
pub(crate) struct Found {
    pub(crate) object: Object,
    pub(crate) file_name: Option<String>,
}

/// Finds what a job of the account reads, if that is not on the web.
pub(crate) async fn find(
    desk: &Desk,
    account: AccountId,
    source: &Source,
) -> Result<Option<Found>, Stop> {
    match source {
        Source::Web(_) => Ok(None),
        Source::Upload(upload) => {
            let id = upload::Id { account, upload: *upload };
            find_upload(desk, &id).await.map(Some)
        }
        Source::Object { key, .. } => {
            let known = desk.log.load::<Accounts>(&account).await;
            let state = known.map_err(|error| Stop::internal(&error))?.state;
            let input = source.input(&state).ok_or_else(|| {
                Stop::failed(FailureCode::InputMissing, "no input has this bucket and prefix")
            })?;
            let object = Object {
                ranges: open_input(desk, account, input).await?,
                key: key.clone(),
                failed: ReadError::Input,
            };
            Ok(Some(Found { object, file_name: last_part(key) }))
        }
    }
}

async fn find_upload(desk: &Desk, id: &upload::Id) -> Result<Found, Stop> {
    let known = desk.log.load::<Uploads>(id).await;
    let state = known.map_err(|error| Stop::internal(&error))?.state;
    let there = state.upload().filter(|upload| matches!(upload.phase, Phase::Uploaded { .. }));
    let upload =
        there.ok_or_else(|| Stop::failed(FailureCode::UploadMissing, "it is not there to read"))?;
    let file_name = match &upload.started.file_name {
        Some(name) => Some(desk.custody.open_upload_name(id, name).await?),
        None => None,
    };
    Ok(Found { object: Object::upload(desk, upload.started.key.clone()), file_name })
}

async fn open_input(desk: &Desk, account: AccountId, input: &Input) -> Result<Ranges, Stop> {
    let credentials = desk
        .custody
        .open_bucket_credentials(account, field::INPUT_CREDENTIALS, &input.credentials)
        .await?;
    let place = input.place.clone();
    let destination = Destination {
        endpoint: place.endpoint,
        region: place.region,
        bucket: place.bucket,
        // Jobs name whole keys.
        prefix: String::new(),
        path_style: place.path_style,
        credentials,
        encryption: Encryption::None,
        bucket_owner: place.bucket_owner,
    };
    let ranges = Ranges::open(destination, &desk.networks.to(&input.place)).await;
    ranges.map_err(|error| Stop::from(&ReadError::Input(error)))
}

/// What an object is called: what stands after the last slash.
fn last_part(key: &str) -> Option<String> {
    let name = key.rsplit('/').next().filter(|name| !name.is_empty())?;
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).map(ToOwned::to_owned)
}

impl Object {
    /// An object in the platform bucket.
    pub(crate) fn upload(desk: &Desk, key: String) -> Self {
        Self { ranges: desk.sources.clone(), key, failed: ReadError::Upload }
    }

    /// What is there.
    pub(crate) async fn describe(&self) -> Result<Described, Error> {
        self.ranges.describe(&self.key).await
    }

    /// Its first bytes, and which version they are of.
    pub(crate) async fn start(
        &self,
        length: u64,
        deadline: Instant,
    ) -> Result<(Version, Coming, Option<String>), ReadError> {
        let mut coming = self.ask((0, length), None, deadline).await?;
        let content_type = coming.range.content_type.take();
        let version = Version { object: self.clone(), of: coming.range.of.clone() };
        Ok((version, coming, content_type))
    }

    async fn ask(
        &self,
        place: (u64, u64),
        version: Option<&str>,
        deadline: Instant,
    ) -> Result<Coming, ReadError> {
        let asked = timeout_at(deadline, self.ranges.read(&self.key, place, version)).await;
        let range = match asked.or(Err(ReadError::Slow))? {
            Err(Error::Invalid(answer)) if matches!(answer.status, 412 | 416) => {
                return Err(ReadError::Changed);
            }
            asked => asked.map_err(self.failed)?,
        };
        Ok(Coming { range, deadline, read: 0, failed: self.failed })
    }
}

impl Version {
    pub(crate) const fn size_bytes(&self) -> u64 {
        self.of.size_bytes
    }

    /// Whether a later version can be told from this one.
    pub(crate) const fn has_tag(&self) -> bool {
        !self.of.etag.is_empty()
    }

    /// `length` bytes from `at` on.
    pub(crate) async fn ask(
        &self,
        at: u64,
        length: u64,
        deadline: Instant,
    ) -> Result<Coming, ReadError> {
        let tag = Some(self.of.etag.as_str()).filter(|tag| !tag.is_empty());
        let coming = self.object.ask((at, length), tag, deadline).await?;
        // Some servers do not look at the tag that is asked for.
        if coming.range.of == self.of { Ok(coming) } else { Err(ReadError::Changed) }
    }

    /// All of it, what has come already first; taken up again where it breaks off.
    pub(crate) fn whole(
        self,
        begun: Option<Coming>,
        deadline: Option<Instant>,
    ) -> BoxStream<'static, Result<Bytes, ReadError>> {
        let reading =
            Whole { version: self, at: 0, coming: begun, breaks: 0, broke_at: 0, deadline };
        stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(reading))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl Coming {
    /// The next bytes; `None` after the last.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, ReadError>> {
        let next = timeout(STALL, timeout_at(self.deadline, self.range.chunk())).await;
        let Ok(Ok(next)) = next else { return Some(Err(ReadError::Slow)) };
        let next = next?.map_err(self.failed);
        self.read += next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Some(next)
    }

    /// How many have come.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.read
    }

    /// How many were announced.
    pub(crate) const fn length(&self) -> u64 {
        self.range.length
    }
}

/// All of a version, as far as it has come.
struct Whole {
    version: Version,
    at: u64,
    coming: Option<Coming>,
    breaks: u32,
    /// Where the last break was.
    broke_at: u64,
    deadline: Option<Instant>,
}

impl Whole {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.at < self.version.size_bytes() {
            match self.step().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                // What was asked for is here; perhaps not yet all there is.
                Ok(None) => self.coming = None,
                Err(error) if error.is_a_break() => {
                    self.coming = None;
                    if self.at - self.broke_at >= PROGRESS_BYTES {
                        self.breaks = 0;
                    }
                    (self.breaks, self.broke_at) = (self.breaks + 1, self.at);
                    if self.breaks > MAX_BREAKS {
                        return Err(error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn step(&mut self) -> Result<Option<Bytes>, ReadError> {
        let coming = match &mut self.coming {
            Some(coming) => coming,
            none => {
                let deadline = self.deadline.unwrap_or_else(|| Instant::now() + FOR_EVER);
                let length = self.version.size_bytes() - self.at;
                none.insert(self.version.ask(self.at, length, deadline).await?)
            }
        };
        match coming.chunk().await {
            // A server that sends nothing at all would be asked again without end.
            None if coming.bytes_read() == 0 => Err(ReadError::Changed),
            chunk => chunk.transpose(),
        }
    }
}

/// Longer than any file takes.
const FOR_EVER: Duration = Duration::from_secs(30 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_called_what_stands_after_the_last_slash() {
        assert_eq!(last_part("a/b/film.mp4").as_deref(), Some("film.mp4"));
        assert_eq!(last_part("film.mp4").as_deref(), Some("film.mp4"));
        assert_eq!(last_part("a/"), None);
        let long = "ü".repeat(200);
        assert_eq!(last_part(&long).map(|name| name.len()), Some(254));
    }
}
