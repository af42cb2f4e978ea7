-- One row per relation, and one per column of it, from the catalogue of PostgreSQL.
create or replace view telnyx.data_dictionary as

with

relations as (
    select
        pg_class.oid as relation_id,
        cast(pg_namespace.nspname || '.' || pg_class.relname as text) as relation
    from pg_catalog.pg_class
    inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        pg_class.relkind in ('r', 'p', 'v')
        and pg_namespace.nspname in ('telnyx', 'telnyx_raw')
        -- the loader's own bookkeeping
        and left(cast(pg_class.relname as text), 4) <> '_dlt'
),

columns as (
    select
        relations.relation,
        cast(pg_attribute.attname as text) as column_name,
        format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as data_type,
        col_description(pg_attribute.attrelid, pg_attribute.attnum) as description,
        row_number() over (
            partition by pg_attribute.attrelid order by pg_attribute.attnum asc
        ) as ordinal_position
    from pg_catalog.pg_attribute
    inner join relations on pg_attribute.attrelid = relations.relation_id
    where
        pg_attribute.attnum > 0
        and not pg_attribute.attisdropped
        and left(cast(pg_attribute.attname as text), 4) <> '_dlt'
),

final as (
    select
        relation,
        column_name,
        data_type,
        description,
        ordinal_position
    from columns
    union all
    select
        relation,
        null as column_name,
        null as data_type,
        obj_description(relation_id, 'pg_class') as description,
        0 as ordinal_position
    from relations
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
