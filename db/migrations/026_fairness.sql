-- What is known of protected groups, apart from everything that decides: in a schema that is on nobody's search path.
CREATE SCHEMA fairness;
REVOKE ALL ON SCHEMA fairness FROM PUBLIC;

CREATE TABLE fairness.protected_attributes (
    tenant_id text NOT NULL REFERENCES tenants,
    applicant_id text NOT NULL,
    -- The bases of 12 CFR 1002.2(z).
    basis text NOT NULL CHECK (basis IN ('race', 'color', 'religion', 'national_origin', 'sex', 'marital_status', 'age',
                                         'public_assistance', 'exercised_rights')),
    group_name text NOT NULL CHECK (group_name = btrim(group_name) AND length(group_name) BETWEEN 1 AND 60),
    loaded_by text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, basis, applicant_id)
);
CREATE INDEX protected_attributes_by_applicant ON fairness.protected_attributes (tenant_id, applicant_id);
