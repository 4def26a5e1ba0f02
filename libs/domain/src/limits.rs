//! What one job may use. Every number has a name, a unit and a default.

use serde::{Deserialize, Serialize};

/// Limits of a job, settable per installation and later per account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest source, in bytes.
    pub source_bytes: u64,
    /// Longest fetch of a source, in milliseconds.
    pub fetch_ms: u64,
    /// Most pixels of one decoded picture.
    pub pixels: u64,
    /// Most bytes of all artifacts together.
    pub output_bytes: u64,
    /// Most artifacts.
    pub artifacts: u32,
    /// Address space of the renderer, in bytes.
    pub renderer_memory_bytes: u64,
    /// CPU time of the renderer, in milliseconds.
    pub renderer_cpu_ms: u64,
    /// Wall-clock time of the renderer, in milliseconds.
    pub renderer_wall_ms: u64,
    /// Most pages drawn of one file.
    pub pages: u32,
    /// Most frames decoded of one film or moving picture.
    pub frames: u32,
    /// Most pixels of all frames decoded of one film or moving picture together.
    pub frame_pixels: u64,
    /// Longest film or sound that is looked at, in milliseconds.
    pub duration_ms: u64,
    /// Most entries of an archive that are looked at.
    pub entries: u32,
    /// Most bytes that the parts of a compressed file may expand to, together.
    pub expanded_bytes: u64,
    /// Deepest nesting: archives in archives, groups in drawings, parts in messages.
    pub nesting: u32,
    /// Memory of a hosted program (office, ocr, browser), in bytes.
    pub hosted_memory_bytes: u64,
    /// CPU time of a hosted program, in milliseconds.
    pub hosted_cpu_ms: u64,
    /// Wall-clock time of a hosted program, in milliseconds.
    pub hosted_wall_ms: u64,
    /// Largest metadata, in bytes of JSON. It travels in one event, sealed, which makes it a third
    /// larger; an event has at most 256 KiB.
    pub metadata_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 2 << 30,
            fetch_ms: 600_000,
            pixels: 100_000_000,
            output_bytes: 512 << 20,
            artifacts: 4_096,
            renderer_memory_bytes: 1_536 << 20,
            renderer_cpu_ms: 60_000,
            renderer_wall_ms: 60_000,
            pages: 1_000,
            frames: 20_000,
            frame_pixels: 40_000_000_000,
            duration_ms: 48 * 3_600_000,
            entries: 10_000,
            expanded_bytes: 1 << 30,
            nesting: 32,
            hosted_memory_bytes: 2 << 30,
            hosted_cpu_ms: 120_000,
            hosted_wall_ms: 120_000,
            metadata_bytes: 128 << 10,
        }
    }
}
