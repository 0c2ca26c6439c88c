"""What `countersign` does besides starting processes: keys, the audit trail, the demo, files of applications."""
