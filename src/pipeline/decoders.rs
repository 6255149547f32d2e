//! The threads that decode: they take what time is left. Reading may be late by a moment, a scrape may not.
//!
//! A pool of its own, because a thread that has stepped back cannot come forward again without privileges. Linux knows
//! niceness by thread; elsewhere these threads are like all others.

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::limits;

/// The pool. Ends with the pipeline, and does not wait for what is being decoded.
#[derive(Debug)]
pub(super) struct Decoders(Option<Runtime>);

impl Decoders {
    /// Threads come and go with the work, which the slots of the pipeline bound.
    pub(super) fn new() -> Self {
        let threads = usize::try_from(*limits::CONCURRENCY.end()).unwrap_or(usize::MAX);
        let runtime = Builder::new_current_thread()
            .thread_name("decode")
            .max_blocking_threads(threads)
            .on_thread_start(step_back)
            .build()
            .expect("without I/O and timers it asks nothing of the system");
        Self(Some(runtime))
    }

    /// Decodes one object.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.as_ref().expect("it is there until it is dropped").spawn_blocking(work)
    }
}

impl Drop for Decoders {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn step_back() {
    // Where it is not allowed, all threads are alike.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(limits::DECODE_NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_who_decodes_steps_back() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let ours = niceness();
        let decoders = Decoders::new();
        let theirs = decoders.spawn(niceness).await.unwrap();
        assert_eq!(theirs, (ours + limits::DECODE_NICENESS).min(19));
        assert_eq!(niceness(), ours);
        assert_eq!(tokio::task::spawn_blocking(niceness).await.unwrap(), ours);
        // In an asynchronous context, where a runtime must not be waited for.
        drop(decoders);
    }
}
