//! `darkroom-renderer-av`: the renderer with the libraries for film, sound, HEIC and AVIF. Started
//! by a worker, never by hand.

use std::process::ExitCode;

use filetype::Filetype;
use renderer::{Drawing, Fonts, Studio, draw_here};
use stills::{Easel, Error, Source};

#[global_allocator]
static ALLOCATOR: renderer::memory::Limited = renderer::memory::Limited;

/// All that the light renderer draws, and what that one hands over.
struct Av;

impl Studio for Av {
    fn prepare(&self) {
        av::prepare();
    }

    fn draw(
        &self,
        filetype: &Filetype,
        source: &mut dyn Source,
        easel: Easel<'_>,
        fonts: Fonts<'_>,
    ) -> Result<Drawing, Error> {
        let easel = easel.with_avif(av::encode_avif);
        if av::draws(filetype.kind) {
            av::draw(filetype, source, easel).map(Drawing::Drawn)
        } else {
            draw_here(filetype, source, easel, fonts)
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    renderer::run(&words, &Av)
}
