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

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::{
        ops::Range,
        sync::{Arc, Mutex},
    };

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::{
        decode::Parts as _,
        fetch::fetch_or_begin,
        model::{Listed, ObjectId},
        store::{ListRequest, ObjectStore, Page, StoreError},
    };

    /// Zeros, read by a thread of the blocking pool whose niceness is noted.
    #[derive(Default)]
    struct Zeros(Mutex<Vec<i32>>);

    #[async_trait]
    impl ObjectStore for Zeros {
        async fn list(&self, _: ListRequest<'_>) -> Result<Page, StoreError> {
            unreachable!("nobody lists")
        }

        async fn get(&self, object: &Listed, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
            let niceness = || rustix::process::getpriority_process(None).unwrap();
            self.0.lock().unwrap().push(niceness());
            let range = range.unwrap_or(0..object.size);
            let read = move || (niceness(), vec![0; (range.end - range.start) as usize].into());
            let (niceness, bytes) = tokio::task::spawn_blocking(read).await.unwrap();
            self.0.lock().unwrap().push(niceness);
            Ok(bytes)
        }
    }

    #[test]
    fn whoever_reads_for_a_decoder_does_not_step_back() {
        let ours = rustix::process::getpriority_process(None).unwrap();
        let main = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        main.block_on(async {
            let zeros = Arc::new(Zeros::default());
            let store: Arc<dyn ObjectStore> = zeros.clone();
            let id = ObjectId { bucket: "s3://bucket".into(), key: "key".to_owned() };
            let listed = Listed { id, size: 64 << 20, version: None };
            let parts = fetch_or_begin(&store, &listed, u64::MAX).await.unwrap().parts.unwrap();
            let decoding = Decoders::new().spawn(move || {
                let part = |at: u64| at << 20..(at + 1) << 20;
                // More at a time than there are threads so far.
                parts.expect(&[part(1), part(2), part(3)]);
                assert!([0, 1, 2, 3].into_iter().all(|at| parts.get(part(at)).is_some()));
            });
            decoding.await.unwrap();
            let seen = zeros.0.lock().unwrap();
            assert_eq!(*seen, vec![ours; seen.len()]);
            assert_eq!(seen.len(), 2 * 5);
        });
    }

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
