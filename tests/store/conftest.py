"""The real servers, for every test of this room."""

from servers import minio_server, seaweedfs_server, versitygw_server

__all__ = ["minio_server", "seaweedfs_server", "versitygw_server"]
