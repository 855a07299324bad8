{{ config(materialized='table', indexes=[{'columns': ['customer_key'], 'unique': true}]) }}

with points as (
    select
        account_id,
        sum(points) filter (where kind = 'earn') as earned,
        -sum(points) filter (where kind = 'redeem') as redeemed
    from {{ ref('stg_app__points_transactions') }}
    where not is_deleted
    group by account_id
),

accounts as (
    select
        accounts.*,
        points.earned,
        points.redeemed,
        coalesce(identities.customer_key, 'member:' || accounts.account_id) as customer_key
    from {{ ref('stg_app__accounts') }} as accounts
    left join {{ ref('dim_identities') }} as identities on accounts.customer_id = identities.buyer_key
    left join points on accounts.account_id = points.account_id
    where not accounts.is_deleted
),

final as (
    select
        customer_key,
        (array_agg(tier order by points_balance desc, joined_at asc, account_id::bigint asc))[1] as tier,
        min(joined_at) as joined_at,
        coalesce(sum(earned), 0)::bigint as points_earned,
        coalesce(sum(redeemed), 0)::bigint as points_redeemed,
        sum(points_balance)::bigint as points_balance
    from accounts
    group by customer_key
)

select * from final
