with versions as (
    {{ current_versions(source('shopify', 'customers')) }}
),

final as (
    select
        {{ shopify_id('_record_key') }} as customer_id,
        {{ normalize_email("source_data #>> '{defaultEmailAddress,emailAddress}'") }} as email,
        source_data ->> 'firstName' as first_name,
        source_data ->> 'lastName' as last_name,
        source_data #>> '{defaultPhoneNumber,phoneNumber}' as phone,
        source_data #>> '{defaultEmailAddress,marketingState}' as marketing_state,
        source_data #>> '{defaultAddress,countryCodeV2}' as country_code,
        source_data #>> '{defaultAddress,provinceCode}' as province_code,
        source_data #>> '{defaultAddress,city}' as city,
        source_data #>> '{defaultAddress,zip}' as zip,
        source_data ->> 'locale' as locale,
        {{ json_array("source_data -> 'tags'") }} as tags,
        (source_data ->> 'createdAt')::timestamptz as created_at,
        (source_data ->> 'updatedAt')::timestamptz as updated_at,
        {{ staging_columns() }}
    from versions
)

select * from final
