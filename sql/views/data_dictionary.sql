-- One row per relation, and one per column of it.
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
        comment,
        row_number() over (
            partition by database_name, schema_name, table_name order by column_index
        ) as ordinal_position
    from duckdb_columns()
    -- the loader's own bookkeeping
    where not starts_with(column_name, '_dlt')
),

relations as (
    select
        schema_name,
        table_name,
        comment
    from duckdb_tables()
    union all
    select
        schema_name,
        view_name as table_name,
        comment
    from duckdb_views()
),

listed as (
    select * from columns
    union all by name
    select
        *,
        0 as ordinal_position
    from relations
),

final as (
    select distinct
        schema_name || '.' || table_name as relation,
        column_name,
        data_type,
        comment as description,
        ordinal_position
    from listed
    where
        schema_name in ('telnyx', 'telnyx_raw')
        and not starts_with(table_name, '_dlt')
)

select * from final;

comment on view telnyx.data_dictionary is
'One row per table or view, where column_name is NULL, and one per column of it.';
comment on column telnyx.data_dictionary.relation is
'Schema and name of the table or view.';
comment on column telnyx.data_dictionary.column_name is
'Name of the column. NULL in the row of the table or view itself.';
comment on column telnyx.data_dictionary.data_type is
'Type of the column, as the database calls it. NULL in the row of the table or view itself.';
comment on column telnyx.data_dictionary.description is
'What the column, the table or the view holds: its comment.';
comment on column telnyx.data_dictionary.ordinal_position is
'Place of the column in its table or view, from 1. 0 in the row of the table or view itself.';
