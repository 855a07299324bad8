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

facts as (
    select
        cutoff,
        horizon_days,
        customer_key,
        predicted_minor,
        0 as actual_minor,
        0 as naive_minor
    from predictions
    union all
    select
        windows.cutoff,
        windows.horizon_days,
        movements.customer_key,
        null as predicted_minor,
        case when movements.day >= windows.cutoff then movements.net_minor else 0 end as actual_minor,
        case when movements.day < windows.cutoff then movements.net_minor else 0 end as naive_minor
    from windows
    inner join movements
        on movements.day between windows.cutoff - windows.horizon_days and windows.cutoff + windows.horizon_days - 1
),

compared as (
    select
        cutoff,
        horizon_days,
        customer_key,
        sum(predicted_minor) as predicted_minor,
        sum(actual_minor) as actual_minor,
        sum(naive_minor) as naive_minor
    from facts
    group by cutoff, horizon_days, customer_key
    having count(predicted_minor) > 0 -- none of who came later
),

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
        {{ to_shop_currency('sum(naive_minor)') }} as naive_net_sales,
        {{ to_shop_currency('sum(abs(naive_minor - actual_minor)) / count(*)') }} as naive_mean_absolute_error,
        '{{ var("shop_currency") }}' as currency
    from compared
    group by cutoff, horizon_days
)

select * from final
