//! Where somebody stands in the histories that they follow: `JOBS:123,DELIVERIES:45`.

use std::fmt;

use readmodel::Stream;

use crate::{app, problem::Problem};

/// From where on events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// From the first.
    Beginning,
    /// What happens from now on.
    Now,
    /// After these.
    After(Cursor),
}

/// The last sequence of each stream that was told, in the order of [`Stream::ALL`]; 0 where none was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor([Option<u64>; Stream::ALL.len()]);

impl Start {
    /// Reads what a client kept of an event, or a word.
    pub(super) fn read(field: &'static str, text: &str) -> Result<Self, Problem> {
        match text {
            "start" => Ok(Self::Beginning),
            "now" => Ok(Self::Now),
            cursor => Cursor::parse(cursor).map(Self::After).ok_or_else(|| Problem::FieldInvalid {
                field,
                message: "This must be the `cursor` of an event that came before, such as JOBS:123,UPLOADS:45; or start, or now.".to_owned(),
            }),
        }
    }
}

impl Cursor {
    /// Reads what [`Cursor`] displays. A stream that is not named begins with its first event.
    fn parse(text: &str) -> Option<Self> {
        let mut cursor = Self::default();
        for part in text.split(',') {
            let (name, seq) = part.split_once(':')?;
            let stream = Stream::ALL.into_iter().find(|stream| app::name(*stream) == name)?;
            let digits = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
            let place = cursor.place(stream).filter(|place| place.is_none() && digits)?;
            *place = Some(seq.parse().ok()?);
        }
        Some(cursor)
    }

    fn place(&mut self, stream: Stream) -> Option<&mut Option<u64>> {
        let index = Stream::ALL.iter().position(|known| *known == stream)?;
        self.0.get_mut(index)
    }

    /// The last sequence of `stream` that was told.
    pub(super) fn of(mut self, stream: Stream) -> u64 {
        self.place(stream).and_then(|place| *place).unwrap_or(0)
    }

    /// Notes that everything wanted of `stream` up to `seq` was told.
    pub(super) fn set(&mut self, stream: Stream, seq: u64) {
        if let Some(place) = self.place(stream) {
            *place = Some(seq);
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (stream, seq) in Stream::ALL.into_iter().zip(self.0) {
            if let Some(seq) = seq {
                write!(f, "{comma}{}:{seq}", app::name(stream))?;
                comma = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut cursor = Cursor::default();
        cursor.set(Stream::Jobs, 123);
        cursor.set(Stream::Deliveries, 0);
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text), Some(cursor), "{text}");
        assert_eq!((cursor.of(Stream::Jobs), cursor.of(Stream::Members)), (123, 0));
        assert_eq!(Start::read("after", "start"), Ok(Start::Beginning));
        for odd in [
            "",
            "7",
            "JOBS",
            "JOBS:",
            "JOBS:-1",
            "JOBS:1,",
            "WORK:1",
            "JOBS:1,JOBS:2",
            "jobs:1",
            "JOBS:99999999999999999999",
        ] {
            assert!(Start::read("after", odd).is_err(), "{odd}");
        }
    }
}
