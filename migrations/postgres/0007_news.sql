-- What was stored and not told yet. Rows are committed in another order than numbers are drawn, so a mark on their
-- own numbers would leave some out for ever: a row is numbered by whoever looks for news, once it is committed.
-- Written only where somebody began to listen, and removed once told.
CREATE TABLE news (
    kind    text NOT NULL CHECK (kind IN ('turn', 'lead', 'rating')),
    subject text NOT NULL,                       -- the turn's id, or the lead's
    number  bigint,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX news_number ON news (kind, number);
CREATE SEQUENCE news_numbers;

-- The last told of each kind, once somebody listens.
CREATE TABLE told (
    kind   text PRIMARY KEY,
    number bigint NOT NULL
);

-- A rating that is changed is news again.
CREATE FUNCTION dovvy_happened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM told) THEN
        INSERT INTO news (kind, subject) VALUES (TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1])
            ON CONFLICT (kind, subject) DO UPDATE SET number = NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION dovvy_vanished() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM news WHERE kind = TG_ARGV[0] AND subject = to_jsonb(OLD) ->> TG_ARGV[1];
    RETURN NULL;
END $$;
CREATE TRIGGER turn_happened AFTER INSERT ON turns FOR EACH ROW EXECUTE FUNCTION dovvy_happened('turn', 'id');
CREATE TRIGGER turn_vanished AFTER DELETE ON turns FOR EACH ROW EXECUTE FUNCTION dovvy_vanished('turn', 'id');
CREATE TRIGGER lead_happened AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION dovvy_happened('lead', 'id');
CREATE TRIGGER lead_vanished AFTER DELETE ON leads FOR EACH ROW EXECUTE FUNCTION dovvy_vanished('lead', 'id');
CREATE TRIGGER rating_happened AFTER INSERT OR UPDATE ON feedback
    FOR EACH ROW EXECUTE FUNCTION dovvy_happened('rating', 'turn');
CREATE TRIGGER rating_vanished AFTER DELETE ON feedback FOR EACH ROW EXECUTE FUNCTION dovvy_vanished('rating', 'turn');

-- Numbers what is new, one look at a time: whatever a later look numbers stands behind it. A row that somebody
-- writes at this moment is left to the next look. The first look ever begins the listening.
CREATE FUNCTION dovvy_look() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    PERFORM pg_advisory_xact_lock(1685482102, 4);
    INSERT INTO told (kind, number) VALUES ('turn', 0), ('lead', 0), ('rating', 0) ON CONFLICT DO NOTHING;
    FOR r IN SELECT n.kind, n.subject FROM news n
             LEFT JOIN turns t ON n.kind <> 'lead' AND t.id = n.subject
             LEFT JOIN leads l ON n.kind = 'lead' AND l.id = n.subject
             WHERE n.number IS NULL ORDER BY coalesce(t.number, l.number) FOR UPDATE OF n SKIP LOCKED
    LOOP
        UPDATE news SET number = nextval('news_numbers') WHERE kind = r.kind AND subject = r.subject;
    END LOOP;
END $$;

-- Moves the marks, unless somebody else did, or the last of what was told is gone or newer by now.
CREATE FUNCTION dovvy_told(p_from bigint[], p_to bigint[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1685482102, 4);
    IF ARRAY(SELECT number FROM told ORDER BY array_position(ARRAY['turn', 'lead', 'rating'], kind)) <> p_from THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(ARRAY['turn', 'lead', 'rating'], p_from, p_to) AS m (kind, number, next)
               WHERE m.next <> m.number
                 AND NOT EXISTS (SELECT 1 FROM news n WHERE n.kind = m.kind AND n.number = m.next)) THEN
        RETURN false;
    END IF;
    UPDATE told t SET number = m.next
        FROM unnest(ARRAY['turn', 'lead', 'rating'], p_to) AS m (kind, next) WHERE t.kind = m.kind;
    DELETE FROM news WHERE (kind, subject) IN (SELECT n.kind, n.subject FROM news n JOIN told t USING (kind)
        WHERE n.number <= t.number FOR UPDATE OF n SKIP LOCKED);
    RETURN true;
END $$;
