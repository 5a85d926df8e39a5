"""The gallery index: the SQL database, one module per noun."""
