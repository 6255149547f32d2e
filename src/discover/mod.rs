//! (in work)
pub mod layout;
pub mod window;
