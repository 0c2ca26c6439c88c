"""The sandbox core bank: a foreign system that Countersign only knows over HTTP."""
