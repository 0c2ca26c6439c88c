"""The routes of Countersign's own API."""
