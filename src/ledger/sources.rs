//! Which row of the file a configured source has.
//!
//! A source is its url: it may be renamed, and its lists may be edited. Where several sources share a url, each is its
//! url and name. The name is noted with every row, so a source that comes to share its url keeps its progress as long
//! as it keeps its name.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, params};

use super::{SourceSpec, load, schema::UNKNOWN};
use crate::model::Timestamp;

/// A row of the file.
struct Stored {
    id: i64,
    url: String,
    name: String,
}

fn stored(conn: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let mut rows = Vec::new();
    load::each(conn, "SELECT id, url, name FROM source WHERE id != ?", [UNKNOWN], |row| {
        rows.push(Stored { id: row.get(0)?, url: row.get(1)?, name: row.get(2)? });
        Ok(())
    })?;
    Ok(rows)
}

/// The row of each source, `None` for one that is new.
fn identify(rows: &[Stored], sources: &[SourceSpec]) -> Vec<Option<i64>> {
    let row_of = |source: &SourceSpec| {
        let same_url = rows.iter().filter(|row| row.url == source.url).collect::<Vec<_>>();
        let named = same_url.iter().find(|row| *row.name == *source.name);
        let shared = sources.iter().filter(|other| other.url == source.url).count() > 1;
        match &same_url[..] {
            [renamed] if !shared => Some(renamed.id),
            _ => named.map(|row| row.id),
        }
    };
    sources.iter().map(row_of).collect()
}

/// The ids of sources that the file has, in their order.
pub(super) fn ids(conn: &Connection, sources: &[SourceSpec]) -> rusqlite::Result<Vec<Option<i64>>> {
    Ok(identify(&stored(conn)?, sources))
}

/// Notes the configured sources, and those that are not configured any more, inside a transaction. Returns the ids of
/// the configured ones by name.
pub(super) fn note(
    conn: &Connection,
    sources: &[SourceSpec],
    now: Timestamp,
) -> rusqlite::Result<BTreeMap<Arc<str>, i64>> {
    let mut configured = BTreeMap::new();
    for (source, known) in sources.iter().zip(ids(conn, sources)?) {
        let SourceSpec { name, url } = source;
        let id = match known {
            Some(id) => {
                let sql = "UPDATE source SET name = ?2, removed_at = NULL
                    WHERE id = ?1 AND (name IS NOT ?2 OR removed_at IS NOT NULL)";
                conn.execute(sql, params![id, name])?;
                id
            }
            None => {
                let sql = "INSERT INTO source (url, name) VALUES (?, ?) RETURNING id";
                conn.query_row(sql, params![url, name], |row| row.get(0))?
            }
        };
        configured.insert(name.clone(), id);
    }
    for row in stored(conn)? {
        if configured.values().all(|id| *id != row.id) {
            let sql = "UPDATE source SET removed_at = ? WHERE id = ? AND removed_at IS NULL";
            conn.execute(sql, params![now.0, row.id])?;
        }
    }
    Ok(configured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[(i64, &str, &str)], sources: &[(&str, &str)]) -> Vec<Option<i64>> {
        let row = |(id, url, name): &(i64, &str, &str)| Stored {
            id: *id,
            url: (*url).into(),
            name: (*name).into(),
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        let source = |(url, name): &(&str, &str)| SourceSpec { name: (*name).into(), url: (*url).into() };
        identify(&rows, &sources.iter().map(source).collect::<Vec<_>>())
    }

    #[test]
    fn a_source_is_its_url_whatever_it_is_called() {
        let rows = [(1, "s3://a/", "one"), (2, "s3://b/", "two")];
        assert_eq!(found(&rows, &[("s3://a/", "one"), ("s3://b/", "two")]), [Some(1), Some(2)]);
        assert_eq!(found(&rows, &[("s3://a/", "renamed")]), [Some(1)]);
        assert_eq!(found(&rows, &[("s3://a/", "two"), ("s3://b/", "one")]), [Some(1), Some(2)], "swapped");
        assert_eq!(found(&rows, &[("s3://c/", "one")]), [None]);
    }

    #[test]
    fn where_a_url_is_shared_the_name_decides() {
        let rows = [(1, "s3://a/", "one"), (2, "s3://a/", "two")];
        assert_eq!(found(&rows, &[("s3://a/", "two"), ("s3://a/", "one")]), [Some(2), Some(1)]);
        assert_eq!(found(&rows, &[("s3://a/", "one"), ("s3://a/", "three")]), [Some(1), None]);
        assert_eq!(found(&rows, &[("s3://a/", "two")]), [Some(2)], "the other one was removed");
        assert_eq!(found(&rows, &[("s3://a/", "three")]), [None], "which of the two it was is not known");
    }

    #[test]
    fn a_source_that_comes_to_share_its_url_keeps_its_progress() {
        let rows = [(1, "s3://a/", "one")];
        assert_eq!(found(&rows, &[("s3://a/", "new"), ("s3://a/", "one")]), [None, Some(1)]);
        assert_eq!(found(&rows, &[("s3://a/", "new"), ("s3://a/", "renamed")]), [None, None]);
    }
}
