//! Drawing a source: by the light renderer, or by whomever it hands over to.
//!
//! The light renderer sees every file first. Film, sound, HEIC and AVIF go on to the other renderer
//! as they are. Of an office document a PDF is made, of a web page a picture, and those come back
//! to the light renderer as sources of their own.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    FailureCode,
    job::{self, Fetched},
    limits::Limits,
    wish::{MetadataKind, Pages, PreviewWish},
};
use enclave::{
    HandedOver, Outcome, RenderEvent, RenderJob, Rendered, Renderer, Stage,
    hosted::{HostedError, Name, Page, Workshop},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    claims::Claims,
    desk::{Desk, Progress},
    findings::Findings,
    lease::Lease,
    page::Fetcher,
    shelf::Shelf,
    source::{Intermediates, Opened, Source},
    stop::Stop,
};

/// Renditions that wait for their upload.
const RENDITIONS_AHEAD: usize = 4;
/// The first screen of a web page, and all of it.
const SHOTS: u32 = 2;

/// A job on its way through the stages.
pub(crate) struct Stages<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) lease: &'a mut Lease,
    pub(crate) traces: &'a mut Intermediates,
    pub(crate) limits: Limits,
    pub(crate) wish: &'a PreviewWish,
    pub(crate) shelf: &'a Shelf,
    /// What is recorded of the source once its kind is known.
    pub(crate) fetched: Option<Fetched>,
    /// What its sender says it is.
    pub(crate) claims: Claims,
    pub(crate) findings: Findings,
    pub(crate) render_ms: u64,
    pub(crate) artifacts: u32,
}

/// What is drawn in one visit.
struct Sheet {
    source: Source,
    wish: PreviewWish,
    /// The page that its only page is of the job's.
    page: Option<u32>,
}

impl Stages<'_> {
    /// Draws and stores side by side. Gives the number of pages.
    pub(crate) async fn draw(&mut self, opened: Opened) -> Result<u32, Stop> {
        self.desk.report(&self.lease.id, Progress::Rendering).await;
        self.fetched = Some(opened.fetched.clone());
        self.claims = opened.claims.clone();
        let sheet = Sheet { source: opened.source.clone(), wish: self.wish.clone(), page: None };
        let handed = match self.sheet(&sheet).await? {
            Outcome::Rendered(rendered) => return Ok(rendered.total_pages),
            Outcome::HandedOver(handed) => handed,
        };
        match handed.to {
            Stage::Office => self.office(opened.source, &handed).await,
            Stage::Browser => self.browser(opened).await,
            Stage::Av => Err(in_a_circle()),
        }
    }

    /// Draws what needs no other program: by the light renderer, or the one after it.
    async fn sheet(&mut self, sheet: &Sheet) -> Result<Outcome, Stop> {
        match self.visit(Renderer::Light, sheet).await? {
            Outcome::HandedOver(HandedOver { to: Stage::Av, .. }) => {
                match self.visit(Renderer::Av, sheet).await? {
                    Outcome::HandedOver(_) => Err(in_a_circle()),
                    rendered => Ok(rendered),
                }
            }
            outcome => Ok(outcome),
        }
    }

    /// Draws what was made of the source, which nobody else can be needed for.
    async fn made(&mut self, sheet: &Sheet) -> Result<Rendered, Stop> {
        match self.sheet(sheet).await? {
            Outcome::Rendered(rendered) => Ok(rendered),
            Outcome::HandedOver(_) => Err(in_a_circle()),
        }
    }

    /// Has a PDF made of an office document, and draws that.
    async fn office(&mut self, source: Source, handed: &HandedOver) -> Result<u32, Stop> {
        let workshop = workshop(self.desk, Name::Office)?;
        let (file, limits) = (source.file().await?, self.limits);
        let last = last_page(&self.wish.pages);
        let extension = &handed.sniffed.extension;
        let pdf = workshop.office_to_pdf(file, extension, last, &limits).await?;
        self.findings.used(workshop.engine(Name::Office));
        // What made the PDF is not what the document says of itself.
        self.findings.settle(MetadataKind::Document);
        let sheet =
            Sheet { source: Source::made(pdf, self.traces)?, wish: self.wish.clone(), page: None };
        Ok(self.made(&sheet).await?.total_pages)
    }

    /// Has pictures made of a web page: its first screen is page 1, all of it page 2.
    async fn browser(&mut self, opened: Opened) -> Result<u32, Stop> {
        let workshop = workshop(self.desk, Name::Browser)?;
        let pages = self.wish.pages.of(SHOTS);
        if pages.is_empty() {
            let detail = format!("none of the pages asked for, of {SHOTS}");
            return Err(Stop::failed(FailureCode::NoSuchPage, detail));
        }
        let url = opened.url.expose().to_owned();
        let fetcher = Fetcher::new(&self.desk.egress, &self.limits, opened);
        let told = self.wish.metadata.contains(&MetadataKind::Webpage);
        let shot = workshop.screenshot(Page::Url(url), told, fetcher, &self.limits).await?;
        self.findings.used(workshop.engine(Name::Browser));
        if told {
            let found = Map::from_iter([(
                MetadataKind::Webpage.name().to_owned(),
                Value::Object(shot.metadata),
            )]);
            self.findings.add(found, BTreeMap::new());
        }
        let mut wish = PreviewWish { pages: Pages::first(), ..self.wish.clone() };
        wish.metadata.retain(|kind| *kind == MetadataKind::Ocr);
        let shots = [shot.viewport, shot.full];
        for (page, file) in (1..).zip(shots).filter(|(page, _)| pages.contains(page)) {
            let source = Source::made(file, self.traces)?;
            self.made(&Sheet { source, wish: wish.clone(), page: Some(page) }).await?;
        }
        Ok(SHOTS)
    }

    /// One visit to a renderer; what comes of it is stored, recorded and noted on the way.
    async fn visit(&mut self, renderer: Renderer, sheet: &Sheet) -> Result<Outcome, Stop> {
        let job = RenderJob {
            wish: sheet.wish.clone(),
            source_bytes: sheet.source.size_bytes(),
            limits: self.limits,
        };
        let (sender, events) = mpsc::channel(RENDITIONS_AHEAD);
        let (desk, source) = (self.desk, sheet.source.ranges());
        let render = async { Ok(desk.renderers.render(renderer, job, source, sender).await?) };
        let (outcome, ()) = tokio::try_join!(render, self.keep(sheet.page, events))?;
        match &outcome {
            Outcome::Rendered(rendered) => {
                self.render_ms = self.render_ms.saturating_add(rendered.wall_ms);
                self.findings.add(rendered.metadata.clone(), rendered.engines.clone());
            }
            Outcome::HandedOver(handed) => {
                self.render_ms = self.render_ms.saturating_add(handed.wall_ms);
                self.findings.add(handed.metadata.clone(), handed.engines.clone());
            }
        }
        Ok(outcome)
    }

    /// Does what each event asks for, several at once, and records it in their order.
    async fn keep(
        &mut self,
        page: Option<u32>,
        mut events: mpsc::Receiver<RenderEvent>,
    ) -> Result<(), Stop> {
        let task = Task {
            desk: self.desk,
            shelf: self.shelf,
            limits: &self.limits,
            languages: self.wish.options.languages.iter().map(|l| l.as_str().to_owned()).collect(),
            page,
        };
        let mut kept = stream::poll_fn(|context| events.poll_recv(context))
            .map(|event| task.handle(event))
            .buffered(self.desk.uploads.max(1));
        while let Some(kept) = kept.try_next().await? {
            match kept {
                Kept::Sniffed(sniffed) => {
                    let Some(fetched) = self.fetched.take() else { continue };
                    let (media_type, encoding) = (sniffed.media_type, sniffed.encoding);
                    let mismatch = self.claims.against(&media_type);
                    let fetched = Fetched { media_type, encoding, mismatch, ..fetched };
                    let act =
                        self.lease.act(|state, who| job::fetched(state, who, fetched.clone()));
                    act.await?;
                }
                Kept::Pages => {}
                Kept::Stored(artifact) => {
                    self.traces.count(artifact.size_bytes);
                    let act =
                        self.lease.act(|state, who| job::stored(state, who, (*artifact).clone()));
                    act.await?;
                    self.artifacts += 1;
                    let progress = Progress::Storing { artifacts: self.artifacts };
                    self.desk.report(&self.lease.id, progress).await;
                }
                Kept::Read { page, bytes, text } => {
                    self.traces.count(bytes);
                    let workshop = self.desk.workshop.as_ref();
                    self.findings.used(workshop.and_then(|found| found.engine(Name::Ocr)));
                    self.findings.read(page, text);
                }
            }
        }
        Ok(())
    }
}

/// What a renderer said, once what had to be done about it is done.
enum Kept {
    Sniffed(enclave::Sniffed),
    Pages,
    Stored(Box<job::Artifact>),
    Read { page: u32, bytes: u64, text: enclave::hosted::Recognised },
}

/// What doing needs.
struct Task<'a> {
    desk: &'a Desk,
    shelf: &'a Shelf,
    limits: &'a Limits,
    languages: Vec<String>,
    page: Option<u32>,
}

impl Task<'_> {
    async fn handle(&self, event: RenderEvent) -> Result<Kept, Stop> {
        Ok(match event {
            RenderEvent::Sniffed(sniffed) => Kept::Sniffed(sniffed),
            RenderEvent::Pages { .. } => Kept::Pages,
            RenderEvent::Artifact(mut made) => {
                made.page = self.page.unwrap_or(made.page);
                Kept::Stored(Box::new(self.shelf.put(&self.desk.custody, made).await?))
            }
            RenderEvent::PageToRead(to_read) => {
                let workshop = workshop(self.desk, Name::Ocr)?;
                let text = workshop.ocr(to_read.file, &self.languages, self.limits).await?;
                let page = self.page.unwrap_or(to_read.page);
                Kept::Read { page, bytes: to_read.bytes, text }
            }
        })
    }
}

/// The workshop, if that program is in it.
///
/// # Errors
/// `capability_missing`, with the name.
pub(crate) fn workshop(desk: &Desk, name: Name) -> Result<&Workshop, Stop> {
    let found = desk.workshop.as_ref().filter(|workshop| workshop.has(name));
    found.ok_or_else(|| HostedError::Missing { capability: name }.into())
}

/// The last page that is asked for, of however many there are.
fn last_page(pages: &Pages) -> Option<u32> {
    pages.of(u32::MAX).into_iter().max()
}

fn in_a_circle() -> Stop {
    Stop::failed(FailureCode::RendererCrashed, "the renderers hand the job round in a circle")
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_after_the_last_one_asked_for_is_made() {
        let most = Some(domain::wish::MAX_PAGES);
        for (text, last) in [("1", Some(1)), ("2-4", Some(4)), ("7,3", Some(7)), ("all", most)] {
            assert_eq!(last_page(&Pages::parse(text).unwrap()), last, "{text}");
        }
    }
}
