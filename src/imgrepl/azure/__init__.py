"""Azure's shapes, grammar and codes, shared by every door."""
