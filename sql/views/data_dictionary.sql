-- One row per relation and column.
create or replace view telnyx.data_dictionary as

with

-- The catalogue of DuckDB: the only view that reads no table and suits no other warehouse. It lists
-- every attached database, hence the distinct: a second file of this kind repeats the rows.
columns as (
    select
        schema_name,
        table_name,
        column_name,
        data_type,
        comment
    from duckdb_columns()
),

final as (
    select distinct
        schema_name || '.' || table_name as relation,
        column_name,
        data_type,
        comment as description
    from columns
    where
        schema_name in ('telnyx', 'telnyx_raw')
        -- the loader's own bookkeeping
        and not starts_with(table_name, '_dlt')
        and not starts_with(column_name, '_dlt')
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
