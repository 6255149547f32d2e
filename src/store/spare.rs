//! Memory of objects and their parts, for the next ones: the system does not have to find and clear it again each time.
//!
//! Invariant: nothing is kept of which nothing is in use, so an idle process keeps nothing.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::limits;

/// What is there to be used again.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Weak<Shelf>>);

/// Lives as long as a buffer that came from it.
#[derive(Debug, Default)]
struct Shelf(Mutex<Vec<Vec<u8>>>);

/// A buffer that goes back when nobody reads it any more.
#[derive(Debug)]
pub(super) struct Lent {
    bytes: Vec<u8>,
    shelf: Arc<Shelf>,
}

impl Spare {
    /// An empty buffer with room for so many bytes.
    pub(super) fn lend(&self, size: usize) -> Lent {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = last.upgrade().unwrap_or_default();
        *last = Arc::downgrade(&shelf);
        drop(last);
        let mut buffers = shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            buffers.iter().position(|buffer| buffer.capacity() >= size && buffer.capacity() / 4 <= size);
        let bytes = fits.map(|at| buffers.swap_remove(at));
        drop(buffers);
        // Parts of an object are of nearly the same size. Little is not worth keeping.
        let step = if size < limits::SPARE_STEP_BYTES { 1 } else { limits::SPARE_STEP_BYTES };
        let bytes = bytes.unwrap_or_else(|| Vec::with_capacity(size.next_multiple_of(step)));
        Lent { bytes, shelf }
    }
}

impl Lent {
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if !(limits::SPARE_STEP_BYTES..=limits::SPARE_BYTES).contains(&bytes.capacity()) {
            return;
        }
        bytes.clear();
        let mut buffers = self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.push(bytes);
        if buffers.len() > limits::SPARE_BUFFERS {
            // The larger, the more it takes to have one anew.
            let smallest = (0..buffers.len()).min_by_key(|at| buffers[*at].capacity());
            smallest.map(|at| buffers.swap_remove(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(spare: &Spare, size: usize, with: u8) -> Bytes {
        let mut lent = spare.lend(size);
        assert!(lent.bytes().is_empty() && lent.bytes().capacity() >= size);
        lent.bytes().resize(size, with);
        lent.freeze()
    }

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let spare = Spare::default();
        let kept = filled(&spare, 100, 1);
        let first = filled(&spare, 1_000_000, 2);
        let part = first.slice(10..20);
        let place = first.as_ptr();
        drop(first);
        let second = filled(&spare, 1_000_000, 3);
        assert_ne!(second.as_ptr(), place, "a part of it is still read");
        assert_eq!(part[..], [2; 10]);
        drop(part);
        let third = filled(&spare, 999_000, 4);
        assert_eq!(third.as_ptr(), place);
        assert!(kept.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 3));
        assert!(third.len() == 999_000 && third.iter().all(|byte| *byte == 4));
        drop(third);
        let small = filled(&spare, 100, 5);
        assert_ne!(small.as_ptr(), place, "not for a few bytes");
    }

    #[test]
    fn little_is_kept_and_nothing_when_nothing_is_in_use() {
        let spare = Spare::default();
        let on_shelf = || {
            let shelf = spare.0.lock().unwrap().upgrade();
            shelf.map(|shelf| shelf.0.lock().unwrap().len())
        };
        let in_use = filled(&spare, 1, 0);
        let many: Vec<Bytes> = (0..10).map(|_| filled(&spare, 100_000, 0)).collect();
        drop(many);
        assert_eq!(on_shelf(), Some(limits::SPARE_BUFFERS));
        let large = filled(&spare, 1_000_000, 0);
        let place = large.as_ptr();
        drop(large);
        assert_eq!(on_shelf(), Some(limits::SPARE_BUFFERS));
        assert_eq!(filled(&spare, 1_000_000, 0).as_ptr(), place, "in the place of a smaller one");
        drop(in_use);
        assert_eq!(on_shelf(), None);
        let in_use = filled(&spare, 1, 0);
        for size in [0, 1, limits::SPARE_STEP_BYTES - 1, limits::SPARE_BYTES + 1] {
            drop(filled(&spare, size, 0));
            assert_eq!(on_shelf(), Some(0), "{size}");
        }
        drop(in_use);
    }
}
