{{ config(indexes=[{'columns': ['horizon_days', 'cutoff_day']}]) }}

with movements as (
    select * from {{ ref('int_customer_movements') }}
),

windows as (
    select
        {{ shop_day(as_of()) }} - horizons.days * steps.number as cutoff,
        horizons.days as horizon_days
    from {{ lifetime_value_horizons() }}
    cross join generate_series(1, {{ var('backtest_windows') }}) as steps (number)
    where {{ shop_day(as_of()) }} - horizons.days * steps.number > (select min(movements.day) from movements)
),

{{ lifetime_value_predictions() }},

final as (
    select
        cutoff as cutoff_day,
        horizon_days,
        cutoff - (select min(movements.day) from movements) as history_days,
        count(*) as customers,
        {{ to_shop_currency('sum(predicted_minor)') }} as predicted_net_sales,
        {{ to_shop_currency('sum(actual_minor)') }} as actual_net_sales,
        {{ to_shop_currency('sum(predicted_minor - actual_minor)') }} as prediction_error,
        {{ to_shop_currency('sum(abs(predicted_minor - actual_minor)) / count(*)') }} as mean_absolute_error,
        {{ to_shop_currency('sum(recent_minor)') }} as naive_net_sales,
        {{ to_shop_currency('sum(abs(recent_minor - actual_minor)) / count(*)') }} as naive_mean_absolute_error,
        '{{ var("shop_currency") }}' as currency
    from predictions
    group by cutoff, horizon_days
)

select * from final
