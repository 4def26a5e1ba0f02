//! What a renderer has said of its job so far, each word checked against the wish and the limits.
//!
//! - frames are only taken in their turn;
//! - media type, extension, metadata and details are re-checked character by character;
//! - an artifact must be among those asked for, each once; a rendition's dimensions must follow
//!   from the page's; its file must be sealed, of its format and as large as said.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;

use domain::FailureCode;
use domain::job::Role;
use domain::wish::{Format, MetadataKind};
use serde::de::DeserializeOwned;

use crate::frame::{self, FrameError, Kind};
use crate::inspect;
use crate::message::{ArtifactMade, Done, Failed, Handover, OcrPage, Pages, Sniffed};
use crate::render::{Artifact, PageToRead, RenderError, RenderEvent, RenderJob};
use crate::words;

/// The most pages a file may claim to have.
const MAX_TOTAL_PAGES: u32 = 1_000_000;
/// The most layers of one file that are handed out.
const MAX_LAYERS: u32 = 1_000;

/// What a frame means.
#[derive(Debug)]
pub enum Said {
    /// Something to pass on.
    Event(RenderEvent),
    /// The end: all is drawn.
    Done(Done),
    /// The end: somebody else has to draw it.
    Handover(Handover),
}

/// A job's wish and limits, and what has been said of it.
#[derive(Debug)]
pub struct Tally {
    job: RenderJob,
    pub(crate) sniffed: Option<Sniffed>,
    pub(crate) total_pages: Option<u32>,
    made: BTreeSet<(Role, u32, u32)>,
    to_read: BTreeSet<u32>,
    pub(crate) output_bytes: u64,
}

impl Tally {
    /// Nothing has been said yet.
    #[must_use]
    pub fn new(job: RenderJob) -> Self {
        Self {
            job,
            sniffed: None,
            total_pages: None,
            made: BTreeSet::new(),
            to_read: BTreeSet::new(),
            output_bytes: 0,
        }
    }

    pub(crate) const fn job(&self) -> &RenderJob {
        &self.job
    }

    /// How many artifacts have been made.
    pub(crate) fn artifacts(&self) -> u32 {
        u32::try_from(self.made.len()).unwrap_or(u32::MAX)
    }

    /// Takes a frame that is no question.
    ///
    /// # Errors
    /// [`RenderError::Failed`]: what the renderer says of the file, or that it broke the protocol.
    pub fn take(
        &mut self,
        kind: Kind,
        body: &[u8],
        descriptor: Option<OwnedFd>,
    ) -> Result<Said, RenderError> {
        if descriptor.is_some() != kind.has_descriptor() {
            return Err(lie(&"a descriptor where none belongs, or none where one does"));
        }
        match (kind, descriptor) {
            (Kind::Sniffed, None) => self.sniffed(decode(kind, body)?).map(Said::Event),
            (Kind::Pages, None) => self.pages(decode(kind, body)?).map(Said::Event),
            (Kind::Artifact, Some(file)) => {
                self.artifact(decode(kind, body)?, &file).map(Said::Event)
            }
            (Kind::OcrPage, Some(file)) => {
                self.page_to_read(decode(kind, body)?, &file).map(Said::Event)
            }
            (Kind::Done, None) => self.done(decode(kind, body)?).map(Said::Done),
            (Kind::Handover, None) => self.handover(decode(kind, body)?).map(Said::Handover),
            (Kind::Failed, None) => {
                let Failed { code, detail } = decode(kind, body)?;
                if !may_tell(code) {
                    return Err(lie(&"a failure that is not its own"));
                }
                Err(RenderError::Failed { code, detail: words::detail(&detail) })
            }
            (kind, _) => Err(lie(&format!("{kind:?} out of turn"))),
        }
    }

    fn sniffed(&mut self, sniffed: Sniffed) -> Result<RenderEvent, RenderError> {
        if self.sniffed.is_some()
            || !words::is_media_type(&sniffed.media_type)
            || !words::is_extension(&sniffed.extension)
            || !words::is_encoding(&sniffed.encoding)
        {
            return Err(lie(&"an impossible kind of file"));
        }
        self.sniffed = Some(sniffed.clone());
        Ok(RenderEvent::Sniffed(sniffed))
    }

    fn pages(&mut self, Pages { total }: Pages) -> Result<RenderEvent, RenderError> {
        let in_turn = self.sniffed.is_some() && self.total_pages.is_none();
        if !in_turn || !(1..=MAX_TOTAL_PAGES).contains(&total) {
            return Err(lie(&"an impossible number of pages"));
        }
        self.total_pages = Some(total);
        Ok(RenderEvent::Pages { total })
    }

    fn artifact(
        &mut self,
        made: ArtifactMade,
        descriptor: &OwnedFd,
    ) -> Result<RenderEvent, RenderError> {
        if !self.is_asked(&made) || !self.made.insert((made.role, made.page, made.size_index)) {
            return Err(lie(&"an artifact that nobody asked for"));
        }
        let original = (made.original_width, made.original_height);
        let dimensions = (made.width, made.height);
        if !self.is_as_asked(&made) {
            return Err(lie(&"an artifact other than asked for"));
        }
        self.are_allowed(dimensions)?;
        self.are_allowed(original)?;
        let (file, bytes) = self.weigh(descriptor)?;
        if self.made.len() > self.job.limits.artifacts as usize {
            return Err(failed(FailureCode::OutputTooLarge, "too many artifacts"));
        }
        inspect::check(&file, made.format, dimensions).map_err(|flaw| lie(&flaw))?;
        Ok(RenderEvent::Artifact(Artifact {
            role: made.role,
            page: made.page,
            size_index: made.size_index as usize,
            width: made.width,
            height: made.height,
            original_width: original.0,
            original_height: original.1,
            resized: dimensions != original,
            format: made.format,
            bytes,
            file,
        }))
    }

    fn is_page_asked(&self, page: u32) -> bool {
        self.total_pages.is_some_and(|total| self.job.wish.pages.of(total).contains(&page))
    }

    fn is_asked(&self, made: &ArtifactMade) -> bool {
        let wish = &self.job.wish;
        match made.role.asked_as() {
            None => self.is_page_asked(made.page) && (made.size_index as usize) < wish.sizes.len(),
            Some(extra) => {
                let most = if made.role == Role::Layer { MAX_LAYERS } else { 1 };
                self.total_pages.is_some()
                    && wish.options.extras.contains(&extra)
                    && (1..=most).contains(&made.page)
                    && made.size_index == 0
            }
        }
    }

    fn is_as_asked(&self, made: &ArtifactMade) -> bool {
        let wish = &self.job.wish;
        let picture = made.format.is_picture();
        let dimensions = (made.width, made.height);
        match made.role {
            Role::Rendition => {
                let original = (made.original_width, made.original_height);
                let size = wish.sizes.get(made.size_index as usize);
                let shape =
                    size.map(|size| size.shape(original.0, original.1, wish.options.crop).to);
                picture
                    && shape == Some(dimensions)
                    && wish.format.is_none_or(|format| format == made.format)
            }
            Role::ContactSheet | Role::Storyboard | Role::Layer => picture,
            Role::Animation => matches!(made.format, Format::Webp | Format::Gif),
            Role::Clip => made.format == Format::Mp4,
            Role::StoryboardCues => made.format == Format::Vtt && dimensions == (0, 0),
            Role::Peaks => made.format == Format::Json && dimensions == (0, 0),
        }
    }

    fn are_allowed(&self, (width, height): (u32, u32)) -> Result<(), RenderError> {
        let fine = u64::from(width) * u64::from(height) <= self.job.limits.pixels;
        if fine { Ok(()) } else { Err(lie(&"an artifact of too many pixels")) }
    }

    fn weigh(&mut self, descriptor: &OwnedFd) -> Result<(File, u64), RenderError> {
        let (file, bytes) = inspect::open(descriptor).map_err(|flaw| lie(&flaw))?;
        self.output_bytes = self.output_bytes.saturating_add(bytes);
        if self.output_bytes > self.job.limits.output_bytes {
            return Err(failed(FailureCode::OutputTooLarge, "too many bytes"));
        }
        Ok((file, bytes))
    }

    fn page_to_read(
        &mut self,
        made: OcrPage,
        descriptor: &OwnedFd,
    ) -> Result<RenderEvent, RenderError> {
        let asked = self.job.wish.metadata.contains(&MetadataKind::Ocr);
        if !asked || !self.is_page_asked(made.page) || !self.to_read.insert(made.page) {
            return Err(lie(&"a page to read that nobody asked for"));
        }
        let dimensions = (made.width, made.height);
        self.are_allowed(dimensions)?;
        let (file, bytes) = self.weigh(descriptor)?;
        inspect::check(&file, Format::Png, dimensions).map_err(|flaw| lie(&flaw))?;
        Ok(RenderEvent::PageToRead(PageToRead { page: made.page, bytes, file }))
    }

    fn done(&self, done: Done) -> Result<Done, RenderError> {
        let (Some(_), Some(total_pages)) = (&self.sniffed, self.total_pages) else {
            return Err(lie(&"done before it knew the file"));
        };
        let wish = &self.job.wish;
        let asked = wish.pages.of(total_pages).len() * wish.sizes.len();
        let made = self.made.iter().filter(|(role, ..)| role.is_rendition()).count();
        if made != asked {
            return Err(lie(&"done before all was drawn"));
        }
        self.checked(done)
    }

    fn handover(&self, Handover { to, so_far }: Handover) -> Result<Handover, RenderError> {
        if self.sniffed.is_none() || self.total_pages.is_some() {
            return Err(lie(&"a handover before it knew the file, or after it drew"));
        }
        Ok(Handover { to, so_far: self.checked(so_far)? })
    }

    fn checked(&self, done: Done) -> Result<Done, RenderError> {
        let limit = self.job.limits.metadata_bytes;
        let metadata = words::metadata(done.metadata, &self.job.wish.metadata, limit);
        let metadata = metadata.map_err(|flaw| lie(&flaw))?;
        Ok(Done { metadata, engines: words::engines(done.engines), ..done })
    }
}

/// Failures that a renderer can know of.
const fn may_tell(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::SourceEmpty
            | FailureCode::SourceTooLarge
            | FailureCode::Unsupported
            | FailureCode::Corrupt
            | FailureCode::Encrypted
            | FailureCode::TooManyPixels
            | FailureCode::ExpandsTooMuch
            | FailureCode::TooLong
            | FailureCode::OutputTooLarge
            | FailureCode::NoSuchPage
            | FailureCode::CapabilityMissing
            | FailureCode::RendererMemory
            | FailureCode::RendererCrashed
            | FailureCode::Internal
    )
}

pub(crate) fn decode<M: DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<M, RenderError> {
    // The decoder's own text may quote the body.
    frame::decode(kind, body).map_err(|_error: FrameError| lie(&format!("{kind:?} unreadable")))
}

pub(crate) fn failed(code: FailureCode, detail: &str) -> RenderError {
    RenderError::Failed { code, detail: detail.to_owned() }
}

/// A renderer that lies has been captured or is broken.
pub(crate) fn lie(what: &dyn std::fmt::Display) -> RenderError {
    failed(FailureCode::RendererCrashed, &format!("the renderer broke the protocol: {what}"))
}

#[cfg(test)]
mod tests;
