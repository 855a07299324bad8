with orders as (
    select * from {{ ref('fct_orders') }}
),

final as (
    select
        buyer_key,
        is_guest,
        mailbox_key,
        case when is_guest and mailbox_key is not null then 'guest:' || min(order_id::bigint) end as guest_key,
        row_number() over (
            partition by buyer_key order by mailbox_key is null asc, max(processed_at) desc, mailbox_key asc
        ) as place
    from orders
    group by buyer_key, is_guest, mailbox_key
)

select * from final
