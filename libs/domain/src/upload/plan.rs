//! How a file is cut into parts, within what S3 allows.

/// Smallest part but the last, in bytes.
pub const MIN_PART_BYTES: u64 = 5 << 20;
/// Largest part, in bytes.
pub const MAX_PART_BYTES: u64 = 5 << 30;
/// Most parts of a file.
pub const MAX_PARTS: u64 = 10_000;
/// Largest file, in bytes.
pub const MAX_UPLOAD_BYTES: u64 = 5 << 40;
/// Size of a part unless told otherwise, in bytes; larger where there would be too many.
const PART_BYTES: u64 = 16 << 20;

/// Why a file cannot be cut like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// Nothing to send, or more than S3 takes.
    #[error("a file has 1 to {MAX_UPLOAD_BYTES} bytes")]
    Size,
    /// No part can have this size.
    #[error("a part has {MIN_PART_BYTES} to {MAX_PART_BYTES} bytes")]
    Part,
    /// Too many parts.
    #[error("a file has at most {MAX_PARTS} parts: for this one, use parts of {0} bytes or more")]
    TooMany(u64),
}

/// A file's parts, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Bytes of each part but the last.
    pub part_bytes: u64,
}

impl Plan {
    /// Cuts a file into parts of this size, or of a usual one.
    ///
    /// # Errors
    /// [`InvalidPlan`] where S3 would refuse.
    pub fn new(size_bytes: u64, part_bytes: Option<u64>) -> Result<Self, InvalidPlan> {
        if !(1..=MAX_UPLOAD_BYTES).contains(&size_bytes) {
            return Err(InvalidPlan::Size);
        }
        let least = size_bytes.div_ceil(MAX_PARTS).next_multiple_of(1 << 20);
        let part_bytes = part_bytes.unwrap_or_else(|| least.max(PART_BYTES));
        if !(MIN_PART_BYTES..=MAX_PART_BYTES).contains(&part_bytes) {
            return Err(InvalidPlan::Part);
        }
        let plan = Self { size_bytes, part_bytes };
        if plan.count() > MAX_PARTS { Err(InvalidPlan::TooMany(least)) } else { Ok(plan) }
    }

    /// How many parts there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.size_bytes.div_ceil(self.part_bytes)
    }

    /// Where a part begins in the file and how many bytes it has, if there is one of this number.
    #[must_use]
    pub fn part(&self, number: u64) -> Option<(u64, u64)> {
        let offset = number.checked_sub(1)?.checked_mul(self.part_bytes)?;
        let rest = self.size_bytes.checked_sub(offset).filter(|rest| *rest > 0)?;
        Some((offset, rest.min(self.part_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_one_part_and_every_part_is_one_that_s3_takes() {
        for size_bytes in [1, MIN_PART_BYTES, PART_BYTES, PART_BYTES + 1, 5 << 30, MAX_UPLOAD_BYTES]
        {
            let plan = Plan::new(size_bytes, None).unwrap();
            let mut next = 0;
            for number in 1..=plan.count() {
                let (offset, length) = plan.part(number).unwrap();
                assert_eq!(offset, next, "{size_bytes}");
                assert!(length == plan.part_bytes || number == plan.count(), "{size_bytes}");
                next += length;
            }
            assert_eq!(next, size_bytes);
            assert!(plan.count() <= MAX_PARTS);
            assert_eq!((plan.part(0), plan.part(plan.count() + 1)), (None, None));
        }
    }

    #[test]
    fn what_s3_would_refuse_is_refused_with_the_remedy() {
        assert_eq!(Plan::new(0, None), Err(InvalidPlan::Size));
        assert_eq!(Plan::new(MAX_UPLOAD_BYTES + 1, None), Err(InvalidPlan::Size));
        assert_eq!(Plan::new(9, Some(MIN_PART_BYTES - 1)), Err(InvalidPlan::Part));
        assert_eq!(Plan::new(9, Some(MAX_PART_BYTES + 1)), Err(InvalidPlan::Part));
        let many = Plan::new(1 << 40, Some(MIN_PART_BYTES)).unwrap_err();
        let InvalidPlan::TooMany(least) = many else { panic!("{many}") };
        assert!(Plan::new(1 << 40, Some(least)).is_ok());
    }
}
