"""The LangGraph SDK's protocol over our threads and runs."""
