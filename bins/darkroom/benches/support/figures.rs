//! Pairs of measurements, and the lines that every benchmark ends with.

#![allow(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

use std::time::Duration;

/// One figure of ours beside the same of a peer, measured in turn.
pub struct Figure {
    name: String,
    pairs: Vec<(f64, f64)>,
}

impl Figure {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), pairs: Vec::new() }
    }

    /// Adds one pair and shows it.
    pub fn add(&mut self, ours: f64, peer: f64) {
        let ratio = ours / peer;
        println!("  {:<24} ours {} peer {} ratio {ratio:.2}", self.name, short(ours), short(peer));
        self.pairs.push((ours, peer));
    }

    /// Prints the medians: of ours, of the peer's, and of the ratios pair by pair.
    pub fn conclude(&self) {
        let ours = median(self.pairs.iter().map(|(ours, _)| *ours));
        let peer = median(self.pairs.iter().map(|(_, peer)| *peer));
        let ratio = median(self.pairs.iter().map(|(ours, peer)| ours / peer));
        println!("{} ours={} peer={} ratio={ratio:.2}", self.name, short(ours), short(peer));
    }
}

/// Figures by name, in the order in which they first came up.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    pub fn add(&mut self, name: &str, ours: f64, peer: f64) {
        if let Some(figure) = self.0.iter_mut().find(|figure| figure.name == name) {
            figure.add(ours, peer);
        } else {
            let mut figure = Figure::new(name);
            figure.add(ours, peer);
            self.0.push(figure);
        }
    }

    /// The closing lines.
    pub fn conclude(&self) {
        println!();
        self.0.iter().for_each(Figure::conclude);
    }
}

/// How long each of many took.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(all: T) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable();
        Self(all)
    }
}

impl Latencies {
    /// Milliseconds that `share` of them took at most.
    pub fn ms(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a list that fits into memory"
        )]
        let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(below), Some(above)) if values.len().is_multiple_of(2) => {
            f64::midpoint(*below, *above)
        }
        (_, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

/// How many a second.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
pub fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Says how busy the machine is, so that a reader knows what to think of the numbers.
pub fn show_load(what: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(2).collect();
    println!("{what} (load average {})", load.join(" "));
}

pub fn say(line: &str) {
    println!("{line}");
}

fn short(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { 3 };
    format!("{value:.digits$}")
}
