//! What is there: indexes, what is wrong with them, and what stands in the way of a rebuild.

use tokio_postgres::{Client, Row};

use super::bloat::{self, Facts, Measured};
use super::{Postgres, quoted};
use crate::indexes::disk;
use crate::indexes::index::{Definition, Index, Obstacle, Seen, Waste};
use crate::sql::postgres::Error;
use crate::watch::{Progress, Watch};

/// The first version that rebuilds an index while others write.
const FIRST: i32 = 120_000;

/// Indexes in this range of sizes are read by pgstattuple, where it is installed: a smaller one is not worth it, a larger one takes
/// the disk from others for too long.
const READ: std::ops::RangeInclusive<u64> = 1024 * 1024..=1024 * 1024 * 1024;

/// From this age on, in seconds, a transaction is looked at as one that stays.
const OLD: f64 = 10.0;

/// Each index that is no catalogue's and no session's own.
const INDEXES: &str = "
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, t.oid AS table_id,
       tn.nspname::text || '.' || t.relname::text AS table_name, am.amname::text AS method, c.relkind = 'I' AS is_partitioned,
       CASE WHEN c.relkind = 'i' THEN pg_relation_size(c.oid) ELSE 0 END AS size,
       i.indisvalid AND i.indisready AND i.indislive AS is_valid, i.indisunique AS is_unique,
       i.indisreplident OR EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) AS is_needed,
       i.indisexclusion AS is_exclusion, above.inhparent AS parent, s.idx_scan AS scans,
       i.indpred IS NOT NULL AS is_partial, i.indexprs IS NOT NULL AS is_expression,
       coalesce(pg_get_expr(i.indpred, i.indrelid), '') ||
         CASE WHEN to_jsonb(i)->>'indnullsnotdistinct' = 'true' THEN ' NULLS NOT DISTINCT' ELSE '' END AS predicate,
       ARRAY(SELECT concat_ws(' ', pg_get_indexdef(c.oid, k, true), i.indclass[k - 1], i.indcollation[k - 1], i.indoption[k - 1])
             FROM generate_series(1, i.indnkeyatts) k) AS keys,
       ARRAY(SELECT pg_get_indexdef(c.oid, k, true) FROM generate_series(i.indnkeyatts + 1, i.indnatts) k) AS carried,
       c.reltuples::float8 AS entries, current_setting('block_size')::float8 AS page,
       coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 90) AS fill,
       w.columns, w.known, w.width, w.has_nulls,
       coalesce(u.n_mod_since_analyze::float8 / nullif(greatest(u.n_live_tup, t.reltuples::int8), 0), 0) AS changed,
       EXISTS (SELECT FROM pg_locks l WHERE l.relation = c.oid AND l.granted AND l.pid <> pg_backend_pid()
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock'))
         AS is_being_built
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_inherits above ON above.inhrelid = c.oid
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = c.oid
LEFT JOIN pg_stat_all_tables u ON u.relid = t.oid
CROSS JOIN LATERAL (
  SELECT count(*) AS columns, count(p.attname) AS known,
         coalesce(sum((1 - p.null_frac) * p.avg_width), 0)::float8 AS width, coalesce(max(p.null_frac), 0) > 0 AS has_nulls
  FROM pg_attribute a
  LEFT JOIN pg_stats p ON p.schemaname = tn.nspname AND p.tablename = t.relname AND p.attname = a.attname AND NOT p.inherited
  WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey) AND a.attnum > 0) w
WHERE t.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (n.nspname <> 'pg_toast' OR EXISTS (SELECT FROM pg_index o WHERE o.indrelid = i.indrelid AND NOT o.indisvalid)) AND ($1::oid IS NULL OR t.oid = $1)
ORDER BY 2, 3";

/// Sessions whose transactions a rebuild has to wait for.
const OLD_TRANSACTIONS: &str = "
SELECT a.pid, coalesce(a.usename::text, '') AS person, coalesce(a.application_name, '') AS program, coalesce(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
  AND a.application_name NOT LIKE 'firebreak rebuild_indexes%'
  AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL OR EXISTS (
    SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted AND ($2::oid IS NULL OR l.relation = $2)))
  AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
ORDER BY a.xact_start";

/// Prepared transactions, with a table that each has locked: a rebuild of its indexes waits for them.
const PREPARED: &str = "
SELECT p.gid, extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS age, l.relation AS table_id
FROM pg_prepared_xacts p
LEFT JOIN pg_locks own ON own.pid IS NULL AND own.transactionid = p.transaction
LEFT JOIN pg_locks l ON l.pid IS NULL AND l.virtualtransaction = own.virtualtransaction AND l.relation IS NOT NULL
WHERE p.database = current_database()
ORDER BY p.prepared";

/// Replication slots that nobody reads, with the bytes that wait for them.
const SLOTS: &str = "
SELECT slot_name::text AS name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8 AS kept
FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL";

/// Looks.
pub(super) async fn look(database: &Postgres, watch: &dyn Watch) -> anyhow::Result<Seen> {
    let session = database.session().await?;
    // The sizes of relations cannot be read while somebody has a whole table for himself.
    session.batch_execute("SET lock_timeout = '10s'").await.map_err(|error| database.refused(&error))?;
    let ask = async |statement: &str| session.query(statement, &[]).await.map_err(|error| database.refused(&error));
    let about = "SELECT pg_is_in_recovery() AS is_replica, current_setting('server_version_num')::int4 AS number,
                        current_setting('server_version') AS version,
                        (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS since,
                        pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
                        coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), '') AS folder,
                        (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                         WHERE e.extname = 'pgstattuple') AS pgstattuple";
    let about = ask(about).await?.remove(0);
    let is_replica: bool = about.get("is_replica");
    let version: i32 = about.get("number");
    let refusal = if is_replica {
        Some("this server is a replica, which cannot change anything: connect to its primary".to_owned())
    } else if version < FIRST {
        let version: String = about.get("version");
        Some(format!("this is PostgreSQL {version}: it rebuilds indexes without blocking writers since 12"))
    } else {
        None
    };
    let mut indexes = Vec::new();
    let rows = session.query(INDEXES, &[&None::<u32>]).await.map_err(|error| database.refused(&error))?;
    let total = rows.len() as u64;
    let tool: Option<String> = about.get("pgstattuple");
    for (row, done) in rows.iter().zip(0..) {
        let mut index = index(row);
        let facts = facts(row);
        if let Some(schema) = &tool
            && index.waste.is_some()
            && facts.method == "btree"
            && READ.contains(&index.size)
        {
            watch.at("indexes", &Progress { done, total, note: format!("read by pgstattuple: {}", index.full_name()) });
            // One that was removed meanwhile, or may not be read, keeps its estimate.
            if let Ok(waste) = measure(&session, schema, &index, &facts).await {
                index.waste = Some(waste);
            }
        }
        indexes.push(index);
    }
    mark_leftovers(&mut indexes);
    let mut obstacles = obstacles(&session, OLD, None).await.map_err(|error| database.refused(&error))?;
    if !about.get::<_, bool>("sees_all") {
        obstacles.push(Obstacle {
            who: format!(
                "'{}' may not see whose transactions are open, which would hold a rebuild up",
                database.place.user
            ),
            way_out: format!("GRANT pg_read_all_stats TO {}", quoted(&database.place.user)),
            stops: false,
        });
    }
    if !is_replica {
        for row in ask(SLOTS).await? {
            let (name, kept): (String, i64) = (row.get("name"), row.get("kept"));
            let kept = crate::indexes::size::bytes(kept.try_into().unwrap_or(0));
            obstacles.push(Obstacle {
                who: format!("replication slot '{name}', which nobody reads, keeps {kept} of WAL; a rebuild adds as much as it writes"),
                way_out: format!(
                    "start its reader again; where that is gone for good: SELECT pg_drop_replication_slot('{name}')"
                ),
                stops: false,
            });
        }
    }
    let folder: String = about.get("folder");
    let free = disk::free(&database.place.host, &folder);
    Ok(Seen { indexes, counted_since: about.get("since"), uncounted: None, obstacles, free, folder, refusal })
}

/// The indexes of a table, or of all, with their estimates.
pub(super) async fn indexes(session: &Client, table: Option<u32>) -> Result<Vec<Index>, Error> {
    let mut indexes: Vec<Index> = session.query(INDEXES, &[&table]).await?.iter().map(index).collect();
    mark_leftovers(&mut indexes);
    Ok(indexes)
}

fn index(row: &Row) -> Index {
    let is_partitioned: bool = row.get("is_partitioned");
    let is_exclusion: bool = row.get("is_exclusion");
    let is_valid: bool = row.get("is_valid");
    let scans: Option<i64> = row.get("scans");
    let size = row.get::<_, i64>("size").try_into().unwrap_or(0);
    Index {
        id: row.get("oid"),
        schema: row.get("schema"),
        name: row.get("name"),
        is_named_in_table: false,
        table: row.get("table_name"),
        table_id: row.get("table_id"),
        size,
        room: size,
        waste: (!is_partitioned && is_valid).then(|| bloat::estimate(&facts(row))),
        is_valid,
        is_unique: row.get("is_unique"),
        is_needed: row.get("is_needed"),
        is_partitioned,
        parent: row.get("parent"),
        definition: Definition {
            method: row.get("method"),
            keys: row.get("keys"),
            carried: row.get("carried"),
            predicate: row.get("predicate"),
        },
        scans: scans.and_then(|scans| scans.try_into().ok()),
        leftover_of: None,
        obstacle: is_exclusion.then(|| "PostgreSQL cannot do that for an exclusion constraint".to_owned()),
        is_being_built: row.get("is_being_built"),
    }
}

fn facts(row: &Row) -> Facts {
    #[expect(clippy::cast_precision_loss, reason = "the size of a file")]
    let size = row.get::<_, i64>("size") as f64;
    Facts {
        method: row.get("method"),
        size,
        page: row.get("page"),
        entries: row.get("entries"),
        fill: row.get("fill"),
        is_partial: row.get("is_partial"),
        is_expression: row.get("is_expression"),
        columns: (row.get("columns"), row.get("known")),
        width: row.get("width"),
        has_nulls: row.get("has_nulls"),
        changed: row.get("changed"),
    }
}

async fn measure(session: &Client, schema: &str, index: &Index, facts: &Facts) -> Result<Waste, Error> {
    let statement = format!(
        "SELECT leaf_pages::float8, avg_leaf_density::float8, (empty_pages + deleted_pages)::float8 FROM {}.pgstatindex($1::oid::regclass)",
        quoted(schema)
    );
    let row = session.query_one(&statement, &[&index.id]).await?;
    let found = Measured { leaves: row.get(0), density: row.get(1), empty: row.get(2) };
    Ok(bloat::measured(found, facts.page, facts.fill))
}

/// What of the name of a leftover is the name of its index: a long name was cut so that the ending fits.
fn origin(name: &str) -> Option<&str> {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    bare.strip_suffix("_ccnew").or_else(|| bare.strip_suffix("_ccold")).filter(|origin| !origin.is_empty())
}

/// Marks the leftovers of rebuilds that failed: invalid, named so, nobody at work on them, and beside an index on the same.
fn mark_leftovers(indexes: &mut [Index]) {
    let twin_of = |index: &Index, all: &[Index]| {
        let origin = origin(&index.name).filter(|_| !index.is_valid && !index.is_being_built && !index.is_needed)?;
        let is_twin = |one: &&Index| {
            let is_named = one.name == origin
                || one.name.len() > origin.len() && index.name.len() >= 63 && one.name.starts_with(origin);
            // What the failed rebuild was to replace, or has replaced.
            is_named
                && one.id != index.id
                && one.table_id == index.table_id
                && one.definition == index.definition
                && one.is_unique == index.is_unique
                && (one.is_valid || index.name.contains("_ccnew"))
        };
        all.iter().find(is_twin).map(Index::full_name)
    };
    let found: Vec<Option<String>> = indexes.iter().map(|index| twin_of(index, indexes)).collect();
    for (index, leftover_of) in indexes.iter_mut().zip(found) {
        index.leftover_of = leftover_of;
    }
}

/// Who holds up a rebuild: transactions that are this old, in seconds, and prepared ones, of a table or of any.
pub(super) async fn obstacles(session: &Client, age: f64, table: Option<u32>) -> Result<Vec<Obstacle>, Error> {
    let mut found = Vec::new();
    for row in session.query(OLD_TRANSACTIONS, &[&age, &table]).await? {
        let (pid, person, program): (i32, String, String) = (row.get("pid"), row.get("person"), row.get("program"));
        let (state, age): (String, f64) = (row.get("state"), row.get("age"));
        let program = if program.is_empty() { String::new() } else { format!("{program}, ") };
        let age = crate::indexes::size::time(std::time::Duration::from_secs_f64(age.max(0.0)));
        found.push(Obstacle {
            who: format!("session {pid} ({person}, {program}{state}) has a transaction open for {age}"),
            way_out: format!("SELECT pg_terminate_backend({pid})"),
            stops: true,
        });
    }
    let mut seen = Vec::new();
    for row in session.query(PREPARED, &[]).await? {
        let (name, age, locked): (String, f64, Option<u32>) = (row.get("gid"), row.get("age"), row.get("table_id"));
        if seen.contains(&name) || table.is_some() && table != locked {
            continue;
        }
        let age = crate::indexes::size::time(std::time::Duration::from_secs_f64(age.max(0.0)));
        let quoted = name.replace('\'', "''");
        found.push(Obstacle {
            who: format!("prepared transaction '{name}' is open for {age}"),
            way_out: format!("COMMIT PREPARED '{quoted}', or ROLLBACK PREPARED '{quoted}'"),
            stops: true,
        });
        seen.push(name);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_is_known_by_its_name_its_state_and_the_index_beside_it() {
        let index = |id: u32, name: &str, is_valid| Index {
            id,
            name: name.to_owned(),
            is_valid,
            table_id: 1,
            ..Index::default()
        };
        let marked = |mut indexes: Vec<Index>| {
            mark_leftovers(&mut indexes);
            indexes
                .iter()
                .filter(|index| index.leftover_of.is_some())
                .map(|index| index.name.clone())
                .collect::<Vec<_>>()
        };
        let day = || index(1, "day", true);
        let names = ["day_ccnew", "day_ccnew1", "day_ccold", "day_ccold12"];
        for name in names {
            assert_eq!(marked(vec![day(), index(2, name, false)]), [name]);
            assert_eq!(marked(vec![day(), index(2, name, true)]), [""; 0], "it is in use");
            assert_eq!(marked(vec![index(1, "other", true), index(2, name, false)]), [""; 0], "it may be all there is");
            assert_eq!(marked(vec![day(), Index { is_being_built: true, ..index(2, name, false) }]), [""; 0]);
            assert_eq!(marked(vec![day(), Index { table_id: 2, ..index(2, name, false) }]), [""; 0]);
            assert_eq!(marked(vec![day(), Index { is_unique: true, ..index(2, name, false) }]), [""; 0]);
        }
        assert_eq!(marked(vec![index(1, "day", false), index(2, "day_ccnew", false)]), ["day_ccnew"]);
        assert_eq!(
            marked(vec![index(1, "day", false), index(2, "day_ccold", false)]),
            [""; 0],
            "the old one may be the better"
        );
        assert_eq!(marked(vec![day(), index(2, "day_new", false)]), [""; 0]);
        let (long, cut) = ("d".repeat(63), format!("{}_ccnew", "d".repeat(57)));
        assert_eq!(marked(vec![index(1, &long, true), index(2, &cut, false)]), [cut]);
    }
}
