//! Draws a file without walls around it, again and again, and says what that took: for looking at
//! renditions and for measuring.
//!
//!     draw FILE FORMAT SIZES TIMES FOLDER
//!     draw photo.jpg jpg 1920,640,256 10 /tmp

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::limits::Limits;
use domain::size::Size;
use domain::wish::{Format, PreviewWish};
use stills::{Easel, Made, Sink, Source, draw};

struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

struct Folder(PathBuf);

impl Sink for Folder {
    fn pages(&mut self, _total: u32) -> io::Result<()> {
        Ok(())
    }

    fn artifact(&mut self, made: &Made<'_>) -> io::Result<()> {
        let name = format!("{}-{}.{}", made.page, made.dimensions.0, made.format.extension());
        std::fs::write(self.0.join(name), made.bytes)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, format, sizes, times, folder] = arguments.as_slice() else {
        return Err("draw FILE FORMAT SIZES TIMES FOLDER".into());
    };
    let sizes: Result<Vec<Size>, _> =
        sizes.split(',').map(|size| Size::parse(&serde_json::Value::from(size))).collect();
    let wish =
        PreviewWish { sizes: sizes?, format: Format::parse(format), ..PreviewWish::default() };
    let mut source = Bytes(std::fs::read(Path::new(file))?);
    let filetype = filetype::sniff(&source.0);
    let times: u32 = times.parse()?;
    let limits = Limits::default();
    let begun = cpu_seconds()?;
    let mut took = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        let mut sink = Folder(PathBuf::from(folder));
        let drawn = draw(&filetype, &mut source, Easel::new(&wish, &limits, &mut sink))?;
        took.push(began.elapsed());
        if times == 1 {
            println!("{drawn:#?}");
        }
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let each = (cpu_seconds()? - begun) / f64::from(times.max(1));
    println!("{} {each:.4} CPU s each, {:.1} MiB at most", filetype.media_type, peak_mib()?);
    println!("median {:.3} ms", median.as_secs_f64() * 1e3);
    Ok(())
}

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let schedule = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = schedule.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak.unwrap_or_default().trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
