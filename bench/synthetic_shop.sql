-- A shop of any size, written by the server itself. A day's orders, sessions and mails depend on its date alone, so that
-- shops which began on different days have the same last day. Each function that is named as a raw table gives what its
-- source says from the first to the last day: what is new then, and what has changed of the days before.
create schema synthetic;
create table synthetic.shop (first_day date, orders bigint, sessions bigint, recipients bigint, products bigint);
create type synthetic.record as (key text, version timestamptz, document json);
create type synthetic.sale as (
  number bigint, at timestamptz, customer bigint, email text, lines bigint, minor bigint, is_returned boolean
);

create function synthetic.some(seed bigint, below bigint) returns bigint language sql immutable as
'select (hashint8(seed)::bigint & 2147483647) % greatest(below, 1)';

create function synthetic.bag(minor bigint) returns json language sql immutable as $$
select json_build_object('shopMoney', money, 'presentmentMoney', money)
from json_build_object('amount', (minor / 100.0)::numeric(18, 2)::text, 'currencyCode', 'EUR') as money
$$;

create function synthetic.days(first date, last date) returns setof date language sql stable as $$
select generate_series(greatest(first, first_day), last::timestamp, interval '1 day')::date from synthetic.shop
$$;

-- Every second order is a new customer's, some are guests', one in twenty comes back in part three days later.
create function synthetic.orders(first date, last date) returns setof synthetic.sale language sql stable as $$
select
  number, (day + time '00:05') at time zone 'UTC' + nth * (interval '23 hours' / shop.orders),
  case when number % 20 != 11 then customer end,
  case when number % 20 = 11 then 'guest' || number else 'customer' || customer end || '@example.com',
  1 + number % 3, (1 + number % 3) * 1000 + number % 90 * 100, number % 20 = 0
from synthetic.shop, synthetic.days(first, last) as day, generate_series(0, shop.orders - 1) as nth,
  lateral (select (day - date '2000-01-01') * shop.orders + nth as number) as numbers,
  lateral (select (first_day - date '2000-01-01') * shop.orders / 2 as oldest) as customers,
  lateral (
    select case number % 2 when 0 then number / 2 else oldest + synthetic.some(number, number / 2 - oldest) end as customer
  ) as buyer
$$;

create function synthetic.line(number bigint, nth bigint, is_returned boolean) returns json language sql stable as $$
select json_build_object(
  'id', 'gid://shopify/LineItem/' || number * 10 + nth, 'sku', 'SKU-' || product, 'title', 'Product ' || product,
  'quantity', 1, 'currentQuantity', case when is_returned then 0 else 1 end,
  'originalUnitPriceSet', synthetic.bag(case nth when 0 then 1000 + number % 90 * 100 else 1000 end),
  'discountAllocations', json_build_array(), 'product', json_build_object('id', 'gid://shopify/Product/' || product),
  'taxLines', json_build_array(json_build_object('priceSet', synthetic.bag(160))),
  'variant', json_build_object('id', 'gid://shopify/ProductVariant/' || product)
)
from synthetic.shop, lateral (select 1 + synthetic.some(number * 3 + nth, products) as product) as chosen
$$;

create function synthetic.step(sale synthetic.sale, kind text, minor bigint, at timestamptz) returns json
language sql stable as $$
select json_build_object(
  'id', 'gid://shopify/OrderTransaction/' || sale.number * 10 + case kind when 'SALE' then 0 else 1 end, 'kind', kind,
  'status', 'SUCCESS', 'gateway', 'stripe', 'paymentId', 'pi_' || sale.number, 'processedAt', at,
  'amountSet', synthetic.bag(minor), 'parentTransaction',
  case kind when 'REFUND' then json_build_object('id', 'gid://shopify/OrderTransaction/' || sale.number * 10) end
)
$$;

create function synthetic.order_document(sale synthetic.sale, is_returned boolean) returns json
language sql stable as $$
select json_build_object(
  'id', 'gid://shopify/Order/' || sale.number, 'name', '#' || sale.number, 'email', sale.email,
  'customer', case when sale.customer is not null
    then json_build_object('id', 'gid://shopify/Customer/' || sale.customer) end,
  'createdAt', sale.at, 'processedAt', sale.at, 'updatedAt', sale.at + case when is_returned then 3 else 0 end * interval '1 day',
  'cancelledAt', null, 'test', false, 'taxesIncluded', true, 'currencyCode', 'EUR', 'presentmentCurrencyCode', 'EUR',
  'displayFinancialStatus', case when is_returned then 'PARTIALLY_REFUNDED' else 'PAID' end,
  'displayFulfillmentStatus', 'FULFILLED', 'discountCodes', json_build_array(),
  'shippingAddress', json_build_object(
    'countryCodeV2', (array['DE', 'DE', 'DE', 'AT', 'FR', 'US', 'GB'])[1 + sale.number % 7], 'city', 'Berlin', 'zip', '10115'
  ),
  'shippingLines', json_build_object('nodes', json_build_array()),
  'lineItems', json_build_object('nodes', (
    select json_agg(synthetic.line(sale.number, nth, is_returned and nth = 0)) from generate_series(0, sale.lines - 1) as nth
  )),
  'refunds', case when is_returned then json_build_array(json_build_object(
    'id', 'gid://shopify/Refund/' || sale.number, 'createdAt', sale.at + interval '3 days',
    'refundLineItems', json_build_object('nodes', json_build_array(json_build_object(
      'id', 'gid://shopify/RefundLineItem/' || sale.number, 'quantity', 1,
      'lineItem', json_build_object('id', 'gid://shopify/LineItem/' || sale.number * 10),
      'subtotalSet', synthetic.bag(1000 + sale.number % 90 * 100), 'totalTaxSet', synthetic.bag(160)
    )))
  )) else json_build_array() end,
  'transactions', case when is_returned then json_build_array(
    synthetic.step(sale, 'SALE', sale.minor, sale.at),
    synthetic.step(sale, 'REFUND', 1000 + sale.number % 90 * 100, sale.at + interval '3 days')
  ) else json_build_array(synthetic.step(sale, 'SALE', sale.minor, sale.at)) end
)
$$;

create function synthetic.shopify_orders(first date, last date) returns setof synthetic.record language sql stable as $$
select 'gid://shopify/Order/' || number, at, synthetic.order_document(sale, false)
from synthetic.orders(first, last) as sale
union all
select 'gid://shopify/Order/' || number, at + interval '3 days', synthetic.order_document(sale, true)
from synthetic.orders(first - 3, last - 3) as sale where is_returned
$$;

create function synthetic.shopify_customers(first date, last date) returns setof synthetic.record language sql stable as $$
select 'gid://shopify/Customer/' || customer, at, json_build_object(
  'id', 'gid://shopify/Customer/' || customer, 'firstName', 'Ada', 'lastName', 'Byron ' || customer, 'createdAt', at,
  'updatedAt', at, 'defaultEmailAddress', json_build_object('emailAddress', email, 'marketingState', 'SUBSCRIBED'),
  'defaultAddress', json_build_object('countryCodeV2', 'DE', 'city', 'Berlin', 'zip', '10115')
)
from synthetic.orders(first, last) where number % 2 = 0
$$;

create function synthetic.shopify_products(first date, last date) returns setof synthetic.record language sql stable as $$
select 'gid://shopify/Product/' || product, first_day, json_build_object(
  'id', 'gid://shopify/Product/' || product, 'title', 'Product ' || product, 'status', 'ACTIVE', 'productType', 'Tea',
  'createdAt', first_day, 'updatedAt', first_day,
  'variants', json_build_object('nodes', json_build_array(json_build_object('id', 'gid://shopify/ProductVariant/' || product)))
)
from synthetic.shop, generate_series(1, products) as product where first = first_day
$$;

create function synthetic.uploads_product_costs(first date, last date) returns setof synthetic.record
language sql stable as $$
select format('%s:%s', to_char(day, 'YYYY-MM'), product), day, json_build_object(
  'month', to_char(day, 'YYYY-MM'), 'variant_id', product::text, 'sku', 'SKU-' || product, 'unit_cost', '4.20', 'currency', 'EUR'
)
from synthetic.shop, synthetic.days(first, last) as day, generate_series(1, products) as product
where day = first_day or extract(day from day) = 1
$$;

create function synthetic.stripe_charges(first date, last date) returns setof synthetic.record language sql stable as $$
select 'ch_' || number, at + changed.after, json_build_object(
  'id', 'ch_' || number, 'object', 'charge', 'amount', minor, 'amount_captured', minor, 'captured', true,
  'amount_refunded', case when changed.after > interval '0' then 1000 + number % 90 * 100 else 0 end, 'currency', 'eur',
  'status', 'succeeded', 'payment_intent', 'pi_' || number, 'balance_transaction', 'txn_' || number,
  'created', extract(epoch from at)::bigint, 'billing_details', json_build_object('email', email),
  'metadata', json_build_object('order_id', number::text)
)
from (values (interval '0'), (interval '3 days')) as changed (after),
  synthetic.orders((first - changed.after)::date, (last - changed.after)::date)
where changed.after = interval '0' or is_returned
$$;

create function synthetic.stripe_refunds(first date, last date) returns setof synthetic.record language sql stable as $$
select 're_' || number, at + interval '3 days', json_build_object(
  'id', 're_' || number, 'charge', 'ch_' || number, 'payment_intent', 'pi_' || number, 'currency', 'eur',
  'amount', 1000 + number % 90 * 100, 'status', 'succeeded', 'balance_transaction', 'txnr_' || number,
  'created', extract(epoch from at + interval '3 days')::bigint
)
from synthetic.orders(first - 3, last - 3) where is_returned
$$;

-- A charge's movement is pending for three days.
create function synthetic.stripe_balance_transactions(first date, last date) returns setof synthetic.record
language sql stable as $$
select 'txn_' || number, at + changed.after, json_build_object(
  'id', 'txn_' || number, 'source', 'ch_' || number, 'type', 'charge', 'reporting_category', 'charge', 'currency', 'eur',
  'status', case when changed.after > interval '0' then 'available' else 'pending' end, 'amount', minor, 'fee', 30 + minor / 100,
  'net', minor - 30 - minor / 100, 'created', extract(epoch from at)::bigint,
  'available_on', extract(epoch from at + interval '3 days')::bigint
)
from (values (interval '0'), (interval '3 days')) as changed (after),
  synthetic.orders((first - changed.after)::date, (last - changed.after)::date)
union all
select 'txnr_' || number, at + interval '3 days', json_build_object(
  'id', 'txnr_' || number, 'source', 're_' || number, 'type', 'refund', 'reporting_category', 'refund', 'currency', 'eur',
  'status', 'available', 'amount', -1000 - number % 90 * 100, 'fee', 0, 'net', -1000 - number % 90 * 100,
  'created', extract(epoch from at + interval '3 days')::bigint,
  'available_on', extract(epoch from at + interval '3 days')::bigint
)
from synthetic.orders(first - 3, last - 3) where is_returned
$$;

create function synthetic.stripe_payouts(first date, last date) returns setof synthetic.record language sql stable as $$
select 'po_' || day, day + time '23:30', json_build_object(
  'id', 'po_' || day, 'currency', 'eur', 'amount', 100000, 'status', 'paid', 'balance_transaction', 'txnp_' || day,
  'created', extract(epoch from day + time '23:30')::bigint, 'arrival_date', extract(epoch from day + 2)::bigint
)
from synthetic.days(first, last) as day
$$;

-- A campaign a week; who has bought by then may be among its recipients.
create function synthetic.email_campaigns(first date, last date) returns setof synthetic.record language sql stable as $$
select 'c' || day, day + time '08:00', json_build_object(
  'campaign_id', 'c' || day, 'name', 'Campaign of ' || day, 'status', 'sent', 'sent_at', day + time '08:00',
  'cost_amount', '100.00', 'cost_currency', 'EUR', 'updated_at', day + time '08:00'
)
from synthetic.days(first, last) as day where extract(isodow from day) = 2
$$;

create function synthetic.email_events(first date, last date) returns setof synthetic.record language sql stable as $$
select format('%s:%s:%s', kind, day, nth), at, json_build_object(
  'event_id', format('%s:%s:%s', kind, day, nth), 'event_type', kind, 'campaign_id', 'c' || day,
  'email', format('customer%s@example.com', oldest + synthetic.some(nth * 7919 + (day - first_day), newest - oldest)), 'occurred_at', at
)
from synthetic.shop, (values ('sent', 1, 0), ('open', 3, 0), ('open', 7, 1), ('click', 20, 1)) as kinds (kind, every, after),
  synthetic.days(first - 1, last) as day, generate_series(1, recipients) as nth,
  lateral (select day + after + time '09:00' + nth * interval '1 second' as at) as moment,
  lateral (
    select (first_day - date '2000-01-01') * orders / 2 as oldest, (day - date '2000-01-01') * orders / 2 as newest
  ) as customers
where extract(isodow from day) = 2 and nth % every = 0 and at::date between first and last
$$;

-- Every session sees the shop and a product, every fourth fills a cart, every third of the first ones buys an order.
create function synthetic.google_analytics_events(first date, last date) returns setof synthetic.record
language sql stable as $$
select format('%s:%s:%s', day, session, nth), at, json_build_object(
  'event_date', to_char(day, 'YYYYMMDD'), 'event_timestamp', (extract(epoch from at) * 1000000)::bigint::text,
  'event_name', name, 'user_pseudo_id', 'v' || session % 5000, 'event_params', json_build_array(json_build_object(
    'key', 'ga_session_id', 'value', json_build_object('int_value', extract(epoch from day)::bigint + session)
  )),
  'collected_traffic_source', json_build_object(
    'manual_source', (array['google', 'newsletter', 'partner'])[1 + session % 3],
    'manual_medium', (array['organic', 'email', 'referral'])[1 + session % 3]
  ),
  'ecommerce', case name when 'purchase' then json_build_object('transaction_id', number::text, 'purchase_revenue', 30) end,
  'items', case when nth > 0
    then json_build_array(json_build_object('item_id', (1 + synthetic.some(session * 5 + nth, products))::text)) end
)
from synthetic.shop, synthetic.days(first, last) as day, generate_series(0, sessions - 1) as session,
  (values (0, 'page_view', 1), (1, 'view_item', 1), (2, 'view_item', 2), (3, 'add_to_cart', 3), (4, 'purchase', 3))
    as steps (nth, name, every),
  lateral (select (day - date '2000-01-01') * orders + session / 3 as number) as numbers,
  lateral (
    select (day + time '00:05') at time zone 'UTC' + session * (interval '23 hours' / sessions) + nth * interval '20 s' as at
  ) as moment
where session % every = 0 and (name != 'purchase' or session / 3 < orders)
$$;
