//! Panics over other people's data: caught, and told of once, by whoever sets the data aside.
//!
//! A panic hook runs before a panic is caught and cannot know that it will be. Here it can ask: of a panic inside
//! [`caught`] it is to say nothing.

use std::{
    any::Any,
    cell::RefCell,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
};

thread_local! {
    /// Inside [`caught`], with the place of the last panic.
    static WATCHED: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// What it says.
    pub message: String,
    /// Crate, file and line, where the hook has asked [`is_caught`].
    pub place: Option<String>,
}

impl Caught {
    /// A panic by what was thrown.
    pub fn of(panic: &(dyn Any + Send)) -> Self {
        let message = panic.downcast_ref::<&str>().copied();
        let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { message: message.unwrap_or("without a message").to_owned(), place: None }
    }
}

/// Does something that may panic, and must leave nothing half done when it does.
///
/// # Errors
/// When it panicked.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    let around = WATCHED.replace(Some(None));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let place = WATCHED.replace(around).flatten();
    result.map_err(|panic| Caught { place, ..Caught::of(&*panic) })
}

/// For the panic hook: whether a panic of this thread will be caught by [`caught`], which is told of its place.
pub fn is_caught(info: &PanicHookInfo<'_>) -> bool {
    let note = |watched: &RefCell<Option<Option<String>>>| {
        let mut watched = watched.borrow_mut();
        watched.as_mut().map(|last| *last = place(info)).is_some()
    };
    // A thread that ends has none any more.
    WATCHED.try_with(note).unwrap_or(false)
}

/// Crate, file and line of a panic.
pub fn place(info: &PanicHookInfo<'_>) -> Option<String> {
    info.location().map(|location| format!("{}:{}", without_registry(location.file()), location.line()))
}

/// A path that begins with the crate, not with where the machine that built this kept it.
fn without_registry(file: &str) -> &str {
    let in_registry = file.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    in_registry.map_or(file, |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_value() {
        assert_eq!(caught(|| 5), Ok(5));
        let message = |work: fn()| caught(work).unwrap_err().message;
        assert_eq!(message(|| panic!("at {}", 7)), "at 7");
        assert_eq!(message(|| panic!("at once")), "at once");
        assert_eq!(message(|| panic::panic_any(7)), "without a message");
        assert_eq!(WATCHED.take(), None, "nothing is watched afterwards");
    }

    #[test]
    fn a_place_has_no_folders_of_a_machine() {
        for (file, short) in [
            ("/home/user/.cargo/registry/src/registry-0123/snap-1.1.2/src/a.rs", "snap-1.1.2/src/a.rs"),
            ("src/decode/mod.rs", "src/decode/mod.rs"),
            ("/rustc/0123/library/core/src/slice/index.rs", "/rustc/0123/library/core/src/slice/index.rs"),
        ] {
            assert_eq!(without_registry(file), short);
        }
    }
}
