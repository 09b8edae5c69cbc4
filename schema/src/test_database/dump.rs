//! Asking a database about itself.

use super::Backend;

/// One line for each table, column, constraint, index, trigger and function.
pub(super) fn schema_query(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => {
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master \
             WHERE tbl_name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT line FROM ( \
             SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' null ' || is_nullable \
               || ' -- ' || coalesce(col_description(table_name::regclass, ordinal_position::int), 'NO COMMENT') \
               AS line, table_name::text AS relation FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' \
               || pg_get_constraintdef(oid), conrelid::regclass::text \
               FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
             UNION ALL SELECT 'index ' || indexdef, tablename FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid), tgrelid::regclass::text \
               FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'function ' || proname || ' ' || prosrc, proname::text \
               FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
             ) AS everything WHERE relation NOT LIKE '\\_\\_diesel%' ORDER BY line"
        }
    }
}

/// `table.column`, sorted.
pub(super) fn columns_query(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => {
            "SELECT m.name || '.' || c.name AS line FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' \
             AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT (table_name || '.' || column_name) COLLATE \"C\" AS line FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_diesel%' ORDER BY 1"
        }
    }
}
