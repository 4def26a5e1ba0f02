//! `darkroom-renderer-av`: the renderer with the libraries for film, sound, HEIC and AVIF. Started
//! by a worker, never by hand.

mod needless;

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

    fn needless(&self) -> &'static [&'static str] {
        needless::NEEDLESS
    }

    fn for_practice(&self) -> Vec<Vec<u8>> {
        vec![beep()]
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

/// A tenth of a second of sound as a WAV: one channel, 8,000 samples a second, 16 bits each.
fn beep() -> Vec<u8> {
    const RATE: u32 = 8_000;
    const SAMPLES: u32 = RATE / 10;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + SAMPLES * 2).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    for word in [1, 1] {
        wav.extend(u16::to_le_bytes(word));
    }
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    for word in [2, 16] {
        wav.extend(u16::to_le_bytes(word));
    }
    wav.extend(b"data");
    wav.extend((SAMPLES * 2).to_le_bytes());
    wav.extend((0..SAMPLES).flat_map(|at| ((at % 16) as u16 * 1_024).to_le_bytes()));
    wav
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    renderer::run(&words, &Av)
}
