-- Citus runs these where the client of their first argument has its rows.
SELECT create_distributed_function(p.oid::regprocedure, p.proargnames[1], colocate_with := 'orders')
  FROM pg_proc AS p
  WHERE p.pronamespace = current_schema()::regnamespace AND p.proargnames[1] = 'p_client' AND p.proname = ANY (ARRAY[
    'oncekey_place_orders', 'oncekey_claim_all', 'oncekey_dispatch_all', 'oncekey_complete_all', 'oncekey_renew',
    'oncekey_release', 'oncekey_resolve', 'oncekey_payment_begin_all', 'oncekey_payment_settle_all',
    'oncekey_payment_send_again', 'oncekey_payment_leave_open', 'oncekey_payment_abandon', 'oncekey_audit_all']);
