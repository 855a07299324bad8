{{ config(unique_key='balance_transaction_id', indexes=[
    {'columns': ['balance_transaction_id'], 'unique': true}, {'columns': ['charge_id']},
    {'columns': ['currency', 'available_at']}, {'columns': ['_built_at']}
]) }}

with balance_transactions as not materialized (
    select * from {{ ref('stg_stripe__balance_transactions') }}
),

refunds as not materialized (
    select * from {{ ref('stg_stripe__refunds') }}
),

disputes as not materialized (
    select * from {{ ref('stg_stripe__disputes') }}
),

-- A changed movement, or one whose charge is learnt of only now.
changed as (
    select balance_transaction_id from balance_transactions {{ where_changed() }}
    union distinct
    select balance_transactions.balance_transaction_id
    from (select refund_id from refunds {{ where_changed() }}) as new_refunds
    inner join balance_transactions on new_refunds.refund_id = balance_transactions.source_id
    union distinct
    select balance_transactions.balance_transaction_id
    from (select dispute_id from disputes {{ where_changed() }}) as new_disputes
    inner join balance_transactions on new_disputes.dispute_id = balance_transactions.source_id
),

final as (
    select
        balance_transactions.balance_transaction_id,
        balance_transactions.source_id,
        coalesce(
            refunds.charge_id,
            disputes.charge_id,
            case when balance_transactions.type in ('charge', 'payment') then balance_transactions.source_id end
        ) as charge_id,
        balance_transactions.reporting_category,
        balance_transactions.currency,
        balance_transactions.amount_minor,
        balance_transactions.fee_minor,
        balance_transactions.net_minor,
        balance_transactions.exchange_rate,
        balance_transactions.created_at,
        balance_transactions.available_at,
        balance_transactions.is_deleted,
        {{ ever('_available_ats', now='array[balance_transactions.available_at]', rows='balance_transactions',
            key='balance_transaction_id') }} as _available_ats,
        current_timestamp as _built_at
    from balance_transactions
    inner join changed on balance_transactions.balance_transaction_id = changed.balance_transaction_id
    left join refunds on balance_transactions.source_id = refunds.refund_id
    left join disputes on balance_transactions.source_id = disputes.dispute_id
)

select * from final
