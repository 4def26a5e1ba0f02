//! A whole job on a film or a sound: open, look, draw, tell.

use domain::limits::Limits;
use domain::wish::{Extra, MetadataKind, PreviewWish};
use filetype::Filetype;
use serde_json::Map;
use stills::{Drawn, Easel, Error, Source};

use crate::ff::{Demuxer, FORM_BYTES, Input, Medium};
use crate::film::{self, Film};
use crate::page::FramePage;
use crate::{ff, index, metadata, moving, poster, sheet, sound};

/// Draws a film or a sound.
///
/// # Errors
/// [`Error`], with the failure code of the job.
pub(crate) fn draw(
    filetype: &Filetype,
    source: &mut dyn Source,
    mut easel: Easel<'_>,
) -> Result<Drawn, Error> {
    let limits = *easel.limits();
    let unsupported = || Error::Unsupported { what: filetype.media_type.to_owned() };
    let mut head = [0; FORM_BYTES];
    let count = source.read_at(0, &mut head).map_err(Error::Source)?;
    let head = head.get(..count).unwrap_or_default();
    let demuxer = Demuxer::of(filetype, head).ok_or_else(unsupported)?;
    if demuxer.name() == "mov" {
        index::check(source, &limits)?;
    }
    let mut input = Input::open(source, demuxer, &limits)?;
    let is_told = is_told(easel.wish());
    input.look(is_told, &limits)?;
    if input.streams().any(|stream| stream.is_encrypted()) {
        return Err(Error::Encrypted);
    }
    easel.used(ff::engine());
    let has_film = film::stream(&input).is_some();
    let has_sound = input.streams().any(|stream| stream.medium() == Medium::Audio);
    match (has_film, has_sound) {
        (true, _) => draw_film(&mut input, &mut easel, &limits)?,
        (false, true) => sound::draw(&mut input, &mut easel, &limits)?,
        (false, false) => return Err(Error::corrupt("neither film nor sound")),
    }
    if has_film && has_sound && easel.wish().options.extras.contains(&Extra::Peaks) {
        sound::peaks(&mut input, &mut easel, &limits)?;
    }
    let mut found = Map::new();
    if is_told {
        sound::learn(&mut input, &limits)?;
        let name = MetadataKind::Multimedia.name().to_owned();
        found.insert(name, metadata::multimedia(&input, &limits));
    }
    Ok(Drawn { metadata: found, engines: easel.done() })
}

fn draw_film(input: &mut Input<'_>, easel: &mut Easel<'_>, limits: &Limits) -> Result<(), Error> {
    let wish = easel.wish();
    let moments = &wish.options.at;
    let total = u32::try_from(moments.len().max(1)).unwrap_or(u32::MAX);
    let pages = easel.open(total)?;
    let draws = wish.draws_pages();
    if !draws && is_told(wish) {
        learn(input, limits)?;
    }
    if !draws && wish.options.extras.is_empty() {
        return Ok(());
    }
    let mut film = Film::open(input, limits)?;
    film.drawn_at(largest(wish, film.seen()));
    for number in pages.into_iter().filter(|_| draws) {
        let frame = match moments.get(number as usize - 1) {
            None => poster::choose(&mut film)?,
            Some(moment) => film
                .frame_at(moment.of(film.length_ms))?
                .ok_or_else(|| Error::corrupt("no frame can be decoded there"))?,
        };
        easel.page(number, &mut FramePage { frame: &frame, look: film.look })?;
    }
    if draws {
        film.teach();
    }
    // Frames of these are small.
    film.drawn_at((1, 1));
    for extra in &wish.options.extras {
        match extra {
            Extra::ContactSheet => sheet::contact_sheet(&mut film, easel)?,
            Extra::Storyboard => sheet::storyboard(&mut film, easel)?,
            Extra::Animation => moving::animation(&mut film, easel)?,
            Extra::Clip => moving::clip(&mut film, easel, limits)?,
            Extra::Peaks | Extra::Layers => {}
        }
    }
    Ok(())
}

fn is_told(wish: &PreviewWish) -> bool {
    wish.metadata.contains(&MetadataKind::Multimedia)
}

/// Lets what the film's decoder says of it be known: its pixel format and profile. A frame is decoded
/// only where headers do not tell, and what cannot be decoded is told as the header has it.
fn learn(input: &mut Input<'_>, limits: &Limits) -> Result<(), Error> {
    if let Ok(mut film) = Film::of_headers(input, limits) {
        match film.read_headers() {
            Ok(true) => {
                film.teach();
                return Ok(());
            }
            Err(error @ Error::Source(_)) => return Err(error),
            Ok(false) | Err(_) => {}
        }
    }
    let Ok(mut film) = Film::open(input, limits) else { return Ok(()) };
    film.drawn_at((1, 1));
    match film.key_frame(0) {
        Ok(Some(_)) => film.teach(),
        Err(error @ Error::Source(_)) => return Err(error),
        Ok(None) | Err(_) => {}
    }
    Ok(())
}

/// The least that a frame must be decoded to for every size asked for.
fn largest(wish: &PreviewWish, seen: (u32, u32)) -> (u32, u32) {
    let crop = wish.options.crop;
    wish.sizes.iter().map(|size| size.shape(seen.0, seen.1, crop)).fold((0, 0), |most, shape| {
        let scaled = |whole: u32, shown: u32, to: u32| {
            u32::try_from(u64::from(whole) * u64::from(to) / u64::from(shown.max(1)))
                .unwrap_or(u32::MAX)
        };
        (
            most.0.max(scaled(seen.0, shape.shown.0, shape.to.0)),
            most.1.max(scaled(seen.1, shape.shown.1, shape.to.1)),
        )
    })
}
