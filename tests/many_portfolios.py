"""Many custody accounts at once in a sandbox bank's schema: `python -m tests.many_portfolios DATABASE_URL 10000`."""

import sys
import time

import psycopg

LOTS = 12
_HELD = ("HUSA", "HWLD", "HDIV", "HEMK", "HAGG", "HGOV", "HCRP", "HINF", "HREI", "HGLD", "HUSA", "HAGG")
_CHECKED_AT_THE_END = {
    "lots": "lots_sum_to_positions",
    "positions": "positions_are_their_lots",
    "transactions": "transactions_balance",
    "postings": "postings_balance",
}


def seed_portfolios(database_url: str, count: int, prefix: str = "many") -> list[str]:
    """Ids of `count` taxable accounts in USD, each of a customer of its own: `LOTS` lots of ten funds, and cash.

    What the database checks row by row it checks here once, for all rows. The bank must have made its schema before.
    """
    with psycopg.connect(database_url, cursor_factory=psycopg.ClientCursor) as conn:
        conn.execute("SET ROLE countersign_bank")
        conn.execute("SET search_path = bank")
        conn.execute("SET TIME ZONE 'UTC'")
        for table, trigger in _CHECKED_AT_THE_END.items():
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}".encode())
        asked = {"count": count, "prefix": prefix, "held": list(_HELD), "lots": LOTS}
        for statement in (_WANTED, _CUSTOMERS, _CUSTODY, _CASH, _TRANSACTIONS, _DEPOSITS, _PURCHASES, _FLOWS):
            conn.execute(statement.encode(), asked)
        for statement in (_TRADES, _LOTS, _TRADE_LOTS):
            conn.execute(statement.encode())
        assert conn.execute(_WRONG.encode()).fetchall() == []
        for table, trigger in _CHECKED_AT_THE_END.items():
            conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}".encode())
    with psycopg.connect(database_url, autocommit=True) as conn:
        for table in ("accounts", "custody_accounts", "lots", "positions", "trades", "trade_lots", "postings"):
            conn.execute(f"ANALYZE bank.{table}".encode())
    return [f"{prefix}{number:06}" for number in range(1, count + 1)]


_WANTED = """
    CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS
    SELECT custody, number, bought, shares, close, amount_minor, round(amount_minor * 5 / 10000) AS fee_minor,
           md5(custody || ':' || place) AS name, "on" + TIME '14:30' AT TIME ZONE 'UTC' AS at, "on"
    FROM generate_series(1, %(count)s) AS number, generate_series(1, %(lots)s) AS place,
        LATERAL (SELECT %(prefix)s || lpad(number::text, 6, '0') AS custody, (%(held)s::text[])[place] AS bought,
                        (5 + (number * 7 + place * 13) %% 40)::numeric AS shares) AS made
    JOIN LATERAL (SELECT close, "on", round(shares * close * 100) AS amount_minor FROM quote_history
                  WHERE quote_id = bought AND weekday = -20 - (number * 17 + place * 31) %% 360) AS priced ON true
"""
_CUSTOMERS = """
    INSERT INTO customers (customer_id, full_name, date_of_birth, email, street, city, postcode, country,
                           customer_since, kyc_status, currency)
    SELECT 'client-' || %(prefix)s || lpad(number::text, 6, '0'), 'Client ' || number, '1980-01-01',
           'client@example.com', '1 Elm Street', 'Salem', '97301', 'US', CURRENT_DATE - 3650, 'verified', 'USD'
    FROM generate_series(1, %(count)s) AS number
"""
_CUSTODY = """
    INSERT INTO custody_accounts (custody_account_id, customer_id, currency, tax_status)
    SELECT DISTINCT custody, 'client-' || custody, 'USD', 'taxable' FROM wanted
"""
_CASH = """
    INSERT INTO accounts (account_id, customer_id, currency, kind, custody_account_id)
    SELECT DISTINCT custody || '-USD', 'client-' || custody, 'USD', 'custody', custody FROM wanted
"""
_TRANSACTIONS = """
    CREATE TEMPORARY TABLE booked ON COMMIT DROP AS
    SELECT custody, kind, 0::bigint AS transaction_id, sum(amount_minor)::bigint AS amount_minor,
           sum(fee_minor)::bigint AS fee_minor, min(at) - INTERVAL '4 hours' AS at,
           100000 + number %% 50 * 10000 AS left_minor
    FROM wanted, unnest(ARRAY['deposit', 'purchases']) AS kind GROUP BY custody, number, kind;
    UPDATE booked SET transaction_id = nextval(pg_get_serial_sequence('transactions', 'transaction_id'));
    INSERT INTO transactions (transaction_id, reference, booked_at) OVERRIDING SYSTEM VALUE
    SELECT transaction_id, kind, at FROM booked
"""
_DEPOSITS = """
    INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
    SELECT transaction_id, account_id, 'USD', signed FROM booked, LATERAL (VALUES
        (custody || '-USD', amount_minor + fee_minor + left_minor),
        ('BANK-CUSTODY-USD', -amount_minor - fee_minor - left_minor)) AS side (account_id, signed)
    WHERE kind = 'deposit'
"""
_PURCHASES = """
    INSERT INTO postings (transaction_id, account_id, currency, amount_minor)
    SELECT transaction_id, account_id, 'USD', signed FROM booked, LATERAL (VALUES
        (custody || '-USD', -amount_minor - fee_minor), ('BANK-MARKET-USD', amount_minor),
        ('BANK-FEES-USD', fee_minor)) AS side (account_id, signed)
    WHERE kind = 'purchases'
"""
_FLOWS = """
    INSERT INTO custody_cash_flows (flow_id, custody_account_id, kind, amount_minor, currency, transaction_id, at)
    SELECT 'flw_' || md5(custody), custody, 'deposit', amount_minor + fee_minor + left_minor, 'USD', transaction_id, at
    FROM booked WHERE kind = 'deposit'
"""
_TRADES = """
    INSERT INTO trades (trade_id, custody_account_id, side, instrument_id, quantity, price, amount_minor, fee_minor,
                        currency, transaction_id, at)
    SELECT 'trd_' || name, wanted.custody, 'buy', bought, shares, close, wanted.amount_minor, wanted.fee_minor, 'USD',
           transaction_id, wanted.at
    FROM wanted JOIN booked ON booked.custody = wanted.custody AND kind = 'purchases' ORDER BY wanted.at
"""
_LOTS = """
    INSERT INTO lots (lot_id, custody_account_id, instrument_id, quantity, cost_minor, acquired_on)
    SELECT 'lot_' || name, custody, bought, shares, amount_minor + fee_minor, "on" FROM wanted
"""
_TRADE_LOTS = """
    INSERT INTO trade_lots (trade_id, lot_id, quantity, cost_minor)
    SELECT 'trd_' || name, 'lot_' || name, shares, amount_minor + fee_minor FROM wanted
"""
_WRONG = """
    SELECT 'position of ' || custody_account_id FROM positions
    LEFT JOIN (SELECT custody_account_id, instrument_id, sum(quantity) AS quantity FROM lots GROUP BY 1, 2) AS summed
    USING (custody_account_id, instrument_id) WHERE positions.quantity IS DISTINCT FROM coalesce(summed.quantity, 0)
    UNION ALL
    SELECT 'transaction ' || transaction_id FROM postings GROUP BY transaction_id HAVING sum(amount_minor) <> 0
    UNION ALL
    SELECT 'balance of ' || account_id FROM accounts LEFT JOIN postings USING (account_id)
    WHERE kind = 'custody' GROUP BY account_id, booked_minor HAVING coalesce(sum(amount_minor), 0) <> booked_minor
"""


if __name__ == "__main__":
    began = time.monotonic()
    made = seed_portfolios(sys.argv[1], int(sys.argv[2]))
    print(f"{len(made)} accounts, {made[0]} to {made[-1]}, in {time.monotonic() - began:.1f} s")
