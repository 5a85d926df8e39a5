"""Settings become wired objects: the only room that knows every concrete class.

What a command does not need is not imported for it: S3 clients, the dedup cache, retries and
alembic are loaded by the call that first uses them.
"""
