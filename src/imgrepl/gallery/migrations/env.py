"""Runs migrations on the connection that the index hands over, inside its transaction."""

from alembic import context

from imgrepl.gallery.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
