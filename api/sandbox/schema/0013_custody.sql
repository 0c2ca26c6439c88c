-- Instruments, prices, custody accounts with their lots, and orders. Companies, funds and all their prices are made up.

-- What has a price: instruments, and pairs of currencies. The last four columns are what the price is simulated
-- with: its part of the market's and of the rates' movements, and a year's own volatility and growth in percent.
CREATE TABLE quotes (
    quote_id      text PRIMARY KEY CHECK (quote_id ~ '^[A-Z0-9]{2,12}$'),
    price         numeric(18, 6) NOT NULL CHECK (price > 0),
    as_of         timestamptz NOT NULL DEFAULT now(),
    stays         boolean NOT NULL DEFAULT false, -- as it was put, until it is put again
    market_beta   double precision NOT NULL,
    rates_beta    double precision NOT NULL,
    own_percent   double precision NOT NULL,
    drift_percent double precision NOT NULL
);
-- One close for each weekday; weekday 0 is the one on which this world was made. The last row moves with the price.
CREATE TABLE quote_history (
    quote_id text NOT NULL,
    "on"     date NOT NULL CHECK (extract(isodow FROM "on") < 6),
    weekday  integer NOT NULL,
    close    numeric(18, 6) NOT NULL CHECK (close > 0)
);
CREATE TABLE fx_pairs (
    base     text NOT NULL CHECK (base ~ '^[A-Z]{3}$'),
    quote    text NOT NULL CHECK (quote ~ '^[A-Z]{3}$'),
    quote_id text NOT NULL UNIQUE REFERENCES quotes,
    PRIMARY KEY (base, quote),
    CHECK (base <> quote)
);
-- fills: what becomes of orders; full at once, partial in three parts, short with six tenths and no more, or rejected.
CREATE TABLE instruments (
    instrument_id    text PRIMARY KEY REFERENCES quotes,
    isin             text NOT NULL UNIQUE CHECK (isin ~ '^[A-Z]{2}[A-Z0-9]{9}[0-9]$'),
    name             text NOT NULL CHECK (name <> ''),
    asset_class      text NOT NULL CHECK (asset_class IN ('equities', 'bonds', 'cash', 'real_assets', 'alternatives')),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    whole_shares     boolean NOT NULL,
    complexity       text NOT NULL CHECK (complexity IN ('plain', 'complex')),
    liquidity_days   integer NOT NULL CHECK (liquidity_days >= 0),
    ongoing_cost_bps integer NOT NULL CHECK (ongoing_cost_bps BETWEEN 0 AND 10000),
    tags             text[] NOT NULL,
    fills            text NOT NULL CHECK (fills IN ('full', 'partial', 'short', 'reject')),
    fee_bps          integer NOT NULL DEFAULT 5 CHECK (fee_bps BETWEEN 0 AND 1000)
);

CREATE TABLE custody_accounts (
    custody_account_id text PRIMARY KEY CHECK (custody_account_id ~ '^[A-Za-z0-9_-]{1,60}$'),
    customer_id        text NOT NULL REFERENCES customers,
    household_id       text CHECK (household_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    tax_status         text NOT NULL CHECK (tax_status IN ('taxable', 'deferred', 'exempt')),
    state              text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'closed'))
);
CREATE INDEX custody_accounts_of_customer ON custody_accounts (customer_id);
CREATE INDEX custody_accounts_of_household ON custody_accounts (household_id) WHERE household_id IS NOT NULL;

-- Cash in custody is an account of the ledger like others: it cannot be overdrawn, and what open buys reserve is held.
ALTER TABLE accounts
    DROP CONSTRAINT accounts_kind_check,
    ADD CONSTRAINT accounts_kind_check CHECK (kind IN ('current', 'savings', 'loan', 'custody', 'internal')),
    ADD COLUMN custody_account_id text REFERENCES custody_accounts,
    ADD CONSTRAINT custody_cash_is_of_one_account CHECK ((kind = 'custody') = (custody_account_id IS NOT NULL)),
    ADD CONSTRAINT custody_cash_is_never_lent CHECK (kind <> 'custody' OR overdraft_limit_minor = 0),
    ADD CONSTRAINT custody_cash_once_per_currency UNIQUE (custody_account_id, currency);
INSERT INTO accounts (account_id, currency, kind) VALUES
    ('BANK-MARKET-USD', 'USD', 'internal'), ('BANK-MARKET-EUR', 'EUR', 'internal'),
    ('BANK-CUSTODY-USD', 'USD', 'internal'), ('BANK-CUSTODY-EUR', 'EUR', 'internal');

CREATE TABLE positions (
    custody_account_id text NOT NULL REFERENCES custody_accounts,
    instrument_id      text NOT NULL REFERENCES instruments,
    quantity           numeric(20, 6) NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (custody_account_id, instrument_id)
);
-- cost_minor is of the whole quantity, with the fee. A lot that was sold stays, empty.
CREATE TABLE lots (
    lot_id             text PRIMARY KEY CHECK (lot_id ~ '^lot_[0-9a-f]{32}$'),
    custody_account_id text NOT NULL,
    instrument_id      text NOT NULL,
    quantity           numeric(20, 6) NOT NULL CHECK (quantity >= 0),
    reserved_quantity  numeric(20, 6) NOT NULL DEFAULT 0 CHECK (reserved_quantity BETWEEN 0 AND quantity),
    cost_minor         bigint NOT NULL CHECK (cost_minor >= 0),
    acquired_on        date NOT NULL,
    FOREIGN KEY (custody_account_id, instrument_id) REFERENCES positions,
    CHECK (quantity > 0 OR cost_minor = 0)
);
CREATE INDEX lots_of_account ON lots (custody_account_id, instrument_id, acquired_on) WHERE quantity > 0;

-- outcome: the instrument's fills, or what a switch said.
CREATE TABLE custody_orders (
    seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    order_id           text PRIMARY KEY CHECK (order_id ~ '^ord_[0-9a-f]{32}$'),
    idempotency_key    text NOT NULL UNIQUE REFERENCES requests,
    custody_account_id text NOT NULL REFERENCES custody_accounts,
    cash_account_id    text NOT NULL REFERENCES accounts,
    side               text NOT NULL CHECK (side IN ('buy', 'sell')),
    instrument_id      text NOT NULL REFERENCES instruments,
    quantity           numeric(20, 6) NOT NULL CHECK (quantity > 0),
    filled_quantity    numeric(20, 6) NOT NULL DEFAULT 0 CHECK (filled_quantity BETWEEN 0 AND quantity),
    limit_price        numeric(18, 6) CHECK (limit_price > 0),
    parts              numeric(20, 6)[] NOT NULL, -- to be filled next, one by one
    outcome            text NOT NULL CHECK (outcome IN ('full', 'partial', 'short', 'reject')),
    status             text NOT NULL DEFAULT 'accepted'
        CHECK (status IN ('accepted', 'partially_filled', 'filled', 'rejected', 'cancelled')),
    reserved_minor     bigint NOT NULL DEFAULT 0 CHECK (reserved_minor >= 0),
    reason             text,
    placed_at          timestamptz NOT NULL DEFAULT now(),
    step_at            timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'filled') = (filled_quantity = quantity)),
    CHECK (status <> 'partially_filled' OR filled_quantity > 0),
    CHECK (status NOT IN ('accepted', 'rejected') OR filled_quantity = 0),
    CHECK ((status IN ('rejected', 'cancelled')) = (reason IS NOT NULL)),
    CHECK (reserved_minor = 0 OR (side = 'buy' AND status IN ('accepted', 'partially_filled')))
);
CREATE INDEX custody_orders_open ON custody_orders (step_at) WHERE status IN ('accepted', 'partially_filled');
CREATE INDEX custody_orders_of_account ON custody_orders (custody_account_id, seq);

-- What an order to sell takes from which lots, in this order; left_quantity is not sold yet and reserved in the lot.
CREATE TABLE custody_order_lots (
    order_id      text NOT NULL REFERENCES custody_orders,
    place         integer NOT NULL,
    lot_id        text NOT NULL REFERENCES lots,
    left_quantity numeric(20, 6) NOT NULL CHECK (left_quantity >= 0),
    PRIMARY KEY (order_id, place),
    UNIQUE (order_id, lot_id)
);

CREATE TABLE trades (
    seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    trade_id           text PRIMARY KEY CHECK (trade_id ~ '^trd_[0-9a-f]{32}$'),
    order_id           text REFERENCES custody_orders,
    custody_account_id text NOT NULL REFERENCES custody_accounts,
    side               text NOT NULL CHECK (side IN ('buy', 'sell')),
    instrument_id      text NOT NULL REFERENCES instruments,
    quantity           numeric(20, 6) NOT NULL CHECK (quantity > 0),
    price              numeric(18, 6) NOT NULL CHECK (price > 0),
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor          bigint NOT NULL CHECK (fee_minor BETWEEN 0 AND amount_minor),
    currency           text NOT NULL,
    transaction_id     bigint NOT NULL REFERENCES transactions,
    at                 timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX trades_of_account ON trades (custody_account_id, seq);
CREATE INDEX trades_of_order ON trades (order_id, seq);
CREATE TABLE trade_lots (
    trade_id   text NOT NULL REFERENCES trades,
    lot_id     text NOT NULL REFERENCES lots,
    quantity   numeric(20, 6) NOT NULL CHECK (quantity > 0),
    cost_minor bigint NOT NULL CHECK (cost_minor >= 0),
    PRIMARY KEY (trade_id, lot_id)
);
CREATE TABLE custody_cash_flows (
    seq                bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    flow_id            text PRIMARY KEY CHECK (flow_id ~ '^flw_[0-9a-f]{32}$'),
    idempotency_key    text UNIQUE REFERENCES requests,
    custody_account_id text NOT NULL REFERENCES custody_accounts,
    kind               text NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'dividend', 'fee')),
    amount_minor       bigint NOT NULL CHECK (amount_minor <> 0),
    currency           text NOT NULL,
    instrument_id      text REFERENCES instruments,
    transaction_id     bigint NOT NULL REFERENCES transactions,
    at                 timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind IN ('deposit', 'dividend')) = (amount_minor > 0)),
    CHECK (kind = 'dividend' OR instrument_id IS NULL)
);
CREATE INDEX custody_cash_flows_of_account ON custody_cash_flows (custody_account_id, seq);
CREATE TRIGGER trades_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trades
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER trade_lots_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trade_lots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER custody_cash_flows_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_cash_flows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Trades move positions, and lots are written beside: at the end both say the same, or nothing is written.
CREATE FUNCTION move_positions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- The row must exist for the CHECK to be about the sum: a sale alone would be a negative row.
    INSERT INTO positions (custody_account_id, instrument_id, quantity)
    SELECT DISTINCT custody_account_id, instrument_id, 0 FROM traded ON CONFLICT DO NOTHING;
    UPDATE positions SET quantity = positions.quantity + moved.quantity
    FROM (SELECT custody_account_id, instrument_id,
                 sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END) AS quantity
          FROM traded GROUP BY custody_account_id, instrument_id) AS moved
    WHERE (positions.custody_account_id, positions.instrument_id) = (moved.custody_account_id, moved.instrument_id);
    RETURN NULL;
END $$;
CREATE TRIGGER trades_move_positions AFTER INSERT ON trades
    REFERENCING NEW TABLE AS traded FOR EACH STATEMENT EXECUTE FUNCTION move_positions();
CREATE FUNCTION refuse_other_lots() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (SELECT quantity FROM positions
        WHERE custody_account_id = NEW.custody_account_id AND instrument_id = NEW.instrument_id)
       <> (SELECT coalesce(sum(quantity), 0) FROM lots
           WHERE custody_account_id = NEW.custody_account_id AND instrument_id = NEW.instrument_id) THEN
        RAISE EXCEPTION 'the lots of % in % do not sum to its position', NEW.custody_account_id, NEW.instrument_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER lots_sum_to_positions AFTER INSERT OR UPDATE ON lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_other_lots();
CREATE CONSTRAINT TRIGGER positions_are_their_lots AFTER INSERT OR UPDATE ON positions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_other_lots();
CREATE FUNCTION move_reserved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE accounts
    SET held_minor = held_minor + NEW.reserved_minor - CASE TG_OP WHEN 'UPDATE' THEN OLD.reserved_minor ELSE 0 END
    WHERE account_id = NEW.cash_account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_orders_move_held AFTER INSERT OR UPDATE OF reserved_minor ON custody_orders
    FOR EACH ROW EXECUTE FUNCTION move_reserved();

ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_check,
    ADD CONSTRAINT api_keys_scopes_check
        CHECK (scopes <@ ARRAY['read', 'transfer', 'holds', 'loans', 'custody', 'admin']);
UPDATE api_keys SET scopes = ARRAY['read', 'transfer', 'holds', 'loans', 'custody', 'admin'] WHERE key_id = 'root';

-- Simulated prices: each weekday has one movement of the market (0.95 % is a standard deviation) and one of rates
-- (0.22 %), shared by all, and each quote one of its own. All are normal numbers made from the md5 of a name with the
-- weekday's number, so that the world has the same prices on whatever day it is made; 142 and 116 are a market that
-- grew by 12 % and rates that moved little in the end.
CREATE FUNCTION made_up_normal(name text) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT sqrt(-2 * ln((1 + ('x' || substr(hash, 1, 8))::bit(32)::bigint) / 4294967297.0::double precision))
           * cos(2 * pi() * ('x' || substr(hash, 9, 8))::bit(32)::bigint / 4294967296.0::double precision)
    FROM md5(name) AS hash
$$;
CREATE FUNCTION made_up_moves(first integer, last integer)
RETURNS TABLE (quote_id text, weekday integer, log_return double precision)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH days AS MATERIALIZED (
        SELECT number, 0.0095 * made_up_normal('market 142:' || number) AS market,
               0.0022 * made_up_normal('rates 116:' || number) AS rates
        FROM generate_series(first, last) AS number
    )
    SELECT quotes.quote_id, number,
           drift_percent / 25200 + market_beta * market + rates_beta * rates
           + own_percent / 1587.5 * made_up_normal(quotes.quote_id || ' on ' || number) -- 100 % times the root of 252
    FROM quotes CROSS JOIN days
$$;

INSERT INTO quotes (quote_id, price, market_beta, rates_beta, own_percent, drift_percent) VALUES
    ('HWLD', 96.40, 1.0, 0, 4, 7), ('HUSA', 241.15, 1.05, 0, 3, 8), ('HDIV', 78.32, 0.85, -0.2, 4, 6),
    ('HUSS', 57.88, 1.25, 0, 8, 7), ('HEUR', 44.06, 0.95, 0, 7, 6), ('HEMK', 39.71, 1.1, 0, 11, 6),
    ('HESG', 63.19, 0.98, 0, 5, 7), ('HGOV', 102.54, -0.05, -1.4, 1, 3), ('HAGG', 98.27, 0.02, -1.5, 1, 3),
    ('HCRP', 107.93, 0.15, -1.6, 2, 4), ('HYLD', 74.60, 0.4, -0.8, 4, 5), ('HINF', 51.48, 0, -1.3, 3, 3),
    ('HEUB', 118.35, -0.02, -1.3, 2, 2), ('HGIL', 21.77, 0, -1.7, 3, 3), ('HCSH', 100.12, 0, -0.02, 0.1, 4),
    ('HREI', 33.42, 0.9, -0.8, 7, 5), ('HGLD', 188.05, 0.05, -0.4, 14, 4), ('HINR', 46.90, 0.7, -0.6, 7, 5),
    ('HLEV', 82.66, 2.1, 0, 6, 10), ('HAUT', 1004.50, 0.6, -0.5, 6, 6), ('HPRC', 25.31, 0.2, -0.2, 3, 8),
    ('ARDN', 164.28, 1.5, 0, 26, 10), ('LUMA', 88.44, 0.7, 0, 18, 7), ('NWTR', 61.05, 0.5, -0.7, 13, 5),
    ('PTRX', 72.83, 0.9, 0, 22, 5), ('KLMT', 36.17, 0.55, 0, 17, 4), ('BRSK', 205.90, 0.75, 0, 20, 7),
    ('RHNK', 129.60, 1.05, 0, 19, 6), ('TPAR', 14.25, 0.9, 0, 12, 5), ('TSHO', 9.84, 0.9, 0, 14, 5),
    ('TREJ', 5.50, 1.0, 0, 15, 0), ('EURUSD', 1.0842, 0.05, 0.1, 7, 0);
INSERT INTO quote_history (quote_id, "on", weekday, close)
WITH days AS (
    SELECT day::date AS "on", 1 - row_number() OVER (ORDER BY day DESC)::integer AS weekday
    FROM generate_series(CURRENT_DATE - INTERVAL '560 days', CURRENT_DATE, INTERVAL '1 day') AS day
    WHERE extract(isodow FROM day) < 6
)
SELECT moves.quote_id, days."on", days.weekday,
       round((price * exp(-coalesce(sum(log_return) OVER later, 0))::numeric), 4)
FROM made_up_moves((SELECT min(weekday) FROM days), 0) AS moves
JOIN days USING (weekday) JOIN quotes USING (quote_id)
WINDOW later AS (PARTITION BY moves.quote_id ORDER BY weekday DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
-- After the rows, which is faster.
ALTER TABLE quote_history
    ADD PRIMARY KEY (quote_id, "on"),
    ADD UNIQUE (quote_id, weekday),
    ADD FOREIGN KEY (quote_id) REFERENCES quotes;
INSERT INTO fx_pairs (base, quote, quote_id) VALUES ('EUR', 'USD', 'EURUSD');
INSERT INTO instruments (instrument_id, isin, name, asset_class, currency, whole_shares, complexity, liquidity_days,
                         ongoing_cost_bps, tags, fills) VALUES
    ('HWLD', 'IEZZ01000035', 'Halcyon World Equity ETF', 'equities', 'USD', false, 'plain', 1, 12, '{broad}', 'full'),
    ('HUSA', 'USZZ01079227', 'Halcyon US Large Companies ETF', 'equities', 'USD', false, 'plain', 1, 5,
     '{broad}', 'full'),
    ('HDIV', 'USZZ01158419', 'Halcyon US Dividend ETF', 'equities', 'USD', false, 'plain', 1, 9, '{income}', 'full'),
    ('HUSS', 'USZZ01237601', 'Halcyon US Small Companies ETF', 'equities', 'USD', false, 'plain', 1, 15, '{}', 'full'),
    ('HEUR', 'IEZZ01316795', 'Halcyon Europe Equity ETF', 'equities', 'EUR', true, 'plain', 1, 14, '{broad}', 'full'),
    ('HEMK', 'IEZZ01395989', 'Halcyon Emerging Markets ETF', 'equities', 'USD', false, 'plain', 1, 32, '{}', 'full'),
    ('HESG', 'IEZZ01475179', 'Halcyon World Responsible ETF', 'equities', 'USD', false, 'plain', 1, 20,
     '{broad,esg}', 'full'),
    ('HGOV', 'USZZ01554369', 'Halcyon US Treasury Bond ETF', 'bonds', 'USD', false, 'plain', 1, 7,
     '{government}', 'full'),
    ('HAGG', 'USZZ01633551', 'Halcyon US Aggregate Bond ETF', 'bonds', 'USD', false, 'plain', 1, 6, '{broad}', 'full'),
    ('HCRP', 'USZZ01712744', 'Halcyon US Corporate Bond ETF', 'bonds', 'USD', false, 'plain', 1, 11,
     '{corporate}', 'full'),
    ('HYLD', 'USZZ01791938', 'Halcyon High Yield Bond ETF', 'bonds', 'USD', false, 'plain', 2, 38,
     '{high_yield}', 'full'),
    ('HINF', 'USZZ01871128', 'Halcyon Inflation Linked Bond ETF', 'bonds', 'USD', false, 'plain', 1, 10,
     '{government,inflation}', 'full'),
    ('HEUB', 'IEZZ01950312', 'Halcyon Euro Government Bond ETF', 'bonds', 'EUR', true, 'plain', 1, 9,
     '{government}', 'full'),
    ('HGIL', 'IEZZ02029504', 'Halcyon Gilt ETF', 'bonds', 'GBP', true, 'plain', 1, 8, '{government}', 'full'),
    ('HCSH', 'USZZ02108694', 'Halcyon Ultra Short Treasury ETF', 'cash', 'USD', false, 'plain', 1, 8,
     '{government}', 'full'),
    ('HREI', 'IEZZ02187880', 'Halcyon World Property ETF', 'real_assets', 'USD', false, 'plain', 2, 24,
     '{property}', 'full'),
    ('HGLD', 'IEZZ02267070', 'Halcyon Physical Gold', 'real_assets', 'USD', false, 'plain', 1, 25, '{gold}', 'full'),
    ('HINR', 'IEZZ02346262', 'Halcyon Infrastructure ETF', 'real_assets', 'USD', false, 'plain', 2, 40,
     '{infrastructure}', 'full'),
    ('HLEV', 'IEZZ02425454', 'Halcyon US Large Companies Daily 2x', 'equities', 'USD', true, 'complex', 1, 95,
     '{leveraged}', 'full'),
    ('HAUT', 'XSZZ02504642', 'Halcyon Autocall Note 2031', 'alternatives', 'USD', true, 'complex', 10, 120,
     '{structured}', 'full'),
    ('HPRC', 'USZZ02583839', 'Halcyon Private Credit Fund', 'alternatives', 'USD', false, 'complex', 90, 185,
     '{private_credit}', 'full'),
    ('ARDN', 'USZZ02663029', 'Arden Semiconductors Inc.', 'equities', 'USD', false, 'plain', 1, 0,
     '{technology}', 'full'),
    ('LUMA', 'USZZ02742211', 'Lumena Health Inc.', 'equities', 'USD', false, 'plain', 1, 0, '{health}', 'full'),
    ('NWTR', 'USZZ02821403', 'Northwater Utilities Corp.', 'equities', 'USD', false, 'plain', 1, 0,
     '{utilities}', 'full'),
    ('PTRX', 'USZZ02900595', 'Petrax Oil Corp.', 'equities', 'USD', false, 'plain', 1, 0,
     '{energy,fossil_fuels}', 'full'),
    ('KLMT', 'GBZZ02979786', 'Kilmartin Tobacco plc', 'equities', 'USD', false, 'plain', 1, 0, '{tobacco}', 'full'),
    ('BRSK', 'USZZ03058971', 'Briskel Defence Inc.', 'equities', 'USD', false, 'plain', 1, 0, '{weapons}', 'full'),
    ('RHNK', 'DEZZ03138168', 'Rheneck Maschinenbau AG', 'equities', 'EUR', true, 'plain', 1, 0, '{industry}', 'full'),
    ('TPAR', 'GBZZ03217350', 'Thistle Thinly Traded Trust', 'equities', 'USD', false, 'plain', 5, 60, '{}', 'partial'),
    ('TSHO', 'GBZZ03296545', 'Thistle Shallow Market Trust', 'equities', 'USD', true, 'plain', 15, 75, '{}', 'short'),
    ('TREJ', 'GBZZ03375737', 'Thistle Suspended Shares', 'equities', 'USD', false, 'plain', 1, 0, '{}', 'reject');

-- client-001 alone has two accounts, client-002 and client-003 are one household, client-006 has too much of one stock,
-- client-007 bought lately, client-008 has cash alone, client-009 counts in EUR and client-010's account is frozen.
INSERT INTO customers (customer_id, full_name, date_of_birth, email, street, city, postcode, country,
                       customer_since, kyc_status, currency) VALUES
    ('client-001', 'Amina Patel', '1981-03-17', 'amina.patel@example.com',
     '12 Sycamore Row', 'Portland', '97205', 'US', '2016-02-01', 'verified', 'USD'),
    ('client-002', 'Jonas Berglund', '1969-10-05', 'jonas.berglund@example.com',
     '455 Fir Crescent', 'Minneapolis', '55401', 'US', '2011-06-20', 'verified', 'USD'),
    ('client-003', 'Marta Berglund', '1971-01-29', 'marta.berglund@example.com',
     '455 Fir Crescent', 'Minneapolis', '55401', 'US', '2011-06-20', 'verified', 'USD'),
    ('client-004', 'Samuel Adeyemi', '1990-08-11', 'samuel.adeyemi@example.com',
     '89 Wharf Street', 'Providence', '02903', 'US', '2019-04-09', 'verified', 'USD'),
    ('client-005', 'Clara Moreau', '1977-05-30', 'clara.moreau@example.com',
     '7 Chestnut Lane', 'Hartford', '06103', 'US', '2014-09-15', 'verified', 'USD'),
    ('client-006', 'Victor Lindgren', '1962-12-02', 'victor.lindgren@example.com',
     '3100 Summit Drive', 'Boulder', '80302', 'US', '2008-03-03', 'verified', 'USD'),
    ('client-007', 'Naomi Fischer', '1988-07-23', 'naomi.fischer@example.com',
     '640 Poplar Avenue', 'Memphis', '38105', 'US', '2018-11-27', 'verified', 'USD'),
    ('client-008', 'Owen Castellano', '1995-02-14', 'owen.castellano@example.com',
     '21 Harbor Steps', 'Seattle', '98101', 'US', '2021-01-11', 'verified', 'USD'),
    ('client-009', 'Ingrid Solheim', '1958-04-08', 'ingrid.solheim@example.com',
     '2 Quai des Tilleuls', 'Strasbourg', '67000', 'FR', '2005-10-31', 'verified', 'EUR'),
    ('client-010', 'Harold Whitcombe', '1949-09-19', 'harold.whitcombe@example.com',
     '508 Elm Grove', 'Burlington', '05401', 'US', '1999-05-05', 'verified', 'USD');
INSERT INTO custody_accounts (custody_account_id, customer_id, household_id, currency, tax_status, state) VALUES
    ('CUS001', 'client-001', 'hh-001', 'USD', 'taxable', 'open'),
    ('CUS002', 'client-001', 'hh-001', 'USD', 'deferred', 'open'),
    ('CUS003', 'client-002', 'hh-002', 'USD', 'taxable', 'open'),
    ('CUS004', 'client-003', 'hh-002', 'USD', 'deferred', 'open'),
    ('CUS005', 'client-004', NULL, 'USD', 'exempt', 'open'),
    ('CUS006', 'client-005', NULL, 'USD', 'taxable', 'open'),
    ('CUS007', 'client-006', NULL, 'USD', 'taxable', 'open'),
    ('CUS008', 'client-007', NULL, 'USD', 'taxable', 'open'),
    ('CUS009', 'client-008', NULL, 'USD', 'taxable', 'open'),
    ('CUS010', 'client-009', NULL, 'EUR', 'taxable', 'open'),
    ('CUS011', 'client-010', NULL, 'USD', 'deferred', 'frozen');
INSERT INTO accounts (account_id, customer_id, currency, kind, custody_account_id)
SELECT cash.custody_account_id || '-' || cash.currency, customer_id, cash.currency, 'custody', cash.custody_account_id
FROM custody_accounts JOIN (
    SELECT custody_account_id, unnest(ARRAY['USD', 'EUR']) AS currency FROM custody_accounts
) AS cash USING (custody_account_id)
WHERE cash.currency = custody_accounts.currency OR custody_account_id IN ('CUS006', 'CUS010');

CREATE FUNCTION seed_flow(custody text, kind text, amount bigint, currency text, of_instrument text, at timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    booked  bigint;
    between text := CASE kind WHEN 'fee' THEN 'BANK-FEES-' WHEN 'dividend' THEN 'BANK-MARKET-' ELSE 'BANK-CUSTODY-' END;
BEGIN
    INSERT INTO transactions (reference, booked_at) VALUES (kind, at) RETURNING transaction_id INTO booked;
    INSERT INTO postings (transaction_id, account_id, currency, amount_minor) VALUES
        (booked, custody || '-' || currency, currency, amount), (booked, between || currency, currency, -amount);
    INSERT INTO custody_cash_flows (flow_id, custody_account_id, kind, amount_minor, currency, instrument_id,
                                    transaction_id, at)
    VALUES ('flw_' || md5(booked || custody), custody, kind, amount, currency, of_instrument, booked, at);
END $$;
CREATE FUNCTION seed_buy(custody text, bought text, shares numeric, price numeric, at timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    booked bigint;
    paid   text := (SELECT currency FROM instruments WHERE instrument_id = bought);
    amount bigint := round(shares * price * 100);
    fee    bigint := round(round(shares * price * 100) * 5 / 10000);
    name   text := md5(custody || bought || at::date);
BEGIN
    INSERT INTO transactions (reference, booked_at) VALUES ('buy ' || bought, at) RETURNING transaction_id INTO booked;
    INSERT INTO postings (transaction_id, account_id, currency, amount_minor) VALUES
        (booked, custody || '-' || paid, paid, -amount - fee), (booked, 'BANK-MARKET-' || paid, paid, amount),
        (booked, 'BANK-FEES-' || paid, paid, fee);
    INSERT INTO trades (trade_id, custody_account_id, side, instrument_id, quantity, price, amount_minor, fee_minor,
                        currency, transaction_id, at)
    VALUES ('trd_' || name, custody, 'buy', bought, shares, price, amount, fee, paid, booked, at);
    INSERT INTO lots (lot_id, custody_account_id, instrument_id, quantity, cost_minor, acquired_on)
    VALUES ('lot_' || name, custody, bought, shares, amount + fee, at::date);
    INSERT INTO trade_lots (trade_id, lot_id, quantity, cost_minor)
    VALUES ('trd_' || name, 'lot_' || name, shares, amount + fee);
END $$;
CREATE TEMPORARY TABLE purchases ON COMMIT DROP AS
SELECT custody, bought, shares::numeric, close, currency, "on" + TIME '14:30' AT TIME ZONE 'UTC' AS at,
       given.weekday AS ago, round(shares::numeric * close * 100) AS amount_minor
FROM (VALUES
    ('CUS001', 'HUSA', 110, 380), ('CUS001', 'HUSA', 40, 190), ('CUS001', 'HUSA', 25, 40),
    ('CUS001', 'HEMK', 300, 300), ('CUS001', 'HAGG', 160, 310), ('CUS001', 'HGOV', 75, 120),
    ('CUS001', 'HGLD', 14, 90), ('CUS001', 'ARDN', 60, 350), ('CUS002', 'HWLD', 220, 360),
    ('CUS002', 'HAGG', 210, 240), ('CUS002', 'HREI', 150, 200), ('CUS002', 'HCSH', 40, 60),
    ('CUS003', 'HUSA', 260, 390), ('CUS003', 'HUSA', 90, 270), ('CUS003', 'HDIV', 340, 330),
    ('CUS003', 'HCRP', 280, 310), ('CUS003', 'HGOV', 350, 150), ('CUS003', 'HUSS', 120, 75),
    ('CUS003', 'PTRX', 90, 260), ('CUS003', 'HINR', 140, 180), ('CUS004', 'HWLD', 410, 385),
    ('CUS004', 'HAGG', 500, 385), ('CUS004', 'HYLD', 180, 220), ('CUS004', 'HINF', 260, 140),
    ('CUS005', 'HESG', 520, 370), ('CUS005', 'HAGG', 240, 280), ('CUS005', 'LUMA', 70, 210),
    ('CUS005', 'HCSH', 90, 45), ('CUS006', 'HWLD', 180, 340), ('CUS006', 'HEUR', 150, 320),
    ('CUS006', 'RHNK', 35, 250), ('CUS006', 'HEUB', 60, 230), ('CUS006', 'HAGG', 130, 160),
    ('CUS007', 'BRSK', 1150, 388), ('CUS007', 'HUSA', 60, 300), ('CUS007', 'HGOV', 110, 300),
    ('CUS007', 'NWTR', 120, 270), ('CUS008', 'HUSA', 55, 280), ('CUS008', 'HUSA', 20, 12),
    ('CUS008', 'HEMK', 260, 230), ('CUS008', 'HEMK', 60, 9), ('CUS008', 'HUSS', 140, 200),
    ('CUS008', 'HUSS', 40, 25), ('CUS008', 'HAGG', 120, 100), ('CUS008', 'KLMT', 75, 170),
    ('CUS010', 'HEUR', 640, 375), ('CUS010', 'HEUB', 310, 375), ('CUS010', 'RHNK', 80, 180),
    ('CUS010', 'HWLD', 90, 130), ('CUS011', 'HGOV', 300, 390), ('CUS011', 'HDIV', 150, 390)
) AS given (custody, bought, shares, weekday)
JOIN quote_history ON quote_id = bought AND quote_history.weekday = -given.weekday
JOIN instruments ON instrument_id = bought;
-- Each account was given what it bought for, and what is left of it, before its first purchase. What was held for long
-- paid dividends of 0.6 % of its cost; the bank took a year's fee.
SELECT seed_flow(custody, kind, amount_minor, currency, bought, at) FROM (
    SELECT given.custody, 'deposit' AS kind,
           given.left_minor + coalesce(sum(amount_minor + round(amount_minor * 5 / 10000)), 0)::bigint AS amount_minor,
           given.currency, NULL AS bought,
           coalesce(min(at), date_trunc('day', now()) - INTERVAL '30 days') - INTERVAL '4 hours' AS at
    FROM (VALUES
        ('CUS001', 'USD', 412500), ('CUS002', 'USD', 187500), ('CUS003', 'USD', 1500000), ('CUS004', 'USD', 950000),
        ('CUS005', 'USD', 2740000), ('CUS006', 'USD', 650000), ('CUS006', 'EUR', 210000), ('CUS007', 'USD', 340000),
        ('CUS008', 'USD', 125000), ('CUS009', 'USD', 25000000), ('CUS010', 'EUR', 880000), ('CUS010', 'USD', 45000),
        ('CUS011', 'USD', 300000)
    ) AS given (custody, currency, left_minor)
    LEFT JOIN purchases ON purchases.custody = given.custody AND purchases.currency = given.currency
    GROUP BY given.custody, given.currency, given.left_minor
    UNION ALL
    SELECT custody, 'dividend', round(sum(amount_minor) * 0.006)::bigint, currency, bought, paid.at
    FROM purchases JOIN (
        SELECT "on" + TIME '09:00' AT TIME ZONE 'UTC' AS at, -weekday AS ago FROM quote_history
        WHERE quote_id = 'EURUSD' AND weekday IN (-150, -87, -24)
    ) AS paid ON purchases.ago > paid.ago + 20
    WHERE bought IN ('HWLD', 'HUSA', 'HDIV', 'HAGG', 'HCRP', 'HEUR', 'NWTR')
    GROUP BY custody, bought, currency, paid.at
    UNION ALL
    SELECT custody_account_id, 'fee', -3600, currency, NULL, now() - INTERVAL '20 days'
    FROM custody_accounts WHERE custody_account_id <> 'CUS009'
    ORDER BY at, custody, bought
) AS flows;
SELECT seed_buy(custody, bought, shares, close, at)
FROM (SELECT custody, bought, shares, close, at FROM purchases ORDER BY at, custody, bought) AS ordered;
DROP TABLE purchases;
DROP FUNCTION seed_flow, seed_buy;
