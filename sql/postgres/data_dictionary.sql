-- One row per relation and column: the catalogue of PostgreSQL, in place of that of DuckDB.
create or replace view telnyx.data_dictionary as

with

columns as (
    select
        pg_namespace.nspname as schema_name,
        pg_class.relname as table_name,
        pg_attribute.attname as column_name,
        format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as data_type,
        col_description(pg_attribute.attrelid, pg_attribute.attnum) as comment
    from pg_catalog.pg_attribute
    inner join pg_catalog.pg_class on pg_attribute.attrelid = pg_class.oid
    inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        pg_attribute.attnum > 0
        and not pg_attribute.attisdropped
        and pg_class.relkind in ('r', 'p', 'v')
),

final as (
    select
        cast(schema_name || '.' || table_name as text) as relation,
        cast(column_name as text) as column_name,
        data_type,
        comment as description
    from columns
    where
        schema_name in ('telnyx', 'telnyx_raw')
        -- the loader's own bookkeeping
        and left(cast(table_name as text), 4) <> '_dlt'
        and left(cast(column_name as text), 4) <> '_dlt'
)

select * from final;

comment on view telnyx.data_dictionary is
'One row per column of each table and view.';
comment on column telnyx.data_dictionary.relation is
'Schema and name of the table or view.';
comment on column telnyx.data_dictionary.column_name is
'Name of the column.';
comment on column telnyx.data_dictionary.data_type is
'Type of the column, as the database calls it.';
comment on column telnyx.data_dictionary.description is
'What the column holds: its comment.';
