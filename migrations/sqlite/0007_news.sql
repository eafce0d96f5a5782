-- Ratings in the order they were given or changed, for whoever is told of them.
CREATE TABLE ratings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    turn   TEXT NOT NULL
);
CREATE INDEX ratings_turn ON ratings (turn);
CREATE TRIGGER feedback_given AFTER INSERT ON feedback BEGIN INSERT INTO ratings (turn) VALUES (NEW.turn); END;
CREATE TRIGGER feedback_changed AFTER UPDATE ON feedback BEGIN INSERT INTO ratings (turn) VALUES (NEW.turn); END;
CREATE TRIGGER feedback_gone AFTER DELETE ON feedback BEGIN DELETE FROM ratings WHERE turn = OLD.turn; END;

-- The number of a removed newest row is given out again. Marks of what was told stand at most at the newest
-- row, or what gets such a number would never be told.
CREATE TRIGGER turn_gone AFTER DELETE ON turns BEGIN
    UPDATE meta SET value = (SELECT coalesce(max(number), 0) FROM turns)
    WHERE name IN ('told_turn', 'alerted_turn') AND value > (SELECT coalesce(max(number), 0) FROM turns);
END;
CREATE TRIGGER lead_gone AFTER DELETE ON leads BEGIN
    UPDATE meta SET value = (SELECT coalesce(max(number), 0) FROM leads)
    WHERE name IN ('told_lead', 'alerted_lead') AND value > (SELECT coalesce(max(number), 0) FROM leads);
END;
