-- What receivers answered to these events may repeat what was taken out of them.
CREATE OR REPLACE FUNCTION webhooks.forget_answers(p_event_ids uuid[]) RETURNS void LANGUAGE sql AS $$
    UPDATE webhooks.attempt a SET response = NULL FROM webhooks.delivery d
    WHERE d.event_id = ANY (p_event_ids) AND a.delivery_id = d.delivery_id AND a.response IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION webhooks.forget_answers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks.forget_answers TO coalition_service;
