{#-
  The current version of each record of a raw table: the newest by the source's own time, so that
  an older version that arrives late does not win. Ties go to the later load, then to the hash.

  On an incremental run only the rows loaded since the last run are looked at, however long the
  history is: staging holds the newest of all that came before them.
-#}
{% macro current_versions(relation) %}
    select
        record_key as _record_key,
        record_version as _record_version,
        content_hash as _content_hash,
        _load_timestamp,
        _deleted as is_deleted,
        raw.clean_json(source_data) as source_data
    from (
        select distinct on (record_key) *
        from {{ relation }}
        {% if is_incremental() %}
            where _load_timestamp >= {{ newest_seen('_load_timestamp', var('overlap')) }}
        {% endif %}
        order by record_key, record_version desc, _load_timestamp desc, content_hash desc
    ) as newest
    {% if is_incremental() %}
        where not exists (
            select 1
            from {{ this }} as known
            where
                known._record_key = newest.record_key
                and (known._record_version, known._load_timestamp, known._content_hash)
                >= (newest.record_version, newest._load_timestamp, newest.content_hash)
        )
    {% endif %}
    -- A fence: without it the planner would clean the document again for each column that reads it.
    offset 0
{% endmacro %}


{#-
  Every version of each record of a raw table, for a history: the same columns as the current ones have. On an
  incremental run only those loaded since the last run, whatever their own time; what is there already stays as it is.
-#}
{% macro all_versions(relation) %}
    select
        record_key as _record_key,
        record_version as _record_version,
        content_hash as _content_hash,
        _load_timestamp,
        _deleted as is_deleted,
        raw.clean_json(source_data) as source_data
    from {{ relation }} as versions
    {% if is_incremental() %}
        where
            _load_timestamp >= {{ newest_seen('_load_timestamp', var('overlap')) }}
            and not exists (
                select 1
                from {{ this }} as known
                where
                    known._record_key = versions.record_key
                    and known._record_version = versions.record_version
                    and known._content_hash = versions.content_hash
            )
    {% endif %}
    -- A fence, as above.
    offset 0
{% endmacro %}


{#- The columns that every staging model ends with. `_built_at` drives the facts. -#}
{% macro staging_columns() -%}
    is_deleted,
        _record_key,
        _record_version,
        _content_hash,
        _load_timestamp,
        current_timestamp as _built_at
{%- endmacro %}
