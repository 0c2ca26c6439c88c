-- Texts that models were asked and answered, and free text of intakes, are kept for a while only. What a call cost and
-- came to stays.

CREATE OR REPLACE FUNCTION refuse_another_conclusion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'reserved' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.asked = 'null' AND NEW.answered IS NULL
        AND to_jsonb(NEW) - ARRAY['asked', 'answered'] = to_jsonb(OLD) - ARRAY['asked', 'answered'] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a model''s call is concluded once, and never removed' USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE INDEX model_calls_with_texts ON model_calls (created_at) WHERE asked <> 'null';
CREATE INDEX intake_drafts_by_age ON intake_drafts (updated_at);
