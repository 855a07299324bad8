{{ config(indexes=[
    {'columns': ['_record_key'], 'unique': true}, {'columns': ['_load_timestamp']}, {'columns': ['_built_at']},
    {'columns': ['order_id']}, {'columns': ['customer_id']}
]) }}

with versions as (
    {{ current_versions(source('shopify', 'orders')) }}
),

final as (
    select
        {{ shopify_id('_record_key') }} as order_id,
        source_data ->> 'name' as order_name,
        {{ shopify_id("source_data #>> '{customer,id}'") }} as customer_id,
        {{ normalize_email("source_data ->> 'email'") }} as email,
        (source_data ->> 'createdAt')::timestamptz as created_at,
        (source_data ->> 'processedAt')::timestamptz as processed_at,
        (source_data ->> 'updatedAt')::timestamptz as updated_at,
        (source_data ->> 'cancelledAt')::timestamptz as cancelled_at,
        source_data ->> 'cancelReason' as cancel_reason,
        coalesce((source_data ->> 'test')::boolean, false) as is_test,
        coalesce((source_data ->> 'taxesIncluded')::boolean, false) as taxes_included,
        source_data ->> 'currencyCode' as currency,
        source_data ->> 'presentmentCurrencyCode' as presentment_currency,
        source_data ->> 'displayFinancialStatus' as financial_status,
        source_data ->> 'displayFulfillmentStatus' as fulfillment_status,
        source_data #>> '{shippingAddress,countryCodeV2}' as shipping_country_code,
        source_data #>> '{shippingAddress,provinceCode}' as shipping_province_code,
        source_data #>> '{shippingAddress,city}' as shipping_city,
        source_data #>> '{shippingAddress,zip}' as shipping_zip,
        {{ json_array("source_data -> 'discountCodes'") }} as discount_codes,
        {{ json_array("source_data #> '{lineItems,nodes}'") }} as line_items,
        {{ json_array("source_data #> '{shippingLines,nodes}'") }} as shipping_lines,
        {{ json_array("source_data -> 'refunds'") }} as refunds,
        {{ json_array("source_data -> 'transactions'") }} as transactions,
        {{ staging_columns() }}
    from versions
)

select * from final
