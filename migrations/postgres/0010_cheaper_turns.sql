-- The same functions at less cost. One in the language sql that is not inlined is parsed and planned at every call; in
-- plpgsql its plan is kept as long as the connection.
CREATE OR REPLACE FUNCTION dovvy_person(p_diver text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT person FROM identities WHERE diver = p_diver), p_diver);
END $$;

CREATE OR REPLACE FUNCTION dovvy_alive() RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(id), '{}') FROM replicas WHERE alive_until >= dovvy_now());
END $$;

CREATE OR REPLACE FUNCTION dovvy_known(p_key text, p_fresh text, p_offer bigint, OUT fate integer, OUT turn text,
                                       OUT session text, OUT fingerprint text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    SELECT CASE WHEN e.offer = p_offer THEN 1 ELSE 2 END, coalesce(i.covered_by, i.turn), coalesce(s.id, p_fresh),
           i.fingerprint
    INTO fate, turn, session, fingerprint
    FROM event_ids e JOIN inbox i ON i.conversation = e.conversation AND i.seq = e.seq
    LEFT JOIN sessions s ON s.conversation = e.conversation
    WHERE e.event_key = p_key;
END $$;

-- The lane is freed and put in its place by one write instead of two.
CREATE OR REPLACE FUNCTION dovvy_finish(p_conversation text, p_fence bigint, p_me bigint, p_repeat boolean,
    p_covered bigint[], p_now bigint, p_turn json, OUT kept boolean, OUT more boolean, OUT elsewhere boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_covered bigint;
    v_trial boolean;
    v_left bigint;
    v_turn text := p_turn ->> 'id';
    b record;
BEGIN
    SELECT l.on_trial INTO v_trial FROM lanes l
    WHERE l.conversation = p_conversation AND l.fence = p_fence AND l.holder = p_me FOR UPDATE;
    IF NOT FOUND THEN
        kept := p_repeat AND EXISTS (SELECT 1 FROM turns WHERE id = v_turn AND fence = p_fence);
        more := true;
        elsewhere := false;
        RETURN;
    END IF;
    PERFORM dovvy_write(p_conversation, p_fence, p_now, p_turn);
    UPDATE inbox SET covered_by = v_turn, event = NULL
    WHERE conversation = p_conversation AND seq = ANY (p_covered) AND covered_by IS NULL;
    GET DIAGNOSTICS v_covered = ROW_COUNT;
    SELECT * INTO b FROM dovvy_burst(p_conversation, p_covered[1]);
    UPDATE lanes l SET holder = NULL, leased_until = NULL, on_trial = false, first_seq = b.seqs[1],
        ready_at = coalesce(b.ready, 0), suspect = coalesce(b.crashes > 1, false), oldest_at = b.oldest,
        waiting = CASE WHEN b.seqs IS NULL THEN 0 ELSE l.waiting - v_covered END
    WHERE l.conversation = p_conversation
    RETURNING l.first_seq, l.home IS DISTINCT FROM p_me INTO v_left, elsewhere;
    more := v_trial OR v_left IS NOT NULL;
    kept := true;
END $$;
