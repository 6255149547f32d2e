//! Keys that look like flow logs and are not read: counted at every full scan, said now and then.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::Source;
use crate::{
    discover::window::Window,
    event::Event,
    limits,
    model::{IgnoredKey, IgnoredKeys},
    pipeline::Context,
};

/// When it was last said of a source that something is not read; without a reason, that nothing is.
#[derive(Debug, Default)]
pub(super) struct Unread(BTreeMap<Option<IgnoredKey>, Duration>);

impl Unread {
    /// Whether it is time to say it.
    fn is_due(&mut self, what: Option<IgnoredKey>, now: Duration) -> bool {
        let due = self.0.get(&what).is_none_or(|last| now.saturating_sub(*last) >= limits::UNREAD_EVERY);
        if due {
            self.0.insert(what, now);
        }
        due
    }
}

impl Source {
    /// Tells of what a full scan has left alone. Folders of layouts that are not read are looked into as well; where that
    /// fails, the scan is complete all the same, and the next one looks again.
    pub(super) async fn tell_unread(&mut self, context: &Context, open: Window, mut keys: IgnoredKeys) {
        let _ = self.logs.discovery.look_elsewhere(open, &mut keys).await;
        let (now, source) = (context.clock.elapsed(), self.name.clone());
        let layout: Arc<str> = Arc::from(self.logs.discovery.spec().layout.as_str());
        for reason in IgnoredKey::ALL.into_iter().filter(|kind| kind.looks_like_a_flow_log()) {
            let Some(example) = keys.example(reason) else { continue };
            if self.unread.is_due(Some(reason), now) {
                let (source, layout, example) = (source.clone(), layout.clone(), example.to_owned());
                let objects = keys.count(reason);
                context.tell(&Event::FlowLogsUnread { source, reason, objects, example, layout });
            }
        }
        let discovery = &self.logs.discovery;
        let excluded = discovery.excluded();
        let kept_out = !excluded.accounts.is_empty() || !excluded.regions.is_empty();
        if discovery.roots().next().is_none() && !kept_out && self.unread.is_due(None, now) {
            context.tell(&Event::NothingFits { source: source.clone(), layout });
        }
        context.tell(&Event::KeysIgnored { source, keys });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_an_hour_for_each_reason() {
        let mut unread = Unread::default();
        let hour = limits::UNREAD_EVERY;
        let minute = Duration::from_secs(60);
        let layout = Some(IgnoredKey::OtherLayout);
        let mut said = |what, now| unread.is_due(what, now);
        assert_eq!([said(layout, minute), said(layout, minute), said(None, minute)], [true, false, true]);
        assert_eq!([said(layout, hour), said(layout, hour + minute)], [false, true]);
        assert!(said(Some(IgnoredKey::OtherName), hour));
    }
}
