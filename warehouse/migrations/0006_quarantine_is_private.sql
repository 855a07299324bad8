-- Quarantined records hold personal data: who watches the pipeline may count them, not read them.
revoke select on ops.quarantine from monitor;
grant select (quarantine_id, source, stream, errors, load_id, quarantined_at, status, resolved_at)
  on ops.quarantine to monitor;
