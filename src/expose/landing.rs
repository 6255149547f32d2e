//! The page at `/`: what runs, whether it is ready, and how fresh each source is.
//!
//! For a person who has opened the port in a browser. Refuses to load anything: one file, no scripts. Invariant: no
//! text from configuration or data reaches the page unescaped.

use std::{fmt::Write, time::Duration};

use super::{Exposition, Readiness, Shown, routes};
use crate::{event::Progress, model::Timestamp, month};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--dim:#777;--accent:#0b63c4;--good:#1a7f37;--wait:#9a6700}\
@media(prefers-color-scheme:dark){:root{--dim:#999;--accent:#6cb2ff;--good:#4ac26b;--wait:#d4a72c}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2.5rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}\
p{margin:.25rem 0}.dim{color:var(--dim)}.good{color:var(--good)}.wait{color:var(--wait)}\
a{color:var(--accent)}nav{display:flex;gap:1.25rem;margin:1.25rem 0}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.4rem 1.25rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
th{font-weight:600;color:var(--dim)}.number{text-align:right;font-variant-numeric:tabular-nums}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem;margin:0}dt{color:var(--dim)}dd{margin:0}";

/// The page at the moment `now`.
pub(super) fn page(exposition: &Exposition, now: Timestamp) -> String {
    let mut page = String::new();
    let shown = exposition.shown();
    // Writing to a string cannot fail.
    let _ = head(&mut page, &shown)
        .and_then(|()| overview(&mut page, exposition, &shown, now))
        .and_then(|()| sources(&mut page, exposition, &shown, now));
    page.push_str("</body>\n</html>\n");
    page
}

fn head(page: &mut String, shown: &Shown) -> std::fmt::Result {
    let build = &shown.fixed.build;
    let readiness = super::readiness(shown.snapshot.as_deref());
    let class = if readiness == Readiness::Ready { "good" } else { "wait" };
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>flowcost-exporter</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>flowcost-exporter</h1>\n\
         <p>AWS VPC Flow Logs as exact, priced traffic counters.</p>\n\
         <p class=\"dim\">Version {}, revision {}</p>\n\
         <nav><a href=\"{metrics}\">Metrics</a><a href=\"{ready}\">Ready</a><a href=\"{healthy}\">Healthy</a></nav>\n\
         <h2>State</h2>\n<dl>\n<dt>Readiness</dt><dd class=\"{class}\">{}</dd>\n",
        escape(&build.version),
        escape(&build.revision),
        readiness.as_str(),
        metrics = routes::METRICS,
        ready = routes::READY,
        healthy = routes::HEALTHY,
    )
}

fn overview(page: &mut String, exposition: &Exposition, shown: &Shown, now: Timestamp) -> std::fmt::Result {
    let fixed = &shown.fixed;
    if let Some(snapshot) = &shown.snapshot {
        let figures = month::figures(snapshot, &fixed.book, now);
        let (to_date, projected) =
            (figures.to_date.iter().sum::<f64>(), figures.projected.iter().sum::<f64>());
        writeln!(page, "<dt>Last commit</dt><dd>{}</dd>", age(snapshot.last_commit, now))?;
        writeln!(page, "<dt>Series</dt><dd>{} of {}</dd>", snapshot.traffic.len(), fixed.series_limit)?;
        writeln!(page, "<dt>Month to date</dt><dd>{to_date:.2} USD</dd>")?;
        writeln!(page, "<dt>Month projected</dt><dd>{projected:.2} USD</dd>")?;
    }
    for name in fixed.sources.keys() {
        if let Some(failure) = exposition.failure(shown, name) {
            writeln!(
                page,
                "<dt>Cannot read {}</dt><dd class=\"wait\">{}</dd>",
                escape(name),
                escape(&failure)
            )?;
        }
        let progress = exposition.own().progress(name);
        if progress.settled < progress.objects {
            writeln!(page, "<dt>Reading {}</dt><dd class=\"wait\">{}</dd>", escape(name), course(&progress))?;
        }
    }
    if let Some(budget) = fixed.budget_monthly_usd {
        writeln!(page, "<dt>Budget</dt><dd>{budget:.2} USD a month</dd>")?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn sources(page: &mut String, exposition: &Exposition, shown: &Shown, now: Timestamp) -> std::fmt::Result {
    page.push_str(
        "<h2>Sources</h2>\n<div class=\"wide\"><table>\n<tr><th>Source</th><th>Newest record</th><th>Last scan</th>\
         <th class=\"number\">Pending</th><th class=\"number\">Quarantined</th></tr>\n",
    );
    for name in shown.fixed.sources.keys() {
        let committed = shown
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.sources.get(name))
            .copied()
            .unwrap_or_default();
        let (last_scan, pending) = {
            let own = exposition.own();
            (own.last_scan(name).max(committed.last_full_scan), own.pending(name))
        };
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{pending}</td>\
             <td class=\"number\">{}</td></tr>",
            escape(name),
            age(committed.newest_record, now),
            age(last_scan, now),
            committed.quarantined,
        )?;
    }
    page.push_str("</table></div>\n");
    Ok(())
}

/// How far a backlog has come, in words.
pub(super) fn course(progress: &Progress) -> String {
    let Progress { objects, settled, records, listed, remaining, .. } = progress;
    if *objects == 0 {
        return "not listed to its end yet".to_owned();
    }
    let mut text = format!("{settled} of {objects} objects ({} %), {records} records", progress.percent());
    match remaining {
        Some(time) => {
            let whole = Duration::from_secs(time.as_secs().max(1));
            let _ = write!(text, ", some {} left", humantime::format_duration(whole));
        }
        None if !listed => text.push_str(", still being listed"),
        None => {}
    }
    text
}

/// A moment and how long ago it was.
fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "<span class=\"wait\">never</span>".to_owned() };
    match u64::try_from(now.0.saturating_sub(at.0)) {
        Ok(seconds) => {
            let ago = humantime::format_duration(Duration::from_secs(seconds));
            format!("{at} <span class=\"dim\">({ago} ago)</span>")
        }
        Err(_) => format!("{at} <span class=\"dim\">(ahead of the clock)</span>"),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(escape("<b a='1'>\"&\"</b>"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;&quot;&lt;/b&gt;");
    }

    #[test]
    fn a_backlog_is_told_in_words() {
        let progress = Progress { objects: 2_000, settled: 500, records: 60_000, ..Progress::default() };
        assert_eq!(course(&progress), "500 of 2000 objects (25 %), 60000 records, still being listed");
        let listed = Progress { listed: true, remaining: Some(Duration::from_millis(90_900)), ..progress };
        assert_eq!(course(&listed), "500 of 2000 objects (25 %), 60000 records, some 1m 30s left");
    }

    #[test]
    fn ages_are_readable_in_both_directions() {
        let now = Timestamp(1_765_274_400);
        assert!(age(None, now).contains("never"));
        let text = age(Some(Timestamp(now.0 - 185)), now);
        assert!(text.starts_with("2025-12-09T09:56:55Z ") && text.contains("(3m 5s ago)"), "{text}");
        assert!(age(Some(Timestamp(now.0 + 5)), now).contains("ahead of the clock"));
    }
}
