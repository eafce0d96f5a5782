-- Identities of one person, joined by a one-time code; who never linked anything is not in it. Profile,
-- limits and spending of a person stand under one of the keys.
CREATE TABLE identities (
    diver     text PRIMARY KEY,
    person    text NOT NULL,
    linked_at bigint NOT NULL
);
CREATE INDEX identities_person ON identities (person);

CREATE TABLE link_codes (
    bot         text NOT NULL,
    selector    text NOT NULL,
    secret      text NOT NULL,
    diver       text NOT NULL,                   -- who gave it
    expires_at  bigint NOT NULL,
    misses      bigint NOT NULL DEFAULT 0,
    redeemed_by text,                            -- a repeat by the same diver succeeds again
    PRIMARY KEY (bot, selector)
);
CREATE INDEX link_codes_diver ON link_codes (diver);
CREATE INDEX link_codes_redeemed ON link_codes (redeemed_by) WHERE redeemed_by IS NOT NULL;

CREATE TABLE link_misses (
    diver  text PRIMARY KEY,
    misses bigint NOT NULL,
    until  bigint NOT NULL
);

-- A message that stands for the reply of a running turn; goes once the reply replaced it.
CREATE TABLE placeholders (
    turn         text PRIMARY KEY,
    conversation text COLLATE "C" NOT NULL,
    diver        text   NOT NULL,
    receipt      text   NOT NULL,
    placed_at    bigint NOT NULL
);
CREATE INDEX placeholders_conversation ON placeholders (conversation);

-- An emergency that was told with another one of its conversation stands here as acknowledged.
CREATE TABLE alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('lead', 'emergency')),
    subject         text NOT NULL,               -- the lead's id, or the turn's
    conversation    text COLLATE "C",            -- where an emergency was said
    raised_at       bigint NOT NULL,
    told            bigint NOT NULL DEFAULT 0,
    next_at         bigint NOT NULL,
    acknowledged_at bigint,
    UNIQUE (kind, subject)
);
CREATE INDEX alerts_unseen ON alerts (next_at) WHERE acknowledged_at IS NULL;
CREATE INDEX alerts_conversation ON alerts (conversation) WHERE acknowledged_at IS NULL;
CREATE INDEX turns_emergencies ON turns (finished_at) WHERE outcome = 'emergency';
CREATE INDEX divers_updated ON divers (updated_at);

-- What follows are the writes of a turn as functions, so that each is one round trip. Each statement of a
-- function sees what was committed before it began. Rows are locked in the order limits, lanes, the rest.
-- `p_now` is given in tests; elsewhere it is empty and the database's clock counts.

-- The key that a diver's profile, limits and spending stand under.
CREATE FUNCTION dovvy_person(p_diver text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT coalesce((SELECT person FROM identities WHERE diver = p_diver), p_diver) $$;

-- Who is alive, of those who hand out work.
CREATE FUNCTION dovvy_alive() RETURNS bigint[] LANGUAGE sql STABLE AS
$$ SELECT coalesce(array_agg(id), '{}') FROM replicas WHERE alive_until >= dovvy_now() $$;

-- The events at the front of a lane that are answered together, and when they may be. A burst is one sender's;
-- what comes after it, or four times its settling, ends it.
CREATE FUNCTION dovvy_burst(p_conversation text, p_from bigint, OUT seqs bigint[], OUT ready bigint, OUT oldest bigint,
                            OUT crashes integer)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    v_diver text;
    v_settle bigint;
BEGIN
    FOR r IN SELECT i.seq, i.diver, i.received_at, i.ready_at, i.attempts - i.parked AS crashes FROM inbox i
             WHERE i.conversation = p_conversation AND i.seq >= p_from AND i.covered_by IS NULL ORDER BY i.seq
    LOOP
        IF seqs IS NULL THEN
            seqs := ARRAY[r.seq];
            oldest := r.received_at;
            crashes := r.crashes;
            ready := r.ready_at;
            v_diver := r.diver;
            v_settle := r.ready_at - r.received_at;
            EXIT WHEN v_settle <= 0;
        ELSIF r.ready_at > r.received_at AND r.diver = v_diver THEN
            seqs := seqs || r.seq;
            ready := r.ready_at;
        ELSE
            ready := r.received_at;
            EXIT;
        END IF;
    END LOOP;
    IF v_settle > 0 THEN
        ready := least(ready, oldest + 4 * v_settle);
    END IF;
END $$;

-- Writes down what waits in a lane from `p_from` on, after its events changed in number by `p_change`.
CREATE FUNCTION dovvy_place(p_conversation text, p_from bigint, p_change bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    SELECT * INTO v FROM dovvy_burst(p_conversation, p_from);
    UPDATE lanes SET first_seq = v.seqs[1], ready_at = coalesce(v.ready, 0), suspect = coalesce(v.crashes > 1, false),
                     oldest_at = v.oldest, waiting = CASE WHEN v.seqs IS NULL THEN 0 ELSE waiting + p_change END
    WHERE conversation = p_conversation;
END $$;

-- When the burst of a lane has settled. The clock may have been put back since its first message came: nobody waits
-- until it is that late again. By less than five seconds it is merely kept true.
CREATE FUNCTION dovvy_settled(p_ready bigint, p_oldest bigint, p_now bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN p_oldest > p_now + 5000 THEN 0 ELSE p_ready END $$;

-- Stores an event at the end of its lane; the lane's row is locked by it. `p_covered` names the turn that already
-- answers it: then nothing waits. Nothing happens, and `o_seq` stays empty, if the event is known.
CREATE FUNCTION dovvy_store(p_conversation text, p_key text, p_turn text, p_diver text, p_fingerprint text,
    p_event text, p_received bigint, p_ready bigint, p_fresh text, p_bot text, p_offer bigint, p_home bigint,
    p_covered text, OUT o_seq bigint, OUT o_session text)
LANGUAGE plpgsql AS $$
DECLARE
    v_first bigint;
BEGIN
    LOOP
        SELECT first_seq INTO v_first FROM lanes WHERE conversation = p_conversation FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO lanes (conversation) VALUES (p_conversation) ON CONFLICT (conversation) DO NOTHING;
    END LOOP;
    -- Drawn under the lock, so that the numbers of a conversation grow in the order of its commits.
    o_seq := nextval('inbox_seq');
    INSERT INTO event_ids (event_key, conversation, seq, offer) VALUES (p_key, p_conversation, o_seq, p_offer)
        ON CONFLICT (event_key) DO NOTHING;
    IF NOT FOUND THEN
        o_seq := NULL;
        RETURN;
    END IF;
    INSERT INTO inbox (conversation, seq, event_key, turn, diver, fingerprint, event, covered_by, received_at, ready_at)
        VALUES (p_conversation, o_seq, p_key, p_turn, p_diver, p_fingerprint, p_event, p_covered, p_received, p_ready);
    IF p_covered IS NULL AND v_first IS NULL THEN
        UPDATE lanes SET first_seq = o_seq, ready_at = p_ready, suspect = false, waiting = 1, oldest_at = p_received,
                         home = p_home
        WHERE conversation = p_conversation;
    ELSIF p_covered IS NULL THEN
        UPDATE lanes SET home = p_home WHERE conversation = p_conversation AND home IS DISTINCT FROM p_home;
        PERFORM dovvy_place(p_conversation, v_first, 1);
    END IF;
    SELECT id INTO o_session FROM sessions WHERE conversation = p_conversation;
    IF NOT FOUND THEN
        INSERT INTO sessions (id, bot, conversation, diver, created_at, updated_at)
            VALUES (p_fresh, p_bot, p_conversation, p_diver, p_received, p_received)
            ON CONFLICT (conversation) DO NOTHING;
        SELECT id INTO o_session FROM sessions WHERE conversation = p_conversation;
    END IF;
    INSERT INTO participants (diver, conversation) VALUES (p_diver, p_conversation) ON CONFLICT DO NOTHING;
END $$;

-- The answer to an offered event that is known. `fate`: 1 this very offer stored it, 2 another did.
CREATE FUNCTION dovvy_known(p_key text, p_fresh text, p_offer bigint, OUT fate integer, OUT turn text,
                            OUT session text, OUT fingerprint text)
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN e.offer = p_offer THEN 1 ELSE 2 END, coalesce(i.covered_by, i.turn), coalesce(s.id, p_fresh),
           i.fingerprint
    FROM event_ids e JOIN inbox i ON i.conversation = e.conversation AND i.seq = e.seq
    LEFT JOIN sessions s ON s.conversation = e.conversation
    WHERE e.event_key = p_key
$$;

-- Charges the limit and stores the event, unless it is known or refused. `fate`: as of `dovvy_known`, or 3: the
-- limit refuses it. `arrival` and `at` are the limit's number and the moment it was looked at.
CREATE FUNCTION dovvy_accept(p_conversation text, p_key text, p_turn text, p_diver text, p_fingerprint text,
    p_event text, p_received bigint, p_settle bigint, p_now bigint, p_fresh text, p_bot text, p_offer bigint,
    p_home bigint, p_limit text, p_step bigint, p_furthest bigint, p_tolerance bigint,
    OUT fate integer, OUT turn text, OUT session text, OUT fingerprint text, OUT arrival bigint, OUT at bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_limit text;
    v_seq bigint;
    v_charged boolean := false;
    v_received bigint := coalesce(p_now, dovvy_now());
BEGIN
    at := v_received;
    SELECT k.* INTO fate, turn, session, fingerprint FROM dovvy_known(p_key, p_fresh, p_offer) k;
    IF fate IS NOT NULL THEN
        SELECT l.arrival INTO arrival FROM limits l WHERE l.key = dovvy_person(p_limit);
        RETURN;
    END IF;
    IF p_limit IS NOT NULL THEN
        v_limit := dovvy_person(p_limit);
        INSERT INTO limits AS l (key, arrival) VALUES (v_limit, at + p_step)
            ON CONFLICT (key) DO UPDATE SET arrival = least(greatest(l.arrival, at), at + p_furthest) + p_step
                WHERE least(greatest(l.arrival, at), at + p_furthest) - at <= p_tolerance
            RETURNING l.arrival INTO arrival;
        v_charged := FOUND;
        IF NOT v_charged THEN
            -- A repeat may have been stored while the row was waited for; it costs nothing.
            SELECT k.* INTO fate, turn, session, fingerprint FROM dovvy_known(p_key, p_fresh, p_offer) k;
            IF fate IS NULL THEN
                SELECT l.arrival INTO arrival FROM limits l WHERE l.key = v_limit;
                fate := 3;
            END IF;
            RETURN;
        END IF;
    END IF;
    SELECT s.o_seq, s.o_session INTO v_seq, session FROM dovvy_store(p_conversation, p_key, p_turn, p_diver,
        p_fingerprint, p_event, v_received, v_received + p_settle, p_fresh, p_bot, p_offer, p_home, NULL) s;
    IF v_seq IS NOT NULL THEN
        fate := 1;
        turn := p_turn;
        fingerprint := p_fingerprint;
        RETURN;
    END IF;
    IF v_charged THEN
        UPDATE limits l SET arrival = l.arrival - p_step WHERE l.key = v_limit;
    END IF;
    SELECT k.* INTO fate, turn, session, fingerprint FROM dovvy_known(p_key, p_fresh, p_offer) k;
END $$;

-- What a turn leaves: session, messages, turn, usage, profile, parts. Everything hangs on the session's row: when
-- the diver was erased meanwhile, nothing of the turn is kept, and its words are not sent any more; the answer to
-- the command that erased them is.
CREATE FUNCTION dovvy_write(p_conversation text, p_fence bigint, p_now bigint, p_turn json) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t record;
    v_epoch bigint;
    v_held boolean;
    v_due bigint := coalesce(p_now, dovvy_now());
BEGIN
    SELECT * INTO t FROM json_to_record(p_turn) AS x(id text, session text, diver text, account text, attempt bigint,
        said text, words text, reply text, agent text, model text, outcome text, state text, emergency text,
        stands_down boolean, profile text, restarts boolean, created_at bigint, asked_at bigint, at bigint,
        urgent boolean, last_seen bigint, raised bigint, tokens bigint, cost_micros bigint, waited_ms bigint,
        route_ms bigint, search_ms bigint, first_piece_ms bigint, total_ms bigint, outlet text, context text,
        parts json);
    IF EXISTS (SELECT 1 FROM turns WHERE id = t.id) THEN
        RETURN;
    END IF;
    UPDATE sessions s SET
        state = coalesce(t.state, s.state),
        emergency = CASE WHEN t.raised > 0 THEN t.emergency
                         WHEN t.stands_down AND s.emergency_seq <= t.last_seen THEN NULL ELSE s.emergency END,
        emergency_seq = greatest(s.emergency_seq, t.raised),
        epoch = s.epoch + t.restarts::int, diver = t.diver, created_at = coalesce(t.created_at, s.created_at),
        updated_at = t.at
    WHERE s.conversation = p_conversation AND s.id = t.session RETURNING s.epoch INTO v_epoch;
    v_held := FOUND;
    IF v_held THEN
        IF t.said <> '' THEN
            INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
                VALUES (p_conversation, v_epoch, t.diver, t.id, 'user', t.said, t.asked_at);
            INSERT INTO messages (conversation, epoch, diver, turn, role, content, created_at)
                VALUES (p_conversation, v_epoch, t.diver, t.id, 'assistant', t.words, t.at);
        END IF;
        INSERT INTO turns (id, conversation, session, diver, attempt, fence, outcome, reply, finished_at)
            VALUES (t.id, p_conversation, t.session, t.diver, t.attempt, p_fence, t.outcome, t.reply, t.at);
        INSERT INTO usage (turn, conversation, diver, agent, model, outcome, tokens, cost_micros, waited_ms, route_ms,
                           search_ms, first_piece_ms, total_ms, at)
            VALUES (t.id, p_conversation, t.diver, t.agent, t.model, t.outcome, t.tokens, t.cost_micros, t.waited_ms,
                    t.route_ms, t.search_ms, t.first_piece_ms, t.total_ms, t.at);
        IF t.profile <> '{}' THEN
            INSERT INTO divers AS d (key, account, profile, updated_at)
                VALUES (dovvy_person(t.diver), t.account, t.profile, t.at)
                ON CONFLICT (key) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at
                    WHERE d.profile <> excluded.profile;
        END IF;
    END IF;
    IF t.parts IS NOT NULL AND (v_held OR t.said = '') THEN
        INSERT INTO outbox (lane, outlet, conversation, diver, turn, part, payload, context, urgent, command, state,
                            next_at, created_at)
        SELECT p_conversation, t.outlet, p_conversation, t.diver, t.id, p.ordinality - 1, p.value, t.context, t.urgent,
               t.said = '', 'pending', v_due, t.at
        FROM json_array_elements_text(t.parts) WITH ORDINALITY p ORDER BY p.ordinality;
    END IF;
END $$;

-- An event together with the turn that answers it. `fate` as of `dovvy_accept`.
CREATE FUNCTION dovvy_answered(p_conversation text, p_key text, p_turn text, p_diver text, p_fingerprint text,
    p_received bigint, p_now bigint, p_fresh text, p_bot text, p_offer bigint, p_finished json,
    OUT fate integer, OUT turn text, OUT session text, OUT fingerprint text)
LANGUAGE plpgsql AS $$
DECLARE
    v_seq bigint;
    v_received bigint := coalesce(p_now, dovvy_now());
BEGIN
    SELECT k.* INTO fate, turn, session, fingerprint FROM dovvy_known(p_key, p_fresh, p_offer) k;
    IF fate IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT s.o_seq, s.o_session INTO v_seq, session FROM dovvy_store(p_conversation, p_key, p_turn, p_diver,
        p_fingerprint, NULL, v_received, v_received, p_fresh, p_bot, p_offer, NULL, p_finished ->> 'id') s;
    IF v_seq IS NULL THEN
        SELECT k.* INTO fate, turn, session, fingerprint FROM dovvy_known(p_key, p_fresh, p_offer) k;
        RETURN;
    END IF;
    PERFORM dovvy_write(p_conversation, NULL, p_now, (p_finished::jsonb || jsonb_build_object('session', session,
        'last_seen', v_seq, 'raised', v_seq))::json);
    fate := 1;
    turn := p_turn;
    fingerprint := p_fingerprint;
END $$;

-- Hands out the next lane to a replica, leased for `p_lease`. A lane whose client is connected to another
-- replica that is alive is left to that one for `p_grace`, so that its client sees the reply as it is written.
-- Of suspects one runs at a time. One row per event, or one without a conversation; `more` tells whether another
-- lane may be had at once, and if not, `rest` is what `dovvy_next` says.
CREATE FUNCTION dovvy_claim(p_me bigint, p_now bigint, p_lease bigint, p_grace bigint, p_own_only boolean)
RETURNS TABLE (conversation text, fence bigint, attempt integer, crashes integer, seq bigint, event text,
               more boolean, rest bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now bigint;
    v_alive bigint[] := dovvy_alive();
    v lanes%ROWTYPE;
    v_suspects boolean := true;
    v_seqs bigint[];
    v_fence bigint;
    v_attempts integer;
    v_parked integer;
    v_more boolean;
    v_rest bigint;
    v_looks integer := 0;
BEGIN
    LOOP
        v_now := coalesce(p_now, dovvy_now());
        SELECT l.* INTO v FROM lanes l
        WHERE l.first_seq IS NOT NULL AND dovvy_settled(l.ready_at, l.oldest_at, v_now) <= v_now
          AND (l.holder IS NULL OR l.leased_until < v_now OR l.holder <> ALL (v_alive))
          AND (l.home = p_me OR NOT p_own_only AND (l.home IS NULL OR l.home <> ALL (v_alive)
               OR dovvy_settled(l.ready_at, l.oldest_at, v_now) + p_grace <= v_now))
          AND (NOT l.suspect OR v_suspects)
        ORDER BY l.first_seq LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            more := false;
            rest := dovvy_next(p_me, p_now, p_grace, p_own_only);
            -- Others were quicker, and what there is besides was committed after this look began.
            v_looks := v_looks + 1;
            CONTINUE WHEN rest <= 0 AND v_looks < 10;
            RETURN NEXT;
            RETURN;
        END IF;
        EXIT WHEN NOT v.suspect;
        -- One at a time over all replicas: the lock is held until this claim is committed.
        PERFORM pg_advisory_xact_lock(1685482102, 1);
        EXIT WHEN NOT EXISTS (SELECT 1 FROM lanes o WHERE o.on_trial AND o.leased_until >= v_now
                              AND o.holder = ANY (v_alive) AND o.conversation <> v.conversation);
        v_suspects := false;
    END LOOP;
    SELECT b.seqs INTO v_seqs FROM dovvy_burst(v.conversation, v.first_seq) b;
    UPDATE inbox i SET attempts = i.attempts + 1 WHERE i.conversation = v.conversation AND i.seq = v.first_seq
        RETURNING i.attempts, i.parked INTO v_attempts, v_parked;
    v_fence := nextval('fences');
    UPDATE lanes l SET holder = p_me, fence = v_fence, leased_until = v_now + p_lease,
                       on_trial = v_attempts - 1 - v_parked > 1, suspect = v_attempts - v_parked > 1
    WHERE l.conversation = v.conversation;
    v_more := EXISTS (SELECT 1 FROM lanes l WHERE l.first_seq IS NOT NULL AND l.holder IS NULL
                      AND dovvy_settled(l.ready_at, l.oldest_at, v_now) <= v_now AND l.conversation <> v.conversation);
    IF NOT v_more THEN
        v_rest := dovvy_next(p_me, p_now, p_grace, p_own_only);
    END IF;
    RETURN QUERY SELECT i.conversation::text, v_fence, v_attempts, v_attempts - 1 - v_parked, i.seq, i.event, v_more,
                        v_rest
        FROM inbox i WHERE i.conversation = v.conversation AND i.seq = ANY (v_seqs) ORDER BY i.seq;
END $$;

-- When a claim of this replica may next succeed, in milliseconds from now; empty if nothing waits.
CREATE FUNCTION dovvy_next(p_me bigint, p_now bigint, p_grace bigint, p_own_only boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := coalesce(p_now, dovvy_now());
    v_alive bigint[] := dovvy_alive();
    v_trial bigint;
BEGIN
    SELECT coalesce(max(leased_until) + 1, 0) INTO v_trial FROM lanes
    WHERE on_trial AND leased_until >= v_now AND holder = ANY (v_alive);
    RETURN (SELECT min(greatest(s.settled,
                CASE WHEN l.holder = ANY (v_alive) THEN l.leased_until + 1 ELSE 0 END,
                CASE WHEN l.suspect THEN v_trial ELSE 0 END,
                CASE WHEN l.home <> p_me AND l.home = ANY (v_alive) THEN s.settled + p_grace ELSE 0 END)) - v_now
            FROM lanes l CROSS JOIN LATERAL (SELECT dovvy_settled(l.ready_at, l.oldest_at, v_now) AS settled) s
            WHERE l.first_seq IS NOT NULL AND (l.home = p_me OR NOT p_own_only));
END $$;

-- Ends a claim with its turn. `kept` is false if the lane was lost; `more` tells whether the lane goes on, and
-- `elsewhere` whether its client is connected to another replica. A repeat, after an answer that was lost, finds
-- what it wrote.
CREATE FUNCTION dovvy_finish(p_conversation text, p_fence bigint, p_me bigint, p_repeat boolean, p_covered bigint[],
    p_now bigint, p_turn json, OUT kept boolean, OUT more boolean, OUT elsewhere boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_covered bigint;
    v_trial boolean;
BEGIN
    SELECT l.on_trial INTO v_trial FROM lanes l
    WHERE l.conversation = p_conversation AND l.fence = p_fence AND l.holder = p_me FOR UPDATE;
    IF NOT FOUND THEN
        kept := p_repeat AND EXISTS (SELECT 1 FROM turns WHERE id = p_turn ->> 'id' AND fence = p_fence);
        more := true;
        elsewhere := false;
        RETURN;
    END IF;
    PERFORM dovvy_write(p_conversation, p_fence, p_now, p_turn);
    UPDATE inbox SET covered_by = p_turn ->> 'id', event = NULL
    WHERE conversation = p_conversation AND seq = ANY (p_covered) AND covered_by IS NULL;
    GET DIAGNOSTICS v_covered = ROW_COUNT;
    UPDATE lanes SET holder = NULL, leased_until = NULL, on_trial = false WHERE conversation = p_conversation;
    PERFORM dovvy_place(p_conversation, p_covered[1], -v_covered);
    SELECT v_trial OR l.first_seq IS NOT NULL, l.home IS DISTINCT FROM p_me INTO more, elsewhere FROM lanes l
    WHERE l.conversation = p_conversation;
    kept := true;
END $$;

-- Gives a claim back unfinished; its attempt was no crash. False if the lane was lost.
CREATE FUNCTION dovvy_park(p_conversation text, p_fence bigint, p_me bigint, p_first bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lanes SET holder = NULL, leased_until = NULL, on_trial = false
    WHERE conversation = p_conversation AND fence = p_fence AND holder = p_me;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE inbox SET parked = parked + 1 WHERE conversation = p_conversation AND seq = p_first;
    PERFORM dovvy_place(p_conversation, p_first, 0);
    RETURN true;
END $$;

-- A replica says that it lives, and buries those that do not: what they were sending may have arrived.
-- Returns how often something changed that others hold in memory.
CREATE FUNCTION dovvy_beat(p_me bigint, p_life bigint, OUT changes bigint, OUT buried bigint)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    UPDATE replicas SET alive_until = dovvy_now() + p_life WHERE id = p_me;
    IF NOT FOUND THEN
        INSERT INTO replicas (id, alive_until) OVERRIDING SYSTEM VALUE VALUES (p_me, dovvy_now() + p_life)
            ON CONFLICT (id) DO NOTHING;
    END IF;
    buried := 0;
    FOR r IN SELECT id FROM replicas WHERE id <> p_me AND watched AND alive_until >= dovvy_now() LOOP
        -- Its own session holds this lock as long as the process and its connection last.
        IF pg_try_advisory_xact_lock(1685482103, r.id::integer) THEN
            UPDATE replicas SET alive_until = 0 WHERE id = r.id;
            buried := buried + 1;
        END IF;
    END LOOP;
    UPDATE outbox SET state = 'unknown', uncertain = true, sender = NULL
    WHERE state = 'send_started' AND sender <> ALL (dovvy_alive());
    DELETE FROM replicas WHERE alive_until < dovvy_now() - 86400000 AND id <> p_me;
    SELECT coalesce(max(value), 0) INTO changes FROM meta WHERE name = 'changes';
END $$;

-- Something was written that every replica holds in memory: content, or that somebody was erased.
CREATE FUNCTION dovvy_changed() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v bigint;
BEGIN
    INSERT INTO meta AS m (name, value) VALUES ('changes', 1)
        ON CONFLICT (name) DO UPDATE SET value = m.value + 1 RETURNING value INTO v;
    PERFORM pg_notify('dovvybuddy', 'changes ' || v);
    RETURN v;
END $$;

-- Reserves what a model call may cost, if no cap stands in the way; empty if one does.
CREATE FUNCTION dovvy_reserve(p_day text, p_diver text, p_tokens bigint, p_cost bigint, p_diver_tokens bigint,
    p_all_tokens bigint, p_all_cost bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_person text := dovvy_person(p_diver);
    v_id bigint;
    v record;
BEGIN
    INSERT INTO spend (day, diver, tokens, cost_micros) VALUES (p_day, '', 0, 0), (p_day, v_person, 0, 0)
        ON CONFLICT (day, diver) DO NOTHING;
    PERFORM 1 FROM spend WHERE day = p_day AND diver IN ('', v_person) ORDER BY diver FOR UPDATE;
    SELECT coalesce(sum(tokens) FILTER (WHERE diver = v_person), 0) AS mine,
           coalesce(sum(tokens) FILTER (WHERE diver = ''), 0) AS everyones,
           coalesce(sum(cost_micros) FILTER (WHERE diver = ''), 0) AS cost INTO v
    FROM spend WHERE day = p_day AND diver IN ('', v_person);
    IF p_diver_tokens > 0 AND v.mine + p_tokens > p_diver_tokens
       OR p_all_tokens > 0 AND v.everyones + p_tokens > p_all_tokens
       OR p_all_cost > 0 AND v.cost + p_cost > p_all_cost THEN
        RETURN NULL;
    END IF;
    UPDATE spend SET tokens = tokens + p_tokens, cost_micros = cost_micros + p_cost
    WHERE day = p_day AND diver IN ('', v_person);
    INSERT INTO reservations (day, diver, tokens, cost_micros) VALUES (p_day, v_person, p_tokens, p_cost)
        RETURNING id INTO v_id;
    RETURN v_id;
END $$;

-- Raises alerts for what was stored since the last look, and an hour before it, as clocks and commits are not in
-- step; the first look ever goes back an hour. What was raised before has its row, and so has an emergency that was
-- told with another of its conversation. Returns how many were raised.
CREATE FUNCTION dovvy_raise_alerts(p_now bigint, p_back bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_since bigint;
    v_leads bigint;
    v_emergencies bigint;
BEGIN
    SELECT coalesce((SELECT value FROM meta WHERE name = 'alerted'), p_now) - p_back INTO v_since;
    IF EXISTS (SELECT 1 FROM meta WHERE name = 'alerted')
       AND NOT EXISTS (SELECT 1 FROM leads l WHERE l.created_at >= v_since AND NOT EXISTS
                       (SELECT 1 FROM alerts a WHERE a.kind = 'lead' AND a.subject = l.id))
       AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.outcome = 'emergency' AND t.finished_at >= v_since AND NOT EXISTS
                       (SELECT 1 FROM alerts a WHERE a.kind = 'emergency' AND a.subject = t.id)) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(1685482102, 2);
    INSERT INTO alerts (kind, subject, raised_at, next_at)
    SELECT 'lead', l.id, p_now, p_now FROM leads l WHERE l.created_at >= v_since ORDER BY l.number
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_leads = ROW_COUNT;
    WITH new AS (
        SELECT t.id, t.conversation, t.number, row_number() OVER (PARTITION BY t.conversation ORDER BY t.number) AS place,
               EXISTS (SELECT 1 FROM alerts a WHERE a.conversation = t.conversation AND a.acknowledged_at IS NULL) AS unseen
        FROM turns t
        WHERE t.outcome = 'emergency' AND t.finished_at >= v_since
          AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.kind = 'emergency' AND a.subject = t.id)
    ), written AS (
        INSERT INTO alerts (kind, subject, conversation, raised_at, next_at, acknowledged_at)
        SELECT 'emergency', id, conversation, p_now, p_now, CASE WHEN place > 1 OR unseen THEN p_now END
        FROM new ORDER BY number
        ON CONFLICT DO NOTHING RETURNING acknowledged_at
    )
    SELECT count(*) INTO v_emergencies FROM written WHERE acknowledged_at IS NULL;
    INSERT INTO meta AS m (name, value) VALUES ('alerted', p_now)
        ON CONFLICT (name) DO UPDATE SET value = greatest(m.value, excluded.value);
    RETURN v_leads + v_emergencies;
END $$;

-- Puts an alert's parts into the outbox, unless it was seen, another replica has just told it, or an earlier
-- telling is still on its way. The parts belong to the lead or the turn, so that they go with them.
CREATE FUNCTION dovvy_tell(p_id bigint, p_again bigint, p_lane text, p_outlet text, p_parts json, p_now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v alerts%ROWTYPE;
BEGIN
    SELECT * INTO v FROM alerts WHERE id = p_id AND acknowledged_at IS NULL AND next_at <= p_now FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE alerts SET next_at = p_again WHERE id = p_id;
    IF EXISTS (SELECT 1 FROM outbox o WHERE o.lane = p_lane AND o.outlet = p_outlet
               AND o.state IN ('pending', 'unknown', 'send_started') AND (o.lead = v.subject OR o.turn = v.subject)) THEN
        RETURN false;
    END IF;
    INSERT INTO outbox (lane, outlet, conversation, lead, turn, part, payload, context, urgent, state, next_at, created_at)
    SELECT p_lane, p_outlet, p_lane, CASE v.kind WHEN 'lead' THEN v.subject END,
           CASE v.kind WHEN 'emergency' THEN v.subject END, p.ordinality - 1, p.value, 'null', v.kind = 'emergency',
           'pending', p_now, p_now
    FROM json_array_elements_text(p_parts) WITH ORDINALITY p ORDER BY p.ordinality;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE alerts SET told = told + 1 WHERE id = p_id;
    RETURN true;
END $$;

-- Joins two persons. Limits: who has less left counts. Spending: the sum. Both then stand under `p_keep`, and all
-- identities of `p_other` belong to it.
CREATE FUNCTION dovvy_join(p_keep text, p_other text, p_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO limits AS l (key, arrival) SELECT p_keep, o.arrival FROM limits o WHERE o.key = p_other
        ON CONFLICT (key) DO UPDATE SET arrival = greatest(l.arrival, excluded.arrival);
    DELETE FROM limits WHERE key = p_other;
    INSERT INTO spend AS s (day, diver, tokens, cost_micros)
        SELECT o.day, p_keep, o.tokens, o.cost_micros FROM spend o WHERE o.diver = p_other
        ON CONFLICT (day, diver) DO UPDATE SET tokens = s.tokens + excluded.tokens,
                                               cost_micros = s.cost_micros + excluded.cost_micros;
    DELETE FROM spend WHERE diver = p_other AND p_other <> '';
    UPDATE reservations SET diver = p_keep WHERE diver = p_other;
    UPDATE identities SET person = p_keep WHERE person = p_other;
    INSERT INTO identities (diver, person, linked_at) VALUES (p_keep, p_keep, p_now), (p_other, p_keep, p_now)
        ON CONFLICT (diver) DO UPDATE SET person = excluded.person;
END $$;

-- The platform gave a conversation another name: its session goes on under it, with everything that is found by its
-- conversation, unless one stands there. False, and nothing done, while a message in it waits.
CREATE FUNCTION dovvy_move(p_from text, p_to text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Nothing is accepted in either meanwhile.
    INSERT INTO lanes (conversation) SELECT c FROM unnest(ARRAY[p_from, p_to]) c ORDER BY c ON CONFLICT DO NOTHING;
    PERFORM 1 FROM lanes WHERE conversation IN (p_from, p_to) ORDER BY conversation FOR UPDATE;
    IF EXISTS (SELECT 1 FROM inbox WHERE conversation = p_from AND covered_by IS NULL) THEN
        RETURN false;
    END IF;
    UPDATE sessions SET conversation = p_to WHERE conversation = p_from
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE conversation = p_to);
    IF FOUND THEN
        UPDATE messages SET conversation = p_to WHERE conversation = p_from;
        UPDATE turns SET conversation = p_to WHERE conversation = p_from;
        UPDATE usage SET conversation = p_to WHERE conversation = p_from;
        UPDATE inbox SET conversation = p_to WHERE conversation = p_from;
        UPDATE event_ids SET conversation = p_to WHERE conversation = p_from;
        UPDATE outbox SET conversation = p_to WHERE conversation = p_from;
        UPDATE placeholders SET conversation = p_to WHERE conversation = p_from;
        UPDATE alerts SET conversation = p_to WHERE conversation = p_from;
        UPDATE interventions SET conversation = p_to WHERE conversation = p_from;
        UPDATE message_statuses SET conversation = p_to WHERE conversation = p_from;
        DELETE FROM pauses WHERE conversation = p_to AND EXISTS (SELECT 1 FROM pauses WHERE conversation = p_from);
        UPDATE pauses SET conversation = p_to WHERE conversation = p_from;
        INSERT INTO participants (diver, conversation) SELECT diver, p_to FROM participants
            WHERE conversation = p_from ON CONFLICT DO NOTHING;
        DELETE FROM participants WHERE conversation = p_from;
    END IF;
    DELETE FROM lanes WHERE conversation IN (p_from, p_to) AND first_seq IS NULL AND holder IS NULL;
    RETURN true;
END $$;

-- Removes what is held about a subject, also in tables of later migrations, in the order of what hangs on what. `p_whole`: everything in the
-- conversations is the subject's, whoever said it.
CREATE FUNCTION dovvy_erase(p_conversations text[], p_sessions text[], p_diver text, p_whole boolean, p_leads boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint := 0;
    v_gone bigint;
    v_conversation text;
    v_turns text[];
    v_leads text[];
BEGIN
    PERFORM 1 FROM lanes WHERE conversation = ANY (p_conversations) ORDER BY conversation FOR UPDATE;
    -- Whoever is just telling the operator of one of them is waited for, so that what is told goes as well.
    v_turns := ARRAY(SELECT id FROM turns WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver)
                     ORDER BY id FOR UPDATE);
    DELETE FROM alerts WHERE kind = 'emergency' AND subject = ANY (v_turns);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    -- What the operator is still to be told.
    DELETE FROM outbox WHERE state <> 'sent' AND conversation <> ALL (p_conversations) AND turn = ANY (v_turns);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM placeholders WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM turns WHERE id = ANY (v_turns);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM messages WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM event_ids e USING inbox i WHERE i.conversation = ANY (p_conversations)
        AND (p_whole OR i.diver = p_diver) AND e.event_key = i.event_key;
    DELETE FROM inbox WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    -- A lane that is being worked on keeps its row: its turn ends in it and finds nothing to write to.
    FOREACH v_conversation IN ARRAY p_conversations LOOP
        PERFORM dovvy_place(v_conversation, 0, 0);
        UPDATE lanes l SET waiting = (SELECT count(*) FROM inbox i WHERE i.conversation = v_conversation
                                      AND i.covered_by IS NULL) WHERE l.conversation = v_conversation;
    END LOOP;
    DELETE FROM lanes WHERE conversation = ANY (p_conversations) AND first_seq IS NULL AND holder IS NULL;
    -- The answer to the command that erases is still to be sent; it goes when it is.
    DELETE FROM outbox WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver)
        AND NOT (command AND state IN ('pending', 'unknown', 'send_started'));
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM usage WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM participants WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    -- A platform's name of a message may hold the number it went to.
    DELETE FROM message_statuses m WHERE conversation = ANY (p_conversations)
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.conversation = m.conversation);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    -- A group keeps its session as long as somebody else spoke in it, without what was noted meanwhile.
    DELETE FROM sessions s WHERE conversation = ANY (p_conversations)
        AND NOT EXISTS (SELECT 1 FROM participants p WHERE p.conversation = s.conversation);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM pauses p WHERE conversation = ANY (p_conversations)
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.conversation = p.conversation);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    DELETE FROM interventions i WHERE conversation = ANY (p_conversations)
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.conversation = i.conversation);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    UPDATE outbox SET turn = NULL, diver = NULL
        WHERE conversation = ANY (p_conversations) AND (p_whole OR diver = p_diver);
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    UPDATE sessions SET state = '{}', emergency = NULL, diver = NULL
        WHERE conversation = ANY (p_conversations) AND diver = p_diver;
    GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    IF p_diver <> '' THEN
        DELETE FROM divers WHERE key = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM limits WHERE key = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM reservations WHERE diver = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM spend WHERE diver = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM link_codes WHERE diver = p_diver OR redeemed_by = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM link_misses WHERE diver = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM identities WHERE diver = p_diver;
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    END IF;
    IF p_leads THEN
        v_leads := ARRAY(SELECT id FROM leads WHERE session = ANY (p_sessions) ORDER BY id FOR UPDATE);
        DELETE FROM alerts WHERE kind = 'lead' AND subject = ANY (v_leads);
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM outbox WHERE lead = ANY (v_leads);
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
        DELETE FROM leads WHERE id = ANY (v_leads);
        GET DIAGNOSTICS v_gone = ROW_COUNT; v_rows := v_rows + v_gone;
    END IF;
    RETURN v_rows;
END $$;
