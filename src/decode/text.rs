//! Gzip text, recognised and not read: a door.

use super::{DecodeError, refuse};
use crate::model::QuarantineReason;

/// What a gzip file begins with.
pub const MAGIC: &[u8] = &[0x1f, 0x8b];

/// Refuses a gzip object.
pub(super) fn open() -> DecodeError {
    refuse(QuarantineReason::Format, "gzip text is not read by this version")
}
