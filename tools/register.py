"""Every operation that agents are offered: copilot, MCP and the docs list them from here."""

from tools import account_operations, case_operations, client_operations, customer_operations
from tools.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    case_operations.list_cases,
    case_operations.get_case,
    case_operations.list_reviews,
    case_operations.list_letters,
    case_operations.list_loan_offers,
    account_operations.list_my_customers,
    account_operations.list_accounts,
    account_operations.get_balance,
    account_operations.list_transactions,
    account_operations.list_payees,
    account_operations.list_holdings,
    customer_operations.get_customer,
    customer_operations.list_latest_transactions,
    customer_operations.list_standing_orders,
    customer_operations.list_files,
    customer_operations.read_file,
    client_operations.get_client,
    client_operations.list_client_profiles,
)
BY_NAME = {operation.name: operation for operation in OPERATIONS}
