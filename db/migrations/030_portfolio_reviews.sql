-- Reviews of portfolios, and their reports.

-- What a review found, written once: facts that it was computed from, figures, findings and what the rule recommended.
CREATE TABLE portfolio_reviews (
    thread_id uuid PRIMARY KEY REFERENCES threads,
    tenant_id text NOT NULL,
    client_id text NOT NULL,
    as_of date NOT NULL,
    facts jsonb NOT NULL,
    facts_sha256 text NOT NULL,
    figures jsonb NOT NULL,
    profile jsonb NOT NULL,
    findings jsonb NOT NULL,
    recommendations jsonb NOT NULL,
    rule_versions text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant_id, client_id) REFERENCES clients
);
CREATE INDEX portfolio_reviews_of_client ON portfolio_reviews (tenant_id, client_id, created_at DESC);

-- What the client is told of it, once somebody may: `facts_sha256` is that of the review that was looked at.
CREATE TABLE portfolio_reports (
    thread_id uuid PRIMARY KEY REFERENCES portfolio_reviews,
    tenant_id text NOT NULL,
    facts_sha256 text NOT NULL,
    adviser text,
    message text NOT NULL,
    creditor jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER portfolio_reviews_append_only BEFORE UPDATE OR DELETE ON portfolio_reviews
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_reviews_no_truncate BEFORE TRUNCATE ON portfolio_reviews
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_reports_append_only BEFORE UPDATE OR DELETE ON portfolio_reports
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER portfolio_reports_no_truncate BEFORE TRUNCATE ON portfolio_reports
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
