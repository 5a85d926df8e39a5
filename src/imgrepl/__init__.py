"""imgrepl keeps golden VM images on any object storage, with verified replicas in every region."""
