//! An observer that remembers.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::{Arc, Mutex};

use flowcost_exporter::{
    event::{Event, Observer},
    store::{FailureReason, Operation},
};

/// Keeps every event it is told of.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// To be handed to what is tested.
    pub(crate) fn observer(&self) -> Observer {
        let events = Arc::clone(&self.0);
        Arc::new(move |event| events.lock().unwrap().push(event.clone()))
    }

    /// Everything so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The store requests so far, with how they ended.
    pub(crate) fn store_requests(&self) -> Vec<(Operation, Option<FailureReason>)> {
        let request = |event| match event {
            Event::StoreRequest { operation, failure, .. } => Some((operation, failure)),
            _ => None,
        };
        self.events().into_iter().filter_map(request).collect()
    }
}
